package zkclient

import (
	"context"
	"errors"
	"sync"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// watchEventsMax bounds what one watch keeps for a reader that is too slow.
const watchEventsMax = 1 << 16

// The watcher types of removeWatches. Servers up to 3.8 know only watcherAny.
const (
	watcherAny        int32 = 3
	watcherPersistent int32 = 4
	watcherRecursive  int32 = 5
)

// Watch hears of every change at path, or at and below it. Servers older than
// 3.6 answer Unimplemented. On servers up to 3.8 one path carries one mode at a
// time for a session: the last one asked for replaces the other.
func (c *Client) Watch(ctx context.Context, path string, mode core.WatchMode) (core.Watch, error) {
	full := c.readPath(path)
	if full == "" {
		full = "/"
	}
	w := &watch{client: c, path: full, mode: mode, ready: make(chan struct{}, 1)}
	k := c.newCall()
	k.body = wire.AppendPathMode(k.body, full, int32(mode))
	// Events can follow the reply at once: the watch must be known before them.
	k.onOK = func(wire.ReplyHeader) { c.watches.add(w) }
	c.watches.arming(full, +1)
	defer c.watches.arming(full, -1)
	if err := c.invoke(ctx, wire.OpAddWatch, path, k, nil); err != nil {
		return nil, err
	}
	return w, nil
}

// watch is one core.Watch.
type watch struct {
	client *Client
	path   string // the server's
	mode   core.WatchMode

	mu    sync.Mutex
	queue []core.Event
	ended error
	ready chan struct{} // capacity 1: there may be something in queue or ended
}

// push adds an event, or one Resync in place of what does not fit.
func (w *watch) push(e core.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.queue) - 1
	switch {
	case w.ended != nil:
		return
	case last >= 0 && e.Type == core.Resync && w.queue[last].Type == core.Resync:
		w.queue[last] = e
	case len(w.queue) < watchEventsMax:
		w.queue = append(w.queue, e)
	case w.queue[last].Type == core.Resync:
		return // what is dropped here is read again after the Resync
	default:
		w.queue = append(w.queue, core.Event{Type: core.Resync, Path: w.client.strip(w.path), Zxid: e.Zxid})
	}
	w.signal()
}

func (w *watch) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == nil {
		w.ended = err
		w.signal()
	}
}

func (w *watch) signal() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Next returns the events that are there, even if ctx has ended, or waits for some.
func (w *watch) Next(ctx context.Context) ([]core.Event, error) {
	for {
		w.mu.Lock()
		events, ended := w.queue, w.ended
		w.queue = nil
		w.mu.Unlock()
		if len(events) > 0 && !errors.Is(ended, core.ErrClosed) {
			return events, nil
		}
		if ended != nil {
			w.signal() // for whoever calls next
			return nil, &core.OpError{Op: "watch", Path: w.client.strip(w.path), Err: ended}
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close ends the watch and, if it was the last one there, takes it from the server.
func (w *watch) Close() error {
	w.end(core.ErrClosed)
	if last, alone := w.client.watches.remove(w); last {
		w.client.disarm(w.path, w.mode, alone)
	}
	return nil
}

// disarm takes one mode of watch on path from the server, without waiting. A
// server that cannot tell modes apart is asked to remove everything there is, if
// nothing else of ours is on the path. If nothing comes of it, events for nobody
// are passed over.
func (c *Client) disarm(path string, mode core.WatchMode, alone bool) {
	kind := watcherPersistent
	if mode == core.WatchTree {
		kind = watcherRecursive
	}
	_ = c.Start(wire.OpRemoveWatches, wire.AppendPathMode(nil, path, kind), func(h wire.ReplyHeader, _ []byte, err error) {
		if err == nil && h.Err == core.MarshallingError && alone && !c.watches.inUse(path) {
			_ = c.Start(wire.OpRemoveWatches, wire.AppendPathMode(nil, path, watcherAny), func(wire.ReplyHeader, []byte, error) {})
		}
	})
}

// notify hands a notification to the watches that cover it.
func (c *Client) notify(h wire.ReplyHeader, r *wire.Reader) error {
	e := wire.DecodeWatcherEvent(r)
	if r.Err() != nil {
		return r.Err()
	}
	z := h.Zxid
	if int64(z) < 0 {
		z = 0
	}
	// The next server must have come as far, or it would show what was before. What has
	// to be caught up is another thing: of this zxid there may be more to tell.
	c.lastEvent.Store(max(c.lastEvent.Load(), uint64(z)))
	c.watches.dispatch(core.Event{Type: e.Type, Path: c.strip(e.Path), Zxid: z}, e.Path)
	if c.opt.OnEvent != nil {
		c.opt.OnEvent(e, z)
	}
	return nil
}
