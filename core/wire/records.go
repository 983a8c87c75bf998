package wire

import (
	"bytes"

	"github.com/zensus-io/zensus/core"
)

// StatBytes is the encoded size of a Stat.
const StatBytes = 68

// AppendStat appends a Stat.
func AppendStat(dst []byte, s *core.Stat) []byte {
	dst = AppendLong(dst, int64(s.Czxid))
	dst = AppendLong(dst, int64(s.Mzxid))
	dst = AppendLong(dst, s.Ctime)
	dst = AppendLong(dst, s.Mtime)
	dst = AppendInt(dst, s.Version)
	dst = AppendInt(dst, s.Cversion)
	dst = AppendInt(dst, s.Aversion)
	dst = AppendLong(dst, int64(s.EphemeralOwner))
	dst = AppendInt(dst, s.DataLength)
	dst = AppendInt(dst, s.NumChildren)
	return AppendLong(dst, int64(s.Pzxid))
}

// DecodeStat reads a Stat.
func DecodeStat(r *Reader) core.Stat {
	return core.Stat{
		Czxid: core.Zxid(r.Long()), Mzxid: core.Zxid(r.Long()), Ctime: r.Long(), Mtime: r.Long(),
		Version: r.Int(), Cversion: r.Int(), Aversion: r.Int(), EphemeralOwner: core.SessionID(r.Long()),
		DataLength: r.Int(), NumChildren: r.Int(), Pzxid: core.Zxid(r.Long()),
	}
}

// AppendACLs appends a vector of ACL.
func AppendACLs(dst []byte, acls []core.ACL) []byte {
	dst = AppendInt(dst, int32(len(acls)))
	for _, a := range acls {
		dst = AppendString(AppendString(AppendInt(dst, int32(a.Perms)), a.Scheme), a.ID)
	}
	return dst
}

// aclBytesMin is the least that one ACL takes: perms and two lengths.
const aclBytesMin = 12

// RawACL is an ACL entry as it came: null and empty strings are told apart, and
// the bytes alias the input.
type RawACL struct {
	Perms      core.Perms
	Scheme, ID []byte
}

// The list that nearly every znode has, encoded and decoded. Decoders share it.
var (
	openACLBytes = AppendACLs(nil, core.OpenACL())
	openACL      = core.OpenACL()
	openRawACL   = []RawACL{{Perms: core.PermAll, Scheme: []byte("world"), ID: []byte("anyone")}}
)

// takeOpenACL reads the open list, if that is what comes next.
func (r *Reader) takeOpenACL() bool {
	if !bytes.HasPrefix(r.buf, openACLBytes) {
		return false
	}
	r.buf = r.buf[len(openACLBytes):]
	return true
}

// requestCount is Count for a vector in a client's request: there a count below
// null is that of an empty vector, as it is for ZooKeeper.
func requestCount(r *Reader, elemMin int) int {
	if ahead := *r; ahead.Int() < -1 {
		*r = ahead
		return 0
	}
	return r.Count(elemMin)
}

// DecodeRawACLs reads a vector of ACL; null and empty vectors read as nil. The
// result must not be changed.
func DecodeRawACLs(r *Reader) []RawACL {
	if r.takeOpenACL() {
		return openRawACL
	}
	n := requestCount(r, aclBytesMin)
	if n <= 0 {
		return nil
	}
	acls := make([]RawACL, 0, n)
	for range n {
		acls = append(acls, RawACL{Perms: core.Perms(r.Int()), Scheme: r.Bytes(), ID: r.Bytes()})
	}
	if r.Err() != nil {
		return nil
	}
	return acls
}

// DecodeACLs reads a vector of ACL, whose strings share nothing with the input. The
// result must not be changed.
func DecodeACLs(r *Reader) []core.ACL {
	if r.takeOpenACL() {
		return openACL
	}
	n := r.Count(aclBytesMin)
	if n <= 0 {
		return nil
	}
	acls := make([]core.ACL, 0, n)
	for range n {
		acls = append(acls, core.ACL{Perms: core.Perms(r.Int()), Scheme: r.String(), ID: r.String()})
	}
	if r.Err() != nil {
		return nil
	}
	return acls
}

// AppendStrings appends a vector of ustring.
func AppendStrings(dst []byte, list []string) []byte {
	dst = AppendInt(dst, int32(len(list)))
	for _, s := range list {
		dst = AppendString(dst, s)
	}
	return dst
}

// DecodeStrings reads a vector of ustring. ok is false for a null vector.
func DecodeStrings(r *Reader) (list []string, ok bool) {
	n := requestCount(r, 4)
	if n < 0 {
		return nil, false
	}
	list = make([]string, 0, n)
	for range n {
		list = append(list, r.String())
	}
	return list, r.Err() == nil
}

// PathWatch is the request of exists, getData, getChildren and getChildren2.
// Like all requests here, a nil Path is a null one.
type PathWatch struct {
	Path  []byte
	Watch bool
}

// AppendPathWatch appends the record.
func AppendPathWatch(dst []byte, path string, watch bool) []byte {
	return AppendBool(AppendString(dst, path), watch)
}

// DecodePathWatch reads the record.
func DecodePathWatch(r *Reader) PathWatch { return PathWatch{Path: r.Bytes(), Watch: r.Bool()} }

// PathVersion is the request of delete and check.
type PathVersion struct {
	Path    []byte
	Version int32
}

// AppendPathVersion appends the record.
func AppendPathVersion(dst []byte, path string, version int32) []byte {
	return AppendInt(AppendString(dst, path), version)
}

// DecodePathVersion reads the record.
func DecodePathVersion(r *Reader) PathVersion { return PathVersion{Path: r.Bytes(), Version: r.Int()} }

// SetData is the request of setData.
type SetData struct {
	Path, Data []byte
	Version    int32
}

// AppendSetData appends the record.
func AppendSetData(dst []byte, path string, data []byte, version int32) []byte {
	return AppendInt(AppendBuffer(AppendString(dst, path), data), version)
}

// DecodeSetData reads the record.
func DecodeSetData(r *Reader) SetData {
	return SetData{Path: r.Bytes(), Data: r.Bytes(), Version: r.Int()}
}

// SetACL is the request of setACL.
type SetACL struct {
	Path    []byte
	ACL     []RawACL
	Version int32
}

// AppendSetACL appends the record.
func AppendSetACL(dst []byte, path string, acl []core.ACL, aversion int32) []byte {
	return AppendInt(AppendACLs(AppendString(dst, path), acl), aversion)
}

// DecodeSetACL reads the record.
func DecodeSetACL(r *Reader) SetACL {
	return SetACL{Path: r.Bytes(), ACL: DecodeRawACLs(r), Version: r.Int()}
}

// Create is the request of create, create2, createContainer and, with a TTL, createTTL.
type Create struct {
	Path, Data []byte
	ACL        []RawACL
	Flags      int32
	TTL        int64 // milliseconds; only createTTL carries it
}

// AppendCreate appends the record; ttl only for createTTL.
func AppendCreate(dst []byte, op OpCode, path string, data []byte, acl []core.ACL, flags int32, ttl int64) []byte {
	dst = AppendBuffer(AppendString(dst, path), data)
	dst = AppendInt(AppendACLs(dst, acl), flags)
	if op == OpCreateTTL {
		dst = AppendLong(dst, ttl)
	}
	return dst
}

// DecodeCreate reads the record of op. TTL is -1 for the operations without one.
func DecodeCreate(r *Reader, op OpCode) (c Create) {
	c.Read(r, op)
	return c
}

// Read is DecodeCreate into c. To copy a record right after it was written costs
// more than to read it.
func (c *Create) Read(r *Reader, op OpCode) {
	c.Path, c.Data, c.ACL, c.Flags, c.TTL = r.Bytes(), r.Bytes(), DecodeRawACLs(r), r.Int(), -1
	if op == OpCreateTTL {
		c.TTL = r.Long()
	}
}

// MultiHeader precedes each operation and result of a multi and closes the list.
type MultiHeader struct {
	Op   OpCode
	Done bool
	Err  int32
}

// MultiHeaderBytes is the encoded size.
const MultiHeaderBytes = 9

// AppendMultiHeader appends the header.
func AppendMultiHeader(dst []byte, op OpCode, done bool, err int32) []byte {
	return AppendInt(AppendBool(AppendInt(dst, int32(op)), done), err)
}

// AppendMultiEnd appends the header that closes a list.
func AppendMultiEnd(dst []byte) []byte { return AppendMultiHeader(dst, OpError, true, -1) }

// DecodeMultiHeader reads a header.
func DecodeMultiHeader(r *Reader) MultiHeader {
	return MultiHeader{Op: OpCode(r.Int()), Done: r.Bool(), Err: r.Int()}
}

// Reconfig is the request of reconfig; nil strings were null.
type Reconfig struct {
	Joining, Leaving, NewMembers []byte
	CurConfigID                  int64
}

// Append appends the record.
func (c *Reconfig) Append(dst []byte) []byte {
	dst = AppendBuffer(AppendBuffer(AppendBuffer(dst, c.Joining), c.Leaving), c.NewMembers)
	return AppendLong(dst, c.CurConfigID)
}

// DecodeReconfig reads the record.
func DecodeReconfig(r *Reader) Reconfig {
	return Reconfig{Joining: r.Bytes(), Leaving: r.Bytes(), NewMembers: r.Bytes(), CurConfigID: r.Long()}
}

// Auth is the request of auth.
type Auth struct {
	Type         int32
	Scheme, Auth []byte
}

// AppendAuth appends the record.
func AppendAuth(dst []byte, scheme string, auth []byte) []byte {
	return AppendBuffer(AppendString(AppendInt(dst, 0), scheme), auth)
}

// DecodeAuth reads the record.
func DecodeAuth(r *Reader) Auth { return Auth{Type: r.Int(), Scheme: r.Bytes(), Auth: r.Bytes()} }

// PathMode is the request of addWatch (mode), checkWatches and removeWatches (watcher type).
type PathMode struct {
	Path []byte
	Mode int32
}

// AppendPathMode appends the record.
func AppendPathMode(dst []byte, path string, mode int32) []byte {
	return AppendInt(AppendString(dst, path), mode)
}

// DecodePathMode reads the record.
func DecodePathMode(r *Reader) PathMode { return PathMode{Path: r.Bytes(), Mode: r.Int()} }

// SetWatches is the request of setWatches and setWatches2, which adds the last two lists.
type SetWatches struct {
	RelativeZxid                 core.Zxid
	Data, Exist, Child           []string
	Persistent, PersistentRecurs []string
}

// Append appends the record of op.
func (s *SetWatches) Append(dst []byte, op OpCode) []byte {
	dst = AppendLong(dst, int64(s.RelativeZxid))
	dst = AppendStrings(dst, s.Data)
	dst = AppendStrings(dst, s.Exist)
	dst = AppendStrings(dst, s.Child)
	if op == OpSetWatches2 {
		dst = AppendStrings(dst, s.Persistent)
		dst = AppendStrings(dst, s.PersistentRecurs)
	}
	return dst
}

// DecodeSetWatches reads the record of op. A null vector is a fault, as it is for ZooKeeper.
func DecodeSetWatches(r *Reader, op OpCode) SetWatches {
	s := SetWatches{RelativeZxid: core.Zxid(r.Long())}
	lists := []*[]string{&s.Data, &s.Exist, &s.Child, &s.Persistent, &s.PersistentRecurs}
	if op != OpSetWatches2 {
		lists = lists[:3]
	}
	for _, l := range lists {
		var ok bool
		if *l, ok = DecodeStrings(r); !ok {
			r.Fail()
			return SetWatches{}
		}
	}
	return s
}
