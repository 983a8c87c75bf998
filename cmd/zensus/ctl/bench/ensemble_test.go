//go:build unix

package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Cleanup()
	os.Exit(code)
}

func TestScenariosOfEnsemblesSayWhatTheyLack(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"a:1,b:2,c:3 -w failover", "failover needs --start-each"},
		{"a:1,b:2,c:3 -w failover --start x", "failover needs --start-each"},
		{"a:1,b:2,c:3 -w big --start-each x", "big needs --start"},
		{"a:1,b:2,c:3 -w join --start-each x", "join needs 4 addresses, and a:1,b:2,c:3 has 3"},
		{"a:1,b:2,c:3,d:4,e:5 -w join --voters 5 --start-each x", "join needs 6 addresses, and a:1,b:2,c:3,d:4,e:5 has 5"},
		{"a:1,b:2,c:3 -w failover --voters 2 --start-each x", "failover needs three voters"},
		{"a:1,b:2,c:3 -w get --voters 4 --start-each x", "--voters: 4 of 3 addresses"},
		{"a:1 -w follower", "follower needs 2 addresses, and a:1 has 1"},
		{"a:1 --start x --start-each x", "--start and --start-each exclude each other"},
		{"a:1 --vs b:1 --start-each x", "--start-each: 1 commands for 2 ensembles"},
	} {
		cmd := zkCommand()
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		cmd.SetArgs(strings.Fields(tt.args))
		require.EqualError(t, cmd.ExecuteContext(t.Context()), tt.want, tt.args)
	}
}

func TestScenariosOfEnsemblesRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	const servers = 5
	script, err := filepath.Abs(filepath.Join("..", "..", "..", "..", "tools", "bench-server.sh"))
	require.NoError(t, err)
	var offsets []int // those that the script uses
	for n := 1; n <= servers; n++ {
		offsets = append(offsets, n, 100+n, 200+n)
	}
	base := testkit.FreePort(t, offsets...)
	var addrs []string
	for n := 1; n <= servers; n++ {
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", base+n))
	}
	binary := testkit.Binary(t)
	t.Setenv("TMPDIR", t.TempDir())
	result := filepath.Join(t.TempDir(), "result")
	cmd := zkCommand()
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetArgs([]string{
		strings.Join(addrs, ","), "--start-each", fmt.Sprintf("sh %s %d %s serve -c", script, base, binary), "--rounds", "1",
		"--time", "100ms", "--shape", "2x2", "--znodes", "12000", "--writes", "1000", "--storm", "50", "--kills", "2", "--json", result, "--quiet",
		"-w", "get,follower,failover,catchup,join,observers,storm",
	})
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	text, err := os.ReadFile(result)
	require.NoError(t, err)
	var rows []Row
	require.NoError(t, json.Unmarshal(text, &rows))
	samples := map[string][]float64{}
	for _, r := range rows {
		name, _, _ := strings.Cut(r.Workload, ":")
		samples[name] = append(samples[name], r.Sides[0].Values...)
		for _, v := range r.Sides[0].Values {
			if !strings.HasSuffix(r.Workload, ", lost") {
				require.Positive(t, v, r.Workload)
			} else {
				require.Zero(t, v, r.Workload)
			}
		}
	}
	for name, n := range map[string]int{"get": 1, "follower": 2, "failover": 2, "catchup": 1, "join": 2, "observers": 5, "storm": 2} {
		require.Len(t, samples[name], n, "%s\n%s", name, out.String())
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "zensus-bench-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
