package watch

// Count is what the command wchs prints, of the data table alone as ZooKeeper
// does: the connections with watches, the watched paths, and the pairs of the two.
func (t *Table) Count() (conns, paths, total int) { return t.dataConns, t.dataPaths, t.dataPairs }

// Len is the number of watches of both tables, each connection counted once per
// path and table. It is ZooKeeper's metric watch_count.
func (t *Table) Len() int { return t.dataPairs + t.children }

// Of is the number of entries that a connection has, for whoever bounds it.
func (t *Table) Of(c ConnID) int {
	ci := t.conns[c]
	if ci == 0 {
		return 0
	}
	return int(t.connRec.at(ci).n)
}

// Pairs yields the data table, all paths of a connection in a row and otherwise
// in no order, and a path twice that a connection watches in two ways: sorting
// takes longer and can be done elsewhere. The paths are the caller's to keep.
func (t *Table) Pairs(yield func(c ConnID, path string) bool) {
	for id, ci := range t.conns {
		head := t.connRec.at(ci).head
		for ei := head; ei != 0; {
			e := t.entries.at(ei)
			if e.list != child && !yield(id, t.pathRec.at(e.path).text) {
				return
			}
			if ei = e.connNext; ei == head {
				break
			}
		}
	}
}
