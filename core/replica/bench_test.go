package replica

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// benchServer is a replica whose disk takes no time.
type benchServer struct {
	r   *Replica
	out Output
	now Now
}

func (s *benchServer) step(b *testing.B, in Input) {
	s.r.Step(s.now, in, &s.out)
	s.perform(b)
}

func (s *benchServer) perform(b *testing.B) {
	for {
		out := &s.out
		for _, c := range out.Conns {
			c.Take(c.Bytes)
		}
		gen, epochs, read := out.Generation, out.Epochs, out.ReadLog
		upTo := core.Zxid(0)
		if n := len(out.Append); n > 0 {
			upTo = out.Append[n-1].Zxid
		}
		marker := append([]wire.Record(nil), out.Append...)
		out.Reset()
		switch {
		case upTo != 0:
			s.r.Step(s.now, Synced{Generation: gen, UpTo: upTo}, out)
			if read == nil && len(marker) == 1 && marker[0].Kind == wire.RecordEpoch {
				benchMarker = marker
			}
		case epochs != nil:
			s.r.Step(s.now, MetaSynced{Generation: gen}, out)
		case read != nil:
			s.r.Step(s.now, LogRead{Generation: gen, Records: benchMarker, Done: true}, out)
		default:
			return
		}
	}
}

var benchMarker []wire.Record

func newBenchServer(b *testing.B, conns int) *benchServer {
	b.Helper()
	r, err := New(Config{
		Zab: zab.Config{Self: 1, Voters: []core.PeerID{1}}, Secret: []byte("x"), SnapshotTxns: 1 << 30, OutstandingMax: 1 << 20,
	}, zab.Durable{Voteable: true}, false, 0)
	if err != nil {
		b.Fatal(err)
	}
	s := &benchServer{r: r, now: Now{Mono: 1, Wall: 1_800_000_000_000}}
	s.step(b, Start{})
	for i := range conns {
		id := ConnID(i + 1)
		s.step(b, Connected{Conn: id, Remote: netip.MustParseAddrPort("127.0.0.1:1")})
		body := wire.ConnectRequest{TimeoutMillis: 30_000}.Append(nil)
		s.step(b, Requests{Conn: id, Frames: append(wire.AppendInt(nil, int32(len(body))), body...)})
	}
	return s
}

// BenchmarkStep is what a request costs the owner loop: decoding, preparing,
// applying, encoding; 16 requests to a turn, as one read of a socket brings.
func BenchmarkStep(b *testing.B) {
	const batch = 16
	data := make([]byte, 100)
	frame := func(dst []byte, xid int, op wire.OpCode, body func([]byte) []byte) []byte {
		mark := len(dst)
		dst = body(wire.AppendRequestHeader(append(dst, 0, 0, 0, 0), int32(xid), op))
		wire.PutInt(dst[mark:], int32(len(dst)-mark-4))
		return dst
	}
	creation := func(path string) func([]byte) []byte {
		return func(d []byte) []byte { return wire.AppendCreate(d, wire.OpCreate, path, data, core.OpenACL(), 0, 0) }
	}
	for _, bench := range []struct {
		name string
		op   wire.OpCode
		body func(n int) func([]byte) []byte
	}{
		{"get", wire.OpGetData, func(n int) func([]byte) []byte {
			return func(d []byte) []byte { return wire.AppendPathWatch(d, "/b/n1", false) }
		}},
		{"set", wire.OpSetData, func(n int) func([]byte) []byte {
			return func(d []byte) []byte { return wire.AppendSetData(d, "/b/n1", data, -1) }
		}},
		{"create", wire.OpCreate, func(n int) func([]byte) []byte { return creation(fmt.Sprintf("/b/c/%d", n)) }},
		{"delete", wire.OpDelete, func(n int) func([]byte) []byte {
			return func(d []byte) []byte { return wire.AppendPathVersion(d, fmt.Sprintf("/b/c/%d", n), -1) }
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := newBenchServer(b, 1)
			setup := frame(nil, 1, wire.OpCreate, creation("/b"))
			setup = frame(setup, 2, wire.OpCreate, creation("/b/n1"))
			setup = frame(setup, 3, wire.OpCreate, creation("/b/c"))
			s.step(b, Requests{Conn: 1, Frames: setup})
			if bench.name == "delete" {
				for n := range b.N + batch {
					s.step(b, Requests{Conn: 1, Frames: frame(nil, n, wire.OpCreate, creation(fmt.Sprintf("/b/c/%d", n)))})
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			var frames []byte
			for n := 0; n < b.N; n += batch {
				b.StopTimer()
				frames = frames[:0]
				for k := range batch {
					frames = frame(frames, n+k, bench.op, bench.body(n+k))
				}
				b.StartTimer()
				s.step(b, Requests{Conn: 1, Frames: frames})
			}
			if got := s.r.Status().Received; got < int64(b.N) {
				b.Fatalf("%d requests answered", got)
			}
		})
	}
}
