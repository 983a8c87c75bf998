package nacosapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, cfg Config, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	e, err := rest.NewEngine(rest.Config{})
	require.NoError(t, err)
	New(cfg).Routes(e.Group("/nacos"))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(method, "/nacos"+path, nil))
	return w
}

func TestStateIsAFlatMapOfStrings(t *testing.T) {
	cfg := Config{Version: "1.2.3", Standalone: true, Port: 8848, AuthEnabled: func() bool { return true }, NeedsAdmin: func() bool { return true }}
	for _, path := range []string{"/v1/console/server/state", "/v3/console/server/state", "/v3/admin/core/state"} {
		w := get(t, cfg, "GET", path)
		require.Equal(t, 200, w.Code)
		var state map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &state))
		if path == "/v3/admin/core/state" {
			require.EqualValues(t, 0, state["code"])
			state = state["data"].(map[string]any)
		}
		require.Nil(t, state["function_mode"])
		delete(state, "function_mode")
		for key, v := range state {
			require.IsType(t, "", v, key)
		}
		require.Equal(t, "1.2.3", state["version"])
		require.Equal(t, "standalone", state["startup_mode"])
		require.Equal(t, "true", state["auth_enabled"])
		require.Equal(t, "true", state["auth_admin_request"])
	}
}

func TestHealth(t *testing.T) {
	why := ""
	cfg := Config{NotReady: func() string { return why }}
	for _, c := range []struct {
		path       string
		ready      string
		status     int // when not ready
		notReadyIs string
	}{
		{"/v1/console/health/liveness", "OK", 200, "OK"},
		{"/v1/console/health/readiness", "OK", 500, "no quorum"},
		{"/v2/console/health/readiness", `{"code":0,"message":"success","data":"ok"}`, 500, `{"code":30000,"message":"server error","data":"no quorum"}`},
		{"/v3/console/health/liveness", `{"code":0,"message":"success","data":"ok"}`, 200, `{"code":0,"message":"success","data":"ok"}`},
		{"/v3/admin/core/state/liveness", `{"code":0,"message":"success","data":"ok"}`, 200, `{"code":0,"message":"success","data":"ok"}`},
		{"/v3/admin/core/state/readiness", `{"code":0,"message":"success","data":"ok"}`, 200, `{"code":30000,"message":"server error","data":"no quorum"}`},
		{"/v1/core/cluster/health", `{"code":200,"message":null,"data":"UP"}`, 500, "caused: no quorum;"},
		{"/actuator/health", `{"status":"UP"}`, 503, `{"status":"DOWN"}`},
	} {
		why = ""
		w := get(t, cfg, "GET", c.path)
		require.Equal(t, 200, w.Code, c.path)
		require.Equal(t, c.ready, w.Body.String(), c.path)
		why = "no quorum"
		w = get(t, cfg, "GET", c.path)
		require.Equal(t, c.status, w.Code, c.path)
		require.Equal(t, c.notReadyIs, w.Body.String(), c.path)
	}
}

// alone is a cluster of one server.
func alone(t *testing.T, http string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.New(cluster.Config{
		Self: cluster.About{ID: "1@" + http, HTTP: http, Version: "1"}, Role: func() string { return "leader" },
		Load: func() cluster.Load { return cluster.Load{Connections: 3, SDK: 2, CPU: 0.25, Average: -1} },
	})
	require.NoError(t, err)
	return c
}

func TestMembers(t *testing.T) {
	why := ""
	cfg := Config{NotReady: func() string { return why }, Cluster: alone(t, "10.0.0.1:8848")}
	body := func(path string) string { return get(t, cfg, "GET", path).Body.String() }
	const self = `{"ip":"10.0.0.1","port":8848,"state":"UP","extendInfo":{…},"address":"10.0.0.1:8848","failAccessCnt":0,` +
		`"abilities":{"remoteAbility":{"supportRemoteConnection":true,"grpcReportEnabled":false},"configAbility":{"supportRemoteMetrics":false},"namingAbility":{"supportJraft":false}},"grpcReportEnabled":true}`
	for path, want := range map[string]string{
		"/v1/core/cluster/self":                           `{"code":200,"message":null,"data":` + self + `}`,
		"/v1/core/cluster/nodes":                          `{"code":200,"message":null,"data":[` + self + `]}`,
		"/v3/console/core/cluster/nodes?keyword=10.0.0.1": `{"code":0,"message":"success","data":[` + self + `]}`,
		"/v2/core/cluster/node/list?state=up":             `{"code":0,"message":"success","data":[` + self + `]}`,
		"/v2/core/cluster/node/list?state=down":           `{"code":0,"message":"success","data":[]}`,
		"/v1/core/cluster/simple/nodes":                   `{"code":200,"message":null,"data":["10.0.0.1:8848"]}`,
		"/serverlist":                                     "10.0.0.1:8848\r\n",
		"/v3/admin/core/cluster/node/list?state=asleep":   `{"code":23000,"message":"illegal state","data":"Illegal state: asleep"}`,
		"/v1/core/cluster/nodes?keyword=0.0.1":            `{"code":200,"message":null,"data":[]}`,
		"/v1/ns/operator/servers":                         `{"servers":[` + self + `]}`,
	} {
		require.Equal(t, want, regexp.MustCompile(`"extendInfo":{[^}]*}`).ReplaceAllString(body(path), `"extendInfo":{…}`), path)
	}
	shown := body("/v2/core/cluster/node/self")
	for _, part := range []string{`"version":"1"`, `"role":"leader"`, `"conCount":3`, `"sdkConCount":2`, `"cpu":0.25`} {
		require.Contains(t, shown, part)
	}
	require.NotContains(t, shown, `"load"`, "it is not known")
	why = "starting"
	require.Contains(t, body("/v2/core/cluster/node/self"), `"state":"STARTING"`)
	require.Equal(t, 500, get(t, Config{Cluster: alone(t, "")}, "GET", "/v2/core/cluster/node/self").Code)
}

func TestBalance(t *testing.T) {
	for _, c := range []struct {
		name   string
		have   []int
		factor float64
		want   string
	}{
		{"a single node", []int{7}, 0, ""},
		{"nobody has any", []int{0, 0, 0}, 0, ""},
		{"even", []int{5, 5, 5}, 0, ""},
		{"as even as can be", []int{4, 3, 3}, 0, ""},
		{"within the factor", []int{105, 100, 95}, 0.1, ""},
		{"one is beyond it", []int{115, 100, 85}, 0.1, "a>c:15"},
		{"all at one node", []int{10, 0, 0}, 0.1, "a>c:3 a>b:3"},
		{"one comes back empty", []int{0, 60, 60}, 0.1, "b>a:20 c>a:20"},
		{"whom one gives to, another has filled", []int{90, 60, 30, 0}, 0.1, "a>d:45 b>c:15"},
		{"several givers to one", []int{40, 40, 40, 0}, 0.1, "a>d:10 b>d:10 c>d:10"},
		{"two clients", []int{2, 0, 0}, 0.1, "a>b:1"},
		{"one client", []int{0, 0, 1}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var have []burden
			left := map[string]int{}
			for i, n := range c.have {
				name := string(rune('a' + i))
				have = append(have, burden{name, name + ":8848", n})
				left[name] = n
			}
			var got []string
			moves := balance(have, c.factor)
			for _, from := range slices.Sorted(maps.Keys(moves)) {
				for _, to := range moves[from] {
					require.Equal(t, "8848", to.Port)
					got = append(got, fmt.Sprintf("%s>%s:%d", from, to.IP, to.Count))
					left[from], left[to.IP] = left[from]-to.Count, left[to.IP]+to.Count
				}
			}
			require.Equal(t, c.want, strings.Join(got, " "))
			if c.want != "" {
				most, least := slices.Max(slices.Collect(maps.Values(left))), slices.Min(slices.Collect(maps.Values(left)))
				require.LessOrEqual(t, most-least, 1, left)
			}
		})
	}
}

func TestConnectionsAreShownAndMoved(t *testing.T) {
	s, err := rpc.New(rpc.Config{Timing: rpc.Timing{Drain: time.Millisecond}})
	require.NoError(t, err)
	closed := make(chan rpc.Reason, 1)
	s.OnClose(func(_ *rpc.Conn, r rpc.Reason) { closed <- r })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	wg.Go(func() { _ = s.Serve(l) })
	defer func() { cancel(); wg.Wait() }()

	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, wire.BiStreamMethod)
	require.NoError(t, err)
	setup, err := wire.Encode(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Python-Client:v3", Labels: map[string]string{"AppName": "orders"}}, nil)
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg(setup))
	require.Eventually(t, func() bool { return s.Count() == 1 }, 20*time.Second, time.Millisecond)
	id := s.Conns()[0].ID()

	self, err := cluster.New(cluster.Config{Self: cluster.About{ID: "1", HTTP: "10.0.0.1:8848"}, Load: func() cluster.Load {
		all, sdk := s.Load()
		return cluster.Load{Connections: all, SDK: sdk, CPU: 0.5, Average: 1.25}
	}})
	require.NoError(t, err)
	cfg := Config{RPC: s, Cluster: self}
	var shown map[string]connection
	require.NoError(t, json.Unmarshal(get(t, cfg, "GET", "/v2/core/loader/current").Body.Bytes(), &shown))
	require.Equal(t, "orders", shown[id].Meta.AppName)
	require.Equal(t, "127.0.0.1", shown[id].Meta.RemoteIP)
	require.NotZero(t, shown[id].Meta.RemotePort)
	require.True(t, shown[id].Meta.SDKSource)
	require.Equal(t, map[string]string{"AppName": "orders", "ClientVersion": "Nacos-Python-Client:v3"}, shown[id].AppLabels)
	require.Contains(t, get(t, cfg, "GET", "/v2/core/loader/cluster").Body.String(), `{"detail":[{"address":"10.0.0.1:8848","metric":{"conCount":"1","cpu":"0.5","load":"1.25","sdkConCount":"1"}}],"memberCount":1,"metricsCount":1,"completed":true,"max":1,"min":1,"avg":1,"threshold":1.1,"total":1}`)
	require.Contains(t, get(t, cfg, "GET", "/v3/admin/core/loader/cluster").Body.String(), `"detail":[{"address":"10.0.0.1:8848","sdkConCount":1,"conCount":1,"load":"1.25","cpu":"0.5"}]`)

	require.Equal(t, "success", get(t, cfg, "GET", "/v2/core/loader/reloadClient?connectionId=x").Body.String())
	require.Equal(t, "Ok", get(t, cfg, "GET", "/v2/core/loader/smartReloadCluster").Body.String())
	require.Equal(t, "Ok", get(t, cfg, "GET", "/v2/core/loader/smartReloadCluster?loaderFactor=0.1f").Body.String())
	require.Equal(t, 400, get(t, cfg, "GET", "/v2/core/loader/smartReloadCluster?loaderFactor=NaN").Code)
	require.Equal(t, 400, get(t, cfg, "POST", "/v3/admin/core/loader/smartReloadCluster?loaderFactor=2").Code)
	require.Equal(t, 405, get(t, cfg, "GET", "/v3/admin/core/loader/reloadClient?connectionId="+id).Code, "the writes of 3.x are POST")
	require.Equal(t, 400, get(t, cfg, "GET", "/v2/core/loader/reloadCurrent").Code)
	require.Equal(t, 200, get(t, cfg, "POST", "/v3/admin/core/loader/reloadCurrent?count=1").Code)
	require.Equal(t, 1, s.Count())
	require.Equal(t, 200, get(t, cfg, "POST", "/v3/admin/core/loader/reloadClient?redirectAddress=10.0.0.2:8848&connectionId="+id).Code)
	require.Equal(t, rpc.AskedToLeave, <-closed)
	require.Zero(t, s.Count())
}
