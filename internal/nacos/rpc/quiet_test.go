package rpc

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// overheard keeps what is read from a connection.
type overheard struct {
	net.Conn
	mu   *sync.Mutex
	read *bytes.Buffer
}

func (o overheard) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.read.Write(b[:n])
	return n, err
}

// A ping for each request that comes on a quiet connection cost a publish a seventh of its
// processor time.
func TestRequestsAreNotAnsweredWithPings(t *testing.T) {
	s := serve(t, Config{})
	var mu sync.Mutex
	var read bytes.Buffer
	conn, err := grpc.NewClient("passthrough:///"+s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(wire.WindowBytes), // no pings of the client's, whose answers would be mistaken
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			return overheard{c, &mu, &read}, err
		}))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	c := &client{t: t, conn: conn}
	for range 10 {
		c.ask(&wire.ServerCheckRequest{})
	}
	mu.Lock()
	defer mu.Unlock()
	frames := http2.NewFramer(io.Discard, &read)
	answers := 0
	for {
		f, err := frames.ReadFrame()
		if err != nil {
			break // what came is over
		}
		require.NotEqual(t, http2.FramePing, f.Header().Type)
		if f.Header().Type == http2.FrameData {
			answers++
		}
	}
	require.Equal(t, 10, answers)
}
