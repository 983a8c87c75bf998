package lean

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

const patience = 10 * time.Second

func TestPayloadsAreThoseOfTheWire(t *testing.T) {
	for _, json := range []string{"", "{}", strings.Repeat("x", 200), strings.Repeat("x", 100_000)} {
		b := appendPayload(nil, "InstanceRequest", []byte(json))
		require.Len(t, b, 5+payloadBytes("InstanceRequest", []byte(json)))
		var p wire.Payload
		require.NoError(t, proto.Unmarshal(b[5:], &p))
		require.Equal(t, "InstanceRequest", p.GetMetadata().GetType())
		require.Equal(t, json, string(p.GetBody().GetValue()))

		p.Metadata.ClientIp, p.Metadata.Headers = "10.0.0.1", map[string]string{"a": "b"}
		whole, err := proto.Marshal(&p)
		require.NoError(t, err)
		kind, body, err := readPayload(whole)
		require.NoError(t, err)
		require.Equal(t, "InstanceRequest", string(kind))
		require.Equal(t, json, string(body))
		_, _, err = readPayload(whole[:len(whole)/2])
		require.Error(t, err)
	}
}

func FuzzReadPayload(f *testing.F) {
	f.Add(appendPayload(nil, "A", []byte("{}"))[5:])
	f.Fuzz(func(_ *testing.T, b []byte) { _, _, _ = readPayload(b) })
}

// answerWith serves connections, the n-th of which gives the n-th list of answers, one
// to each request.
func answerWith(t *testing.T, conns ...[]string) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, answers := range conns {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(c)
			for _, a := range answers {
				r, err := http.ReadRequest(in)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(c, a)
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestHTTPReadsEveryFormOfAnswer(t *testing.T) {
	long := strings.Repeat("y", 3*bufferBytes)
	addr := answerWith(t,
		[]string{
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.1 404 \r\nX: 1\r\ncontent-length:   0\r\n\r\n",
			"HTTP/1.1 204 No Content\r\n\r\n",
			"HTTP/1.1 200 OK\nTRANSFER-ENCODING: chunked\n\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nTrailer: 1\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%X\r\n%s\r\n0\r\n\r\n", len(long), long),
			"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast",
		},
		[]string{"HTTP/1.0 200 OK\r\n\r\nuntil the end"},
		[]string{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
	)
	c, err := DialHTTP(addr, patience)
	require.NoError(t, err)
	request := AppendRequest(nil, "POST", "/x", addr, "A: b\r\n", "a=b")
	for _, want := range []struct {
		status int
		body   string
	}{{200, "ok"}, {404, ""}, {204, ""}, {200, "abcd"}, {200, long}, {200, "last"}, {200, "until the end"}} {
		status, body, err := c.Do(request)
		require.NoError(t, err)
		require.Equal(t, want.status, status)
		require.Equal(t, want.body, string(body))
	}
	_, _, err = c.Do(request)
	require.ErrorContains(t, err, "content-length")
	require.NoError(t, c.Close())
}

func TestHTTPSaysWhatIsNoAnswer(t *testing.T) {
	for _, answer := range []string{
		"SSH-2.0-OpenSSH\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
	} {
		c, err := DialHTTP(answerWith(t, []string{answer}), patience)
		require.NoError(t, err)
		_, _, err = c.Do(AppendRequest(nil, "GET", "/", "a", "", ""))
		require.Error(t, err, answer)
		require.NoError(t, c.Close())
	}
}

// echo is a server of gRPC's own library, that gives back what it gets.
type echo struct{}

//nolint:revive // the order is that of gRPC's library
func (echo) call(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	p := new(wire.Payload)
	if err := read(p); err != nil {
		return nil, err
	}
	if p.GetMetadata().GetType() == "Refuse" {
		return nil, status.Error(codes.ResourceExhausted, "not today")
	}
	return &wire.Payload{Metadata: p.GetMetadata(), Body: &anypb.Any{Value: p.GetBody().GetValue()}}, nil
}

func (echo) talk(_ any, s grpc.ServerStream) error {
	for {
		p := new(wire.Payload)
		if err := s.RecvMsg(p); err != nil {
			return err
		}
		if err := s.SendMsg(p); err != nil {
			return err
		}
	}
}

func serveEcho(t *testing.T) (addr string) {
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "Request", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "request", Handler: echo{}.call}}}, echo{})
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "BiRequestStream", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{
		{StreamName: "requestBiStream", Handler: echo{}.talk, ServerStreams: true, ClientStreams: true},
	}}, echo{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); require.NoError(t, <-done) })
	return l.Addr().String()
}

func dialEcho(t *testing.T) *GRPC {
	c, err := DialGRPC(serveEcho(t), patience)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(3*patience)))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// More is sent, and comes back, than the server takes at once, in several frames each.
func TestGRPCKeepsToTheWindowsOfTheServer(t *testing.T) {
	c := dialEcho(t)
	const calls, atOnce = 300, 16
	sizes := []int{0, 10, 1000, 20_000, 60_000}
	body := func(n int) string { return numbered(n) + strings.Repeat("z", sizes[n%len(sizes)]) }
	streams := map[uint32]int{}
	waited := false
	for sent, got := 0, 0; got < calls; {
		for sent < calls && len(streams) < atOnce {
			stream := c.Call("Echo", []byte(body(sent)))
			if stream == 0 {
				waited = true
				break
			}
			streams[stream] = sent
			sent++
		}
		require.NoError(t, c.Flush())
		m, err := c.Next()
		require.NoError(t, err)
		n, ok := streams[m.Stream]
		require.True(t, ok)
		require.False(t, m.Told)
		require.Equal(t, "Echo", string(m.Kind))
		require.Equal(t, body(n), string(m.JSON))
		delete(streams, m.Stream)
		got++
	}
	require.True(t, waited, "the test has sent too little")
	require.NotNil(t, c.mu.block, "headers are encoded anew each time")
}

func numbered(n int) string { return fmt.Sprintf("%d:", n) }

func TestGRPCTalksBesideItsCalls(t *testing.T) {
	c := dialEcho(t)
	for n := range 2000 { // in all more than the first window
		word := numbered(n) + strings.Repeat("t", 100)
		require.True(t, c.Talk("Talk", []byte(word)))
		stream := c.Call("Echo", []byte(word))
		require.NotZero(t, stream)
		require.NoError(t, c.Flush())
		kinds := map[string]bool{}
		for range 2 {
			m, err := c.Next()
			require.NoError(t, err)
			require.Equal(t, word, string(m.JSON))
			require.Equal(t, m.Told, m.Stream != stream)
			kinds[string(m.Kind)] = m.Told
		}
		require.Equal(t, map[string]bool{"Talk": true, "Echo": false}, kinds)
	}
}

func TestGRPCSaysWhatTheServerSays(t *testing.T) {
	c := dialEcho(t)
	require.NotZero(t, c.Call("Refuse", nil))
	_, err := c.Next()
	require.EqualError(t, err, "status 8 of gRPC: not today")

	_, err = DialGRPC(answerWith(t, []string{"HTTP/1.1 400 Bad Request\r\n\r\n"}), time.Second)
	require.Error(t, err)
}

func FuzzFrames(f *testing.F) {
	f.Add(appendHead(nil, 0, frameSettings, 0, 0))
	f.Add(append(appendHead(nil, 8, framePing, 0, 0), "12345678"...))
	f.Add(append(appendHead(nil, 7, frameData, flagEndStream|flagPadded, 1), 1, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(_ *testing.T, b []byte) {
		a, z := net.Pipe()
		go func() {
			_, _ = a.Write(appendHead(nil, 0, frameSettings, 0, 0))
			_, _ = a.Write(b)
			_ = a.Close()
		}()
		go func() { _, _ = io.Copy(io.Discard, a) }()
		defer func() { _ = z.Close() }()
		c := newGRPC(z, "a")
		if c.begin() != nil {
			return
		}
		for {
			if _, err := c.Next(); err != nil {
				return
			}
		}
	})
}
