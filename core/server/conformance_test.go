package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/zkclient"
)

func TestClientPortConforms(t *testing.T) {
	coretest.Run(t, func(t *testing.T) coretest.Harness {
		addr, _ := serve(t, server.Config{})
		return coretest.Harness{
			Open: func(t testing.TB, timeout time.Duration) core.Client {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				c, err := zkclient.Dial(ctx, []string{addr}, zkclient.Options{Timeout: timeout})
				require.NoError(t, err)
				t.Cleanup(func() { _ = c.Close() })
				return c
			},
			Features: coretest.WireFeatures,
		}
	})
}
