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
	// writeBytes is how much of a delivery is written at once. A client that reads
	// nothing in all of stuckTime meanwhile is taken for gone.
	writeBytes = 256 << 10
	stuckTime  = 30 * time.Second
	// missTime is the pause after room was seen twice where there was none.
	missTime = 5 * time.Millisecond
	// firstBytesTime is how long a connection may take to say what it is.
	firstBytesTime = 20 * time.Second
)

// conn is one client's socket, and its port at the node.
type conn struct {
	server *Server
	remote netip.AddrPort
	id     replica.ConnID

	// The socket: net until the poller takes it over, then fd, which no other than
	// this connection knows. That changes under mu, while nobody is writing.
	net net.Conn
	raw syscall.RawConn // nil where reads and writes must block
	fd  int32

	in *node.Buffer // the poller's: the part of a frame that has come

	mu struct {
		sync.Mutex
		queue   []node.Delivery // what the writer has still to write
		unsent  int
		giveUp  *time.Timer // of a client that the writer waits for, or that lingers
		writing bool        // somebody uses the socket to write; its end outlives that
		held    bool
		polled  bool // the poller reads it, or has
		unarmed bool // the poller does not look at what comes for the moment
		choked  bool // the writer waits for the poller to see room
		ending  bool // the last words are under way, and giveUp is set for them
		closing bool // nothing more is sent; what comes is thrown away
		dead    bool
		free    *sync.Cond // signalled when a reader may go on or the writer has returned; nil until somebody waits
	}
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, net: nc}
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
	if ok {
		in, polled = c.frames(in)
	}
	if polled {
		return true
	}
	if in != nil {
		in.Release()
	}
	c.end()
	return false
}

// poll hands the connection to the poller, if there is one that takes it. in is
// the part of a frame that has come. While much is still to be written it does not:
// the socket is the writer's too.
func (c *conn) poll(in *node.Buffer) bool {
	p := c.server.poller
	if p == nil || c.raw == nil || c.isBusy() {
		return false
	}
	fd, err := ownDescriptor(c.raw)
	if err != nil {
		return false
	}
	c.mu.Lock()
	for c.mu.writing && c.mu.unsent == 0 && !c.mu.closing && !c.mu.dead {
		c.waitLocked() // for a Send that is just at it
	}
	c.fd, c.in = fd, in
	if c.mu.writing || c.mu.closing || c.mu.dead || !p.add(c) {
		c.in = nil
		c.mu.Unlock()
		closeDescriptor(fd)
		return false
	}
	old := c.net
	c.net, c.raw = nil, nil
	c.mu.polled = true
	c.mu.Unlock()
	_ = old.Close() // the socket lives on
	return true
}

func (c *conn) isBusy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.unsent > 0
}

// readable reads what has come. It reports false when the connection has come to
// its end; gone says that its client has. Only the poller calls it.
func (c *conn) readable(r *socketReader, to submitter, gone bool) bool {
	c.mu.Lock()
	dead, closing := c.mu.dead, c.mu.closing
	if !dead && !closing && c.fullLocked() {
		if dead = gone; !dead { // the system tells of that again and again, armed or not
			c.mu.unarmed = true
			c.armLocked()
			c.mu.Unlock()
			return true
		}
	}
	c.mu.Unlock()
	if dead {
		return false
	}
	if closing {
		return r.discard(c.fd)
	}
	in, err := r.read(c.fd, c.in)
	if err == nil && in != nil { // nil: there was nothing after all
		var ok bool
		if in, ok = c.take(in, to); !ok {
			err = io.EOF
		}
	}
	c.in = in
	return err == nil
}

func (c *conn) waitLocked() {
	if c.mu.free == nil {
		c.mu.free = sync.NewCond(&c.mu)
	}
	c.mu.free.Wait()
}

func (c *conn) wakeLocked() {
	if c.mu.free != nil {
		c.mu.free.Broadcast()
	}
}

// fullLocked reports whether the node or unsent output asks for no more requests.
func (c *conn) fullLocked() bool { return c.mu.held || c.mu.unsent > holdBytes }

// roomLocked lets go on whoever reads, if there is reason to.
func (c *conn) roomLocked() {
	c.wakeLocked()
	if c.mu.unarmed && (c.mu.closing || !c.fullLocked()) {
		c.mu.unarmed = false
		c.armLocked()
	}
}

// armLocked tells the poller what to look for.
func (c *conn) armLocked() {
	if !c.mu.dead {
		c.server.poller.arm(c.fd, !c.mu.unarmed, c.mu.choked)
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
	if c.mu.giveUp != nil {
		c.mu.giveUp.Stop()
	}
	c.wakeLocked()
	polled := c.mu.polled
	c.mu.Unlock()
	if !polled {
		_ = c.net.Close()
	}
	c.mu.Lock()
	for c.mu.writing {
		c.waitLocked()
	}
	c.mu.Unlock()
	if polled {
		closeDescriptor(c.fd) // nobody uses it any more
	}
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
// once, until the poller takes it over. Otherwise it returns when the connection
// ends or says something impossible, with a buffer to be released.
func (c *conn) frames(in *node.Buffer) (rest *node.Buffer, polled bool) {
	for c.mayRead() {
		if c.poll(in) {
			return nil, true
		}
		var err error
		if in, err = c.read(in); err != nil {
			break
		}
		var ok bool
		if in, ok = c.take(in, c.server.node); !ok {
			break
		}
	}
	return in, false
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
		c.waitLocked()
	}
	return !c.mu.closing && !c.mu.dead
}

// drainInput reads on for a moment after the server has said its last word, so
// that closing the socket does not take that word back.
func (c *conn) drainInput() {
	c.mu.Lock()
	draining := c.mu.closing && !c.mu.dead && !c.mu.polled
	c.mu.Unlock()
	if !draining {
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
