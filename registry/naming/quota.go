package naming

import (
	"context"

	"github.com/zensus-io/zensus/registry"
)

// entering counts the services and instances of a namespace that are on their way into the
// picture through this node.
type entering struct {
	services, instances int
	left                chan struct{} // closed when some have come, or will not
}

// need is what somebody is about to register in a namespace, and how much may be there.
type need struct {
	client          string
	service         registry.ServiceKey
	instances       []registry.Instance
	services, sizes int // 0 is no limit
}

// room refuses instances, or a service without any, for which the namespace has no room.
// What is there already may be registered again, and what a client had registered in the
// service gives room for what it has now. What others are registering at this node counts:
// where it decides, it is waited for. Those who register at several nodes at the same time
// may together pass a quota: each sees what its node shows, which without a quorum is what
// the tree had last, and what clients have registered at this node since.
//
// Who got room gives it back by leave, when his own is shown or will not be.
func (s *Service) room(ctx context.Context, client string, k registry.ServiceKey, instances ...registry.Instance) (leave func(), err error) {
	n := need{client: client, service: k, instances: instances}
	if s.cfg.Quota != nil {
		if n.services, n.sizes, err = s.cfg.Quota(ctx, k.Namespace); err != nil {
			return nil, err
		}
	}
	if n.services == 0 && n.sizes == 0 {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	for {
		leave, left, err := s.enter(n)
		if left == nil {
			return leave, err
		}
		select {
		case <-left:
		case <-ctx.Done():
			return nil, err
		}
	}
}

// enter gives room or refuses it. A refusal that holds only if those who are on their way
// arrive has a channel, which is closed when some have.
func (s *Service) enter(n need) (leave func(), left <-chan struct{}, err error) {
	s.entering.Lock()
	defer s.entering.Unlock()
	var e entering // who leaves has been shown before: he is counted here, there or in both
	if known := s.entering.of[n.service.Namespace]; known != nil {
		e = *known
	}
	services, instances := 0, 0
	if _, _, there := s.catalog.Service(n.service); n.services > 0 && !there {
		services = 1
	}
	if n.sizes > 0 {
		instances = len(n.instances)
	}
	if there := s.catalog.Count(n.service.Namespace); services > 0 && there+e.services+services > n.services {
		err = registry.Errorf(registry.ErrQuota, "services: namespace %s may hold at most %d.", n.service.Namespace, n.services)
		if there+services > n.services {
			return nil, nil, err
		}
		return nil, e.left, err
	}
	if there := s.catalog.CountInstances(n.service.Namespace); instances > 0 && there+e.instances+instances > n.sizes {
		instances = max(0, s.added(n))
		if instances > 0 && there+e.instances+instances > n.sizes {
			err = registry.Errorf(registry.ErrQuota, "instances: namespace %s may hold at most %d.", n.service.Namespace, n.sizes)
			if there+instances > n.sizes {
				return nil, nil, err
			}
			return nil, e.left, err
		}
	}
	s.countLocked(n.service.Namespace, services, instances)
	return func() {
		s.entering.Lock()
		defer s.entering.Unlock()
		s.countLocked(n.service.Namespace, -services, -instances)
	}, nil, nil
}

// countLocked counts those that enter, or have left. s.entering must be locked.
func (s *Service) countLocked(namespace string, services, instances int) {
	if services == 0 && instances == 0 {
		return
	}
	e := s.entering.of[namespace]
	if e == nil {
		e = &entering{left: make(chan struct{})}
		s.entering.of[namespace] = e
	}
	e.services += services
	e.instances += instances
	if services < 0 || instances < 0 {
		close(e.left)
		e.left = make(chan struct{})
	}
	if e.services == 0 && e.instances == 0 {
		delete(s.entering.of, namespace)
	}
}

// added is how many instances more the namespace has with those that somebody is about to
// register.
func (s *Service) added(n need) int {
	added := len(n.instances)
	seen := make(map[registry.InstanceKey]bool, added)
	for i := range n.instances {
		key := n.instances[i].Key()
		if seen[key] || s.catalog.Newest(n.service, key) != nil {
			added--
		}
		seen[key] = true
	}
	if added > 0 && n.client != "" {
		had := s.leases.Wanted(n.client, n.service)
		for i := range had {
			if key := had[i].Key(); !seen[key] && s.catalog.Newest(n.service, key) != nil {
				added--
			}
		}
	}
	return added
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
