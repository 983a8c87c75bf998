package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// fetch is what a server answers at a path of its HTTP port.
func fetch(t *testing.T, s *testkit.Server, path string) string {
	t.Helper()
	res, err := http.Get("http://" + s.HTTP + path)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

// figures are the metrics of a server that have to do with the ensemble, by name.
func figures(t *testing.T, s *testkit.Server) map[string]string {
	t.Helper()
	found := map[string]string{}
	for line := range strings.Lines(fetch(t, s, "/metrics")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, "zensus_zab_") {
			found[name] = value
		}
	}
	return found
}

// leaderOf is the index of the server that leads.
func leaderOf(t *testing.T, all []*testkit.Server) int {
	t.Helper()
	for i, s := range all {
		if s.Role() == "leader" {
			return i
		}
	}
	t.Fatal("nobody leads")
	return 0
}

// watched is an ensemble of three that vote and an observer.
func watched(t *testing.T) []*testkit.Server {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	return testkit.StartEnsemble(t, testkit.Options{
		Nacos: true, Settings: map[string]map[string]any{"auth": {"enabled": false}},
	}, 3, 1)
}

func TestMetricsTellHowAnEnsembleStands(t *testing.T) {
	all := watched(t)
	leader := leaderOf(t, all) + 1
	for i, s := range all {
		// Who serves need not be linked with those whom he neither leads nor follows.
		var is map[string]string
		require.Eventually(t, func() bool {
			is = figures(t, s)
			links := 0
			for j := range all {
				if is[fmt.Sprintf(`zensus_zab_linked{peer="%d"}`, j+1)] == "1" {
					links++
				}
			}
			return links == len(all)-1
		}, 20*time.Second, 50*time.Millisecond, "%d is not linked with all", i+1)
		require.Equal(t, fmt.Sprint(leader), is["zensus_zab_leader"])
		require.Equal(t, "3", is["zensus_zab_voters"])
		require.Equal(t, map[bool]string{true: "1", false: "0"}[i+1 == leader], is["zensus_zab_leading"])
		for j := range all {
			want := map[bool]string{true: "", false: "1"}[i == j] // of itself nothing
			require.Equal(t, want, is[fmt.Sprintf(`zensus_zab_linked{peer="%d"}`, j+1)], "%d with %d", i+1, j+1)
			_, lags := is[fmt.Sprintf(`zensus_zab_learner_lag{peer="%d"}`, j+1)]
			require.Equal(t, i+1 == leader && i != j && j != 3, lags, "of %d at %d", j+1, i+1)
		}
	}

	// Without its two followers the leader is none.
	for i := range 3 {
		if i+1 != leader {
			all[i].Kill()
		}
	}
	left := all[leader-1]
	require.Eventually(t, func() bool { return figures(t, left)["zensus_zab_serving"] == "0" }, 20*time.Second, 50*time.Millisecond)
	is := figures(t, left)
	require.Equal(t, "0", is["zensus_zab_leading"])
	require.Equal(t, "0", is["zensus_zab_leader"])
	down := 0
	for j := range 3 {
		if is[fmt.Sprintf(`zensus_zab_linked{peer="%d"}`, j+1)] == "0" {
			down++
		}
	}
	require.Equal(t, 2, down)
	require.Equal(t, "1", is[`zensus_zab_linked{peer="4"}`])
}

func command(t *testing.T, s *testkit.Server, name string) (answer map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(fetch(t, s, "/commands/"+name)), &answer))
	return answer
}

// Much of it was blank, or as a single server has it.
func TestAdminCommandsOfAnEnsemble(t *testing.T) {
	all := watched(t)
	leader := leaderOf(t, all)
	for i, s := range all {
		zab := command(t, s, "zabstate")
		require.Equal(t, s.ZooKeeper, zab["client_address"])
		require.Equal(t, i == leader, zab["is_leader"])
		require.Equal(t, i != 3, zab["voting"])
		quorum := zab["quorum_address"].(map[string]any)
		require.Equal(t, []any{"127.0.0.1"}, quorum["all_host_strings"])
		require.Equal(t, quorum["one"], quorum["all_addresses"].([]any)[0])
		if i != 3 {
			voters := command(t, s, "voting_view")["current_config"].(map[string]any)
			require.Len(t, voters, 3)
			own := voters[fmt.Sprint(i+1)].(map[string]any)
			require.Equal(t, s.ZooKeeper, own["client_address"])
			require.Equal(t, "participant", own["learner_type"])
		}
		word, err := testkit.FourLetterWord(s.ZooKeeper, "conf")
		require.NoError(t, err)
		require.Contains(t, word, "initLimit=10\nsyncLimit=5\n", "what holds where nothing is said")
	}
	observers := command(t, all[leader], "observers")
	require.InDelta(t, 1, observers["synced_observers"], 0)
	require.InDelta(t, 4, observers["observers"].([]any)[0].(map[string]any)["sid"], 0)
	require.Equal(t, "leading - broadcast", command(t, all[leader], "monitor")["peer_state"])
	require.Equal(t, "observing - broadcast", command(t, all[3], "monitor")["peer_state"])
}
