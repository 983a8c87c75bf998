package zab

import (
	"fmt"
	"math"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/wire"
)

// Role is what a server does in the ensemble.
type Role uint8

// The roles, under the names that the protocol gives them.
const (
	Looking Role = iota
	Leading
	Following
	Observing
)

// String is the name in capitals.
func (r Role) String() string {
	return [...]string{"LOOKING", "LEADING", "FOLLOWING", "OBSERVING"}[r]
}

// Phase is how far a role has come.
type Phase uint8

// The phases in order.
const (
	Election Phase = iota
	Discovery
	Synchronization
	Broadcast
)

// String is the name in lower case.
func (p Phase) String() string {
	return [...]string{"election", "discovery", "synchronization", "broadcast"}[p]
}

// Machine is one server's part in the protocol.
type Machine struct {
	cfg     Config
	members Members         // as they are committed
	next    *Members        // a reconfiguration in the log that is not known to be
	voters  quorum.Verifier // of both
	now     int64           // monotonic milliseconds
	links   quorum.Set

	role  Role
	phase Phase
	// generation counts roles: disk jobs carry it, and a late answer to an
	// earlier role is dropped (Z-67).
	generation uint64
	round      uint64     // of elections; volatile
	vote       Vote       // whom this server follows, or what it was elected with
	named      Vote       // whom the last leader named to follow it
	calmUntil  int64      // nobody is followed before: the last one did not take this server
	reachUntil int64      // nobody is voted for before who is not linked: one was not reached
	renewed    int64      // when renew last handed over; 0 is never
	surpassed  core.Epoch // the latest that a server has promised which this one had to refuse
	draining   bool       // the disk still works for the last role
	lastSync   SyncKind
	planned    bool   // the role that is about to end has left nothing undecided
	unplanned  uint64 // counts the roles in broadcast that ended otherwise
	looking    *looking
	leading    *leading
	following  *following

	epochs  Epochs // as this server means them to be
	written Epochs // of the meta record that is under way
	synced  Epochs // of the one that is durable

	fresh        bool // nothing was logged before this start
	doubtful     bool // only the state of a leader is of use (Durable.Doubtful)
	base         core.Zxid
	logged       core.Zxid
	chain        uint64
	ends         []EpochEnd // of the epochs before that of logged
	durable      core.Zxid
	partial      Partial  // of a snapshot that the disk was given the beginning of
	installing   Position // of the snapshot that the disk has all of
	truncating   bool     // the disk is at it
	recent       recent
	markerRecord wire.Record // of the epoch that this server leads

	acked    map[core.PeerID]core.Zxid // of voters, the own included
	commit   core.Zxid
	queue    []Proposal // logged in this role, not yet taken
	head     int
	advances bool // the counter is near its end: no proposals until a new epoch
	stats    Stats
}

// New makes a machine in the state LOOKING.
func New(cfg Config, d Durable) (*Machine, error) {
	cfg.fill()
	if len(cfg.Voters) == 0 {
		return nil, fmt.Errorf("zab: an ensemble of no voters")
	}
	m := &Machine{cfg: cfg, members: Members{Voters: quorum.Of(cfg.Voters...)}}
	m.recoverMembers(d)
	if m.members.Voters.Len() == 1 && !m.members.Voters.Has(cfg.Self) && !cfg.Several {
		return nil, fmt.Errorf("zab: observers alone: the only voter is %d", cfg.Voters[0])
	}
	if d.Fresh && m.Alone() {
		d.Voteable = true
	}
	if !d.Voteable && m.Alone() {
		return nil, fmt.Errorf("zab: the log is damaged and there is no other server to repair it from; `zensus data verify` on the directory says where")
	}
	if d.Doubtful && !m.Alone() {
		d.Voteable, m.doubtful = false, true
	}
	if d.AcceptedEpoch < d.CurrentEpoch {
		return nil, fmt.Errorf("zab: accepted epoch %d is below current epoch %d", d.AcceptedEpoch, d.CurrentEpoch)
	}
	if d.AcceptedEpoch >= math.MaxUint32-15 {
		return nil, fmt.Errorf("zab: epochs are used up at %d", d.AcceptedEpoch)
	}
	e := Epochs{Accepted: d.AcceptedEpoch, Current: d.CurrentEpoch, Voteable: d.Voteable}
	m.epochs, m.written, m.synced = e, e, e
	m.base, m.logged, m.chain, m.durable = d.Base, d.LastLogged, d.LastChain, d.LastLogged
	m.recent = recent{most: cfg.RecentBytes, before: d.LastLogged}
	m.acked = make(map[core.PeerID]core.Zxid)
	m.fresh = d.Fresh
	for _, end := range d.Epochs {
		if end.Last.Epoch() != d.LastLogged.Epoch() {
			m.addEnd(end)
		}
	}
	return m, nil
}

// At tells the time, in monotonic milliseconds, of what is told next.
func (m *Machine) At(now int64) { m.now = now }

// Start begins the first election. One voter's own vote decides it.
func (m *Machine) Start(out *Output) {
	check.That(m.role == Looking && m.generation == 0, "zab: started twice")
	m.look(out)
}

// Tick lets time pass.
func (m *Machine) Tick(out *Output) {
	m.lookTick(out)
	m.leadTick(out)
	m.learnTick(out)
}

// endRole leaves the role that the server has: nothing of it lives on but what is
// on the disk, or under way to it.
func (m *Machine) endRole(out *Output) {
	if m.leading != nil {
		for _, p := range m.leading.sorted() {
			m.send(out, p.peer, Leave{Stream: p.stream})
		}
	}
	m.looking, m.leading, m.following = nil, nil, nil
	m.markerRecord = wire.Record{}
	m.queue, m.head, m.advances = nil, 0, false
	clear(m.acked)
}

func (m *Machine) writeEpochs(out *Output) {
	m.written = m.epochs
	e := m.epochs
	out.Epochs = &e
}

// EpochsSynced learns that the epochs of the last Output survive a crash.
func (m *Machine) EpochsSynced(generation uint64, out *Output) {
	if generation != m.generation {
		return
	}
	m.synced = m.written
	switch {
	case m.draining:
		m.drained(out)
	case m.leading != nil:
		m.leaderEpochsSynced(out)
	case m.following != nil:
		m.learnerEpochsSynced(out)
	default:
		m.lookerEpochsSynced(out)
	}
	m.pump(out)
}

// marker is the payload of an epoch record: who leads, and the history it begins
// with (D-3).
func (m *Machine) marker() []byte {
	b := append(make([]byte, 0, 24), byte(m.cfg.Self))
	b = wire.AppendLong(b, int64(m.logged))
	return wire.AppendLong(b, int64(m.chain))
}

// append puts a record of this leader behind the log.
func (m *Machine) append(out *Output, r wire.Record) {
	if !follows(m.logged, r.Zxid) {
		check.Fail("zab: record %v does not follow %v", r.Zxid, m.logged)
	}
	r.CommitHint = m.commit
	r.PrevChain = m.chain
	m.appendAs(out, r)
}

// appendAs puts a record behind the log as it is. It has been checked to follow.
func (m *Machine) appendAs(out *Output, r wire.Record) {
	if r.Zxid.Epoch() != m.logged.Epoch() && m.logged != 0 {
		m.addEnd(EpochEnd{Last: m.logged, Chain: m.chain})
	}
	m.logged = r.Zxid
	m.chain = r.Seal()
	if r.Kind == wire.RecordEpoch {
		m.markerRecord = r
	}
	out.Append = append(out.Append, r)
	if m.cfg.Several || !m.Alone() {
		m.recent.add(r, m.durable)
	}
	m.logMembers(&r, out)
}

// epochsMax bounds how many epochs a server tells of, beside the one that its log ends in.
const epochsMax = 64

// addEnd notes where an epoch ends, and forgets the oldest of too many.
func (m *Machine) addEnd(end EpochEnd) {
	m.ends = append(m.ends, end)
	if len(m.ends) > epochsMax {
		m.ends = append(m.ends[:0], m.ends[1:]...)
	}
}

// epochTable lists where the epochs of the log end, oldest first.
func (m *Machine) epochTable() []EpochEnd {
	if m.logged == 0 {
		return nil
	}
	return append(append([]EpochEnd(nil), m.ends...), EpochEnd{Last: m.logged, Chain: m.chain})
}

// cutEnds forgets the epochs that a truncation has removed.
func (m *Machine) cutEnds() {
	for len(m.ends) > 0 && m.ends[len(m.ends)-1].Last.Epoch() >= m.logged.Epoch() {
		m.ends = m.ends[:len(m.ends)-1]
	}
}

// Synced learns that every record up to and including upTo survives a crash.
// Only now may this server acknowledge it (I7).
func (m *Machine) Synced(generation uint64, upTo core.Zxid, out *Output) {
	if generation != m.generation || upTo <= m.durable {
		return // of an earlier role, or a slower one that finished late
	}
	check.That(upTo <= m.logged, "zab: durable up to %v, logged only to %v", upTo, m.logged)
	m.durable = upTo
	switch {
	case m.draining:
		m.drained(out)
	case m.leading != nil:
		m.leaderSynced(out)
	case m.following != nil:
		m.acceptEpoch(out)
		m.ackDurable(out)
		m.vouchFor(out)
		m.arrive()
	}
	m.pump(out)
}

// leaderSynced counts the own disk.
func (m *Machine) leaderSynced(out *Output) {
	if m.phase == Synchronization {
		if m.durable == core.MakeZxid(m.leading.epoch, 0) && m.epochs.Current < m.leading.epoch {
			m.epochs.Current = m.leading.epoch // Z-02: after the history it vouches for
			m.writeEpochs(out)
		}
		return
	}
	m.ackedBy(m.cfg.Self, m.durable)
	m.handOver(out)
	if m.leading != nil {
		m.advance(out)
	}
}

// advance begins a new epoch when the counter of this one is used up and everything
// in it is committed: under a successor, if there is one (zab 11).
func (m *Machine) advance(out *Output) {
	if !m.advances || m.commit != m.logged || m.leading.successor != 0 {
		return
	}
	for _, p := range m.leading.sorted() {
		if m.maySucceed(p) && p.acked == m.logged {
			m.leading.successor, m.leading.handBy = p.peer, m.now+2*m.cfg.TickMillis
			m.handOver(out)
			return
		}
	}
	m.resign(out)
}

// resign ends a leadership that has nothing undecided: all that it proposed is
// committed.
func (m *Machine) resign(out *Output) {
	m.planned = true
	queue, head := m.queue, m.head
	m.look(out)
	m.queue, m.head = queue, head // committed, and still to be applied
}

// quorumAcked is the highest zxid that a quorum of the voters has.
func (m *Machine) quorumAcked() core.Zxid {
	var best core.Zxid
	for _, z := range m.acked {
		if z <= best {
			continue
		}
		var have quorum.Set
		for p, acked := range m.acked {
			if acked >= z {
				have.Add(p)
			}
		}
		if m.voters.HasQuorum(have) {
			best = z
		}
	}
	return best
}

// Ready reports whether proposals are taken.
func (m *Machine) Ready() bool {
	return m.role == Leading && m.phase == Broadcast && !m.advances && m.leading.successor == 0
}

// Room is how many proposals are taken from now on before a new epoch must begin.
func (m *Machine) Room() int {
	if !m.Ready() {
		return 0
	}
	return int(m.cfg.CounterMax - m.logged.Counter())
}

// Next is the zxid that the next proposal will have. Call only when Ready.
func (m *Machine) Next() core.Zxid { return m.logged + 1 }

// Propose puts a transaction into the order, at the zxid that Next told. digest
// is the tree's at the committed zxid, 0 in version where it is not known. It
// returns the zxid. Call only when Ready. What is proposed leaves with Flush.
func (m *Machine) Propose(payload []byte, time int64, digestVersion uint32, digest uint64, out *Output) core.Zxid {
	return m.propose(wire.RecordTxn, payload, time, digestVersion, digest, out)
}

func (m *Machine) propose(kind wire.RecordKind, payload []byte, time int64, digestVersion uint32, digest uint64, out *Output) core.Zxid {
	if !m.Ready() {
		check.Fail("zab: proposal in role %v, phase %v", m.role, m.phase)
	}
	z := m.logged + 1
	m.leading.wants = false
	m.append(out, wire.Record{
		Zxid: z, Kind: kind, Time: time, Payload: payload,
		DigestVersion: digestVersion, TreeDigest: digest,
	})
	m.queue = append(m.queue, Proposal{
		Zxid: z, Kind: kind, Payload: payload, Chain: m.chain,
		CommitHint: m.commit, DigestVersion: digestVersion, TreeDigest: digest,
	})
	if z.Counter() >= m.cfg.CounterMax {
		m.advances = true
	}
	return z
}

// Flush sends the learners what was proposed: many proposals in one message.
func (m *Machine) Flush(out *Output) { m.pump(out) }

// TakeFromLog is up to where the owner takes what is committed from the log, once this role
// broadcasts: much of it was there before. TakeCommitted goes on behind it.
func (m *Machine) TakeFromLog() core.Zxid {
	upTo := min(m.commit, m.durable)
	m.dropQueue(upTo)
	return upTo
}

// TakeCommitted returns the next proposal that is committed and durable here, in
// order, behind what TakeFromLog told.
func (m *Machine) TakeCommitted() (Proposal, bool) {
	if m.head == len(m.queue) || m.queue[m.head].Zxid > min(m.commit, m.durable) {
		return Proposal{}, false
	}
	p := m.queue[m.head]
	m.queue[m.head] = Proposal{}
	m.head++
	m.trimQueue()
	return p, true
}

// trimQueue gives the memory of what has left the queue to what comes.
func (m *Machine) trimQueue() {
	if m.head == len(m.queue) {
		m.queue, m.head = m.queue[:0], 0
	} else if m.head >= 1024 && m.head > len(m.queue)/2 {
		n := copy(m.queue, m.queue[m.head:])
		clear(m.queue[n:])
		m.queue, m.head = m.queue[:n], 0
	}
}

// dropQueue forgets the proposals up to a zxid.
func (m *Machine) dropQueue(upTo core.Zxid) {
	for m.head < len(m.queue) && m.queue[m.head].Zxid <= upTo {
		m.queue[m.head] = Proposal{}
		m.head++
	}
	m.trimQueue()
}

// Role is what the machine is now.
func (m *Machine) Role() Role { return m.role }

// Phase is how far the role has come.
func (m *Machine) Phase() Phase { return m.phase }

// Settled reports whether the disk has done all that the last role asked for.
func (m *Machine) Settled() bool { return !m.draining }

// Epoch is the current epoch.
func (m *Machine) Epoch() core.Epoch { return m.epochs.Current }

// Epochs are the accepted and the current epoch.
func (m *Machine) Epochs() Epochs { return m.epochs }

// Unplanned counts the roles in broadcast that ended with something undecided: what a
// server has proposed or forwarded in one may be committed later, or never. While the
// count stays, the roles ended by a hand-over (Z-63): all that their leaders had
// proposed is committed, and a later leader's history begins with it.
func (m *Machine) Unplanned() uint64 { return m.unplanned }

// Generation counts roles; disk jobs carry it.
func (m *Machine) Generation() uint64 { return m.generation }

// Leader is whom this server follows, itself if it leads; 0 is nobody.
func (m *Machine) Leader() core.PeerID {
	switch {
	case m.leading != nil:
		return m.cfg.Self
	case m.following != nil:
		return m.following.leader
	}
	return 0
}

// Committed is the highest zxid known to be committed.
func (m *Machine) Committed() core.Zxid { return m.commit }

// Logged is the zxid of the last appended record.
func (m *Machine) Logged() core.Zxid { return m.logged }

// Durable is the zxid of the last record that survives a crash.
func (m *Machine) Durable() core.Zxid { return m.durable }

// Recent lists records of the log behind after, up to upTo and of about as many bytes,
// one at least, if memory still holds the first of them.
func (m *Machine) Recent(after, upTo core.Zxid, bytes int) ([]wire.Record, bool) {
	return m.recent.after(after, upTo, bytes)
}

// Chain is the chain hash at Logged.
func (m *Machine) Chain() uint64 { return m.chain }

// LastSync is how this server came to a leader's history last.
func (m *Machine) LastSync() SyncKind { return m.lastSync }

// Links is who is linked.
func (m *Machine) Links() quorum.Set { return m.links }

// Learners are those that follow or observe this server, by id.
func (m *Machine) Learners() []LearnerInfo {
	if m.leading == nil {
		return nil
	}
	var list []LearnerInfo
	for _, p := range m.leading.sorted() {
		list = append(list, LearnerInfo{
			Peer: p.peer, Observer: p.observer, Counts: p.counts(), UpToDate: p.upToDate, Snap: p.snapping,
			Sent: p.sent, Acked: p.acked, HeardAgo: m.now - p.heard,
		})
	}
	return list
}

// Stranger counts a message or link of a peer that is no member, which was dropped.
func (m *Machine) Stranger() { m.stats.Strangers++ }

// Stats are the counts since the start.
func (m *Machine) Stats() Stats { return m.stats }
