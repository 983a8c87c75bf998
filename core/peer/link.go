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

	socket   *socket       // of whoever is writing
	reader   *bufio.Reader // of whoever is reading, and so is the receiver
	receiver Receiver

	mu struct {
		sync.Mutex
		queue   []byte // frames to be written
		spare   []byte
		due     bool // the writer is to write them
		writing bool // somebody is writing what was queued before them
		closed  bool
		work    sync.Cond // signalled when the writer may have something to do, or there is room again
	}
}

const (
	// queueBytesMax is how much may wait to be written before the link is given up:
	// the protocol bounds what it sends to who does not keep up, far below that.
	queueBytesMax = 256 << 20
	// waitBytes is from how much on who can wait, does (SendSlowly).
	waitBytes = 4 << 20
	// carryBytes is how much is little enough to be written by whoever has queued it.
	carryBytes = 4 << 10
	// spareBytesMax is what is kept of a queue that was written.
	spareBytesMax = 1 << 20
	// writeTime is how long a peer may take nothing of what is written, and silentTime
	// how long it may say nothing; every beatTime a frame without a meaning goes out.
	writeTime  = 20 * time.Second
	silentTime = 10 * time.Second
	beatTime   = time.Second
)

func newLink(p core.PeerID, gen uint64, c net.Conn) *link {
	l := &link{peer: p, gen: gen, conn: c, cut: carrier(c), done: make(chan struct{}), socket: newSocket(c), reader: bufio.NewReaderSize(c, 64<<10)}
	l.mu.work.L = &l.mu
	return l
}

// send queues a message, which the writer writes. It reports false when the link is
// closed, as it is when too much waits.
func (l *link) send(appendTo func([]byte) []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok := l.queueLocked(appendTo)
	l.wakeLocked()
	return ok
}

// queue is send without waking anybody for little: flush follows.
func (l *link) queue(appendTo func([]byte) []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok := l.queueLocked(appendTo)
	if len(l.mu.queue) > carryBytes {
		l.wakeLocked() // to write while more is being queued
	}
	return ok
}

func (l *link) queueLocked(appendTo func([]byte) []byte) bool {
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
	return true
}

// wakeLocked leaves what is queued to the writer.
func (l *link) wakeLocked() {
	l.mu.due = true
	l.mu.work.Broadcast()
}

// flush sees to it that what is queued gets written. If that is little and nobody is
// writing, it is written here, as far as that takes no waiting: waking the writer takes
// longer.
func (l *link) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.mu.queue) == 0 || l.mu.closed:
		return
	case l.mu.writing || !l.socket.able() || len(l.mu.queue) > carryBytes:
		l.wakeLocked()
		return
	}
	b := l.takeLocked()
	l.mu.Unlock()
	n := l.socket.write(b)
	l.mu.Lock()
	if n < len(b) {
		l.mu.queue, b = append(b[n:], l.mu.queue...), nil
		l.mu.due = true
	}
	l.writtenLocked(b)
}

// takeLocked begins to write all that is queued.
func (l *link) takeLocked() []byte {
	b := l.mu.queue
	l.mu.queue, l.mu.spare = l.mu.spare[:0], nil
	l.mu.writing, l.mu.due = true, false
	return b
}

// writtenLocked ends that, and keeps the memory.
func (l *link) writtenLocked(b []byte) {
	l.mu.writing = false
	if cap(b) <= spareBytesMax {
		l.mu.spare = b
	}
	if l.mu.due {
		l.mu.work.Broadcast()
	}
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

// next waits until something is due to be written, and takes it; nil when the link is
// closed.
func (l *link) next() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.mu.closed && (!l.mu.due || l.mu.writing || len(l.mu.queue) == 0) {
		l.mu.work.Wait()
	}
	if l.mu.closed {
		return nil
	}
	b := l.takeLocked()
	l.mu.work.Broadcast()
	return b
}

// write writes what is queued, when it is due, until the link is closed.
func (l *link) write() {
	for {
		b := l.next()
		if b == nil {
			return
		}
		_ = l.conn.SetWriteDeadline(time.Now().Add(writeTime))
		_, err := l.conn.Write(b)
		l.mu.Lock()
		l.writtenLocked(b)
		if err != nil {
			l.closeLocked()
		}
		l.mu.Unlock()
	}
}

// read hands over what comes until the link ends, or its receiver is relieved of
// reading.
func (l *link) read() (relieved bool, err error) {
	for {
		_ = l.conn.SetReadDeadline(time.Now().Add(silentTime))
		b, err := readFrame(l.reader, FrameBytesMax)
		if err != nil {
			return false, err
		}
		if len(b) == 1 && b[0] == beat {
			continue
		}
		if l.receiver.Receive(b, hasFrame(l.reader)) {
			return true, nil
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
