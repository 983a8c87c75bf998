package differential

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// player plays one script on a side.
type player struct {
	*Side
	from, to []byte // the root in the script and the one to play at
	out      *Outcome
}

// move brings bytes of the script to the root that is played at.
func (p *player) move(b []byte) []byte {
	if bytes.Equal(p.from, p.to) {
		return b
	}
	return bytes.ReplaceAll(b, p.from, p.to)
}

// moveBack is the inverse, for what arrives.
func (p *player) moveBack(b []byte) []byte {
	if bytes.Equal(p.from, p.to) {
		return b
	}
	return bytes.ReplaceAll(b, p.to, p.from)
}

func (p *player) own(f Frame) {
	f.Body = p.moveBack(f.Body)
	p.out.Own = append(p.out.Own, f)
}

func (p *player) step(st *Step) error {
	c := p.conns[st.Conn]
	var err error
	switch st.Kind {
	case Burst:
		if err = p.ensure(c); err == nil {
			err = p.burst(c, st)
		}
		if err == nil && st.Until != "" {
			path := wire.AppendPathWatch(nil, string(p.move([]byte(st.Until))), false)
			err = p.await(c, func() (bool, error) {
				code, err := p.call(p.control, wire.OpExists, path)
				return code == int32(core.NoNode), err
			})
		}
	case Raw:
		if err = p.ensure(c); err == nil {
			if c.write(st.Bytes) != nil {
				err = io.EOF
			}
			err = p.lost(c, err)
		}
	case Drop:
		c.drop()
	case Connect:
		err = p.connect(c, st)
	case Expire:
		err = p.expire(c)
	case Mark:
		p.mark, err = p.ping(p.control, nil)
	}
	if err != nil {
		return err
	}
	if err := p.fence(st); err != nil {
		return err
	}
	for _, i := range st.Drops {
		p.conns[i].drop()
	}
	return nil
}

// ensure connects a connection that is not: to its session, or a new one.
func (p *player) ensure(c *conn) error {
	if c.socket != nil {
		return nil
	}
	if c.session >= 0 {
		f, err := p.resume(c, &p.sessions[c.session], sessionTimeout, c.seen)
		if err != nil {
			return err
		}
		p.out.Before = append(p.out.Before, *f)
		if c.socket != nil {
			return nil
		}
	}
	if err := p.open(c); err != nil {
		return err
	}
	p.out.Before = append(p.out.Before, Frame{Kind: Welcome, Body: p.welcomeOf(c)})
	return nil
}

// welcomeOf is what says which session a connection has.
func (p *player) welcomeOf(c *conn) []byte {
	return wire.ConnectResponse{SessionID: core.SessionID(p.sessions[c.session].id)}.Append(nil)
}

// lost takes the end of a connection for what it is; other errors stay.
func (p *player) lost(c *conn, err error) error {
	switch {
	case errors.Is(err, io.EOF):
		p.own(Frame{Kind: Closed})
	case errors.Is(err, errSilent):
		p.own(Frame{Kind: Silent})
	default:
		return err
	}
	c.drop()
	return nil
}

func (p *player) burst(c *conn, st *Step) error {
	var all []byte
	for i := range st.Requests {
		all = append(all, p.request(&st.Requests[i])...)
	}
	cut := min(st.Split, len(all))
	if cut > 0 {
		if err := c.write(all[:cut]); err != nil {
			return p.lost(c, io.EOF)
		}
		time.Sleep(2 * time.Millisecond)
	}
	if err := c.write(all[cut:]); err != nil {
		return p.lost(c, io.EOF)
	}
	err := p.collect(c, st)
	if err == nil && st.Ends {
		err = p.rest(c)
	}
	return p.lost(c, err)
}

// rest reads until the server closes the connection.
func (p *player) rest(c *conn) error {
	for {
		b, err := c.read()
		if err != nil {
			return err
		}
		f := c.parse(b)
		if f.Kind == Reply {
			f = Frame{Kind: Stray, Body: b}
		}
		p.own(f)
	}
}

func (p *player) request(q *Request) []byte {
	body := p.move(q.Body)
	if q.FromMark {
		body = append(wire.AppendLong(nil, p.mark), body[8:]...)
	}
	return frameOf(append(wire.AppendRequestHeader(make([]byte, 0, len(body)+8), q.Xid, q.Op), body...))
}

// connectResponseBytes is the length of a ConnectResponse with the readOnly flag; without
// it is one less.
const connectResponseBytes = 37

// collect reads until every request of a burst is answered.
func (p *player) collect(c *conn, st *Step) error {
	waiting := make([]*Request, len(st.Requests))
	for i := range st.Requests {
		waiting[i] = &st.Requests[i]
	}
	for len(waiting) > 0 {
		b, err := c.read()
		if err != nil {
			return err
		}
		if waiting[0].Op == wire.OpCreateSession && oneOf(len(b), connectResponseBytes, connectResponseBytes-1) {
			p.own(Frame{Kind: Welcome, Body: b})
			waiting = waiting[1:]
			continue
		}
		f := c.parse(b)
		if f.Kind == Event {
			p.own(f)
			continue
		}
		i := answers(waiting, f.Xid)
		if i < 0 {
			p.own(Frame{Kind: Stray, Body: b})
			return nil
		}
		f.Kind, f.Request, f.Turn = Reply, waiting[i], i
		p.own(f)
		if waiting[i].Op == wire.OpCloseSession && f.Err == 0 {
			p.sessions[c.session].over = true
		}
		waiting = slices.Delete(waiting, i, i+1)
	}
	return nil
}

// answers finds the request that a reply with the xid answers. Replies come in
// order, but those to auth and sasl may overtake.
func answers(waiting []*Request, xid int32) int {
	for i, q := range waiting {
		want := q.Xid
		if q.Op == wire.OpPing {
			want = wire.XidPing
		}
		if want == xid {
			return i
		}
		if !overtakes(q.Op) && !slices.ContainsFunc(waiting[i:], func(q *Request) bool { return overtakes(q.Op) && q.Xid == xid }) {
			return -1
		}
	}
	return -1
}

func overtakes(op wire.OpCode) bool { return op == wire.OpAuth || op == wire.OpSASL }

func (p *player) connect(c *conn, st *Step) error {
	h := &st.Hello
	q := wire.ConnectRequest{TimeoutMillis: h.Timeout, HasReadOnly: h.ReadOnly >= 0, ReadOnly: h.ReadOnly > 0}
	q.Password = make([]byte, wire.PasswordBytes)
	of := p.conns[h.Of].session
	switch {
	case h.Unknown:
		q.SessionID = 0x7711223344556677
	case !h.New && of >= 0:
		q.SessionID = core.SessionID(p.sessions[of].id)
		q.Password = p.sessions[of].password
	}
	switch h.Password {
	case wrongPassword:
		q.Password = bytes.Repeat([]byte{7}, wire.PasswordBytes)
	case nullPassword:
		q.Password = nil
	case shortPassword:
		q.Password = q.Password[:5]
	}
	switch h.Zxid {
	case zxidSeen:
		q.LastZxidSeen = core.Zxid(c.seen)
	case zxidNegative:
		q.LastZxidSeen = ^core.Zxid(0)
	case zxidAhead:
		q.LastZxidSeen = core.Zxid(p.first + 1<<40)
	}
	c.drop()
	if err := p.dial(c); err != nil {
		return err
	}
	record := q.Append(nil)
	if h.Cut > 0 {
		record = record[:min(h.Cut, len(record))]
	}
	frames := frameOf(append(record, make([]byte, h.Extra)...))
	for i := range st.Requests {
		frames = append(frames, p.request(&st.Requests[i])...)
	}
	if c.write(frames) != nil {
		return p.lost(c, io.EOF)
	}
	body, err := c.read()
	if err != nil {
		return p.lost(c, err)
	}
	p.own(Frame{Kind: Welcome, Body: body})
	if p.welcomed(c, body) {
		_, err := c.read()
		return p.lost(c, err)
	}
	return p.lost(c, p.collect(c, st))
}

// expire leaves a session alone until the server has ended it.
func (p *player) expire(c *conn) error {
	if err := p.ensure(c); err != nil {
		return err
	}
	before, err := p.ping(p.control, nil)
	if err != nil {
		return err
	}
	f, err := p.resume(c, &p.sessions[c.session], 1, c.seen)
	if err != nil {
		return err
	}
	p.own(*f)
	c.drop()
	err = p.await(c, func() (bool, error) {
		now, err := p.ping(p.control, nil)
		return now > before, err
	})
	if err != nil {
		return err
	}
	p.own(Frame{Kind: Passed})
	p.sessions[c.session].over = true
	return nil
}

// await waits until the server has made a change that nobody asked for.
func (p *player) await(c *conn, came func() (bool, error)) error {
	for deadline := time.Now().Add(expiryTime); ; time.Sleep(20 * time.Millisecond) {
		// The others must not expire as well.
		for _, other := range p.conns {
			if other.socket != nil {
				if _, err := other.socket.Write(pingFrame); err == nil {
					_, _ = other.pinged(func(f Frame) {
						if other == c {
							p.own(f)
						} else {
							p.other(other, f)
						}
					})
				}
			}
		}
		over, err := came()
		if err != nil {
			return err
		}
		if over {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("what should come to pass does not")
		}
	}
}

func (p *player) other(c *conn, f Frame) {
	f.Body = p.moveBack(f.Body)
	i := slices.Index(p.conns[:], c)
	if p.out.Others == nil {
		p.out.Others = map[int][]Frame{}
	}
	p.out.Others[i] = append(p.out.Others[i], f)
}

// fence has everything arrive that the step caused: each connection is pinged,
// and what comes before the answer belongs to the step.
func (p *player) fence(st *Step) error {
	var asked [conns]bool
	for i, c := range p.conns {
		if c.socket != nil {
			asked[i] = true
			_ = c.write(pingFrame) // if it is closed, the read will say so
		}
	}
	zxid, err := p.ping(p.control, nil)
	if err != nil {
		return fmt.Errorf("control connection: %w", err)
	}
	p.out.Zxid = zxid
	for i, c := range p.conns {
		if !asked[i] {
			continue
		}
		saw := func(f Frame) { p.other(c, f) }
		if i == st.Conn {
			saw = p.own
		}
		_, err := c.pinged(saw)
		switch {
		case errors.Is(err, io.EOF):
			saw(Frame{Kind: Closed})
			c.drop()
		case errors.Is(err, errSilent):
			saw(Frame{Kind: Silent})
			c.drop()
		case err != nil:
			return err
		}
	}
	return nil
}
