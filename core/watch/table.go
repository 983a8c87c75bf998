package watch

import "strings"

// ConnID names a connection of this server.
type ConnID uint64

// list is one of the three lists of a path. The tree list holds the recursive
// entries, which belong to ZooKeeper's data table; apart, they can be found from
// below without passing by the others.
type list uint8

const (
	data list = iota
	child
	tree
	lists
)

// mode is a set of the ways in which an entry of the data or child list watches.
type mode uint8

const (
	oneShot    mode = 1
	persistent mode = 2
)

// entry is a connection on a list of a path. It is in two rings: that of the
// list, in the order of registration, and that of the connection.
type entry struct {
	path, conn         uint32
	next, prev         uint32
	connNext, connPrev uint32
	list               list
	modes              mode
}

// path is a watched path.
type path struct {
	text  string
	heads [lists]uint32 // the oldest entry of each list, 0 for none
	n     uint32        // entries of all lists
	// index finds the entries of a path that has many: key(list, conn) to entry.
	index map[uint64]uint32
}

// conn is a connection with watches.
type conn struct {
	id       ConnID
	head     uint32
	n        uint32 // entries
	dataPair uint32 // paths on which it is in the data table
	told     uint64 // round in which it was last told from the data table
}

// indexMin is the number of entries from which a path has an index; below it,
// walking is faster and takes no memory.
const indexMin = 16

// keepMax is the number of entries whose memory an empty table keeps; one that
// was larger lets go of what a busier time needed.
const keepMax = 64 * chunkLen

// Table holds the watches of one server. It is not safe for concurrent use.
type Table struct {
	paths   map[string]uint32
	conns   map[ConnID]uint32
	entries slab[entry]
	pathRec slab[path]
	connRec slab[conn]

	treeLens lengths // of the paths with recursive entries

	round     uint64 // of triggers, so that nobody is told twice
	children  int    // entries of the child table
	dataPairs int    // connections in the data table, over all paths
	dataConns int    // connections that have any of these
	dataPaths int    // paths that have any of these
}

// New is an empty table.
func New() *Table {
	return &Table{paths: make(map[string]uint32), conns: make(map[ConnID]uint32)}
}

// AddData registers a one-shot watch of the znode itself, as exists and getData do.
func (t *Table) AddData(path string, c ConnID) { t.add(path, c, data, oneShot) }

// AddChild registers a one-shot watch of the list of children.
func (t *Table) AddChild(path string, c ConnID) { t.add(path, c, child, oneShot) }

// AddPersistent registers a lasting watch of the znode and its list of children.
func (t *Table) AddPersistent(path string, c ConnID) {
	t.add(path, c, data, persistent)
	t.add(path, c, child, persistent)
}

// AddRecursive registers a lasting watch of the znode and all its descendants.
func (t *Table) AddRecursive(path string, c ConnID) { t.add(path, c, tree, persistent) }

func (t *Table) add(text string, id ConnID, l list, m mode) {
	pi := t.paths[text]
	if pi == 0 {
		pi = t.pathRec.take()
		own := strings.Clone(text) // text may lie in a request's frame
		t.pathRec.at(pi).text = own
		t.paths[own] = pi
	}
	ci := t.conns[id]
	if ci == 0 {
		ci = t.connRec.take()
		t.connRec.at(ci).id = id
		t.conns[id] = ci
	}
	p, c := t.pathRec.at(pi), t.connRec.at(ci)
	if ei := t.find(p, l, ci); ei != 0 {
		t.entries.at(ei).modes |= m
		return
	}
	t.countAdded(p, c, ci, l)
	ei := t.entries.take()
	e := t.entries.at(ei)
	*e = entry{path: pi, conn: ci, list: l, modes: m}
	t.linkPath(p, ei, e)
	t.linkConn(c, ei, e)
	t.remember(p, ei, e)
}

// drop takes an entry out of everything.
func (t *Table) drop(ei uint32) {
	e := t.entries.at(ei)
	pi, ci, l := e.path, e.conn, e.list
	p, c := t.pathRec.at(pi), t.connRec.at(ci)
	t.forget(p, e)
	t.unlinkPath(p, ei, e)
	t.unlinkConn(c, ei, e)
	t.entries.give(ei)
	t.countDropped(p, c, ci, l)
	if p.n == 0 {
		delete(t.paths, p.text)
		t.pathRec.give(pi)
	}
	if c.n == 0 {
		delete(t.conns, c.id)
		t.connRec.give(ci)
	}
	if len(t.conns) == 0 && t.entries.used > keepMax {
		round := t.round
		*t = *New()
		t.round = round
	}
}

// find is the entry of a connection on a list of p, or 0.
func (t *Table) find(p *path, l list, ci uint32) uint32 {
	if p.index != nil {
		return p.index[key(l, ci)]
	}
	head := p.heads[l]
	for ei := head; ei != 0; {
		e := t.entries.at(ei)
		if e.conn == ci {
			return ei
		}
		if ei = e.next; ei == head {
			break
		}
	}
	return 0
}

func key(l list, ci uint32) uint64 { return uint64(l)<<32 | uint64(ci) }

// remember puts a linked entry into the index of a path that has one, and makes
// the index when it becomes worth it.
func (t *Table) remember(p *path, ei uint32, e *entry) {
	if p.index != nil {
		p.index[key(e.list, e.conn)] = ei
		return
	}
	if p.n < indexMin {
		return
	}
	p.index = make(map[uint64]uint32, 2*indexMin)
	for _, head := range p.heads {
		for i := head; i != 0; {
			e := t.entries.at(i)
			p.index[key(e.list, e.conn)] = i
			if i = e.next; i == head {
				break
			}
		}
	}
}

// forget takes an entry, still linked, out of the index; the index goes when few
// are left.
func (t *Table) forget(p *path, e *entry) {
	if p.index == nil {
		return
	}
	if p.n <= indexMin/2 {
		p.index = nil
		return
	}
	delete(p.index, key(e.list, e.conn))
}

func (t *Table) linkPath(p *path, ei uint32, e *entry) {
	p.n++
	head := p.heads[e.list]
	if head == 0 {
		p.heads[e.list], e.next, e.prev = ei, ei, ei
		return
	}
	first := t.entries.at(head)
	e.next, e.prev = head, first.prev
	t.entries.at(first.prev).next = ei
	first.prev = ei
}

func (t *Table) unlinkPath(p *path, ei uint32, e *entry) {
	p.n--
	if e.next == ei {
		p.heads[e.list] = 0
		return
	}
	t.entries.at(e.prev).next = e.next
	t.entries.at(e.next).prev = e.prev
	if p.heads[e.list] == ei {
		p.heads[e.list] = e.next
	}
}

func (t *Table) linkConn(c *conn, ei uint32, e *entry) {
	c.n++
	if c.head == 0 {
		c.head, e.connNext, e.connPrev = ei, ei, ei
		return
	}
	first := t.entries.at(c.head)
	e.connNext, e.connPrev = c.head, first.connPrev
	t.entries.at(first.connPrev).connNext = ei
	first.connPrev = ei
}

func (t *Table) unlinkConn(c *conn, ei uint32, e *entry) {
	c.n--
	if e.connNext == ei {
		c.head = 0
		return
	}
	t.entries.at(e.connPrev).connNext = e.connNext
	t.entries.at(e.connNext).connPrev = e.connPrev
	if c.head == ei {
		c.head = e.connNext
	}
}

// countAdded counts an entry that is about to be linked.
func (t *Table) countAdded(p *path, c *conn, ci uint32, l list) {
	switch l {
	case child:
		t.children++
		return
	case tree:
		if p.heads[tree] == 0 {
			t.treeLens.add(len(p.text))
		}
	}
	if p.heads[data] == 0 && p.heads[tree] == 0 {
		t.dataPaths++
	}
	if t.find(p, data+tree-l, ci) != 0 {
		return // the pair is in the data table already
	}
	t.dataPairs++
	if c.dataPair++; c.dataPair == 1 {
		t.dataConns++
	}
}

// countDropped counts an entry that has been unlinked.
func (t *Table) countDropped(p *path, c *conn, ci uint32, l list) {
	switch l {
	case child:
		t.children--
		return
	case tree:
		if p.heads[tree] == 0 {
			t.treeLens.remove(len(p.text))
		}
	}
	if p.heads[data] == 0 && p.heads[tree] == 0 {
		t.dataPaths--
	}
	if t.find(p, data+tree-l, ci) != 0 {
		return
	}
	t.dataPairs--
	if c.dataPair--; c.dataPair == 0 {
		t.dataConns--
	}
}
