package naming

import (
	"context"
	"errors"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
)

const (
	// sweepMax bounds what is written in one sweep, of each kind.
	sweepMax = 1000
	// markAfter is how long an instance is gone before that is noted.
	markAfter = time.Hour
)

// sweep removes services that have been empty for long and that nobody made
// explicitly, and overrides whose instance has long been gone. Every node does
// it; the version in the removal of a service, and the engine's refusal to delete
// what has children, keep it safe.
func (s *Service) sweep(ctx context.Context) error {
	empty := make(map[registry.ServiceKey]core.Zxid)
	gone := make(map[orphan]time.Time)
	tick := time.NewTicker(s.cfg.EmptyAfter)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-tick.C:
			empty = s.sweepServices(ctx, empty)
			gone = s.sweepOverrides(ctx, gone, now)
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

// orphan names an override whose instance is not there.
type orphan struct {
	service  registry.ServiceKey
	instance registry.InstanceKey
}

// sweepOverrides removes those whose instance was not seen for OverrideAge, and returns
// since when the others' have not been. What lasts longer than a restart of an instance
// is noted beside the override: it outlives the servers.
func (s *Service) sweepOverrides(ctx context.Context, since map[orphan]time.Time, now time.Time) map[orphan]time.Time {
	still := make(map[orphan]time.Time)
	orphans, back := s.catalog.Stray(100 * sweepMax)
	for _, o := range back {
		if err := s.store.MarkOverride(ctx, o.Service, o.Instance, time.Time{}); err != nil {
			s.log.Debug("override not marked", "service", o.Service.String(), "instance", o.Instance.String(), "err", err)
		}
	}
	writes := 0
	for n := range orphans {
		o := &orphans[n]
		id := orphan{o.Service, o.Instance}
		first, ok := since[id]
		switch {
		case !o.Gone.IsZero():
			first = o.Gone
		case !ok:
			first = now
		}
		still[id] = first
		if writes == sweepMax {
			continue
		}
		var err error
		switch age := now.Sub(first); {
		case age >= s.cfg.OverrideAge:
			writes++
			if err = s.removeOverride(ctx, o.Service, o.Instance); err == nil {
				delete(still, id)
			}
		case o.Gone.IsZero() && age >= min(markAfter, s.cfg.OverrideAge/4):
			writes++
			err = s.store.MarkOverride(ctx, o.Service, o.Instance, first)
		}
		if err != nil {
			s.log.Debug("override not swept", "service", o.Service.String(), "instance", o.Instance.String(), "err", err)
		}
	}
	return still
}

func (s *Service) removeOverride(ctx context.Context, k registry.ServiceKey, i registry.InstanceKey) error {
	_, err := s.store.SetOverride(ctx, k, i, func(registry.Override) (registry.Override, error) { return registry.Override{}, nil })
	if errors.Is(err, registry.ErrServiceNotFound) {
		err = s.store.DropOverrides(ctx, k, []registry.InstanceKey{i})
	}
	return err
}
