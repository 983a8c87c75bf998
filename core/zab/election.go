package zab

import (
	"maps"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
)

// Times of an election, in milliseconds.
const (
	// finalizeMillis is how long a server that has a quorum for its vote waits for a
	// better one; not at all when everybody whom it can reach votes alike.
	finalizeMillis = 200
	// resendMin and resendMax bound the pauses between two notifications (D-4).
	resendMin, resendMax = 200, 2000
	// calmMillis is how long a server that a leader did not take, or that could not
	// follow one, follows nobody: trying again at once would lead to the same.
	calmMillis = 200
	// reachMillis is how long a server votes for one that it does not reach, and then for
	// none such (Z-25).
	reachMillis = 2000
)

// looking is the part of a server that looks for a leader.
type looking struct {
	vote     Vote
	received map[core.PeerID]Notification // of this round, of those who look
	settled  map[core.PeerID]Notification // of those who have a role
	told     map[core.PeerID]int64        // when those without a vote were answered last
	early    map[core.PeerID]FollowerInfo // of those who take this server for their leader already
	fresh    quorum.Set                   // of those who have never promised nor logged anything
	decideAt int64                        // when finalizeMillis are over; 0 is not waiting
	doubtAt  int64                        // when to vote for another than who is not reached; 0 is never
	resendAt int64
	pause    int64
}

// look begins a round of the election when everything that the disk was given by
// the last role is done: what speaks for a server is what is durable (Z-21, Z-67).
func (m *Machine) look(out *Output) {
	if m.phase == Broadcast && !m.planned {
		m.unplanned++
	}
	m.planned = false
	m.endRole(out)
	m.role, m.phase = Looking, Election
	m.draining = true
	m.drained(out)
}

// drained goes on with look when the disk has nothing more to do.
func (m *Machine) drained(out *Output) {
	if !m.draining || m.durable != m.logged || m.written != m.synced || m.truncating || m.installing != (Position{}) {
		return
	}
	m.draining = false
	m.generation++
	m.stats.Elections++
	m.epochs = m.synced
	m.round++
	l := &looking{
		received: make(map[core.PeerID]Notification), settled: make(map[core.PeerID]Notification),
		early: make(map[core.PeerID]FollowerInfo), told: make(map[core.PeerID]int64),
		pause: resendMin, resendAt: m.now + resendMin,
	}
	m.looking = l
	l.vote = m.candidacy()
	if m.named.better(l.vote) { // it has all that this server has, and was named
		l.vote = m.named
	}
	m.named = Vote{}
	m.notifyAll(out)
	m.decide(out)
}

// candidacy is the vote of a server for itself, if it may have one.
func (m *Machine) candidacy() Vote {
	if !m.synced.Voteable || !m.isVoter(m.cfg.Self) {
		return Vote{}
	}
	return Vote{Leader: m.cfg.Self, Epoch: m.epochs.Current, Zxid: m.durable}
}

// notification is what this server tells others of itself. Who has nothing to vouch for
// has a vote all the same, to know whom to follow, and keeps it to himself. Who does not
// vote by what he knows of the members tells it: the candidate may know of later ones,
// and who counts it decides whether it counts.
func (m *Machine) notification() Notification {
	if m.looking != nil {
		n := Notification{State: Looking, Round: m.round, Fresh: m.blank(), Members: m.toldMembers()}
		if m.synced.Voteable {
			n.Vote = m.looking.vote
		}
		return n
	}
	return Notification{State: m.role, Vote: m.vote, Round: m.round, Members: m.toldMembers()}
}

// toldMembers are what others are told of: what a reconfiguration has made of them.
func (m *Machine) toldMembers() *Members {
	if m.members.Version == 0 {
		return nil
	}
	tell := m.members
	return &tell
}

// notifyAll tells the other voters whom this server votes for.
func (m *Machine) notifyAll(out *Output) {
	for p := range m.voters.Voters().All() {
		if p != m.cfg.Self {
			m.send(out, p, m.notification())
		}
	}
}

// notified hears of another's vote (zab 5.3).
func (m *Machine) notified(from core.PeerID, n Notification, out *Output) {
	if m.draining {
		return // it comes again
	}
	if m.looking == nil {
		m.heardWhileInRole(from, n, out)
		return
	}
	if m.learnMembers(n.Members, out) {
		m.look(out) // other votes count now
		if m.looking == nil {
			return
		}
	}
	if n.State == Looking {
		delete(m.looking.early, from)
	}
	m.heardIfFresh(from, n, out)
	if !m.isVoter(from) {
		if n.State == Looking {
			m.tellOnlooker(from, n, out)
		}
		return
	}
	switch n.State {
	case Looking:
		m.heardOfVote(from, n, out)
	case Leading, Following:
		m.heardOfRole(from, n, out)
	case Observing:
	}
}

// tellOnlooker answers one that has no vote, if this server has one or knows of later
// members. That too takes this one for an onlooker, perhaps, and answers: so not at once
// again.
func (m *Machine) tellOnlooker(from core.PeerID, n Notification, out *Output) {
	newer := m.members.Version > 0 && (n.Members == nil || n.Members.Version < m.members.Version)
	if !m.isVoter(m.cfg.Self) && !newer {
		return
	}
	if at, told := m.looking.told[from]; told && m.now < at+resendMin {
		return
	}
	m.looking.told[from] = m.now
	m.send(out, from, m.notification())
}

// blank reports whether this server has never promised nor logged anything.
func (m *Machine) blank() bool { return m.fresh && m.epochs.Accepted == 0 && m.logged == 0 }

// heardIfFresh makes this server voteable when all voters are here and none has ever
// promised or logged anything: there is nothing that could be lost (Z-14). A server
// whose directory is empty among others whose are not waits for a leader, and so does one
// that hears of a reconfiguration: whoever voted for that has logged something.
func (m *Machine) heardIfFresh(from core.PeerID, n Notification, out *Output) {
	l := m.looking
	l.fresh.Remove(from)
	if n.State == Looking && n.Fresh {
		l.fresh.Add(from)
	}
	if m.written.Voteable || !m.blank() || !m.isVoter(m.cfg.Self) || m.members.Version > 0 {
		return
	}
	for p := range m.voters.Voters().All() {
		if p != m.cfg.Self && !l.fresh.Has(p) {
			return
		}
	}
	m.epochs.Voteable = true
	m.writeEpochs(out)
}

// lookerEpochsSynced votes for itself, now that it may.
func (m *Machine) lookerEpochsSynced(out *Output) {
	if own := m.candidacy(); own.better(m.looking.vote) {
		m.looking.vote = own
	}
	m.notifyAll(out)
	m.decide(out)
}

// heardWhileInRole answers who looks for a leader (Z-23). A learner that looks for
// another is no learner any more, and a leader that looks is none.
func (m *Machine) heardWhileInRole(from core.PeerID, n Notification, out *Output) {
	if n.State != Looking {
		return
	}
	if m.leading != nil {
		m.leading.drop(from)
	}
	m.send(out, from, m.notification())
	if f := m.following; f != nil && f.leader == from && (f.accepted || n.Vote.Leader != from) {
		m.look(out)
	}
}

func (m *Machine) heardOfVote(from core.PeerID, n Notification, out *Output) {
	l := m.looking
	if !m.isVoter(m.cfg.Self) {
		m.watchVote(from, n, out)
		return
	}
	unknown := n.Vote.Leader != 0 && !m.mayStand(n.Vote.Leader)
	switch {
	case n.Round > m.round:
		m.round = n.Round
		clear(l.received)
		l.vote = m.candidacy()
		if !unknown && n.Vote.better(l.vote) {
			l.vote = n.Vote
		}
		m.notifyAll(out)
	case unknown:
	case n.Round < m.round:
		m.send(out, from, m.notification())
		return
	case n.Vote.better(l.vote):
		l.vote = n.Vote
		m.notifyAll(out)
	case m.notification().Vote.better(n.Vote):
		m.send(out, from, m.notification()) // it may have had a role when it was told
	}
	if n.Vote.Leader == 0 || unknown { // of one who may not vote
		delete(l.received, from)
		return
	}
	l.received[from] = n
	m.decide(out)
}

// mayStand reports whether a server may be voted for. One that this server knows of may
// vote by a reconfiguration that this one has not heard of: who is a leader is decided
// by those who promise, and not here. This server itself must have a history to vouch for
// (Z-14): the votes of others may be from before it lost that.
func (m *Machine) mayStand(p core.PeerID) bool {
	if p == m.cfg.Self {
		return m.candidacy().Leader != 0
	}
	return m.linked(p) || m.isVoter(p) && m.now >= m.reachUntil
}

// watchVote looks on at an election without a part in it: in whatever round the
// voters are.
func (m *Machine) watchVote(from core.PeerID, n Notification, out *Output) {
	l := m.looking
	if n.Vote.Leader == 0 || !m.mayStand(n.Vote.Leader) {
		return
	}
	if n.Round != m.round {
		m.round, l.vote = n.Round, Vote{}
		clear(l.received)
	}
	if n.Vote.better(l.vote) {
		l.vote = n.Vote
		m.notifyAll(out)
	}
	l.received[from] = n
	m.decide(out)
}

// heardOfRole joins a leader that others follow already.
func (m *Machine) heardOfRole(from core.PeerID, n Notification, out *Output) {
	l := m.looking
	l.settled[from] = n
	have := quorum.Of(m.cfg.Self) // joining: it may be the one that the leader lacks
	for p, o := range l.settled {
		// Round and zxid of those who have a role differ legitimately (Z-22).
		if o.Vote.Leader == n.Vote.Leader && o.Vote.Epoch == n.Vote.Epoch {
			have.Add(p)
		}
	}
	leader, ok := l.settled[n.Vote.Leader]
	if !m.followed(have) || n.Vote.Leader == m.cfg.Self || !ok || leader.State != Leading {
		return
	}
	m.round = n.Round
	m.take(n.Vote, out)
}

// decide ends the election when a quorum votes as this server does: at once if
// everybody who is linked does, and otherwise after a moment in which a better
// vote may come.
func (m *Machine) decide(out *Output) {
	l := m.looking
	if l.vote.Leader == 0 {
		return
	}
	have := quorum.Set{}
	if m.candidacy().Leader != 0 {
		have.Add(m.cfg.Self)
	}
	alike := true
	for p := range m.voters.Voters().All() {
		_, follows := l.early[p]
		switch n, ok := l.received[p]; {
		case p == m.cfg.Self:
		case follows && l.vote.Leader == m.cfg.Self:
			have.Add(p)
		case ok && n.Vote == l.vote:
			have.Add(p)
		case m.linked(p):
			alike = false
		}
	}
	switch {
	case !m.voters.HasQuorum(have) || l.vote.Leader != m.cfg.Self && !m.linked(l.vote.Leader):
		l.decideAt = 0
	case alike || l.decideAt != 0 && m.now >= l.decideAt:
		m.take(l.vote, out)
	case l.decideAt == 0:
		l.decideAt = m.now + finalizeMillis
	}
}

// take enters the role that a vote gives.
func (m *Machine) take(v Vote, out *Output) {
	if v.Leader != m.cfg.Self && m.now < m.calmUntil {
		m.looking.decideAt = m.calmUntil
		return
	}
	if m.written != m.synced {
		return // it comes again
	}
	early := m.looking.early
	m.vote, m.looking = v, nil
	if v.Leader == m.cfg.Self {
		m.lead(out)
		for _, p := range slices.Sorted(maps.Keys(early)) {
			m.info(p, early[p], out)
		}
		return
	}
	m.follow(v.Leader, out)
}

// lookTick sends again what may have been lost, and decides when it is time.
func (m *Machine) lookTick(out *Output) {
	l := m.looking
	if l == nil {
		return
	}
	if m.now >= l.resendAt {
		l.pause = min(2*l.pause, resendMax)
		l.resendAt = m.now + l.pause
		m.notifyAll(out)
	}
	switch to := l.vote.Leader; {
	case to == 0 || to == m.cfg.Self || m.linked(to) || !m.isVoter(m.cfg.Self):
		l.doubtAt = 0
	case l.doubtAt == 0:
		l.doubtAt = m.now + reachMillis
	case m.now >= l.doubtAt: // others vote for it because this one does, perhaps (Z-25)
		m.reachUntil = m.now + reachMillis
		m.look(out)
		return
	}
	if l.decideAt != 0 {
		m.decide(out)
	}
}
