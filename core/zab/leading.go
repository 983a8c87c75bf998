package zab

import (
	"maps"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/wire"
)

// leading is the part of a server that leads, or tries to.
type leading struct {
	began    int64
	epoch    core.Epoch // 0 until a quorum has said what it accepted
	promised bool       // the own promise of the epoch is durable
	infos    quorum.Set // who counts for the epoch
	accepted core.Epoch // the highest that they had accepted
	promises quorum.Set // who has promised the epoch
	acks     quorum.Set // who has accepted it with its whole history
	learners map[core.PeerID]*learner
	// successor is to whom the leadership is being handed over, 0 is nobody; until
	// handBy proposals wait for that.
	successor core.PeerID
	handBy    int64
	open      bool  // it serves
	wants     bool  // a record, for the sake of a learner (WantsRecord)
	outgrown  bool  // a voter has promised a later epoch
	checkAt   int64 // when the quorum is looked for again
	pingAt    int64
	nonce     uint64
}

// learner is one that follows or observes this leader.
type learner struct {
	peer     core.PeerID
	stream   Stream
	observer bool
	voteable bool      // it has a history to vouch for, and its disk says so
	since    core.Zxid // what was logged here when it asked to be taken in
	accepted core.Epoch
	told     bool      // it has been told the epoch
	report   *AckEpoch // its promise; nil before
	snapping bool      // it is being sent a snapshot
	feeding  bool      // it is being sent the log
	reading  bool      // a part of the log is being read for it
	sent     core.Zxid // the last record that it was sent
	room     window
	sentUpTo core.Zxid // the commit it was told last
	acked    core.Zxid
	upToDate bool
	heard    int64
	nonce    uint64 // of its last answer to a ping
}

// counts reports whether a learner has a part in decisions.
func (p *learner) counts() bool { return !p.observer && p.voteable }

// lead enters the role of a leader: discovery.
func (m *Machine) lead(out *Output) {
	m.role, m.phase = Leading, Discovery
	m.forgetPartial(out)
	m.leading = &leading{
		began: m.now, learners: make(map[core.PeerID]*learner),
		infos: quorum.Of(m.cfg.Self), accepted: m.epochs.Accepted,
		checkAt: m.now + m.cfg.TickMillis, pingAt: m.now + m.cfg.TickMillis/2,
	}
	m.discover(out)
}

// info takes a learner in that asks for it.
func (m *Machine) info(from core.PeerID, in FollowerInfo, out *Output) {
	l := m.leading
	switch {
	case l != nil:
	case m.looking != nil: // it was faster
		m.looking.early[from] = in
		m.decide(out)
		return
	case m.following != nil: // it was too slow: this server has given up what it was elected for
		m.send(out, from, Leave{Stream: in.Stream})
		return
	default:
		return // it asks again
	}
	if old := l.learners[from]; old != nil && old.stream >= in.Stream {
		return // it has not heard yet what it was told
	}
	l.drop(from)
	p := &learner{
		peer: from, stream: in.Stream, observer: !m.isVoter(from), voteable: in.Voteable, since: m.logged,
		accepted: in.Accepted, heard: m.now,
	}
	if !p.voteable { // what it has said before, it does not know any more
		l.promises.Remove(from)
		l.acks.Remove(from)
		delete(m.acked, from)
	}
	if l.epoch != 0 && in.Accepted > l.epoch {
		l.outgrown = true // it can never follow this leader (Z-29)
		m.surpassed = max(m.surpassed, in.Accepted)
		m.send(out, from, Leave{Stream: in.Stream})
		return
	}
	l.learners[from] = p
	if l.epoch == 0 && p.counts() {
		l.infos.Add(from)
		l.accepted = max(l.accepted, in.Accepted)
	}
	m.discover(out)
	if l.promised {
		m.tellEpoch(p, out)
	}
}

// discover fixes the epoch when a quorum has said what it accepted (zab 6).
func (m *Machine) discover(out *Output) {
	l := m.leading
	if l.epoch != 0 || !m.voters.HasQuorum(l.infos) {
		return
	}
	l.epoch = max(l.accepted, m.epochs.Accepted, m.surpassed, m.logged.Epoch()) + 1
	m.epochs.Accepted = l.epoch
	m.writeEpochs(out) // Z-01: durable before anybody hears of it
}

// leaderEpochsSynced goes on when the own promise or the own acceptance is durable.
func (m *Machine) leaderEpochsSynced(out *Output) {
	l := m.leading
	switch {
	case !l.promised && l.epoch != 0 && m.synced.Accepted == l.epoch:
		l.promised = true
		l.promises.Add(m.cfg.Self)
		for _, p := range l.sorted() {
			m.tellEpoch(p, out)
		}
		m.promised(out)
	case m.phase == Synchronization && m.synced.Current == l.epoch:
		l.acks.Add(m.cfg.Self) // the NEWLEADER ack (Z-37: log, then epoch, then ack)
		m.ackedBy(m.cfg.Self, m.durable)
		m.establish()
	}
}

func (m *Machine) tellEpoch(p *learner, out *Output) {
	if p.told {
		return
	}
	if p.accepted > m.leading.epoch { // it asked too late to be counted
		m.leading.outgrown = true
		m.surpassed = max(m.surpassed, p.accepted)
		m.leading.drop(p.peer)
		m.send(out, p.peer, Leave{Stream: p.stream})
		return
	}
	p.told = true
	m.send(out, p.peer, LeaderInfo{Stream: p.stream, Epoch: m.leading.epoch})
}

// ackEpoch hears a learner's promise and where its history stands.
func (m *Machine) ackEpoch(p *learner, in AckEpoch, out *Output) {
	l := m.leading
	if p.report != nil || !p.told {
		return
	}
	p.report = &in
	if m.phase == Discovery && p.counts() {
		own := Vote{Leader: m.cfg.Self, Epoch: m.epochs.Current, Zxid: m.durable}
		if (Vote{Leader: m.cfg.Self, Epoch: in.Current, Zxid: in.Last}).better(own) && in.Counted {
			// This server is not entitled to lead one who has more.
			l.drop(p.peer)
			m.send(out, p.peer, Leave{Stream: p.stream})
			return
		}
		if in.Counted {
			l.promises.Add(p.peer)
		}
	}
	if m.phase == Discovery {
		m.promised(out)
		return
	}
	m.feed(p, out)
}

// promised goes on to synchronization when a quorum has promised the epoch: the
// own history is then the longest of any quorum, and the epoch begins with it.
func (m *Machine) promised(out *Output) {
	l := m.leading
	if m.phase != Discovery || !l.promised || !m.voters.HasQuorum(l.promises) {
		return
	}
	m.phase = Synchronization
	m.append(out, wire.Record{Zxid: core.MakeZxid(l.epoch, 0), Kind: wire.RecordEpoch, Payload: m.marker()})
	for _, p := range l.sorted() {
		if p.report != nil {
			m.feed(p, out)
		}
	}
}

// ack counts a learner's acknowledgement (Z-46).
func (m *Machine) ack(p *learner, in Ack, out *Output) {
	l := m.leading
	marker := core.MakeZxid(l.epoch, 0)
	if in.Zxid > p.sent || in.Zxid < marker || in.Zxid <= p.acked && p.upToDate {
		return // an answer to nothing
	}
	p.room.durable(in.Zxid)
	first := p.acked < marker
	p.acked = max(p.acked, in.Zxid)
	if first && !p.voteable && m.logged == p.since {
		l.wants = true
	}
	m.count(p, out)
}

// count goes on from what a learner has on its disk.
func (m *Machine) count(p *learner, out *Output) {
	if p.counts() {
		m.leading.acks.Add(p.peer)
		m.ackedBy(p.peer, p.acked)
	}
	m.establish()
	m.handOver(out)
	if m.leading != nil {
		m.advance(out)
	}
}

// vouch takes a learner that came without a history for one that has it (Z-14).
func (m *Machine) vouch(p *learner, out *Output) {
	if p.upToDate && !p.voteable {
		p.voteable = true
		m.count(p, out)
	}
}

// WantsRecord reports whether a learner waits for a record to be committed, and none is
// under way: the owner is to propose one, which need not change anything.
func (m *Machine) WantsRecord() bool { return m.leading != nil && m.leading.wants && m.Ready() }

// ackedBy notes how far a voter's log is durable, and commits what a quorum has.
func (m *Machine) ackedBy(p core.PeerID, upTo core.Zxid) {
	if upTo <= m.acked[p] {
		return
	}
	m.acked[p] = upTo
	if m.phase != Broadcast {
		return
	}
	if z := m.quorumAcked(); z > m.commit {
		m.commit = z
	}
}

// establish begins broadcast when a quorum has accepted the epoch with the whole
// history that it begins with (zab 7.4).
func (m *Machine) establish() {
	l := m.leading
	if m.phase != Synchronization || !l.acks.Has(m.cfg.Self) || !m.voters.HasQuorum(l.acks) {
		return
	}
	m.phase = Broadcast
	m.commit = core.MakeZxid(l.epoch, 0)
	check.That(m.epochs.Current == l.epoch, "zab: established in epoch %d, current is %d", l.epoch, m.epochs.Current)
	m.vote = Vote{Leader: m.cfg.Self, Epoch: l.epoch, Zxid: m.commit}
}

// Open says that this leader has applied what the epoch begins with and serves: only
// now may its learners, which turn to it with what their clients ask for (zab 10).
// It may be called again.
func (m *Machine) Open(out *Output) {
	l := m.leading
	if l == nil || l.open || m.phase != Broadcast {
		return
	}
	l.open = true
	m.pump(out)
}

// welcome tells a learner that has accepted the epoch that it may serve, and from where
// on (Z-39: what is committed at this moment, also where it has yet to be sent).
//
// One that came without a history has one from then on (Z-14): when a quorum without it
// has committed what was proposed after it came. With its disk it may have lost that it
// had promised a later epoch, and what it had acknowledged. docs/decisions/0032 says why
// that is enough.
func (m *Machine) welcome(p *learner, out *Output) {
	l := m.leading
	if !l.open || p.upToDate || p.acked < core.MakeZxid(l.epoch, 0) || !p.voteable && m.commit <= p.since {
		return
	}
	p.upToDate = true
	p.sentUpTo = m.commit
	m.send(out, p.peer, UpToDate{Stream: p.stream, Committed: p.sentUpTo})
}

// pong hears a sign of life.
func (m *Machine) pong(p *learner, in Pong) {
	p.nonce = max(p.nonce, min(in.Nonce, m.leading.nonce))
}

// discoveryTicks is how long a leader waits for a quorum to promise an epoch: its
// voters may have changed their minds (Z-26).
const discoveryTicks = 2

// leadTick pings, and gives the role up without a quorum (Z-65, Z-41).
func (m *Machine) leadTick(out *Output) {
	l := m.leading
	if l == nil {
		return
	}
	m.handOver(out)
	if m.leading != nil {
		m.advance(out) // if the one to be handed over to has gone
	}
	if m.leading == nil {
		return
	}
	limit := m.cfg.InitTicks * m.cfg.TickMillis
	if m.phase == Discovery {
		limit = discoveryTicks * m.cfg.TickMillis
		if l.epoch == 0 && l.infos == quorum.Of(m.cfg.Self) {
			// Nobody comes at all: those who voted for this server have found a leader
			// meanwhile. It finds that one too when it looks again.
			limit = m.cfg.TickMillis / 2
		}
	}
	alone := m.voters.HasQuorum(quorum.Of(m.cfg.Self)) // then it waits for its own disk only
	if m.phase != Broadcast && !alone && m.now-l.began > limit {
		m.look(out)
		return
	}
	if m.now >= l.pingAt {
		l.pingAt = m.now + m.cfg.TickMillis/2
		m.ping(out)
	}
	if m.now < l.checkAt {
		return
	}
	l.checkAt = m.now + m.cfg.TickMillis
	alive := quorum.Of(m.cfg.Self)
	for _, p := range l.sorted() {
		limit := m.cfg.SyncTicks
		if !p.upToDate {
			limit += m.cfg.InitTicks
		}
		switch {
		case m.now-p.heard > limit*m.cfg.TickMillis:
			m.send(out, p.peer, Leave{Stream: p.stream})
			l.drop(p.peer)
		case p.counts():
			alive.Add(p.peer)
		}
	}
	m.stepAside(out)
	switch {
	case m.leading == nil:
	case m.phase == Broadcast && !m.voters.HasQuorum(alive):
		m.look(out)
	case l.outgrown && (m.renewed == 0 || m.now-m.renewed > renewMillis):
		m.renew(out)
	}
}

// drop forgets a learner. What it has promised stays promised.
func (l *leading) drop(p core.PeerID) {
	delete(l.learners, p)
	if l.epoch == 0 {
		l.infos.Remove(p)
	}
}

// sorted lists the learners by their ids: what is sent must not depend on a map's
// order.
func (l *leading) sorted() []*learner {
	list := make([]*learner, 0, len(l.learners))
	for _, id := range slices.Sorted(maps.Keys(l.learners)) {
		list = append(list, l.learners[id])
	}
	return list
}
