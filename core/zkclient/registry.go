package zkclient

import (
	"errors"
	"slices"
	"sync"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// registry is the watches that are armed, by the server's path.
type registry struct {
	mu     sync.Mutex
	node   map[string][]*watch
	tree   map[string][]*watch
	once   oneShots
	coming map[string]int // paths being armed, whose requests are under way
	ended  error
}

func (g *registry) init() {
	g.node = make(map[string][]*watch)
	g.tree = make(map[string][]*watch)
	g.coming = make(map[string]int)
	g.once.init()
}

func (g *registry) table(mode core.WatchMode) map[string][]*watch {
	if mode == core.WatchTree {
		return g.tree
	}
	return g.node
}

func (g *registry) arming(path string, by int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.coming[path] += by; g.coming[path] == 0 {
		delete(g.coming, path)
	}
}

func (g *registry) add(w *watch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended != nil {
		w.end(g.ended)
		return
	}
	t := g.table(w.mode)
	t[w.path] = append(t[w.path], w)
}

// remove reports whether w was the last of its mode on its path, and whether
// nothing else of ours is there.
func (g *registry) remove(w *watch) (last, alone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.table(w.mode)
	i := slices.Index(t[w.path], w)
	if i < 0 {
		return false, false
	}
	t[w.path] = slices.Delete(t[w.path], i, i+1)
	if len(t[w.path]) > 0 {
		return false, false
	}
	delete(t, w.path)
	// A request that arms the path again may stand behind ours or before it.
	return g.coming[w.path] == 0, len(g.node[w.path]) == 0 && len(g.tree[w.path]) == 0
}

func (g *registry) inUse(path string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.coming[path] > 0 || len(g.node[path]) > 0 || len(g.tree[path]) > 0
}

func (g *registry) dispatch(e core.Event, path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.once.fired(e.Type, path)
	for _, w := range g.node[path] {
		w.push(e)
	}
	if e.Type == core.NodeChildrenChanged || len(g.tree) == 0 {
		return
	}
	for p := path; p != ""; p = core.ParentPath(p) {
		for _, w := range g.tree[p] {
			w.push(e)
		}
	}
}

func (g *registry) each(fn func(w *watch)) {
	for _, t := range []map[string][]*watch{g.node, g.tree} {
		for _, list := range t {
			for _, w := range list {
				fn(w)
			}
		}
	}
}

// resync tells every watch that events may have been missed.
func (g *registry) resync(z core.Zxid) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.each(func(w *watch) {
		w.push(core.Event{Type: core.Resync, Path: w.client.strip(w.path), Zxid: z})
	})
}

// end ends every Watch. With Unimplemented others may be armed later.
func (g *registry) end(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.each(func(w *watch) { w.end(err) })
	clear(g.node)
	clear(g.tree)
	if !errors.Is(err, core.Unimplemented) {
		g.ended = err
	}
}

// rearm is the requests that bring the armed watches onto a new connection.
func (g *registry) rearm(seen core.Zxid) []wire.SetWatches {
	g.mu.Lock()
	defer g.mu.Unlock()
	var sets []wire.SetWatches
	size := setWatchesBytesMax
	room := func(path string) *wire.SetWatches {
		if size += 4 + len(path); size > setWatchesBytesMax {
			sets = append(sets, wire.SetWatches{RelativeZxid: seen})
			size = 4 + len(path)
		}
		return &sets[len(sets)-1]
	}
	for path := range g.once.data {
		s := room(path)
		s.Data = append(s.Data, path)
	}
	for path := range g.once.exist {
		s := room(path)
		s.Exist = append(s.Exist, path)
	}
	for path := range g.once.child {
		s := room(path)
		s.Child = append(s.Child, path)
	}
	for path := range g.node {
		s := room(path)
		s.Persistent = append(s.Persistent, path)
	}
	for path := range g.tree {
		s := room(path)
		s.PersistentRecurs = append(s.PersistentRecurs, path)
	}
	return sets
}

// setWatchesOp is the older operation where that is enough: servers before 3.6
// know no other.
func setWatchesOp(s *wire.SetWatches) wire.OpCode {
	if len(s.Persistent) == 0 && len(s.PersistentRecurs) == 0 {
		return wire.OpSetWatches
	}
	return wire.OpSetWatches2
}
