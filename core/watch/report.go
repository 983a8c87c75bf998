package watch

import (
	"maps"
	"slices"
)

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

// ByPath yields the data table in the order of paths, each with its connections
// in the order of their ids. The slice is valid until yield returns.
func (t *Table) ByPath(yield func(path string, conns []ConnID) bool) {
	var buf []ConnID
	for _, text := range slices.Sorted(maps.Keys(t.paths)) {
		p := t.pathRec.at(t.paths[text])
		buf = buf[:0]
		for _, l := range []list{data, tree} {
			head := p.heads[l]
			for ei := head; ei != 0; {
				e := t.entries.at(ei)
				buf = append(buf, t.connRec.at(e.conn).id)
				if ei = e.next; ei == head {
					break
				}
			}
		}
		slices.Sort(buf)
		buf = slices.Compact(buf)
		if len(buf) > 0 && !yield(text, buf) {
			return
		}
	}
}

// ByConn yields the data table in the order of connection ids, each with its
// paths in order. The slice is valid until yield returns.
func (t *Table) ByConn(yield func(c ConnID, paths []string) bool) {
	var buf []string
	for _, id := range slices.Sorted(maps.Keys(t.conns)) {
		head := t.connRec.at(t.conns[id]).head
		buf = buf[:0]
		for ei := head; ei != 0; {
			e := t.entries.at(ei)
			if e.list != child {
				buf = append(buf, t.pathRec.at(e.path).text)
			}
			if ei = e.connNext; ei == head {
				break
			}
		}
		slices.Sort(buf)
		buf = slices.Compact(buf)
		if len(buf) > 0 && !yield(id, buf) {
			return
		}
	}
}
