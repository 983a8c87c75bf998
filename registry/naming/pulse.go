package naming

import (
	"context"
	"sync"
	"time"
)

const (
	// pulseEvery is how often it is felt that this node goes on.
	pulseEvery = 500 * time.Millisecond
	// stoodAfter is the gap that counts as standing still. Clients wait three seconds for
	// an answer before they give a node up.
	stoodAfter = 2 * time.Second
	// comesInFor is how long after such a gap what clients did meanwhile still comes in.
	comesInFor = 3 * time.Second
)

// pulse tells whether this node stood still just now, as a process that was stopped or a
// machine that was suspended: then its clients may have given it up, and the ends of their
// connections, which it finds, say nothing of them. It is safe for concurrent use.
type pulse struct {
	mu struct {
		sync.Mutex
		last  time.Time // felt
		until time.Time // the end of what comes in after a gap
	}
}

// feel reports whether this node stood still before now, or does not long go on again. Who
// asks may be the first to notice.
func (p *pulse) feel(now time.Time) (stood bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.last.IsZero() && now.Sub(p.mu.last) > pulseEvery+stoodAfter {
		p.mu.until = now.Add(comesInFor)
	}
	if now.After(p.mu.last) {
		p.mu.last = now
	}
	return now.Before(p.mu.until)
}

// run feels the pulse until ctx ends.
func (p *pulse) run(ctx context.Context) error {
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for {
		p.feel(time.Now())
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
