package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/sim/model"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// oracle watches what a server is told and what it answers, and knows from the
// model what it should have answered.
type oracle struct {
	w        *World
	writes   map[writeKey]*request
	sessions map[core.SessionID]*sessionState
	replies  int
	events   int
	// agreed is what has been applied by anybody, in order: nobody may apply anything
	// else (I10, I11).
	agreed  []wire.Record
	digests map[core.Zxid]uint64
	leaders map[core.Epoch]core.PeerID
	sure    core.Zxid // up to where commits were told, and were found on a quorum's disks
}

type writeKey struct {
	session core.SessionID
	xid     int32
}

// writeFate is what the log says of a write.
type writeFate struct {
	zxid    core.Zxid
	outcome *model.Outcome
	want    model.Expected
}

// sessionState is when a session was heard of, by those who may end it: there may be
// a leader that does not know yet that it is one no more.
type sessionState struct {
	timeout int64 // milliseconds, as negotiated last
	began   int64 // simulated time
	heard   map[core.PeerID]sign
	closing bool
}

// sign is a sign of life, as a server has heard it.
type sign struct {
	at     int64 // simulated time
	stalls int64 // of the server, by then
	life   int
}

func (st *sessionState) hear(s *server, at int64) { st.heard[s.id] = sign{at, s.stalls, s.life} }

// by is the last sign of life that a server has heard.
func (st *sessionState) by(s *server) sign {
	last := st.heard[s.id]
	if last.life != s.life {
		last = sign{at: last.at, life: s.life}
	}
	last.at = max(last.at, st.began)
	return last
}

func newOracle(w *World) *oracle {
	return &oracle{
		w: w, writes: map[writeKey]*request{}, sessions: map[core.SessionID]*sessionState{},
		digests: map[core.Zxid]uint64{}, leaders: map[core.Epoch]core.PeerID{},
	}
}

// sent learns of a request on its way.
func (o *oracle) sent(q *request) {
	switch q.op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL, wire.OpDelete,
		wire.OpSetData, wire.OpSetACL, wire.OpMulti, wire.OpReconfig, wire.OpCloseSession:
		o.writes[writeKey{q.session, q.xid}] = q
	}
}

// before learns of an input: signs of life, connections that go.
func (o *oracle) before(s *server, in replica.Input) {
	switch in := in.(type) {
	case replica.Requests:
		if l := s.links[in.Conn]; l != nil && l.told.session != 0 {
			l.told.heard = o.w.now
			o.heard(s, l.told.session)
		}
	case replica.Touched:
		for _, id := range in.Sessions {
			o.heard(s, id)
		}
	case replica.Message:
		for _, id := range s.rep.SignsOfLife(in) {
			o.heard(s, id)
		}
	case replica.Gone:
		delete(s.links, in.Conn)
	case replica.Tick:
		o.overdue(s)
	}
}

// heard is what whoever decides about sessions has heard: the leader.
func (o *oracle) heard(s *server, id core.SessionID) {
	if !o.w.alone() && !s.leads() {
		return
	}
	if st := o.sessions[id]; st != nil {
		st.hear(s, o.w.now)
	}
}

// appended learns of a record as it is proposed: the end of a session that no
// client asked for must not come before its time (C7).
func (o *oracle) appended(leader *server, rec *wire.Record) {
	if rec.Kind == wire.RecordEpoch {
		return
	}
	r := wire.NewReader(rec.Payload)
	h := wire.DecodeTxnHeader(&r)
	if h.Op != wire.OpCloseSession {
		return
	}
	st := o.sessions[h.Session]
	if st == nil {
		if o.w.alone() { // else another leader may have ended it, of whom this one has not heard
			o.w.fail("session %v ends and nobody knows it", h.Session)
		}
		return
	}
	st.closing = true
	if h.Cxid != 0 {
		return
	}
	o.w.cover.hit("session expired")
	o.unheard(leader, h.Session, st)
	if silent := (o.w.now - st.by(leader).at) / millisecond; silent < st.timeout {
		o.w.fail("session %v expires after %d ms of silence, its timeout is %d ms (C7): %s", h.Session, silent, st.timeout, o.whyAlive(leader, h.Session))
	}
}

// unheard finds a client of a session that expires which has shown that it lives, to a
// server that has followed the leader all the time and must have told it.
func (o *oracle) unheard(leader *server, id core.SessionID, st *sessionState) {
	long := 2 * st.timeout * millisecond
	for _, s := range o.w.servers {
		if s == leader || !s.up || !s.serving || s.pausedUntil > o.w.now || o.w.now-s.steady < long || s.rep.Status().Leader != leader.id {
			continue
		}
		p, i := o.w.pairOf(s, leader.id)
		if !p.up || p.lost[0] || p.lost[1] || p.cut[i] || o.w.now-p.upAt < long || st.timeout < 2*int64(s.cfg.TickMillis) {
			continue
		}
		for _, l := range linksOf(s) {
			if l.told.session == id && l.told.welcomed && !l.clientGone && o.w.now-l.told.heard < st.timeout*millisecond/3 {
				o.w.fail("session %v expires, and server %d heard of it %d ms ago (C7)", id, s.id, (o.w.now-l.told.heard)/millisecond)
			}
		}
	}
}

// overdue looks for sessions that should have ended: within their timeout and two
// ticks, and what the server itself stood still.
func (o *oracle) overdue(s *server) {
	if !s.serving || !o.w.alone() && (!s.leads() || !o.w.reachable(s)) {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(o.sessions)) {
		st := o.sessions[id]
		if _, here := s.rep.State().SessionTimeout(id); !here {
			continue // its own disk is slower than those of the others
		}
		last := st.by(s)
		limit := st.timeout + 2*int64(s.cfg.TickMillis) + 2*(s.stalls-last.stalls) + 1000
		// A leader whose epoch is used up proposes nothing until slow disks have what it has proposed.
		if silent := (o.w.now - max(last.at, s.steady, o.w.slowUntil)) / millisecond; !st.closing && silent > limit {
			o.w.fail("session %v lives on after %d ms of silence, its timeout is %d ms (C7): %+v", id, silent, st.timeout, o.whyAlive(s, id))
		}
	}
}

// crashed learns that a life is over: what was proposed may be gone.
func (o *oracle) crashed() {
	if !o.w.alone() {
		return // what a leader had proposed may live on: the next one knows
	}
	for _, st := range o.sessions {
		st.closing = false
	}
}

// served learns that a server begins to answer: all sessions have their full time.
func (o *oracle) served(s *server) {
	if !o.w.alone() && !s.leads() && s.rep.Role() != zab.Leading {
		o.compare(s)
		return
	}
	for _, st := range o.sessions {
		st.hear(s, o.w.now)
		if !o.w.alone() {
			st.closing = false // what another leader had proposed is in the log, or is gone
		}
	}
	o.compare(s)
}

// after checks a Step's output: replies and events against the model, which it
// brings forward on the way. It returns what is to be carried.
func (o *oracle) after(s *server, in replica.Input, out *replica.Output) []delivery {
	committing := false
	// When a server begins to serve, requests that have waited are looked at behind what
	// it takes over, and more may be applied after them.
	begins := slices.ContainsFunc(out.Notes, func(n replica.Note) bool { return n.What == replica.NoteLeading })
	switch in.(type) {
	case replica.Synced, replica.Message, replica.MetaSynced:
		// A learner that takes in what it has missed, and does not serve yet, answers a
		// session in process only when its next write is there.
		begins = begins || !s.serving
		committing = !begins
	case replica.LogRead:
		begins = true
	}
	var deliveries []delivery
	var speaking []*link
	for _, c := range out.Conns {
		bytes, closed, want := c.Take(nil)
		l := s.links[c.Conn]
		if l == nil {
			continue
		}
		o.w.opt.Mutant.spoilOutput(l, bytes)
		frames, err := cutFrames(bytes)
		if err != nil {
			o.w.fail("link %d: %w", l.id, err)
			return nil
		}
		l.told.frames, l.told.closed = frames, closed
		speaking = append(speaking, l)
		deliveries = append(deliveries, delivery{link: l, bytes: bytes, close: closed, want: want})
	}
	for _, v := range out.ViewReads {
		if l := s.links[v.Conn]; l != nil {
			l.told.leaves, l.told.leavesAt = true, v.Zxid()
			if !slices.Contains(speaking, l) {
				l.told.frames = nil
				speaking = append(speaking, l)
			}
		}
	}
	o.positions(s)
	for o.w.err == nil {
		for _, l := range speaking {
			for len(l.told.frames) > 0 && o.w.err == nil && o.frame(l, l.told.frames[0]) {
				l.told.frames = l.told.frames[1:]
			}
			// What waited for the link's own write goes when that is applied,
			// everything else at the end of the step.
			now := s.model.Applied == s.rep.State().Applied() || committing && l.told.own == s.model.Applied ||
				begins && l.told.leavesAt == s.model.Applied
			if now && len(l.told.frames) == 0 {
				o.sendAway(l)
			}
		}
		if s.model.Applied >= s.rep.State().Applied() {
			break
		}
		o.applyNext(s)
	}
	if o.w.err != nil {
		return nil
	}
	for _, l := range speaking {
		if len(l.told.frames) > 0 {
			r := wire.NewReader(l.told.frames[0])
			why := ""
			for _, other := range o.w.servers {
				if other.up {
					why += fmt.Sprintf("; %s, %v of %d in epoch %d, applied %v", o.whyAlive(other, l.told.asked.SessionID), other.rep.Role(), other.rep.Status().Leader, other.rep.Status().Epochs.Current, other.model.Applied)
				}
			}
			o.w.fail("link %d: at %v a frame that nothing explains: %+v, asked for %v%s", l.id, s.model.Applied, wire.DecodeReplyHeader(&r), l.told.asked.SessionID, why)
		}
	}
	o.outlives(s)
	for _, l := range speaking {
		if l.told.closed {
			o.endedInProcess(l, in)
		}
	}
	for _, l := range linksOf(s) {
		if !l.told.closed && l.told.away == nil && len(l.told.events) > 0 {
			o.w.fail("link %d was not told of %v", l.id, l.told.events[0])
		}
	}
	z := s.rep.State().Applied()
	if d := s.rep.State().Tree().Digest(); o.digests[z] == 0 {
		o.digests[z] = d
	} else if o.digests[z] != d {
		o.w.fail("the digest of server %d at %v is %x, and was %x (I13): %v", s.id, z, d, o.digests[z], compareTrees(s.model, s.rep.State()))
	}
	if s.serving && uint64(z) > uint64(s.compared)+200 {
		o.compare(s)
	}
	return deliveries
}

// sendAway says what the long read at the head of a link's requests must bring
// when it comes back: it is looked at, and its watch armed, now.
func (o *oracle) sendAway(l *link) {
	t := &l.told
	if !t.leaves || t.away != nil || len(t.sent) == 0 {
		return
	}
	q := t.sent[0]
	switch q.op {
	case wire.OpGetChildren, wire.OpGetChildren2, wire.OpGetAllChildrenNumber:
		t.leaves = false
		t.away = q
		q.plan = o.planFor(l, q)
		o.w.cover.hit("long read")
	}
}

// inFront says what is answered, behind a long read that is away or goes away now,
// when the link's write q is about to be applied: the reads before it, which must
// not see it.
func (o *oracle) inFront(s *server, q *request) {
	for _, l := range linksOf(s) {
		t := &l.told
		at := slices.Index(t.sent, q)
		if at < 0 {
			continue
		}
		if at > 0 {
			o.sendAway(l) // held up until now by what the client has not read
		}
		if t.away != nil {
			o.plan(l, t.sent[:at])
		}
		return
	}
}

// behind says, where a long read is away, what the link's write q is answered,
// which was applied.
func (o *oracle) behind(s *server, q *request) {
	for _, l := range linksOf(s) {
		t := &l.told
		at := slices.Index(t.sent, q)
		if at < 0 {
			continue
		}
		t.own = s.model.Applied
		if t.away != nil {
			o.plan(l, t.sent[:at+1])
		}
		return
	}
}

// plan says what requests must be answered that are answered now.
func (o *oracle) plan(l *link, requests []*request) {
	for _, q := range requests {
		if q.plan == nil && q.op != wire.OpAuth {
			q.plan = o.planFor(l, q)
		}
	}
}

// positions checks I6 and I7: applied, committed and durable in their order,
// where durable is what a sync of the disk has confirmed.
func (o *oracle) positions(s *server) {
	st := s.rep.Status()
	if !o.w.alone() {
		o.positionsOfOne(s, &st)
		return
	}
	if st.Applied > st.Committed && st.Committed > 0 || st.Committed > st.Durable || st.Durable > st.Logged {
		o.w.fail("applied %v, committed %v, durable %v, logged %v (I6)", st.Applied, st.Committed, st.Durable, st.Logged)
	}
	if st.Applied > s.synced || st.Durable > s.synced {
		o.w.fail("applied %v, durable %v, and the disk has synced %v (I7)", st.Applied, st.Durable, s.synced)
	}
	if st.Epochs.Current > st.Epochs.Accepted {
		o.w.fail("epochs are %+v (I1)", st.Epochs)
	}
}

// positionsOfOne checks them on one server of several.
func (o *oracle) positionsOfOne(s *server, st *replica.Status) {
	if st.Serving && st.Applied > st.Committed || st.Durable > st.Logged {
		o.w.fail("server %d: applied %v, committed %v, durable %v, logged %v (I6)", s.id, st.Applied, st.Committed, st.Durable, st.Logged)
	}
	if st.Applied > s.synced || st.Durable > s.synced && s.installing == nil && s.gone == nil {
		o.w.fail("server %d: applied %v, durable %v, and the disk has synced %v (I7)", s.id, st.Applied, st.Durable, s.synced)
	}
	if st.Epochs.Current > st.Epochs.Accepted {
		o.w.fail("server %d: epochs are %+v (I1)", s.id, st.Epochs)
	}
	if st.Serving && st.Role == zab.Leading {
		if other, ok := o.leaders[st.Epochs.Current]; ok && other != s.id {
			o.w.fail("servers %d and %d lead in epoch %d (I3)", other, s.id, st.Epochs.Current)
		}
		o.leaders[st.Epochs.Current] = s.id
	}
}

// applyNext brings the model forward by one record and works out who must hear
// of it.
func (o *oracle) applyNext(s *server) {
	rec, first := o.next(s)
	if o.w.err != nil {
		return
	}
	q, want := o.expect(s, rec)
	if o.w.err != nil {
		return
	}
	if q != nil {
		o.inFront(s, q)
	}
	out, err := s.model.Apply(rec)
	if err != nil {
		o.w.fail("%w", err)
		return
	}
	if q != nil && first {
		q.write = writeFate{zxid: rec.Zxid, outcome: out, want: want}
		if err := sameFate(q, out, want); err != nil {
			o.w.fail("%v of session %v at %v: %w", q.op, q.session, rec.Zxid, err)
			return
		}
	}
	switch id := out.Header.Session; out.Header.Op {
	case wire.OpCreateSession:
		if first {
			o.sessions[id] = &sessionState{timeout: int64(out.Timeout), began: o.w.now, heard: map[core.PeerID]sign{}}
		} else if st := o.sessions[id]; st != nil && s.leads() {
			st.hear(s, o.w.now) // others were faster than the leader's own disk
		}
	case wire.OpCloseSession:
		if first {
			delete(o.sessions, id)
		}
		if left := s.model.Owned(id); len(left) > 0 {
			o.w.fail("at %v session %v ends and %v stay (I15)", rec.Zxid, id, left)
		}
	case wire.OpDeleteContainer:
		o.w.cover.hit("znode reaped")
	}
	for _, l := range linksOf(s) {
		l.told.expect(rec.Zxid, out.Changes)
	}
	if q != nil {
		o.behind(s, q)
	}
}

// expect finds the request behind a record and says what it must have become.
func (o *oracle) expect(s *server, rec *wire.Record) (*request, model.Expected) {
	if rec.Kind == wire.RecordEpoch {
		return nil, model.Expected{}
	}
	r := wire.NewReader(rec.Payload)
	h := wire.DecodeTxnHeader(&r)
	if h.Cxid == 0 {
		if h.Op != wire.OpCreateSession && h.Op != wire.OpCloseSession && h.Op != wire.OpDeleteContainer && h.Op != wire.OpError {
			o.w.fail("at %v a transaction of type %v that nobody asked for", rec.Zxid, h.Op)
		}
		return nil, model.Expected{}
	}
	q := o.writes[writeKey{h.Session, h.Cxid}]
	switch {
	case q == nil:
		o.w.fail("at %v a transaction of session %v, xid %d, which it never sent", rec.Zxid, h.Session, h.Cxid)
	case q.write.outcome != nil && q.write.zxid == rec.Zxid:
		return q, q.write.want // another server has applied it before
	case q.write.outcome != nil:
		o.w.fail("session %v, xid %d happened at %v and again at %v", h.Session, h.Cxid, q.write.zxid, rec.Zxid)
	default:
		return q, s.model.Expect(&model.Request{Session: q.session, Op: q.op, Body: q.body, IDs: q.ids})
	}
	return nil, model.Expected{}
}

// compare holds the whole of a server's tree and sessions against the model.
func (o *oracle) compare(s *server) {
	if o.w.err != nil {
		return
	}
	s.compared = s.model.Applied
	o.w.cover.hit("trees compared")
	if orphan := s.model.Orphan(); orphan != "" {
		o.w.fail("at %v %s is ephemeral and its session does not live (I15)", s.model.Applied, orphan)
		return
	}
	if err := compareTrees(s.model, s.rep.State()); err != nil {
		o.w.fail("at %v: %w", s.model.Applied, err)
	}
}

// whyAlive tells what a server knows of a session.
func (o *oracle) whyAlive(s *server, id core.SessionID) string {
	deadline := int64(-1)
	s.rep.SessionBuckets(func(at int64, ids []core.SessionID) bool {
		if slices.Contains(ids, id) {
			deadline = at
		}
		return true
	})
	timeout, open := s.rep.State().SessionTimeout(id)
	z := s.rep.Status()
	return fmt.Sprintf("server %d, at %d, has it end at %d; its timeout there is %d, open %v; %v %v epoch %d, committed %v of %v, %+v, handed %d",
		s.id, s.now().Mono, deadline, timeout, open, z.Role, z.Phase, z.Epochs.Current, z.Committed, z.Logged, z.Learners, z.Zab.Handed)
}
