package server

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/replica"
)

// Bounds of what one connection may make the server keep unsent.
const (
	// holdBytes is the unsent output above which requests are no longer read.
	holdBytes = 1 << 20
	// outputBytesMax is the unsent output above which the connection is closed: a
	// client that watches and never reads.
	outputBytesMax = 64 << 20
	// lingerTime is how long a closed connection's last words may take.
	lingerTime = time.Second
	// writeBytes is how much of a delivery is written under one deadline, and
	// stuckTime how long that may take: a client that reads nothing in all that
	// time is taken for gone.
	writeBytes = 256 << 10
	stuckTime  = 30 * time.Second
	// firstBytesTime is how long a connection may take to say what it is.
	firstBytesTime = 20 * time.Second
)

// conn is one client's socket, and its port at the node.
type conn struct {
	server *Server
	net    net.Conn
	raw    syscall.RawConn // nil where reads and writes must block
	remote netip.AddrPort
	id     replica.ConnID

	// Of one that the poller reads, and the poller's.
	fd int32
	in *node.Buffer // the part of a frame that has come

	mu struct {
		sync.Mutex
		queue   []node.Delivery // what the writer has still to write
		unsent  int
		writing bool // a writer goroutine is at work; end outlives it
		held    bool
		polled  bool // the poller reads it, or has
		unarmed bool // the poller does not look at it for the moment
		ending  bool // the last words are under way, and their deadline is set
		closing bool // nothing more is sent; what comes is thrown away
		dead    bool
		free    sync.Cond // signalled when a reader may go on or the writer has returned
	}
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, net: nc}
	c.mu.free.L = &c.mu
	if t, ok := nc.(*net.TCPConn); ok {
		_ = t.SetNoDelay(true)
		c.raw = rawConn(t)
	}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		c.remote = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return c
}

// serve reads the connection to its end, and returns when nobody uses it any more;
// or it hands it to the poller and reports true.
func (c *conn) serve(prefix []byte) (polled bool) {
	_ = c.net.SetReadDeadline(time.Now().Add(firstBytesTime))
	if IsWord(string(prefix)) {
		c.server.answerWord(c, string(prefix), nil)
		_ = c.net.Close()
		return false
	}
	in, err := c.opening(prefix)
	if err != nil {
		_ = c.net.Close()
		return false
	}
	_ = c.net.SetReadDeadline(time.Time{})
	if w := string(in.B[:4]); IsWord(w) {
		c.server.answerWord(c, w, in.B[4:])
		in.Release()
		_ = c.net.Close()
		return false
	}
	c.id = c.server.node.Connect(c.remote, c)
	in, ok := c.take(in, c.server.node)
	if ok && c.poll(in) {
		return true
	}
	if ok {
		in = c.frames(in)
	}
	if in != nil {
		in.Release()
	}
	c.end()
	return false
}

// poll hands the connection to the poller, if there is one that takes it. in is
// the part of a frame that has come.
func (c *conn) poll(in *node.Buffer) bool {
	p := c.server.poller
	if p == nil || c.raw == nil {
		return false
	}
	c.mu.Lock()
	c.mu.polled = !c.mu.closing && !c.mu.dead
	polled := c.mu.polled
	c.mu.Unlock()
	if !polled {
		return false
	}
	c.in = in
	if !p.add(c) {
		c.mu.Lock()
		c.mu.polled = false
		c.mu.Unlock()
		return false
	}
	if c.isOver() { // since before it was added, when the poller could not be told
		p.wake(c)
	}
	return true
}

// isOver reports whether nothing more is read.
func (c *conn) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.closing || c.mu.dead
}

// readable reads what has come. It reports false when the connection has come to
// its end; gone says that its client has. Only the poller calls it.
func (c *conn) readable(r *socketReader, to submitter, gone bool) bool {
	c.mu.Lock()
	if c.mu.closing || c.mu.dead {
		c.mu.Unlock()
		return false
	}
	if c.fullLocked() {
		if gone { // the system tells of that again and again, armed or not
			c.mu.Unlock()
			return false
		}
		c.mu.unarmed = true
		c.server.poller.arm(c, false)
		c.mu.Unlock()
		return true
	}
	c.mu.Unlock()
	in, err := r.read(c.raw, c.in)
	if err == nil && in != nil { // nil: there was nothing after all
		var ok bool
		if in, ok = c.take(in, to); !ok {
			err = io.EOF
		}
	}
	c.in = in
	return err == nil
}

// fullLocked reports whether the node or unsent output asks for no more requests.
func (c *conn) fullLocked() bool { return c.mu.held || c.mu.unsent > holdBytes }

// roomLocked lets go on whoever reads, if there is reason to.
func (c *conn) roomLocked() {
	c.mu.free.Broadcast()
	if c.mu.unarmed && !c.fullLocked() && !c.mu.dead {
		c.mu.unarmed = false
		c.server.poller.arm(c, true)
	}
}

// endPolled is the end of one that the poller has given up.
func (c *conn) endPolled() {
	if c.in != nil {
		c.in.Release()
	}
	c.end()
	c.server.release(c)
	c.server.wg.Done()
}

// end is the last thing for a connection that is no longer read.
func (c *conn) end() {
	c.drainInput()
	c.server.node.Disconnect(c.id)
	c.mu.Lock()
	c.mu.dead = true // no writer is started from now on
	c.mu.Unlock()
	_ = c.net.Close()
	c.mu.Lock()
	for c.mu.writing {
		c.mu.free.Wait()
	}
	c.mu.Unlock()
}

// opening reads until there are the four bytes that say what a connection is, and
// something behind them where they are all that somebody else has read. Until
// then a connection costs no buffer.
func (c *conn) opening(prefix []byte) (in *node.Buffer, err error) {
	if len(prefix) > 4 {
		in = node.SmallBuffer()
		in.B, prefix = append(in.B, prefix...), nil
	}
	for in == nil || len(in.B) < 4 {
		if in, err = c.read(in); err != nil {
			if in != nil {
				in.Release()
			}
			return nil, err
		}
		in.B = slices.Insert(in.B, 0, prefix...)
		prefix = nil
	}
	return in, nil
}

// fresh is a buffer for what comes next. A client's first words are few, and there
// may be ten thousand that say them at once.
func (c *conn) fresh() *node.Buffer {
	if c.id == 0 {
		return node.SmallBuffer()
	}
	return node.GetBuffer()
}

// frames reads a connection and brings all frames that are whole to the node at
// once. It returns when the connection ends or says something impossible, with a
// buffer to be released.
func (c *conn) frames(in *node.Buffer) *node.Buffer {
	for c.mayRead() {
		var err error
		if in, err = c.read(in); err != nil {
			break
		}
		var ok bool
		if in, ok = c.take(in, c.server.node); !ok {
			break
		}
	}
	return in
}

// submitter is how requests come to the node.
type submitter interface {
	Submit(id replica.ConnID, b *node.Buffer) bool
}

// take brings the frames in a buffer that are whole to the node, and returns what
// is left. It reports false when the connection says something impossible or the
// node has ended.
func (c *conn) take(in *node.Buffer, to submitter) (rest *node.Buffer, ok bool) {
	end, ok := wholeFrames(in.B, c.server.cfg.FrameBytesMax)
	if end == 0 {
		return in, ok
	}
	if left := in.B[end:]; len(left) > 0 {
		rest = node.GetBuffer()
		rest.B = append(rest.B, left...)
	}
	in.B = in.B[:end]
	return rest, to.Submit(c.id, in) && ok // what came before the impossible is asked for
}

// wholeFrames is the length of the frames in b that are complete. It reports
// false for a length that no frame may have.
func wholeFrames(b []byte, frameMax int) (end int, ok bool) {
	for len(b)-end >= 4 {
		n := int32(binary.BigEndian.Uint32(b[end:]))
		if n < 0 || int(n) > frameMax {
			return end, false
		}
		if len(b)-end-4 < int(n) {
			break
		}
		end += 4 + int(n)
	}
	return end, true
}

// mayRead waits while the node or unsent output asks for it. It reports false
// when the connection is over.
func (c *conn) mayRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.fullLocked() && !c.mu.closing && !c.mu.dead {
		c.mu.free.Wait()
	}
	return !c.mu.closing && !c.mu.dead
}

// drainInput reads on for a moment after the server has said its last word, so
// that closing the socket does not take that word back.
func (c *conn) drainInput() {
	c.mu.Lock()
	closing := c.mu.closing && !c.mu.dead
	c.mu.Unlock()
	if !closing {
		return
	}
	_ = c.net.SetReadDeadline(time.Now().Add(lingerTime))
	var sink [512]byte
	for {
		if _, err := c.net.Read(sink[:]); err != nil {
			return
		}
	}
}

// Send writes what the node has for this client (node.Port).
func (c *conn) Send(d node.Delivery) {
	c.mu.Lock()
	if c.mu.closing || c.mu.dead {
		c.mu.Unlock()
		node.Recycle(d.Bytes)
		return
	}
	if c.mu.writing {
		c.mu.queue = append(c.mu.queue, d)
		c.mu.unsent += len(d.Bytes)
		over := c.mu.unsent > outputBytesMax
		if d.Close {
			c.endLocked() // also of the write that is stuck now
		}
		c.mu.Unlock()
		if over {
			c.server.log.Warn("client does not read", "client", c.remote.String())
			c.abort()
		}
		return
	}
	c.mu.Unlock()
	n, blocked := c.tryWrite(d.Bytes)
	if !blocked && n == len(d.Bytes) {
		c.sent(d)
		return
	}
	c.mu.Lock()
	if c.mu.dead {
		c.mu.Unlock()
		node.Recycle(d.Bytes)
		return
	}
	c.mu.writing = true
	c.mu.unsent += len(d.Bytes) - n
	if d.Close {
		c.endLocked()
	}
	c.mu.Unlock()
	go c.write(d, n)
}

// endLocked gives everything that is still to be written lingerTime and no more:
// the node has forgotten this connection, and no session times it out.
func (c *conn) endLocked() {
	c.mu.ending = true
	_ = c.net.SetWriteDeadline(time.Now().Add(lingerTime))
}

// sent is called when all of a delivery has left.
func (c *conn) sent(d node.Delivery) {
	node.Recycle(d.Bytes)
	if d.WantDrained {
		c.server.node.Drained(c.id)
	}
	if d.Close {
		c.finish()
	}
}

// write is the writer: it writes a delivery from offset on, and then what has
// queued behind it.
func (c *conn) write(d node.Delivery, offset int) {
	for {
		if err := c.writeAll(d.Bytes[offset:]); err != nil {
			c.abort()
			c.mu.Lock()
			c.writtenLocked()
			c.mu.Unlock()
			return
		}
		c.sent(d)
		c.mu.Lock()
		if len(c.mu.queue) == 0 || c.mu.dead {
			c.setWriteDeadlineLocked(time.Time{})
			c.writtenLocked()
			c.mu.Unlock()
			return
		}
		d, offset = c.mu.queue[0], 0
		c.mu.queue[0] = node.Delivery{}
		c.mu.queue = c.mu.queue[1:]
		c.mu.Unlock()
	}
}

func (c *conn) writeAll(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), writeBytes)
		c.mu.Lock()
		c.setWriteDeadlineLocked(time.Now().Add(stuckTime))
		c.mu.Unlock()
		if _, err := c.net.Write(b[:n]); err != nil {
			return err
		}
		c.mu.Lock()
		c.mu.unsent -= n
		c.roomLocked()
		c.mu.Unlock()
		b = b[n:]
	}
	return nil
}

// setWriteDeadlineLocked sets a deadline, unless that of the last words is set.
func (c *conn) setWriteDeadlineLocked(t time.Time) {
	if !c.mu.ending {
		_ = c.net.SetWriteDeadline(t)
	}
}

func (c *conn) writtenLocked() {
	c.mu.writing = false
	c.roomLocked()
}

// finish ends the sending side: the client reads what there is, then the end.
func (c *conn) finish() {
	c.mu.Lock()
	c.mu.closing = true
	c.mu.free.Broadcast()
	polled := c.mu.polled
	c.mu.Unlock()
	if t, ok := c.net.(interface{ CloseWrite() error }); ok && t.CloseWrite() == nil {
		_ = c.net.SetReadDeadline(time.Now().Add(lingerTime))
		if polled {
			c.server.poller.wake(c)
		}
		return
	}
	c.shut(polled)
}

// abort closes the connection at once.
func (c *conn) abort() {
	c.mu.Lock()
	c.mu.dead = true
	for _, d := range c.mu.queue {
		node.Recycle(d.Bytes)
	}
	c.mu.queue = nil
	c.mu.free.Broadcast()
	polled := c.mu.polled
	c.mu.Unlock()
	c.shut(polled)
}

// shut closes the socket. The poller's are closed when it has let go of them: it
// knows them by their descriptors.
func (c *conn) shut(polled bool) {
	if polled {
		c.server.poller.wake(c)
		return
	}
	_ = c.net.Close()
}

// Hold stops or lets go on the reading of requests (node.Port).
func (c *conn) Hold(on bool) {
	c.mu.Lock()
	c.mu.held = on
	c.roomLocked()
	c.mu.Unlock()
}

// grow makes room in a buffer for more of a frame that is under way. Memory
// follows what has come, not what a length promises.
func grow(b *node.Buffer) {
	if len(b.B) < cap(b.B) {
		return
	}
	bigger := make([]byte, len(b.B), 2*cap(b.B))
	copy(bigger, b.B)
	b.B = bigger
}
