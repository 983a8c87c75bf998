package zkclient_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// scripted is a server with one session table and no tree: a test says what it
// answers. Connections are pipes, so that it also works on synctest's clock.
type scripted struct {
	// answer makes the reply to one request; nil is silence.
	answer func(s *serverConn, h wire.RequestHeader, body []byte) []byte

	mu       sync.Mutex
	down     bool // refuses connections
	mute     bool // accepts connections and never says a word
	expired  bool // refuses to resume sessions
	conns    []*serverConn
	connects []wire.ConnectRequest
	dials    int
	requests []request
	zxid     core.Zxid
}

type request struct {
	conn int // number of the connection, from 1
	op   wire.OpCode
	xid  int32
	body []byte
}

type serverConn struct {
	srv    *scripted
	number int
	conn   net.Conn
	out    chan []byte // a pipe holds nothing: what is sent waits here, as it would in a socket
}

var sessionPassword = [wire.PasswordBytes]byte{1, 2, 3}

const sessionID core.SessionID = 0x0100_0000_0000_0007

func (s *scripted) dial(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials++
	if s.down {
		return nil, errors.New("connection refused")
	}
	client, server := net.Pipe()
	c := &serverConn{srv: s, number: len(s.conns) + 1, conn: server, out: make(chan []byte, 1<<16)}
	s.conns = append(s.conns, c)
	go c.serve()
	return client, nil
}

// set changes the server's mind.
func (s *scripted) set(fn func(s *scripted)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(s)
}

// cut breaks every connection.
func (s *scripted) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.conn.Close()
	}
}

// seen is the requests of an operation, and how many connections there were.
func (s *scripted) seen(op wire.OpCode) (found []request, conns int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r.op == op {
			found = append(found, r)
		}
	}
	return found, len(s.conns)
}

func (c *serverConn) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(c.conn, b)
	return b, err
}

// send writes frames.
func (c *serverConn) send(frames ...[]byte) {
	for _, b := range frames {
		c.out <- append(wire.AppendInt(nil, int32(len(b))), b...)
	}
}

// flush writes until the test is over with this connection.
func (c *serverConn) flush() {
	for b := range c.out {
		if b == nil {
			c.conn.Close()
		} else if _, err := c.conn.Write(b); err != nil {
			c.conn.Close()
		}
	}
}

func (c *serverConn) serve() {
	go c.flush()
	defer close(c.out)
	defer func() { c.out <- nil }()
	first, err := c.frame()
	if err != nil {
		return
	}
	req, err := wire.DecodeConnectRequest(first)
	if err != nil {
		return
	}
	s := c.srv
	s.mu.Lock()
	s.connects = append(s.connects, req)
	expired, mute := s.expired && req.SessionID != 0, s.mute
	s.mu.Unlock()
	resp := wire.ConnectResponse{TimeoutMillis: req.TimeoutMillis, SessionID: sessionID, Password: sessionPassword, HasReadOnly: true}
	if expired {
		resp = wire.ConnectResponse{HasReadOnly: true}
	}
	if !mute {
		c.send(resp.Append(nil))
	}
	if expired {
		return
	}
	for {
		b, err := c.frame()
		if err != nil {
			return
		}
		r := wire.NewReader(b)
		h := wire.DecodeRequestHeader(&r)
		s.mu.Lock()
		s.requests = append(s.requests, request{c.number, h.Op, h.Xid, r.Rest()})
		mute := s.mute
		answer := s.answer
		s.mu.Unlock()
		if mute {
			continue
		}
		var reply []byte
		switch {
		case answer != nil:
			reply = answer(c, h, r.Rest())
		default:
			reply = c.ok(h)
		}
		if reply != nil {
			c.send(reply)
		}
		if h.Op == wire.OpCloseSession {
			return
		}
	}
}

// ok is a plain success: a Stat for exists and setData, the path for sync.
func (c *serverConn) ok(h wire.RequestHeader) []byte {
	c.srv.mu.Lock()
	z := c.srv.zxid
	c.srv.mu.Unlock()
	b := wire.AppendReplyHeader(nil, h.Xid, z, core.OK)
	switch h.Op {
	case wire.OpExists, wire.OpSetData:
		b = wire.AppendStat(b, &core.Stat{Version: 7})
	case wire.OpSync:
		b = wire.AppendString(b, "/")
	case wire.OpAddWatch:
		b = wire.AppendInt(b, 0)
	}
	return b
}

// event is a notification.
func event(z core.Zxid, t core.EventType, path string) []byte {
	return wire.AppendWatcherEvent(wire.AppendReplyHeader(nil, wire.XidNotification, z, core.OK), t, path)
}

// until waits for a condition, on synctest's clock or on the real one.
func until(what string, cond func() bool) error {
	for range 2000 {
		if cond() {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return errors.New("never: " + what)
}
