package replica

import (
	"maps"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/session"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// learnerRole is what a replica keeps while it follows or observes a leader; a
// leader has none.
type learnerRole struct {
	touched map[core.SessionID]struct{} // since the leader was told last
	tellAt  int64
	asking  bool    // a syncAsk is under way
	coming  []comer // in the order in which the leader has let them come
}

// comer is a connection that comes to a session that is known here from a zxid on.
type comer struct {
	conn *conn
	from core.Zxid
}

// leaderRole is what a leader of others keeps.
type leaderRole struct {
	// owners is who has the client, as far as one has come in this epoch, or was kept
	// from an earlier one; of others it is the server in the session's id.
	owners map[core.SessionID]core.PeerID
	syncs  []syncWait // that wait for the leadership to be confirmed, in order
	doubts []doubt    // likewise
}

// doubt is a session that this leader does not know of. Another one may, who leads
// already: nobody is told that it is over before the leadership is confirmed (Z-59).
type doubt struct {
	nonce uint64
	zxid  core.Zxid // likewise before all that was proposed by then is applied
	from  core.PeerID
	asked revalidate
}

// syncWait is a sync that waits: of a client here, or of a learner.
type syncWait struct {
	nonce uint64
	peer  core.PeerID // 0: a client here
	upTo  uint64      // for all syncs up to this one
	zxid  core.Zxid   // what was committed when it came
}

// decidesAlone reports whether this server is the only voter: nobody else can lead.
func (r *Replica) decidesAlone() bool { return r.zab.Alone() }

func (r *Replica) send(to core.PeerID, msg any) {
	r.out.Send = append(r.out.Send, Envelope{To: to, msg: msg})
}

// message takes what a peer says.
func (r *Replica) message(in Message) {
	msg, err := decodePeer(in.Body)
	if err != nil {
		r.zab.Stranger()
		r.note(NoteBadMessage, "", r.state.Applied())
		return
	}
	if m, ok := msg.(zab.Message); ok {
		if !r.begun() {
			return // who looks for a leader says it again
		}
		r.ask(func(z *zab.Output) { r.zab.Receive(in.From, m, z) })
		return
	}
	switch m := msg.(type) {
	case forward:
		if r.leads(m.epoch) {
			r.forwarded(in.From, &m)
		}
	case revalidate:
		if r.leads(m.epoch) {
			r.revalidate(in.From, &m)
		}
	case touches:
		if r.leads(m.epoch) {
			for _, id := range m.sessions {
				r.tracker.Touch(id, r.now.Mono)
			}
		}
	case syncAsk:
		if r.leads(m.epoch) {
			r.awaitSync(syncWait{peer: in.From, upTo: m.upTo})
		}
	case refused:
		if r.follows(in.From, m.epoch) {
			r.refused(&m)
		}
	case revalidated:
		if r.follows(in.From, m.epoch) {
			r.revalidated(&m)
		}
	case syncAnswer:
		if r.follows(in.From, m.epoch) {
			r.syncAnswered(&m)
		}
	default:
		r.inquired(in.From, msg)
	}
}

// leads reports whether this server serves as the leader of an epoch.
func (r *Replica) leads(e core.Epoch) bool {
	return r.serving && r.zab.Role() == zab.Leading && r.zab.Epoch() == e
}

// follows reports whether it serves as a learner of that leader.
func (r *Replica) follows(leader core.PeerID, e core.Epoch) bool {
	return r.serving && r.learner != nil && r.zab.Leader() == leader && r.zab.Epoch() == e
}

// begun reports whether this server has begun to take part in the protocol: it has loaded
// its state before, and made room on its disk.
func (r *Replica) begun() bool { return r.zab.Generation() > 0 }

// takesWrites reports whether a write has somewhere to go at the moment.
func (r *Replica) takesWrites() bool { return r.serving && (r.learner != nil || r.zab.Ready()) }

// follow follows the protocol at the end of a Step: into and out of broadcast, and in
// what is committed.
func (r *Replica) follow() {
	if r.serving {
		r.apply()
	}
	if gen := r.zab.Generation(); gen != r.generation || r.zab.Phase() != zab.Broadcast {
		r.generation = gen
		if r.serving || r.reading {
			r.endRole()
		}
	}
	r.endSendings()
	r.followReadOnly()
	r.getAhead()
	r.established()
	if r.serving {
		r.submitAgain()
		r.proposeWaiting()
		r.proposeNothing()
		r.goOn()
		r.confirmed()
		r.letComersIn()
		r.letGo()
		r.snapshot()
	}
	if r.zab.Role() == zab.Leading {
		r.ask(r.zab.Flush)
	}
}

// endSendings ends the sending of snapshots to learners that have them, or have gone.
func (r *Replica) endSendings() {
	if len(r.sendings) == 0 {
		return
	}
	r.sendings = slices.DeleteFunc(r.sendings, func(l zab.Learner) bool {
		sends, installed := r.zab.Sends(l)
		if !sends {
			r.out.Unsent = append(r.out.Unsent, Unsent{l, installed})
		}
		return !sends
	})
}

// apply takes over what is committed.
func (r *Replica) apply() {
	for {
		p, ok := r.zab.TakeCommitted()
		if !ok {
			return
		}
		r.commit(&p)
	}
}

// endRole stops to serve. After a hand-over, and on a single server, the clients wait
// for the next role and notice nothing. Otherwise they are hung up on, and what they
// asked for and were not answered is of unknown outcome (Z-59).
func (r *Replica) endRole() {
	served := r.serving
	r.serving, r.reading, r.paused = false, false, false
	r.learner, r.leader, r.waitingRequests = nil, nil, nil
	r.syncTargets = nil
	r.state.ForgetOutstanding()
	if served && r.zab.Unplanned() != r.unplanned {
		r.letDown()
	} else if r.keptSince == 0 {
		r.keptSince = r.now.Mono
	}
}

// beginRole begins to serve in the role that the protocol has given.
func (r *Replica) beginRole() {
	r.unplanned, r.alone = r.zab.Unplanned(), false
	defer r.keepOn()
	if r.ids == nil {
		r.ids = session.NewIDs(r.cfg.Zab.Self, r.now.Wall, r.state.HighestSession(r.cfg.Zab.Self))
	}
	if r.zab.Role() != zab.Leading {
		r.learner = &learnerRole{touched: make(map[core.SessionID]struct{}), tellAt: r.now.Mono}
		return
	}
	r.leader = &leaderRole{owners: make(map[core.SessionID]core.PeerID)}
	// Every session has its full timeout from now on (Z-54).
	r.tracker = session.NewTracker(int64(r.cfg.TickMillis))
	for _, s := range r.state.Sessions() {
		r.tracker.Add(s.ID, s.TimeoutMillis, r.now.Mono)
	}
}

// touch counts as a sign of life of a session.
func (r *Replica) touch(id core.SessionID) {
	if r.readOnly != nil {
		r.readOnly.tracker.Touch(id, r.now.Mono)
		return
	}
	if r.learner == nil {
		r.tracker.Touch(id, r.now.Mono)
		return
	}
	r.learner.touched[id] = struct{}{}
}

// tellTouches tells the leader of the signs of life since the last time.
func (r *Replica) tellTouches() {
	l := r.learner
	if l == nil || r.now.Mono < l.tellAt {
		return
	}
	l.tellAt = r.now.Mono + int64(r.cfg.TickMillis)/2
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(l.touched)), touchesMax) {
		r.send(r.zab.Leader(), touches{epoch: r.zab.Epoch(), sessions: ids})
	}
	clear(l.touched)
}

// submit puts a write into the order, or sends it to the leader who does. The zxid is
// 0 until a learner is told of it; a learner keeps the request's body.
func (r *Replica) submit(req *state.Request) core.Zxid {
	if r.learner == nil {
		return r.propose(req)
	}
	r.send(r.zab.Leader(), forward{
		epoch: r.zab.Epoch(), session: req.Session, cxid: req.Cxid, op: req.Op, ids: req.IDs, body: req.Body,
	})
	return 0
}

// forwarded proposes a learner's write. Whether it is allowed is looked at here and
// nowhere else (Z-42).
func (r *Replica) forwarded(from core.PeerID, m *forward) {
	refuse := func(code core.Code) {
		r.send(from, refused{epoch: m.epoch, session: m.session, cxid: m.cxid, op: m.op, code: code})
	}
	req := state.Request{Session: m.session, Cxid: m.cxid, Op: m.op, Body: m.body, IDs: m.ids}
	switch {
	case m.op == wire.OpCreateSession:
		if session.PeerOf(m.session) != from || r.state.SessionOpen(m.session) {
			// Of an earlier life of that server, whose clock went back, the same id may
			// have been under way: whoever came then or comes now takes another.
			refuse(core.SessionExpired)
			return
		}
		req.Internal = true
	case !state.IsWrite(m.op):
		refuse(core.Unimplemented)
		return
	case !r.state.SessionOpen(m.session):
		refuse(core.SessionExpired)
		return
	case r.ownerOf(m.session) != from:
		refuse(core.SessionMoved)
		return
	case r.tooMuch(m.op, wire.NewReader(m.body), m.ids):
		refuse(core.SystemError)
		return
	}
	r.waitingRequests = append(r.waitingRequests, req)
	r.proposeWaiting()
}

// proposeWaiting proposes what learners have sent while no proposals were taken. Whoever
// was told at a learner that the members have changed may change them again, though the
// own disk, and with it the state, is behind the others' by a moment: what comes waits for
// that.
func (r *Replica) proposeWaiting() {
	for len(r.waitingRequests) > 0 && r.zab.Ready() {
		if r.waitingRequests[0].Op == wire.OpReconfig && r.membersAhead() {
			return
		}
		req := r.waitingRequests[0]
		r.waitingRequests = r.waitingRequests[1:]
		r.propose(&req)
	}
}

// proposeNothing proposes, where a learner waits for the next write and there is none, one
// that the log keeps and that changes nothing, as it keeps those that were refused.
func (r *Replica) proposeNothing() {
	if r.zab.WantsRecord() {
		r.propose(&state.Request{Op: wire.OpError})
	}
}

// ownerOf is the server that has a session's client.
func (r *Replica) ownerOf(id core.SessionID) core.PeerID {
	if p, ok := r.leader.owners[id]; ok {
		return p
	}
	return session.PeerOf(id)
}

// own notes who has a session's client from now on. Who had it may not have noticed that
// it has gone, and must keep nothing that it still has of it through a hand-over.
func (r *Replica) own(id core.SessionID, p core.PeerID) {
	if r.leader == nil {
		return
	}
	if was := r.ownerOf(id); was != p && r.zab.Links().Has(was) {
		r.sayMoved(was, id)
	}
	r.leader.owners[id] = p
}

// sayMoved has a learner hang up on a client that has come elsewhere since.
func (r *Replica) sayMoved(to core.PeerID, id core.SessionID) {
	r.send(to, refused{epoch: r.zab.Epoch(), session: id, code: core.SessionMoved})
}

// revalidate says whether a session is alive, and lets it move to who asks.
func (r *Replica) revalidate(from core.PeerID, m *revalidate) {
	if !r.state.SessionOpen(m.session) {
		r.doubt(from, *m)
		return
	}
	r.validate(from, m, true)
}

// doubt has the answer about a session that is not known wait for the leadership to be
// confirmed.
func (r *Replica) doubt(from core.PeerID, asked revalidate) {
	d := doubt{from: from, asked: asked, zxid: r.zab.Logged()}
	r.ask(func(z *zab.Output) { d.nonce = r.zab.Confirm(z) })
	r.leader.doubts = append(r.leader.doubts, d)
}

// resolve answers about a session, now that this leader knows that it leads.
func (r *Replica) resolve(d *doubt) {
	valid := r.state.SessionOpen(d.asked.session)
	if d.from != r.cfg.Zab.Self {
		r.validate(d.from, &d.asked, valid)
		return
	}
	c := r.conns[d.asked.conn]
	switch {
	case c == nil || c.phase != opening:
	case valid:
		r.admit(c)
		r.workOff(c)
	default:
		r.refuseSession(c)
	}
}

// validate answers a learner.
func (r *Replica) validate(from core.PeerID, m *revalidate, valid bool) {
	if valid {
		if r.movedFrom(from, m) {
			r.sayMoved(from, m.session)
			return
		}
		r.own(m.session, from)
		if m.timeout > 0 {
			r.tracker.SetTimeout(m.session, m.timeout, r.now.Mono)
		} else { // as the session was opened
			r.tracker.Touch(m.session, r.now.Mono)
		}
		if c := r.bySession[m.session]; c != nil {
			r.hangUp(c) // it has come back elsewhere
		}
	}
	known := r.state.Applied()
	if !r.knows(m.session) { // it is on its way
		known = r.zab.Logged()
	}
	r.send(from, revalidated{epoch: m.epoch, session: m.session, conn: m.conn, zxid: known, valid: valid})
}

// movedFrom reports whether a learner has kept a session whose client has come elsewhere
// in this epoch.
func (r *Replica) movedFrom(from core.PeerID, m *revalidate) bool {
	p, came := r.leader.owners[m.session]
	return m.conn == 0 && came && p != from
}

// revalidated lets a client in that has come back to its session, if it is still
// there.
func (r *Replica) revalidated(m *revalidated) {
	c := r.conns[m.conn]
	if c == nil || c.phase != opening || c.asker.Session != m.session {
		return
	}
	if !m.valid {
		r.refuseSession(c)
		return
	}
	if m.zxid > r.state.Applied() {
		r.learner.coming = append(r.learner.coming, comer{c, m.zxid})
		return
	}
	r.letIn(c)
}

// letIn accepts a connection that the leader has found a session for. The session may
// have ended since.
func (r *Replica) letIn(c *conn) {
	if c.phase != opening {
		return // it has gone meanwhile
	}
	if !r.state.SessionOpen(c.asker.Session) {
		r.refuseSession(c)
		return
	}
	if c.local && c.timeout == 0 { // as the session was opened
		c.timeout, _ = r.state.SessionTimeout(c.asker.Session)
	}
	r.accept(c)
	r.workOff(c)
}

// letComersIn lets in those whose sessions are known here by now.
func (r *Replica) letComersIn() {
	for l := r.learner; l != nil && len(l.coming) > 0 && l.coming[0].from <= r.state.Applied(); {
		c := l.coming[0].conn
		l.coming = l.coming[1:]
		r.letIn(c)
	}
}

// refused answers a write that the leader has not proposed. It is the first of its
// connection's writes without a zxid. That a session has moved comes without a write,
// too; of a connection that is about to come to it, it is old.
func (r *Replica) refused(m *refused) {
	c := r.bySession[m.session]
	moved := m.code == core.SessionMoved
	if c == nil || c.pending.writes == 0 && !(moved && c.phase == ready) {
		return
	}
	if m.op == wire.OpCreateSession || moved || m.code == core.SessionExpired {
		r.hangUp(c) // the client comes again, here or elsewhere
		return
	}
	for i := c.pending.head; i < len(c.pending.items); i++ {
		w := &c.pending.items[i]
		if w.kind == waitWrite && w.zxid == 0 && w.xid == m.cxid {
			r.refuse(c, w, m.code)
			break
		}
	}
	r.advance(c)
	r.workOff(c)
}

// refuse has a write that nobody has proposed answered with a code when its turn comes.
func (r *Replica) refuse(c *conn, w *waiting, code core.Code) {
	w.kind, w.code = waitReply, code
	c.forgetBody(w)
	c.pending.writes--
	r.inflight--
}

// claim gives the first write of a connection that has no zxid yet the one at which
// it was proposed, if it is that write.
func (r *Replica) claim(c *conn, z core.Zxid, h wire.TxnHeader) {
	if c.pending.writes == 0 {
		return
	}
	for i := c.pending.head; i < len(c.pending.items); i++ {
		w := &c.pending.items[i]
		if w.kind != waitWrite {
			continue
		}
		if w.zxid == 0 && w.xid == h.Cxid {
			w.zxid = z
			c.forgetBody(w)
		}
		return
	}
}

// askSync begins a sync of a client here and returns its number.
func (r *Replica) askSync(c *conn) uint64 {
	r.syncs++
	r.syncing = append(r.syncing, c)
	if r.learner == nil || !r.learner.asking {
		r.askForSyncs()
	}
	return r.syncs
}

// askForSyncs asks for all syncs up to the last one.
func (r *Replica) askForSyncs() {
	if r.learner == nil {
		r.awaitSync(syncWait{upTo: r.syncs})
		return
	}
	r.learner.asking = true
	r.send(r.zab.Leader(), syncAsk{epoch: r.zab.Epoch(), upTo: r.syncs})
}

// awaitSync has a sync wait until a quorum confirms that this server still leads
// (zab 13).
func (r *Replica) awaitSync(s syncWait) {
	s.zxid = r.zab.Committed()
	r.ask(func(z *zab.Output) { s.nonce = r.zab.Confirm(z) })
	r.leader.syncs = append(r.leader.syncs, s)
}

// confirmed answers the syncs for which a quorum has confirmed the leadership.
func (r *Replica) confirmed() {
	if l := r.leader; l != nil {
		upTo := r.zab.Confirmed()
		for len(l.syncs) > 0 && l.syncs[0].nonce <= upTo {
			s := l.syncs[0]
			l.syncs = l.syncs[1:]
			if s.peer != 0 {
				r.send(s.peer, syncAnswer{epoch: r.zab.Epoch(), upTo: s.upTo, zxid: s.zxid})
				continue
			}
			r.syncTargets = append(r.syncTargets, s)
		}
		for len(l.doubts) > 0 && l.doubts[0].nonce <= upTo && l.doubts[0].zxid <= r.state.Applied() {
			d := l.doubts[0]
			l.doubts = l.doubts[1:]
			r.resolve(&d)
		}
	}
	for len(r.syncTargets) > 0 && r.syncTargets[0].zxid <= r.state.Applied() {
		r.syncReady = r.syncTargets[0].upTo
		r.syncTargets = r.syncTargets[1:]
	}
	for len(r.syncing) > 0 && r.syncs-uint64(len(r.syncing)) < r.syncReady {
		c := r.syncing[0]
		r.syncing = r.syncing[1:]
		if c.phase != closing {
			r.advance(c)
			r.workOff(c)
		}
	}
}

// syncAnswered hears how far this server must have applied, and asks for those syncs
// that have come meanwhile.
func (r *Replica) syncAnswered(m *syncAnswer) {
	l := r.learner
	r.syncTargets = append(r.syncTargets, syncWait{upTo: m.upTo, zxid: m.zxid})
	l.asking = false
	if r.syncs > m.upTo {
		r.askForSyncs()
	}
}
