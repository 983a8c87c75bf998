package zab

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/quorum"
)

// Transfer hands the leadership over to another voter (Z-63): no proposals are taken
// until that has everything, and then all vote for it. If it takes longer than two
// ticks this server goes on to lead. To 0 is the one that has most. It reports false,
// and does nothing, if that server does not follow this one in step.
func (m *Machine) Transfer(to core.PeerID, out *Output) bool {
	if !m.Ready() {
		return false
	}
	if to == 0 {
		to = m.nextBest()
	}
	p := m.leading.learners[to]
	if p == nil || !m.maySucceed(p) {
		return false
	}
	m.leading.successor, m.leading.handBy = to, m.now+2*m.cfg.TickMillis
	m.handOver(out)
	return true
}

// maySucceed reports whether a learner follows in step, and has said something within a
// tick: it is pinged twice in that time, and who hangs would be waited for by all.
func (m *Machine) maySucceed(p *learner) bool {
	return p.counts() && p.upToDate && m.now-p.heard <= m.cfg.TickMillis
}

// nextBest is the voter in step that has acknowledged most; 0 is nobody. Of several it is
// the next one by id, the lowest behind the highest: so that servers of which each hands
// over come to one that does not.
func (m *Machine) nextBest() (best core.PeerID) {
	most := core.Zxid(0)
	for _, p := range m.leading.sorted() {
		switch {
		case !m.maySucceed(p) || p.acked < most:
		case p.acked > most || best < m.cfg.Self && p.peer > m.cfg.Self:
			best, most = p.peer, p.acked
		}
	}
	return best
}

// handOver ends the leadership when the successor has everything.
func (m *Machine) handOver(out *Output) {
	m.settle(out) // it may vote no more
	l := m.leading
	if l == nil || l.successor == 0 {
		return
	}
	acked := m.durable
	if p := l.learners[l.successor]; p != nil && p.counts() {
		acked = p.acked
	} else if l.successor != m.cfg.Self || !m.isVoter(m.cfg.Self) {
		l.successor = 0
		return
	}
	switch {
	case m.now > l.handBy:
		l.successor = 0
	case m.commit == m.logged && acked == m.logged:
		v := Vote{Leader: l.successor, Epoch: m.epochs.Current, Zxid: m.logged, Named: true}
		for _, o := range l.sorted() {
			m.tellCommitted(o, out)
			m.send(out, o.peer, Elect{Stream: o.stream, Vote: v})
		}
		l.learners = nil // they know
		m.named = v
		m.stats.Handed++
		m.resign(out)
	}
}

// renewMillis is how long at least lies between two leaderships that end for the
// sake of a voter that has promised a later epoch.
const renewMillis = 60_000

// renew hands over from this server to itself, so that a later epoch begins, as it alone
// knows how late that has to be: into it the voter that this leadership had to refuse is
// taken (Z-29).
func (m *Machine) renew(out *Output) {
	if !m.Ready() {
		return
	}
	m.renewed = m.now
	m.leading.successor, m.leading.handBy = m.cfg.Self, m.now+2*m.cfg.TickMillis
	m.handOver(out)
}

// Confirm begins to make sure that this server still leads (zab 13): Confirmed
// reaches the nonce that it returns when a quorum has answered what was asked after
// this call. Call only when Ready.
func (m *Machine) Confirm(out *Output) (nonce uint64) {
	check.That(m.role == Leading && m.phase == Broadcast, "zab: confirmed in role %v, phase %v", m.role, m.phase)
	m.ping(out)
	return m.leading.nonce
}

// Confirmed is the highest nonce that a quorum has answered, this server included; 0
// for one that does not lead.
func (m *Machine) Confirmed() uint64 {
	l := m.leading
	if l == nil || m.phase != Broadcast {
		return 0
	}
	best := uint64(0)
	if m.voters.HasQuorum(quorum.Of(m.cfg.Self)) {
		best = l.nonce
	}
	for _, p := range l.learners {
		have := quorum.Of(m.cfg.Self)
		for _, o := range l.learners {
			if o.counts() && o.upToDate && o.nonce >= p.nonce {
				have.Add(o.peer)
			}
		}
		if p.nonce > best && m.voters.HasQuorum(have) {
			best = p.nonce
		}
	}
	return best
}

func (m *Machine) ping(out *Output) {
	l := m.leading
	l.nonce++
	for _, p := range l.sorted() {
		m.send(out, p.peer, Ping{Stream: p.stream, Nonce: l.nonce})
	}
}
