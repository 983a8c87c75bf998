package watch

import (
	"math"

	"github.com/zensus-io/zensus/core"
)

// Hit is one event for one connection. Its Path shares the memory of the path
// that was given to the trigger.
type Hit struct {
	Conn ConnID
	Type core.EventType
	Path string
}

// Created appends to hits who must hear that the znode at path was created: its
// watchers, then those of its parent's list of children.
func (t *Table) Created(path string, hits []Hit) []Hit {
	return t.fireParent(path, t.fireData(path, core.NodeCreated, hits))
}

// Deleted appends to hits who must hear that the znode at path is gone: its
// watchers, then the watchers of its list of children that are not among these,
// then those of its parent's list of children.
func (t *Table) Deleted(path string, hits []Hit) []Hit {
	hits = t.fireData(path, core.NodeDeleted, hits)
	if pi := t.paths[path]; pi != 0 {
		hits = t.fire(pi, child, core.NodeDeleted, path, t.round, hits)
	}
	return t.fireParent(path, hits)
}

// DataChanged appends to hits who must hear that the data at path was set.
func (t *Table) DataChanged(path string, hits []Hit) []Hit {
	return t.fireData(path, core.NodeDataChanged, hits)
}

// fireData fires the data table: the entries of the path itself, then the
// recursive ones of the path and its ancestors upwards.
func (t *Table) fireData(path string, what core.EventType, hits []Hit) []Hit {
	t.round++
	if pi := t.paths[path]; pi != 0 {
		hits = t.fire(pi, data, what, path, t.round, hits)
	}
	t.treeLens.ancestors(path, func(at string) {
		if pi := t.paths[at]; pi != 0 {
			hits = t.fire(pi, tree, what, path, t.round, hits)
		}
	})
	return hits
}

// fireParent tells the watchers of the parent's list of children.
func (t *Table) fireParent(path string, hits []Hit) []Hit {
	parent := core.ParentPath(path)
	if parent == "" {
		return hits
	}
	if pi := t.paths[parent]; pi != 0 {
		hits = t.fire(pi, child, core.NodeChildrenChanged, parent, nobody, hits)
	}
	return hits
}

// nobody is a round in which nobody was told anything.
const nobody = math.MaxUint64

// fire tells the connections on one list of a path, but for those that were told
// from the data table in the round skip, and uses up the one-shots of all.
func (t *Table) fire(pi uint32, l list, what core.EventType, path string, skip uint64, hits []Hit) []Hit {
	head := t.pathRec.at(pi).heads[l]
	if head == 0 {
		return hits
	}
	last := t.entries.at(head).prev
	for ei := head; ; {
		e := t.entries.at(ei)
		next := e.next // e may be dropped
		c := t.connRec.at(e.conn)
		if c.told != skip {
			hits = append(hits, Hit{Conn: c.id, Type: what, Path: path})
		}
		if l != child {
			c.told = t.round
		}
		if e.modes &^= oneShot; e.modes == 0 {
			t.drop(ei)
		}
		if ei == last {
			return hits
		}
		ei = next
	}
}
