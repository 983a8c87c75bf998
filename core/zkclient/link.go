package zkclient

import (
	"errors"
	"fmt"
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
		c.refused = err
		if core.IsSessionOver(err) || errors.Is(err, core.AuthFailed) {
			c.opt.Logger.Warn("session over", "session", c.Session().ID.String(), "err", err)
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
		c.opt.Logger.Warn("session over", "session", c.Session().ID.String(), "err", core.SessionExpired)
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
	switch {
	case c.mu.session.ID == 0:
		return time.Hour
	case c.opt.Patient: // whether it is, only a server can tell
		return c.mu.session.Timeout
	}
	return c.mu.session.Timeout - c.sinceContact()
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
		c.opt.Logger.Info("connection lost", "session", c.Session().ID.String(), "lost_requests", len(lost), "err", err)
	}
}

// write sends whatever has gathered, all in one piece, and pings a quiet server.
// It breaks the connection when the server has been silent for too long.
func (c *Client) write(l *link) {
	silence := c.pace() * 2 / 3
	pingEvery := min(silence/2, pingMax)
	tick := time.NewTicker(max(pingEvery/2, time.Millisecond))
	defer tick.Stop()
	ping := frame(nil, func(b []byte) []byte { return wire.AppendRequestHeader(b, wire.XidPing, wire.OpPing) })
	lastWrite := c.sinceBegin()
	put := func(b []byte) bool {
		lastWrite = c.sinceBegin()
		l.conn.SetWriteDeadline(time.Now().Add(silence))
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
			case quiet >= silence:
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
