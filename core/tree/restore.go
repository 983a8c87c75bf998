package tree

import (
	"github.com/zensus-io/zensus/core"
)

// Persisted is a znode as a snapshot of ZooKeeper holds it.
type Persisted struct {
	Path         string // "" and "/" are the root
	Data         []byte
	ACL          []core.ACL // nil is world:anyone ALL
	Owner        int64      // as stored
	Czxid, Mzxid core.Zxid
	Pzxid        core.Zxid
	Ctime, Mtime int64
	Version      int32
	Creates      int32 // ZooKeeper stores it as cversion
	Aversion     int32
}

// Restore adds a znode that came from elsewhere, or turns an existing one into it;
// its parent must be there. It returns NoNode, NoChildrenForEphemerals or
// BadArguments. When all znodes are there, call RecountQuotas.
func (t *Tree) Restore(p Persisted) (Ref, core.Code) {
	if p.Path == "" {
		p.Path = "/"
	}
	r, code := t.Create(&Creation{
		Path: p.Path, Data: p.Data, ACL: p.ACL, Owner: p.Owner,
		ParentCreates: 0, // the parent's record says it
		Zxid:          p.Czxid, Time: p.Ctime,
	})
	switch {
	case code == core.NodeExists && IsSession(p.Owner) && t.NumChildren(r) > 0:
		return None, core.NoChildrenForEphemerals
	case code == core.NodeExists:
		t.replace(r, p)
	case code != core.OK:
		return None, code
	}
	t.withdraw(r)
	changed := mod{mzxid: p.Mzxid, mtime: p.Mtime, version: p.Version, aversion: p.Aversion}
	if changed != (mod{mzxid: p.Czxid, mtime: p.Ctime}) || t.node(r).mod != 0 {
		*t.mutMod(r) = changed
	}
	if p.Creates != 0 || p.Pzxid != p.Czxid || t.node(r).dir != 0 {
		d := t.mutDir(r)
		d.creates, d.pzxid = p.Creates, p.Pzxid
	}
	return r, core.OK
}

// replace gives r what only a creation sets.
func (t *Tree) replace(r Ref, p Persisted) {
	t.withdraw(r)
	acl := t.intern(p.ACL)
	t.releaseACL(t.node(r).acl)
	n := t.mutNode(r)
	n.acl, n.czxid, n.ctime = acl, p.Czxid, p.Ctime
	t.setBytes(r, p.Data)
	t.disown(r, len(p.Path))
	if p.Owner != 0 {
		t.own(r, p.Owner, len(p.Path))
	}
}
