package main

import (
	"context"
	"fmt"
)

// stack runs components that stand on one another: they are started from the
// bottom up and ended from the top down, each only when what stands on it has
// ended. The first that ends by itself ends all.
type stack struct {
	parts []*part
	ended chan *part
}

type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func newStack() *stack { return &stack{ended: make(chan *part, 64)} }

// start runs a component on top of those that are there.
func (s *stack) start(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{name: name, cancel: cancel, done: make(chan struct{})}
	s.parts = append(s.parts, p)
	go func() {
		p.err = run(ctx)
		close(p.done)
		s.ended <- p
	}()
}

// wait returns when ctx ends or a component has ended by itself, with the reason.
func (s *stack) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case p := <-s.ended:
		if p.err != nil {
			return fmt.Errorf("%s: %w", p.name, p.err)
		}
		return fmt.Errorf("%s ended", p.name)
	}
}

// stop ends everything, from the top down.
func (s *stack) stop() {
	for i := len(s.parts) - 1; i >= 0; i-- {
		s.parts[i].cancel()
		<-s.parts[i].done
	}
}
