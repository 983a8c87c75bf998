package state

import (
	"math"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/acl"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/wire"
)

// Request is a write as a client sent it, without its header.
type Request struct {
	Session core.SessionID // 0 for what the server asks of itself
	Cxid    int32
	Op      wire.OpCode
	Body    []byte // not kept
	IDs     []core.Identity
	// Internal marks requests that the server made: no access check.
	Internal bool
	// Veto is why a reconfiguration that would be right cannot be made now; 0 is that
	// it can.
	Veto core.Code
}

// IsWrite reports whether op is one that Prepare takes from a client.
func IsWrite(op wire.OpCode) bool {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL, wire.OpDelete,
		wire.OpSetData, wire.OpSetACL, wire.OpMulti, wire.OpReconfig, wire.OpCloseSession:
		return true
	}
	return false
}

// prepared is what one operation of a request came to.
type prepared struct {
	op  wire.OpCode // of the transaction
	err core.Code
}

// Prepare turns a request into the transaction at zxid z and notes what it will
// change. z must be above every zxid prepared before; time is the wall time in
// milliseconds. The transaction is never changed afterwards.
//
// A request that is refused yields an error transaction; Apply reports its code.
func (s *State) Prepare(req *Request, z core.Zxid, time int64) []byte {
	buf := s.payloads.reserve(wire.TxnHeaderBytes + len(req.Body) + 64)
	buf = wire.AppendTxnHeader(buf, wire.TxnHeader{Session: req.Session, Cxid: req.Cxid, Zxid: z, Time: time, Op: req.Op})
	p := preparation{s: s, req: req, z: z, buf: buf}
	done := refuse(core.MarshallingError)
	if len(req.Body) <= RequestBytesMax {
		done = p.request()
	}
	if done.err != core.OK {
		p.buf = wire.AppendInt(p.buf[:wire.TxnHeaderBytes], int32(done.err))
		done.op = wire.OpError
	}
	wire.PutInt(p.buf[wire.TxnHeaderBytes-4:], int32(done.op))
	return s.payloads.commit(p.buf)
}

// preparation is one call of Prepare.
type preparation struct {
	s     *State
	req   *Request
	z     core.Zxid
	buf   []byte // the payload so far
	multi bool
}

func refuse(code core.Code) prepared { return prepared{op: wire.OpError, err: code} }

func (p *preparation) request() prepared {
	r := wire.NewReader(p.req.Body)
	switch p.req.Op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		var c wire.Create
		c.Read(&r, p.req.Op)
		if r.Err() != nil {
			return refuse(core.MarshallingError)
		}
		return p.create(p.req.Op, &c)
	case wire.OpDelete:
		d := wire.DecodePathVersion(&r)
		if r.Err() != nil || d.Path == nil {
			return refuse(core.MarshallingError)
		}
		return p.delete(d)
	case wire.OpSetData:
		d := wire.DecodeSetData(&r) // a null path is not malformed but invalid here, and for setACL
		if r.Err() != nil {
			return refuse(core.MarshallingError)
		}
		return p.setData(d)
	case wire.OpSetACL:
		a := wire.DecodeSetACL(&r)
		if r.Err() != nil {
			return refuse(core.MarshallingError)
		}
		return p.setACL(a)
	case wire.OpMulti:
		return p.transaction(&r)
	case wire.OpReconfig:
		return p.reconfig()
	case wire.OpCreateSession:
		timeout := r.Int()
		if r.Err() != nil {
			return refuse(core.MarshallingError)
		}
		p.s.pending.opening[p.req.Session] = p.z
		p.buf = wire.AppendInt(p.buf, timeout)
		return prepared{op: wire.OpCreateSession}
	case wire.OpCloseSession:
		return p.closeSession()
	case wire.OpDeleteContainer:
		if !p.req.Internal {
			return refuse(core.Unimplemented)
		}
		path := r.Bytes()
		if r.Err() != nil || path == nil {
			return refuse(core.MarshallingError)
		}
		return p.deleteContainer(path)
	}
	return refuse(core.Unimplemented)
}

// sessionOpen reports whether the request's session may write. A multi asks before
// its first operation, for all of them.
func (p *preparation) sessionOpen() bool {
	return p.multi || p.req.Internal || p.s.SessionOpen(p.req.Session)
}

func (p *preparation) allowed(list []core.ACL, perm core.Perms) bool {
	return p.req.Internal || acl.Check(list, p.req.IDs, perm)
}

func (p *preparation) touch(path string, at *place) *node {
	return p.s.touch(p.z, path, at, p.multi)
}

// create prepares a znode of any kind; op is create, create2, createContainer or
// createTTL. The order of the checks is ZooKeeper's (zookeeper-protocol 2.3).
func (p *preparation) create(op wire.OpCode, c *wire.Create) prepared {
	mode := core.CreateMode(c.Flags)
	if !mode.Valid() {
		return refuse(core.BadArguments)
	}
	if mode.IsTTL() && !p.s.cfg.TTLNodes {
		return refuse(core.Unimplemented)
	}
	if mode.IsTTL() != (op == wire.OpCreateTTL) || mode.IsTTL() && (c.TTL < 1 || c.TTL > core.MaxTTLMillis) {
		return refuse(core.BadArguments)
	}
	if !p.sessionOpen() {
		return refuse(core.SessionExpired)
	}
	if c.Path == nil {
		return refuse(core.MarshallingError) // to ZooKeeper it is malformed only now
	}
	asked := wire.View(c.Path)
	slash := strings.LastIndexByte(asked, '/')
	if slash < 0 || strings.IndexByte(asked, 0) >= 0 {
		return refuse(core.BadArguments)
	}
	list, code := acl.Fix(c.ACL, p.req.IDs)
	if code != core.OK {
		return refuse(code)
	}
	parentPath := asked[:slash]
	if parentPath == "" {
		parentPath = "/"
	}
	var parent, made place
	p.s.look(&parent, parentPath)
	if !parent.exists {
		return refuse(core.NoNode)
	}
	if !p.allowed(parent.acl, core.PermCreate) {
		return refuse(core.NoAuth)
	}

	// The transaction's path is written first: from here on it is that copy,
	// which lives as long as the transaction, that names the znode.
	at := len(p.buf)
	p.buf = wire.AppendString(p.buf, asked)
	if mode.IsSequential() {
		p.buf = appendSequence(p.buf, parent.creates)
		wire.PutInt(p.buf[at:], int32(len(p.buf)-at-4))
	}
	path := wire.View(p.buf[at+4 : len(p.buf) : len(p.buf)])
	if core.ValidatePath(path) != nil {
		return refuse(core.BadArguments)
	}
	p.s.lookBelow(&made, &parent, path, slash)
	if made.exists {
		return refuse(core.NodeExists)
	}
	if isEphemeral(parent.owner) {
		return refuse(core.NoChildrenForEphemerals)
	}
	if code := p.s.checkQuota(path, 1, int64(len(c.Data))); code != core.OK {
		return refuse(code)
	}
	owner := ownerOf(op, mode, p.req.Session, c.TTL)
	if isEphemeral(owner) {
		if p.s.ephemeralBytes(p.req.Session)+len(path)+4 > p.s.cfg.EphemeralPathBytesMax {
			return refuse(core.QuotaExceeded)
		}
		p.s.wishEphemeral(p.req.Session, path, p.z)
	}

	// path[:slash] of the copy: the parent's name must outlive the request too.
	parentPath = "/"
	if slash > 0 {
		parentPath = path[:slash]
	}
	up := p.touch(parentPath, &parent)
	up.children++
	up.creates = nextCreates(up.creates)
	creates := up.creates
	n := p.touch(path, &made) // of zeroes, as it does not exist
	n.exists, n.owner, n.bytes, n.acl = true, owner, len(c.Data), list

	p.buf = wire.AppendBuffer(p.buf, c.Data)
	p.buf = wire.AppendACLs(p.buf, list)
	if op == wire.OpCreate || op == wire.OpCreate2 {
		p.buf = wire.AppendBool(p.buf, mode.IsEphemeral())
	}
	p.buf = wire.AppendInt(p.buf, creates)
	if op == wire.OpCreateTTL {
		p.buf = wire.AppendLong(p.buf, c.TTL)
	}
	return prepared{op: op}
}

// Marks of a stored owner that is not a session (zookeeper-protocol 2.3).
const (
	containerOwner = math.MinInt64 // 0x8000000000000000
	ttlOwnerMark   = -1 << 56      // 0xff00000000000000
)

func ownerOf(op wire.OpCode, mode core.CreateMode, id core.SessionID, ttl int64) int64 {
	switch {
	case op == wire.OpCreateContainer:
		return containerOwner
	case op == wire.OpCreateTTL:
		return ttlOwnerMark | ttl
	case mode.IsEphemeral():
		return int64(id)
	}
	return 0
}

func isContainer(owner int64) bool { return owner == containerOwner }

func isTTL(owner int64) bool { return owner>>40 == ttlOwnerMark>>40 }

func isEphemeral(owner int64) bool { return owner != 0 && !isContainer(owner) && !isTTL(owner) }

// nextCreates counts a creation. The counter is an unsigned 32-bit number in an
// int's clothes: ZooKeeper's stops at 2147483647, after which sequential names
// collide for ever; ours goes on to 4294967295, still ten digits.
func nextCreates(n int32) int32 { return int32(uint32(n) + 1) }

// appendSequence appends the suffix of a sequential znode: the parent's counter
// in at least ten digits.
func appendSequence(dst []byte, creates int32) []byte {
	var digits [10]byte
	n := uint32(creates)
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, digits[:]...)
}

// nextVersion counts a change. It passes over -1, which as an expected version
// means "any" (ZooKeeper since 3.10).
func nextVersion(v int32) int32 {
	v++
	if v == -1 {
		return 0
	}
	return v
}

func (s *State) ephemeralBytes(id core.SessionID) int {
	n := s.tree.EphemeralBytes(id)
	if w := s.pending.ephemerals[id]; w != nil {
		n += w.bytes
	}
	return n
}

// delete prepares the removal of a znode without children.
func (p *preparation) delete(d wire.PathVersion) prepared {
	if !p.sessionOpen() {
		return refuse(core.SessionExpired)
	}
	asked := wire.View(d.Path)
	slash := strings.LastIndexByte(asked, '/')
	if slash < 0 || strings.IndexByte(asked, 0) >= 0 || isReserved(asked) {
		return refuse(core.BadArguments)
	}
	parentPath := asked[:slash]
	if parentPath == "" {
		parentPath = "/"
	}
	var parent, n place
	p.s.look(&parent, parentPath)
	if !parent.exists {
		return refuse(core.NoNode)
	}
	if !p.allowed(parent.acl, core.PermDelete) {
		return refuse(core.NoAuth)
	}
	p.s.lookBelow(&n, &parent, asked, slash)
	if !n.exists {
		return refuse(core.NoNode)
	}
	if d.Version != core.AnyVersion && d.Version != n.version {
		return refuse(core.BadVersion)
	}
	if n.children > 0 {
		return refuse(core.NotEmpty)
	}
	p.remove(asked, slash, &n, &parent)
	return prepared{op: wire.OpDelete}
}

// remove writes the path of a znode that goes, and notes what that changes.
func (p *preparation) remove(asked string, slash int, gone, parent *place) {
	at := len(p.buf)
	p.buf = wire.AppendString(p.buf, asked)
	path := wire.View(p.buf[at+4 : len(p.buf) : len(p.buf)])
	parentPath := "/"
	if slash > 0 {
		parentPath = path[:slash]
	}
	p.touch(parentPath, parent).children--
	*p.touch(path, gone) = node{}
}

func isReserved(path string) bool {
	switch path {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return true
	}
	return false
}

// deleteContainer prepares the reaping of a container or of a znode whose time
// to live is over. It looks again: children may have come, and whatever has a
// change under way is not what was looked at; the next round finds it again.
func (p *preparation) deleteContainer(raw []byte) prepared {
	asked := wire.View(raw)
	slash := strings.LastIndexByte(asked, '/')
	if slash < 0 {
		return refuse(core.BadArguments)
	}
	parentPath := asked[:slash]
	if parentPath == "" {
		parentPath = "/"
	}
	var n place
	p.s.look(&n, asked)
	if !n.exists {
		return refuse(core.NoNode)
	}
	if n.children > 0 {
		return refuse(core.NotEmpty)
	}
	if n.change != nil || !isContainer(n.owner) && !isTTL(n.owner) {
		return refuse(core.BadVersion)
	}
	var parent place
	p.s.look(&parent, parentPath)
	p.remove(asked, slash, &n, &parent)
	return prepared{op: wire.OpDeleteContainer}
}

// setData prepares new data.
func (p *preparation) setData(d wire.SetData) prepared {
	if !p.sessionOpen() {
		return refuse(core.SessionExpired)
	}
	asked := wire.View(d.Path)
	if core.ValidatePath(asked) != nil {
		return refuse(core.BadArguments)
	}
	var n place
	p.s.look(&n, asked)
	if !n.exists {
		return refuse(core.NoNode)
	}
	if !p.allowed(n.acl, core.PermWrite) {
		return refuse(core.NoAuth)
	}
	if asked == tree.ConfigPath && (p.s.cfg.ReconfigEnabled || p.s.Members() != nil) {
		return refuse(core.BadArguments) // only a reconfiguration writes it
	}
	if code := p.s.checkQuota(asked, 0, int64(len(d.Data))-int64(n.bytes)); code != core.OK {
		return refuse(code)
	}
	if d.Version != core.AnyVersion && d.Version != n.version {
		return refuse(core.BadVersion)
	}
	at := len(p.buf)
	p.buf = wire.AppendString(p.buf, asked)
	next := p.touch(wire.View(p.buf[at+4:len(p.buf):len(p.buf)]), &n)
	next.version, next.bytes = nextVersion(n.version), len(d.Data)
	p.buf = wire.AppendInt(wire.AppendBuffer(p.buf, d.Data), next.version)
	return prepared{op: wire.OpSetData}
}

// setACL prepares a new access list. The list is checked before the znode is
// looked for, as ZooKeeper does.
func (p *preparation) setACL(a wire.SetACL) prepared {
	if !p.sessionOpen() {
		return refuse(core.SessionExpired)
	}
	asked := wire.View(a.Path)
	if core.ValidatePath(asked) != nil {
		return refuse(core.BadArguments)
	}
	list, code := acl.Fix(a.ACL, p.req.IDs)
	if code != core.OK {
		return refuse(code)
	}
	var n place
	p.s.look(&n, asked)
	if !n.exists {
		return refuse(core.NoNode)
	}
	if !p.allowed(n.acl, core.PermAdmin) {
		return refuse(core.NoAuth)
	}
	if a.Version != core.AnyVersion && a.Version != n.aversion {
		return refuse(core.BadVersion)
	}
	at := len(p.buf)
	p.buf = wire.AppendString(p.buf, asked)
	next := p.touch(wire.View(p.buf[at+4:len(p.buf):len(p.buf)]), &n)
	next.aversion, next.acl = nextVersion(n.aversion), list
	p.buf = wire.AppendInt(wire.AppendACLs(p.buf, list), next.aversion)
	return prepared{op: wire.OpSetACL}
}

// check prepares the check of a multi. Its transaction changes nothing.
func (p *preparation) check(c wire.PathVersion) prepared {
	asked := wire.View(c.Path)
	if core.ValidatePath(asked) != nil {
		return refuse(core.BadArguments)
	}
	var n place
	p.s.look(&n, asked)
	if !n.exists {
		return refuse(core.NoNode)
	}
	if !p.allowed(n.acl, core.PermRead) {
		return refuse(core.NoAuth)
	}
	if c.Version != core.AnyVersion && c.Version != n.version {
		return refuse(core.BadVersion)
	}
	p.buf = wire.AppendPathVersion(p.buf, asked, n.version)
	return prepared{op: wire.OpCheck}
}

// closeSession prepares the end of a session. The transaction lists the
// ephemeral znodes that go with it: those of the tree and those that creates
// under way will have given it (zab Z-53).
func (p *preparation) closeSession() prepared {
	s, id := p.s, p.req.Session
	if !s.SessionOpen(id) {
		return refuse(core.SessionExpired)
	}
	s.pending.closing[id] = p.z
	at := len(p.buf)
	p.buf = wire.AppendInt(p.buf, 0)
	count := int32(0)
	add := func(path string, n *place) {
		slash := strings.LastIndexByte(path, '/')
		parentPath := "/"
		if slash > 0 {
			parentPath = path[:slash]
		}
		var parent place
		s.look(&parent, parentPath)
		p.remove(path, slash, n, &parent)
		count++
	}
	var path []byte
	for _, r := range s.ephemeralRefs(id) {
		path = s.tree.AppendPath(path[:0], r)
		var n place
		if s.look(&n, wire.View(path)); n.exists && n.owner == int64(id) {
			add(wire.View(path), &n)
		}
	}
	if w := s.pending.ephemerals[id]; w != nil {
		for _, t := range w.paths {
			var n place
			if s.look(&n, t.path); n.exists && n.owner == int64(id) {
				add(t.path, &n)
			}
		}
	}
	wire.PutInt(p.buf[at:], count)
	return prepared{op: wire.OpCloseSession}
}

// checkQuota applies the limits of the deepest quota above path to count more
// znodes and bytes more data, or less: ZooKeeper refuses that too while it leaves
// too much. A hard limit refuses, if quotas are enforced; a soft one is only noted.
func (s *State) checkQuota(path string, count, bytes int64) core.Code {
	q, ok := s.tree.QuotaFor(path)
	if !ok {
		return core.OK
	}
	if q.CountHard >= 0 || q.BytesHard >= 0 {
		over := count > 0 && q.CountHard >= 0 && q.UsedCount+count > q.CountHard ||
			bytes != 0 && q.BytesHard >= 0 && q.UsedBytes+bytes > q.BytesHard
		if over && s.cfg.EnforceQuota {
			return core.QuotaExceeded
		}
	}
	if count > 0 && q.CountHard < 0 && q.Count >= 0 && q.UsedCount+count > q.Count ||
		bytes != 0 && q.BytesHard < 0 && q.Bytes >= 0 && q.UsedBytes+bytes > q.Bytes {
		s.softQuota = q.Path
	}
	return core.OK
}

// TakeSoftQuota reports, once, the path of a quota whose soft limit a prepared
// request went over since the last call.
func (s *State) TakeSoftQuota() (path string, ok bool) {
	path, s.softQuota = s.softQuota, ""
	return path, path != ""
}
