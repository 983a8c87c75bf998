package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/naming"
)

// threeServers are three with Nacos: members of an ensemble, or nodes on an Apache
// ZooKeeper.
func threeServers(t *testing.T, test func(t *testing.T, servers []*testkit.Server)) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	t.Run("an ensemble", func(t *testing.T) {
		test(t, testkit.StartEnsemble(t, testkit.Options{Alone: true, Nacos: true}, 3, 0))
	})
	t.Run("on an Apache ZooKeeper", func(t *testing.T) {
		test(t, testkit.StartOnApache(t, testkit.Options{Nacos: true}, 3))
	})
}

// read asks a server, and is what it answers.
func read(t require.TestingT, s *testkit.Server, path string) string {
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Get("http://" + s.HTTP + path)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

// states are the servers as one of them shows them, as in "UP UP DOWN".
func states(t require.TestingT, of *testkit.Server, all []*testkit.Server) string {
	var answer struct {
		Data []struct{ Address, State string }
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, of, "/nacos/v2/core/cluster/node/list")), &answer))
	byAddress := map[string]string{}
	for _, m := range answer.Data {
		byAddress[m.Address] = m.State
	}
	var shown []string
	for _, s := range all {
		shown = append(shown, byAddress[s.HTTP])
	}
	return strings.Join(shown, " ")
}

// connected is how many clients each server has, by its own account.
func connected(t require.TestingT, of *testkit.Server, all []*testkit.Server) []int {
	var answer struct {
		Detail []struct {
			Address string
			Metric  struct {
				SDK int `json:"sdkConCount,string"`
			}
		}
		Completed bool
	}
	text := read(t, of, "/nacos/v2/core/loader/cluster")
	require.NoError(t, json.Unmarshal([]byte(text), &answer), text)
	byAddress := map[string]int{}
	for _, d := range answer.Detail {
		byAddress[d.Address] = d.Metric.SDK
	}
	var counts []int
	for _, s := range all {
		counts = append(counts, byAddress[s.HTTP])
	}
	return counts
}

func eventually(t *testing.T, check func(t require.TestingT)) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { check(c) }, 45*time.Second, 20*time.Millisecond)
}

// join is a client that knows all servers and begins at the first.
func join(t *testing.T, servers ...*testkit.Server) *sdk.Client {
	t.Helper()
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.HTTP)
	}
	c, err := sdk.Dial(t.Context(), addrs, sdk.InOrder())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// joined are so many clients, each with an instance.
func joined(t *testing.T, servers []*testkit.Server, clients int) {
	t.Helper()
	for i := range clients {
		c := join(t, servers...)
		require.NoError(t, naming.New(c).Register(t.Context(), naming.Service{Name: "shop"}, naming.Instance{IP: "10.0.0.1", Port: 1000 + i}))
	}
}

func TestEveryServerShowsAllAndEvensThemOut(t *testing.T) {
	threeServers(t, func(t *testing.T, all []*testkit.Server) {
		for _, s := range all {
			eventually(t, func(t require.TestingT) { require.Equal(t, "UP UP UP", states(t, s, all)) })
		}
		for _, path := range []string{"/v1/core/cluster/nodes", "/v1/ns/operator/servers", "/v3/admin/core/cluster/node/list", "/v3/console/core/cluster/nodes", "/v1/core/cluster/simple/nodes", "/serverlist"} {
			for _, s := range all {
				require.Contains(t, read(t, all[2], "/nacos"+path), s.HTTP, path)
			}
		}
		const clients = 9
		joined(t, all, clients)
		eventually(t, func(t require.TestingT) { require.Equal(t, []int{clients, 0, 0}, connected(t, all[1], all)) })
		require.Equal(t, "Ok", read(t, all[2], "/nacos/v2/core/loader/smartReloadCluster"), "asked of a server that has none")
		eventually(t, func(t require.TestingT) { require.Equal(t, []int{3, 3, 3}, connected(t, all[1], all)) })
		listed := read(t, all[0], "/nacos/v1/ns/instance/list?serviceName=shop")
		for i := range clients {
			require.Contains(t, listed, fmt.Sprintf(`"port":%d`, 1000+i))
		}

		// One that is told to go by a server that it is not connected to.
		var conns map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(read(t, all[0], "/nacos/v2/core/loader/current")), &conns))
		require.Len(t, conns, 3)
		for id := range conns {
			require.Equal(t, "success", read(t, all[1], "/nacos/v2/core/loader/reloadClient?connectionId="+id+"&redirectAddress="+all[2].HTTP))
			break
		}
		eventually(t, func(t require.TestingT) { require.Equal(t, []int{2, 3, 4}, connected(t, all[1], all)) })

		for _, s := range all[:2] {
			flaps(t, s, 0)
		}
		subscribers := func(path string) int {
			return strings.Count(read(t, all[2], "/nacos"+path+"&serviceName=shop"), `"ip"`)
		}
		require.Equal(t, 2, subscribers("/v1/ns/service/subscribers?pageSize=10"), "of all servers")
		require.Equal(t, 2, subscribers("/v3/admin/ns/service/subscribers?pageNo=1"))
		require.Zero(t, subscribers("/v1/ns/service/subscribers?aggregation=false"))
		require.Zero(t, subscribers("/v3/admin/ns/service/subscribers?aggregation=false"))

		all[2].Stop()
		eventually(t, func(t require.TestingT) { require.Equal(t, "UP UP DOWN", states(t, all[0], all)) })
		require.NotContains(t, read(t, all[0], "/nacos/serverlist"), all[2].HTTP)
		eventually(t, func(t require.TestingT) { // of two that have a second to answer
			require.Contains(t, read(t, all[0], "/nacos/v2/core/loader/cluster"), `"memberCount":3,"metricsCount":2,"completed":false`)
		})
		forget := func(s *testkit.Server) int {
			r, err := http.NewRequest(http.MethodDelete, "http://"+all[0].HTTP+"/nacos/v3/admin/core/cluster/node?address="+s.HTTP, http.NoBody)
			require.NoError(t, err)
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			return res.StatusCode
		}
		require.Equal(t, http.StatusBadRequest, forget(all[1]), "it is live")
		require.Equal(t, http.StatusOK, forget(all[2]))
		eventually(t, func(t require.TestingT) { require.Equal(t, "UP UP ", states(t, all[1], all)) })
		require.Equal(t, http.StatusNotFound, forget(all[2]))
		all[2].Restart()
		eventually(t, func(t require.TestingT) { require.Equal(t, "UP UP UP", states(t, all[0], all)) })
	})
}

// flaps follows a service at a server, and counts the lists in which fewer are than were
// registered, once that has heard of all.
func flaps(t *testing.T, s *testkit.Server, instances int) (count func() int) {
	t.Helper()
	n := naming.New(join(t, s))
	ctx, cancel := context.WithCancel(t.Context())
	var fewer atomic.Int64
	whole := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		all := false
		for shown, err := range n.Subscribe(ctx, naming.Service{Name: "shop"}) {
			switch {
			case err != nil:
			case len(shown.Instances) >= instances && !all:
				all = true
				close(whole)
			case len(shown.Instances) < instances && all:
				fewer.Add(1)
				t.Logf("only %d instances", len(shown.Instances))
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	select {
	case <-whole:
	case <-time.After(45 * time.Second):
		t.Fatal("it never has all")
	}
	return func() int { return int(fewer.Load()) }
}

// poll is what a long poll is answered with.
func poll(t *testing.T, s *testkit.Server) <-chan int {
	status := make(chan int, 1)
	form := url.Values{"Listening-Configs": {"none\x02DEFAULT_GROUP\x02\x01"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.HTTP+"/nacos/v1/cs/configs/listener", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Long-Pulling-Timeout", "60000")
	go func() {
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			status <- 0
			return
		}
		_ = res.Body.Close()
		status <- res.StatusCode
	}()
	return status
}

func TestClientsOfAServerThatStopsAreSentToOthersBefore(t *testing.T) {
	threeServers(t, func(t *testing.T, all []*testkit.Server) {
		for _, s := range all {
			eventually(t, func(t require.TestingT) { require.Equal(t, "UP UP UP", states(t, s, all)) })
		}
		const clients = 8
		joined(t, all, clients)
		fewer := flaps(t, all[1], clients)
		held := poll(t, all[0])
		eventually(t, func(t require.TestingT) { // it is held
			polls, _ := find(scrape(t, all[0], "/nacos/actuator/prometheus"), "nacos_monitor name=longPolling")
			require.Equal(t, 1.0, polls)
		})
		began := time.Now()
		all[0].Stop()
		t.Logf("stopped within %v", time.Since(began))
		require.Less(t, time.Since(began), 10*time.Second)
		require.Equal(t, http.StatusServiceUnavailable, <-held)
		var counts []int
		eventually(t, func(t require.TestingT) { // the last may be on its way
			counts = connected(t, all[1], all)
			require.Equal(t, clients+1, counts[1]+counts[2]) // who follows the service is one more
		})
		require.InDelta(t, counts[1]-1, counts[2], 2, "they went in equal shares: %v", counts)
		if os.Getenv("ZENSUS_REQUIRE_INTEROP") != "" {
			time.Sleep(35 * time.Second) // longer than the sessions that the server left behind
		}
		require.Zero(t, fewer())
		listed := read(t, all[2], "/nacos/v1/ns/instance/list?serviceName=shop")
		for i := range clients {
			require.Contains(t, listed, fmt.Sprintf(`"port":%d`, 1000+i))
		}
	})
}

func TestAServerIsDrainedByCommandAndTakesClientsAgain(t *testing.T) {
	threeServers(t, func(t *testing.T, all []*testkit.Server) {
		eventually(t, func(t require.TestingT) { require.Equal(t, "UP UP UP", states(t, all[0], all)) })
		joined(t, all, 4)
		fewer := flaps(t, all[1], 4)
		out, err := all[0].Run("cluster", "drain", "--server", "http://"+all[0].HTTP)
		require.NoError(t, err, out)
		require.Zero(t, connected(t, all[1], all)[0])
		require.Equal(t, "draining\n", read(t, all[0], "/readyz"))
		require.Contains(t, read(t, all[0], "/nacos/v2/console/health/readiness"), "draining")
		require.Equal(t, http.StatusServiceUnavailable, <-poll(t, all[0]))
		eventually(t, func(t require.TestingT) { require.NotContains(t, read(t, all[1], "/nacos/serverlist"), all[0].HTTP) })
		late := naming.New(join(t, all[0], all[2]))
		_, err = late.Instances(t.Context(), naming.Service{Name: "shop"})
		require.NoError(t, err)
		require.Zero(t, connected(t, all[1], all)[0], "it takes nobody")
		require.Contains(t, read(t, all[0], "/nacos/v1/ns/instance/list?serviceName=shop"), `"port":1003`, "but it answers")

		out, err = all[0].Run("cluster", "drain", "--undo", "--server", "http://"+all[0].HTTP)
		require.NoError(t, err, out)
		require.Equal(t, "ready\n", read(t, all[0], "/readyz"))
		_, err = naming.New(join(t, all[0])).Instances(t.Context(), naming.Service{Name: "shop"})
		require.NoError(t, err)
		// The connection with which it was dialled may be there for a moment.
		eventually(t, func(t require.TestingT) { require.Equal(t, 1, connected(t, all[1], all)[0]) })
		require.Zero(t, fewer())
	})
}
