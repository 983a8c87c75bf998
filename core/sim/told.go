package sim

import (
	"cmp"
	"fmt"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/sim/model"
	"github.com/zensus-io/zensus/core/wire"
)

// expected is an event that a link must be told of.
type expected struct {
	zxid core.Zxid
	kind core.EventType
	path string
	data []byte // with stat, for links within the process
	stat core.Stat
}

func (e expected) String() string { return fmt.Sprintf("%v %s at %v", e.kind, e.path, e.zxid) }

// linkOracle is what the oracle knows of one link.
type linkOracle struct {
	ids      []core.Identity
	asked    wire.ConnectRequest
	sent     []*request // in order, not yet answered
	welcomed bool
	session  core.SessionID
	heard    int64 // when the server last heard of the client
	watches  watchSets
	events   []expected
	catchup  []expected
	frames   [][]byte
	closed   bool

	leaves   bool // a long read leaves the loop in this step
	leavesAt core.Zxid
	away     *request  // and has not come back
	own      core.Zxid // of the link's write that was applied last
}

func (t *linkOracle) init() { t.watches = newWatchSets() }

// expect works out which events the changes of a transaction must cause
// (zookeeper-protocol 5.2), and uses up one-shot watches.
func (t *linkOracle) expect(z core.Zxid, changes []model.Change) {
	w := &t.watches
	if len(w.data)+len(w.child)+len(w.persistent)+len(w.recursive) == 0 {
		return
	}
	for _, c := range changes {
		recursive := false
		for p := c.Path; p != "" && !recursive; p = core.ParentPath(p) {
			recursive = w.recursive[p]
		}
		mine := w.data[c.Path] || w.persistent[c.Path] || recursive
		delete(w.data, c.Path)
		if c.Type == core.NodeDeleted {
			mine = mine || w.child[c.Path]
			delete(w.child, c.Path)
		}
		if mine && model.Allowed(c.ACL, t.ids, core.PermRead) {
			t.events = append(t.events, expected{z, c.Type, c.Path, c.Data, c.Stat})
		}
		if c.Type == core.NodeDataChanged {
			continue
		}
		parent := core.ParentPath(c.Path)
		mine = w.child[parent] || w.persistent[parent]
		delete(w.child, parent)
		if mine && model.Allowed(c.ParentACL, t.ids, core.PermRead) {
			t.events = append(t.events, expected{zxid: z, kind: core.NodeChildrenChanged, path: parent})
		}
	}
}

// compareEvents orders events of one zxid.
func compareEvents(a, b expected) int {
	return cmp.Or(cmp.Compare(a.zxid, b.zxid), cmp.Compare(a.kind, b.kind), cmp.Compare(a.path, b.path))
}
