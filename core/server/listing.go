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

// listWatches lists them. The loop copies; sorting is done here.
func (s *Server) listWatches(ctx context.Context, order func(a, b watched) int) (list []watched, err error) {
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
	return slices.Compact(list), nil
}

type connPaths struct {
	session core.SessionID
	paths   []string
}

// watchesByConn is what wchc tells, in the order of connections.
func (s *Server) watchesByConn(ctx context.Context) (all []connPaths, err error) {
	list, err := s.listWatches(ctx, func(a, b watched) int {
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
func (s *Server) watchesByPath(ctx context.Context) (all []pathSessions, err error) {
	list, err := s.listWatches(ctx, func(a, b watched) int {
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

// lookSessions lists sessions and ephemeral znodes. The paths of these are put
// together from a view of the tree, beside the loop.
func (s *Server) lookSessions(ctx context.Context) (r sessionReport, err error) {
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
	view.EphemeralOwners(func(id core.SessionID, count int) bool {
		e := connPaths{session: id, paths: make([]string, 0, count)}
		view.Ephemerals(id, func(ref tree.Ref) bool {
			e.paths = append(e.paths, string(view.AppendPath(nil, ref)))
			return true
		})
		r.ephemerals = append(r.ephemerals, e)
		return true
	})
	return r, nil
}
