//go:build !linux

package bench

import (
	"errors"
	"sync"
	"time"
)

// gatherer reads many connections; here each has a goroutine for it.
type gatherer struct{ conns []*conn }

func newGatherer(conns []*conn) (*gatherer, error) { return &gatherer{conns: conns}, nil }

// gather calls read for every connection once, and returns when the last was read.
func (g *gatherer) gather(read func(*conn) error) (time.Time, error) {
	errs := make([]error, len(g.conns))
	var wg sync.WaitGroup
	for i, c := range g.conns {
		wg.Go(func() {
			_ = c.net.SetReadDeadline(time.Now().Add(30 * time.Second))
			errs[i] = read(c)
		})
	}
	wg.Wait()
	return time.Now(), errors.Join(errs...)
}

func (g *gatherer) close() error { return nil }
