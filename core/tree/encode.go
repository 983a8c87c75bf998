package tree

import "encoding/binary"

// A snapshot is a row of chunks: a byte for the kind, a byte for flags, the length
// of the payload as a big-endian uint32, the payload. All other numbers are
// varints. The kinds come in this order:
//
//	head    magic, number of znodes, digest as a fixed 64-bit number
//	znodes  records in preorder, the root first
//	end     number of znodes again
//
// A record lies within one chunk, unless it is larger than a chunk may be; then
// it alone fills several, all but the last of them flagged as unfinished.
//
// A znode's record is its flags, how many levels the walk went up since the last
// one to reach the parent, its name, the number of its access list, czxid and ctime
// as differences to the last znode, and what the flags announce: version, aversion,
// and mzxid and mtime as differences to czxid and ctime; pzxid likewise and the
// counter of children; the owner, with the znode's rank among the ephemerals of a
// session; the data. Access lists are numbered by their first use, where the list
// itself follows the number: its length, then perms, scheme and id of each entry.
const (
	snapshotMagic    = "zensus tree 1\n"
	snapshotChunkMax = 256 << 10 // bytes, header included
	snapshotHeader   = 6

	kindHead   = 1
	kindZnodes = 2
	kindEnd    = 3

	flagUnfinished = 1

	hasMod   = 1
	hasDir   = 2
	hasOwner = 4
	hasData  = 8
)

// Encode writes the view in chunks of no more than 256 KiB, from which Load makes
// an equal tree. A chunk is w's only until it returns. Trees that went through the
// same changes have the same snapshot, even if one was loaded on the way.
func (v *View) Encode(w func(chunk []byte) error) error {
	e := encoder{write: w, buf: make([]byte, snapshotHeader, snapshotChunkMax)}
	e.rec = append(e.rec, snapshotMagic...)
	e.rec = binary.AppendUvarint(e.rec, uint64(v.count))
	e.rec = binary.BigEndian.AppendUint64(e.rec, v.digest)
	e.record(kindHead, nil)
	e.lists = make([]uint32, v.acls.top)
	ranks := v.ranks()
	last := node{}
	lastDepth := -1
	v.Walk(Root, func(r Ref, depth int) bool {
		v.encodeNode(&e, r, lastDepth+1-depth, &last, ranks)
		lastDepth = depth
		return e.err == nil
	})
	e.rec = binary.AppendUvarint(e.rec, uint64(v.count))
	e.record(kindEnd, nil)
	e.flush(0)
	return e.err
}

func (v *View) encodeNode(e *encoder, r Ref, up int, last *node, ranks []uint32) {
	n := v.node(r)
	flags := byte(0)
	if n.mod != 0 {
		flags |= hasMod
	}
	if n.dir != 0 {
		flags |= hasDir
	}
	if n.owner != 0 {
		flags |= hasOwner
	}
	data := v.Data(r)
	if data != nil {
		flags |= hasData
	}
	e.rec = append(e.rec, flags)
	e.rec = binary.AppendUvarint(e.rec, uint64(up))
	e.rec = binary.AppendUvarint(e.rec, uint64(n.nameLen()))
	e.rec = append(e.rec, v.name(n)...)
	e.acl(v, n.acl)
	e.rec = binary.AppendVarint(e.rec, int64(n.czxid-last.czxid))
	e.rec = binary.AppendVarint(e.rec, n.ctime-last.ctime)
	if n.mod != 0 {
		m := v.mods.get(n.mod)
		e.rec = binary.AppendVarint(e.rec, int64(m.version))
		e.rec = binary.AppendVarint(e.rec, int64(m.aversion))
		e.rec = binary.AppendVarint(e.rec, int64(m.mzxid-n.czxid))
		e.rec = binary.AppendVarint(e.rec, m.mtime-n.ctime)
	}
	if n.dir != 0 {
		d := v.dirs.get(n.dir)
		e.rec = binary.AppendVarint(e.rec, int64(d.pzxid-n.czxid))
		e.rec = binary.AppendVarint(e.rec, int64(d.creates))
	}
	if n.owner != 0 {
		id := v.owners.get(n.owner).id
		e.rec = binary.AppendVarint(e.rec, id)
		if IsSession(id) {
			e.rec = binary.AppendUvarint(e.rec, uint64(ranks[r]))
		}
	}
	if data != nil {
		e.rec = binary.AppendUvarint(e.rec, uint64(len(data)))
	}
	e.record(kindZnodes, data)
	*last = *n
}

// ranks numbers the ephemerals of each session in the order of their creation.
func (v *View) ranks() []uint32 {
	slots := v.sessions()
	if len(slots) == 0 {
		return nil
	}
	ranks := make([]uint32, v.nodes.top)
	for _, slot := range slots {
		rank := uint32(0)
		v.ephemeralsOf(slot, func(r Ref) bool {
			ranks[r] = rank
			rank++
			return true
		})
	}
	return ranks
}

// encoder gathers records of one kind in a chunk.
type encoder struct {
	write func([]byte) error
	buf   []byte // the chunk, room for its header in front
	kind  byte   // of the records in it
	rec   []byte // the record being made
	err   error

	lists []uint32 // by slot: 1 + number of the access list, once it was used
	known uint32   // access lists used so far
}

// acl adds the number of an access list, and the list if it is new.
func (e *encoder) acl(v *View, slot uint32) {
	if n := e.lists[slot]; n > 0 {
		e.rec = binary.AppendUvarint(e.rec, uint64(n-1))
		return
	}
	e.rec = binary.AppendUvarint(e.rec, uint64(e.known))
	e.rec = appendACL(e.rec, v.acls.get(slot).acl)
	e.known++
	e.lists[slot] = e.known
}

// record adds the record in e.rec, followed by tail, and clears e.rec.
func (e *encoder) record(kind byte, tail []byte) {
	size := len(e.rec) + len(tail)
	if len(e.buf) > snapshotHeader && (kind != e.kind || len(e.buf)+size > snapshotChunkMax) {
		e.flush(0)
	}
	e.kind = kind
	for _, part := range [2][]byte{e.rec, tail} {
		for len(part) > 0 {
			n := min(len(part), snapshotChunkMax-len(e.buf))
			if n == 0 {
				e.flush(flagUnfinished)
				continue
			}
			e.buf = append(e.buf, part[:n]...)
			part = part[n:]
		}
	}
	e.rec = e.rec[:0]
}

func (e *encoder) flush(flags byte) {
	e.buf[0], e.buf[1] = e.kind, flags
	binary.BigEndian.PutUint32(e.buf[2:], uint32(len(e.buf)-snapshotHeader))
	if e.err == nil {
		e.err = e.write(e.buf)
	}
	e.buf = e.buf[:snapshotHeader]
}
