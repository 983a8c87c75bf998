package quota

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/picture"
)

// A server that had restarted took what was beyond every limit until its mirror had loaded:
// that it knew no quota was taken for that there is none.
func TestAQuotaHoldsWhileTheServerStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		client, err := engine.Open(t.Context(), core.SessionOptions{Timeout: time.Minute, KeepAlive: true, ACL: core.NodeACL()})
		require.NoError(t, err)
		_, _, err = client.Create(t.Context(), core.ParentPath(Root), nil, core.CreateOptions{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		dev := Scope{Namespace: "dev"}
		before, err := New(client, nil)
		require.NoError(t, err)
		done := make(chan struct{}, 2)
		go func() { _ = before.Run(ctx); done <- struct{}{} }()
		require.NoError(t, before.Change(ctx, dev, func(l *Limits) { l.Configs = 1 }))

		q, err := New(client, nil)
		require.NoError(t, err)
		began := time.Now()
		_, err = q.Hold(ctx, dev)
		require.ErrorIs(t, err, ErrStarting)
		_, err = q.Get(ctx, dev)
		require.ErrorIs(t, err, ErrStarting)
		require.Equal(t, 2*picture.ReadyPatience, time.Since(began))

		held := make(chan int, 1)
		go func() {
			h, err := q.Hold(ctx, dev)
			if err != nil || h == nil {
				held <- 0
				return
			}
			held <- h.Configs
		}()
		synctest.Wait()
		go func() { _ = q.Run(ctx); done <- struct{}{} }()
		require.Equal(t, 1, <-held, "who waits is told as soon as it is known")
		l, err := q.Get(ctx, dev)
		require.NoError(t, err)
		require.Equal(t, 1, l.Configs)
		cancel()
		<-done
		<-done
		require.NoError(t, client.Close())
	})
}
