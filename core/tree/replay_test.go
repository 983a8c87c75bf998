package tree

import (
	"bytes"
	"slices"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// TestChangesReplayedOverTheirOwnEffectChangeNothing applies each kind of change
// twice in a row, and then all of them again over the final tree, as a recovery
// does whose snapshot is newer than the log's start. Data, counters, ephemerals,
// usage of quotas: the snapshot holds them all.
func TestChangesReplayedOverTheirOwnEffectChangeNothing(t *testing.T) {
	set := func(path string, data []byte, version int32, z core.Zxid) func(*Tree) {
		return func(tr *Tree) {
			if r := tr.Find(path); r != None {
				tr.SetData(r, data, version, z, int64(z))
			}
		}
	}
	create := func(path string, owner int64, creates int32, z core.Zxid) func(*Tree) {
		return func(tr *Tree) {
			tr.Create(&Creation{Path: path, Data: []byte(path), Owner: owner, ParentCreates: creates, Zxid: z, Time: int64(z), ACL: core.ReadACL()})
		}
	}
	remove := func(path string, z core.Zxid) func(*Tree) { return func(tr *Tree) { tr.Delete(path, z) } }
	changes := []func(*Tree){
		create("/d", 0, 40, 1<<33+1),
		create("/d/e", 5, 1, 1<<33+2),
		create("/d/f", 5, 2, 1<<33+3),
		create("/d/c", ContainerOwner, 3, 1<<33+4),
		create("/d/t", TTLOwner(9), 4, 1<<33+5),
		create("/a/x", 0, 4, 1<<33+6), // /a has a quota
		set("/a/x", []byte("longer than it was before"), 1, 1<<33+7),
		set("/d", nil, 1, 1<<33+8),
		func(tr *Tree) { tr.SetACL(tr.Find("/d"), core.NodeACL(), 1) },
		remove("/d/e", 1<<33+9),
		remove("/d/gone", 1<<33+10),
		create("/nowhere/x", 0, 1, 1<<33+11),
		create("/d/f/below-an-ephemeral", 0, 1, 1<<33+12),
		remove("/a", 1<<33+13), // not empty
	}
	tr := rich(t)
	for i, change := range changes {
		change(tr)
		once := snapshot(t, tr)
		change(tr)
		if !slices.EqualFunc(once, snapshot(t, tr), bytes.Equal) {
			t.Errorf("change %d counted twice", i)
		}
		if err := broken(tr); err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	digest, count := tr.Digest(), tr.Count()
	for _, change := range changes {
		change(tr)
	}
	if tr.Count() != count || tr.Digest() != digest || tr.Find("/d/e") != None {
		t.Errorf("a replay of all led to digest %#x and %d znodes, not %#x and %d", tr.Digest(), tr.Count(), digest, count)
	}
}
