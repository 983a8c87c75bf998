package model

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// The owners of znodes that belong to no session (zookeeper-protocol 2.3).
const (
	containerMark uint64 = 0x8000000000000000
	ttlMark       uint64 = 0xff00000000000000
)

// unusedMillis is how long a container may wait for its first child.
const unusedMillis = 300_000

// Node is one znode.
type Node struct {
	Data                []byte // nil is null
	ACL                 []core.ACL
	Czxid, Mzxid, Pzxid core.Zxid
	Ctime, Mtime        int64
	Version, Aversion   int32
	Creates             uint32 // children ever created
	Owner               uint64 // session, mark, or mark and time to live
	Children            map[string]bool
}

func (n *Node) clone() *Node {
	c := *n
	c.Children = maps.Clone(n.Children)
	return &c
}

func (n *Node) container() bool { return n.Owner == containerMark }

func (n *Node) ttl() (millis int64, ok bool) {
	return int64(n.Owner & core.MaxTTLMillis), n.Owner&ttlMark == ttlMark
}

func (n *Node) session() core.SessionID {
	if _, ttl := n.ttl(); ttl || n.container() {
		return 0
	}
	return core.SessionID(n.Owner)
}

// Stat is the znode's as clients see it.
func (n *Node) Stat() core.Stat {
	return core.Stat{
		Czxid: n.Czxid, Mzxid: n.Mzxid, Pzxid: n.Pzxid, Ctime: n.Ctime, Mtime: n.Mtime,
		Version: n.Version, Aversion: n.Aversion, Cversion: int32(2*n.Creates - uint32(len(n.Children))),
		EphemeralOwner: n.session(), DataLength: int32(len(n.Data)), NumChildren: int32(len(n.Children)),
	}
}

// Model is the whole state.
type Model struct {
	// TTL says that znodes with a time to live are switched on.
	TTL bool
	// Ensemble is what /zookeeper/config says until the first reconfiguration.
	Ensemble string

	Nodes    map[string]*Node
	Sessions map[core.SessionID]int32 // timeouts, milliseconds
	Applied  core.Zxid
	// Known are all sessions that ever were.
	Known map[core.SessionID]bool
}

// New is the state of a fresh server (zookeeper-protocol 3.4, 4.4).
func New() *Model {
	m := &Model{
		Nodes: map[string]*Node{}, Sessions: map[core.SessionID]int32{}, Known: map[core.SessionID]bool{},
	}
	add := func(path string, children ...string) *Node {
		n := &Node{ACL: core.OpenACL(), Data: []byte{}, Children: map[string]bool{}}
		for _, c := range children {
			n.Children[c] = true
		}
		m.Nodes[path] = n
		return n
	}
	add("/", "zookeeper")
	add("/zookeeper", "quota", "config")
	add("/zookeeper/quota")
	config := add("/zookeeper/config")
	config.ACL, config.Aversion = core.ReadACL(), -1
	return m
}

// Paths lists all znodes, sorted.
func (m *Model) Paths() []string { return slices.Sorted(maps.Keys(m.Nodes)) }

// Owned lists the ephemeral znodes of a session, sorted.
func (m *Model) Owned(id core.SessionID) []string {
	var list []string
	for path, n := range m.Nodes {
		if id != 0 && n.session() == id {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}

// Orphan is an ephemeral znode whose session does not live, or "" (I15).
func (m *Model) Orphan() string {
	for _, path := range m.Paths() {
		if id := m.Nodes[path].session(); id != 0 {
			if _, open := m.Sessions[id]; !open {
				return path
			}
		}
	}
	return ""
}

// Digest is ZooKeeper's tree digest, version 2: the sum over all znodes outside
// /zookeeper of a CRC over path, data and the durable fields of the Stat.
func (m *Model) Digest() uint64 {
	var sum uint64
	for path, n := range m.Nodes {
		if strings.HasPrefix(path, "/zookeeper/") {
			continue
		}
		if path == "/" {
			path = ""
		}
		crc := crc32.ChecksumIEEE([]byte(path))
		crc = crc32.Update(crc, crc32.IEEETable, n.Data)
		var b []byte
		for _, v := range []int64{int64(n.Czxid), int64(n.Mzxid), int64(n.Pzxid), n.Ctime, n.Mtime} {
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		}
		for _, v := range []uint32{uint32(n.Version), n.Creates, uint32(n.Aversion)} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		b = binary.BigEndian.AppendUint64(b, n.Owner)
		sum += uint64(crc32.Update(crc, crc32.IEEETable, b))
	}
	return sum
}

// Change is one thing that watchers may hear of.
type Change struct {
	Type           core.EventType // NodeCreated, NodeDeleted or NodeDataChanged
	Path           string
	ACL, ParentACL []core.ACL // as they were
	Data           []byte     // as the change left it
	Stat           core.Stat
}

// Result is what became of one operation.
type Result struct {
	Op   wire.OpCode // of the transaction
	Code core.Code
	Path string // of a create
	Stat core.Stat
}

// Outcome is what a transaction did.
type Outcome struct {
	Header  wire.TxnHeader
	Code    core.Code // of an error transaction
	Results []Result  // one, or one for each operation of a multi
	Changes []Change
	Timeout int32    // of createSession
	Listed  []string // of closeSession
}

// Apply does one record of the log. It returns an error if the record cannot
// have been made by a right server.
func (m *Model) Apply(rec *wire.Record) (*Outcome, error) {
	if rec.Zxid <= m.Applied {
		return nil, fmt.Errorf("model: %v comes after %v", rec.Zxid, m.Applied)
	}
	m.Applied = rec.Zxid
	out := &Outcome{}
	if rec.Kind == wire.RecordEpoch {
		return out, nil
	}
	r := wire.NewReader(rec.Payload)
	out.Header = wire.DecodeTxnHeader(&r)
	if out.Header.Zxid != rec.Zxid {
		return nil, fmt.Errorf("model: record %v holds the transaction of %v", rec.Zxid, out.Header.Zxid)
	}
	if err := m.apply(out, &r); err != nil {
		return nil, fmt.Errorf("model: %v: %w", rec.Zxid, err)
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("model: %v: %w", rec.Zxid, err)
	}
	return out, nil
}

func (m *Model) apply(out *Outcome, r *wire.Reader) error {
	h := out.Header
	switch h.Op {
	case wire.OpError:
		out.Code = core.Code(r.Int())
		out.Results = []Result{{Op: wire.OpError, Code: out.Code}}
	case wire.OpCreateSession:
		out.Timeout = r.Int()
		if m.Known[h.Session] {
			return fmt.Errorf("session %v is created a second time", h.Session)
		}
		m.Known[h.Session] = true
		m.Sessions[h.Session] = out.Timeout
	case wire.OpCloseSession:
		return m.applyClose(out, r)
	case wire.OpMulti:
		return m.applyMulti(out, r)
	default:
		res, err := m.one(out, h.Op, r)
		out.Results = []Result{res}
		return err
	}
	return nil
}

func (m *Model) applyClose(out *Outcome, r *wire.Reader) error {
	id := out.Header.Session
	if _, open := m.Sessions[id]; !open {
		return fmt.Errorf("session %v ends and does not live", id)
	}
	listed, _ := wire.DecodeStrings(r)
	out.Listed = listed
	sorted := slices.Sorted(slices.Values(listed))
	if owned := m.Owned(id); !slices.Equal(sorted, owned) {
		return fmt.Errorf("session %v ends with %v and owns %v", id, sorted, owned)
	}
	delete(m.Sessions, id)
	for _, path := range listed {
		m.remove(out, path)
	}
	return nil
}

func (m *Model) applyMulti(out *Outcome, r *wire.Reader) error {
	type sub struct {
		op   wire.OpCode
		body []byte
	}
	var subs []sub
	failed := false
	for n := r.Int(); n > 0 && r.Err() == nil; n-- {
		s := wire.DecodeSubTxn(r)
		subs = append(subs, sub{s.Op, s.Body})
		failed = failed || s.Op == wire.OpError
	}
	for _, s := range subs {
		body := wire.NewReader(s.body)
		if failed {
			if s.op != wire.OpError {
				return fmt.Errorf("a failed multi holds %v", s.op)
			}
			out.Results = append(out.Results, Result{Op: wire.OpError, Code: core.Code(body.Int())})
			continue
		}
		res, err := m.one(out, s.op, &body)
		if err != nil {
			return err
		}
		if body.Err() != nil {
			return body.Err()
		}
		out.Results = append(out.Results, res)
	}
	return nil
}

// one applies one operation.
func (m *Model) one(out *Outcome, op wire.OpCode, r *wire.Reader) (Result, error) {
	h := out.Header
	res := Result{Op: op}
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		c := wire.DecodeCreateTxn(r, op)
		path := string(c.Path)
		parent := m.Nodes[core.ParentPath(path)]
		switch {
		case r.Err() != nil:
			return res, r.Err()
		case m.Nodes[path] != nil:
			return res, fmt.Errorf("create %s: it is there", path)
		case parent == nil:
			return res, fmt.Errorf("create %s: no parent", path)
		case uint32(c.ParentCreates) != parent.Creates+1:
			return res, fmt.Errorf("create %s: the parent's counter becomes %d after %d", path, uint32(c.ParentCreates), parent.Creates)
		}
		n := &Node{
			Data: clone(c.Data), ACL: c.ACL, Czxid: h.Zxid, Mzxid: h.Zxid, Pzxid: h.Zxid,
			Ctime: h.Time, Mtime: h.Time, Children: map[string]bool{},
		}
		switch {
		case op == wire.OpCreateContainer:
			n.Owner = containerMark
		case op == wire.OpCreateTTL:
			n.Owner = ttlMark | uint64(c.TTL)
		case c.Ephemeral:
			n.Owner = uint64(h.Session)
			if _, open := m.Sessions[h.Session]; !open {
				return res, fmt.Errorf("create %s: ephemeral of session %v, which does not live", path, h.Session)
			}
		}
		m.Nodes[path] = n
		parent.Children[core.BaseName(path)] = true
		parent.Creates++
		parent.Pzxid = h.Zxid
		res.Path, res.Stat = path, n.Stat()
		out.Changes = append(out.Changes, Change{core.NodeCreated, path, n.ACL, parent.ACL, n.Data, res.Stat})
	case wire.OpDelete, wire.OpDeleteContainer:
		path := r.String()
		n := m.Nodes[path]
		if n == nil || len(n.Children) > 0 {
			return res, fmt.Errorf("delete %s: not there, or not empty", path)
		}
		if ttl, isTTL := n.ttl(); op == wire.OpDeleteContainer {
			unused := n.Creates == 0 && h.Time-n.Mtime <= unusedMillis
			if !(n.container() && !unused) && !(isTTL && h.Time-n.Mtime > ttl) {
				return res, fmt.Errorf("reaped %s before its time", path)
			}
		}
		m.remove(out, path)
	case wire.OpSetData:
		s := wire.DecodeSetDataTxn(r)
		n := m.Nodes[string(s.Path)]
		if n == nil || s.Version != nextVersion(n.Version) {
			return res, fmt.Errorf("setData %s: not there, or version %d after another", s.Path, s.Version)
		}
		n.Data, n.Version, n.Mzxid, n.Mtime = clone(s.Data), s.Version, h.Zxid, h.Time
		res.Stat = n.Stat()
		out.Changes = append(out.Changes, Change{core.NodeDataChanged, string(s.Path), n.ACL, nil, n.Data, res.Stat})
	case wire.OpReconfig:
		s := wire.DecodeSetDataTxn(r)
		n := m.Nodes["/zookeeper/config"]
		if string(s.Path) != "/zookeeper/config" || s.Version != -1 {
			return res, fmt.Errorf("a reconfiguration sets %s to version %d", s.Path, s.Version)
		}
		n.Data, n.Version, n.Mzxid, n.Mtime = clone(s.Data), s.Version, h.Zxid, h.Time
		res.Stat = n.Stat()
		out.Changes = append(out.Changes, Change{core.NodeDataChanged, string(s.Path), n.ACL, nil, n.Data, res.Stat})
	case wire.OpSetACL:
		s := wire.DecodeSetACLTxn(r)
		n := m.Nodes[string(s.Path)]
		if n == nil || s.Version != nextVersion(n.Aversion) {
			return res, fmt.Errorf("setACL %s: not there, or version %d after another", s.Path, s.Version)
		}
		n.ACL, n.Aversion = s.ACL, s.Version
		res.Stat = n.Stat()
	case wire.OpCheck:
		wire.DecodePathVersion(r)
	default:
		return res, fmt.Errorf("a transaction of type %v", op)
	}
	return res, r.Err()
}

func (m *Model) remove(out *Outcome, path string) {
	n, parent := m.Nodes[path], m.Nodes[core.ParentPath(path)]
	delete(m.Nodes, path)
	delete(parent.Children, core.BaseName(path))
	parent.Pzxid = out.Header.Zxid
	out.Changes = append(out.Changes, Change{Type: core.NodeDeleted, Path: path, ACL: n.ACL, ParentACL: parent.ACL})
}

// nextVersion leaves out -1, which cannot be expected.
func nextVersion(v int32) int32 {
	if v++; v == -1 {
		v = 0
	}
	return v
}

// clone copies and keeps nil and empty apart.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}
