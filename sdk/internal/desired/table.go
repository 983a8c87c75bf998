// Package desired makes what a program wants true on whatever connection there
// is, and again on the next one.
//
// A Table holds keys. Each is wanted as of a version, and was agreed to by the
// server as of a version and on a connection. A key is due when the version is
// behind, when the connection is another one, or when it was not confirmed for
// long. What a key stands for, and how it is said to the server, is the business
// of the one who applies it; what fails stays due and is tried again with a
// growing pause, for ever.
package desired

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/zensus-io/zensus/sdk/internal/link"
)

// Table is safe for concurrent use.
type Table[K comparable] struct {
	confirm time.Duration
	fails   func(k K, failures int, err error)
	wake    chan struct{} // capacity 1

	mu struct {
		sync.Mutex
		entries map[K]*entry
		closed  bool
	}
}

type entry struct {
	wanted    uint64 // version
	agreed    uint64 // version that the server agreed to last
	gen       uint64 // connection on which it did
	confirmed time.Time
	failures  int
	notBefore time.Time
	refused   error         // refusal of version refusedAt
	refusedAt uint64        // 0 for none
	last      error         // why it was not agreed to yet
	changed   chan struct{} // closed and replaced when something above changes
}

// New makes a Table whose keys are said again when they were not confirmed for
// as long as confirm; 0 is never, on one connection. fails hears of a key that the server has not agreed to
// several times in a row, with all the locks of the Table released.
func New[K comparable](confirm time.Duration, fails func(k K, failures int, err error)) *Table[K] {
	t := &Table[K]{confirm: confirm, fails: fails, wake: make(chan struct{}, 1)}
	t.mu.entries = make(map[K]*entry)
	return t
}

// Want says that what k stands for is another than before. It returns the version
// to Wait for.
func (t *Table[K]) Want(k K) uint64 {
	t.mu.Lock()
	e := t.mu.entries[k]
	if e == nil {
		e = &entry{changed: make(chan struct{})}
		t.mu.entries[k] = e
	}
	e.wanted++
	e.failures, e.notBefore = 0, time.Time{}
	version := e.wanted
	t.mu.Unlock()
	t.stir()
	return version
}

func (t *Table[K]) stir() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Wait returns when the server has agreed to k as of version, or a later one. It
// returns the server's refusal, link.ErrClosed, or the context's error, joined with
// the reason why it took so long.
func (t *Table[K]) Wait(ctx context.Context, k K, version uint64) error {
	for {
		t.mu.Lock()
		e := t.mu.entries[k]
		if e == nil || e.agreed >= version {
			t.mu.Unlock()
			return nil // gone: it was agreed that nothing is wanted
		}
		refused, at, changed, closed, last := e.refused, e.refusedAt, e.changed, t.mu.closed, e.last
		t.mu.Unlock()
		switch {
		case at >= version:
			return refused
		case closed:
			return link.ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), last)
		}
	}
}

// Outcome is what became of one key.
type Outcome struct {
	// Forget says that nothing is wanted any more under this key.
	Forget bool
	Err    error
}

// Run applies what is due until ctx ends. apply is given a connection and keys,
// and reports each; those that it does not report have failed.
func (t *Table[K]) Run(ctx context.Context, l *link.Link, apply func(ctx context.Context, c *link.Conn, keys []K, report func(K, Outcome))) {
	defer t.close()
	for {
		conn, err := l.Conn(ctx)
		if err != nil {
			return
		}
		due, next := t.due(conn.Gen, time.Now())
		if len(due) > 0 {
			t.round(ctx, conn, due, apply)
			continue
		}
		timer := time.NewTimer(next)
		select {
		case <-t.wake:
		case <-timer.C:
		case <-conn.Over():
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// lookAgain is how long Run sleeps at most where nothing wakes it.
const lookAgain = time.Minute

// due is what must be said on connection gen now, by version, and otherwise after
// what time to look again.
func (t *Table[K]) due(gen uint64, now time.Time) (map[K]uint64, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	due := make(map[K]uint64)
	next := lookAgain
	for k, e := range t.mu.entries {
		if e.agreed == e.wanted && e.gen == gen {
			left := t.confirm - now.Sub(e.confirmed)
			if t.confirm == 0 {
				left = lookAgain
			}
			if left > 0 {
				next = min(next, left)
				continue
			}
		}
		if left := e.notBefore.Sub(now); left > 0 {
			next = min(next, left)
			continue
		}
		due[k] = e.wanted
	}
	return due, next
}

func (t *Table[K]) round(ctx context.Context, conn *link.Conn, due map[K]uint64, apply func(context.Context, *link.Conn, []K, func(K, Outcome))) {
	keys := make([]K, 0, len(due))
	for k := range due {
		keys = append(keys, k)
	}
	var mu sync.Mutex
	outcomes := make(map[K]Outcome, len(keys))
	apply(ctx, conn, keys, func(k K, o Outcome) {
		mu.Lock()
		defer mu.Unlock()
		outcomes[k] = o
	})
	now := time.Now()
	for k, version := range due {
		o, reported := outcomes[k]
		if !reported {
			o.Err = link.ErrUnknownOutcome
		}
		// Said when it is no accident any more, and ever more seldom.
		if n := t.settle(k, version, conn.Gen, now, o); n >= 4 && n&(n-1) == 0 {
			t.fails(k, n, o.Err)
		}
	}
}

const (
	retryMin = 200 * time.Millisecond
	retryMax = 3 * time.Second
	// refusedMax is the pause of what was refused: it is not likely to change.
	refusedMax = 30 * time.Second
)

// settle notes an outcome and returns how often in a row the key has failed.
func (t *Table[K]) settle(k K, version, gen uint64, now time.Time, o Outcome) (failures int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.mu.entries[k]
	if e == nil {
		return 0
	}
	switch {
	case o.Err != nil:
		e.last = o.Err
		limit := retryMax
		if link.Refused(o.Err) {
			e.refused, e.refusedAt = o.Err, version
			limit = refusedMax
		}
		d := min(retryMin<<min(e.failures, 10), limit)
		e.failures++
		if e.wanted == version {
			e.notBefore = now.Add(d/2 + rand.N(d/2))
		}
	default:
		e.agreed, e.gen, e.confirmed = version, gen, now
		e.failures, e.notBefore = 0, time.Time{}
		e.refused, e.refusedAt, e.last = nil, 0, nil
		if o.Forget && e.wanted == version {
			delete(t.mu.entries, k)
		}
	}
	close(e.changed)
	e.changed = make(chan struct{})
	return e.failures
}

func (t *Table[K]) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.closed = true
	for _, e := range t.mu.entries {
		close(e.changed)
		e.changed = make(chan struct{})
	}
}

// Keys are the keys that are wanted, or were and are not yet withdrawn.
func (t *Table[K]) Keys() []K {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := make([]K, 0, len(t.mu.entries))
	for k := range t.mu.entries {
		keys = append(keys, k)
	}
	return keys
}

// Each calls f for every key, a few at a time, and reports what it returns.
func Each[K comparable](keys []K, report func(K, Outcome), f func(K) Outcome) {
	const atOnce = 8
	slots := make(chan struct{}, atOnce)
	var done sync.WaitGroup
	for _, k := range keys {
		slots <- struct{}{}
		done.Go(func() {
			defer func() { <-slots }()
			report(k, f(k))
		})
	}
	done.Wait()
}
