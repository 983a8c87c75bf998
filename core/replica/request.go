package replica

import (
	"encoding/binary"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
)

// requests looks at the frames that one read of a connection brought.
func (r *Replica) requests(in Requests) {
	c := r.conns[in.Conn]
	if c == nil || c.phase == closing || c.ending {
		return
	}
	if c.phase == ready { // a sign of life, even if it is not looked at yet
		r.touch(c.asker.Session)
	}
	if len(c.backlog) > 0 || !r.takes(c) {
		r.keep(c, in.Frames)
		return
	}
	if rest := r.work(c, in.Frames); len(rest) > 0 {
		r.keep(c, rest)
	}
}

// takes reports whether a connection's next frame can be looked at now.
func (r *Replica) takes(c *conn) bool {
	return (r.takesWrites() || r.onlyReads(c) || r.mayComeReadOnly(c)) && (c.phase != opening || r.founds(c)) && !c.unsent && !c.clogged && !c.resting && c.away == nil &&
		c.pending.len() < pendingMax && c.waits < pendingBytesMax
}

// founds reports whether a connection of the process itself may go on behind the opening
// of its session, which is proposed: what it asks for comes into the order right behind.
// At a learner it waits until the session is there. Its leader may refuse to open one
// under an id that has been used, and would take what follows for that older session's.
func (r *Replica) founds(c *conn) bool {
	return c.local && r.learner == nil && c.pending.writes > 0
}

// onlyReads reports whether a connection is a session of the process itself, and this
// server out of contact with a quorum: what the session reads is answered from what is
// applied here, and what needs a quorum is refused, so that nothing of it is done later.
// So it is with clients that were let in for reads only (readOnlyRole).
func (r *Replica) onlyReads(c *conn) bool {
	return r.alone && c.local && c.phase == ready || c.readOnly
}

// readsBehindMax is how many reads of a connection may wait for one of its writes
// when the next write comes: that one waits in the backlog until they are
// answered. For when a write is committed, every read before it is answered in
// that Step, however much the client has left unread.
const readsBehindMax = 32

// tooEarly reports whether a frame is a write behind too many reads.
func (c *conn) tooEarly(frame []byte) bool {
	return c.reads > readsBehindMax && len(frame) >= 8 && state.IsWrite(wire.OpCode(binary.BigEndian.Uint32(frame[4:])))
}

// work looks at frames until they end or the next must wait; it returns the rest.
func (r *Replica) work(c *conn, frames []byte) []byte {
	for len(frames) > 0 && c.phase != closing && !c.ending && r.takes(c) {
		n := int(binary.BigEndian.Uint32(frames)) + 4
		if len(frames) < n {
			check.Fail("replica: a frame of %d bytes is cut at %d", n, len(frames))
		}
		frame := frames[4:n]
		if c.tooEarly(frame) || r.tooManyAway(c, frame) {
			break
		}
		frames = frames[n:]
		c.stats.Received++
		r.stats.Received++
		if c.phase == awaitsConnect {
			r.connect(c, frame)
		} else {
			r.request(c, frame)
		}
		r.clog(c)
		r.spend(c)
	}
	if c.phase == closing || c.ending {
		return nil
	}
	return frames
}

// clog makes a connection's further requests wait when it has much to be sent.
func (r *Replica) clog(c *conn) {
	if len(c.out.Bytes) > outputBytesMax && c.phase != closing {
		c.clogged = true
		r.output(c).WantDrained = true
	}
}

// keep puts frames aside until they can be looked at. A long backlog leaves the
// rest in the socket; a session of the process itself is bounded by its callers.
func (r *Replica) keep(c *conn, frames []byte) {
	if len(c.backlog)+len(frames) > backlogBytesMax && !c.local {
		r.hangUp(c)
		return
	}
	c.backlog = append(c.backlog, frames...)
	if len(c.backlog) > backlogHoldBytes {
		r.hold(c, holdBacklog)
	}
}

// workOff looks at what was put aside.
func (r *Replica) workOff(c *conn) {
	if len(c.backlog) == 0 || !r.takes(c) {
		return
	}
	frames := c.backlog
	c.backlog = nil
	rest := r.work(c, frames)
	if len(rest) > 0 {
		c.backlog = append(frames[:0], rest...)
	}
	if len(rest) <= backlogHoldBytes/2 && c.phase != closing {
		r.release(c, holdBacklog)
	}
	if c.phase == ready {
		r.touch(c.asker.Session)
	}
}

// How much larger a write of a server itself may make the data while the disk is nearly
// full: one that notes a state, one that deletes something and notes that, and an ephemeral
// znode, of which a registration takes this much and less.
const (
	noteBytes      = 512
	deletionBytes  = 4 << 10
	ephemeralBytes = 4 << 10
	// scarceBytes is how much all of that may be together while the disk is scarce, each
	// counted with noteBytes beside its own: claims, without which nobody tidies up, and the
	// names of servers that start.
	scarceBytes = 1 << 20
)

// tooMuch reports whether a write is refused as the disk of this leader is nearly full.
// A client's has to be a delete of what is there: one that would only be logged as a
// failure is refused as everything else. The servers' own sessions go on: what they serve
// is read, renewed and deleted by transactions. Only what makes the data larger is refused
// to them, and when the disk is scarce nearly all that does, since many small things fill it
// too; but to delete and note that goes on, which is how somebody makes room. What ends a
// session is taken always, as is a change of the members by who may make one: another
// server may have the room.
//
// Whose a write is its identities tell, also of one that a learner sends: with that of the
// servers nobody comes over the network.
func (r *Replica) tooMuch(op wire.OpCode, rd wire.Reader, ids []core.Identity) bool {
	if !r.disk.On || !state.IsWrite(op) || op == wire.OpCloseSession {
		return false
	}
	own := hasScheme(ids, core.NodeScheme)
	switch {
	case op == wire.OpReconfig:
		return !own && !hasScheme(ids, core.SuperScheme)
	case !own:
		return op != wire.OpDelete || !r.state.Exists(rd.Bytes())
	}
	bytes, deletes := r.state.Growth(op, rd, ephemeralBytes)
	switch {
	case deletes && bytes <= deletionBytes:
		return false
	case bytes > noteBytes || !r.disk.Scarce:
		return bytes > noteBytes
	}
	bytes, _ = r.state.Growth(op, rd, 0)
	if bytes <= 0 {
		return false
	}
	if bytes += noteBytes; bytes > r.scarceLeft {
		return true
	}
	r.scarceLeft -= bytes
	return false
}

func hasScheme(ids []core.Identity, scheme string) bool {
	return slices.ContainsFunc(ids, func(id core.Identity) bool { return id.Scheme == scheme })
}

// request looks at one request of a connection with a session.
func (r *Replica) request(c *conn, frame []byte) {
	if len(frame) < 8 {
		r.hangUp(c)
		return
	}
	rd := wire.NewReader(frame)
	h := wire.DecodeRequestHeader(&rd)
	w := waiting{xid: h.Xid, op: h.Op, since: r.now.Mono}
	switch {
	case c.readOnly && (state.IsWrite(h.Op) || h.Op == wire.OpSync):
		r.requestReadOnly(c, &w)
	case r.onlyReads(c) && (state.IsWrite(h.Op) || h.Op == wire.OpSync):
		r.reply(c, &w, r.state.Applied(), core.NotReadOnly)
		return
	case state.IsRead(h.Op):
		if c.pending.len() == 0 {
			r.read(c, &w, rd.Rest())
			return
		}
		w.kind, w.body = waitRead, append([]byte(nil), rd.Rest()...)
	case r.learner == nil && r.tooMuch(h.Op, rd, c.asker.IDs):
		w.kind, w.code = waitReply, core.SystemError
	case state.IsWrite(h.Op):
		r.write(c, w, rd.Rest())
		return
	case h.Op == wire.OpPing:
		w.xid, w.kind = wire.XidPing, waitReply
		if c.pending.len() == 0 { // as of most clients most of the time
			r.reply(c, &w, r.state.Applied(), core.OK)
			return
		}
	case h.Op == wire.OpSASL && !hasToken(rd):
		w.kind = waitEnd
	case h.Op == wire.OpSync && !r.decidesAlone():
		w.kind, w.body = waitSync, append([]byte(nil), rd.Rest()...)
		w.sync = r.askSync(c)
	case h.Op == wire.OpSync, h.Op == wire.OpSetWatches, h.Op == wire.OpSetWatches2, h.Op == wire.OpSASL:
		if c.pending.len() == 0 {
			r.read(c, &w, rd.Rest())
			return
		}
		w.kind, w.body = waitRead, append([]byte(nil), rd.Rest()...)
	case h.Op == wire.OpAuth:
		a := wire.DecodeAuth(&rd)
		w.kind = waitReply
		switch w.code = r.authenticate(c, &a); {
		case c.local: // a client comes back to its session; one in process has no way to
		case rd.Err() != nil:
			w.kind = waitEnd
		case w.code != core.OK:
			w.kind = waitFatal
		}
	default: // unknown, or not for clients: check, createSession, deleteContainer
		w.kind, w.code = waitFatal, core.Unimplemented
	}
	r.await(c, w)
	r.advance(c)
}

// await queues a request behind those before it.
func (r *Replica) await(c *conn, w waiting) {
	if w.kind == waitRead || w.kind == waitSync {
		c.reads++
		c.waits += len(w.body)
		w.ids = c.asker.IDs
	}
	c.pending.push(w)
}

// write proposes a write and queues its reply.
func (r *Replica) write(c *conn, w waiting, body []byte) {
	w.kind = waitWrite
	if r.learner != nil { // it may have to be sent again
		body = append([]byte(nil), body...)
		w.body, w.ids = body, c.asker.IDs
		c.waits += len(body)
	}
	r.req = state.Request{Session: c.asker.Session, Cxid: w.xid, Op: w.op, Body: body, IDs: c.asker.IDs}
	w.zxid = r.submit(&r.req)
	r.await(c, w)
	c.pending.writes++
	r.inflight++
	if w.op == wire.OpCloseSession {
		c.ending = true
	}
	if r.inflight > r.cfg.OutstandingMax {
		r.hold(c, holdOutstanding)
	}
}

// advance answers what has come to the head of a connection's queue and need not
// wait any longer.
func (r *Replica) advance(c *conn) {
	for c.pending.len() > 0 && c.phase != closing && !c.clogged && !c.resting && c.away == nil && c.pending.front().kind != waitWrite {
		if w := c.pending.front(); !r.serving && !r.onlyReads(c) || w.kind == waitSync && w.sync > r.syncReady {
			return
		}
		r.answerFront(c)
		r.clog(c)
		r.spend(c)
	}
}

// answerFront answers the head of a connection's queue, which is no write.
func (r *Replica) answerFront(c *conn) {
	w := *c.pending.front()
	c.pending.pop()
	switch w.kind {
	case waitRead, waitSync:
		c.reads--
		c.waits -= len(w.body)
		// An auth packet behind it may have been looked at already.
		now := c.asker.IDs
		c.asker.IDs = w.ids
		r.read(c, &w, w.body)
		c.asker.IDs = now
	case waitReply:
		zxid := r.state.Applied()
		if w.op == wire.OpAuth {
			zxid = 0
		}
		r.reply(c, &w, zxid, w.code)
	case waitFatal:
		zxid := core.Zxid(0)
		if w.code == core.Unimplemented {
			zxid-- // ZooKeeper answers an unknown operation at zxid -1
		}
		if w.code == core.OK { // the end of a read-only session
			zxid = r.state.Applied()
		}
		r.reply(c, &w, zxid, w.code)
		r.sayGoodbye(c)
	case waitEnd:
		r.sayGoodbye(c)
	}
}

// read executes a read and writes its reply.
func (r *Replica) read(c *conn, w *waiting, body []byte) {
	o := r.output(c)
	if w.op == wire.OpSetWatches || w.op == wire.OpSetWatches2 {
		// Events of the past come before the reply.
		w.code = r.state.SetWatches(&c.asker, w.op, body, func(t core.EventType, path string) {
			o.Bytes = appendEvent(o.Bytes, ^core.Zxid(0), t, path)
		})
		r.reply(c, w, r.state.Applied(), w.code)
		r.boundWatches(c, w.op, body)
		return
	}
	if c.away == nil && r.sendAway(c, w, body) {
		return
	}
	var mark int
	o.Bytes, mark = beginReply(o.Bytes)
	zxid := r.state.Applied()
	code := core.OK
	switch w.op {
	case wire.OpSync:
		rd := wire.NewReader(body)
		path := rd.Bytes()
		if rd.Err() != nil {
			code = core.MarshallingError
		} else {
			o.Bytes = wire.AppendBuffer(o.Bytes, path)
		}
	case wire.OpSASL: // not configured: ZooKeeper answers with a null token
		o.Bytes = wire.AppendBuffer(o.Bytes, nil)
		zxid = 0
	default:
		o.Bytes, code = r.state.Read(&c.asker, w.op, body, o.Bytes)
	}
	endReply(o.Bytes, mark, w.xid, zxid, code)
	r.answered(c, w, zxid)
	r.boundWatches(c, w.op, body)
}

// hasToken reports whether the rest of a sasl packet is one. ZooKeeper closes a
// connection that sends another, as it does for an auth packet that is cut.
func hasToken(rd wire.Reader) bool { return rd.Bytes() != nil && rd.Err() == nil }

// authenticate adds identities to a connection. It takes effect for everything
// that comes later on the connection.
func (r *Replica) authenticate(c *conn, a *wire.Auth) core.Code {
	add, ok := r.state.Auth().Authenticate(string(a.Scheme), a.Auth, c.ip())
	if !ok {
		r.stats.AuthFailed++
		return core.AuthFailed
	}
	for _, id := range add {
		if len(id.ID) > identityBytesMax || len(c.asker.IDs) >= identitiesMax && !hasIdentity(c.asker.IDs, id) {
			return core.AuthFailed
		}
		if !hasIdentity(c.asker.IDs, id) {
			// A fresh slice: the old one may be in use by a request under way.
			c.asker.IDs = append(append([]core.Identity(nil), c.asker.IDs...), id)
		}
	}
	return core.OK
}

func hasIdentity(ids []core.Identity, id core.Identity) bool {
	for _, have := range ids {
		if have == id {
			return true
		}
	}
	return false
}

// boundWatches closes a connection that watches more than anybody may. op and body
// are the request that may have added watches.
func (r *Replica) boundWatches(c *conn, op wire.OpCode, body []byte) {
	switch op {
	case wire.OpAddWatch, wire.OpSetWatches, wire.OpSetWatches2:
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		if len(body) == 0 || body[len(body)-1] == 0 {
			return // it watches nothing
		}
	default:
		return
	}
	if !c.local && r.state.Watches().Of(c.id) > watchesMax {
		r.hangUp(c)
	}
}
