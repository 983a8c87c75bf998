package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// conn is one connection with a session of its own.
type conn struct {
	net net.Conn
	session
	out []byte
	in  []byte // bytes read and not yet cut into frames
	buf []byte
	xid int32
}

// session is what a client shows to have its session again. The zero value asks for a
// new one.
type session struct {
	id       core.SessionID
	password [wire.PasswordBytes]byte
}

// errOver says that the server does not know the session, or not any more.
var errOver = errors.New("the session is over")

const sessionMillis = 30_000

// dial opens a connection and a session.
func dial(addr string) (*conn, error) { return dialWithin(addr, 30*time.Second) }

// turn counts connections to servers that have several addresses.
var turn atomic.Uint64

// dialWithin opens a connection and a session, or gives up in time. Of several
// addresses, parted by commas, each has its turn; such a connection has seen what
// others had done before.
func dialWithin(addr string, within time.Duration) (*conn, error) {
	list := strings.Split(addr, ",")
	if len(list) == 1 {
		return dialOne(addr, within)
	}
	c, err := dialOne(list[turn.Add(1)%uint64(len(list))], within)
	if err == nil {
		_, _, err = c.call(wire.OpSync, wire.AppendString(nil, "/"))
	}
	return c, err
}

func dialOne(addr string, within time.Duration) (*conn, error) {
	return resume(addr, within, session{}, 64<<10)
}

// resume opens a connection and takes a session up again, or begins one. It returns
// errOver if there is no such session. The buffer has so many bytes at first.
func resume(addr string, within time.Duration, was session, buffer int) (*conn, error) {
	nc, err := net.DialTimeout("tcp", addr, within)
	if err != nil {
		return nil, err
	}
	c := &conn{net: nc, buf: make([]byte, buffer)}
	_ = nc.SetDeadline(time.Now().Add(within))
	q := wire.ConnectRequest{TimeoutMillis: sessionMillis, SessionID: was.id, Password: was.password[:], HasReadOnly: true}
	body := q.Append(nil)
	if _, err := nc.Write(append(wire.AppendInt(nil, int32(len(body))), body...)); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	f, err := c.frame()
	if err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	resp, err := wire.DecodeConnectResponse(f)
	switch {
	case err == nil && was.id != 0 && resp.SessionID != was.id:
		return nil, errors.Join(errOver, nc.Close())
	case err != nil || resp.SessionID == 0:
		return nil, errors.Join(fmt.Errorf("%s gave no session", addr), nc.Close())
	}
	c.session = session{resp.SessionID, resp.Password}
	_ = nc.SetDeadline(time.Time{})
	return c, nil
}

// frame reads one frame. It is good until the next call.
func (c *conn) frame() ([]byte, error) {
	for {
		if len(c.in) >= 4 {
			n := int(binary.BigEndian.Uint32(c.in))
			if n > 64<<20 {
				return nil, fmt.Errorf("a frame of %d bytes", n)
			}
			if len(c.in) >= 4+n {
				f := c.in[4 : 4+n]
				c.in = c.in[4+n:]
				return f, nil
			}
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more bytes behind those that are there.
func (c *conn) fill() error {
	have := copy(c.buf, c.in)
	if have == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	n, err := c.net.Read(c.buf[have:])
	c.in = c.buf[:have+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// buffered reports whether a whole frame can be had without reading.
func (c *conn) buffered() bool {
	return len(c.in) >= 4 && len(c.in) >= 4+int(binary.BigEndian.Uint32(c.in))
}

// begin starts a request in the output buffer and returns its mark.
func (c *conn) begin(op wire.OpCode) int {
	mark := len(c.out)
	c.xid++
	c.out = wire.AppendRequestHeader(append(c.out, 0, 0, 0, 0), c.xid, op)
	return mark
}

func (c *conn) end(mark int) { wire.PutInt(c.out[mark:], int32(len(c.out)-mark-4)) }

// flush sends what was begun and ended.
func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.net.Write(c.out)
	c.out = c.out[:0]
	return err
}

// reply reads the next reply, passing over notifications.
func (c *conn) reply() (wire.ReplyHeader, []byte, error) {
	for {
		f, err := c.frame()
		if err != nil {
			return wire.ReplyHeader{}, nil, err
		}
		r := wire.NewReader(f)
		h := wire.DecodeReplyHeader(&r)
		if r.Err() != nil {
			return h, nil, r.Err()
		}
		if h.Xid != wire.XidNotification {
			return h, r.Rest(), nil
		}
	}
}

// call sends one request and waits for its reply.
func (c *conn) call(op wire.OpCode, body []byte) (wire.ReplyHeader, []byte, error) {
	mark := c.begin(op)
	c.out = append(c.out, body...)
	c.end(mark)
	if err := c.flush(); err != nil {
		return wire.ReplyHeader{}, nil, err
	}
	return c.reply()
}

// close ends the session.
func (c *conn) close() {
	_ = c.net.SetDeadline(time.Now().Add(20 * time.Second))
	_, _, _ = c.call(wire.OpCloseSession, nil)
	_ = c.net.Close()
}

// mustCreate creates a znode, which may be there already.
func (c *conn) mustCreate(path string, data []byte) error {
	h, _, err := c.call(wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, path, data, core.OpenACL(), 0, 0))
	if err == nil && h.Err != core.OK && h.Err != core.NodeExists {
		err = fmt.Errorf("create %s: %w", path, h.Err)
	}
	return err
}
