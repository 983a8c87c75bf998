package rpc

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// raw writes frames.
type raw struct {
	*http2.Framer
	t   *testing.T
	out bytes.Buffer
	enc *hpack.Encoder
	hb  bytes.Buffer

	timeout string // as gRPC writes it
}

func newRaw(t *testing.T) *raw {
	r := &raw{t: t}
	r.Framer = http2.NewFramer(&r.out, &r.out)
	r.enc = hpack.NewEncoder(&r.hb)
	r.out.WriteString(http2.ClientPreface)
	require.NoError(t, r.WriteSettings())
	return r
}

// ask opens a stream for a request.
func (r *raw) ask(stream uint32) {
	r.t.Helper()
	r.hb.Reset()
	head := [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", wire.RequestMethod}, {":authority", "a"}, {"content-type", "application/grpc"}, {"te", "trailers"}}
	if r.timeout != "" {
		head = append(head, [2]string{"grpc-timeout", r.timeout})
	}
	for _, h := range head {
		require.NoError(r.t, r.enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}))
	}
	require.NoError(r.t, r.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: r.hb.Bytes(), EndHeaders: true}))
}

// prefix is what stands before a message of so many bytes.
func prefix(n int) []byte { return []byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }

// metered is a meter, and what it has told of.
type metered struct {
	meter
	held  int64
	since float64
}

func newMetered() *metered {
	m := new(metered)
	m.now = func() float64 { return 1 }
	m.count = func(bytes int64, since float64) { m.held += bytes; m.since += since }
	return m
}

func TestAMeterCountsWhatIsNotWhole(t *testing.T) {
	for _, step := range []int{1, 2, 7, 1 << 20} {
		m, r := newMetered(), newRaw(t)
		say := func(want int64, what string) {
			t.Helper()
			for b := r.out.Bytes(); len(b) > 0; {
				n := min(step, len(b))
				m.read(b[:n])
				b = b[n:]
			}
			r.out.Reset()
			require.Equal(t, want, m.held, "%s, %d bytes at a time", what, step)
			require.InDelta(t, float64(want), m.since, 0.001)
		}
		data := func(stream uint32, last bool, b ...[]byte) {
			require.NoError(t, r.WriteData(stream, last, bytes.Join(b, nil)))
		}
		for _, stream := range []uint32{1, 3, 5, 7, 9, 11} {
			r.ask(stream)
		}
		say(0, "headers")
		data(1, true, prefix(3), []byte("abc"))
		say(0, "a whole message")
		data(3, false, prefix(1000), make([]byte, 100))
		say(105+frameBytes, "a part")
		data(5, false, prefix(1)[:2])
		say(107+2*frameBytes, "a part of a prefix")
		data(5, false, prefix(1)[2:])
		say(110+3*frameBytes, "the rest of it")
		data(5, false, []byte("x"))
		say(105+frameBytes, "and the message")
		require.NoError(t, r.WriteDataPadded(3, false, make([]byte, 100), make([]byte, 50)))
		say(205+2*frameBytes, "more, with padding")
		data(3, false)
		say(205+3*frameBytes, "nothing")
		data(3, false, make([]byte, 800), prefix(5), []byte("ab"), nil)
		say(7+frameBytes, "the rest, and a part of the next")
		data(7, false, prefix(0), prefix(0), prefix(0))
		say(7+frameBytes, "messages of nothing")
		data(11, false, prefix(20_000), make([]byte, 20_000))
		say(20_007+2*frameBytes, "a large one of a stream that goes on")
		data(11, false)
		say(20_007+2*frameBytes, "nothing behind it")
		data(11, true)
		say(7+frameBytes, "the stream's end")
		data(9, false, prefix(wire.MaxMessageBytes+1), make([]byte, 100))
		say(7+2*frameBytes, "one that is refused")
		require.NoError(t, r.WriteRSTStream(3, http2.ErrCodeCancel))
		say(frameBytes, "taken back")
		require.NoError(t, r.WriteRSTStream(3, http2.ErrCodeCancel))
		data(9, true)
		say(0, "ended in the middle")
		data(9, false, prefix(9), nil, []byte("ab"))
		data(13, false, prefix(9), nil, []byte("ab"))
		say(0, "of streams that are over, or never began")
		require.Empty(t, m.open)
		data(5, true)
		data(7, true)
		say(0, "the other ends")
		require.Zero(t, m.recent)
		require.Empty(t, m.live)
	}
}

// TestAStreamThatTheServerEndsIsNotCounted: whatever of it came, and comes later.
func TestAStreamThatTheServerEndsIsNotCounted(t *testing.T) {
	for _, step := range []int{7, 1 << 20} {
		m, client, server := newMetered(), newRaw(t), newRaw(t)
		server.out.Reset()
		var e ends
		say := func() {
			for b := client.out.Bytes(); len(b) > 0; b = b[min(step, len(b)):] {
				m.read(b[:min(step, len(b))])
			}
			client.out.Reset()
		}
		part := append(prefix(1000), make([]byte, 100)...)
		for i := range uint32(100_000) {
			stream := 2*i + 1
			client.ask(stream)
			require.NoError(t, client.WriteData(stream, false, part))
			say()
			require.EqualValues(t, 105+frameBytes, m.held)
			require.NoError(t, server.WriteData(stream, false, make([]byte, 50)))
			require.NoError(t, server.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true, EndStream: true}))
			require.NoError(t, server.WriteRSTStream(stream, http2.ErrCodeNo))
			for b := server.out.Bytes(); len(b) > 0; b = b[min(step, len(b)):] {
				e.write(b[:min(step, len(b))], m.serverEnded)
			}
			server.out.Reset()
			require.Zero(t, m.held)
			require.NoError(t, client.WriteData(stream, false, make([]byte, 50)))
			say()
			require.Zero(t, m.held)
		}
		require.Zero(t, m.recent)
		require.Empty(t, m.live)
		require.Empty(t, m.open)
	}
}

// TestStreamsThatTheServerEndsAreForgotten: a connection that lives long, and whose calls
// run into their deadlines in the middle of what they say, holds nothing, and goes on.
func TestStreamsThatTheServerEndsAreForgotten(t *testing.T) {
	const streams = 10_000
	var s *Server
	v := serve(t, Config{Timing: Timing{SetupDeadline: time.Hour}}, func(made *Server) {
		s = made
		s.arriving.bytesMax = 2 << 20 // less than all of them would hold
	})
	c, err := net.Dial("tcp", v.addr)
	require.NoError(t, err)
	defer c.Close()
	r := newRaw(t)
	r.timeout = "1m" // milliseconds
	in := http2.NewFramer(nil, c)
	in.SetMaxReadFrameSize(1 << 20)
	begun := map[uint32]bool{} // and not ended
	for next := uint32(1); next < 2*streams || len(begun) > 0; {
		for ; next < 2*streams && len(begun) < 100; next += 2 {
			begun[next] = true
			r.ask(next)
			require.NoError(t, r.WriteData(next, false, append(prefix(1<<20), make([]byte, 100)...)))
		}
		_, err := c.Write(r.out.Bytes())
		require.NoError(t, err)
		r.out.Reset()
		f, err := in.ReadFrame()
		require.NoError(t, err, "after %d", next/2)
		switch f := f.(type) {
		case *http2.RSTStreamFrame:
			delete(begun, f.StreamID)
		case *http2.SettingsFrame:
			if !f.IsAck() {
				require.NoError(t, r.WriteSettingsAck())
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				require.NoError(t, r.WritePing(true, f.Data))
			}
		case *http2.GoAwayFrame:
			t.Fatalf("sent away after %d: %s %s", next/2, f.ErrCode, f.DebugData())
		}
	}
	ts := s.allTransports()
	require.Len(t, ts, 1)
	s.arriving.mu.Lock()
	total, of := s.arriving.mu.total, len(s.arriving.mu.of)
	s.arriving.mu.Unlock()
	require.Zero(t, total)
	require.Zero(t, of)
	m := &ts[0].meter
	m.mu.Lock()
	defer m.mu.Unlock()
	assert.Empty(t, m.open)
	assert.Empty(t, m.live)
	assert.Zero(t, m.recent)
}

func TestAMeterIsNotTroubledByWhatIsNoHTTP2(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2_000 {
		m := newMetered()
		if r.IntN(4) > 0 {
			m.read([]byte(preface))
		}
		for range 20 {
			b := make([]byte, r.IntN(300))
			for i := range b {
				if b[i] = byte(r.UintN(256)); r.IntN(2) == 0 {
					b[i] = byte(r.UintN(10))
				}
			}
			m.read(b)
			require.GreaterOrEqual(t, m.held, int64(0))
		}
	}
}

// TestWhoLeavesMessagesUnfinishedIsCut: and who is quick is served meanwhile, however large
// his messages are.
func TestWhoLeavesMessagesUnfinishedIsCut(t *testing.T) {
	var s *Server
	v := serve(t, Config{Timing: Timing{SetupDeadline: time.Minute}}, func(made *Server) {
		s = made
		s.arriving.bytesMax = 4 << 20
	})
	held := func() int64 {
		s.arriving.mu.Lock()
		defer s.arriving.mu.Unlock()
		return s.arriving.mu.total
	}
	var slow []net.Conn
	for range 70 {
		c, err := net.Dial("tcp", v.addr)
		require.NoError(t, err)
		defer c.Close()
		slow = append(slow, c)
		r := newRaw(t)
		for i := range uint32(2) {
			r.ask(2*i + 1)
			require.NoError(t, r.WriteData(2*i+1, false, append(prefix(1<<20), make([]byte, 16_000)...)))
			require.NoError(t, r.WriteData(2*i+1, false, make([]byte, 16_000)))
		}
		_, err = c.Write(r.out.Bytes())
		require.NoError(t, err)
	}
	conn, err := grpc.NewClient("passthrough:///"+v.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	for range 10 {
		require.LessOrEqual(t, held(), int64(4<<20))
		p, err := wire.Encode(&wire.ServerCheckRequest{}, nil)
		require.NoError(t, err)
		p.Body.TypeUrl = string(make([]byte, 1<<20))
		reply := new(wire.Payload)
		require.NoError(t, conn.Invoke(t.Context(), wire.RequestMethod, p, reply))
		require.Equal(t, "ServerCheckResponse", reply.GetMetadata().GetType())
	}
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.mu.transports) < 50
	}, longest, 10*time.Millisecond, "nobody was cut")
	for _, c := range slow {
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool { return held() == 0 }, longest, 10*time.Millisecond)
}
