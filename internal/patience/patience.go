// Package patience has deadlines for requests that are mostly answered at once. The shells
// of the protocols and the parts of the domain that wait only while a server starts use it
// in the place of context.WithTimeout, whose timer, and place in the context above, cost
// more than the answer.
//
// Nothing runs, and nothing is to be given back, until somebody waits.
package patience

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Context ends at a time, with the errors of context.WithDeadline. It has a timer from the
// first call of Done on. It is safe for concurrent use.
type Context struct {
	context.Context // above
	until           time.Time

	timed atomic.Pointer[timedContext] // set once
	mu    sync.Mutex                   // for setting it
}

type timedContext struct {
	context.Context
	stop context.CancelFunc
}

// Until makes a context that ends with ctx, or at a time. End must follow.
func Until(ctx context.Context, until time.Time) *Context {
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	return &Context{Context: ctx, until: until}
}

// For is Until a while from now.
func For(ctx context.Context, d time.Duration) *Context { return Until(ctx, time.Now().Add(d)) }

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) { return c.until, true }

// Done implements context.Context; from its first call on there is a timer.
func (c *Context) Done() <-chan struct{} {
	if t := c.timed.Load(); t != nil {
		return t.Done()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.timed.Load()
	if t == nil {
		t = new(timedContext)
		t.Context, t.stop = context.WithDeadline(c.Context, c.until)
		c.timed.Store(t)
	}
	return t.Done()
}

// Err implements context.Context.
func (c *Context) Err() error {
	if t := c.timed.Load(); t != nil {
		return t.Err()
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(c.until) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. What derives from this context is told of its end
// by the one with the timer, without a goroutine between the two.
func (c *Context) Value(key any) any {
	if t := c.timed.Load(); t != nil {
		return t.Value(key)
	}
	return c.Context.Value(key)
}

// End gives the timer back, if there is one, and ends what derives from c. Whoever waits
// for c from then on hears of the end of the context above, or of the time.
func (c *Context) End() {
	if t := c.timed.Load(); t != nil {
		t.stop()
	}
}
