package tree

import (
	"slices"
	"sync/atomic"

	"github.com/zensus-io/zensus/core"
)

// View is the whole tree as it was when Tree.View was called. One goroutine at a
// time may read it, whatever the tree's owner does meanwhile.
type View struct {
	space
	count    int
	dataSize int64
	digest   uint64
	epoch    uint64
	closed   atomic.Bool
	owned    []uint32 // slots of sessions by id, once somebody asked
}

// View freezes the tree for another goroutine. It costs a copy of the tables of
// pages, and until the view is closed a copy of each page on its first change;
// data is not overwritten and garbage not given back. Close it soon.
func (t *Tree) View() *View {
	t.epochs.poll()
	v := &View{
		space: space{
			nodes:  t.nodes.frozen(),
			mods:   t.mods.frozen(),
			dirs:   t.dirs.frozen(),
			owners: t.owners.frozen(),
			acls:   t.acls.frozen(),
			chunks: slices.Clone(t.chunks),
		},
		count:    t.count,
		dataSize: t.dataSize,
		digest:   t.Digest(),
		epoch:    t.epochs.now,
	}
	t.epochs.newest = t.epochs.now
	t.epochs.now++
	t.epochs.views = append(t.epochs.views, v)
	return v
}

// Close ends the view; nothing that it returned may be used any more. It may be
// called from any goroutine, and more than once.
func (v *View) Close() { v.closed.Store(true) }

// Count is Tree.Count at that moment.
func (v *View) Count() int { return v.count + 1 }

// DataSize is Tree.DataSize at that moment.
func (v *View) DataSize() int64 { return v.dataSize }

// Digest is Tree.Digest at that moment.
func (v *View) Digest() uint64 { return v.digest }

// Ephemerals visits the ephemeral znodes of a session in the order of their
// creation until yield returns false.
func (v *View) Ephemerals(session core.SessionID, yield func(r Ref) bool) {
	if v.owned == nil {
		v.owned = v.sessions()
	}
	i, ok := slices.BinarySearchFunc(v.owned, int64(session), func(slot uint32, id int64) int {
		switch own := v.owners.get(slot).id; {
		case own < id:
			return -1
		case own > id:
			return 1
		}
		return 0
	})
	if ok {
		v.ephemeralsOf(v.owned[i], yield)
	}
}
