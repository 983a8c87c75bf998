package zkclient

import (
	"context"
	"fmt"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// connect opens a connection to the next server, creates or resumes the session
// on it, sends credentials and re-arms watches.
func (c *Client) connect() (*link, error) {
	left := c.timeLeft()
	if left <= 0 {
		return nil, core.SessionExpired
	}
	// A server that does not answer must leave time for another one to save the session.
	patience := min(max(min(c.pace()/time.Duration(len(c.addresses)), left/2), dialMin), left)
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
		LastZxidSeen:  max(c.LastZxid(), core.Zxid(c.lastEvent.Load())),
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
	c.opt.Logger.Info("connected", "server", l.conn.RemoteAddr().String(), "session", resp.SessionID.String(),
		"timeout_ms", resp.TimeoutMillis, "resumed", resuming)
	return nil
}

// prelude sends what every new connection needs before ordinary requests, and
// waits for the replies. Watches are armed one request after the other: a server
// may have tens of thousands of events to tell for each, and stops reading while
// these are not read.
func (c *Client) prelude(l *link, auths []Auth) error {
	var out []byte
	for _, a := range auths {
		out = frame(out, func(b []byte) []byte {
			return wire.AppendAuth(wire.AppendRequestHeader(b, wire.XidAuth, wire.OpAuth), a.Scheme, a.Auth)
		})
	}
	if _, err := c.exchange(l, out, len(auths)); err != nil {
		return err
	}
	seen := c.LastZxid()
	sets := c.watches.rearm(seen)
	for i := range sets {
		op := setWatchesOp(&sets[i])
		out = frame(out[:0], func(b []byte) []byte {
			return sets[i].Append(wire.AppendRequestHeader(b, wire.XidSetWatches, op), op)
		})
		z, err := c.exchange(l, out, 1)
		if err != nil {
			return err
		}
		if int64(z) > int64(seen) { // not that of an old server that says -1
			seen = z
		}
	}
	if len(sets) > 0 {
		// Not before all are armed: should the connection break, the next one must
		// ask for what has changed since the same zxid.
		c.sawZxid(seen)
		c.watches.resync(c.LastZxid())
	}
	return nil
}

// exchange writes requests of the prelude and reads as many replies as it is
// owed. It returns the zxid of the last one that armed watches.
func (c *Client) exchange(l *link, out []byte, owed int) (z core.Zxid, err error) {
	if owed == 0 {
		return 0, nil
	}
	if _, err := l.conn.Write(out); err != nil {
		return 0, err
	}
	for owed > 0 {
		body, err := l.reader.next()
		if err != nil {
			return 0, err
		}
		r := wire.NewReader(body)
		h := wire.DecodeReplyHeader(&r)
		if r.Err() != nil {
			return 0, r.Err()
		}
		switch h.Xid {
		case wire.XidNotification:
			if err := c.notify(h, &r); err != nil {
				return 0, err
			}
			continue
		case wire.XidAuth:
			if h.Err != core.OK {
				return 0, fmt.Errorf("%w: %w", core.AuthFailed, core.ErrClosed)
			}
		case wire.XidSetWatches:
			if h.Err == core.Unimplemented {
				c.watches.end(core.Unimplemented) // armed on a newer server of a mixed ensemble
			}
			if h.Err != core.OK {
				return 0, h.Err
			}
			z = h.Zxid
		default:
			return 0, fmt.Errorf("reply to nothing: xid %d", h.Xid)
		}
		owed--
	}
	return z, nil
}
