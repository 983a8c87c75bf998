package model

import (
	"maps"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Answer is what a read must have been answered.
type Answer struct {
	Code     core.Code
	Data     []byte
	Stat     core.Stat
	Children []string // sorted
	ACL      []core.ACL
	Count    int32
}

// Read answers a read of one znode by somebody with these identities. The empty
// path is the root's other name.
func (m *Model) Read(op wire.OpCode, path string, session core.SessionID, ids []core.Identity) Answer {
	if op == wire.OpGetEphemerals {
		return m.ephemerals(path, session)
	}
	if op == wire.OpExists && strings.IndexByte(path, 0) >= 0 {
		return Answer{Code: core.BadArguments}
	}
	if path == "" {
		path = "/"
	}
	n := m.Nodes[path]
	if n == nil {
		return Answer{Code: core.NoNode}
	}
	perm := core.PermRead
	if op == wire.OpGetACL {
		perm |= core.PermAdmin
	}
	if !Allowed(n.ACL, ids, perm) {
		return Answer{Code: core.NoAuth}
	}
	a := Answer{Stat: n.Stat()}
	data := n.Data
	if path == "/zookeeper/config" && len(data) == 0 && m.Ensemble != "" { // until the first reconfiguration
		data = []byte(m.Ensemble)
		a.Stat.Version, a.Stat.DataLength = -1, int32(len(data))
	}
	switch op {
	case wire.OpGetData:
		a.Data = data
	case wire.OpGetChildren, wire.OpGetChildren2:
		a.Children = slices.Sorted(maps.Keys(n.Children))
	case wire.OpGetACL:
		a.ACL = n.ACL
		if !Allowed(n.ACL, ids, core.PermAdmin) {
			a.ACL = mask(n.ACL)
		}
	case wire.OpGetAllChildrenNumber:
		for p := range m.Nodes {
			if p != path && core.HasPathPrefix(p, path) {
				a.Count++
			}
		}
	}
	return a
}

func (m *Model) ephemerals(prefix string, session core.SessionID) (a Answer) {
	for _, p := range m.Owned(session) {
		if strings.HasPrefix(p, prefix) {
			a.Children = append(a.Children, p)
		}
	}
	return a
}

// mask hides the secret part of digest ids (zookeeper-protocol 6.5).
func mask(list []core.ACL) []core.ACL {
	list = slices.Clone(list)
	for i, a := range list {
		if user, _, ok := strings.Cut(a.ID, ":"); ok && a.Scheme == "digest" {
			list[i].ID = user + ":x"
		}
	}
	return list
}
