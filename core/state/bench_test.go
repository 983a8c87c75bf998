package state

import (
	"fmt"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

const (
	benchZnodes  = 200_000 // below benchParents, before anything is measured
	benchParents = 4
	benchAhead   = 256 // prepared before the first of them is applied
	benchParts   = 10  // of a multi
)

// bench is a state under load: many requests prepared ahead, then applied in order.
type bench struct {
	*State
	z       core.Zxid
	next    int // number of the next znode
	payload [benchAhead][]byte
	body    []byte
	name    []byte
	data    []byte
	req     Request
}

func newBench(b *testing.B) *bench {
	w := &bench{State: New(Config{EphemeralPathBytesMax: 1 << 30}), z: core.MakeZxid(1, 0), data: make([]byte, 100)}
	w.req = Request{Session: alice, IDs: []core.Identity{{Scheme: "ip", ID: "127.0.0.1"}}}
	w.one(b, wire.OpCreateSession, wire.AppendInt(nil, 10_000))
	for p := range benchParents {
		w.one(b, wire.OpCreate, w.create(nil, fmt.Sprintf("/bench%d", p), 0))
	}
	for range benchZnodes / benchAhead {
		w.round(b, w.createNext)
	}
	return w
}

// create appends a request that makes a znode with data.
func (w *bench) create(dst []byte, path string, mode core.CreateMode) []byte {
	return wire.AppendCreate(dst, wire.OpCreate, path, w.data, core.OpenACL(), int32(mode), 0)
}

// path is that of the znode with a number, until the next call.
func (w *bench) path(n int) string {
	w.name = append(w.name[:0], "/bench0/00-00000000"...)
	path := w.name
	path[6] += byte(n / 64 % benchParents)
	path[8] += byte(n / 10 % 6)
	path[9] += byte(n % 10)
	for at, v := len(path)-1, n; v > 0; at, v = at-1, v/10 {
		path[at] += byte(v % 10)
	}
	return wire.View(path)
}

func (w *bench) createNext() (wire.OpCode, []byte) {
	w.body = w.create(w.body[:0], w.path(w.next), core.Persistent)
	w.next++
	return wire.OpCreate, w.body
}

// round prepares what next returns, benchAhead times, then applies it.
func (w *bench) round(b *testing.B, next func() (wire.OpCode, []byte)) {
	first := w.z + 1
	for i := range w.payload {
		w.z++
		w.req.Op, w.req.Body = next()
		w.payload[i] = w.Prepare(&w.req, w.z, int64(w.z))
	}
	for i := range w.payload {
		res := w.Apply(first+core.Zxid(i), w.payload[i])
		if res.Err != core.OK || len(res.Multi) > 0 && res.Multi[len(res.Multi)-1].Err != core.OK {
			b.Fatal(res.Err, res.Multi)
		}
	}
}

func (w *bench) one(b *testing.B, op wire.OpCode, body []byte) {
	w.z++
	req := &Request{Session: alice, Op: op, Body: body, Internal: op == wire.OpCreateSession}
	if res := w.Apply(w.z, w.Prepare(req, w.z, 1)); res.Err != core.OK {
		b.Fatal(res.Err)
	}
}

// BenchmarkWrite is a request's way through Prepare and Apply with 256 under way, a
// line for each kind. The figure is for one request, so a multi's for ten creates.
func BenchmarkWrite(b *testing.B) {
	number := func(of int) int { return of * 7_368_787 % (benchZnodes / benchAhead * benchAhead) }
	for _, c := range []struct {
		op   string
		make func(w *bench) func() (wire.OpCode, []byte)
		// undone: the znodes that a round deletes are made again, and not measured.
		undone bool
	}{
		{op: "create", make: func(w *bench) func() (wire.OpCode, []byte) { return w.createNext }},
		{op: "ephemeralSequential", make: func(w *bench) func() (wire.OpCode, []byte) {
			return func() (wire.OpCode, []byte) {
				w.body = w.create(w.body[:0], "/bench1/lock-", core.EphemeralSequential)
				return wire.OpCreate, w.body
			}
		}},
		{op: "setData", make: func(w *bench) func() (wire.OpCode, []byte) {
			i := 0
			return func() (wire.OpCode, []byte) {
				i++
				w.body = wire.AppendSetData(w.body[:0], w.path(number(i)), w.data, core.AnyVersion)
				return wire.OpSetData, w.body
			}
		}},
		{op: "delete", undone: true, make: func(w *bench) func() (wire.OpCode, []byte) {
			i := w.next
			return func() (wire.OpCode, []byte) {
				w.body = wire.AppendPathVersion(w.body[:0], w.path(i), core.AnyVersion)
				i++
				return wire.OpDelete, w.body
			}
		}},
		{op: "multi", make: func(w *bench) func() (wire.OpCode, []byte) {
			return func() (wire.OpCode, []byte) {
				w.body = w.body[:0]
				for range benchParts {
					w.body = wire.AppendMultiHeader(w.body, wire.OpCreate, false, -1)
					w.body = w.create(w.body, w.path(w.next), core.Persistent)
					w.next++
				}
				w.body = wire.AppendMultiEnd(w.body)
				return wire.OpMulti, w.body
			}
		}},
	} {
		b.Run("op="+c.op, func(b *testing.B) {
			w := newBench(b)
			next := c.make(w)
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += benchAhead {
				if c.undone {
					b.StopTimer()
					w.round(b, w.createNext)
					b.StartTimer()
				}
				w.round(b, next)
			}
		})
	}
}
