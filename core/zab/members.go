package zab

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/wire"
)

// Members is who belongs to the ensemble (zab 14).
type Members struct {
	// Version is the zxid of the record that brought them; 0 are those of the
	// configuration.
	Version           core.Zxid
	Voters, Observers quorum.Set
	// Text is the owner's, who may need to know more; it is passed on as it is.
	Text string
}

// Has reports whether a server belongs to the ensemble.
func (m *Members) Has(p core.PeerID) bool { return m.Voters.Has(p) || m.Observers.Has(p) }

// Members are those of the last reconfiguration that is known to be committed, or of
// the configuration.
func (m *Machine) Members() Members { return m.members }

// Reconfiguring reports whether a reconfiguration is in the log that is not known to
// be committed: until it is, decisions need both quorums (Z-52).
func (m *Machine) Reconfiguring() bool { return m.next != nil }

// Alone reports whether this server decides alone.
func (m *Machine) Alone() bool {
	only := quorum.Of(m.cfg.Self)
	return m.members.Voters == only && (m.next == nil || m.next.Voters == only)
}

// InStep reports whether a quorum of some voters serves and has answered of late: only
// then may they become the voters (zab 14.2). Who does not count yet may come again before
// it does, and would then wait for a quorum that there is not without it (Z-14).
func (m *Machine) InStep(voters quorum.Set) bool {
	l := m.leading
	if l == nil || m.phase != Broadcast {
		return false
	}
	have := quorum.Of(m.cfg.Self)
	for _, p := range l.learners {
		if p.upToDate && p.voteable && m.now-p.heard <= m.cfg.SyncTicks*m.cfg.TickMillis/2 {
			have.Add(p.peer)
		}
	}
	return quorum.Majority(voters).HasQuorum(have)
}

// Reconfigure puts the transaction of a reconfiguration into the order, as Propose
// does. Call only when Ready and not Reconfiguring (I14).
func (m *Machine) Reconfigure(payload []byte, time int64, digestVersion uint32, digest uint64, out *Output) core.Zxid {
	check.That(m.next == nil, "zab: a reconfiguration while another is under way (I14)")
	return m.propose(wire.RecordConfig, payload, time, digestVersion, digest, out)
}

// recoverMembers goes on from what the disk holds: a snapshot's members and the
// reconfigurations behind it.
func (m *Machine) recoverMembers(d Durable) {
	if d.Members != nil && d.Members.Version > 0 {
		m.members = *d.Members
	}
	for _, c := range d.Configs {
		if c.Version > m.members.Version {
			m.expect(c)
		}
	}
	if m.next != nil && d.CommitHint >= m.next.Version {
		m.members, m.next = *m.next, nil
	}
	m.setVoters()
}

// expect takes a reconfiguration from the log, which is not known to be committed. The
// one before it must be (I14).
func (m *Machine) expect(next Members) {
	if m.next != nil {
		m.members = *m.next
	}
	m.next = &next
}

// logMembers looks at a record that was appended: what it brings, and what its leader
// knew to be committed.
func (m *Machine) logMembers(r *wire.Record, out *Output) {
	if m.next != nil && r.CommitHint >= m.next.Version {
		m.activate(out)
	}
	if r.Kind != wire.RecordConfig {
		return
	}
	next, err := m.cfg.MembersOf(r.Payload)
	if err != nil || next.Version != r.Zxid {
		check.Fail("zab: the record at %v is no reconfiguration: %v", r.Zxid, err)
	}
	if next.Version <= m.members.Version {
		return // others have told already what became of it
	}
	was := m.members.Version
	m.expect(next)
	if m.members.Version != was {
		tell := m.members
		out.Members = &tell
	}
	m.reckon(out)
}

// settle makes a reconfiguration that is committed the valid one, and what only waited
// for the old voters is committed with it.
func (m *Machine) settle(out *Output) {
	if m.next == nil || m.commit < m.next.Version {
		return
	}
	m.activate(out)
	if m.leading != nil && m.phase == Broadcast {
		if z := m.quorumAcked(); z > m.commit {
			m.commit = z
		}
		m.stepAside(out)
	}
}

func (m *Machine) activate(out *Output) {
	m.members, m.next = *m.next, nil
	m.stats.Reconfigured++
	tell := m.members
	out.Members = &tell
	m.reckon(out)
}

// learnMembers takes over members that another server knows to be committed (Z-60). It
// reports whether they were news.
func (m *Machine) learnMembers(now *Members, out *Output) bool {
	if now == nil || now.Version <= m.members.Version {
		return false
	}
	m.members = *now
	if m.next != nil && m.next.Version <= now.Version {
		m.next = nil
	}
	tell := m.members
	out.Members = &tell
	m.reckon(out)
	return true
}

// forgetMembers forgets a reconfiguration that a truncation has removed (Z-52).
func (m *Machine) forgetMembers(behind core.Zxid, out *Output) {
	if m.next != nil && m.next.Version > behind {
		m.next = nil
		m.reckon(out)
	}
}

func (m *Machine) setVoters() {
	m.voters = quorum.Majority(m.members.Voters)
	if m.next != nil {
		m.voters = quorum.Joint{Old: quorum.Majority(m.members.Voters), New: quorum.Majority(m.next.Voters)}
	}
}

// reckon has the roles follow a change of the voters.
func (m *Machine) reckon(out *Output) {
	m.setVoters()
	switch {
	case m.leading != nil:
		m.leading.reckon(m)
	case m.following != nil:
		m.role = m.roleOfLearner()
		if m.following.acked != 0 {
			m.ackDurable(out)
		}
	}
}

// followed reports whether some servers are a quorum that a leader may have, which
// knows of a pending reconfiguration or does not. Whom to follow is a matter of finding
// the leader; what keeps two from leading is what is promised.
func (m *Machine) followed(have quorum.Set) bool {
	return quorum.Majority(m.members.Voters).HasQuorum(have) ||
		m.next != nil && quorum.Majority(m.next.Voters).HasQuorum(have)
}

func (m *Machine) roleOfLearner() Role {
	if m.isVoter(m.cfg.Self) {
		return Following
	}
	return Observing
}

// reckon sorts the learners anew into those who vote and those who do not.
func (l *leading) reckon(m *Machine) {
	for _, p := range l.learners {
		switch voter := m.isVoter(p.peer); {
		case voter && p.observer:
			p.observer = false
			// It has accepted the epoch with its whole history, or will say so.
			if p.voteable && p.acked >= core.MakeZxid(l.epoch, 0) && l.epoch != 0 {
				l.acks.Add(p.peer)
			}
		case !voter && !p.observer:
			p.observer = true
			delete(m.acked, p.peer)
			l.acks.Remove(p.peer)
		}
	}
}

// stepAside begins to hand the leadership over when this server votes no more.
func (m *Machine) stepAside(out *Output) {
	if !m.isVoter(m.cfg.Self) && m.Ready() {
		m.Transfer(0, out)
	}
}

// membersTextMax bounds Members.Text.
const membersTextMax = 256 << 10
