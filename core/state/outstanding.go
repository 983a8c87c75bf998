package state

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/tree"
)

// node is a znode as the next transaction will find it.
type node struct {
	zxid     core.Zxid // of the prepared transaction that left it so; 0 if it is the applied state
	path     string    // the key under which it is outstanding: the transaction's copy
	exists   bool
	version  int32
	aversion int32
	creates  int32 // stored child counter
	children int32
	owner    int64
	bytes    int // length of the data
	acl      []core.ACL
}

// outstanding is what has been prepared but not applied. Its size is bounded by
// the number of requests in flight.
type outstanding struct {
	nodes map[string]node
	queue []touched // in zxid order
	head  int
	undo  []undone // of the multi that is being prepared

	// ephemerals lists, per session, paths that prepared creates gave to it.
	ephemerals map[core.SessionID]*ephemeralWish
	// closing holds the sessions whose closeSession is prepared.
	closing map[core.SessionID]core.Zxid
	// opening holds the sessions whose createSession is prepared.
	opening map[core.SessionID]core.Zxid
}

type touched struct {
	zxid core.Zxid
	path string
}

type undone struct {
	path string
	had  bool
	was  node
}

type ephemeralWish struct {
	bytes int
	paths []touched // in zxid order
}

func (o *outstanding) init() {
	*o = outstanding{
		nodes:      make(map[string]node),
		ephemerals: make(map[core.SessionID]*ephemeralWish),
		closing:    make(map[core.SessionID]core.Zxid),
		opening:    make(map[core.SessionID]core.Zxid),
	}
}

// look is the znode at path with everything prepared so far.
func (s *State) look(path string) node {
	if len(s.pending.nodes) > 0 {
		if n, ok := s.pending.nodes[path]; ok {
			return n
		}
	}
	r := s.tree.Find(path)
	if r == tree.None {
		return node{}
	}
	return s.fromTree(r)
}

func (s *State) fromTree(r tree.Ref) node {
	st := s.tree.Stat(r)
	return node{
		exists: true, version: st.Version, aversion: st.Aversion,
		creates: s.tree.Creates(r), children: st.NumChildren, owner: s.tree.Owner(r),
		bytes: int(st.DataLength), acl: s.tree.ACL(r),
	}
}

// put notes that the transaction z will leave path as n. path must be immutable.
func (s *State) put(z core.Zxid, path string, n node, inMulti bool) {
	was, had := s.pending.nodes[path]
	if had && was.zxid == z { // a later part of the same multi: it is undone and settled with the first
		n.zxid, n.path = z, was.path
		s.pending.nodes[path] = n
		return
	}
	if inMulti {
		s.pending.undo = append(s.pending.undo, undone{path: path, had: had, was: was})
	}
	n.zxid, n.path = z, path
	s.pending.nodes[path] = n
	s.pending.queue = append(s.pending.queue, touched{zxid: z, path: path})
}

// rollback takes back what the multi that is being prepared has put, down to
// queueLen entries of the queue.
func (s *State) rollback(queueLen int) {
	o := &s.pending
	for i := len(o.undo) - 1; i >= 0; i-- {
		u := o.undo[i]
		if u.had {
			// Under its own key: u.path is part of the transaction that is given up,
			// whose bytes will be something else.
			delete(o.nodes, u.path)
			o.nodes[u.was.path] = u.was
		} else {
			delete(o.nodes, u.path)
		}
	}
	o.undo = o.undo[:0]
	clear(o.queue[queueLen:])
	o.queue = o.queue[:queueLen]
}

// settle forgets what was outstanding up to z, which has been applied.
func (s *State) settle(z core.Zxid) {
	o := &s.pending
	for o.head < len(o.queue) && o.queue[o.head].zxid <= z {
		t := o.queue[o.head]
		o.queue[o.head] = touched{}
		o.head++
		if n, ok := o.nodes[t.path]; ok && n.zxid == t.zxid {
			delete(o.nodes, t.path)
		}
	}
	if o.head == len(o.queue) {
		o.queue, o.head = o.queue[:0], 0
	} else if o.head > 1024 && o.head > len(o.queue)/2 {
		n := copy(o.queue, o.queue[o.head:])
		clear(o.queue[n:])
		o.queue, o.head = o.queue[:n], 0
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
	w.paths = append(w.paths, touched{zxid: z, path: path})
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
func (s *State) OutstandingCount() int { return len(s.pending.nodes) }
