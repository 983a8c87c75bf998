package watch

// The watcher types of removeWatches and checkWatches.
const (
	TypeChildren            int32 = 1 // the one-shot of the child table
	TypeData                int32 = 2 // the one-shot of the data table
	TypeAny                 int32 = 3 // all that the connection has on the path
	TypePersistent          int32 = 4
	TypePersistentRecursive int32 = 5
)

// ValidType reports whether watcherType is one of those above.
func ValidType(watcherType int32) bool {
	return watcherType >= TypeChildren && watcherType <= TypePersistentRecursive
}

// covered is what a watcher type means on each list.
var covered = [TypePersistentRecursive + 1][lists]mode{
	TypeChildren:            {child: oneShot},
	TypeData:                {data: oneShot},
	TypeAny:                 {data: oneShot | persistent, child: oneShot | persistent, tree: persistent},
	TypePersistent:          {data: persistent, child: persistent},
	TypePersistentRecursive: {tree: persistent},
}

// Remove removes the watches of one type that a connection has on a path, and
// reports whether there was any. Nothing is of an unknown type.
func (t *Table) Remove(path string, c ConnID, watcherType int32) bool {
	if !ValidType(watcherType) {
		return false
	}
	removed := false
	for l, m := range covered[watcherType] {
		ei := t.lookup(path, c, list(l), m)
		if ei == 0 {
			continue
		}
		removed = true
		e := t.entries.at(ei)
		if e.modes &^= m; e.modes == 0 {
			t.drop(ei)
		}
	}
	return removed
}

// Has reports whether a connection has a watch of one type on a path.
func (t *Table) Has(path string, c ConnID, watcherType int32) bool {
	if !ValidType(watcherType) {
		return false
	}
	for l, m := range covered[watcherType] {
		if t.lookup(path, c, list(l), m) != 0 {
			return true
		}
	}
	return false
}

// lookup is the entry of a connection on a list of a path if it watches in one
// of the modes m, else 0.
func (t *Table) lookup(path string, c ConnID, l list, m mode) uint32 {
	if m == 0 {
		return 0
	}
	pi, ci := t.paths[path], t.conns[c]
	if pi == 0 || ci == 0 {
		return 0
	}
	ei := t.find(t.pathRec.at(pi), l, ci)
	if ei == 0 || t.entries.at(ei).modes&m == 0 {
		return 0
	}
	return ei
}

// Drop removes all watches of a connection.
func (t *Table) Drop(c ConnID) {
	ci := t.conns[c]
	if ci == 0 {
		return
	}
	rec := t.connRec.at(ci)
	for range rec.n {
		t.drop(rec.head)
	}
}
