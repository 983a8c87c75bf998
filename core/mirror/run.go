package mirror

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/zensus-io/zensus/core"
)

const (
	// progressPatience is how long a waiter trusts that a Progress will come
	// before the mirror asks for a Sync all the same.
	progressPatience = 20 * time.Millisecond
	retryMin         = 10 * time.Millisecond
	retryMax         = 2 * time.Second
)

// Run watches, lists and follows until ctx ends or the session is over, and
// returns why. Call it once.
func (m *Mirror) Run(ctx context.Context) (err error) {
	defer func() { m.end(err) }()
	var retry backoff
	for {
		err := m.follow(ctx, &retry)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if isFinal(err) {
			return err
		}
		m.complete.Store(false)
		m.log.Debug("mirror watches again", "path", m.cfg.Root, "err", err)
		if !retry.wait(ctx) {
			return context.Cause(ctx)
		}
	}
}

// isFinal reports whether trying again cannot help.
func isFinal(err error) bool {
	return core.IsSessionOver(err) || errors.Is(err, core.Unimplemented)
}

// follow arms a watch, lists, and applies events until the watch ends. A call
// that fails, because contact is lost, makes it list again: the watch outlives
// that and nothing that it heard is trusted to be all.
func (m *Mirror) follow(ctx context.Context, retry *backoff) error {
	w, err := m.cfg.Client.Watch(ctx, m.cfg.Root, core.WatchTree)
	if err != nil {
		return err
	}
	defer w.Close()
	for {
		if err = m.relist(ctx); err == nil {
			*retry = 0
			var watching bool
			if watching, err = m.keep(ctx, w); !watching {
				return err
			}
		}
		if ctx.Err() != nil || isFinal(err) {
			return err
		}
		m.complete.Store(false)
		m.log.Debug("mirror lists again", "path", m.cfg.Root, "err", err)
		if !retry.wait(ctx) {
			return ctx.Err()
		}
	}
}

// keep applies events until a call fails, or the watch (watching is then false).
func (m *Mirror) keep(ctx context.Context, w core.Watch) (watching bool, err error) {
	for {
		events, err := m.next(ctx, w)
		if err != nil {
			return false, err
		}
		if len(events) > 0 {
			if err := m.apply(ctx, w, events); err != nil {
				return true, err
			}
		}
		if m.syncDue() {
			if err := m.syncUp(ctx, w); err != nil {
				return true, err
			}
		}
	}
}

// backoff is the last pause between two attempts; 0 after a success.
type backoff time.Duration

// wait pauses, twice as long each time and with jitter. It is false if ctx ended.
func (b *backoff) wait(ctx context.Context) bool {
	*b = min(max(2**b, backoff(retryMin)), backoff(retryMax))
	d := time.Duration(*b)
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// next waits for events. It comes back without any when a Sync is due.
func (m *Mirror) next(ctx context.Context, w core.Watch) ([]core.Event, error) {
	if events := m.pending; len(events) > 0 {
		m.pending = nil
		return events, nil
	}
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	m.mu.Lock()
	if m.syncDueLocked() {
		cancel() // Next then gives what is there
	}
	m.mu.wake = cancel
	m.mu.Unlock()
	events, err := w.Next(wait)
	m.mu.Lock()
	m.mu.wake = nil
	m.mu.Unlock()
	if err != nil && ctx.Err() == nil && errors.Is(err, context.Canceled) {
		return nil, nil
	}
	return events, err
}

// syncDueLocked reports whether somebody waits for what only a Sync can show.
func (m *Mirror) syncDueLocked() bool {
	if !m.progress.Load() {
		return len(m.mu.waiters) > 0
	}
	for w := range m.mu.waiters {
		if time.Since(w.since) >= progressPatience {
			return true
		}
	}
	return false
}

func (m *Mirror) syncDue() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.syncDueLocked()
}

// syncUp asks for a Sync and applies every event that came in before its reply:
// these are all the events up to the zxid that it gives.
func (m *Mirror) syncUp(ctx context.Context, w core.Watch) error {
	z, err := m.cfg.Client.Sync(ctx, m.cfg.Root)
	if err != nil {
		return err
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	// Next gives what is there even when its context has ended.
	events, err := w.Next(over)
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	events = append(m.pending, events...)
	m.pending = nil
	if err := m.apply(ctx, w, events); err != nil {
		return err
	}
	m.advance(z)
	return m.pause(ctx, z)
}

// pause keeps the mirror from asking again at once where a waiter wants a zxid
// that no Sync has shown yet (one from elsewhere, or from the future).
func (m *Mirror) pause(ctx context.Context, z core.Zxid) error {
	m.mu.Lock()
	pending := false
	for w := range m.mu.waiters {
		if w.zxid > z && time.Since(w.since) > progressPatience {
			pending = true
		}
	}
	m.mu.Unlock()
	if !pending {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(retryMin):
		return nil
	}
}
