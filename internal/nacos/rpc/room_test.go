package rpc

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// TestLargeRequestsAreBoundedTogether: those that are served, those that wait for that, and
// those of whom it is not known who sends them.
func TestLargeRequestsAreBoundedTogether(t *testing.T) {
	let := make(chan struct{})
	room := &room{semaphore.NewWeighted(1 << 20), semaphore.NewWeighted(1 << 20), semaphore.NewWeighted(1 << 20)}
	v := serve(t, Config{}, func(s *Server) {
		s.room = room
		Register(s, func(ctx context.Context, _ *Conn, in *wire.ServiceQueryRequest) (*wire.QueryServiceResponse, error) {
			if in.ServiceName == "waits" {
				select {
				case <-let:
				case <-ctx.Done():
				}
			}
			return nil, nil
		})
	})
	c := connect(t, v, "Nacos-Java-Client:v2.5.1", nil)
	large := map[string]string{"x": strings.Repeat("x", 600<<10)}
	request := func(name string) *wire.ServiceQueryRequest {
		r := new(wire.ServiceQueryRequest)
		r.ServiceName = name
		return r
	}
	var answers sync.WaitGroup
	taken := func(part *semaphore.Weighted) func() bool {
		return func() bool {
			if part.TryAcquire(1 << 19) {
				part.Release(1 << 19)
				return false
			}
			return true
		}
	}
	// One is served, and then one waits for that.
	for _, part := range []*semaphore.Weighted{room.inside, room.before} {
		answers.Go(func() {
			reply, err := c.askWith(request("waits"), large)
			require.NoError(t, err)
			require.True(t, reply.(*wire.QueryServiceResponse).Success)
		})
		require.Eventually(t, taken(part), 5*time.Second, time.Millisecond)
	}
	busy := func() bool {
		reply, err := c.askWith(request("x"), large)
		require.NoError(t, err)
		return reply.(*wire.QueryServiceResponse).ErrorCode == wire.Busy.RPCCode()
	}
	require.True(t, busy())
	require.True(t, c.ask(request("x")).(*wire.QueryServiceResponse).Success, "a small one needs no room")
	close(let)
	answers.Wait()
	require.False(t, busy())

	stranger := dial(t, v.addr)
	reply, err := stranger.askWith(request("x"), map[string]string{"x": strings.Repeat("x", 2<<20)})
	require.NoError(t, err)
	require.Equal(t, 301, reply.(*wire.ErrorResponse).ErrorCode)
}
