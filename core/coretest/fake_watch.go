package coretest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/zensus-io/zensus/core"
)

// watchEventsMax bounds what one watch keeps for a reader that is too slow.
const watchEventsMax = 16384

// watch is one core.Watch of a Fake.
type watch struct {
	fake  *Fake
	owner *session
	path  string
	mode  core.WatchMode

	mu    sync.Mutex // taken after fake.mu, never before
	queue []core.Event
	ended error
	ready chan struct{} // capacity 1: there may be something in queue or ended
}

func newWatch(f *Fake, s *session, path string, mode core.WatchMode) *watch {
	return &watch{fake: f, owner: s, path: readPath(path), mode: mode, ready: make(chan struct{}, 1)}
}

// wants reports whether the watch covers an event.
func (w *watch) wants(e *core.Event) bool {
	if w.mode == core.WatchNode {
		return e.Path == w.path
	}
	return e.Type != core.NodeChildrenChanged && core.HasPathPrefix(e.Path, w.path)
}

// push adds an event by itself.
func (w *watch) push(e core.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pushLocked(e)
}

// pushLocked adds an event, or one Resync in place of what does not fit.
func (w *watch) pushLocked(e core.Event) {
	last := len(w.queue) - 1
	switch {
	case w.ended != nil:
		return
	case last >= 0 && e.Type == core.Progress && w.queue[last].Type == core.Progress:
		w.queue[last] = e
	case len(w.queue) < watchEventsMax:
		w.queue = append(w.queue, e)
	case w.queue[last].Type == core.Resync:
		return // what is dropped here is read again after the Resync
	default:
		w.queue = append(w.queue, core.Event{Type: core.Resync, Path: w.path, Zxid: e.Zxid})
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
			return nil, &core.OpError{Op: "watch", Path: w.path, Err: ended}
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close ends the watch.
func (w *watch) Close() error {
	w.fake.mu.Lock()
	w.fake.watches = slices.DeleteFunc(w.fake.watches, func(x *watch) bool { return x == w })
	w.fake.mu.Unlock()
	w.end(core.ErrClosed)
	return nil
}

// commitLocked makes a transaction's zxid the last one and tells the watches.
func (f *Fake) commitLocked(tx *txn) {
	f.zxid++
	for _, w := range f.watches {
		if w.owner.cut {
			continue
		}
		w.mu.Lock() // a reader sees all of a transaction or nothing
		for i := range tx.events {
			if c := &tx.events[i]; w.wants(&c.Event) && w.owner.may(c.acl, core.PermRead) {
				w.pushLocked(c.Event)
			}
		}
		w.pushLocked(core.Event{Type: core.Progress, Path: w.path, Zxid: f.zxid})
		w.mu.Unlock()
	}
}

func (f *Fake) dropWatchesLocked(s *session, err error) {
	f.watches = slices.DeleteFunc(f.watches, func(w *watch) bool {
		if w.owner != s {
			return false
		}
		w.end(err)
		return true
	})
}
