package node

import (
	"runtime"
	"sync"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
)

// flush is one thing for a port.
type flush struct {
	conn replica.ConnID
	port Port
	del  Delivery
	hold int8 // 1 hold, -1 let go, 0 a delivery
}

// flusher hands deliveries to ports, in order. It has a goroutine of its own, so
// that nobody with the loop in his hands touches a socket; who has let go of it
// and has nothing better to do may flush himself.
type flusher struct {
	wake  chan struct{}
	owner sync.Mutex // held by whoever hands out deliveries
	spare []flush    // the owner's

	mu struct {
		sync.Mutex
		work   []flush
		closed bool
	}
}

func newFlusher() *flusher { return &flusher{wake: make(chan struct{}, 1)} }

// put takes the work of one turn of the loop and wakes the flusher.
func (f *flusher) put(work []flush) {
	if f.add(work) {
		f.signal()
	}
}

// add is put without waking anybody: it reports whether somebody has to flush.
func (f *flusher) add(work []flush) bool {
	if len(work) == 0 {
		return false
	}
	f.mu.Lock()
	f.mu.work = append(f.mu.work, work...)
	f.mu.Unlock()
	return true
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
	for range f.wake {
		f.owner.Lock()
		for f.flush() {
		}
		f.owner.Unlock()
		if f.isClosed() {
			return
		}
	}
}

// help flushes once on the caller's goroutine if that is soon done, or leaves it to
// whoever is at it: who helps has something to read or to sync again.
func (f *flusher) help() {
	if f.isMuch() || !f.owner.TryLock() {
		f.signal() // who is at it may be through
		return
	}
	f.flush()
	f.owner.Unlock()
	f.mu.Lock()
	more := len(f.mu.work) > 0 || f.mu.closed
	f.mu.Unlock()
	if more {
		f.signal()
	}
}

// flush hands out what there is. It reports whether there was anything.
func (f *flusher) flush() bool {
	f.mu.Lock()
	work := f.mu.work
	f.mu.work = f.spare[:0]
	f.mu.Unlock()
	f.spare = work
	if len(work) < splitWork {
		handOut(work, 0, 1)
	} else {
		split(work)
	}
	clear(work)
	return len(work) > 0
}

// splitWork is from how many deliveries on they are much, and several goroutines
// hand them out: each is a call of the system, and a change with a thousand
// watchers has as many.
const splitWork = 128

// flushersMax bounds how many do: the processors are everybody's.
const flushersMax = 4

func (f *flusher) isMuch() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.work) >= splitWork
}

// split hands out work on several goroutines and waits for them. What is for one
// connection is handed out by one of them, in order.
func split(work []flush) {
	parts := min(runtime.GOMAXPROCS(0), flushersMax)
	var others sync.WaitGroup
	for part := 1; part < parts; part++ {
		others.Go(func() { handOut(work, part, parts) })
	}
	handOut(work, 0, parts)
	others.Wait()
}

// handOut hands out the part of work that is for every parts-th connection.
func handOut(work []flush, part, parts int) {
	for i := range work {
		w := &work[i]
		switch {
		case int(w.conn%replica.ConnID(parts)) != part:
		case w.hold == 0:
			w.port.Send(w.del)
		default:
			w.port.Hold(w.hold > 0)
		}
	}
}

// isClosed reports whether all that there will be has been handed out.
func (f *flusher) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.closed && len(f.mu.work) == 0
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
		work = append(work, flush{conn: co.Conn, port: p, del: Delivery{Bytes: bytes, Close: closed, WantDrained: want}})
	}
	for _, h := range out.Holds {
		if p := n.ports[h.Conn]; p != nil {
			on := int8(-1)
			if h.On {
				on = 1
			}
			work = append(work, flush{conn: h.Conn, port: p, hold: on})
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
				work = append(work, flush{conn: id, port: w.port, del: Delivery{Applied: applied}})
			}
		}
	}
	n.unflushed = n.flusher.add(work) || n.unflushed
	clear(work)
	n.work = work
}
