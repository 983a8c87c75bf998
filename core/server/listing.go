package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/acl"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/watch"
)

// listedMax is how many watches, or sessions and ephemeral znodes, the commands
// list that list all of them. Beyond it they refuse: the loop would stand still
// while it copies, and nobody reads the answer.
const listedMax = 1_000_000

// errTooMuch is returned by commands that would list more than listedMax.
var errTooMuch = errors.New("not executed because there is too much to list")

func checkListed(what string, count int) error {
	if count > listedMax {
		return fmt.Errorf("%w: %d %s, at most %d", errTooMuch, count, what, listedMax)
	}
	return nil
}

// Audience is for whom paths are listed.
type Audience int

const (
	// Strangers have shown nobody who they are. They are told of the paths that the
	// protocol would lead them to: those whose ancestors may all be listed by anybody.
	Strangers Audience = iota
	// Operators are told of all paths.
	Operators
)

// stranger knows what one without any identity may list. It is for one moment of a tree.
type stranger struct {
	tree interface {
		ACLID(r tree.Ref) uint32
		ACL(r tree.Ref) []core.ACL
	}
	lists map[uint32]bool // by the number of an access list, which may be long
}

func (s *stranger) mayList(r tree.Ref) bool {
	id := s.tree.ACLID(r)
	may, known := s.lists[id]
	if !known {
		may = acl.Check(s.tree.ACL(r), nil, core.PermRead)
		s.lists[id] = may
	}
	return may
}

// alone waits until no other command lists everything. leave ends it.
func (s *Server) alone(ctx context.Context) (leave func(), err error) {
	select {
	case s.listing <- struct{}{}:
		return func() { <-s.listing }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// watched is a watch of the data table.
type watched struct {
	session core.SessionID
	conn    watch.ConnID
	path    string
}

// lookWatches counts the watches of the data table.
func (s *Server) lookWatches(ctx context.Context) (conns, paths, total int, err error) {
	err = s.node.Do(ctx, func(rep *replica.Replica) { conns, paths, total = rep.State().Watches().Count() })
	return conns, paths, total, err
}

// listWatches lists those that an audience is told of. The loop copies; sorting is done here.
func (s *Server) listWatches(ctx context.Context, to Audience, order func(a, b watched) int) (list []watched, err error) {
	leave, err := s.alone(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var refused error
	err = s.node.Do(ctx, func(rep *replica.Replica) {
		t := rep.State().Watches()
		_, _, total := t.Count()
		if refused = checkListed("watches", total); refused != nil {
			return
		}
		list = make([]watched, 0, total)
		var last watched
		t.Pairs(func(c watch.ConnID, path string) bool {
			if c != last.conn || len(list) == 0 {
				last = watched{session: rep.SessionOfConn(c), conn: c}
			}
			last.path = path
			list = append(list, last)
			return true
		})
	})
	if err = errors.Join(err, refused); err != nil {
		return nil, err
	}
	slices.SortFunc(list, order)
	list = slices.Compact(list)
	if to == Operators {
		return list, nil
	}
	return s.forStrangers(ctx, list)
}

const (
	// parentsMax and parentBytesMax are how many parents are looked up, and how long their
	// paths may be together, while the loop stands still.
	parentsMax     = 1000
	parentBytesMax = 256 << 10
)

// forStrangers leaves out the watches of which strangers are not told. The tree of a moment
// later is asked: who may list what seldom changes.
func (s *Server) forStrangers(ctx context.Context, list []watched) ([]watched, error) {
	open := make(map[string]bool)
	var parents []string
	for _, w := range list {
		p := parentOf(w.path)
		if _, seen := open[p]; !seen {
			open[p] = false
			parents = append(parents, p)
		}
	}
	for len(parents) > 0 {
		some, size := 0, 0
		for some < min(len(parents), parentsMax) && size < parentBytesMax {
			size += len(parents[some])
			some++
		}
		err := s.node.Do(ctx, func(rep *replica.Replica) {
			t := rep.State().Tree()
			eyes := stranger{tree: t, lists: make(map[uint32]bool)}
			for _, p := range parents[:some] {
				may := true
				t.Along(p, func(r tree.Ref) bool { may = eyes.mayList(r); return may })
				open[p] = may
			}
		})
		if err != nil {
			return nil, err
		}
		parents = parents[some:]
	}
	return slices.DeleteFunc(list, func(w watched) bool { return len(w.path) > 1 && !open[parentOf(w.path)] }), nil
}

// parentOf is the path of the parent of what is watched; blank is the root.
func parentOf(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }

type connPaths struct {
	session core.SessionID
	paths   []string
}

// watchesByConn is what wchc tells, in the order of connections.
func (s *Server) watchesByConn(ctx context.Context, to Audience) (all []connPaths, err error) {
	list, err := s.listWatches(ctx, to, func(a, b watched) int {
		return cmp.Or(cmp.Compare(a.conn, b.conn), strings.Compare(a.path, b.path))
	})
	for i, w := range list {
		if i == 0 || list[i-1].conn != w.conn {
			all = append(all, connPaths{session: w.session})
		}
		c := &all[len(all)-1]
		c.paths = append(c.paths, w.path)
	}
	return all, err
}

type pathSessions struct {
	path     string
	sessions []core.SessionID
}

// watchesByPath is what wchp tells, in the order of paths.
func (s *Server) watchesByPath(ctx context.Context, to Audience) (all []pathSessions, err error) {
	list, err := s.listWatches(ctx, to, func(a, b watched) int {
		return cmp.Or(strings.Compare(a.path, b.path), cmp.Compare(a.conn, b.conn))
	})
	for i, w := range list {
		if i == 0 || list[i-1].path != w.path {
			all = append(all, pathSessions{path: w.path})
		}
		p := &all[len(all)-1]
		p.sessions = append(p.sessions, w.session)
	}
	return all, err
}

// sessionReport is what dump tells.
type sessionReport struct {
	buckets    []bucket
	sessions   int
	ephemerals []connPaths
}

type bucket struct {
	at       time.Time
	sessions []core.SessionID
}

// lookSessions lists all sessions, and the ephemeral znodes that an audience is told of. The
// paths of these are put together from a view of the tree, beside the loop.
func (s *Server) lookSessions(ctx context.Context, to Audience) (r sessionReport, err error) {
	leave, err := s.alone(ctx)
	if err != nil {
		return r, err
	}
	defer leave()
	now := s.node.Now()
	var refused error
	var view *tree.View
	err = s.node.Do(ctx, func(rep *replica.Replica) {
		st := rep.Status()
		if refused = checkListed("sessions and ephemeral znodes", st.Sessions+st.Ephemerals); refused != nil {
			return
		}
		rep.SessionBuckets(func(deadline int64, ids []core.SessionID) bool {
			at := time.UnixMilli(now.Wall + deadline - now.Mono)
			r.buckets = append(r.buckets, bucket{at, slices.Clone(ids)})
			r.sessions += len(ids)
			return true
		})
		view = rep.State().Tree().View()
	})
	if err = errors.Join(err, refused); err != nil {
		return sessionReport{}, err
	}
	defer view.Close()
	open := openParents(view)
	view.EphemeralOwners(func(id core.SessionID, count int) bool {
		e := connPaths{session: id, paths: make([]string, 0, count)}
		view.Ephemerals(id, func(ref tree.Ref) bool {
			if to == Operators || open(view.Parent(ref)) {
				e.paths = append(e.paths, string(view.AppendPath(nil, ref)))
			}
			return true
		})
		r.ephemerals = append(r.ephemerals, e)
		return true
	})
	return r, nil
}

// openParents returns what reports whether a stranger may list a znode and all above it.
func openParents(view *tree.View) func(tree.Ref) bool {
	eyes := stranger{tree: view, lists: make(map[uint32]bool)}
	known := make(map[tree.Ref]bool)
	var way []tree.Ref
	return func(r tree.Ref) bool {
		way = way[:0]
		open := true
		for at := r; at != tree.None; at = view.Parent(at) {
			if may, ok := known[at]; ok {
				open = may
				break
			}
			way = append(way, at)
		}
		for _, at := range slices.Backward(way) {
			open = open && eyes.mayList(at)
			known[at] = open
		}
		return open
	}
}
