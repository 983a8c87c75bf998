package peer

import (
	"bufio"
	"net"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
)

// link is one connection with a peer.
type link struct {
	peer core.PeerID
	gen  uint64
	conn net.Conn
	cut  net.Conn      // what conn lies on, or conn
	done chan struct{} // closed when nobody uses it any more

	mu struct {
		sync.Mutex
		queue  []byte // frames to be written
		spare  []byte
		closed bool
		work   sync.Cond // signalled when there is something, or there is room again
	}
}

const (
	// queueBytesMax is how much may wait to be written before the link is given up:
	// the protocol bounds what it sends to who does not keep up, far below that.
	queueBytesMax = 256 << 20
	// waitBytes is from how much on who can wait, does (SendSlowly).
	waitBytes = 4 << 20
	// spareBytesMax is what is kept of a queue that was written.
	spareBytesMax = 1 << 20
	// writeTime is how long a peer may take nothing of what is written, and silentTime
	// how long it may say nothing; every beatTime a frame without a meaning goes out.
	writeTime  = 20 * time.Second
	silentTime = 10 * time.Second
	beatTime   = time.Second
)

func newLink(p core.PeerID, gen uint64, c net.Conn) *link {
	l := &link{peer: p, gen: gen, conn: c, cut: carrier(c), done: make(chan struct{})}
	l.mu.work.L = &l.mu
	return l
}

// send queues a message. It reports false when the link is closed, as it is when too
// much waits.
func (l *link) send(appendTo func([]byte) []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return false
	}
	var mark int
	l.mu.queue, mark = beginFrame(l.mu.queue)
	l.mu.queue = appendTo(l.mu.queue)
	endFrame(l.mu.queue, mark)
	if len(l.mu.queue) > queueBytesMax {
		l.closeLocked()
		return false
	}
	l.mu.work.Broadcast()
	return true
}

// wait waits until little waits to be written. It reports false when the link is
// closed.
func (l *link) wait() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.mu.queue) > waitBytes && !l.mu.closed {
		l.mu.work.Wait()
	}
	return !l.mu.closed
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeLocked()
}

func (l *link) closeLocked() {
	if !l.mu.closed {
		l.mu.closed = true
		l.mu.work.Broadcast()
		_ = l.cut.Close()
	}
}

// write writes what is queued until the link is closed.
func (l *link) write() {
	for {
		l.mu.Lock()
		for len(l.mu.queue) == 0 && !l.mu.closed {
			l.mu.work.Wait()
		}
		if l.mu.closed {
			l.mu.Unlock()
			return
		}
		b := l.mu.queue
		l.mu.queue, l.mu.spare = l.mu.spare[:0], nil
		l.mu.work.Broadcast()
		l.mu.Unlock()
		_ = l.conn.SetWriteDeadline(time.Now().Add(writeTime))
		if _, err := l.conn.Write(b); err != nil {
			l.close()
			return
		}
		if cap(b) <= spareBytesMax {
			l.mu.Lock()
			l.mu.spare = b
			l.mu.Unlock()
		}
	}
}

// read hands over what comes until the link ends.
func (l *link) read(receive func([]byte)) error {
	r := bufio.NewReaderSize(l.conn, 64<<10)
	for {
		_ = l.conn.SetReadDeadline(time.Now().Add(silentTime))
		b, err := readFrame(r, FrameBytesMax)
		if err != nil {
			return err
		}
		if len(b) > 1 || b[0] != beat {
			receive(b)
		}
	}
}

// beat is the body of a frame without a meaning: no message begins with it.
const beat = 0

// keepAlive lets the peer know that the link is there, until it is closed.
func (l *link) keepAlive() {
	ticker := time.NewTicker(beatTime)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if !l.send(func(b []byte) []byte { return append(b, beat) }) {
				return
			}
		case <-l.done:
			return
		}
	}
}
