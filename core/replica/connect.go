package replica

import (
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/session"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/wire"
)

// connect looks at the first frame of a connection.
func (r *Replica) connect(c *conn, frame []byte) {
	q, err := wire.DecodeConnectRequest(frame)
	if err != nil || int64(q.LastZxidSeen) > int64(r.state.Applied()) || r.draining && !c.local && !r.decidesAlone() {
		// Malformed, or the client has seen what this server has not (Z-58): it
		// is closed without a word and tries another.
		r.hangUp(c)
		return
	}
	c.old = !q.HasReadOnly
	delete(r.sessionless, c.id)
	if r.readOnly != nil {
		r.connectReadOnly(c, &q)
		return
	}
	if q.SessionID == 0 {
		c.timeout = r.negotiate(c, q.TimeoutMillis)
		r.open(c)
		return
	}
	r.resume(c, &q)
}

// negotiate brings a timeout into the limits; sessions of the process itself
// are not clamped (zab 12).
func (r *Replica) negotiate(c *conn, asked int32) int32 {
	if c.local {
		return max(asked, 1)
	}
	return session.Negotiate(asked, r.cfg.MinTimeoutMillis, r.cfg.MaxTimeoutMillis)
}

// open proposes a new session. The response comes when it is committed.
func (r *Replica) open(c *conn) {
	id := r.ids.Next()
	for r.state.SessionOpen(id) { // made by a clock that went back, perhaps
		id = r.ids.Next()
	}
	c.asker.Session = id
	c.phase = opening
	r.bySession[id] = c
	w := waiting{op: wire.OpCreateSession, kind: waitWrite, since: r.now.Mono}
	req := state.Request{Session: id, Op: wire.OpCreateSession, Body: wire.AppendInt(nil, c.timeout), Internal: true}
	if w.zxid = r.submit(&req); w.zxid == 0 {
		w.body = req.Body
		c.waits += len(w.body)
	}
	if c.local {
		c.pending.items = make([]waiting, 0, 2) // most begin with a write (founds)
	}
	c.pending.push(w)
	c.pending.writes++
	r.inflight++
	r.stats.Connects++
}

// resume attaches a connection to a living session, from which any other
// connection is dropped.
func (r *Replica) resume(c *conn, q *wire.ConnectRequest) {
	id := q.SessionID
	if !session.SamePassword(r.passwords.Of(id), q.Password) {
		r.refuseSession(c)
		return
	}
	if old := r.bySession[id]; old != nil {
		r.hangUp(old)
	}
	c.asker.Session = id
	c.timeout = r.negotiate(c, q.TimeoutMillis)
	if c.local && q.TimeoutMillis == 0 { // as the session was opened
		c.timeout, _ = r.state.SessionTimeout(id)
	}
	r.bySession[id] = c
	r.stats.Connects++
	r.revive(c)
}

// revive finds out whether the session that a connection has come to is alive.
func (r *Replica) revive(c *conn) {
	id := c.asker.Session
	asked := revalidate{epoch: r.zab.Epoch(), session: id, timeout: c.timeout, conn: c.id}
	switch {
	case r.learner != nil: // the leader says whether it is alive, and lets it move here
		c.phase = opening
		r.send(r.zab.Leader(), asked)
	case r.knows(id) && r.state.SessionOpen(id):
		r.admit(c)
	case r.decidesAlone():
		r.refuseSession(c)
	default:
		c.phase = opening
		r.doubt(r.cfg.Zab.Self, asked)
	}
}

// knows reports whether a session is there in what has been applied.
func (r *Replica) knows(id core.SessionID) bool {
	_, here := r.state.SessionTimeout(id)
	return here
}

// admit lets a connection in that has come to a living session, to the server that
// decides about it.
func (r *Replica) admit(c *conn) {
	id := c.asker.Session
	r.own(id, r.cfg.Zab.Self)
	r.tracker.SetTimeout(id, c.timeout, r.now.Mono)
	r.accept(c)
}

// refuseSession says that there is no such session.
func (r *Replica) refuseSession(c *conn) {
	r.welcome(c, wire.ConnectResponse{HasReadOnly: !c.old})
	r.hangUp(c)
}

// accept answers a connection whose session is there.
func (r *Replica) accept(c *conn) {
	c.phase = ready
	if c.pending.len() == 0 {
		c.pending = queue[waiting]{} // many a client asks for nothing more
	}
	id := c.asker.Session
	var password [wire.PasswordBytes]byte
	if c.readOnly {
		password = session.ReadOnlyPassword(r.cfg.Secret, id)
	} else {
		password = r.passwords.Of(id)
	}
	r.welcome(c, wire.ConnectResponse{
		TimeoutMillis: c.timeout, SessionID: id,
		Password: password, HasReadOnly: !c.old, ReadOnly: c.readOnly,
	})
}

func (r *Replica) welcome(c *conn, resp wire.ConnectResponse) {
	o := r.output(c)
	mark := len(o.Bytes)
	o.Bytes = resp.Append(append(o.Bytes, 0, 0, 0, 0))
	wire.PutInt(o.Bytes[mark:], int32(len(o.Bytes)-mark-4))
	c.stats.Sent++
	r.stats.Sent++
}

// connsByID lists the connections in the order in which they were opened.
func (r *Replica) connsByID() []*conn {
	list := make([]*conn, 0, len(r.conns))
	for _, c := range r.conns {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *conn) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return list
}

// tick lets time pass: sessions expire, connections without one are dropped,
// containers are reaped.
func (r *Replica) tick() {
	gap := r.now.Mono - r.lastTick
	r.lastTick = r.now.Mono
	if gap > int64(r.cfg.TickMillis) {
		// This server itself stood still: signs of life may wait in its sockets,
		// so every deadline moves by the gap (Z-55).
		r.tracker.Extend(gap)
		if r.readOnly != nil {
			r.readOnly.tracker.Extend(gap)
		}
		r.note(NoteStall, "", r.state.Applied())
	}
	r.ask(r.zab.Tick)
	r.giveUp()
	r.drain()
	r.leaveLow()
	r.readOnlyTick()
	r.tellTouches()
	for _, c := range r.sessionlessOver() {
		r.stats.SessionlessExpired++
		r.hangUp(c)
	}
	if !r.serving || r.learner != nil || !r.zab.Ready() {
		return
	}
	r.expire()
	r.reap()
	r.proposeForRoom()
}

func (r *Replica) sessionlessOver() (over []*conn) {
	for _, c := range r.sessionless {
		if r.now.Mono-c.since >= sessionlessMillis {
			over = append(over, c)
		}
	}
	slices.SortFunc(over, func(a, b *conn) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return over
}

// expiriesPerTick bounds how many sessions one Step ends.
const expiriesPerTick = 200

// expire proposes the end of sessions whose time is over, as many as the epoch
// still takes; the others are due again with the next tick.
func (r *Replica) expire() {
	r.tracker.Expired(r.now.Mono, min(expiriesPerTick, r.zab.Room()), func(id core.SessionID) {
		if !r.state.SessionOpen(id) {
			return
		}
		r.stats.Expired++
		r.propose(&state.Request{Session: id, Op: wire.OpCloseSession, Internal: true})
	})
}

// Bounds of what one tick does about containers and times to live.
const (
	reapsPerTick      = 200
	reapVisitsPerTick = 10_000
)

// reap proposes, a few at each tick, the removal of empty containers and of znodes
// whose time to live is over. That they still are is looked at again when each is
// prepared. A round begins every ReapEveryMillis and removes at most ReapMax.
func (r *Replica) reap() {
	if r.now.Mono >= r.nextReap {
		r.nextReap = r.now.Mono + r.cfg.ReapEveryMillis
		r.reapFrom, r.reapLeft = tree.None, r.cfg.ReapMax
	}
	if r.reapLeft <= 0 {
		return
	}
	t := r.state.Tree()
	most := min(reapsPerTick, r.reapLeft, r.zab.Room())
	var path []byte
	var paths [][]byte
	r.reapFrom = t.Reapable(r.now.Wall, r.reapFrom, reapVisitsPerTick, func(ref tree.Ref) bool {
		if len(paths) == most {
			return false
		}
		path = t.AppendPath(path[:0], ref)
		paths = append(paths, wire.AppendBuffer(nil, path))
		return true
	})
	if r.reapLeft -= len(paths); r.reapFrom == tree.None {
		r.reapLeft = 0
	}
	for _, body := range paths {
		if !r.zab.Ready() {
			return // a new epoch begins; what is left is found again
		}
		r.propose(&state.Request{Op: wire.OpDeleteContainer, Body: body, Internal: true})
	}
}
