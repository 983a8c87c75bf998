package tree

import (
	"hash/maphash"

	"github.com/zensus-io/zensus/core"
)

// The paths of the znodes that every server has.
const (
	SystemPath = "/zookeeper"
	QuotaPath  = "/zookeeper/quota"
	ConfigPath = "/zookeeper/config"
)

// Tree is the znodes of a server. It is for one goroutine at a time; only views
// may be read elsewhere. What it returns does not depend on anything but the
// calls that were made: the seed of the index is random, but cannot be seen.
type Tree struct {
	space
	epochs epochs
	arena  arena
	index  index
	parent lastParent
	seed   maphash.Seed

	count    int   // znodes
	dataSize int64 // bytes of paths and data
	digest   tally
	system   Ref // SystemPath

	ephemerals int
	ownerSlots map[int64]uint32
	reapable   []uint64 // a bit for each Ref: a container or a TTL znode

	aclSlots map[string]uint32
	quotas   map[string]Ref // path that is limited, to its limits znode

	lists lists
	sweep sweep

	path  []byte // scratch
	text  []byte // scratch
	crc   []byte // scratch
	stats [statBytes]byte
}

// New returns the tree of a fresh server: the root and the reserved znodes, which
// no transaction made, so that the counters of their parents do not count them.
func New() *Tree {
	t := empty()
	t.plant(Root, "", 0, []byte{}, t.intern(nil), 0, 0)
	for _, path := range []string{SystemPath, QuotaPath, ConfigPath} {
		var acl []core.ACL
		if path == ConfigPath {
			acl = core.ReadACL()
		}
		parent := core.ParentPath(path)
		hash, r := t.find(parent)
		t.plant(r, path, t.chain(hash, core.BaseName(path)), []byte{}, t.intern(acl), 0, 0)
	}
	t.digest.sum = t.digestOf(Root) + t.digestOf(t.system)
	// As ZooKeeper's, whose first setACL leads to version 0.
	config := t.Find(ConfigPath)
	t.SetACL(config, core.ReadACL(), -1)
	return t
}

// empty is a tree without even a root.
func empty() *Tree {
	return &Tree{
		epochs:     epochs{now: 1},
		index:      newIndex(),
		seed:       maphash.MakeSeed(),
		ownerSlots: map[int64]uint32{},
		aclSlots:   map[string]uint32{},
		quotas:     map[string]Ref{},
	}
}

// Count is the number of znodes as ZooKeeper counts them: the root twice.
func (t *Tree) Count() int { return t.count + 1 }

// DataSize is ZooKeeper's approximate_data_size: the bytes of all paths and data.
func (t *Tree) DataSize() int64 { return t.dataSize }

// EphemeralCount is the number of ephemeral znodes.
func (t *Tree) EphemeralCount() int { return t.ephemerals }

// MemoryStats says what the tree takes. All figures are bytes but those that end
// in s of counted things: Znodes, Views.
type MemoryStats struct {
	Znodes         int
	Views          int   // open ones
	Pages          int64 // of records of all kinds
	Arena          int64 // chunks that hold names and data
	ArenaLive      int64 // of them in use
	ArenaGarbage   int64 // of them freed and not yet given back
	ArenaReclaimed int64 // given back since the start
	Index          int64
	Lists          int64 // encoded lists of children kept for the next reader
}

// MemoryStats reports what the tree takes now. Views may hold more.
func (t *Tree) MemoryStats() MemoryStats {
	t.epochs.poll()
	m := MemoryStats{
		Znodes:         t.count,
		Views:          len(t.epochs.views),
		ArenaLive:      t.arena.live,
		ArenaGarbage:   t.arena.used - t.arena.live,
		ArenaReclaimed: t.arena.released,
		Index:          int64(t.index.slots)*8 + int64(len(t.index.directory))*8,
		Lists:          int64(t.lists.bytes),
	}
	m.Pages = t.nodes.bytes() + t.mods.bytes() + t.dirs.bytes() + t.owners.bytes() + t.acls.bytes()
	for _, c := range t.chunks {
		if c != nil {
			m.Arena += int64(len(c.buf))
		}
	}
	return m
}
