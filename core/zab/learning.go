package zab

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/wire"
)

// following is the part of a server that follows or observes a leader.
type following struct {
	leader   core.PeerID
	stream   Stream
	epoch    core.Epoch // 0 until it is told
	accepted bool       // the promise is durable and made
	counted  bool       // the promise is a new one
	snapping Position   // of the snapshot that is being installed
	synced   bool       // told where its log goes on
	marker   core.Zxid  // 0 until NEWLEADER
	before   core.Zxid  // up to where the log was not queued: it is read from the disk
	hint     core.Zxid  // what the records that came know to be committed
	acked    core.Zxid  // what the leader was told to be durable; 0 before the epoch is accepted
	upToDate bool
	vouches  core.Zxid // up to where the log is to be durable before it is vouched for
	askAt    int64
	heard    int64
}

// askMillis is the pause between two requests to be taken in by a leader that may
// not know yet that it is one (Z-26).
const askMillis = 100

// follow enters the role of a learner.
func (m *Machine) follow(leader core.PeerID, out *Output) {
	m.role, m.phase = m.roleOfLearner(), Discovery
	m.following = &following{
		leader: leader, stream: Stream(m.generation), heard: m.now, askAt: m.now,
	}
	m.ask(out)
}

// ask asks the leader to be taken in, until it answers (Z-26).
func (m *Machine) ask(out *Output) {
	f := m.following
	if f.epoch != 0 || m.now < f.askAt || !m.linked(f.leader) {
		return
	}
	f.askAt = m.now + askMillis
	m.send(out, f.leader, FollowerInfo{
		Stream: f.stream, Accepted: m.epochs.Accepted, Observer: m.role == Observing, Voteable: m.epochs.Voteable,
	})
}

// fromLeader returns the own part if a message belongs to it (Z-18).
func (m *Machine) fromLeader(from core.PeerID, s Stream) *following {
	f := m.following
	if f == nil || f.leader != from || f.stream != s {
		return nil
	}
	f.heard = m.now
	return f
}

// leaderInfo promises the leader's epoch, if no later one is promised (Z-27).
func (m *Machine) leaderInfo(f *following, in LeaderInfo, out *Output) {
	switch {
	case f.epoch != 0:
		return
	case in.Epoch < m.epochs.Accepted:
		m.abandon(out)
		return
	}
	f.epoch = in.Epoch
	f.counted = in.Epoch > m.epochs.Accepted
	if !f.counted && !m.doubtful { // of whom the disk has to say so before it has what vouches for it
		m.ackTheEpoch(out)
		return
	}
	m.epochs.Accepted = in.Epoch
	m.writeEpochs(out)
}

func (m *Machine) ackTheEpoch(out *Output) {
	f := m.following
	f.accepted = true
	m.phase = Synchronization
	base := m.base
	if m.doubtful {
		base = m.logged + 1 // nothing behind any of it is of use: only a snapshot is
	}
	m.send(out, f.leader, AckEpoch{
		Stream: f.stream, Counted: f.counted, Current: m.epochs.Current,
		Last: m.logged, Chain: m.chain, Base: base, Epochs: m.epochTable(), Have: m.partial,
	})
}

// learnerEpochsSynced goes on when the promise or the acceptance is durable.
func (m *Machine) learnerEpochsSynced(out *Output) {
	f := m.following
	if !f.accepted && f.epoch != 0 && m.synced.Accepted == f.epoch {
		m.ackTheEpoch(out)
		return
	}
	if f.upToDate {
		m.send(out, f.leader, Vouch{Stream: f.stream})
		return
	}
	m.acceptEpoch(out)
}

// trunc removes what the leader does not have. It is in the log and was never
// committed.
func (m *Machine) trunc(f *following, in Trunc, out *Output) {
	if !f.accepted || f.synced || in.Keep > m.logged || in.Keep < m.base {
		m.abandon(out)
		return
	}
	f.synced, m.lastSync = true, SyncTrunc
	m.forgetPartial(out)
	m.logged, m.durable, m.chain = in.Keep, in.Keep, in.Chain
	m.cutEnds()
	m.recent.cut(in.Keep)
	m.forgetMembers(in.Keep, out)
	m.truncating = true
	out.Truncate = &Position{Zxid: in.Keep, Chain: in.Chain}
}

// Truncated learns that the log ends where Output.Truncate said, durably.
func (m *Machine) Truncated(out *Output) {
	check.That(m.truncating, "zab: truncated without being asked")
	m.truncating = false
	m.drained(out)
}

func (m *Machine) diff(f *following, in Diff, out *Output) {
	if !f.accepted || f.synced || in.After != m.logged {
		m.abandon(out)
		return
	}
	f.synced, m.lastSync = true, SyncDiff
	m.forgetPartial(out)
}

// snap passes on a part of a snapshot: the first, or the one behind those that the disk
// was given, of this stream or of one that broke off.
func (m *Machine) snap(f *following, in Snap, out *Output) {
	if !f.accepted || f.synced || m.installing.Zxid != 0 || f.snapping.Zxid != 0 && f.snapping != in.At || in.At.Zxid == 0 || in.ID == 0 {
		m.abandon(out)
		return
	}
	if in.Part == 0 {
		m.partial = Partial{ID: in.ID, At: in.At}
	}
	if m.partial != (Partial{ID: in.ID, At: in.At, Parts: in.Part}) {
		m.abandon(out)
		return
	}
	m.partial.Parts++
	f.snapping = in.At
	if in.Last {
		m.installing, m.partial = in.At, Partial{}
	}
	out.Install = append(out.Install, in)
}

// forgetPartial gives up what has come of a snapshot.
func (m *Machine) forgetPartial(out *Output) {
	if m.partial != (Partial{}) {
		m.partial = Partial{}
		out.Install = append(out.Install, Snap{})
	}
}

// SnapshotInstalled learns that the log begins anew behind a snapshot, durably.
// members are those that it holds, nil if it says nothing of them.
func (m *Machine) SnapshotInstalled(at Position, members *Members, out *Output) {
	check.That(m.installing == at && at.Zxid != 0, "zab: no snapshot at %v was asked for", at.Zxid)
	m.installing, m.doubtful = Position{}, false
	m.base, m.logged, m.durable, m.chain = at.Zxid, at.Zxid, at.Zxid, at.Chain
	m.ends = nil
	m.recent = recent{most: m.cfg.RecentBytes, before: at.Zxid}
	m.commit = max(m.commit, at.Zxid) // only committed state is snapshotted (Z-10)
	m.next = nil
	if !m.learnMembers(members, out) {
		m.reckon(out)
	}
	if m.draining {
		m.drained(out)
		return
	}
	f := m.following
	f.snapping, f.synced, m.lastSync = Position{}, true, SyncSnap
	m.send(out, f.leader, Installed{Stream: f.stream, Zxid: at.Zxid})
}

// newLeader accepts the epoch when the history that it begins with is durable:
// first the log with the marker, then the epoch, then the answer (Z-37).
func (m *Machine) newLeader(f *following, in NewLeader, out *Output) {
	z := in.Marker.Zxid
	if !f.synced || f.marker != 0 || z != core.MakeZxid(f.epoch, 0) || in.Marker.Kind != wire.RecordEpoch {
		m.abandon(out)
		return
	}
	if z > m.logged {
		if in.Marker.PrevChain != m.chain {
			m.abandon(out)
			return
		}
		m.appendAs(out, in.Marker)
	}
	f.hint = max(f.hint, in.Marker.CommitHint)
	f.marker, f.before = z, m.logged
	m.acceptEpoch(out)
}

// acceptEpoch goes on from what has become durable: when the history that the
// epoch begins with has, the epoch becomes the current one, and when that is
// durable, the leader is told.
func (m *Machine) acceptEpoch(out *Output) {
	f := m.following
	switch {
	case f.marker == 0 || f.acked != 0 || m.durable < f.marker:
	case m.epochs.Current < f.epoch:
		m.epochs.Current = f.epoch // Z-02: after the history it vouches for
		m.writeEpochs(out)
	case m.synced.Current == f.epoch:
		m.vote = Vote{Leader: f.leader, Epoch: f.epoch, Zxid: f.marker}
		f.acked = f.marker
		m.send(out, f.leader, Ack{Stream: f.stream, Zxid: f.marker})
		m.ackDurable(out)
	}
}

// proposed logs what the leader sends, and learns what is committed.
func (m *Machine) proposed(f *following, in Propose, out *Output) {
	if len(in.Records) > 0 && !f.synced {
		m.abandon(out)
		return
	}
	for i := range in.Records {
		r := &in.Records[i]
		if !follows(m.logged, r.Zxid) || r.PrevChain != m.chain {
			m.abandon(out) // Z-44
			return
		}
		m.appendAs(out, *r)
		f.hint = max(f.hint, r.CommitHint)
		if f.marker != 0 {
			m.queue = append(m.queue, Proposal{
				Zxid: r.Zxid, Kind: r.Kind, Payload: r.Payload, Chain: m.chain,
				CommitHint: r.CommitHint, DigestVersion: r.DigestVersion, TreeDigest: r.TreeDigest,
			})
		}
	}
	if in.Committed > m.logged {
		m.abandon(out) // Z-49
		return
	}
	if m.phase != Broadcast {
		m.dropQueue(m.Known()) // TakeFromLog will tell of that and more
	}
	if f.upToDate {
		m.commit = max(m.commit, in.Committed)
		m.arrive()
	}
}

// upToDate begins broadcast when everything up to the zxid told is here: that is
// committed, and some of it may still be on its way.
func (m *Machine) upToDate(f *following, in UpToDate, out *Output) {
	if f.acked == 0 {
		m.abandon(out)
		return
	}
	f.upToDate = true
	f.vouches = in.Committed
	m.commit = max(m.commit, in.Committed)
	m.vouchFor(out)
	m.arrive()
}

// vouchFor has the disk say that this server has a history to vouch for (Z-14). Not before
// it has all of it that was committed: among that may be who the members are, and an
// acknowledgement of this server that it has lost may have counted for it.
func (m *Machine) vouchFor(out *Output) {
	if f := m.following; f.upToDate && !m.epochs.Voteable && m.durable >= f.vouches {
		m.epochs.Voteable = true
		m.writeEpochs(out)
	}
}

// arrive enters broadcast when what UPTODATE named is durable here, and what the log
// held before, perhaps in this very epoch, is committed: from there on proposals are
// in the queue (Z-40).
func (m *Machine) arrive() {
	f := m.following
	if f == nil || !f.upToDate || m.phase == Broadcast || m.durable < m.commit || m.commit < f.before {
		return
	}
	m.phase = Broadcast
	m.commit = max(m.commit, m.Known())
}

// Known is the highest zxid that is durable here and known to be committed while a
// learner is not in step yet; 0 is none. It rests on what the records themselves say that
// was committed when they were proposed, and stays so, whoever leads. It is 0 while the
// disk removes the end of the log: who reads beside that may find that it is gone.
func (m *Machine) Known() core.Zxid {
	f := m.following
	if f == nil || !f.synced || m.truncating {
		return 0
	}
	return min(f.hint, m.durable)
}

// ackDurable tells the leader how far the log is durable (I7, I9), and that of an epoch
// only when the epoch is accepted (Z-38).
func (m *Machine) ackDurable(out *Output) {
	f := m.following
	switch {
	case f.acked == 0 && f.synced || m.role == Observing:
		m.send(out, f.leader, Progress{Stream: f.stream, Zxid: m.durable})
	case f.acked != 0 && m.durable > f.acked:
		f.acked = m.durable
		m.send(out, f.leader, Ack{Stream: f.stream, Zxid: m.durable})
	}
}

// elect votes for the successor that the leader names.
func (m *Machine) elect(f *following, in Elect, out *Output) {
	if f.upToDate && m.mayStand(in.Vote.Leader) {
		m.named = in.Vote
	}
	m.planned = true
	m.look(out)
}

func (m *Machine) pinged(f *following, in Ping, out *Output) {
	m.send(out, f.leader, Pong{Stream: f.stream, Nonce: in.Nonce, Durable: m.durable})
}

// abandon gives up a leader that said what it must not, or what this server cannot
// follow.
func (m *Machine) abandon(out *Output) {
	check.That(m.following != nil, "zab: nobody to abandon")
	m.stats.Abandoned++
	m.calmUntil = m.now + calmMillis
	m.send(out, m.following.leader, Leave{Stream: m.following.stream})
	m.look(out)
}

// learnTick asks again, and gives up a leader that says nothing.
func (m *Machine) learnTick(out *Output) {
	f := m.following
	if f == nil {
		return
	}
	m.ask(out)
	limit := m.cfg.SyncTicks
	if f.acked == 0 {
		limit = m.cfg.InitTicks
	}
	if m.now-f.heard > limit*m.cfg.TickMillis {
		m.abandon(out)
	}
}

// follows reports whether a record at z may stand behind one at last (I5).
func follows(last, z core.Zxid) bool {
	return z == last+1 && z.Epoch() == last.Epoch() || z > last && z.Counter() == 0
}
