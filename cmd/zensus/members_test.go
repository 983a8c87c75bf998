package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
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

// joined are so many clients, each with an instance, that know all servers and begin at
// the first.
func joined(t *testing.T, servers []*testkit.Server, clients int) {
	t.Helper()
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.HTTP)
	}
	for i := range clients {
		c, err := sdk.Dial(t.Context(), addrs, sdk.InOrder())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
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

		all[2].Stop()
		eventually(t, func(t require.TestingT) { require.Equal(t, "UP UP DOWN", states(t, all[0], all)) })
		require.NotContains(t, read(t, all[0], "/nacos/serverlist"), all[2].HTTP)
		require.Contains(t, read(t, all[0], "/nacos/v2/core/loader/cluster"), `"memberCount":3,"metricsCount":2,"completed":false`)
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
