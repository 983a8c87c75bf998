package state

import (
	"bytes"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/acl"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/watch"
	"github.com/zensus-io/zensus/core/wire"
)

// Asker is the connection on whose behalf something is read.
type Asker struct {
	Conn    watch.ConnID
	Session core.SessionID
	IDs     []core.Identity
}

// IsRead reports whether op is one that Read answers.
func IsRead(op wire.OpCode) bool {
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetACL, wire.OpGetChildren, wire.OpGetChildren2,
		wire.OpCheckWatches, wire.OpRemoveWatches, wire.OpMultiRead, wire.OpGetEphemerals,
		wire.OpGetAllChildrenNumber, wire.OpAddWatch, wire.OpWhoAmI:
		return true
	}
	return false
}

// Read answers a read from the applied state: it appends the body of the reply
// to dst and, in the same step, arms the watch that the request asks for. With a
// code other than OK nothing is appended.
//
// Paths are looked up as they are: one that is not valid is one that does not
// exist, and the empty path is the root's, as for ZooKeeper.
func (s *State) Read(a *Asker, op wire.OpCode, body, dst []byte) ([]byte, core.Code) {
	r := wire.NewReader(body)
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		q := wire.DecodePathWatch(&r)
		if r.Err() != nil || q.Path == nil {
			return dst, core.MarshallingError
		}
		return s.readNode(a, op, q, dst)
	case wire.OpGetACL:
		path := r.Bytes()
		if r.Err() != nil || path == nil {
			return dst, core.MarshallingError
		}
		return s.readACL(a, path, dst)
	case wire.OpGetAllChildrenNumber:
		path := r.Bytes()
		if r.Err() != nil || path == nil {
			return dst, core.MarshallingError
		}
		ref, code := s.readable(a, path)
		if code != core.OK {
			return dst, code
		}
		return wire.AppendInt(dst, int32(s.tree.Descendants(ref))), core.OK
	case wire.OpGetEphemerals:
		prefix := r.Bytes()
		if r.Err() != nil {
			return dst, core.MarshallingError
		}
		return s.readEphemerals(a, prefix, dst), core.OK
	case wire.OpMultiRead:
		return s.readMulti(a, &r, dst)
	case wire.OpWhoAmI:
		ids := acl.WhoAmI(a.IDs)
		dst = wire.AppendInt(dst, int32(len(ids)))
		for _, id := range ids {
			dst = wire.AppendString(wire.AppendString(dst, id.Scheme), id.ID)
		}
		return dst, core.OK
	case wire.OpAddWatch, wire.OpCheckWatches, wire.OpRemoveWatches:
		q := wire.DecodePathMode(&r)
		// Nobody watches a null path, but only to watch it is malformed.
		if r.Err() != nil || q.Path == nil && op == wire.OpAddWatch {
			return dst, core.MarshallingError
		}
		return s.watchOp(a, op, q, dst)
	}
	return dst, core.Unimplemented
}

// readable finds a znode that the asker may read.
func (s *State) readable(a *Asker, path []byte) (tree.Ref, core.Code) {
	ref := s.tree.FindBytes(path)
	if ref == tree.None {
		return ref, core.NoNode
	}
	list := s.tree.ACL(ref)
	s.cost += len(list) * len(a.IDs)
	if !acl.Check(list, a.IDs, core.PermRead) {
		return ref, core.NoAuth
	}
	return ref, core.OK
}

// TakeCost is what the reads since the last call have cost beyond a request's
// usual price, in steps through lists that a client can make long. It lets the
// owner share its time out fairly.
func (s *State) TakeCost() int {
	n := s.cost
	s.cost = 0
	return n
}

func (s *State) readNode(a *Asker, op wire.OpCode, q wire.PathWatch, dst []byte) ([]byte, core.Code) {
	if op == wire.OpExists && bytes.IndexByte(q.Path, 0) >= 0 {
		return dst, core.BadArguments
	}
	ref, code := s.readable(a, q.Path)
	if q.Watch && (code == core.OK || code == core.NoNode && op == wire.OpExists) {
		if op == wire.OpExists || op == wire.OpGetData {
			s.watches.AddData(string(q.Path), a.Conn)
		} else {
			s.watches.AddChild(string(q.Path), a.Conn)
		}
	}
	if code != core.OK {
		return dst, code
	}
	switch op {
	case wire.OpGetChildren:
		return s.tree.AppendChildren(dst, ref), core.OK
	case wire.OpGetChildren2:
		dst = s.tree.AppendChildren(dst, ref)
	}
	data, st := s.dataOf(ref, q.Path)
	if op == wire.OpGetData {
		dst = wire.AppendBuffer(dst, data)
	}
	return wire.AppendStat(dst, &st), core.OK
}

// dataOf is the data and the Stat of a znode. Until the first reconfiguration, what a
// server of several says of the ensemble is its own (Config.Ensemble), at version -1,
// as ZooKeeper has it (seen on 3.8.0).
func (s *State) dataOf(ref tree.Ref, path []byte) ([]byte, core.Stat) {
	st := s.tree.Stat(ref)
	if s.cfg.Ensemble == "" || string(path) != tree.ConfigPath || st.DataLength > 0 {
		return s.tree.Data(ref), st
	}
	st.Version, st.DataLength = -1, int32(len(s.cfg.Ensemble))
	return []byte(s.cfg.Ensemble), st
}

func (s *State) readACL(a *Asker, path, dst []byte) ([]byte, core.Code) {
	ref := s.tree.FindBytes(path)
	if ref == tree.None {
		return dst, core.NoNode
	}
	list := s.tree.ACL(ref)
	if !acl.Check(list, a.IDs, core.PermRead|core.PermAdmin) {
		return dst, core.NoAuth
	}
	dst = wire.AppendACLs(dst, acl.Mask(list, a.IDs))
	_, st := s.dataOf(ref, path)
	return wire.AppendStat(dst, &st), core.OK
}

// readEphemerals lists the session's own ephemerals that start with prefix, as
// text: /t5 also finds /t5e.
func (s *State) readEphemerals(a *Asker, prefix, dst []byte) []byte {
	p := strings.TrimSpace(string(prefix))
	all := p == "" || p == "/"
	at := len(dst)
	dst = wire.AppendInt(dst, 0)
	count := int32(0)
	s.tree.Ephemerals(a.Session, func(r tree.Ref) bool {
		s.cost++
		start := len(dst)
		dst = s.tree.AppendPath(wire.AppendInt(dst, 0), r)
		if !all && !bytes.HasPrefix(dst[start+4:], prefix) {
			dst = dst[:start]
			return true
		}
		wire.PutInt(dst[start:], int32(len(dst)-start-4))
		count++
		return true
	})
	wire.PutInt(dst[at:], count)
	return dst
}

// multiReadBytesMax bounds the reply to a multiRead: a short request could ask for
// one large znode many times. ZooKeeper has no bound, its clients one of 1 MB.
const multiReadBytesMax = 16 << 20

// costBytes is how many copied bytes cost as much as one step through a list.
const costBytes = 512

// sizeOf is the length of a znode's data, 0 if there is none.
func (s *State) sizeOf(path []byte) int {
	if ref := s.tree.FindBytes(path); ref != tree.None {
		return len(s.tree.Data(ref))
	}
	return 0
}

// readMulti answers getData and getChildren in one reply; each succeeds or fails
// by itself, and none arms a watch.
func (s *State) readMulti(a *Asker, r *wire.Reader, dst []byte) ([]byte, core.Code) {
	start := len(dst)
	for {
		h := wire.DecodeMultiHeader(r)
		if r.Err() != nil {
			return dst[:start], core.MarshallingError
		}
		if h.Done {
			return wire.AppendMultiEnd(dst), core.OK
		}
		if h.Op != wire.OpGetData && h.Op != wire.OpGetChildren {
			return dst[:start], core.MarshallingError
		}
		q := wire.DecodePathWatch(r)
		if r.Err() != nil || q.Path == nil {
			return dst[:start], core.MarshallingError
		}
		// The size is looked at first: what will not be sent is not copied either.
		if len(dst)-start+s.sizeOf(q.Path) > multiReadBytesMax {
			return dst[:start], core.MarshallingError
		}
		s.cost += s.sizeOf(q.Path) / costBytes
		at := len(dst)
		dst = wire.AppendMultiHeader(dst, h.Op, false, 0)
		var code core.Code
		if dst, code = s.readNode(a, h.Op, wire.PathWatch{Path: q.Path}, dst); code != core.OK {
			dst = wire.AppendMultiHeader(dst[:at], wire.OpError, false, int32(code))
			dst = wire.AppendInt(dst, int32(code))
		}
	}
}

// Watcher types of checkWatches and removeWatches (zookeeper-protocol 3.2).
const (
	watcherTypeMin = 1
	watcherTypeMax = 5
)

func (s *State) watchOp(a *Asker, op wire.OpCode, q wire.PathMode, dst []byte) ([]byte, core.Code) {
	if op == wire.OpAddWatch {
		switch core.WatchMode(q.Mode) {
		case core.WatchNode:
			s.watches.AddPersistent(string(q.Path), a.Conn)
		case core.WatchTree:
			s.watches.AddRecursive(string(q.Path), a.Conn)
		default:
			return dst, core.MarshallingError
		}
		return wire.AppendInt(dst, 0), core.OK
	}
	if q.Mode < watcherTypeMin || q.Mode > watcherTypeMax {
		return dst, core.MarshallingError
	}
	if q.Path == nil {
		return dst, core.NoWatcher
	}
	var found bool
	if op == wire.OpCheckWatches {
		found = s.watches.Has(string(q.Path), a.Conn, q.Mode)
	} else {
		found = s.watches.Remove(string(q.Path), a.Conn, q.Mode)
	}
	if !found {
		return dst, core.NoWatcher
	}
	return dst, core.OK
}

// SetWatches arms a connection's watches again after a reconnect. What changed
// meanwhile is told to emit instead, in the order of the lists; those events come
// before the reply (zookeeper-protocol 5.4).
func (s *State) SetWatches(a *Asker, op wire.OpCode, body []byte, emit func(core.EventType, string)) core.Code {
	r := wire.NewReader(body)
	q := wire.DecodeSetWatches(&r, op)
	if r.Err() != nil {
		return core.MarshallingError
	}
	// ZooKeeper compares zxids with their signs: a negative one is before all.
	after := func(z core.Zxid) bool { return int64(z) > int64(q.RelativeZxid) }
	for _, path := range q.Data {
		ref := s.tree.Find(path)
		switch {
		case ref == tree.None:
			emit(core.NodeDeleted, path)
		case after(s.tree.Stat(ref).Mzxid):
			emit(core.NodeDataChanged, path)
		default:
			s.watches.AddData(path, a.Conn)
		}
	}
	for _, path := range q.Exist {
		if s.tree.Find(path) != tree.None {
			emit(core.NodeCreated, path)
		} else {
			s.watches.AddData(path, a.Conn)
		}
	}
	for _, path := range q.Child {
		ref := s.tree.Find(path)
		switch {
		case ref == tree.None:
			emit(core.NodeDeleted, path)
		case after(s.tree.Stat(ref).Pzxid):
			emit(core.NodeChildrenChanged, path)
		default:
			s.watches.AddChild(path, a.Conn)
		}
	}
	for _, path := range q.Persistent {
		s.watches.AddPersistent(path, a.Conn)
	}
	for _, path := range q.PersistentRecurs {
		s.watches.AddRecursive(path, a.Conn)
	}
	return core.OK
}

// LongRead reports whether a read would walk through more znodes than the limit
// given, and of which; such a read is better made on a view. If it is one, the
// watch that it asks for is armed. A read that will be refused is never long.
func (s *State) LongRead(a *Asker, op wire.OpCode, body []byte, limit int) (tree.Ref, bool) {
	r := wire.NewReader(body)
	switch op {
	case wire.OpGetChildren, wire.OpGetChildren2:
		q := wire.DecodePathWatch(&r)
		if r.Err() != nil || q.Path == nil {
			return tree.None, false
		}
		ref, code := s.readable(a, q.Path)
		if code != core.OK || int(s.tree.NumChildren(ref)) <= limit {
			return tree.None, false
		}
		if q.Watch {
			s.watches.AddChild(wire.View(q.Path), a.Conn)
		}
		return ref, true
	case wire.OpGetAllChildrenNumber:
		path := r.Bytes()
		if r.Err() != nil || path == nil {
			return tree.None, false
		}
		ref, code := s.readable(a, path)
		if code != core.OK {
			return tree.None, false
		}
		walked := 0
		s.tree.Walk(ref, func(tree.Ref, int) bool {
			walked++
			return walked <= limit
		})
		return ref, walked > limit
	}
	return tree.None, false
}
