package rpc

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// TestLargeRequestsAreBoundedTogether: those that are served, those that wait for that, and
// those of whom it is not known who sends them.
func TestLargeRequestsAreBoundedTogether(t *testing.T) {
	let := make(chan struct{})
	room := &room{semaphore.NewWeighted(1 << 20), semaphore.NewWeighted(1 << 20), semaphore.NewWeighted(1 << 20)}
	timing := calm()
	timing.SetupFrame = quick.SetupFrame // a stranger's requests wait for it
	v := serve(t, Config{Timing: timing}, func(s *Server) {
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
	request := func(name string, bytes int) *wire.ServiceQueryRequest {
		r := &wire.ServiceQueryRequest{Cluster: strings.Repeat("x,", bytes/2)}
		r.ServiceName = name
		return r
	}
	const large = 600 << 10
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
			reply, err := c.askWith(request("waits", large), nil)
			require.NoError(t, err)
			require.True(t, reply.(*wire.QueryServiceResponse).Success)
		})
		require.Eventually(t, taken(part), longest, time.Millisecond)
	}
	busy := func() bool {
		reply, err := c.askWith(request("x", large), nil)
		require.NoError(t, err)
		return reply.(*wire.QueryServiceResponse).ErrorCode == wire.Busy.RPCCode()
	}
	require.True(t, busy())
	require.True(t, c.ask(request("x", 0)).(*wire.QueryServiceResponse).Success, "a small one needs no room")
	close(let)
	answers.Wait()
	require.False(t, busy())

	stranger := dial(t, v.addr)
	reply, err := stranger.askWith(request("x", 2<<20), nil)
	require.NoError(t, err)
	require.Equal(t, 301, reply.(*wire.ErrorResponse).ErrorCode)
}

// TestMetadataAreBounded: a message of thousands of headers takes many times its size when
// it is read, which is before anybody knows of it.
func TestMetadataAreBounded(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Java-Client:v2.5.1", nil)
	headers := map[string]string{}
	for i := range 20_000 {
		headers[strconv.Itoa(i)] = ""
	}
	_, err := c.askWith(&wire.HealthCheckRequest{}, headers)
	require.ErrorContains(t, err, "metadata: payload too large")
	reply, err := c.askWith(&wire.HealthCheckRequest{}, map[string]string{"accessToken": strings.Repeat("x", wire.MaxMetadataBytes/2)})
	require.NoError(t, err)
	require.True(t, reply.(*wire.HealthCheckResponse).Success)

	many := new(wire.Payload)
	many.Metadata = &wire.Metadata{Type: "HealthCheckRequest", Headers: headers}
	b, err := proto.Marshal(many)
	require.NoError(t, err)
	for _, b := range [][]byte{b, append(b, 0xff)} { // the second is no message in the end
		in := mem.BufferSlice{mem.SliceBuffer(b)}
		for _, v := range []any{new(received), new(wire.Payload)} {
			require.Less(t, testing.AllocsPerRun(10, func() { require.Error(t, codec{}.Unmarshal(in, v)) }), 100.)
		}
	}

	// On the stream it ends the stream.
	require.NoError(t, c.stream.SendMsg(many))
	select {
	case err := <-c.ended:
		require.Error(t, err)
	case <-time.After(longest):
		t.Fatal("the stream goes on")
	}
}
