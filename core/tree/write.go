package tree

import (
	"strings"

	"github.com/zensus-io/zensus/core"
)

// Creation says what Create makes.
type Creation struct {
	Path  string
	Data  []byte     // nil is null data
	ACL   []core.ACL // nil is world:anyone ALL
	Owner int64      // 0, a session id, ContainerOwner or TTLOwner
	// ParentCreates is the parent's stored counter after this creation, unsigned in
	// an int's clothes. It counts only if it is greater than the present one; -1
	// stands for one more.
	ParentCreates int32
	Zxid          core.Zxid
	Time          int64 // wall milliseconds
}

// oneMore as ParentCreates counts one creation more than there were.
const oneMore = -1

// Create adds a znode. It returns NodeExists with the existing znode, after it has
// raised the parent's counter and pzxid as the first time would have done; NoNode
// if there is no parent; NoChildrenForEphemerals if that is an ephemeral znode;
// BadArguments for what is no path.
func (t *Tree) Create(c *Creation) (Ref, core.Code) {
	if c.Path == "/" {
		return Root, core.NodeExists
	}
	slash := strings.LastIndexByte(c.Path, '/')
	if slash < 0 || c.Path[0] != '/' || slash == len(c.Path)-1 || len(c.Path)-slash-1 > nameBytesMax {
		return None, core.BadArguments
	}
	hash, parent := t.findParent(c.Path[:slash])
	if parent == None {
		return None, core.NoNode
	}
	name := c.Path[slash+1:]
	hash = t.chain(hash, name)
	if r := t.child(parent, name, fold(hash)); r != None {
		// A counter that is not told cannot be raised twice: the znode that is
		// there was counted when it was made.
		if c.ParentCreates != oneMore {
			t.raise(parent, c.ParentCreates, c.Zxid)
		}
		return r, core.NodeExists
	}
	if IsSession(t.Owner(parent)) {
		return None, core.NoChildrenForEphemerals
	}
	r := t.plant(parent, c.Path, hash, c.Data, t.intern(c.ACL), c.Zxid, c.Time)
	if c.Owner != 0 {
		t.own(r, c.Owner, len(c.Path))
	}
	t.digest.sum += t.digestOf(r)
	counter := c.ParentCreates
	if counter == oneMore {
		counter = t.Creates(parent) + 1
	}
	t.raise(parent, counter, c.Zxid)
	t.quotaCreated(r, c.Path, len(c.Data))
	return r, core.OK
}

// plant makes the record of a znode whose path is not in use yet, and links it to
// its parent. It leaves owner, digest, counters and quotas to its caller.
func (t *Tree) plant(parent Ref, path string, hash uint64, data []byte, acl uint32, z core.Zxid, time int64) Ref {
	name := path[strings.LastIndexByte(path, '/')+1:]
	r := Ref(t.nodes.alloc(&t.epochs))
	b := t.allocBlock(len(name) + len(data))
	buf := t.chunks.bytes(b)
	copy(buf[copy(buf, name):], data)
	n := t.nodes.mut(&t.epochs, uint32(r))
	n.czxid, n.ctime, n.block, n.dataLen = z, time, b, int32(len(data)) // of zeroes
	n.label, n.parent, n.acl = uint32(len(name)), parent, acl
	if data == nil {
		n.dataLen = nullData
	}
	t.count++
	if path == "" {
		n.parent = None
		t.dataSize += 1 + int64(len(data))
		n.crc = t.crcOf("", data)
		return r
	}
	t.dataSize += int64(len(path) + len(data))
	if parent == t.system && parent != None || t.node(parent).system() {
		n.label |= flagSystem
	} else {
		n.crc = t.crcOf(path, data)
	}
	if parent == Root && path == SystemPath {
		t.system = r
	}
	t.index.insert(fold(hash), r)
	t.link(parent, r)
	return r
}

// link puts r behind the children of parent.
func (t *Tree) link(parent, r Ref) {
	d := t.mutDir(parent)
	n := t.mutNode(r)
	if d.first == None {
		d.first = r
		n.before = r
	} else {
		first := t.mutNode(d.first)
		n.before = first.before
		t.mutNode(first.before).after = r
		first.before = r
	}
	d.children++
	t.lists.forget(parent)
}

// unlink takes r out of the children of its parent.
func (t *Tree) unlink(r Ref) {
	n := t.mutNode(r)
	d := t.mutDir(n.parent)
	switch {
	case d.first == r:
		d.first = n.after
		if n.after != None {
			t.mutNode(n.after).before = n.before
		}
	case n.after == None:
		t.mutNode(n.before).after = None
		t.mutNode(d.first).before = n.before
	default:
		t.mutNode(n.before).after = n.after
		t.mutNode(n.after).before = n.before
	}
	d.children--
	t.lists.forget(n.parent)
}

func (t *Tree) mutNode(r Ref) *node { return t.nodes.mut(&t.epochs, uint32(r)) }

// mutDir is the part of r that knows its children, made if need be.
func (t *Tree) mutDir(r Ref) *dir {
	n := t.node(r)
	if n.dir != 0 {
		return t.dirs.mut(&t.epochs, n.dir)
	}
	i := t.dirs.alloc(&t.epochs)
	n = t.mutNode(r)
	n.dir = i
	d := t.dirs.mut(&t.epochs, i)
	d.pzxid = n.czxid
	return d
}

// mutMod is the part of r that knows its later versions, made if need be.
func (t *Tree) mutMod(r Ref) *mod {
	n := t.node(r)
	if n.mod != 0 {
		return t.mods.mut(&t.epochs, n.mod)
	}
	i := t.mods.alloc(&t.epochs)
	n = t.mutNode(r)
	n.mod = i
	m := t.mods.mut(&t.epochs, i)
	m.mzxid, m.mtime = n.czxid, n.ctime
	return m
}

// raise lifts the counter of children, and pzxid with it, if it is greater than
// the present one. ZooKeeper: a replay must not turn them back. The counter is
// unsigned: where ZooKeeper's stops at 2147483647, ours goes on.
func (t *Tree) raise(r Ref, creates int32, z core.Zxid) {
	if uint32(creates) <= uint32(t.Creates(r)) {
		return
	}
	t.withdraw(r)
	d := t.mutDir(r)
	d.creates, d.pzxid = creates, z
}

// Delete removes the znode at path. It returns NoNode, NotEmpty, or BadArguments
// for the root. If only the znode itself is missing, its parent's pzxid is raised
// nevertheless: the snapshot under a replay may already lack the znode.
func (t *Tree) Delete(path string, z core.Zxid) core.Code {
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 || len(path) == 1 {
		return core.BadArguments
	}
	hash, parent := t.findParent(path[:slash])
	if parent == None {
		return core.NoNode
	}
	name := path[slash+1:]
	hash = t.chain(hash, name)
	r := t.child(parent, name, fold(hash))
	if r != None && t.NumChildren(r) > 0 {
		return core.NotEmpty
	}
	if z > t.pzxid(parent) {
		t.withdraw(parent)
		t.mutDir(parent).pzxid = z
	}
	if r == None {
		return core.NoNode
	}
	t.uproot(r, path, hash)
	return core.OK
}

func (t *Tree) pzxid(r Ref) core.Zxid {
	n := t.node(r)
	if n.dir == 0 {
		return n.czxid
	}
	return t.dirs.get(n.dir).pzxid
}

// uproot removes a znode without children and all that belongs to it.
func (t *Tree) uproot(r Ref, path string, hash uint64) {
	t.forgo(r)
	t.index.remove(fold(hash), r)
	t.unlink(r)
	n := *t.node(r)
	t.disown(r, len(path))
	t.releaseACL(n.acl)
	t.freeBlock(n.block)
	if n.mod != 0 {
		t.mods.release(&t.epochs, n.mod)
	}
	if n.dir != 0 {
		t.dirs.release(&t.epochs, n.dir)
	}
	t.nodes.release(&t.epochs, uint32(r))
	t.lists.forget(r)
	if r == t.parent.ref {
		t.parent.ref = None
	}
	if r == t.system {
		t.system = None
	}
	t.count--
	t.dataSize -= int64(len(path) + n.dataBytes())
	t.quotaDeleted(path, n.dataBytes())
}

// SetData replaces the data; version is the resulting one.
func (t *Tree) SetData(r Ref, data []byte, version int32, z core.Zxid, time int64) {
	t.withdraw(r)
	grown := len(data) - t.node(r).dataBytes()
	t.setBytes(r, data)
	m := t.mutMod(r)
	m.mzxid, m.mtime, m.version = z, time, version
	if len(t.quotas) > 0 && grown != 0 {
		t.path = t.AppendPath(t.path[:0], r)
		t.quotaAdd(text(t.path), 0, grown)
	}
}

// SetACL replaces the access list; aversion is the resulting version of it.
func (t *Tree) SetACL(r Ref, acl []core.ACL, aversion int32) {
	t.withdraw(r)
	old := t.node(r).acl
	t.mutNode(r).acl = t.intern(acl)
	t.releaseACL(old)
	t.mutMod(r).aversion = aversion
}

// setBytes replaces the data and what is computed from it, but for the digest.
// It writes over the old data where no view can see that and the size fits.
func (t *Tree) setBytes(r Ref, data []byte) {
	n := t.mutNode(r)
	name := n.nameLen()
	size := name + len(data)
	room := len(t.chunks.bytes(n.block))
	t.dataSize += int64(len(data) - n.dataBytes())
	if size > room || size < room/2 && room > 64 || t.epochs.open() {
		b := t.allocBlock(size)
		buf := t.chunks.bytes(b)
		copy(buf, t.name(n))
		copy(buf[name:], data)
		t.freeBlock(n.block)
		n.block = b
	} else {
		copy(t.chunks.bytes(n.block)[name:], data)
	}
	n.dataLen = int32(len(data))
	if data == nil {
		n.dataLen = nullData
	}
	if n.system() {
		return
	}
	t.path = t.path[:0]
	if r != Root {
		t.path = t.AppendPath(t.path, r)
	}
	n.crc = t.crcOf(text(t.path), data)
}
