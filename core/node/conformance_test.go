package node_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/node"
)

func TestClientInProcessConforms(t *testing.T) {
	coretest.Run(t, func(t *testing.T) coretest.Harness {
		dir := t.TempDir()
		var n *node.Node
		var stop func()
		n, stop = run(t, dir)
		return coretest.Harness{
			Open: func(t testing.TB, timeout time.Duration) core.Client {
				c, err := n.Open(context.Background(), core.SessionOptions{Timeout: timeout, KeepAlive: true})
				require.NoError(t, err)
				t.Cleanup(func() { _ = c.Close() })
				return c
			},
			Restart: func(testing.TB) {
				stop()
				n, stop = run(t, dir)
			},
		}
	})
}
