package naming

import (
	"context"
	"errors"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

// sweepMax bounds what is removed in one sweep, of each kind.
const sweepMax = 1000

// sweep removes services that have been empty for long and that nobody made
// explicitly, and overrides whose instance has long been gone. Every node does
// it; the version in the removal of a service, and the engine's refusal to delete
// what has children, keep it safe.
func (s *Service) sweep(ctx context.Context) error {
	empty := make(map[registry.ServiceKey]core.Zxid)
	orphans := make(map[catalog.Orphan]time.Time)
	tick := time.NewTicker(s.cfg.EmptyAfter)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-tick.C:
			empty = s.sweepServices(ctx, empty)
			orphans = s.sweepOverrides(ctx, orphans, now)
		}
	}
}

// sweepServices removes those that were empty at the last sweep and since, and
// returns those that are empty now.
func (s *Service) sweepServices(ctx context.Context, before map[registry.ServiceKey]core.Zxid) map[registry.ServiceKey]core.Zxid {
	now := make(map[registry.ServiceKey]core.Zxid)
	for _, e := range s.catalog.Empties(sweepMax) {
		if since, ok := before[e.Key]; !ok || since != e.Since {
			now[e.Key] = e.Since
			continue
		}
		err := s.deleteService(ctx, e.Key, e.Version)
		if err != nil && !errors.Is(err, registry.ErrServiceNotEmpty) && !errors.Is(err, registry.ErrServiceNotFound) {
			s.log.Debug("empty service not removed", "service", e.Key.String(), "err", err)
			now[e.Key] = e.Since
		}
	}
	return now
}

// sweepOverrides removes those whose instance was not seen for OverrideAge, and
// returns since when the others' have not been.
func (s *Service) sweepOverrides(ctx context.Context, since map[catalog.Orphan]time.Time, now time.Time) map[catalog.Orphan]time.Time {
	still := make(map[catalog.Orphan]time.Time)
	for _, o := range s.catalog.Orphans(100 * sweepMax) {
		first, ok := since[o]
		if !ok {
			first = now
		}
		if now.Sub(first) < s.cfg.OverrideAge {
			still[o] = first
			continue
		}
		_, err := s.store.SetOverride(ctx, o.Service, o.Instance, func(registry.Override) registry.Override { return registry.Override{} })
		if errors.Is(err, registry.ErrServiceNotFound) {
			err = s.store.DropOverrides(ctx, o.Service, []registry.InstanceKey{o.Instance})
		}
		if err != nil {
			s.log.Debug("override not removed", "service", o.Service.String(), "instance", o.Instance.String(), "err", err)
			still[o] = first
		}
	}
	return still
}
