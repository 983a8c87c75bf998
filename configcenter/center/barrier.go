package center

import (
	"context"
	"sync"
)

// barrier lets many callers share one run of a costly act. Whoever comes while
// it is under way joins the next run, because the one under way may have begun
// before his cause. There is no goroutine: the first to come runs it for all.
type barrier struct {
	act  func(context.Context) error
	turn chan struct{} // capacity 1; held while the act runs

	mu   sync.Mutex
	next *flight // gathers callers until it begins
}

type flight struct {
	done chan struct{}
	err  error
	gone bool // err is the context of the one who ran it
}

func newBarrier(act func(context.Context) error) *barrier {
	return &barrier{act: act, turn: make(chan struct{}, 1)}
}

// join returns when an act that began after the call has ended.
func (b *barrier) join(ctx context.Context) error {
	for {
		b.mu.Lock()
		f, first := b.next, b.next == nil
		if first {
			f = &flight{done: make(chan struct{})}
			b.next = f
		}
		b.mu.Unlock()
		if first {
			b.run(ctx, f)
			return f.err
		}
		select {
		case <-f.done:
			if !f.gone {
				return f.err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			// He who ran it gave up. Somebody else's turn, maybe ours.
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (b *barrier) run(ctx context.Context, f *flight) {
	defer close(f.done)
	var err error
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	b.mu.Lock()
	b.next = nil // who comes from now on is too late for this one
	b.mu.Unlock()
	if err == nil {
		err = b.act(ctx)
	}
	f.err, f.gone = err, err != nil && ctx.Err() != nil
}
