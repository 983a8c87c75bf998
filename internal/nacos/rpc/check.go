package rpc

import (
	"context"
	"time"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// maxDetections bounds how many clients are asked at once if they live; the
// others' turn comes with the next check.
const maxDetections = 1024

// check looks at every connection once.
func (s *Server) check(now time.Time) {
	timing := &s.cfg.Timing
	asked := 0
	for _, t := range s.allTransports() {
		if t.answers.stuck(now, timing.StuckWrite) {
			s.log.Warn("client does not take a large answer, cutting it off", "client", t.id)
			t.shut(Silent)
			continue
		}
		t.mu.Lock()
		c := t.mu.conn
		t.mu.Unlock()
		if c == nil {
			if !t.foreign.Load() && now.Sub(t.accepted) > timing.SetupDeadline {
				t.shut(Silent)
			}
			continue
		}
		stuck, lost := c.outbox.trouble()
		switch {
		case !stuck.IsZero() && now.Sub(stuck) > timing.StuckWrite:
			s.log.Warn("client does not read, cutting it off", "client", c.id, "version", c.Version())
			t.shut(Silent)
		case !lost.IsZero() && now.Sub(lost) > timing.StreamLost:
			t.shut(StreamLost)
		case now.Sub(c.LastActive()) > timing.Idle && asked < maxDetections && c.detecting.CompareAndSwap(false, true):
			asked++
			s.tasks.Go(func() { s.detect(c) })
		}
	}
}

// detect asks a silent client if it lives. Whatever it sends in the meantime
// counts as an answer.
func (s *Server) detect(c *Conn) {
	defer c.detecting.Store(false)
	asked := time.Now()
	_, err := c.call(context.Background(), &wire.ClientDetectionRequest{}, s.cfg.Timing.Detect)
	if err == nil || c.Closed() || c.LastActive().After(asked) {
		return
	}
	s.log.Info("client is silent, closing its connection", "client", c.id, "version", c.Version(), "err", err)
	c.transport.shut(Silent)
}
