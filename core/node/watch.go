package node

import (
	"context"
	"sync"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/wire"
)

// queuedMax is how many events wait for a reader before they are given up for a
// Resync.
const queuedMax = 1 << 16

// eventsAhead bounds the room that is made for events because there were as many the last
// time.
const eventsAhead = 64

// watch is a core.Watch of a client in process.
type watch struct {
	client *client
	path   string
	mode   core.WatchMode
	more   chan struct{} // of capacity 1

	mu struct {
		sync.Mutex
		events []core.Event
		last   int // how many were taken together
		err    error
	}
}

// watchSet are the watches of one client. Its owner's lock guards it.
type watchSet struct {
	list []*watch
}

// dispatch hands an event to the watches that cover it.
func (s *watchSet) dispatch(e core.Event) {
	for _, w := range s.list {
		covers := e.Path == w.path
		if w.mode == core.WatchTree {
			covers = e.Type != core.NodeChildrenChanged && core.HasPathPrefix(e.Path, w.path)
		}
		if covers {
			w.push(e)
		}
	}
}

func (s *watchSet) progress(z core.Zxid) {
	for _, w := range s.list {
		w.push(core.Event{Type: core.Progress, Zxid: z})
	}
}

func (s *watchSet) end(err error) {
	for _, w := range s.list {
		w.end(err)
	}
	s.list = nil
}

// others reports whether another watch has the same registration at the server.
func (s *watchSet) others(w *watch) bool {
	for _, o := range s.list {
		if o != w && o.path == w.path && o.mode == w.mode {
			return true
		}
	}
	return false
}

func (s *watchSet) remove(w *watch) bool {
	for i, o := range s.list {
		if o == w {
			s.list = append(s.list[:i], s.list[i+1:]...)
			return true
		}
	}
	return false
}

// push adds an event; positions replace one another, and a queue that is full
// becomes one Resync.
func (w *watch) push(e core.Event) {
	w.mu.Lock()
	n := len(w.mu.events)
	switch {
	case w.mu.err != nil:
	case e.Type == core.Progress && n > 0 && w.mu.events[n-1].Type == core.Progress:
		w.mu.events[n-1].Zxid = e.Zxid
	case n >= queuedMax:
		w.mu.events = append(w.mu.events[:0:0], core.Event{Type: core.Resync, Path: w.path, Zxid: e.Zxid})
	default:
		if n == 0 {
			w.mu.events = make([]core.Event, 0, min(max(w.mu.last, 1), eventsAhead))
		}
		w.mu.events = append(w.mu.events, e)
	}
	w.mu.Unlock()
	w.signal()
}

func (w *watch) end(err error) {
	w.mu.Lock()
	if w.mu.err == nil {
		w.mu.err = err
	}
	w.mu.Unlock()
	w.signal()
}

func (w *watch) signal() {
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// Next waits for events (core.Watch).
func (w *watch) Next(ctx context.Context) ([]core.Event, error) {
	for {
		w.mu.Lock()
		events, err := w.mu.events, w.mu.err
		w.mu.events = nil
		if len(events) > 0 {
			w.mu.last = len(events)
		}
		w.mu.Unlock()
		if len(events) > 0 {
			return events, nil
		}
		if err != nil {
			return nil, fail("watch", w.path, err)
		}
		select {
		case <-w.more:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-w.client.node.ended:
			w.end(core.ErrClosed)
		}
	}
}

// Close ends the watch (core.Watch).
func (w *watch) Close() error {
	c := w.client
	c.mu.Lock()
	err := c.disarmLocked(w)
	c.mu.Unlock()
	w.end(core.ErrClosed)
	if c.started(err) != nil && !core.IsSessionOver(err) {
		return fail("removeWatches", w.path, err)
	}
	return nil
}

// disarmLocked forgets a watch and, if it was the last one of its kind on its
// path, removes the registration. Whether it is the last one is decided and the
// request sent under one lock, or a new watch could arm before the removal.
func (c *client) disarmLocked(w *watch) error {
	if !c.mu.watches.remove(w) {
		return nil
	}
	if len(c.mu.watches.list) == 0 {
		c.node.inbox.put(item{do: func(*replica.Replica) { delete(c.node.watchers, c.conn) }}, false)
	}
	if c.mu.watches.others(w) {
		return nil
	}
	// Nobody waits for the reply: what still comes finds no watch.
	_, err := c.startLocked(wire.OpRemoveWatches, func(b []byte) []byte {
		return wire.AppendPathMode(b, w.path, watcherType(w.mode))
	})
	return err
}

// watcherType is what removeWatches calls the registration of a mode.
func watcherType(m core.WatchMode) int32 {
	if m == core.WatchTree {
		return 5
	}
	return 4
}

// Watch hears of every change at path, or at and below it (core.Client).
func (c *client) Watch(ctx context.Context, path string, mode core.WatchMode) (core.Watch, error) {
	w := &watch{client: c, path: path, mode: mode, more: make(chan struct{}, 1)}
	if ctx.Err() != nil {
		return nil, fail("addWatch", path, context.Cause(ctx))
	}
	c.mu.Lock()
	p, err := c.armLocked(w)
	c.mu.Unlock()
	if c.started(err) == nil {
		_, err = c.wait(ctx, p)
	}
	if err != nil {
		_ = w.Close() // with the registration, should it have come about
		return nil, fail("addWatch", path, err)
	}
	return w, nil
}

func (c *client) armLocked(w *watch) (*call, error) {
	if len(c.mu.watches.list) == 0 {
		c.node.inbox.put(item{do: func(*replica.Replica) { c.node.follow(c) }}, false)
	}
	c.mu.watches.list = append(c.mu.watches.list, w)
	return c.startLocked(wire.OpAddWatch, func(b []byte) []byte { return wire.AppendPathMode(b, w.path, int32(w.mode)) })
}

// follow makes the loop tell a client how far it has applied, for as long as the
// client has watches. It runs on the loop.
func (n *Node) follow(c *client) {
	if _, open := n.ports[c.conn]; open {
		if n.watchers[c.conn] == nil {
			n.watchers[c.conn] = &watcher{port: c}
			n.behind = true
		}
	}
}
