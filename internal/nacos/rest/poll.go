package rest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Polls bounds how many requests wait at once. A waiting request costs its
// connection and one goroutine: the handler's own, which no other may answer for.
type Polls struct {
	limit   int64
	waiting atomic.Int64
}

// NewPolls lets at most limit requests wait.
func NewPolls(limit int) *Polls { return &Polls{limit: int64(limit)} }

// Waiting is how many requests wait now.
func (p *Polls) Waiting() int { return int(p.waiting.Load()) }

// Wait holds a request until ready is closed or sent to, patience has passed, or
// ctx ends because the client went away or the server stops. It reports whether
// ready came; the error is ctx's, or a refusal where too many wait already.
func (p *Polls) Wait(ctx context.Context, ready <-chan struct{}, patience time.Duration) (bool, error) {
	select {
	case <-ready:
		return true, nil // what is known already never waits
	default:
	}
	if p.waiting.Add(1) > p.limit {
		p.waiting.Add(-1)
		return false, wire.Refuse(wire.Busy, "too many requests are waiting, please try later")
	}
	defer p.waiting.Add(-1)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ready:
		return true, nil
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}
