package node

import (
	"sync"

	"github.com/zensus-io/zensus/core/replica"
)

// item is something for the owner loop: an input, or a function to be run
// between two Steps.
type item struct {
	in  replica.Input
	buf *Buffer // recycled after the Step; nil for most
	// bytes is what it weighs beside buf.
	bytes int
	// port is set with replica.Connected.
	port Port
	do   func(*replica.Replica)
}

// size is how much an item weighs.
func (it *item) size() int {
	if it.buf != nil {
		return it.bytes + len(it.buf.B)
	}
	return it.bytes
}

// inboxBytesMax is how many bytes of requests wait for the loop before readers
// are made to wait themselves.
const inboxBytesMax = 8 << 20

// inbox collects items from many goroutines for the loop, which takes all of
// them at once.
type inbox struct {
	wake chan struct{} // of capacity 1

	mu struct {
		sync.Mutex
		items  []item
		bytes  int
		closed bool
		room   sync.Cond
	}
}

func newInbox() *inbox {
	b := &inbox{wake: make(chan struct{}, 1)}
	b.mu.room.L = &b.mu
	return b
}

// put adds an item and wakes the loop. With wait it first waits for room. It
// reports whether the inbox is still open.
func (b *inbox) put(it item, wait bool) bool {
	first, ok := b.add(it, wait)
	if first {
		b.signal()
	}
	return ok
}

// add is put without waking anybody: whoever adds the first item has to see to it
// that all of them are taken.
func (b *inbox) add(it item, wait bool) (first, ok bool) {
	b.mu.Lock()
	for wait && b.mu.bytes > inboxBytesMax && !b.mu.closed {
		b.signal() // whoever was to wake the loop may be waiting here
		b.mu.room.Wait()
	}
	if b.mu.closed {
		b.mu.Unlock()
		return false, false
	}
	b.mu.items = append(b.mu.items, it)
	b.mu.bytes += it.size()
	first = len(b.mu.items) == 1
	b.mu.Unlock()
	return first, true
}

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// waiting reports whether there is something to take.
func (b *inbox) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.mu.items) > 0
}

// take returns everything, in order, and leaves empty, which becomes the
// inbox's next list, in its place.
func (b *inbox) take(empty []item) []item {
	b.mu.Lock()
	items := b.mu.items
	b.mu.items = empty[:0]
	if b.mu.bytes > 0 {
		b.mu.bytes = 0
		b.mu.room.Broadcast()
	}
	b.mu.Unlock()
	return items
}

// close makes every later put fail and returns what was never taken.
func (b *inbox) close() []item {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.closed = true
	b.mu.room.Broadcast()
	items := b.mu.items
	b.mu.items = nil
	return items
}
