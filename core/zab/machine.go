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

// Config describes the ensemble.
type Config struct {
	Self   core.PeerID
	Voters []core.PeerID
	// CounterMax is the counter at which a new epoch begins, before 32 bits run
	// out (zab 11). 0 is 0xfff00000.
	CounterMax uint32
}

const defaultCounterMax = 0xfff00000

// Durable is what the disk holds when the machine starts.
type Durable struct {
	AcceptedEpoch, CurrentEpoch core.Epoch
	LastLogged                  core.Zxid
	LastChain                   uint64
	// Voteable is false after damage in the middle of the log: such a server
	// must be repaired before it counts (Z-04).
	Voteable bool
}

// Epochs is the part of the meta record that the protocol owns.
type Epochs struct {
	Accepted, Current core.Epoch
}

// Output collects what the owner must do. Records are to be appended in order;
// Epochs, when set, are to be made durable after the records of the same output.
type Output struct {
	Append []wire.Record
	Epochs *Epochs
}

// Proposal is a record that was proposed or logged and is not yet applied.
type Proposal struct {
	Zxid    core.Zxid
	Kind    wire.RecordKind
	Payload []byte
	Chain   uint64 // the chain hash after it
}

// Machine is one server's part in the protocol.
type Machine struct {
	cfg    Config
	voters quorum.Majority

	role  Role
	phase Phase
	// generation counts roles: disk jobs carry it, and a late answer to an
	// earlier role is dropped (Z-67).
	generation uint64

	epochs   Epochs
	written  Epochs // of the meta record that is under way
	logged   core.Zxid
	chain    uint64
	durable  core.Zxid
	acked    map[core.PeerID]core.Zxid
	commit   core.Zxid
	queue    []Proposal // proposed in this role, not yet taken
	head     int
	dropped  uint64 // messages of peers that are not members
	advances bool   // the counter is near its end: no proposals until a new epoch
}

// New makes a machine in the state LOOKING. It refuses ensembles that this
// release does not run.
func New(cfg Config, d Durable) (*Machine, error) {
	if cfg.CounterMax == 0 {
		cfg.CounterMax = defaultCounterMax
	}
	if len(cfg.Voters) != 1 || cfg.Voters[0] != cfg.Self {
		return nil, fmt.Errorf("zab: an ensemble of %d voters: this release runs a single server", len(cfg.Voters))
	}
	if !d.Voteable {
		return nil, fmt.Errorf("zab: the log is damaged and there is no other server to repair it from; `zensus data verify` on the directory says where")
	}
	if d.AcceptedEpoch < d.CurrentEpoch {
		return nil, fmt.Errorf("zab: accepted epoch %d is below current epoch %d", d.AcceptedEpoch, d.CurrentEpoch)
	}
	if d.AcceptedEpoch >= math.MaxUint32-15 {
		return nil, fmt.Errorf("zab: epochs are used up at %d", d.AcceptedEpoch)
	}
	return &Machine{
		cfg:    cfg,
		voters: quorum.Majority(quorum.Of(cfg.Voters...)),
		epochs: Epochs{Accepted: d.AcceptedEpoch, Current: d.CurrentEpoch},
		logged: d.LastLogged, chain: d.LastChain, durable: d.LastLogged,
		acked: make(map[core.PeerID]core.Zxid),
	}, nil
}

// Start begins the first election. One voter's own vote decides it.
func (m *Machine) Start(out *Output) {
	check.That(m.role == Looking && m.generation == 0, "zab: started twice")
	m.lead(out)
}

// lead enters the role of the leader: discovery for the epoch after every one
// that a quorum has accepted, which here is the own.
func (m *Machine) lead(out *Output) {
	m.generation++
	m.role, m.phase = Leading, Discovery
	clear(m.acked)
	m.epochs.Accepted = max(m.epochs.Accepted, m.logged.Epoch()) + 1
	m.writeEpochs(out) // Z-01: durable before anybody hears of it
}

func (m *Machine) writeEpochs(out *Output) {
	m.written = m.epochs
	e := m.epochs
	out.Epochs = &e
}

// EpochsSynced learns that the epochs of the last Output survive a crash.
func (m *Machine) EpochsSynced(generation uint64, out *Output) {
	if generation != m.generation || m.role != Leading {
		return
	}
	switch {
	case m.phase == Discovery: // the quorum of one has promised the epoch
		m.phase = Synchronization
		m.append(out, wire.Record{Zxid: core.MakeZxid(m.epochs.Accepted, 0), Kind: wire.RecordEpoch, Payload: m.marker()})
	case m.phase == Synchronization && m.written.Current == m.epochs.Accepted:
		m.ack(m.cfg.Self, m.logged) // the NEWLEADER ack (Z-37: log, then epoch, then ack)
		m.establish()
	}
}

// marker is the payload of an epoch record: who leads, and the history it begins
// with (D-3).
func (m *Machine) marker() []byte {
	b := append(make([]byte, 0, 24), byte(m.cfg.Self))
	b = wire.AppendLong(b, int64(m.logged))
	return wire.AppendLong(b, int64(m.chain))
}

func (m *Machine) append(out *Output, r wire.Record) {
	if r.Zxid != m.logged+1 && (r.Zxid.Counter() != 0 || r.Zxid <= m.logged) {
		check.Fail("zab: record %v does not follow %v", r.Zxid, m.logged)
	}
	r.CommitHint = m.commit
	r.PrevChain = m.chain
	m.logged = r.Zxid
	m.chain = r.Seal()
	out.Append = append(out.Append, r)
}

// Synced learns that every record up to and including upTo survives a crash.
// Only now may this server acknowledge it (I7).
func (m *Machine) Synced(generation uint64, upTo core.Zxid, out *Output) {
	if generation != m.generation || upTo <= m.durable {
		return // of an earlier role, or a slower one that finished late
	}
	check.That(upTo <= m.logged, "zab: durable up to %v, logged only to %v", upTo, m.logged)
	m.durable = upTo
	if m.role != Leading {
		return
	}
	if m.phase == Synchronization {
		if m.durable == core.MakeZxid(m.epochs.Accepted, 0) {
			m.epochs.Current = m.epochs.Accepted // Z-02: after the history it vouches for
			m.writeEpochs(out)
		}
		return
	}
	m.ack(m.cfg.Self, upTo)
	if m.advances && m.commit == m.logged {
		m.advances = false
		m.lead(out)
	}
}

// ack counts an acknowledgement and commits what a quorum now has (Z-46).
func (m *Machine) ack(p core.PeerID, upTo core.Zxid) {
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

// establish begins broadcast: a quorum has the whole history and the epoch.
func (m *Machine) establish() {
	m.phase = Broadcast
	m.commit = m.quorumAcked()
	check.That(m.commit == core.MakeZxid(m.epochs.Current, 0), "zab: established at %v", m.commit)
}

// Ready reports whether proposals are taken.
func (m *Machine) Ready() bool { return m.role == Leading && m.phase == Broadcast && !m.advances }

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
// returns the zxid. Call only when Ready.
func (m *Machine) Propose(payload []byte, time int64, digestVersion uint32, digest uint64, out *Output) core.Zxid {
	if !m.Ready() {
		check.Fail("zab: proposal in role %v, phase %v", m.role, m.phase)
	}
	z := m.logged + 1
	m.append(out, wire.Record{
		Zxid: z, Kind: wire.RecordTxn, Time: time, Payload: payload,
		DigestVersion: digestVersion, TreeDigest: digest,
	})
	m.queue = append(m.queue, Proposal{Zxid: z, Kind: wire.RecordTxn, Payload: payload, Chain: m.chain})
	if z.Counter() >= m.cfg.CounterMax {
		m.advances = true
	}
	return z
}

// TakeCommitted returns the next proposal that is committed, in order. What was
// in the log before this role began is not among them: the owner reads that from
// the disk.
func (m *Machine) TakeCommitted() (Proposal, bool) {
	if m.head == len(m.queue) || m.queue[m.head].Zxid > m.commit {
		return Proposal{}, false
	}
	p := m.queue[m.head]
	m.queue[m.head] = Proposal{}
	m.head++
	if m.head == len(m.queue) {
		m.queue, m.head = m.queue[:0], 0
	} else if m.head >= 1024 && m.head > len(m.queue)/2 {
		n := copy(m.queue, m.queue[m.head:])
		clear(m.queue[n:])
		m.queue, m.head = m.queue[:n], 0
	}
	return p, true
}

// Role is what the machine is now.
func (m *Machine) Role() Role { return m.role }

// Phase is how far the role has come.
func (m *Machine) Phase() Phase { return m.phase }

// Epoch is the current epoch.
func (m *Machine) Epoch() core.Epoch { return m.epochs.Current }

// Epochs are the accepted and the current epoch.
func (m *Machine) Epochs() Epochs { return m.epochs }

// Generation counts roles; disk jobs carry it.
func (m *Machine) Generation() uint64 { return m.generation }

// Committed is the highest zxid known to be committed.
func (m *Machine) Committed() core.Zxid { return m.commit }

// Logged is the zxid of the last appended record.
func (m *Machine) Logged() core.Zxid { return m.logged }

// Durable is the zxid of the last record that survives a crash.
func (m *Machine) Durable() core.Zxid { return m.durable }

// Chain is the chain hash at Logged.
func (m *Machine) Chain() uint64 { return m.chain }

// Stranger counts a message or link of a peer that is no member and drops it.
func (m *Machine) Stranger() { m.dropped++ }
