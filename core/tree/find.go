package tree

import (
	"hash/maphash"
	"strings"
	"unsafe"
)

// The hash of a path is a polynomial over the hashes of its components, so that a
// child's hash follows from its parent's. The seed is random: nobody can choose
// names that collide.
const hashFactor = 0x9e3779b97f4a7c15

func (t *Tree) chain(parent uint64, name string) uint64 {
	return parent*hashFactor + maphash.String(t.seed, name)
}

// fold is the part of a hash by which the index knows a znode.
func fold(h uint64) uint32 {
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return uint32(h >> 32)
}

// hashOf is the hash of a znode's path.
func (t *Tree) hashOf(r Ref) uint64 {
	var h uint64
	factor := uint64(1)
	for r != Root {
		n := t.node(r)
		h += factor * maphash.Bytes(t.seed, t.name(n))
		factor *= hashFactor
		r = n.parent
	}
	return h
}

// text is b for a function that wants a string and does not keep it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Find returns the znode at path, or None. Both "" and "/" are the root. It does
// not allocate.
func (t *Tree) Find(path string) Ref {
	_, r := t.find(path)
	return r
}

// FindBytes is Find for a path in bytes, which it does not keep.
func (t *Tree) FindBytes(path []byte) Ref {
	_, r := t.find(text(path))
	return r
}

// Child returns the child of parent with that name, or None.
func (t *Tree) Child(parent Ref, name string) Ref {
	if t.NumChildren(parent) == 0 {
		return None
	}
	return t.child(parent, name, fold(t.chain(t.hashOf(parent), name)))
}

// find returns the znode at path, and the hash of the path.
func (t *Tree) find(path string) (uint64, Ref) {
	h := t.Hash(path)
	return h, t.FindHashed(path, h)
}

// Hash is the hash by which FindHashed knows path. It means something to this tree
// only, and nothing that can be seen outside may depend on it.
func (t *Tree) Hash(path string) (h uint64) {
	if len(path) < 2 || path[0] != '/' {
		return 0
	}
	for rest := path[1:]; ; {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return t.chain(h, rest)
		}
		h = t.chain(h, rest[:i])
		rest = rest[i+1:]
	}
}

// HashChild is Hash of the path of a child, from that of its parent.
func (t *Tree) HashChild(parent uint64, name string) uint64 { return t.chain(parent, name) }

// FindHashed is Find for a path whose hash the caller has.
func (t *Tree) FindHashed(path string, h uint64) Ref {
	if path == "" || path == "/" {
		return Root
	}
	if path[0] != '/' {
		return None
	}
	hash := fold(h)
	slots := t.index.segment(hash).slots
	mask := uint32(len(slots) - 1)
	for i := hash & mask; slots[i].ref != None; i = (i + 1) & mask {
		if slots[i].hash == hash && t.hasPath(slots[i].ref, path) {
			return slots[i].ref
		}
	}
	return None
}

// Along visits the znodes on the way from the root to path, the root first and the one at
// path last, until one does not exist or yield returns false.
func (t *Tree) Along(path string, yield func(r Ref) bool) {
	at, h := Root, uint64(0)
	rest, more := strings.CutPrefix(path, "/")
	more = more && rest != ""
	for yield(at) && more {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		h = t.chain(h, name)
		if at = t.child(at, name, fold(h)); at == None {
			return
		}
	}
}

// lastParent is the znode that was last found to hold one that comes or goes. A znode
// keeps its path while it lives, so this is true until it is deleted.
type lastParent struct {
	path []byte
	hash uint64
	ref  Ref // None: nothing is known
}

// findParent is find for the parent of a znode that comes or goes: mostly that of
// the one before.
func (t *Tree) findParent(path string) (uint64, Ref) {
	p := &t.parent
	if p.ref != None && path == text(p.path) {
		return p.hash, p.ref
	}
	h, r := t.find(path)
	if r != None {
		p.path, p.hash, p.ref = append(p.path[:0], path...), h, r
	}
	return h, r
}

// hasPath reports whether path is that of r, which is not the root.
func (t *Tree) hasPath(r Ref, path string) bool {
	for r != Root {
		n := t.node(r)
		size := n.nameLen()
		slash := len(path) - size - 1
		if slash < 0 || path[slash] != '/' || path[slash+1:] != string(t.name(n)) {
			return false
		}
		path = path[:slash]
		r = n.parent
	}
	return path == ""
}

// child finds a child of parent by name and the hash of its path.
func (t *Tree) child(parent Ref, name string, hash uint32) Ref {
	slots := t.index.segment(hash).slots
	mask := uint32(len(slots) - 1)
	for i := hash & mask; slots[i].ref != None; i = (i + 1) & mask {
		if slots[i].hash != hash {
			continue
		}
		if n := t.node(slots[i].ref); n.parent == parent && name == string(t.name(n)) {
			return slots[i].ref
		}
	}
	return None
}
