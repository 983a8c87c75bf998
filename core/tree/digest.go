package tree

import (
	"encoding/binary"
	"hash/crc32"
)

const statBytes = 60 // nine fields of the persisted Stat

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
	b := &t.stats
	binary.BigEndian.PutUint64(b[0:], uint64(n.czxid))
	binary.BigEndian.PutUint64(b[8:], uint64(m.mzxid))
	binary.BigEndian.PutUint64(b[16:], uint64(pzxid))
	binary.BigEndian.PutUint64(b[24:], uint64(n.ctime))
	binary.BigEndian.PutUint64(b[32:], uint64(m.mtime))
	binary.BigEndian.PutUint32(b[40:], uint32(m.version))
	binary.BigEndian.PutUint32(b[44:], uint32(creates))
	binary.BigEndian.PutUint32(b[48:], uint32(m.aversion))
	binary.BigEndian.PutUint64(b[52:], uint64(t.Owner(r)))
	return uint64(crc32.Update(n.crc, crc32.IEEETable, b[:]))
}
