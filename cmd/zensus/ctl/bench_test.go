package ctl

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/cmd/zensus/ctl/bench"
	"github.com/zensus-io/zensus/core"
)

// It left its znodes behind on servers that it had not started.
func TestBenchLeavesAServerAsItWas(t *testing.T) {
	addr, _ := serve(t, t.TempDir())
	z := &zk{server: addr, timeout: 10 * time.Second, output: text, notes: io.Discard}
	c, err := z.session(t.Context())
	require.NoError(t, err)
	defer z.close()
	run := func() {
		cmd := bench.Command()
		cmd.SetOut(io.Discard)
		cmd.SetArgs([]string{"zk", addr, "--workload", "get,set,create,multi,children,fanout", "--rounds", "1", "--time", "100ms", "--shape", "2x2", "--watchers", "3", "--quiet"})
		require.NoError(t, cmd.ExecuteContext(t.Context()))
	}
	children := func(path string) []string {
		names, _, err := c.Children(t.Context(), path)
		require.NoError(t, err)
		return names
	}
	run()
	require.Equal(t, []string{"zookeeper"}, children("/"))

	_, _, err = c.Create(t.Context(), "/bench", nil, core.CreateOptions{})
	require.NoError(t, err)
	_, _, err = c.Create(t.Context(), "/bench/mine", nil, core.CreateOptions{})
	require.NoError(t, err)
	run()
	require.Equal(t, []string{"mine"}, children("/bench"), "what others made stays")
}
