package tree

import (
	"encoding/binary"
	"slices"

	"github.com/zensus-io/zensus/core"
)

// aclEntry is one access list and the number of znodes that have it. The list
// itself never changes.
type aclEntry struct {
	acl      []core.ACL
	key      string
	refs     int64
	nextFree uint32
}

func (e *aclEntry) next() uint32     { return e.nextFree }
func (e *aclEntry) setNext(i uint32) { e.nextFree = i }

// ACLID numbers the access list of a znode: equal lists have equal numbers while
// in use. An export writes each list once.
func (s *space) ACLID(r Ref) uint32 { return s.node(r).acl }

// ACLs visits the access lists in use with their numbers until yield returns false.
func (s *space) ACLs(yield func(id uint32, acl []core.ACL) bool) {
	for i := uint32(1); i < s.acls.top; i++ {
		if e := s.acls.get(i); e.refs > 0 && !yield(i, e.acl) {
			return
		}
	}
}

// openACL is the slot of world:anyone ALL, the first that any tree interns.
const openACL = 1

func isOpen(acl []core.ACL) bool {
	return len(acl) == 1 && acl[0] == core.ACL{Perms: core.PermAll, Scheme: "world", ID: "anyone"}
}

// intern returns the slot of an access list and counts one more user of it. Nil
// stands for the open list, as in ZooKeeper.
func (t *Tree) intern(acl []core.ACL) uint32 {
	if acl == nil || isOpen(acl) {
		if t.acls.top > openACL {
			t.acls.mut(&t.epochs, openACL).refs++
			return openACL
		}
		acl = core.OpenACL()
	}
	t.text = appendACL(t.text[:0], acl)
	if i, ok := t.aclSlots[string(t.text)]; ok {
		t.acls.mut(&t.epochs, i).refs++
		return i
	}
	i := t.acls.alloc(&t.epochs)
	e := t.acls.mut(&t.epochs, i)
	e.acl, e.key, e.refs = slices.Clone(acl), string(t.text), 1
	t.aclSlots[e.key] = i
	return i
}

// releaseACL counts one user less. The open list stays.
func (t *Tree) releaseACL(i uint32) {
	e := t.acls.mut(&t.epochs, i)
	e.refs--
	if e.refs > 0 || i == openACL {
		return
	}
	delete(t.aclSlots, e.key)
	t.acls.release(&t.epochs, i)
}

// appendACL appends a form of the list that tells any two lists apart.
func appendACL(dst []byte, acl []core.ACL) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(acl)))
	for _, a := range acl {
		dst = binary.AppendUvarint(dst, uint64(a.Perms))
		dst = appendString(dst, a.Scheme)
		dst = appendString(dst, a.ID)
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
