package security

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// client is a connection as SDKs make it.
type client struct {
	t      *testing.T
	conn   *grpc.ClientConn
	stream grpc.ClientStream
}

func (s *site) connect() *client {
	s.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	c := &client{t: s.t, conn: conn}
	reply, err := c.ask(&wire.ServerCheckRequest{}, "")
	require.NoError(s.t, err)
	require.IsType(s.t, &wire.ServerCheckResponse{}, reply)
	c.stream, err = conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, wire.BiStreamMethod)
	require.NoError(s.t, err)
	p, err := wire.Encode(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Java-Client:v3.0.3", Labels: map[string]string{"source": "sdk"}}, nil)
	require.NoError(s.t, err)
	require.NoError(s.t, c.stream.SendMsg(p))
	return c
}

// ask sends a request and returns the reply.
func (c *client) ask(body wire.Body, token string) (wire.Body, error) {
	headers := map[string]string{}
	if token != "" {
		headers["accessToken"] = token
	}
	return c.askWith(body, headers)
}

func (c *client) askWith(body wire.Body, headers map[string]string) (wire.Body, error) {
	p, err := wire.Encode(body, headers)
	if err != nil {
		return nil, err
	}
	out, err := c.send(p)
	if err != nil {
		return nil, err
	}
	return wire.Decode(out)
}

func (c *client) send(p *wire.Payload) (*wire.Payload, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out := new(wire.Payload)
	return out, c.conn.Invoke(ctx, wire.RequestMethod, p, out)
}

// refused is the error code of a reply, 0 of a success.
func (c *client) refused(body wire.Body, token string) int {
	c.t.Helper()
	reply, err := c.ask(body, token)
	require.NoError(c.t, err)
	return reply.(wire.Reply).Base().ErrorCode
}
