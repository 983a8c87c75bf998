package node

import (
	"sync"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
)

// flush is one thing for a port.
type flush struct {
	port Port
	del  Delivery
	hold int8 // 1 hold, -1 let go, 0 a delivery
}

// flusher hands deliveries to ports, in order, on a goroutine of its own, so that
// no socket is ever touched by the loop.
type flusher struct {
	wake chan struct{}

	mu struct {
		sync.Mutex
		work   []flush
		closed bool
	}
}

func newFlusher() *flusher { return &flusher{wake: make(chan struct{}, 1)} }

// put takes the work of one turn of the loop.
func (f *flusher) put(work []flush) {
	if len(work) == 0 {
		return
	}
	f.mu.Lock()
	f.mu.work = append(f.mu.work, work...)
	f.mu.Unlock()
	f.signal()
}

func (f *flusher) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *flusher) close() {
	f.mu.Lock()
	f.mu.closed = true
	f.mu.Unlock()
	f.signal()
}

// run works until close, and then through what is left.
func (f *flusher) run() {
	var work []flush
	for range f.wake {
		for {
			f.mu.Lock()
			work, f.mu.work = f.mu.work, work[:0]
			closed := f.mu.closed
			f.mu.Unlock()
			if len(work) == 0 {
				if closed {
					return
				}
				break
			}
			for i := range work {
				w := &work[i]
				switch w.hold {
				case 0:
					w.port.Send(w.del)
				default:
					w.port.Hold(w.hold > 0)
				}
			}
			clear(work)
		}
	}
}

// watcher is a client in process that is told how far the node has applied.
type watcher struct {
	port Port
	told core.Zxid
}

// deliver turns the connections' part of an output into work for the flusher.
func (n *Node) deliver(out *replica.Output) {
	work := n.work[:0]
	for _, co := range out.Conns {
		p := n.ports[co.Conn]
		bytes, closed, want := co.Take(nil)
		if p == nil {
			Recycle(bytes)
			continue
		}
		if closed {
			delete(n.ports, co.Conn)
			delete(n.watchers, co.Conn)
		}
		work = append(work, flush{port: p, del: Delivery{Bytes: bytes, Close: closed, WantDrained: want}})
	}
	for _, h := range out.Holds {
		if p := n.ports[h.Conn]; p != nil {
			on := int8(-1)
			if h.On {
				on = 1
			}
			work = append(work, flush{port: p, hold: on})
		}
	}
	if applied := n.replica.State().Applied(); applied != n.told || n.behind {
		n.told, n.behind = applied, false
		for id, w := range n.watchers {
			switch {
			case w.told == applied:
			case n.replica.Away(id): // its events wait behind a long read, and so does this
				n.behind = true
			default:
				w.told = applied
				work = append(work, flush{port: w.port, del: Delivery{Applied: applied}})
			}
		}
	}
	n.flusher.put(work)
	clear(work)
	n.work = work
}
