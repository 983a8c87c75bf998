package mirror

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/zensus-io/zensus/core"
)

// roundsMax bounds how often a batch is read on because children of one path come and
// go more quickly than its Stat can be read. With the last round it is shown as it is:
// the Stat may then be of a later moment than the children.
const roundsMax = 16

// gathered is a batch of events with what was read of the paths that they name.
//
// What is read may be newer than the events. Of a Stat that must not be: its Cversion
// would number children that are not shown yet. But all that a reply covers has been
// told before it, so whatever a Stat is ahead by is in the watch when it is here. It is
// taken into the batch, and read again what the new events speak of, until a Stat comes
// behind which the watch tells of no other child.
type gathered struct {
	m       *Mirror
	events  []core.Event
	found   map[string]*Node     // read because an event named it; nil is absent
	parents map[string]core.Stat // of those whose children came or went at a zxid that was not told
}

// gather reads what events name, and takes in those that belong to it. It is not whole if
// events were missed.
func (g *gathered) gather(ctx context.Context, w core.Watch, events []core.Event) (whole bool, err error) {
	for round := 1; ; round++ {
		if slices.ContainsFunc(events, func(e core.Event) bool { return e.Type == core.Resync }) {
			return false, nil
		}
		if g.m.listed > 0 {
			// What the listing showed already must not be shown again, or the picture
			// would step back.
			events = slices.DeleteFunc(events, func(e core.Event) bool { return e.Zxid > 0 && e.Zxid <= g.m.listed })
		}
		unread, parents := g.unread(events)
		found, err := g.m.read(ctx, unread)
		if err != nil {
			return false, err
		}
		if round == 1 {
			g.events, g.found = events, found
		} else {
			g.events = append(g.events, events...)
			if g.found == nil {
				g.found = found
			} else {
				maps.Copy(g.found, found)
			}
		}
		if err := g.restat(ctx, parents); err != nil {
			return false, err
		}
		if len(g.found)+len(g.parents) == 0 || round == roundsMax {
			return true, nil
		}
		over, cancel := context.WithCancel(ctx)
		cancel()
		// Next gives what is there even when its context has ended.
		if events, err = w.Next(over); err != nil && !errors.Is(err, context.Canceled) {
			return false, err
		}
		if !slices.ContainsFunc(events, g.outdates) {
			g.m.pending = events
			return true, nil
		}
	}
}

// outdates reports whether e is of a child of a path whose Stat was read, which may show
// it already, or says that there is such an event that was missed.
func (g *gathered) outdates(e core.Event) bool {
	if e.Type == core.Resync {
		return true
	}
	if e.Type != core.NodeCreated && e.Type != core.NodeDeleted {
		return false
	}
	path := core.ParentPath(e.Path)
	_, read := g.parents[path]
	return read || g.found[path] != nil
}

// unread are the paths that must be read for events, and those of which the Stat must
// be: their children came or went at a zxid that was not told. Where it is told they are
// counted.
func (g *gathered) unread(events []core.Event) (paths, parents []string) {
	named, counted := make(map[string]bool), make(map[string]bool)
	add := func(to *[]string, set map[string]bool, path string) {
		if !set[path] {
			set[path] = true
			*to = append(*to, path)
		}
	}
	for i := range events {
		e := &events[i]
		if e.Type == core.Progress || e.Type == core.NodeChildrenChanged {
			continue
		}
		if !e.HasNode && (e.Type != core.NodeDeleted || e.Zxid == 0) {
			add(&paths, named, e.Path)
		}
		if e.Type == core.NodeDataChanged || e.Path == g.m.cfg.Root {
			continue
		}
		path := core.ParentPath(e.Path)
		if g.found[path] != nil {
			add(&paths, named, path)
		}
		if e.Zxid > 0 {
			continue
		}
		if _, known := g.m.picture.get(path); known {
			add(&parents, counted, path)
		}
	}
	return paths, parents
}

// restat reads the Stats of paths.
func (g *gathered) restat(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	var mu sync.Mutex
	return each(ctx, readsMax, paths, func(ctx context.Context, path string) error {
		st, err := g.m.cfg.Client.Exists(ctx, path)
		if err != nil {
			if isAbsent(err) {
				return nil
			}
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if g.parents == nil {
			g.parents = make(map[string]core.Stat, len(paths))
		}
		g.parents[path] = st
		return nil
	})
}
