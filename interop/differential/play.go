package differential

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

const (
	// answerTime is how long a server may take for an answer.
	answerTime = 20 * time.Second
	// sessionTimeout is that of the sessions which are not to expire.
	sessionTimeout = 60_000
	// expiryTime is how long a server may take to notice that a session of the
	// shortest timeout was left alone.
	expiryTime = 15 * time.Second
	// frameBytesMax bounds what a server may send in one frame.
	frameBytesMax = 64 << 20
)

// errSilent says that no answer came in time.
var errSilent = errors.New("no answer")

// Side is a server and what is connected to it.
type Side struct {
	Name string
	Addr string

	conns    [conns]*conn
	control  *conn
	sessions []session // in the order in which they were opened
	first    int64     // the zxid that counts as the first
	mark     int64
}

type session struct {
	id       int64
	password []byte
	over     bool
}

// conn is a connection, or the place of one.
type conn struct {
	socket  net.Conn // nil while there is none
	reader  *bufio.Reader
	session int // index of Side.sessions; -1 before the first
	seen    int64
}

// Outcome is what a step brought.
type Outcome struct {
	Own    []Frame          // on the connection of the step
	Others map[int][]Frame  // on other connections, by number
	Before []Frame          // on the connection of the step, while it was made anew
	Zxid   int64            // that the server has reached
	ended  map[int]struct{} // connections that are not open at the end
}

// Record is what a script brought, step by step.
type Record struct {
	Outcomes []Outcome
	Start    int64 // the zxid before the first step
}

// NewSide connects to a server that has just been started.
func NewSide(name, addr string) (*Side, error) {
	s := &Side{Name: name, Addr: addr}
	for i := range s.conns {
		s.conns[i] = &conn{session: -1}
	}
	s.control = &conn{session: -1}
	if err := s.open(s.control); err != nil {
		return nil, err
	}
	zxid, err := s.ping(s.control, nil)
	if err != nil {
		return nil, err
	}
	s.first = zxid
	if _, err := s.call(s.control, wire.OpAuth, wire.AppendAuth(nil, "digest", []byte("super:test"))); err != nil {
		return nil, err
	}
	return s, nil
}

// Close drops every connection.
func (s *Side) Close() {
	for _, c := range s.conns {
		c.drop()
	}
	s.control.drop()
}

func (c *conn) drop() {
	if c.socket != nil {
		_ = c.socket.Close()
		c.socket = nil
	}
}

func (s *Side) dial(c *conn) error {
	socket, err := net.DialTimeout("tcp", s.Addr, answerTime)
	if err != nil {
		return err
	}
	c.socket, c.reader = socket, bufio.NewReaderSize(socket, 1<<14)
	return nil
}

// open gives a connection a new session.
func (s *Side) open(c *conn) error {
	c.drop()
	if err := s.dial(c); err != nil {
		return err
	}
	hello := wire.ConnectRequest{TimeoutMillis: sessionTimeout, Password: make([]byte, wire.PasswordBytes), HasReadOnly: true}
	if err := c.write(frameOf(hello.Append(nil))); err != nil {
		return err
	}
	body, err := c.read()
	if err != nil {
		return err
	}
	s.welcomed(c, body)
	if c.session < 0 {
		return errors.New("no session is given")
	}
	return nil
}

// welcomed notes which session a ConnectResponse gives.
func (s *Side) welcomed(c *conn, body []byte) (refused bool) {
	r, err := wire.DecodeConnectResponse(body)
	if err != nil || r.SessionID == 0 {
		return true
	}
	for i := range s.sessions {
		if s.sessions[i].id == int64(r.SessionID) {
			c.session = i
			return false
		}
	}
	s.sessions = append(s.sessions, session{id: int64(r.SessionID), password: bytes.Clone(r.Password[:])})
	c.session = len(s.sessions) - 1
	return false
}

func frameOf(body []byte) []byte {
	return append(wire.AppendInt(make([]byte, 0, len(body)+4), int32(len(body))), body...)
}

func (c *conn) write(b []byte) error {
	if err := c.socket.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	_, err := c.socket.Write(b)
	return err
}

// read returns the next frame. The end of the connection, in whatever form, is
// io.EOF.
func (c *conn) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.reader, head[:]); err != nil {
		return nil, ended(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > frameBytesMax {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c.reader, body); err != nil {
		return nil, ended(err)
	}
	return body, nil
}

func ended(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errSilent
	}
	return io.EOF
}

// call makes one request on a connection on which nothing else is under way.
func (s *Side) call(c *conn, op wire.OpCode, body []byte) (code int32, err error) {
	if err := c.write(frameOf(append(wire.AppendRequestHeader(nil, 1, op), body...))); err != nil {
		return 0, err
	}
	for {
		b, err := c.read()
		if err != nil {
			return 0, err
		}
		r := wire.NewReader(b)
		if h := wire.DecodeReplyHeader(&r); h.Xid != wire.XidNotification {
			return int32(h.Err), nil
		}
	}
}

// ping returns the zxid that the server has reached; what arrives before the
// answer is given to saw.
func (s *Side) ping(c *conn, saw func(Frame)) (int64, error) {
	if err := c.write(pingFrame); err != nil {
		return 0, io.EOF
	}
	return c.pinged(saw)
}

var pingFrame = frameOf(wire.AppendRequestHeader(nil, wire.XidPing, wire.OpPing))

func (c *conn) pinged(saw func(Frame)) (int64, error) {
	for {
		b, err := c.read()
		if err != nil {
			return 0, err
		}
		f := c.parse(b)
		if f.Kind == Reply && f.Xid == wire.XidPing && len(f.Body) == 0 && f.Err == 0 {
			return f.Zxid, nil
		}
		if f.Kind == Reply {
			f.Kind, f.Body = Stray, b
		}
		if saw != nil {
			saw(f)
		}
	}
}

func (c *conn) parse(b []byte) Frame {
	r := wire.NewReader(b)
	h := wire.DecodeReplyHeader(&r)
	f := Frame{Kind: Reply, Xid: h.Xid, Zxid: int64(h.Zxid), Err: int32(h.Err), Body: r.Rest()}
	switch {
	case r.Err() != nil:
		f = Frame{Kind: Stray, Body: b}
	case h.Xid == wire.XidNotification:
		f.Kind = Event
	default:
		c.seen = max(c.seen, f.Zxid)
	}
	return f
}

// Play plays a script below root, which has the length of the script's own.
func (s *Side) Play(script *Script, root string) (*Record, error) {
	s.sessions = s.sessions[:s.control.session+1]
	if err := s.prepare(root); err != nil {
		return nil, fmt.Errorf("%s: prepare: %w", s.Name, err)
	}
	start, err := s.ping(s.control, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	rec := &Record{Start: start, Outcomes: make([]Outcome, len(script.Steps))}
	p := &player{Side: s, from: []byte(script.Root), to: []byte(root)}
	for i := range script.Steps {
		p.out = &rec.Outcomes[i]
		if err := p.step(&script.Steps[i]); err != nil {
			return nil, fmt.Errorf("%s: step %d: %w", s.Name, script.Steps[i].ID, err)
		}
	}
	if err := s.cleanUp(); err != nil {
		return nil, fmt.Errorf("%s: clean up: %w", s.Name, err)
	}
	return rec, nil
}

// prepare makes the root, and undoes what earlier scripts did to those nodes
// that all scripts share.
func (s *Side) prepare(root string) error {
	open := core.OpenACL()
	for _, path := range []string{"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		acl := open
		if path == "/zookeeper/config" {
			acl = core.ReadACL()
		}
		if code, err := s.call(s.control, wire.OpSetACL, wire.AppendSetACL(nil, path, acl, -1)); err != nil || code != 0 {
			return errors.Join(err, fmt.Errorf("setACL %s: code %d", path, code))
		}
	}
	code, err := s.call(s.control, wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, root, nil, open, 0, -1))
	if err != nil || code != 0 {
		return errors.Join(err, fmt.Errorf("create %s: code %d", root, code))
	}
	return nil
}

// cleanUp ends every session of a script, so that none expires in the next.
func (s *Side) cleanUp() error {
	for _, c := range s.conns {
		c.drop()
		c.session, c.seen = -1, 0
	}
	for i := range s.sessions {
		if s.sessions[i].over || i == s.control.session {
			continue
		}
		c := &conn{session: i}
		f, err := s.resume(c, &s.sessions[i], sessionTimeout, 0)
		if err != nil {
			return err
		}
		if f != nil && c.socket != nil {
			if _, err := s.call(c, wire.OpCloseSession, nil); err != nil {
				return err
			}
		}
		c.drop()
		s.sessions[i].over = true
	}
	return nil
}

// resume connects with a session that may still be there. Without a socket
// afterwards, it is not.
func (s *Side) resume(c *conn, of *session, timeout int32, seen int64) (*Frame, error) {
	c.drop()
	if err := s.dial(c); err != nil {
		return nil, err
	}
	hello := wire.ConnectRequest{
		LastZxidSeen: core.Zxid(seen), TimeoutMillis: timeout, SessionID: core.SessionID(of.id), Password: of.password, HasReadOnly: true,
	}
	if err := c.write(frameOf(hello.Append(nil))); err != nil {
		return nil, err
	}
	body, err := c.read()
	if errors.Is(err, io.EOF) {
		c.drop()
		return &Frame{Kind: Closed}, nil
	}
	if err != nil {
		return nil, err
	}
	if s.welcomed(c, body) {
		of.over = true
		c.drop()
	}
	return &Frame{Kind: Welcome, Body: body}, nil
}

// sessionName is a session id as it can be compared.
func (s *Side) sessionName(id int64) string {
	if id == 0 {
		return "none"
	}
	for i := range s.sessions {
		if s.sessions[i].id == id {
			return fmt.Sprintf("S%d", i)
		}
	}
	return fmt.Sprintf("unknown %#x", uint64(id))
}
