package state

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

func TestChangesWithOneHashAreToldApartByTheirPath(t *testing.T) {
	var table changes
	table.init()
	made := map[string]*change{}
	for _, path := range []string{"/a", "/b", "/c"} {
		made[path] = table.add(7, path)
	}
	table.add(7+bucketsMin, "/a") // of another hash in the same bucket
	check := func(paths ...string) {
		t.Helper()
		for _, path := range []string{"/a", "/b", "/c", "/d"} {
			want := (*change)(nil)
			for _, p := range paths {
				if p == path {
					want = made[path]
				}
			}
			require.Same(t, want, table.find(7, path), path)
		}
	}
	check("/a", "/b", "/c")
	table.remove(made["/b"])
	check("/a", "/c")
	table.remove(made["/c"])
	check("/a")
	table.remove(made["/a"])
	check()
	require.Equal(t, 1, table.count)
	require.NotNil(t, table.find(7+bucketsMin, "/a"))
}

// Two paths that share a hash are two znodes to whoever prepares.
func TestOutstandingPathsWithOneHashAreNotConfused(t *testing.T) {
	m := newMachine(t, Config{})
	put := func(z core.Zxid, path string, version int32) {
		at := place{hash: 7}
		m.lookHashed(&at, path)
		n := m.touch(z, path, &at, true)
		n.exists, n.version = true, version
	}
	version := func(path string) int32 {
		at := place{hash: 7}
		m.lookHashed(&at, path)
		if !at.exists {
			return -1
		}
		return at.version
	}
	z := m.z
	put(z+1, "/a", 1)
	m.pending.undo = m.pending.undo[:0]
	mark := len(m.pending.queue)
	put(z+2, "/b", 2)
	put(z+2, "/a", 3)
	put(z+2, "/a", 4)
	require.EqualValues(t, []int32{4, 2, -1}, []int32{version("/a"), version("/b"), version("/c")})
	m.rollback(mark)
	require.EqualValues(t, []int32{1, -1}, []int32{version("/a"), version("/b")})
	put(z+3, "/b", 5)
	put(z+4, "/a", 6)
	m.settle(z + 1)
	require.EqualValues(t, []int32{6, 5}, []int32{version("/a"), version("/b")}, "a later transaction keeps it")
	m.settle(z + 3)
	require.EqualValues(t, []int32{6, -1}, []int32{version("/a"), version("/b")})
	m.settle(z + 4)
	require.EqualValues(t, -1, version("/a"))
	require.Zero(t, m.OutstandingCount())
}

// A multi that fails after it went over changes of others, and made some of its
// own, leaves all as it found it: also what it changed twice, deleted or made anew.
func TestFailedMultiLeavesNothingBehind(t *testing.T) {
	m := newMachine(t, Config{})
	m.create("/a", core.Persistent, core.OpenACL())
	m.create("/a/x", core.Persistent, core.OpenACL())
	m.prepare(&Request{Session: alice, Op: wire.OpSetData, Body: wire.AppendSetData(nil, "/a/x", []byte("long"), 0)})
	looks := func() (nodes []node, changed []bool) {
		for _, path := range []string{"/", "/a", "/a/x", "/a/y", "/b"} {
			at := m.at(path)
			nodes, changed = append(nodes, at.node), append(changed, at.change != nil)
		}
		return nodes, changed
	}
	nodes, changed := looks()
	count := m.OutstandingCount()
	m.prepare(&Request{Session: alice, Op: wire.OpMulti, Body: multiBody(
		setPart("/a/x", 1), deletePart("/a/x", 2), createPart(wire.OpCreate, "/a/x", 0, 0), setPart("/a/x", 0),
		createPart(wire.OpCreate, "/a/y", 1, 0), createPart(wire.OpCreate, "/b", 0, 0), deletePart("/b", 0),
		deletePart("/none", 0),
	)})
	after, changedAfter := looks()
	require.Equal(t, nodes, after)
	require.Equal(t, changed, changedAfter)
	require.Equal(t, count, m.OutstandingCount())
	require.Empty(t, m.pending.undo)
	m.applyAll()
	m.settled()
}

// What is outstanding is found whatever was added and removed meanwhile, and a
// burst does not keep its memory.
func TestChangesGrowAndShrinkWithWhatIsUnderWay(t *testing.T) {
	var table changes
	table.init()
	path := func(i int) string { return fmt.Sprint("/", i) }
	hash := func(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 }
	const n = 8 * bucketsKept
	for i := range n {
		table.add(hash(i), path(i)).version = int32(i)
	}
	require.Equal(t, n, table.count)
	require.LessOrEqual(t, n, len(table.buckets), "chains stay short")
	for i := range n {
		require.EqualValues(t, i, table.find(hash(i), path(i)).version)
		if i%16 != 0 {
			table.remove(table.find(hash(i), path(i)))
		}
	}
	for i := range n {
		c := table.find(hash(i), path(i))
		require.Equal(t, i%16 == 0, c != nil)
		if c != nil {
			table.remove(c)
		}
	}
	require.Zero(t, table.count)
	require.Len(t, table.buckets, bucketsKept)
	require.LessOrEqual(t, table.spare, bucketsKept)
	length := 0
	for c := table.free; c != nil; c = c.next {
		require.Empty(t, c.path, "what is free pins no transaction")
		length++
	}
	require.Equal(t, table.spare, length)
}

func TestListsOfABurstAreGivenBack(t *testing.T) {
	require.Equal(t, keptMax, cap(emptied(make([]touched, 3, keptMax))))
	require.Nil(t, emptied(make([]touched, 3, keptMax+1)))
}
