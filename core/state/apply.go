package state

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/wire"
)

// Effect is one change of a znode that watchers may have to hear of.
type Effect struct {
	Type core.EventType // NodeCreated, NodeDeleted or NodeDataChanged
	Path string
	// ACL is the znode's access list, for a deleted one as it was; ParentACL is
	// its parent's. Both are only set for creations and deletions as far as
	// they are needed.
	ACL, ParentACL []core.ACL
	// Data and Stat are the znode as this change left it; not of one that is gone.
	Data []byte
	Stat core.Stat
}

// OpOutcome is what became of one operation.
type OpOutcome struct {
	Op   wire.OpCode // of the transaction; OpError for a refusal
	Err  core.Code
	Path string
	Stat core.Stat
}

// Result is what a transaction came to. It is valid until the next Apply.
type Result struct {
	Header wire.TxnHeader
	OpOutcome
	Multi []OpOutcome // of a multi, in order
	// Effects lists the changes in the order in which they happened.
	Effects []Effect
	// TimeoutMillis is set for createSession.
	TimeoutMillis int32
}

// Apply brings the state forward by one committed record. Records come in zxid
// order, each once; the payload must never change afterwards. A payload that
// cannot be read breaks an invariant: it was checked when it was prepared and
// again when it was read from disk.
func (s *State) Apply(z core.Zxid, payload []byte) *Result {
	if z <= s.applied {
		check.Fail("state: zxid went back from %v to %v", s.applied, z)
	}
	r := wire.NewReader(payload)
	h := wire.DecodeTxnHeader(&r)
	res := &s.result
	*res = Result{Header: h, Multi: res.Multi[:0], Effects: res.Effects[:0]}
	switch h.Op {
	case wire.OpMulti:
		res.Op = wire.OpMulti
		s.applyMulti(&r, h)
	case wire.OpCreateSession:
		res.Op = h.Op
		res.TimeoutMillis = r.Int()
		s.sessions[h.Session] = res.TimeoutMillis
		s.noteSession(h.Session)
		delete(s.pending.opening, h.Session)
	case wire.OpCloseSession:
		res.Op = h.Op
		s.applyClose(&r, h)
	default:
		res.OpOutcome = s.applyOne(h.Op, &r, h)
	}
	if r.Err() != nil {
		check.Fail("state: transaction %v of type %v is malformed", z, h.Op)
	}
	s.applied = z
	s.settle(z)
	if len(s.pending.ephemerals) > 0 {
		s.settleSession(h.Session, z)
	}
	s.digests.add(z, s.tree.Digest())
	s.sampleDigest(z)
	return res
}

func (s *State) applyMulti(r *wire.Reader, h wire.TxnHeader) {
	n := r.Count(8)
	for range n {
		sub := wire.DecodeSubTxn(r)
		body := wire.NewReader(sub.Body)
		o := s.applyOne(sub.Op, &body, h)
		if body.Err() != nil {
			r.Fail()
			return
		}
		s.result.Multi = append(s.result.Multi, o)
	}
}

func (s *State) applyOne(op wire.OpCode, r *wire.Reader, h wire.TxnHeader) OpOutcome {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		return s.applyCreate(op, r, h)
	case wire.OpDelete, wire.OpDeleteContainer:
		path := r.Bytes()
		if r.Err() == nil {
			s.applyDelete(wire.View(path), h)
		}
		return OpOutcome{Op: op}
	case wire.OpSetData, wire.OpReconfig:
		t := wire.DecodeSetDataTxn(r)
		if r.Err() != nil {
			return OpOutcome{}
		}
		o := OpOutcome{Op: op, Path: wire.View(t.Path)}
		ref := s.tree.Find(o.Path)
		if ref == tree.None {
			return o
		}
		s.tree.SetData(ref, t.Data, t.Version, h.Zxid, h.Time)
		o.Stat = s.tree.Stat(ref)
		s.effect(Effect{Type: core.NodeDataChanged, Path: o.Path, ACL: s.tree.ACL(ref), Data: t.Data, Stat: o.Stat})
		return o
	case wire.OpSetACL:
		t := wire.DecodeSetACLTxn(r)
		if r.Err() != nil {
			return OpOutcome{}
		}
		o := OpOutcome{Op: op, Path: wire.View(t.Path)}
		if ref := s.tree.Find(o.Path); ref != tree.None {
			s.tree.SetACL(ref, t.ACL, t.Version)
			o.Stat = s.tree.Stat(ref)
		}
		return o
	case wire.OpCheck:
		wire.DecodePathVersion(r)
		return OpOutcome{Op: op}
	case wire.OpError:
		return OpOutcome{Op: op, Err: core.Code(r.Int())}
	}
	r.Fail()
	return OpOutcome{}
}

func (s *State) applyCreate(op wire.OpCode, r *wire.Reader, h wire.TxnHeader) OpOutcome {
	t := wire.DecodeCreateTxn(r, op)
	if r.Err() != nil {
		return OpOutcome{}
	}
	o := OpOutcome{Op: op, Path: wire.View(t.Path)}
	mode := core.Persistent
	if t.Ephemeral {
		mode = core.Ephemeral
	}
	ref, code := s.tree.Create(tree.Creation{
		Path: o.Path, Data: t.Data, ACL: t.ACL, Owner: ownerOf(op, mode, h.Session, t.TTL),
		ParentCreates: t.ParentCreates, Zxid: h.Zxid, Time: h.Time,
	})
	if code != core.OK { // met again in a replay: nothing new to tell
		return o
	}
	o.Stat = s.tree.Stat(ref)
	// A zookeeper_stats node has the server's data already; the client is told of its own.
	o.Stat.DataLength = int32(len(t.Data))
	s.effect(Effect{
		Type: core.NodeCreated, Path: o.Path, ACL: s.tree.ACL(ref),
		ParentACL: s.tree.ACL(s.tree.Parent(ref)), Data: t.Data, Stat: o.Stat,
	})
	return o
}

func (s *State) applyDelete(path string, h wire.TxnHeader) {
	e := Effect{Type: core.NodeDeleted, Path: path}
	if ref := s.tree.Find(path); ref != tree.None {
		e.ACL = s.tree.ACL(ref)
		e.ParentACL = s.tree.ACL(s.tree.Parent(ref))
	}
	if s.tree.Delete(path, h.Zxid) == core.OK {
		s.effect(e)
	}
}

// applyClose ends a session: the znodes that the transaction lists, and whatever
// else it should still own, go with it.
func (s *State) applyClose(r *wire.Reader, h wire.TxnHeader) {
	n := r.Count(4)
	for range n {
		path := r.Bytes()
		if r.Err() != nil {
			return
		}
		s.applyDelete(wire.View(path), h)
	}
	for _, ref := range s.ephemeralRefs(h.Session) {
		s.applyDelete(string(s.tree.AppendPath(nil, ref)), h)
	}
	delete(s.sessions, h.Session)
	delete(s.pending.closing, h.Session)
}

// ephemeralRefs lists the applied ephemerals of a session, in order of creation.
func (s *State) ephemeralRefs(id core.SessionID) (refs []tree.Ref) {
	s.tree.Ephemerals(id, func(r tree.Ref) bool {
		refs = append(refs, r)
		return true
	})
	return refs
}

func (s *State) effect(e Effect) { s.result.Effects = append(s.result.Effects, e) }

// digestRing remembers the tree's digest at the latest zxids, so that a record
// that quotes one (wire.Record.TreeDigest) can be compared when it arrives.
type digestRing struct {
	entries [1024]struct {
		zxid   core.Zxid
		digest uint64
	}
	next int
}

func (d *digestRing) add(z core.Zxid, digest uint64) {
	d.entries[d.next%len(d.entries)] = struct {
		zxid   core.Zxid
		digest uint64
	}{z, digest}
	d.next++
}

// at is the digest at z, if it is remembered.
func (d *digestRing) at(z core.Zxid) (uint64, bool) {
	for i := 1; i <= len(d.entries); i++ {
		e := &d.entries[(d.next-i+len(d.entries)*2)%len(d.entries)]
		if e.zxid == z && z != 0 {
			return e.digest, true
		}
		if e.zxid < z {
			break
		}
	}
	return 0, false
}

// DigestAt is the tree's digest when z was applied, if that was within the last
// thousand transactions.
func (s *State) DigestAt(z core.Zxid) (uint64, bool) { return s.digests.at(z) }

// Digest is the tree's digest when Zxid was applied.
type Digest struct {
	Zxid   core.Zxid
	Digest uint64
}

// One transaction in digestEvery leaves its digest behind, the latest
// digestSamples are kept: what ZooKeeper's hash command tells.
const (
	digestEvery   = 128
	digestSamples = 1024
)

func (s *State) sampleDigest(z core.Zxid) {
	if z.Counter()%digestEvery != 0 {
		return
	}
	if len(s.samples) == digestSamples {
		s.samples = append(s.samples[:0], s.samples[digestSamples/2:]...)
	}
	s.samples = append(s.samples, Digest{z, s.tree.Digest()})
}

// Digests lists the digests that were kept, oldest first.
func (s *State) Digests() []Digest { return append([]Digest(nil), s.samples...) }
