package zab

import "github.com/zensus-io/zensus/core"

// LinkUp says that messages to a peer arrive from now on.
func (m *Machine) LinkUp(p core.PeerID, out *Output) {
	m.LinkDown(p, out) // what was under way on another link is lost
	m.links.Add(p)
	switch {
	case m.draining:
	case m.looking != nil:
		m.send(out, p, m.notification())
	case m.following != nil && m.following.leader == p:
		m.ask(out)
	}
}

// LinkDown says that they do not, and that what was sent last may be lost.
func (m *Machine) LinkDown(p core.PeerID, out *Output) {
	if !m.links.Has(p) {
		return
	}
	m.links.Remove(p)
	switch {
	case m.leading != nil:
		m.leading.drop(p)
	case m.following != nil && m.following.leader == p:
		m.look(out)
	case m.looking != nil && !m.draining:
		delete(m.looking.received, p)
		delete(m.looking.settled, p)
		delete(m.looking.early, p)
		m.looking.fresh.Remove(p)
		if m.looking.vote.Leader == p {
			m.look(out) // for another
			return
		}
		m.decide(out)
	}
}

func (m *Machine) linked(p core.PeerID) bool { return m.links.Has(p) }

func (m *Machine) isVoter(p core.PeerID) bool { return m.voters.Voters().Has(p) }

// send sends to a peer that is linked; to another it would be lost.
func (m *Machine) send(out *Output, to core.PeerID, msg Message) {
	if m.linked(to) {
		out.Send = append(out.Send, Envelope{To: to, Msg: msg})
	}
}

// Receive takes a message of a peer.
func (m *Machine) Receive(from core.PeerID, msg Message, out *Output) {
	if !m.linked(from) || from == m.cfg.Self {
		m.stats.Strangers++
		return
	}
	if n, ok := msg.(Notification); ok {
		m.notified(from, n, out)
		return
	}
	if in, ok := msg.(FollowerInfo); ok {
		m.info(from, in, out)
		return
	}
	if !m.fromLearner(from, msg, out) {
		m.fromMaster(from, msg, out)
	}
	m.pump(out)
}

// fromLearner takes what a learner says. It reports false for what leaders say.
func (m *Machine) fromLearner(from core.PeerID, msg Message, out *Output) bool {
	of := func(s Stream) *learner {
		if m.leading == nil {
			return nil
		}
		p := m.leading.learners[from]
		if p == nil || p.stream != s {
			return nil
		}
		p.heard = m.now
		return p
	}
	switch in := msg.(type) {
	case AckEpoch:
		if p := of(in.Stream); p != nil {
			m.ackEpoch(p, in, out)
		}
	case Ack:
		if p := of(in.Stream); p != nil && p.feeding {
			m.ack(p, in, out)
		}
	case Vouch:
		if p := of(in.Stream); p != nil {
			m.vouch(p, out)
		}
	case Progress:
		if p := of(in.Stream); p != nil && in.Zxid <= p.sent {
			p.room.durable(in.Zxid)
		}
	case Pong:
		if p := of(in.Stream); p != nil {
			m.pong(p, in)
		}
	case Installed:
		if p := of(in.Stream); p != nil {
			m.snapped(p, in, out)
		}
	case Leave:
		p := of(in.Stream)
		if p != nil {
			m.leading.drop(from)
		}
		return p != nil
	default:
		return false
	}
	return true
}

// fromMaster takes what a leader says.
func (m *Machine) fromMaster(from core.PeerID, msg Message, out *Output) {
	switch in := msg.(type) {
	case LeaderInfo:
		if f := m.fromLeader(from, in.Stream); f != nil {
			m.leaderInfo(f, in, out)
		}
	case Diff:
		if f := m.fromLeader(from, in.Stream); f != nil {
			m.diff(f, in, out)
		}
	case Trunc:
		if f := m.fromLeader(from, in.Stream); f != nil {
			m.trunc(f, in, out)
		}
	case Snap:
		if f := m.fromLeader(from, in.Stream); f != nil {
			m.snap(f, in, out)
		}
	case NewLeader:
		if f := m.fromLeader(from, in.Stream); f != nil {
			m.newLeader(f, in, out)
		}
	case Propose:
		if f := m.fromLeader(from, in.Stream); f != nil {
			m.proposed(f, in, out)
		}
	case UpToDate:
		if f := m.fromLeader(from, in.Stream); f != nil {
			m.upToDate(f, in, out)
		}
	case Elect:
		if f := m.fromLeader(from, in.Stream); f != nil {
			m.elect(f, in, out)
		}
	case Ping:
		if f := m.fromLeader(from, in.Stream); f != nil {
			m.pinged(f, in, out)
		}
	case Leave:
		if f := m.fromLeader(from, in.Stream); f != nil {
			if !f.upToDate {
				m.calmUntil = m.now + calmMillis
			}
			m.look(out)
		}
	}
}
