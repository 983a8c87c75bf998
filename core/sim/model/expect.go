package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Request is a write as a connection made it.
type Request struct {
	Session core.SessionID
	Op      wire.OpCode
	Body    []byte
	IDs     []core.Identity
}

// Expected is what a request must become.
type Expected struct {
	Code  core.Code   // of the reply's header
	Codes []core.Code // of the operations of a multi
	Paths []string    // that creates lead to, "" for other operations
}

// draft is the state with the changes that one multi has made so far.
type draft struct {
	m     *Model
	req   *Request
	nodes map[string]*Node // nil: deleted
}

func (d *draft) get(path string) *Node {
	if path == "" {
		path = "/"
	}
	if n, changed := d.nodes[path]; changed {
		return n
	}
	return d.m.Nodes[path]
}

// edit is a znode to be changed in the draft.
func (d *draft) edit(path string) *Node {
	if path == "" {
		path = "/"
	}
	if n, changed := d.nodes[path]; changed {
		return n
	}
	n := d.m.Nodes[path].clone()
	d.nodes[path] = n
	return n
}

// Expect says what a request must become in the present state. It changes nothing.
func (m *Model) Expect(req *Request) Expected {
	d := &draft{m: m, req: req, nodes: map[string]*Node{}}
	r := wire.NewReader(req.Body)
	if req.Op == wire.OpMulti {
		return d.multi(&r)
	}
	if _, open := m.Sessions[req.Session]; req.Op == wire.OpCloseSession {
		if !open {
			return Expected{Code: core.SessionExpired}
		}
		return Expected{}
	}
	path, code := d.one(req.Op, &r, false)
	return Expected{Code: code, Paths: []string{path}}
}

func (d *draft) multi(r *wire.Reader) Expected {
	type part struct {
		op   wire.OpCode
		body []byte
	}
	var parts []part
	for {
		h := wire.DecodeMultiHeader(r)
		if r.Err() != nil {
			return Expected{Code: core.MarshallingError}
		}
		if h.Done {
			break
		}
		before := r.Rest()
		op := h.Op
		switch op {
		case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
			c := wire.DecodeCreate(r, op)
			mode := core.CreateMode(c.Flags)
			if !mode.Valid() || mode.IsTTL() && op != wire.OpCreateTTL {
				return Expected{Code: core.MarshallingError}
			}
		case wire.OpDelete, wire.OpCheck:
			wire.DecodePathVersion(r)
		case wire.OpSetData:
			wire.DecodeSetData(r)
		default:
			return Expected{Code: core.MarshallingError}
		}
		if r.Err() != nil {
			return Expected{Code: core.MarshallingError}
		}
		parts = append(parts, part{op, before[:len(before)-r.Len()]})
	}
	if !d.open() {
		return Expected{Code: core.SessionExpired}
	}
	var e Expected
	for i, p := range parts {
		body := wire.NewReader(p.body)
		path, code := d.one(p.op, &body, true)
		if code != core.OK {
			e.Codes, e.Paths = make([]core.Code, len(parts)), nil
			e.Codes[i] = code
			for j := i + 1; j < len(parts); j++ {
				e.Codes[j] = core.RuntimeInconsistency
			}
			return e
		}
		e.Codes, e.Paths = append(e.Codes, core.OK), append(e.Paths, path)
	}
	return e
}

// one validates an operation in the order of zookeeper-protocol 2.3 and 2.4 and
// does it in the draft.
func (d *draft) one(op wire.OpCode, r *wire.Reader, inMulti bool) (actual string, code core.Code) {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		c := wire.DecodeCreate(r, op)
		if r.Err() != nil {
			return "", core.MarshallingError
		}
		return d.create(op, &c, inMulti)
	case wire.OpDelete:
		q := wire.DecodePathVersion(r)
		if r.Err() != nil || q.Path == nil {
			return "", core.MarshallingError
		}
		return "", d.delete(string(q.Path), q.Version)
	case wire.OpSetData:
		q := wire.DecodeSetData(r)
		if r.Err() != nil {
			return "", core.MarshallingError
		}
		n, code := d.reach(string(q.Path), core.PermWrite)
		if code != core.OK {
			return "", code
		}
		if q.Version != core.AnyVersion && q.Version != n.Version {
			return "", core.BadVersion
		}
		n = d.edit(string(q.Path))
		n.Data, n.Version = q.Data, nextVersion(n.Version)
		return "", core.OK
	case wire.OpSetACL:
		q := wire.DecodeSetACL(r)
		if r.Err() != nil {
			return "", core.MarshallingError
		}
		return "", d.setACL(string(q.Path), q.ACL, q.Version)
	case wire.OpCheck:
		q := wire.DecodePathVersion(r)
		if r.Err() != nil || q.Path == nil {
			return "", core.MarshallingError
		}
		n, code := d.reach(string(q.Path), core.PermRead)
		if code == core.OK && q.Version != core.AnyVersion && q.Version != n.Version {
			code = core.BadVersion
		}
		return "", code
	}
	return "", core.Unimplemented
}

// reach is what setData and check begin with: session, path, node, permission.
func (d *draft) reach(path string, perm core.Perms) (*Node, core.Code) {
	if !d.open() {
		return nil, core.SessionExpired
	}
	if core.ValidatePath(path) != nil {
		return nil, core.BadArguments
	}
	n := d.get(path)
	if n == nil {
		return nil, core.NoNode
	}
	if !Allowed(n.ACL, d.req.IDs, perm) {
		return nil, core.NoAuth
	}
	return n, core.OK
}

func (d *draft) open() bool {
	_, open := d.m.Sessions[d.req.Session]
	return open
}

func (d *draft) create(op wire.OpCode, c *wire.Create, inMulti bool) (string, core.Code) {
	mode := core.CreateMode(c.Flags)
	if !mode.Valid() {
		return "", core.BadArguments
	}
	ttlOp := op == wire.OpCreateTTL
	if inMulti && ttlOp && !mode.IsTTL() {
		ttlOp, c.TTL = false, -1 // becomes a plain create
	}
	if mode.IsTTL() {
		if !d.m.TTL {
			return "", core.Unimplemented
		}
		if !ttlOp || c.TTL < 1 || c.TTL > core.MaxTTLMillis {
			return "", core.BadArguments
		}
	} else if ttlOp {
		return "", core.BadArguments
	}
	if !d.open() {
		return "", core.SessionExpired
	}
	if c.Path == nil {
		return "", core.MarshallingError // the flags and the session come first
	}
	path := string(c.Path)
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 || strings.IndexByte(path, 0) >= 0 {
		return "", core.BadArguments
	}
	list, ok := FixACL(c.ACL, d.req.IDs)
	if !ok {
		return "", core.InvalidACL
	}
	parentPath := path[:slash]
	parent := d.get(parentPath)
	if parent == nil {
		return "", core.NoNode
	}
	if !Allowed(parent.ACL, d.req.IDs, core.PermCreate) {
		return "", core.NoAuth
	}
	if mode.IsSequential() {
		path += fmt.Sprintf("%010d", parent.Creates)
	}
	switch {
	case core.ValidatePath(path) != nil:
		return "", core.BadArguments
	case d.get(path) != nil:
		return "", core.NodeExists
	case parent.session() != 0:
		return "", core.NoChildrenForEphemerals
	}
	n := &Node{Data: c.Data, ACL: list, Children: map[string]bool{}}
	switch {
	case !inMulti && op == wire.OpCreateContainer, inMulti && mode == core.Container:
		n.Owner = containerMark
	case mode.IsTTL():
		n.Owner = ttlMark | uint64(c.TTL)
	case mode.IsEphemeral():
		n.Owner = uint64(d.req.Session)
	}
	parent = d.edit(parentPath)
	parent.Creates++
	parent.Children[path[slash+1:]] = true
	d.nodes[path] = n
	return path, core.OK
}

func (d *draft) delete(path string, version int32) core.Code {
	if !d.open() {
		return core.SessionExpired
	}
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 || strings.IndexByte(path, 0) >= 0 ||
		slices.Contains([]string{"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"}, path) {
		return core.BadArguments
	}
	parent := d.get(path[:slash])
	if parent == nil {
		return core.NoNode
	}
	if !Allowed(parent.ACL, d.req.IDs, core.PermDelete) {
		return core.NoAuth
	}
	n := d.get(path)
	switch {
	case n == nil:
		return core.NoNode
	case version != core.AnyVersion && version != n.Version:
		return core.BadVersion
	case len(n.Children) > 0:
		return core.NotEmpty
	}
	d.nodes[path] = nil
	delete(d.edit(path[:slash]).Children, path[slash+1:])
	return core.OK
}

func (d *draft) setACL(path string, list []wire.RawACL, version int32) core.Code {
	if !d.open() {
		return core.SessionExpired
	}
	if core.ValidatePath(path) != nil {
		return core.BadArguments
	}
	if _, ok := FixACL(list, d.req.IDs); !ok {
		return core.InvalidACL
	}
	n := d.get(path)
	switch {
	case n == nil:
		return core.NoNode
	case !Allowed(n.ACL, d.req.IDs, core.PermAdmin):
		return core.NoAuth
	case version != core.AnyVersion && version != n.Aversion:
		return core.BadVersion
	}
	return core.OK
}

// Allowed reports whether identities may do what needs one of perms
// (zookeeper-protocol 6.3). Of the schemes it knows world, digest and equality.
func Allowed(list []core.ACL, ids []core.Identity, perms core.Perms) bool {
	if len(list) == 0 {
		return true
	}
	for _, id := range ids {
		if id.Scheme == "super" {
			return true
		}
	}
	for _, a := range list {
		if a.Perms&perms == 0 {
			continue
		}
		if a.Scheme == "world" && a.ID == "anyone" || slices.Contains(ids, core.Identity{Scheme: a.Scheme, ID: a.ID}) {
			return true
		}
	}
	return false
}

// FixACL checks a list and expands its auth entries (zookeeper-protocol 6.2).
func FixACL(list []wire.RawACL, ids []core.Identity) (fixed []core.ACL, ok bool) {
	if len(list) == 0 {
		return nil, false
	}
	add := func(a core.ACL) {
		if !slices.Contains(fixed, a) {
			fixed = append(fixed, a)
		}
	}
	for _, a := range list {
		switch scheme, id := string(a.Scheme), string(a.ID); {
		case scheme == "world" && id == "anyone":
			add(core.ACL{Perms: a.Perms, Scheme: scheme, ID: id})
		case scheme == "digest" && strings.Count(id, ":") == 1 && !strings.HasSuffix(id, ":"):
			add(core.ACL{Perms: a.Perms, Scheme: scheme, ID: id})
		case scheme == "auth":
			some := false
			for _, have := range ids {
				if have.Scheme == "digest" {
					add(core.ACL{Perms: a.Perms, Scheme: have.Scheme, ID: have.ID})
					some = true
				}
			}
			if !some {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	return fixed, true
}
