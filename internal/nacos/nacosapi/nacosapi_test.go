package nacosapi

import (
	"context"
	"encoding/json"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

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

func TestMembers(t *testing.T) {
	cfg := Config{Version: "1", Members: func() []Member {
		return []Member{{IP: "10.0.0.1", Port: 8848, Up: true, Self: true, Facts: map[string]any{"role": "leader"}}, {IP: "10.0.0.2", Port: 8848}}
	}}
	const first = `{"ip":"10.0.0.1","port":8848,"state":"UP","extendInfo":{"role":"leader","version":"1"},"address":"10.0.0.1:8848","failAccessCnt":0,` +
		`"abilities":{"remoteAbility":{"supportRemoteConnection":true,"grpcReportEnabled":false},"configAbility":{"supportRemoteMetrics":false},"namingAbility":{"supportJraft":false}},"grpcReportEnabled":true}`
	require.Equal(t, `{"code":200,"message":null,"data":`+first+`}`, get(t, cfg, "GET", "/v1/core/cluster/self").Body.String())
	require.Equal(t, `{"code":0,"message":"success","data":[`+first+`]}`, get(t, cfg, "GET", "/v3/console/core/cluster/nodes?keyword=10.0.0.1").Body.String())
	require.Equal(t, `{"code":0,"message":"success","data":[`+first+`]}`, get(t, cfg, "GET", "/v2/core/cluster/node/list?state=up").Body.String())
	require.Equal(t, `{"code":200,"message":null,"data":["10.0.0.1:8848","10.0.0.2:8848"]}`, get(t, cfg, "GET", "/v1/core/cluster/simple/nodes").Body.String())
	require.Equal(t, "10.0.0.1:8848\r\n10.0.0.2:8848\r\n", get(t, cfg, "GET", "/serverlist").Body.String())
	require.Equal(t, `{"code":23000,"message":"illegal state","data":"Illegal state: asleep"}`, get(t, cfg, "GET", "/v3/admin/core/cluster/node/list?state=asleep").Body.String())
	require.Equal(t, `{"code":200,"message":null,"data":[]}`, get(t, cfg, "GET", "/v1/core/cluster/nodes?keyword=0.0.1").Body.String())
	require.Contains(t, get(t, cfg, "GET", "/v1/ns/operator/servers").Body.String(), `{"servers":[{"ip":"10.0.0.1"`)
	require.Equal(t, 500, get(t, Config{}, "GET", "/v2/core/cluster/node/self").Code)
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
	require.Eventually(t, func() bool { return s.Count() == 1 }, 5*time.Second, time.Millisecond)
	id := s.Conns()[0].ID()

	cfg := Config{RPC: s, Members: func() []Member { return []Member{{IP: "10.0.0.1", Port: 8848, Self: true}} }}
	var shown map[string]connection
	require.NoError(t, json.Unmarshal(get(t, cfg, "GET", "/v2/core/loader/current").Body.Bytes(), &shown))
	require.Equal(t, "orders", shown[id].Meta.AppName)
	require.Equal(t, "127.0.0.1", shown[id].Meta.RemoteIP)
	require.NotZero(t, shown[id].Meta.RemotePort)
	require.True(t, shown[id].Meta.SDKSource)
	require.Equal(t, map[string]string{"AppName": "orders", "ClientVersion": "Nacos-Python-Client:v3"}, shown[id].AppLabels)
	require.Contains(t, get(t, cfg, "GET", "/v2/core/loader/cluster").Body.String(), `{"detail":[{"address":"10.0.0.1:8848","metric":{"conCount":"1","cpu":"","load":"","sdkConCount":"1"}}]`)
	require.Contains(t, get(t, cfg, "GET", "/v3/admin/core/loader/cluster").Body.String(), `"detail":[{"address":"10.0.0.1:8848","sdkConCount":1,"conCount":1,"load":"","cpu":""}]`)

	require.Equal(t, "success", get(t, cfg, "GET", "/v2/core/loader/reloadClient?connectionId=x").Body.String())
	require.Equal(t, "Ok", get(t, cfg, "GET", "/v2/core/loader/smartReloadCluster").Body.String())
	require.Equal(t, 405, get(t, cfg, "GET", "/v3/admin/core/loader/reloadClient?connectionId="+id).Code, "the writes of 3.x are POST")
	require.Equal(t, 400, get(t, cfg, "GET", "/v2/core/loader/reloadCurrent").Code)
	require.Equal(t, 200, get(t, cfg, "POST", "/v3/admin/core/loader/reloadCurrent?count=1").Code)
	require.Equal(t, 1, s.Count())
	require.Equal(t, 200, get(t, cfg, "POST", "/v3/admin/core/loader/reloadClient?redirectAddress=10.0.0.2:8848&connectionId="+id).Code)
	require.Equal(t, rpc.AskedToLeave, <-closed)
	require.Zero(t, s.Count())
}
