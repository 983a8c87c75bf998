package differential

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// make completes a request, now and then with a body that is not right.
func (g *generator) make(op wire.OpCode, b *body, note string) Request {
	return Request{Xid: g.nextXid(op), Op: op, Body: b.b, Note: note}
}

// request is a request that leaves the connection open.
func (g *generator) request() Request {
	var r Request
	var b body
	switch k := g.rng.IntN(100); {
	case k < 22:
		r = g.create(&b)
	case k < 30:
		r = g.delete(&b)
	case k < 38:
		r = g.setData(&b)
	case k < 43 && g.one(60):
		r = g.sixRequest(&b)
	case k < 43:
		r = g.setACL(&b)
	case k < 54:
		r = g.multi(&b)
	case k < 57:
		r = g.multiRead(&b)
	case k < 76:
		r = g.read(&b)
	case k < 82:
		r = g.watches(&b)
	case k < 86:
		r = g.setWatches(&b)
	case k < 91:
		r = g.auth(&b)
	default:
		r = g.other(&b)
	}
	switch {
	case overtakes(r.Op): // a fault there ends the connection
	case bytes.Contains(r.Body, []byte("zookeeper_stats")):
	case g.enforced && bytes.Contains(r.Body, []byte("zookeeper_limits")):
	case g.one(14) && len(r.Body) < 4096:
		var zxid [8]byte
		copy(zxid[:], r.Body)
		r.Body, r.Malformed, r.FromMark = b.damage(g.rng), true, false
		if oneOf(r.Op, wire.OpSetWatches, wire.OpSetWatches2) { // whatever else would be ahead of one server and behind the other
			copy(r.Body, zxid[:])
		}
	case g.one(40):
		r.Body = append(r.Body, make([]byte, 1+g.rng.IntN(9))...)
		r.Note += " with bytes behind"
	}
	const frameMax = wire.FrameBytesMax - 8 // without the header
	switch long := len(r.Body) > frameMax/2; {
	case len(r.Body) > frameMax:
		return g.make(wire.OpPing, &body{}, "") // a longer frame stands alone (rawFrame)
	case long && g.one(2):
		r.Body = append(r.Body, make([]byte, frameMax-len(r.Body))...)
		r.Note += " in the longest frame there is"
	}
	return g.spare(r)
}

// spare replaces a request that would end the reference (Excluded).
func (g *generator) spare(r Request) Request {
	if r.Op == wire.OpCreateTTL {
		rd := wire.NewReader(r.Body)
		c := wire.DecodeCreate(&rd, r.Op)
		if rd.Err() != nil || !core.CreateMode(c.Flags).IsTTL() && c.TTL < 0 {
			r.Op = wire.OpCreate2
		}
	}
	if watchesNull(&r) {
		r.Op = wire.OpSync
	}
	return r
}

// watchesNull reports whether a request watches a null path.
func watchesNull(q *Request) bool {
	r := wire.NewReader(q.Body)
	switch q.Op {
	case wire.OpAddWatch:
		return wire.DecodePathMode(&r).Path == nil && r.Err() == nil
	case wire.OpSetWatches, wire.OpSetWatches2:
		r.Long()
		for r.Err() == nil && r.Len() > 0 {
			for range r.Count(4) {
				if r.Bytes() == nil && r.Err() == nil {
					return true
				}
			}
		}
	}
	return false
}

// createFields appends what a create of any kind says.
func (g *generator) createFields(b *body, op wire.OpCode) string {
	path, data := g.path(), g.data()
	flags := g.flags()
	switch {
	case op == wire.OpCreate || op == wire.OpCreate2:
		if !g.one(6) {
			flags %= 4
		}
	case op == wire.OpCreateContainer && !g.one(3):
		flags = 4
	case op == wire.OpCreateTTL && !g.one(4):
		flags = 5 + int32(g.rng.IntN(2))
	}
	if core.CreateMode(flags).IsSequential() && g.one(2) {
		path = []byte(g.root + "/" + pick(g, components...) + pick(g, "/q-", "/q-", "/", "/..", "/x/"))
	}
	if g.quota && g.one(6) {
		path = []byte("/zookeeper/quota" + g.root + pick(g, "", "/a", "/a/zookeeper_limits", "/a/zookeeper_limits", "/a/zookeeper_stats",
			"/b", "/b/zookeeper_limits", "/zookeeper_limits", "/zookeeper_stats"))
		flags = 0
	}
	if strings.HasSuffix(string(path), "limits") {
		data = g.limitsData()
	}
	if g.large && len(path) > 0 && g.one(400) {
		data = bytes.Repeat([]byte("z"), wire.FrameBytesMax-100-g.rng.IntN(200))
	}
	acl := g.acl()
	g.expanded = nil
	if len(acl) == 1 && string(acl[0].scheme) == "auth" && !core.CreateMode(flags).IsSequential() {
		g.expanded = path
	}
	b.buffer(path).buffer(data).acl(acl).int(flags)
	note := fmt.Sprintf("%s data %s acl %s flags %d", quote(path), quote(data), aclNote(acl), flags)
	if op == wire.OpCreateTTL {
		ttl := g.ttl()
		if !core.CreateMode(flags).IsTTL() {
			ttl = max(ttl, 0)
		}
		b.long(ttl)
		note += fmt.Sprintf(" ttl %d", ttl)
	}
	return note
}

// sixRequest brings an access list that 3.8 does not know. Whoever does finds
// that the znode, or its parent, is not there, so that the trees stay the same.
func (g *generator) sixRequest(b *body) Request {
	acl := []rawACL{{31, []byte("ip"), []byte(pick(g, "::1", "::1/64", "fe80::1", "2001:db8::/32"))}}
	path := []byte(g.root + "/none/x")
	note := quote(path) + " acl " + aclNote(acl)
	if g.one(2) {
		return g.make(wire.OpSetACL, b.buffer(path).acl(acl).int(-1), note)
	}
	return g.make(wire.OpCreate2, b.buffer(path).buffer(nil).acl(acl).int(0), note)
}

func aclNote(list []rawACL) string {
	if list == nil {
		return "null"
	}
	var s []string
	for _, a := range list {
		s = append(s, fmt.Sprintf("%d:%s:%s", a.perms, quote(a.scheme), quote(a.id)))
	}
	return fmt.Sprint(s)
}

func (g *generator) create(b *body) Request {
	op := pick(g, wire.OpCreate, wire.OpCreate, wire.OpCreate, wire.OpCreate2, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL)
	note := g.createFields(b, op)
	return g.make(op, b, note)
}

func (g *generator) delete(b *body) Request {
	path, version := g.path(), g.version()
	return g.make(wire.OpDelete, b.buffer(path).int(version), fmt.Sprintf("%s version %d", quote(path), version))
}

func (g *generator) setFields(b *body) string {
	path, data, version := g.path(), g.data(), g.version()
	switch {
	case strings.HasSuffix(string(path), "limits"):
		data = g.limitsData()
	case strings.HasSuffix(string(path), "stats"): // anything else is left out (Excluded)
		data = fmt.Appendf(nil, "count=%d,bytes=%d", g.rng.IntN(5), g.rng.IntN(200))
	}
	b.buffer(path).buffer(data).int(version)
	return fmt.Sprintf("%s data %s version %d", quote(path), quote(data), version)
}

func (g *generator) setData(b *body) Request {
	note := g.setFields(b)
	return g.make(wire.OpSetData, b, note)
}

func (g *generator) setACL(b *body) Request {
	path, acl, version := g.path(), g.acl(), g.version()
	return g.make(wire.OpSetACL, b.buffer(path).acl(acl).int(version), fmt.Sprintf("%s %s version %d", quote(path), aclNote(acl), version))
}

// multi is a transaction, at times one with operations that have no place there.
func (g *generator) multi(b *body) Request {
	var notes []string
	n := g.rng.IntN(5)
	for range n {
		op := pick(g, wire.OpCreate, wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL, wire.OpDelete, wire.OpSetData,
			wire.OpSetData, wire.OpCheck, wire.OpCheck)
		if g.one(30) {
			op = pick[wire.OpCode](g, wire.OpGetData, wire.OpGetChildren, wire.OpSetACL, wire.OpExists, wire.OpMulti, wire.OpSync, 0, 99, -1, wire.OpCloseSession)
		}
		done, code := false, int32(-1)
		if g.one(20) {
			code = int32(g.rng.IntN(200) - 100)
		}
		if g.one(60) {
			done = true
		}
		b.int(int32(op)).bool(done).int(code)
		notes = append(notes, op.String()+" "+g.subFields(b, op))
	}
	end := wire.OpError
	if g.one(30) {
		end = pick[wire.OpCode](g, 1, 4, 0, 14)
	}
	if !g.one(30) {
		b.int(int32(end)).bool(true).int(-1)
	} else {
		notes = append(notes, "no end")
	}
	return g.make(wire.OpMulti, b, "{"+strings.Join(notes, "; ")+"}")
}

func (g *generator) subFields(b *body, op wire.OpCode) string {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		return g.createFields(b, op)
	case wire.OpSetData:
		return g.setFields(b)
	case wire.OpGetData, wire.OpGetChildren, wire.OpExists:
		path := g.path()
		b.buffer(path).bool(g.one(2))
		return quote(path)
	}
	path, version := g.path(), g.version()
	b.buffer(path).int(version)
	return fmt.Sprintf("%s version %d", quote(path), version)
}

func (g *generator) multiRead(b *body) Request {
	var notes []string
	for range g.rng.IntN(5) {
		op := pick(g, wire.OpGetData, wire.OpGetChildren)
		if g.one(20) {
			op = pick[wire.OpCode](g, wire.OpExists, wire.OpCreate, wire.OpDelete, wire.OpGetChildren2, 0, -1)
		}
		b.int(int32(op)).bool(false).int(-1)
		notes = append(notes, op.String()+" "+g.subFields(b, op))
	}
	if !g.one(30) {
		b.int(-1).bool(true).int(-1)
	}
	return g.make(wire.OpMultiRead, b, "{"+strings.Join(notes, "; ")+"}")
}

func (g *generator) read(b *body) Request {
	path := g.path()
	switch op := pick(g, wire.OpExists, wire.OpExists, wire.OpGetData, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2, wire.OpGetACL,
		wire.OpGetAllChildrenNumber); op {
	case wire.OpGetACL, wire.OpGetAllChildrenNumber:
		return g.make(op, b.buffer(path), quote(path))
	default:
		mode := modeData
		if op == wire.OpGetChildren || op == wire.OpGetChildren2 {
			mode = modeChild
		}
		watch := g.one(2) && g.mayWatch(path, mode)
		return g.make(op, b.buffer(path).bool(watch), fmt.Sprintf("%s watch %v", quote(path), watch))
	}
}

func (g *generator) watches(b *body) Request {
	path := g.path()
	switch g.rng.IntN(5) {
	case 0, 1:
		mode := int32(g.rng.IntN(2))
		if !g.mixed {
			switch g.kindOf(path) {
			case modePersistent:
				mode = 0
			case modeRecursive:
				mode = 1
			default:
				mode = pick[int32](g, 2, -1, 99) // nothing may be set
			}
		}
		if mode == 0 || mode == 1 {
			g.added[g.conn] = path
		}
		return g.make(wire.OpAddWatch, b.buffer(path).int(mode), fmt.Sprintf("%s mode %d", quote(path), mode))
	}
	op := pick(g, wire.OpCheckWatches, wire.OpRemoveWatches)
	kind := pick[int32](g, 1, 2, 3, 3, 4, 5, 0, 6, -1)
	if added := g.added[g.conn]; added != nil && g.one(3) { // there may be something
		path, kind = added, 3
	}
	return g.make(op, b.buffer(path).int(kind), fmt.Sprintf("%s type %d", quote(path), kind))
}

func (g *generator) setWatches(b *body) Request {
	op := pick(g, wire.OpSetWatches, wire.OpSetWatches2)
	modes := []watchMode{modeData, modeData, modeChild, modePersistent, modeRecursive}
	if op == wire.OpSetWatches {
		modes = modes[:3]
	}
	r := Request{Op: op, Xid: g.nextXid(op)}
	zxid := pick[int64](g, 0, 0, 1<<62, -1)
	if zxid == 0 && g.one(2) {
		r.FromMark = true
	}
	b.long(zxid)
	r.Note = fmt.Sprintf("zxid %d mark %v", zxid, r.FromMark)
	for _, mode := range modes {
		if g.one(40) {
			b.strings(nil)
			r.Note += " null"
			continue
		}
		paths := [][]byte{}
		for range g.rng.IntN(3) {
			if path := g.path(); path != nil && g.mayWatch(path, mode) {
				paths = append(paths, path)
			}
		}
		b.strings(paths)
		r.Note += fmt.Sprintf(" %q", paths)
	}
	r.Body = b.b
	return r
}

// secret is what a digest is made of.
func (g *generator) secret() []byte {
	return pick(g, []byte("u:1"), []byte("u:1"), []byte("v:2"), []byte("w:3"), []byte("x:4"), []byte("y:5"), []byte("super:wrong"), []byte("nocolon"), []byte(":"), []byte(""), []byte("a:b:c"))
}

func (g *generator) auth(b *body) Request {
	scheme, secret := "digest", g.secret()
	switch g.rng.IntN(12) {
	case 0:
		scheme = "ip"
	case 1:
		secret = []byte("super:test")
	case 2:
		return g.make(wire.OpSASL, b.buffer(pick(g, []byte(""), []byte("token"))), "")
	}
	b.int(int32(g.rng.IntN(3))).buffer([]byte(scheme)).buffer(secret)
	return g.make(wire.OpAuth, b, fmt.Sprintf("%s %s", scheme, quote(secret)))
}

func (g *generator) other(b *body) Request {
	switch g.rng.IntN(8) {
	case 0, 1:
		return g.make(wire.OpPing, b, "")
	case 2:
		path := g.path()
		return g.make(wire.OpSync, b.buffer(path), quote(path))
	case 3, 4:
		prefix := pick(g, nil, []byte(""), []byte("/"), []byte(" "), g.path(), []byte(g.root), []byte(g.root+"/a"))
		return g.make(wire.OpGetEphemerals, b.buffer(prefix), quote(prefix))
	case 5:
		return g.make(wire.OpReconfig, b.buffer(pick(g, nil, []byte("server.2=127.0.0.1:2888:3888;2181"), []byte("x"))).
			buffer(pick(g, nil, []byte("1"), []byte("x"))).buffer(nil).long(pick[int64](g, -1, 0, 7)), "")
	}
	return g.make(wire.OpWhoAmI, b, "")
}
