package vfs

import (
	"io/fs"
	"maps"
	"math/rand/v2"
)

// CrashMode says how much of what is unsynced a crash leaves.
type CrashMode uint8

const (
	// CrashProcess ends the process only: the system still holds what was
	// written, but it is no more durable than before.
	CrashProcess CrashMode = iota
	// CrashPowerRandom keeps a random legal subset: each sector, size, creation,
	// rename and removal on its own.
	CrashPowerRandom
	// CrashPowerLose loses all that was not synced.
	CrashPowerLose
	// CrashPowerKeep loses nothing: the power went just after the last writeback.
	CrashPowerKeep
)

// String is the mode in words.
func (m CrashMode) String() string {
	return [...]string{"process", "power-random", "power-lose", "power-keep"}[m]
}

// Crash ends every open file and lock with ErrCrashed and, for a power loss,
// makes what survives the durable state. All randomness comes from rng, drawn in
// an order that depends on the calls made before and on nothing else; rng may be
// nil for the modes that need none.
func (m *Mem) Crash(rng *rand.Rand, mode CrashMode) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.era++
	clear(m.mu.locks)
	if mode == CrashProcess {
		return
	}
	keep := func() bool { return mode == CrashPowerKeep }
	if mode == CrashPowerRandom {
		// One crash keeps nearly all, another nearly nothing: an even coin for each
		// sector would hardly ever leave a long batch whole.
		p := [...]float64{0.1, 0.5, 0.9}[rng.IntN(3)]
		keep = func() bool { return rng.Float64() < p }
	}
	for _, node := range m.mu.nodes {
		if node.dir {
			node.crashDir(keep)
		} else {
			node.crashFile(keep)
		}
	}
	m.dropUnreachableLocked()
}

func (n *memNode) crashFile(keep func() bool) {
	for _, op := range n.writes {
		if op.truncate {
			if keep() {
				op.apply(&n.durable)
			}
			continue
		}
		for off := op.off; off < op.size; {
			end := min(op.size, (off/sectorBytes+1)*sectorBytes)
			if keep() {
				fileOp{off: off, data: op.data[off-op.off : end-op.off]}.apply(&n.durable)
			}
			off = end
		}
	}
	if size := n.now.size; size > n.durable.size && keep() {
		n.durable.truncate(size) // the new size became durable, what belongs there did not
	}
	n.writes = nil
	n.now = n.durable.clone()
}

func (n *memNode) crashDir(keep func() bool) {
	for _, op := range n.changes {
		if keep() {
			op.apply(n.durableEntries)
		}
	}
	n.changes = nil
	n.entries = maps.Clone(n.durableEntries)
}

// dropUnreachableLocked forgets nodes without a name. Only after a crash can no
// file be open any more.
func (m *Mem) dropUnreachableLocked() {
	named := map[*memNode]bool{}
	m.walkLocked(m.mu.root, "/", func(_ string, n *memNode) { named[n] = true })
	kept := m.mu.nodes[:0]
	for _, n := range m.mu.nodes {
		if named[n] {
			kept = append(kept, n)
		}
	}
	clear(m.mu.nodes[len(kept):])
	m.mu.nodes = kept
}

// Flip inverts the bits of mask in one byte of a file, at rest: nobody wrote it
// and no Sync makes it good.
func (m *Mem) Flip(name string, off int64, mask byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.findLocked(name)
	if node == nil || node.dir || off >= node.now.size {
		return pathError("flip", name, fs.ErrNotExist)
	}
	for _, c := range []*content{&node.now, &node.durable} {
		if off < c.size {
			var b [1]byte
			c.read(b[:], off)
			b[0] ^= mask
			c.write(b[:], off)
		}
	}
	return nil
}

// Files lists every file with its size, sorted by name.
func (m *Mem) Files() []FileInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []FileInfo
	m.walkLocked(m.mu.root, "/", func(name string, n *memNode) {
		if !n.dir {
			list = append(list, FileInfo{Name: name, Bytes: n.now.size})
		}
	})
	return list
}

// FileInfo is a file's name and size.
type FileInfo struct {
	Name  string
	Bytes int64
}

// Clone is an independent copy as it is seen now, all of it durable, nothing open.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	c.mu.quota = m.mu.quota
	c.mu.root = c.cloneNode(m.mu.root)
	c.mu.nodes = nil
	c.walkLocked(c.mu.root, "/", func(_ string, n *memNode) { c.mu.nodes = append(c.mu.nodes, n) })
	return c
}

func (m *Mem) cloneNode(n *memNode) *memNode {
	if !n.dir {
		return &memNode{now: n.now.clone(), durable: n.now.clone()}
	}
	d := newDir()
	for name, child := range n.entries {
		d.entries[name] = m.cloneNode(child)
	}
	d.durableEntries = maps.Clone(d.entries)
	return d
}
