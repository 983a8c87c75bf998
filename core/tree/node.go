package tree

import (
	"math"
	"slices"

	"github.com/zensus-io/zensus/core"
)

// Ref names a living znode. It is used again for another one after the znode was
// deleted.
type Ref uint32

const (
	// None names no znode.
	None Ref = 0
	// Root is the znode at "/".
	Root Ref = 1
)

const (
	nameBytesMax = 1<<24 - 1
	nullData     = -1 // length of data that is absent rather than empty
)

const (
	flagSystem uint32 = 1 << (24 + iota) // below /zookeeper: not in the digest
)

// node is what every znode has: one cache line.
type node struct {
	czxid   core.Zxid
	ctime   int64
	block   block  // name, then data
	dataLen int32  // or nullData
	label   uint32 // length of the name, and flags above it
	parent  Ref
	after   Ref    // sibling, None behind the last
	before  Ref    // sibling; of the first child: the last one
	crc     uint32 // of path and data: the part of the digest that seldom changes
	owner   uint32 // in owners; 0 for a plain persistent znode
	mod     uint32 // in mods; 0 while never changed
	dir     uint32 // in dirs; 0 while it never had a child nor an owner
	acl     uint32 // in acls
}

func (n *node) setNext(i uint32) { n.after = Ref(i) }
func (n *node) next() uint32     { return uint32(n.after) }
func (n *node) nameLen() int     { return int(n.label & nameBytesMax) }
func (n *node) system() bool     { return n.label&flagSystem != 0 }
func (n *node) dataBytes() int   { return int(max(n.dataLen, 0)) }

// mod is what a znode has from its first setData or setACL on.
type mod struct {
	mzxid    core.Zxid
	mtime    int64
	version  int32
	aversion int32
}

func (m *mod) next() uint32     { return uint32(m.mzxid) }
func (m *mod) setNext(i uint32) { m.mzxid = core.Zxid(i) }

// dir is what a znode has that had a child once, or has an owner.
type dir struct {
	pzxid    core.Zxid
	creates  int32
	children int32
	first    Ref // child
	after    Ref // ephemeral of the same session, in the order of creation
	before   Ref
}

func (d *dir) next() uint32     { return uint32(d.first) }
func (d *dir) setNext(i uint32) { d.first = Ref(i) }

// space is everything that can be read of a tree, and all that a view keeps.
type space struct {
	nodes  table[node, *node]
	mods   table[mod, *mod]
	dirs   table[dir, *dir]
	owners table[owner, *owner]
	acls   table[aclEntry, *aclEntry]
	chunks chunks
}

func (s *space) node(r Ref) *node { return s.nodes.get(uint32(r)) }

func (s *space) name(n *node) []byte {
	if n.block == 0 {
		return nil
	}
	return s.chunks.bytes(n.block)[:n.nameLen()]
}

// Stat is the znode's Stat as clients see it: cversion counts creations and
// deletions of children, and only sessions appear as owners.
func (s *space) Stat(r Ref) (st core.Stat) {
	s.PutStat(&st, r)
	return st
}

// PutStat is Stat for who knows where it goes: to copy it right after it was
// written costs more than to write it.
func (s *space) PutStat(st *core.Stat, r Ref) {
	n := s.node(r)
	*st = core.Stat{}
	st.Czxid, st.Mzxid, st.Pzxid = n.czxid, n.czxid, n.czxid
	st.Ctime, st.Mtime = n.ctime, n.ctime
	st.DataLength = max(n.dataLen, 0)
	if n.mod != 0 {
		m := s.mods.get(n.mod)
		st.Mzxid, st.Mtime, st.Version, st.Aversion = m.mzxid, m.mtime, m.version, m.aversion
	}
	if n.dir != 0 {
		d := s.dirs.get(n.dir)
		st.Pzxid, st.NumChildren = d.pzxid, d.children
		st.Cversion = 2*d.creates - d.children
	}
	if n.owner != 0 {
		if id := s.owners.get(n.owner).id; IsSession(id) {
			st.EphemeralOwner = core.SessionID(id)
		}
	}
}

// Owner is the owner as stored: 0, a session id, ContainerOwner or TTLOwner.
func (s *space) Owner(r Ref) int64 {
	if o := s.node(r).owner; o != 0 {
		return s.owners.get(o).id
	}
	return 0
}

// Creates is the stored counter of children ever created, which numbers
// sequential znodes.
func (s *space) Creates(r Ref) int32 {
	if d := s.node(r).dir; d != 0 {
		return s.dirs.get(d).creates
	}
	return 0
}

// NumChildren is the number of children now.
func (s *space) NumChildren(r Ref) int32 {
	if d := s.node(r).dir; d != 0 {
		return s.dirs.get(d).children
	}
	return 0
}

// Data is nil for null data and non-nil for empty data. It is not to be modified
// and valid until the next change of the tree; of a view, until its Close.
func (s *space) Data(r Ref) []byte {
	n := s.node(r)
	if n.dataLen < 0 {
		return nil
	}
	if n.dataLen == 0 {
		return []byte{}
	}
	lo := n.nameLen()
	hi := lo + int(n.dataLen)
	return s.chunks.bytes(n.block)[lo:hi:hi]
}

// ACL is the znode's access list, shared by all that have the same. It is not to
// be modified.
func (s *space) ACL(r Ref) []core.ACL { return s.acls.get(s.node(r).acl).acl }

// Parent is the znode that holds r; None for the root.
func (s *space) Parent(r Ref) Ref { return s.node(r).parent }

// Name is the last component of the znode's path, valid as Data is.
func (s *space) Name(r Ref) []byte { return s.name(s.node(r)) }

// AppendPath appends the znode's path; "/" for the root.
func (s *space) AppendPath(dst []byte, r Ref) []byte {
	if r == Root {
		return append(dst, '/')
	}
	size := 0
	for a := r; a != Root; {
		n := s.node(a)
		size += 1 + n.nameLen()
		a = n.parent
	}
	start := len(dst)
	dst = slices.Grow(dst, size)[:start+size]
	end := len(dst)
	for a := r; a != Root; {
		n := s.node(a)
		end -= n.nameLen()
		copy(dst[end:], s.name(n))
		end--
		dst[end] = '/'
		a = n.parent
	}
	return dst
}

func (s *space) first(n *node) Ref {
	if n.dir == 0 {
		return None
	}
	return s.dirs.get(n.dir).first
}

// Walk visits r and everything below it, parents before their children, siblings
// in the order of their creation. depth is that below r.
func (s *space) Walk(r Ref, yield func(r Ref, depth int) bool) {
	depth := 0
	for at := r; ; {
		if !yield(at, depth) {
			return
		}
		n := s.node(at)
		if c := s.first(n); c != None {
			at = c
			depth++
			continue
		}
		for at != r && n.after == None {
			at = n.parent
			n = s.node(at)
			depth--
		}
		if at == r {
			return
		}
		at = n.after
	}
}

// Descendants counts the znodes below r by visiting them.
func (s *space) Descendants(r Ref) int {
	count := -1
	s.Walk(r, func(Ref, int) bool { count++; return true })
	return count
}

// Children visits the children of r in the order of their creation until yield
// returns false. name is valid until the next change of the tree.
func (s *space) Children(r Ref, yield func(name []byte, child Ref) bool) {
	for c := s.first(s.node(r)); c != None; {
		n := s.node(c)
		if !yield(s.name(n), c) {
			return
		}
		c = n.after
	}
}

// ContainerOwner is the owner of container znodes.
const ContainerOwner int64 = math.MinInt64

const (
	ttlMark     uint64 = 0xff0000 << 40
	ttlMarkMask uint64 = 0xffffff << 40
)

// TTLOwner is the owner of a znode that lives for ttl milliseconds after its last
// change, 0 <= ttl <= core.MaxTTLMillis.
func TTLOwner(ttl int64) int64 { return int64(ttlMark | uint64(ttl)&^ttlMarkMask) }

// TTL is the time to live in milliseconds, if owner stands for one.
func TTL(owner int64) (millis int64, ok bool) {
	return int64(uint64(owner) &^ ttlMarkMask), uint64(owner)&ttlMarkMask == ttlMark
}

// IsSession reports whether an owner as stored is the session of an ephemeral
// znode.
func IsSession(owner int64) bool {
	if _, ttl := TTL(owner); ttl {
		return false
	}
	return owner != 0 && owner != ContainerOwner
}
