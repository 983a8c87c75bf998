package state

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/tree"
)

// node is a znode as the next transaction will find it.
type node struct {
	exists   bool
	version  int32
	aversion int32
	creates  int32 // stored child counter
	children int32
	owner    int64
	bytes    int // length of the data
	acl      []core.ACL
}

// place is a path as look found it: what the next transaction will find there, and
// the change under way that makes it so. It is stale when the path is touched.
type place struct {
	node
	hash   uint64
	change *change // nil: it is the applied state
}

// outstanding is what has been prepared but not applied. Its size is bounded by
// the number of requests in flight.
type outstanding struct {
	changes changes
	queue   []touched // in zxid order
	head    int
	undo    []undone // of the multi that is being prepared

	// ephemerals lists, per session, paths that prepared creates gave to it.
	ephemerals map[core.SessionID]*ephemeralWish
	// closing holds the sessions whose closeSession is prepared.
	closing map[core.SessionID]core.Zxid
	// opening holds the sessions whose createSession is prepared.
	opening map[core.SessionID]core.Zxid
}

// touched says that a transaction changes something. While a change has a later
// transaction than that of its entry, a later entry names it too.
type touched struct {
	zxid   core.Zxid
	change *change
}

// undone is what a change was before the multi that is being prepared.
type undone struct {
	change *change
	made   bool // by the multi
	zxid   core.Zxid
	path   string
	was    node
}

// keptMax is how many entries a list that was emptied keeps room for.
const keptMax = 8192

func emptied[T any](list []T) []T {
	if cap(list) > keptMax {
		return nil
	}
	return list[:0]
}

type ephemeralWish struct {
	bytes int
	paths []wished // in zxid order
}

type wished struct {
	zxid core.Zxid
	path string
}

func (o *outstanding) init() {
	*o = outstanding{
		ephemerals: make(map[core.SessionID]*ephemeralWish),
		closing:    make(map[core.SessionID]core.Zxid),
		opening:    make(map[core.SessionID]core.Zxid),
	}
	o.changes.init()
}

// look finds the znode at path with everything prepared so far. at is zero. It is
// the caller's, as are those of look's sisters: what was just written is slow to copy.
func (s *State) look(at *place, path string) {
	at.hash = s.tree.Hash(path)
	s.lookHashed(at, path)
}

// lookBelow is look for a child of parent, whose name stands behind the slash. It
// may be asked for the root, too, which exists whatever is outstanding.
func (s *State) lookBelow(at, parent *place, path string, slash int) {
	at.hash = s.tree.HashChild(parent.hash, path[slash+1:])
	s.lookHashed(at, path)
}

// lookHashed is look for a path whose hash is in at.
func (s *State) lookHashed(at *place, path string) {
	if c := s.pending.changes.find(at.hash, path); c != nil {
		at.change, at.node = c, c.node
		return
	}
	if r := s.tree.FindHashed(path, at.hash); r != tree.None {
		s.fromTree(&at.node, r)
	}
}

func (s *State) fromTree(n *node, r tree.Ref) {
	st := s.tree.Stat(r)
	n.exists, n.version, n.aversion = true, st.Version, st.Aversion
	n.creates, n.children, n.owner = s.tree.Creates(r), st.NumChildren, s.tree.Owner(r)
	n.bytes, n.acl = int(st.DataLength), s.tree.ACL(r)
}

// touch notes that the transaction z changes the znode at path, which look found at.
// The node that it returns is what the transaction will leave: the caller changes it
// at once. path must be immutable.
func (s *State) touch(z core.Zxid, path string, at *place, inMulti bool) *node {
	o := &s.pending
	c := at.change
	switch {
	case c == nil:
		c = o.changes.add(at.hash, path)
		c.node = at.node
		if inMulti {
			o.undo = append(o.undo, undone{change: c, made: true})
		}
	case c.zxid == z: // a later part of the same multi: it is undone and settled with the first
		return &c.node
	case inMulti:
		o.undo = append(o.undo, undone{change: c, zxid: c.zxid, path: c.path, was: c.node})
	}
	c.zxid, c.path = z, path
	o.queue = append(o.queue, touched{zxid: z, change: c})
	return &c.node
}

// rollback takes back what the multi that is being prepared has touched, down to
// queueLen entries of the queue.
func (s *State) rollback(queueLen int) {
	o := &s.pending
	for i := range o.undo {
		u := &o.undo[i] // each of another change
		if u.made {
			o.changes.remove(u.change)
			continue
		}
		// Its own path, too: that of now is part of the transaction that is given up,
		// whose bytes will be something else.
		u.change.node, u.change.zxid, u.change.path = u.was, u.zxid, u.path
	}
	o.undo = emptied(o.undo)
	clear(o.queue[queueLen:])
	o.queue = o.queue[:queueLen]
}

// settle forgets what was outstanding up to z, which has been applied.
func (s *State) settle(z core.Zxid) {
	o := &s.pending
	for o.head < len(o.queue) && o.queue[o.head].zxid <= z {
		t := &o.queue[o.head]
		o.head++
		if t.change.zxid == t.zxid {
			o.changes.remove(t.change)
		}
	}
	if o.head == len(o.queue) {
		o.queue, o.head = emptied(o.queue), 0
	} else if o.head > 1024 && o.head > len(o.queue)/2 {
		o.queue, o.head = o.queue[:copy(o.queue, o.queue[o.head:])], 0
	}
}

// wishEphemeral notes that the transaction z gives path to a session.
func (s *State) wishEphemeral(id core.SessionID, path string, z core.Zxid) {
	w := s.pending.ephemerals[id]
	if w == nil {
		w = &ephemeralWish{}
		s.pending.ephemerals[id] = w
	}
	w.bytes += len(path) + 4
	w.paths = append(w.paths, wished{zxid: z, path: path})
}

// settleSession forgets what was outstanding of a session up to z, which has been
// applied.
func (s *State) settleSession(id core.SessionID, z core.Zxid) {
	w := s.pending.ephemerals[id]
	if w == nil {
		return
	}
	n := 0
	for n < len(w.paths) && w.paths[n].zxid <= z {
		w.bytes -= len(w.paths[n].path) + 4
		n++
	}
	if n == len(w.paths) {
		delete(s.pending.ephemerals, id)
		return
	}
	clear(w.paths[:n])
	w.paths = w.paths[n:]
}

// SessionOpen reports whether a request of the session may still be prepared:
// the session exists, or will by the time, and is not closing.
func (s *State) SessionOpen(id core.SessionID) bool {
	if _, closing := s.pending.closing[id]; closing {
		return false
	}
	if _, ok := s.sessions[id]; ok {
		return true
	}
	_, opening := s.pending.opening[id]
	return opening
}

// OutstandingCount is the number of znodes with a change under way.
func (s *State) OutstandingCount() int { return s.pending.changes.count }
