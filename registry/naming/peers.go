package naming

import (
	"context"
	"slices"

	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/health"
)

// follow keeps up with who is alive.
func (s *Service) follow(ctx context.Context) error {
	for {
		ids, changed := s.cfg.Peers.Live()
		s.live.Store(&ids)
		s.checks.Share(ids)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// handOn has a heartbeat go to the node that watches the instance, of which e is the
// newest znode. It reports whether that will be done: if not, the instance is this
// node's to watch.
func (s *Service) handOn(k registry.ServiceKey, e *catalog.Entry) bool {
	live := s.live.Load()
	if live == nil || e.Node == s.cfg.Node || !slices.Contains(*live, e.Node) {
		return false
	}
	return s.hander.Add(e.Node, health.Heard{Service: k, Instance: e.Instance.Key()})
}

// TakeBeats takes heartbeats that came to another node, and returns those whose instances
// are not watched here.
func (s *Service) TakeBeats(beats []health.Heard) (unknown []health.Heard) {
	for _, b := range beats {
		if !s.beats.Beat(b.Service, b.Instance) {
			unknown = append(unknown, b)
		}
	}
	return unknown
}
