package zkclient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

const (
	backoffMin = 20 * time.Millisecond
	backoffMax = time.Second
	// dialMin is the least that one server is given to answer.
	dialMin = 250 * time.Millisecond
	// pingMax is the longest that a connection stays silent, as with Java clients.
	pingMax = 10 * time.Second
	// setWatchesBytesMax is where a long list of watches is split.
	setWatchesBytesMax = 128 << 10
)

// link is one connection, after its handshake.
type link struct {
	conn   net.Conn
	reader frameReader
	gone   chan struct{} // closed when the reader has given up
}

// run keeps the session in contact until it is over.
func (c *Client) run() {
	defer close(c.done)
	for c.ctx.Err() == nil {
		l, err := c.connect()
		if err == nil {
			before := c.contact.Load()
			c.serve(l)
			if c.contact.Load() != before {
				c.attempts = 0
			} else {
				c.attempts++ // a server that only takes connections is no better than none
			}
			if !c.pause() {
				return
			}
			continue
		}
		if c.ctx.Err() != nil {
			return
		}
		if core.IsSessionOver(err) || errors.Is(err, core.AuthFailed) {
			c.opt.Logger.Warn("session over", "session", c.Session().ID, "err", err)
			c.end(err)
			return
		}
		c.opt.Logger.Debug("no connection", "server", c.addresses[c.server], "err", err)
		c.server = (c.server + 1) % len(c.addresses)
		c.attempts++
		if !c.pause() {
			return
		}
	}
}

// pause waits before the next attempt: hardly at all until every server was
// tried, then longer and longer. It ends the session if its time is up.
func (c *Client) pause() bool {
	d := rand.N(backoffMin)
	if rounds := c.attempts / len(c.addresses); rounds > 0 {
		d = min(backoffMin<<min(rounds, 10), backoffMax)
		d = d/2 + rand.N(d/2)
	}
	left := c.timeLeft()
	if left <= 0 {
		c.opt.Logger.Warn("session over", "session", c.Session().ID, "err", core.SessionExpired)
		c.end(core.SessionExpired)
		return false
	}
	t := time.NewTimer(min(d, left))
	defer t.Stop()
	select {
	case <-c.ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// timeLeft is how long the session may still be alive. A client without a
// session has all the time that its Dial has.
func (c *Client) timeLeft() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.session.ID == 0 {
		return time.Hour
	}
	return c.mu.session.Timeout - c.sinceContact()
}

// connect opens a connection to the next server, creates or resumes the session
// on it, sends credentials and re-arms watches.
func (c *Client) connect() (*link, error) {
	left := c.timeLeft()
	if left <= 0 {
		return nil, core.SessionExpired
	}
	// A server that does not answer must leave time for another one to save the session.
	patience := min(max(min(c.timeout()/time.Duration(len(c.addresses)), left/2), dialMin), left)
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	conn, err := c.opt.Dialer(ctx, "tcp", c.addresses[c.server])
	if err != nil {
		return nil, err
	}
	// Whatever ends the wait breaks the reads and writes of the handshake.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	l := &link{conn: conn, gone: make(chan struct{})}
	l.reader.init(conn)
	if err := c.handshake(l); err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	if !stop() {
		return nil, ctx.Err()
	}
	return l, nil
}

func (c *Client) handshake(l *link) error {
	c.mu.Lock()
	session := c.mu.session
	c.mu.Unlock()
	resuming := session.ID != 0

	req := wire.ConnectRequest{
		LastZxidSeen:  c.LastZxid(),
		TimeoutMillis: int32(min(c.opt.Timeout.Milliseconds(), 1<<31-1)),
		SessionID:     session.ID,
		Password:      session.Password,
		HasReadOnly:   true,
	}
	if !resuming {
		req.Password = make([]byte, wire.PasswordBytes)
	}
	if _, err := l.conn.Write(frame(nil, req.Append)); err != nil {
		return err
	}
	body, err := l.reader.next()
	if err != nil {
		return err
	}
	resp, err := wire.DecodeConnectResponse(body)
	if err != nil {
		return fmt.Errorf("connect response: %w", err)
	}
	c.contact.Store(int64(c.sinceBegin()))
	if resp.TimeoutMillis <= 0 || resp.SessionID == 0 || resuming && resp.SessionID != session.ID {
		return core.SessionExpired
	}

	c.mu.Lock()
	c.mu.session = core.SessionInfo{
		ID:       resp.SessionID,
		Password: resp.Password[:],
		Timeout:  time.Duration(resp.TimeoutMillis) * time.Millisecond,
	}
	auths := c.mu.auths
	c.mu.Unlock()
	if err := c.prelude(l, auths); err != nil {
		return err
	}
	c.opt.Logger.Info("connected", "server", l.conn.RemoteAddr().String(), "session", resp.SessionID,
		"timeout_ms", resp.TimeoutMillis, "resumed", resuming)
	return nil
}

// prelude sends what every new connection needs before ordinary requests, and
// waits for the replies.
func (c *Client) prelude(l *link, auths []Auth) error {
	var out []byte
	for _, a := range auths {
		out = frame(out, func(b []byte) []byte {
			return wire.AppendAuth(wire.AppendRequestHeader(b, wire.XidAuth, wire.OpAuth), a.Scheme, a.Auth)
		})
	}
	sets := c.watches.rearm(c.LastZxid())
	for i := range sets {
		out = frame(out, func(b []byte) []byte {
			op := setWatchesOp(&sets[i])
			return sets[i].Append(wire.AppendRequestHeader(b, wire.XidSetWatches, op), op)
		})
	}
	if len(out) == 0 {
		return nil
	}
	if _, err := l.conn.Write(out); err != nil {
		return err
	}
	for owed := len(auths) + len(sets); owed > 0; {
		body, err := l.reader.next()
		if err != nil {
			return err
		}
		r := wire.NewReader(body)
		h := wire.DecodeReplyHeader(&r)
		if r.Err() != nil {
			return r.Err()
		}
		switch h.Xid {
		case wire.XidNotification:
			c.notify(h, &r)
			continue
		case wire.XidAuth:
			if h.Err != core.OK {
				return fmt.Errorf("%w: %w", core.AuthFailed, core.ErrClosed)
			}
		case wire.XidSetWatches:
			if h.Err == core.Unimplemented {
				c.watches.end(core.Unimplemented) // armed on a newer server of a mixed ensemble
			}
			if h.Err != core.OK {
				return h.Err
			}
			c.sawZxid(h.Zxid)
		default:
			return fmt.Errorf("reply to nothing: xid %d", h.Xid)
		}
		owed--
	}
	if len(sets) > 0 {
		c.watches.resync(c.LastZxid())
	}
	return nil
}

// serve uses a link until it breaks.
func (c *Client) serve(l *link) {
	c.mu.Lock()
	if c.mu.ended != nil {
		c.mu.Unlock()
		l.conn.Close()
		return
	}
	c.mu.link = l
	c.mu.Unlock()
	select {
	case c.first <- nil:
	default:
	}

	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write(l)
	}()
	lost, err := c.read(l)
	l.conn.Close()
	close(l.gone)
	<-written

	c.mu.Lock()
	c.mu.link = nil
	c.mu.idle = false
	lost = append(lost, c.mu.takeSent()...)
	c.mu.Unlock()
	for _, e := range lost {
		e.fail(core.ConnectionLoss)
	}
	c.server = (c.server + 1) % len(c.addresses)
	if c.ctx.Err() == nil {
		c.opt.Logger.Info("connection lost", "session", c.Session().ID, "lost_requests", len(lost), "err", err)
	}
}

// write sends whatever has gathered, all in one piece, and pings a quiet server.
// It breaks the connection when the server has been silent for too long.
func (c *Client) write(l *link) {
	timeout := c.timeout()
	pingEvery := min(timeout/3, pingMax)
	tick := time.NewTicker(max(pingEvery/2, time.Millisecond))
	defer tick.Stop()
	ping := frame(nil, func(b []byte) []byte { return wire.AppendRequestHeader(b, wire.XidPing, wire.OpPing) })
	lastWrite := c.sinceBegin()
	put := func(b []byte) bool {
		lastWrite = c.sinceBegin()
		l.conn.SetWriteDeadline(time.Now().Add(timeout * 2 / 3))
		if _, err := l.conn.Write(b); err != nil {
			l.conn.Close()
			return false
		}
		return true
	}
	var spare []byte
	for {
		c.mu.Lock()
		if c.mu.link != l {
			c.mu.Unlock()
			return
		}
		if len(c.mu.out) > 0 {
			buf := c.mu.take(spare)
			c.mu.Unlock()
			if !put(buf) {
				return
			}
			if spare = buf; cap(spare) > 1<<20 {
				spare = nil
			}
			continue
		}
		c.mu.idle = true
		c.mu.Unlock()

		select {
		case <-c.wake:
		case <-l.gone:
			return
		case <-tick.C:
			switch quiet := c.sinceContact(); {
			case quiet >= timeout*2/3:
				c.opt.Logger.Info("server is silent", "silent_ms", quiet.Milliseconds())
				l.conn.Close()
				return
			case quiet >= pingEvery || c.sinceBegin()-lastWrite >= pingEvery:
				if !put(ping) {
					return
				}
			}
		}
	}
}

// read delivers replies and notifications until the connection breaks. It
// returns the requests that it took from the queue and has no reply for.
func (c *Client) read(l *link) (lost []entry, err error) {
	var entries []entry
	for {
		n, err := l.reader.fill()
		if err != nil {
			return nil, err
		}
		c.contact.Store(int64(c.sinceBegin()))
		entries = entries[:0]
		// Every request that these frames answer leaves the queue under one lock.
		if n > 0 {
			var ok bool
			c.mu.Lock()
			entries, ok = c.mu.pop(entries, n)
			c.mu.Unlock()
			if !ok {
				return nil, errors.New("more replies than requests")
			}
		}
		if left, err := c.deliver(l, entries); err != nil {
			return left, err
		}
		clear(entries)
	}
}

// deliver handles the whole frames that the reader holds, and returns what is
// left of entries.
func (c *Client) deliver(l *link, entries []entry) (left []entry, err error) {
	for {
		body, ok := l.reader.whole()
		if !ok {
			return entries, nil
		}
		r := wire.NewReader(body)
		h := wire.DecodeReplyHeader(&r)
		if r.Err() != nil {
			return entries, r.Err()
		}
		switch h.Xid {
		case wire.XidNotification:
			if err := c.notify(h, &r); err != nil {
				return entries, err
			}
		case wire.XidPing:
			c.sawZxid(h.Zxid)
		case wire.XidAuth:
			c.mu.Lock()
			e, ok := c.mu.popAuth()
			c.mu.Unlock()
			if !ok {
				return entries, errors.New("more replies than auth requests")
			}
			if h.Err == core.AuthFailed {
				// The server breaks the connection now: whatever comes next must
				// wait for another one.
				c.mu.Lock()
				c.mu.link = nil
				c.mu.Unlock()
			}
			if e.to != nil {
				e.to.reply(h, r.Rest(), nil)
			}
			if h.Err == core.AuthFailed {
				return entries, core.AuthFailed
			}
		default:
			e := entries[0]
			if e.xid != h.Xid {
				return entries, fmt.Errorf("reply to xid %d where %d was due", h.Xid, e.xid)
			}
			entries = entries[1:]
			c.sawZxid(h.Zxid)
			if e.to != nil {
				e.to.reply(h, r.Rest(), nil)
			}
			if h.Err == core.SessionExpired {
				return entries, h.Err // the next connect says the same, and ends the client
			}
		}
	}
}

// sawZxid remembers the zxid of a reply. Only the reading goroutine calls it.
func (c *Client) sawZxid(z core.Zxid) {
	if int64(z) > 0 && uint64(z) > c.lastZxid.Load() {
		c.lastZxid.Store(uint64(z))
	}
}

// frame appends a length and what add appends.
func frame(dst []byte, add func([]byte) []byte) []byte {
	mark := len(dst)
	dst = add(wire.AppendInt(dst, 0))
	wire.PutInt(dst[mark:], int32(len(dst)-mark-4))
	return dst
}

// frameReader cuts a stream into frames.
type frameReader struct {
	src      io.Reader
	buf      []byte
	from, to int
}

const readBytesMin = 16 << 10

func (f *frameReader) init(src io.Reader) {
	f.src = src
	f.buf = make([]byte, readBytesMin)
}

// head is the length of the frame at offset i, if enough is there to tell.
func (f *frameReader) head(i int) (n int, ok bool, err error) {
	if f.to-i < 4 {
		return 0, false, nil
	}
	n = int(int32(binary.BigEndian.Uint32(f.buf[i:])))
	if n < 0 || n > replyBytesMax {
		return 0, false, fmt.Errorf("frame of %d bytes", n)
	}
	return n, true, nil
}

// whole takes the next frame if all of it is here. It stays good until more is read.
func (f *frameReader) whole() ([]byte, bool) {
	n, ok, err := f.head(f.from)
	if err != nil || !ok || f.to-f.from < 4+n {
		return nil, false
	}
	b := f.buf[f.from+4 : f.from+4+n]
	f.from += 4 + n
	return b, true
}

// next waits for one frame.
func (f *frameReader) next() ([]byte, error) {
	for {
		if b, ok := f.whole(); ok {
			return b, nil
		}
		if _, _, err := f.head(f.from); err != nil {
			return nil, err
		}
		if err := f.more(); err != nil {
			return nil, err
		}
	}
}

// fill waits until at least one whole frame is here, and counts those that are
// replies to ordinary requests.
func (f *frameReader) fill() (replies int, err error) {
	for {
		frames := 0
		for i := f.from; ; {
			n, ok, err := f.head(i)
			if err != nil {
				return 0, err
			}
			if !ok || f.to-i < 4+n {
				break
			}
			if n >= 4 {
				switch int32(binary.BigEndian.Uint32(f.buf[i+4:])) {
				case wire.XidNotification, wire.XidPing, wire.XidAuth:
				default:
					replies++
				}
			}
			frames++
			i += 4 + n
		}
		if frames > 0 {
			return replies, nil
		}
		if err := f.more(); err != nil {
			return 0, err
		}
	}
}

// more reads once, with room for what the frame at hand still lacks. Room grows
// only as bytes come in, whatever length the frame claims.
func (f *frameReader) more() error {
	if f.from == f.to {
		f.from, f.to = 0, 0
		if len(f.buf) > 1<<20 {
			f.buf = make([]byte, readBytesMin)
		}
	}
	if f.to == len(f.buf) {
		if f.from > 0 {
			f.to = copy(f.buf, f.buf[f.from:f.to])
			f.from = 0
		} else {
			f.buf = append(f.buf, make([]byte, len(f.buf))...)
		}
	}
	n, err := f.src.Read(f.buf[f.to:])
	f.to += n
	if n > 0 {
		return nil
	}
	return err
}
