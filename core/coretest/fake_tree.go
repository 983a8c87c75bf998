package coretest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
)

// znode is one node of the tree. data and acl are never changed in place.
type znode struct {
	data     []byte
	acl      []core.ACL
	stat     core.Stat
	creates  int32 // children ever created: numbers sequential nodes
	children map[string]struct{}
}

// txn is a transaction under way: how to take it back, and what to tell.
type txn struct {
	zxid   core.Zxid
	undo   []func()
	events []change
}

// change is an event with the access list that says who may hear of it.
type change struct {
	core.Event
	acl []core.ACL
}

func (tx *txn) rollback() {
	for i := len(tx.undo) - 1; i >= 0; i-- {
		tx.undo[i]()
	}
	tx.undo, tx.events = nil, nil
}

// seedLocked makes the nodes of a fresh server, with the counters that ZooKeeper gives them.
func (f *Fake) seedLocked() {
	add := func(path string, acl []core.ACL, cversion int32, kids ...string) {
		n := &znode{acl: acl, children: make(map[string]struct{})}
		n.stat.Cversion, n.stat.NumChildren = cversion, int32(len(kids))
		for _, k := range kids {
			n.children[k] = struct{}{}
		}
		f.nodes[path] = n
	}
	add("/", core.OpenACL(), -1, "zookeeper")
	add("/zookeeper", core.OpenACL(), -2, "quota", "config")
	add("/zookeeper/quota", core.OpenACL(), 0)
	add("/zookeeper/config", core.ReadACL(), 0)
}

// readPath is the key of a read: the empty path is an alias of the root.
func readPath(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

func (f *Fake) readableLocked(s *session, path string) (*znode, core.Code) {
	n := f.nodes[readPath(path)]
	switch {
	case n == nil:
		return nil, core.NoNode
	case !s.may(n.acl, core.PermRead):
		return nil, core.NoAuth
	}
	return n, core.OK
}

// parentOf is what stands before the last slash; ok is false for a path that no
// transaction may carry.
func parentOf(path string) (parent string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || strings.IndexByte(path, 0) >= 0 {
		return "", false
	}
	return readPath(path[:i]), true
}

func (f *Fake) createLocked(tx *txn, s *session, op core.CreateOp) (string, core.Stat, core.Code) {
	mode := op.Options.Mode
	fail := func(c core.Code) (string, core.Stat, core.Code) { return "", core.Stat{}, c }
	if !mode.Valid() {
		return fail(core.BadArguments)
	}
	if ttl := ttlMillis(op.Options.TTL); mode.IsTTL() && (ttl < 1 || ttl > core.MaxTTLMillis) {
		return fail(core.BadArguments)
	}
	parentPath, ok := parentOf(op.Path)
	if !ok {
		return fail(core.BadArguments)
	}
	acl := op.Options.ACL
	if acl == nil {
		acl = s.acl
	}
	acl, code := s.expandACL(acl)
	if code != core.OK {
		return fail(code)
	}
	parent := f.nodes[parentPath]
	if parent == nil {
		return fail(core.NoNode)
	}
	if !s.may(parent.acl, core.PermCreate) {
		return fail(core.NoAuth)
	}
	path := op.Path
	if mode.IsSequential() {
		path = fmt.Sprintf("%s%010d", path, parent.creates)
	}
	switch {
	case core.ValidatePath(path) != nil:
		return fail(core.BadArguments)
	case f.nodes[path] != nil:
		return fail(core.NodeExists)
	case parent.stat.EphemeralOwner != 0:
		return fail(core.NoChildrenForEphemerals)
	}

	now := time.Now().UnixMilli()
	n := &znode{data: slices.Clone(op.Data), acl: acl, children: make(map[string]struct{})}
	n.stat = core.Stat{Czxid: tx.zxid, Mzxid: tx.zxid, Pzxid: tx.zxid, Ctime: now, Mtime: now, DataLength: int32(len(op.Data))}
	if mode.IsEphemeral() {
		n.stat.EphemeralOwner = s.id
		s.paths[path] = struct{}{}
	}
	name, oldParent := core.BaseName(path), *parent
	tx.undo = append(tx.undo, func() {
		delete(f.nodes, path)
		delete(s.paths, path)
		delete(parent.children, name)
		parent.stat, parent.creates = oldParent.stat, oldParent.creates
	})
	f.nodes[path] = n
	parent.children[name] = struct{}{}
	parent.creates++
	parent.stat.Cversion++
	parent.stat.NumChildren++
	parent.stat.Pzxid = tx.zxid
	tx.node(core.NodeCreated, path, n)
	tx.kids(parentPath, parent)
	return path, n.stat, core.OK
}

func (f *Fake) setLocked(tx *txn, s *session, op core.SetOp) (core.Stat, core.Code) {
	if core.ValidatePath(op.Path) != nil {
		return core.Stat{}, core.BadArguments
	}
	n := f.nodes[op.Path]
	switch {
	case n == nil:
		return core.Stat{}, core.NoNode
	case !s.may(n.acl, core.PermWrite):
		return core.Stat{}, core.NoAuth
	case op.Version != core.AnyVersion && op.Version != n.stat.Version:
		return core.Stat{}, core.BadVersion
	}
	old := *n
	tx.undo = append(tx.undo, func() { n.data, n.stat = old.data, old.stat })
	n.data = slices.Clone(op.Data)
	n.stat.Version++
	n.stat.Mzxid, n.stat.Mtime, n.stat.DataLength = tx.zxid, time.Now().UnixMilli(), int32(len(op.Data))
	tx.node(core.NodeDataChanged, op.Path, n)
	return n.stat, core.OK
}

func (f *Fake) deleteLocked(tx *txn, s *session, op core.DeleteOp) core.Code {
	parentPath, ok := parentOf(op.Path)
	if !ok {
		return core.BadArguments
	}
	switch op.Path {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return core.BadArguments
	}
	parent, n := f.nodes[parentPath], f.nodes[op.Path]
	switch {
	case parent == nil:
		return core.NoNode
	case !s.may(parent.acl, core.PermDelete):
		return core.NoAuth
	case n == nil:
		return core.NoNode
	case op.Version != core.AnyVersion && op.Version != n.stat.Version:
		return core.BadVersion
	case len(n.children) > 0:
		return core.NotEmpty
	}
	f.removeLocked(tx, op.Path, n)
	return core.OK
}

// removeLocked takes n out of the tree.
func (f *Fake) removeLocked(tx *txn, path string, n *znode) {
	parentPath, _ := parentOf(path)
	parent, name := f.nodes[parentPath], core.BaseName(path)
	owner := f.sessions[n.stat.EphemeralOwner]
	oldParent := *parent
	tx.undo = append(tx.undo, func() {
		f.nodes[path] = n
		parent.children[name] = struct{}{}
		parent.stat = oldParent.stat
		if owner != nil {
			owner.paths[path] = struct{}{}
		}
	})
	delete(f.nodes, path)
	delete(parent.children, name)
	if owner != nil {
		delete(owner.paths, path)
	}
	parent.stat.Cversion++
	parent.stat.NumChildren--
	parent.stat.Pzxid = tx.zxid
	tx.events = append(tx.events, change{core.Event{Type: core.NodeDeleted, Path: path, Zxid: tx.zxid}, n.acl})
	tx.kids(parentPath, parent)
}

func (f *Fake) checkLocked(s *session, op core.CheckOp) core.Code {
	if core.ValidatePath(op.Path) != nil {
		return core.BadArguments
	}
	n, code := f.readableLocked(s, op.Path)
	if code == core.OK && op.Version != core.AnyVersion && op.Version != n.stat.Version {
		return core.BadVersion
	}
	return code
}

func (f *Fake) setACLLocked(tx *txn, s *session, path string, acl []core.ACL, aversion int32) (core.Stat, core.Code) {
	if core.ValidatePath(path) != nil {
		return core.Stat{}, core.BadArguments
	}
	acl, code := s.expandACL(acl)
	if code != core.OK {
		return core.Stat{}, code
	}
	n := f.nodes[path]
	switch {
	case n == nil:
		return core.Stat{}, core.NoNode
	case !s.may(n.acl, core.PermAdmin):
		return core.Stat{}, core.NoAuth
	case aversion != core.AnyVersion && aversion != n.stat.Aversion:
		return core.Stat{}, core.BadVersion
	}
	old := *n
	tx.undo = append(tx.undo, func() { n.acl, n.stat = old.acl, old.stat })
	n.acl = acl
	n.stat.Aversion++
	return n.stat, core.OK
}

// multiLocked does all of ops, or leaves the tree as it was and says which failed.
func (f *Fake) multiLocked(tx *txn, s *session, ops []core.Op) ([]core.OpResult, error) {
	results := make([]core.OpResult, len(ops))
	for i, op := range ops {
		var code core.Code
		var name, path string
		r := &results[i]
		switch op := op.(type) {
		case core.CreateOp:
			name, path = createOpName(op.Options.Mode), op.Path
			r.Path, r.Stat, code = f.createLocked(tx, s, op)
		case core.SetOp:
			name, path = "setData", op.Path
			r.Stat, code = f.setLocked(tx, s, op)
		case core.DeleteOp:
			name, path = "delete", op.Path
			code = f.deleteLocked(tx, s, op)
		case core.CheckOp:
			name, path = "check", op.Path
			code = f.checkLocked(s, op)
		default:
			tx.rollback()
			return nil, &core.OpError{Op: "multi", Err: core.MarshallingError}
		}
		if code == core.OK {
			continue
		}
		tx.rollback()
		for j := range results {
			results[j] = core.OpResult{Err: core.RuntimeInconsistency}
			if j < i {
				results[j].Err = core.OK
			}
		}
		results[i].Err = code
		return results, &core.OpError{Op: name, Path: path, Err: code}
	}
	return results, nil
}

// node notes an event that carries the znode as it is now.
func (tx *txn) node(t core.EventType, path string, n *znode) {
	e := core.Event{Type: t, Path: path, Zxid: tx.zxid, HasNode: true, Data: n.data, Stat: n.stat}
	tx.events = append(tx.events, change{e, n.acl})
}

func (tx *txn) kids(parentPath string, parent *znode) {
	e := core.Event{Type: core.NodeChildrenChanged, Path: parentPath, Zxid: tx.zxid}
	tx.events = append(tx.events, change{e, parent.acl})
}

// ttlMillis rounds up to a millisecond.
func ttlMillis(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d > time.Duration(ms)*time.Millisecond {
		ms++
	}
	return ms
}

func sortedKeys(m map[string]struct{}) []string { return slices.Sorted(maps.Keys(m)) }
