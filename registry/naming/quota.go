package naming

import (
	"context"

	"github.com/zensus-io/zensus/registry"
)

// room refuses instances, or a service without any, for which the namespace has no room.
// What is there already may be registered again, and what a client had registered in the
// service gives room for what it has now. Those who register at the same time may
// together pass a quota: each sees what is there before, which without a quorum is what
// the tree had last.
func (s *Service) room(ctx context.Context, client string, k registry.ServiceKey, instances ...registry.Instance) error {
	if s.cfg.Quota == nil {
		return nil
	}
	services, most, err := s.cfg.Quota(ctx, k.Namespace)
	if err != nil {
		return err
	}
	if services > 0 && s.catalog.Count(k.Namespace) >= services {
		if _, _, there := s.catalog.Service(k); !there {
			return registry.Errorf(registry.ErrQuota, "services: namespace %s may hold at most %d.", k.Namespace, services)
		}
	}
	if most == 0 || len(instances) == 0 {
		return nil
	}
	added := len(instances)
	if there := s.catalog.CountInstances(k.Namespace); there+added <= most {
		return nil
	}
	seen := make(map[registry.InstanceKey]bool, len(instances))
	for n := range instances {
		key := instances[n].Key()
		if seen[key] || s.catalog.Newest(k, key) != nil {
			added--
		}
		seen[key] = true
	}
	if added > 0 && client != "" {
		had := s.leases.Wanted(client, k)
		for n := range had {
			if key := had[n].Key(); !seen[key] && s.catalog.Newest(k, key) != nil {
				added--
			}
		}
	}
	if added > 0 && s.catalog.CountInstances(k.Namespace)+added > most {
		return registry.Errorf(registry.ErrQuota, "instances: namespace %s may hold at most %d.", k.Namespace, most)
	}
	return nil
}

// roomToWait refuses what is set on an instance for the first time where so many wait for
// theirs already that are not there: this one will be among them when its own has gone.
// Those that come at the same time may together pass the limit.
func (s *Service) roomToWait(ctx context.Context, k registry.ServiceKey, key registry.InstanceKey) error {
	waiting := s.catalog.Waiting(k)
	if most := s.cfg.Limits.OverridesWaiting; waiting >= most {
		return registry.Errorf(registry.ErrLimit, "instances: what is set on %d that are not in service %s is kept already.", waiting, k.Grouped())
	}
	if s.cfg.Quota == nil || s.catalog.Newest(k, key) != nil {
		return nil
	}
	_, most, err := s.cfg.Quota(ctx, k.Namespace)
	if err != nil {
		return err
	}
	if most > 0 && s.catalog.CountInstances(k.Namespace)+waiting >= most {
		return registry.Errorf(registry.ErrQuota, "instances: namespace %s may hold at most %d.", k.Namespace, most)
	}
	return nil
}
