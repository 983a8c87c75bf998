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
	res := &s.result
	res.Header = wire.DecodeTxnHeader(&r)
	res.OpOutcome, res.TimeoutMillis = OpOutcome{}, 0
	res.Multi, res.Effects = emptied(res.Multi), emptied(res.Effects)
	h := &res.Header
	switch h.Op {
	case wire.OpMulti:
		res.Op = wire.OpMulti
		s.applyMulti(&r)
	case wire.OpCreateSession:
		res.Op = h.Op
		res.TimeoutMillis = r.Int()
		s.sessions[h.Session] = res.TimeoutMillis
		s.noteSession(h.Session)
		delete(s.pending.opening, h.Session)
	case wire.OpCloseSession:
		res.Op = h.Op
		s.applyClose(&r)
	default:
		s.applyOne(h.Op, &r, &res.OpOutcome)
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

func (s *State) applyMulti(r *wire.Reader) {
	n := r.Count(8)
	for i := range n {
		sub := wire.DecodeSubTxn(r)
		body := wire.NewReader(sub.Body)
		s.result.Multi = append(s.result.Multi, OpOutcome{})
		s.applyOne(sub.Op, &body, &s.result.Multi[i])
		if body.Err() != nil {
			r.Fail()
			return
		}
	}
}

// applyOne applies an operation of the transaction whose header is in the result,
// and says in o, which is zero, what became of it.
func (s *State) applyOne(op wire.OpCode, r *wire.Reader, o *OpOutcome) {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		var t wire.CreateTxn
		t.Read(r, op)
		if r.Err() == nil {
			o.Op, o.Path = op, wire.View(t.Path)
			s.applyCreate(&t, o)
		}
	case wire.OpDelete, wire.OpDeleteContainer:
		path := r.Bytes()
		o.Op = op
		if r.Err() == nil {
			s.applyDelete(wire.View(path))
		}
	case wire.OpSetData, wire.OpReconfig:
		t := wire.DecodeSetDataTxn(r)
		if r.Err() == nil {
			o.Op, o.Path = op, wire.View(t.Path)
			s.applySetData(&t, o)
		}
	case wire.OpSetACL:
		t := wire.DecodeSetACLTxn(r)
		if r.Err() != nil {
			return
		}
		o.Op, o.Path = op, wire.View(t.Path)
		if ref := s.tree.Find(o.Path); ref != tree.None {
			s.tree.SetACL(ref, t.ACL, t.Version)
			o.Stat = s.tree.Stat(ref)
		}
	case wire.OpCheck:
		wire.DecodePathVersion(r)
		o.Op = op
	case wire.OpError:
		o.Op, o.Err = op, core.Code(r.Int())
	default:
		r.Fail()
	}
}

func (s *State) applyCreate(t *wire.CreateTxn, o *OpOutcome) {
	h := &s.result.Header
	mode := core.Persistent
	if t.Ephemeral {
		mode = core.Ephemeral
	}
	ref, code := s.tree.Create(&tree.Creation{
		Path: o.Path, Data: t.Data, ACL: t.ACL, Owner: ownerOf(o.Op, mode, h.Session, t.TTL),
		ParentCreates: t.ParentCreates, Zxid: h.Zxid, Time: h.Time,
	})
	if code != core.OK { // met again in a replay: nothing new to tell
		return
	}
	s.tree.PutStat(&o.Stat, ref)
	// A zookeeper_stats node has the server's data already; the client is told of its own.
	o.Stat.DataLength = int32(len(t.Data))
	e := s.effect(core.NodeCreated, o.Path)
	e.ACL, e.ParentACL = s.tree.ACL(ref), s.tree.ACL(s.tree.Parent(ref))
	e.Data, e.Stat = t.Data, o.Stat
}

func (s *State) applySetData(t *wire.SetDataTxn, o *OpOutcome) {
	h := &s.result.Header
	ref := s.tree.Find(o.Path)
	if ref == tree.None {
		return
	}
	s.tree.SetData(ref, t.Data, t.Version, h.Zxid, h.Time)
	s.tree.PutStat(&o.Stat, ref)
	e := s.effect(core.NodeDataChanged, o.Path)
	e.ACL, e.Data, e.Stat = s.tree.ACL(ref), t.Data, o.Stat
}

func (s *State) applyDelete(path string) {
	var list, parentList []core.ACL
	if ref := s.tree.Find(path); ref != tree.None {
		list, parentList = s.tree.ACL(ref), s.tree.ACL(s.tree.Parent(ref))
	}
	if s.tree.Delete(path, s.result.Header.Zxid) == core.OK {
		e := s.effect(core.NodeDeleted, path)
		e.ACL, e.ParentACL = list, parentList
	}
}

// applyClose ends a session: the znodes that the transaction lists, and whatever
// else it should still own, go with it.
func (s *State) applyClose(r *wire.Reader) {
	id := s.result.Header.Session
	n := r.Count(4)
	for range n {
		path := r.Bytes()
		if r.Err() != nil {
			return
		}
		s.applyDelete(wire.View(path))
	}
	for _, ref := range s.ephemeralRefs(id) {
		s.applyDelete(string(s.tree.AppendPath(nil, ref)))
	}
	delete(s.sessions, id)
	delete(s.pending.closing, id)
}

// ephemeralRefs lists the applied ephemerals of a session, in order of creation.
func (s *State) ephemeralRefs(id core.SessionID) (refs []tree.Ref) {
	s.tree.Ephemerals(id, func(r tree.Ref) bool {
		refs = append(refs, r)
		return true
	})
	return refs
}

// effect adds an effect to the result. What is returned is valid until the next.
func (s *State) effect(what core.EventType, path string) *Effect {
	list := append(s.result.Effects, Effect{})
	s.result.Effects = list
	e := &list[len(list)-1]
	e.Type, e.Path = what, path
	return e
}

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
