package rpc

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// arriving counts what messages take of which a part has come. gRPC keeps a message until
// it is whole, for as long as that takes, and only then can anybody be asked whose it is:
// a single connection could fill the memory with the beginnings of messages. It is safe for
// concurrent use.
type arriving struct {
	bytesMax int64 // over all connections
	began    time.Time

	mu struct {
		sync.Mutex
		total int64
		of    map[*transport]*parts // those that have any
	}
}

const (
	// arrivingBytesMax bounds the parts of messages over all connections.
	arrivingBytesMax = 128 << 20
	// frameBytes is what a frame costs gRPC beside what is in it.
	frameBytes = 512
)

// parts are bytes, and when they came: the sum of that over all of them, in seconds since
// the server was made.
type parts struct {
	bytes int64
	since float64
}

func newArriving() *arriving {
	a := &arriving{bytesMax: arrivingBytesMax, began: time.Now()}
	a.mu.of = map[*transport]*parts{}
	return a
}

// now is the time as parts have it.
func (a *arriving) now() float64 { return time.Since(a.began).Seconds() }

// add counts more for a connection, or less. Where all is too much then, it names the
// connections to cut: those with the most bytes for the longest time. Who is quick is not
// among them, however much he sends.
func (a *arriving) add(t *transport, p parts) (cut []*transport) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t.forgotten {
		return nil
	}
	has := a.mu.of[t]
	if has == nil {
		has = new(parts)
		a.mu.of[t] = has
	}
	has.bytes += p.bytes
	has.since += p.since
	a.mu.total += p.bytes
	if has.bytes == 0 {
		delete(a.mu.of, t)
	}
	if a.mu.total <= a.bytesMax {
		return nil
	}
	now := a.now()
	all := make([]*transport, 0, len(a.mu.of))
	for t := range a.mu.of {
		all = append(all, t)
	}
	slices.SortFunc(all, func(s, t *transport) int {
		return cmp.Compare(a.mu.of[t].heldFor(now), a.mu.of[s].heldFor(now))
	})
	for n, t := range all {
		if a.mu.total <= a.bytesMax/4*3 { // it is some room, so that this is seldom
			return all[:n]
		}
		a.forgetLocked(t)
	}
	return all
}

// heldFor is for how many seconds a byte is held, summed up over all of them.
func (p *parts) heldFor(now float64) float64 { return now*float64(p.bytes) - p.since }

// forget lets go of a connection that is over, and of whom nothing more is counted.
func (a *arriving) forget(t *transport) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetLocked(t)
}

func (a *arriving) forgetLocked(t *transport) {
	if p := a.mu.of[t]; p != nil {
		a.mu.total -= p.bytes
		delete(a.mu.of, t)
	}
	t.forgotten = true
}
