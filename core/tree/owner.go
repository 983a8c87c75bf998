package tree

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/zensus-io/zensus/core"
)

// owner is a session with its ephemeral znodes, the mark of containers, or one
// time to live.
type owner struct {
	id          int64
	bytes       int64 // what the ephemerals' paths take in a closeSession
	count       int32
	first, last Ref // ephemeral, in the order of creation
	nextFree    uint32
}

func (o *owner) next() uint32     { return o.nextFree }
func (o *owner) setNext(i uint32) { o.nextFree = i }

// own gives r, which has no owner, to owner id.
func (t *Tree) own(r Ref, id int64, pathLen int) {
	i, ok := t.ownerSlots[id]
	if !ok {
		i = t.owners.alloc(&t.epochs)
		t.ownerSlots[id] = i
	}
	o := t.owners.mut(&t.epochs, i)
	o.id = id
	o.count++
	t.mutNode(r).owner = i
	if !IsSession(id) {
		t.markReapable(r, true)
		return
	}
	o.bytes += int64(pathLen) + 4
	t.ephemerals++
	d := t.mutDir(r)
	d.before, d.after = o.last, None
	if o.last == None {
		o.first = r
	} else {
		t.mutDir(o.last).after = r
	}
	o.last = r
}

// disown takes r from its owner, if it has one.
func (t *Tree) disown(r Ref, pathLen int) {
	i := t.node(r).owner
	if i == 0 {
		return
	}
	o := t.owners.mut(&t.epochs, i)
	o.count--
	t.mutNode(r).owner = 0
	if IsSession(o.id) {
		o.bytes -= int64(pathLen) + 4
		t.ephemerals--
		d := *t.mutDir(r)
		if d.before == None {
			o.first = d.after
		} else {
			t.mutDir(d.before).after = d.after
		}
		if d.after == None {
			o.last = d.before
		} else {
			t.mutDir(d.after).before = d.before
		}
	} else {
		t.markReapable(r, false)
	}
	if o.count == 0 {
		delete(t.ownerSlots, o.id)
		t.owners.release(&t.epochs, i)
	}
}

// Ephemerals visits the ephemeral znodes of a session in the order of their
// creation until yield returns false. yield may delete the znode it is given.
func (t *Tree) Ephemerals(session core.SessionID, yield func(r Ref) bool) {
	if i, ok := t.ownerSlots[int64(session)]; ok {
		t.ephemeralsOf(i, yield)
	}
}

func (s *space) ephemeralsOf(slot uint32, yield func(r Ref) bool) {
	for r := s.owners.get(slot).first; r != None; {
		next := s.dirs.get(s.node(r).dir).after
		if !yield(r) {
			return
		}
		r = next
	}
}

// EphemeralBytes is what the closeSession of a session would carry: the bytes of
// its ephemerals' paths and 4 for each.
func (t *Tree) EphemeralBytes(session core.SessionID) int {
	if i, ok := t.ownerSlots[int64(session)]; ok {
		return int(t.owners.get(i).bytes)
	}
	return 0
}

// EphemeralOwners visits the sessions that own ephemeral znodes, in the order of
// their ids, with the number of these, until yield returns false.
func (s *space) EphemeralOwners(yield func(id core.SessionID, count int) bool) {
	for _, i := range s.sessions() {
		o := s.owners.get(i)
		if !yield(core.SessionID(o.id), int(o.count)) {
			return
		}
	}
}

// sessions is the slots of all sessions with ephemerals, by id.
func (s *space) sessions() []uint32 {
	var slots []uint32
	for i := uint32(1); i < s.owners.top; i++ {
		if o := s.owners.get(i); o.count > 0 && IsSession(o.id) {
			slots = append(slots, i)
		}
	}
	slices.SortFunc(slots, func(a, b uint32) int { return cmp.Compare(s.owners.get(a).id, s.owners.get(b).id) })
	return slots
}

// ContainerUnusedMillis is how long a container that never had a child is left
// alone.
const ContainerUnusedMillis = 300_000

// Reapable looks at no more than visits containers and TTL znodes behind after in
// the order of their Refs, and yields those that are due at now: a container
// whose last child is gone or that never had one for ContainerUnusedMillis, a TTL
// znode without children that was not written for its time to live. It returns
// the znode to go on after, None when all were seen. The tree must not change
// while it runs, but may between two calls.
func (t *Tree) Reapable(now int64, after Ref, visits int, yield func(r Ref) bool) Ref {
	for r := t.nextReapable(after); r != None; r = t.nextReapable(r) {
		if visits == 0 {
			return r - 1
		}
		visits--
		if t.due(r, now) && !yield(r) {
			return r
		}
	}
	return None
}

func (t *Tree) due(r Ref, now int64) bool {
	if t.NumChildren(r) > 0 {
		return false
	}
	n := t.node(r)
	mtime := n.ctime
	if n.mod != 0 {
		mtime = t.mods.get(n.mod).mtime
	}
	id := t.owners.get(n.owner).id
	if ttl, ok := TTL(id); ok {
		return now-mtime > ttl
	}
	return t.Creates(r) > 0 || now-mtime > ContainerUnusedMillis
}

func (t *Tree) markReapable(r Ref, on bool) {
	w := int(r / 64)
	for w >= len(t.reapable) {
		t.reapable = append(t.reapable, 0)
	}
	if on {
		t.reapable[w] |= 1 << (r % 64)
	} else {
		t.reapable[w] &^= 1 << (r % 64)
	}
}

// nextReapable is the first marked znode behind r.
func (t *Tree) nextReapable(r Ref) Ref {
	r++
	for w := int(r / 64); w < len(t.reapable); w++ {
		word := t.reapable[w]
		if w == int(r/64) {
			word &^= 1<<(r%64) - 1
		}
		if word != 0 {
			return Ref(w*64 + bits.TrailingZeros64(word))
		}
	}
	return None
}
