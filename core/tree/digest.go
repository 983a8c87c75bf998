package tree

import "encoding/binary"

const (
	statLead  = 4             // zeroes before a Stat that is to be checksummed
	statBytes = statLead + 60 // nine fields of the persisted Stat
)

// tally is the sum of what all znodes add to the digest. What the last znode to
// change adds is left out while it may change again, and computed when somebody
// asks: ten creates below one parent, or in one transaction, count that once.
type tally struct {
	sum  uint64
	last Ref    // the znode that changed last, or None
	part uint64 // what last adds, if that is in sum
	open bool   // what last adds is not in sum
}

// withdraw takes out what r adds. Whoever changes anything that digestOf looks at
// calls it before; nothing is to be done afterwards.
func (t *Tree) withdraw(r Ref) {
	d := &t.digest
	if d.last != r {
		if d.open {
			d.sum += t.digestOf(d.last)
		}
		d.last, d.part = r, t.digestOf(r)
	} else if d.open {
		return
	}
	d.sum -= d.part
	d.open = true
}

// forgo takes out for good what r adds, which is about to be deleted.
func (t *Tree) forgo(r Ref) {
	d := &t.digest
	if d.last != r {
		d.sum -= t.digestOf(r)
		return
	}
	t.withdraw(r)
	d.last, d.open = None, false
}

// Digest is ZooKeeper's tree digest, version 2: equal trees have equal digests,
// apart from what lies below /zookeeper.
func (t *Tree) Digest() uint64 {
	d := &t.digest
	if d.open {
		d.part = t.digestOf(d.last)
		d.sum += d.part
		d.open = false
	}
	return d.sum
}

// digestOf is what a znode adds to the tree's digest: the CRC-32 of path, data and
// persisted Stat. ZooKeeper leaves out all below /zookeeper, since each server
// writes the usage of quotas by itself.
//
// The record keeps the CRC of path and data, so that a change of a Stat costs 60
// bytes however large the data is.
func (t *Tree) digestOf(r Ref) uint64 {
	n := t.node(r)
	if n.system() {
		return 0
	}
	m := mod{mzxid: n.czxid, mtime: n.ctime}
	if n.mod != 0 {
		m = *t.mods.get(n.mod)
	}
	pzxid, creates := n.czxid, int32(0)
	if n.dir != 0 {
		d := t.dirs.get(n.dir)
		pzxid, creates = d.pzxid, d.creates
	}
	b := t.stats[statLead:]
	binary.BigEndian.PutUint64(b[0:], uint64(n.czxid))
	binary.BigEndian.PutUint64(b[8:], uint64(m.mzxid))
	binary.BigEndian.PutUint64(b[16:], uint64(pzxid))
	binary.BigEndian.PutUint64(b[24:], uint64(n.ctime))
	binary.BigEndian.PutUint64(b[32:], uint64(m.mtime))
	binary.BigEndian.PutUint32(b[40:], uint32(m.version))
	binary.BigEndian.PutUint32(b[44:], uint32(creates))
	binary.BigEndian.PutUint32(b[48:], uint32(m.aversion))
	binary.BigEndian.PutUint64(b[52:], uint64(t.Owner(r)))
	return uint64(continueCRC(n.crc, t.stats[:], statLead))
}
