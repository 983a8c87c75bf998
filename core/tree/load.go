package tree

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
)

// ErrCorrupt is returned by Load for bytes that Encode did not write.
var ErrCorrupt = errors.New("corrupt snapshot")

// Load makes the tree whose chunks next returns one after the other, each valid
// until the next call, and compares the tree's digest, computed anew, with the one
// in the snapshot. What it allocates is bounded by what next returned, not by any
// length within. An error is next's, or wraps ErrCorrupt.
func Load(next func() ([]byte, error)) (*Tree, error) {
	l := loader{tree: empty(), next: next}
	for l.kind != kindEnd {
		if err := l.chunk(); err != nil {
			return nil, fmt.Errorf("tree: load: %w", err)
		}
	}
	if err := l.finish(); err != nil {
		return nil, fmt.Errorf("tree: load: %w", err)
	}
	return l.tree, nil
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

type loader struct {
	tree *Tree
	next func() ([]byte, error)

	kind   byte   // of the chunk last read
	big    []byte // a record gathered from several chunks
	count  uint64
	digest uint64

	acls     []uint32 // slots of access lists, by number
	czxid    core.Zxid
	ctime    int64
	path     []byte // of the znode last read
	at       []step // from the root to it
	ranked   []ranked
	complete bool
}

// step is a znode on the way from the root.
type step struct {
	ref     Ref
	pathLen int
	hash    uint64
}

// ranked is an ephemeral znode waiting for its place among its session's.
type ranked struct {
	session int64
	rank    uint64
	ref     Ref
	pathLen int
}

// chunk reads a chunk, or several that hold one large record, and all records in
// it.
func (l *loader) chunk() error {
	l.big = l.big[:0]
	for first := true; ; first = false {
		c, err := l.next()
		if err != nil {
			return err
		}
		if len(c) < snapshotHeader || uint64(binary.BigEndian.Uint32(c[2:])) != uint64(len(c)-snapshotHeader) {
			return corrupt("chunk of %d bytes with a wrong length", len(c))
		}
		kind, flags, payload := c[0], c[1], c[snapshotHeader:]
		switch {
		case flags > flagUnfinished:
			return corrupt("unknown flags %#x of a chunk", flags)
		case !first && kind != l.kind:
			return corrupt("large record ends in a chunk of kind %d", kind)
		case first && (kind < max(l.kind, kindHead) || kind > kindEnd || (l.kind == 0) != (kind == kindHead)):
			return corrupt("chunk of kind %d behind one of kind %d", kind, l.kind)
		}
		l.kind = kind
		if flags == flagUnfinished || !first {
			l.big = append(l.big, payload...)
			if flags == flagUnfinished {
				continue
			}
			payload = l.big
		}
		return l.records(payload)
	}
}

func (l *loader) records(payload []byte) error {
	d := decoder{rest: payload}
	for n := 0; len(d.rest) > 0; n++ {
		switch l.kind {
		case kindHead:
			if string(d.take(uint64(len(snapshotMagic)))) != snapshotMagic {
				return corrupt("not a snapshot of this version")
			}
			l.count = d.uvarint()
			if b := d.take(8); len(b) == 8 {
				l.digest = binary.BigEndian.Uint64(b)
			}
		case kindZnodes:
			if err := l.znode(&d); err != nil {
				return err
			}
		case kindEnd:
			if n := d.uvarint(); n != l.count {
				return corrupt("%d znodes at the head, %d at the end", l.count, n)
			}
			l.complete = true
		}
		if d.bad {
			return corrupt("record of kind %d ends too soon", l.kind)
		}
		if n > 0 && (l.kind == kindHead || l.kind == kindEnd) {
			return corrupt("more than one record of kind %d", l.kind)
		}
	}
	return nil
}

// acl reads the number of an access list, and the list if it is new, and returns
// its slot. Each list is held by one reference until all is loaded.
func (l *loader) acl(d *decoder) (slot uint32) {
	number := d.uvarint()
	if number < uint64(len(l.acls)) {
		return l.acls[number]
	}
	n := d.uvarint()
	if number > uint64(len(l.acls)) || n > uint64(len(d.rest)) { // each entry takes bytes
		d.fail()
		return 0
	}
	acl := []core.ACL{}
	for range n {
		perms := d.uvarint()
		a := core.ACL{Perms: core.Perms(perms), Scheme: string(d.take(d.uvarint())), ID: string(d.take(d.uvarint()))}
		if perms > math.MaxUint32 {
			d.fail()
		}
		if d.bad {
			return 0
		}
		acl = append(acl, a)
	}
	if len(l.acls) == 0 {
		l.tree.intern(nil) // so that the open list has its slot
	}
	slot = l.tree.intern(acl)
	l.acls = append(l.acls, slot)
	return slot
}

// znode reads one znode and puts it into the tree.
func (l *loader) znode(d *decoder) error {
	t := l.tree
	flags := d.byte()
	up := d.uvarint()
	name := d.take(d.uvarint())
	acl := l.acl(d)
	l.czxid += core.Zxid(d.varint())
	l.ctime += d.varint()
	m := mod{}
	if flags&hasMod != 0 {
		m.version, m.aversion = d.int32(), d.int32()
		m.mzxid = l.czxid + core.Zxid(d.varint())
		m.mtime = l.ctime + d.varint()
	}
	pzxid, creates := l.czxid, int32(0)
	if flags&hasDir != 0 {
		pzxid += core.Zxid(d.varint())
		creates = d.int32()
	}
	owner, rank := int64(0), uint64(0)
	if flags&hasOwner != 0 {
		if owner = d.varint(); IsSession(owner) {
			rank = d.uvarint()
		}
	}
	var data []byte
	if flags&hasData != 0 {
		data = d.take(d.uvarint())
		if data == nil {
			data = []byte{}
		}
	}
	switch {
	case d.bad:
		return corrupt("znode ends too soon")
	case flags >= 2*hasData || flags&hasOwner != 0 && owner == 0:
		return corrupt("znode of unknown kind, flags %#x", flags)
	case len(data) > math.MaxInt32-nameBytesMax:
		return corrupt("znode of %d bytes", len(data))
	}
	r, err := l.place(up, name, data, acl)
	if err != nil {
		return err
	}
	if flags&hasMod != 0 {
		*t.mutMod(r) = m
	}
	if flags&hasDir != 0 {
		dir := t.mutDir(r)
		dir.pzxid, dir.creates = pzxid, creates
	}
	pathLen := max(len(l.path), 1)
	switch {
	case IsSession(owner):
		l.ranked = append(l.ranked, ranked{owner, rank, r, pathLen})
	case owner != 0:
		t.own(r, owner, pathLen)
	}
	if !IsSession(owner) { // else when it has its owner
		t.digest.sum += t.digestOf(r)
	}
	if target, ok := quotaTarget(text(l.path), limitsName); ok && target != "" {
		t.quotas[strings.Clone(target)] = r
	}
	return nil
}

// place plants a znode below the one that up leads to.
func (l *loader) place(up uint64, name, data []byte, acl uint32) (Ref, error) {
	t := l.tree
	if len(l.at) == 0 {
		if up != 0 || len(name) != 0 {
			return None, corrupt("the first znode is not the root")
		}
		r := t.plant(Root, "", 0, data, l.use(acl), l.czxid, l.ctime)
		l.at = append(l.at, step{ref: r})
		return r, nil
	}
	switch {
	case up >= uint64(len(l.at)):
		return None, corrupt("znode above the root")
	case len(name) == 0 || len(name) > nameBytesMax || bytes.IndexByte(name, '/') >= 0:
		return None, corrupt("name of %d bytes is none", len(name))
	case uint64(t.count) >= l.count:
		return None, corrupt("more than %d znodes", l.count)
	}
	l.at = l.at[:uint64(len(l.at))-up]
	parent := l.at[len(l.at)-1]
	hash := t.chain(parent.hash, text(name))
	if t.child(parent.ref, text(name), fold(hash)) != None {
		return None, corrupt("two znodes with one path")
	}
	l.path = append(append(l.path[:parent.pathLen], '/'), name...)
	if len(l.path) > nameBytesMax {
		return None, corrupt("path of %d bytes", len(l.path))
	}
	r := t.plant(parent.ref, text(l.path), hash, data, l.use(acl), l.czxid, l.ctime)
	l.at = append(l.at, step{ref: r, pathLen: len(l.path), hash: hash})
	return r, nil
}

// use counts one more user of an access list.
func (l *loader) use(acl uint32) uint32 {
	l.tree.acls.mut(&l.tree.epochs, acl).refs++
	return acl
}

// finish links the ephemerals, lets go of what held the access lists, and checks
// the sums.
func (l *loader) finish() error {
	t := l.tree
	if !l.complete || uint64(t.count) != l.count || t.count == 0 {
		return corrupt("%d znodes of %d", t.count, l.count)
	}
	slices.SortStableFunc(l.ranked, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.session, b.session), cmp.Compare(a.rank, b.rank))
	})
	for _, e := range l.ranked {
		if t.NumChildren(e.ref) > 0 {
			return corrupt("ephemeral znode with children")
		}
		t.own(e.ref, e.session, e.pathLen)
		t.digest.sum += t.digestOf(e.ref)
	}
	t.releaseACL(openACL) // of acl()
	for _, slot := range l.acls {
		t.releaseACL(slot)
	}
	if got := t.Digest(); got != l.digest {
		return corrupt("digest is %#x, should be %#x", got, l.digest)
	}
	return nil
}

// decoder takes numbers and bytes off a record. What does not fit makes it bad,
// and every later value zero.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) fail() {
	d.bad = true
	d.rest = nil
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.fail()
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) int32() int32 {
	v := d.varint()
	if v != int64(int32(v)) {
		d.fail()
	}
	return int32(v)
}
