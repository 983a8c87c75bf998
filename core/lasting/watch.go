package lasting

import (
	"context"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
)

// watch is a core.Watch that is armed again with the next session.
type watch struct {
	client *Client
	path   string
	mode   core.WatchMode

	mu struct {
		sync.Mutex
		inner  core.Watch
		with   core.Client // the session that inner is of
		closed bool
	}
}

// Watch implements core.Client.
func (c *Client) Watch(ctx context.Context, path string, mode core.WatchMode) (core.Watch, error) {
	w := &watch{client: c, path: path, mode: mode}
	err := c.call(ctx, act{"addWatch", path, true}, func(ctx context.Context, s core.Client) (err error) {
		w.mu.inner, err = s.Watch(ctx, path, mode)
		w.mu.with = s
		return err
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Next implements core.Watch.
func (w *watch) Next(ctx context.Context) ([]core.Event, error) {
	for {
		w.mu.Lock()
		inner, with, closed := w.mu.inner, w.mu.with, w.mu.closed
		w.mu.Unlock()
		events, err := inner.Next(ctx)
		if err == nil || closed || !core.IsSessionOver(err) {
			return events, err
		}
		switch again, err := w.again(ctx, with); {
		case err != nil:
			return nil, err
		case again:
			return []core.Event{{Type: core.Resync, Path: w.path}}, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lookEvery):
		}
	}
}

// again arms the watch with the session that follows one that has ended. It reports
// false if that is not possible yet.
func (w *watch) again(ctx context.Context, old core.Client) (bool, error) {
	w.mu.Lock()
	closed := w.mu.closed
	w.mu.Unlock()
	if closed {
		return false, core.ErrClosed
	}
	if err := w.client.renew(ctx, old); core.IsSessionOver(err) {
		return false, err // the client was closed
	} else if err != nil {
		return false, nil
	}
	s, err := w.client.current()
	if err != nil {
		return false, err
	}
	limited, cancel := context.WithTimeout(ctx, w.client.cfg.CallTime)
	defer cancel()
	inner, err := s.Watch(limited, w.path, w.mode)
	switch {
	case core.IsSessionOver(err): // this one too: the next attempt finds another
		w.mu.Lock()
		w.mu.with = s
		w.mu.Unlock()
		return false, nil
	case err != nil:
		return false, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.closed {
		_ = inner.Close() // nobody will listen to it
		return false, core.ErrClosed
	}
	w.mu.inner, w.mu.with = inner, s
	return true, nil
}

// Close implements core.Watch.
func (w *watch) Close() error {
	w.mu.Lock()
	w.mu.closed = true
	inner := w.mu.inner
	w.mu.Unlock()
	return inner.Close()
}
