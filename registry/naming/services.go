package naming

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

// CreateService adds a service explicitly: it stays, empty or not, until it is
// deleted. It returns ErrServiceExists, ErrInvalid, ErrLimit, ErrQuota or
// ErrNoQuorum.
func (s *Service) CreateService(ctx context.Context, svc registry.Service) error {
	if err := svc.Validate(); err != nil {
		return err
	}
	if err := s.await(ctx); err != nil {
		return err
	}
	if n := s.catalog.Count(""); n >= s.cfg.Limits.Services {
		return registry.Errorf(registry.ErrLimit, "services: there are %d already.", n)
	}
	leave, err := s.room(ctx, "", svc.Key)
	if err != nil {
		return err
	}
	defer leave()
	svc.Explicit = true
	zxid, err := s.store.CreateService(ctx, &svc)
	if err != nil {
		return s.unavailable(err)
	}
	return s.shown(ctx, zxid)
}

// UpdateService changes a service. change may be called more than once, with
// fresh copies; key and kind stay as they are. It returns ErrServiceNotFound,
// ErrInvalid, ErrNoQuorum or the error of change.
func (s *Service) UpdateService(ctx context.Context, k registry.ServiceKey, change func(*registry.Service) error) error {
	if err := s.await(ctx); err != nil {
		return err
	}
	zxid, err := s.store.UpdateService(ctx, k, func(svc *registry.Service) error {
		ephemeral := svc.Ephemeral
		if err := change(svc); err != nil {
			return err
		}
		svc.Key, svc.Ephemeral, svc.Explicit = k, ephemeral, true
		return svc.Validate()
	})
	if err != nil {
		return s.unavailable(err)
	}
	return s.shown(ctx, zxid)
}

// DeleteService removes a service without instances, and the overrides in it. It
// returns ErrServiceNotFound, ErrServiceNotEmpty or ErrNoQuorum. Subscriptions
// stay.
func (s *Service) DeleteService(ctx context.Context, k registry.ServiceKey) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if err := s.await(ctx); err != nil {
		return err
	}
	return s.unavailable(s.deleteService(ctx, k, core.AnyVersion))
}

func (s *Service) deleteService(ctx context.Context, k registry.ServiceKey, version int32) error {
	overrides := slices.Collect(maps.Keys(s.catalog.Overrides(k)))
	zxid, err := s.store.DeleteService(ctx, k, version)
	if err != nil {
		return err
	}
	if err := s.store.DropOverrides(ctx, k, overrides); err != nil {
		return errors.Join(core.ConnectionLoss, err) // the service is gone, not all of them are
	}
	return s.shown(ctx, zxid)
}

// Describe returns a service. It returns ErrServiceNotFound.
func (s *Service) Describe(ctx context.Context, k registry.ServiceKey) (registry.Service, error) {
	if err := s.await(ctx); err != nil {
		return registry.Service{}, err
	}
	svc, _, ok := s.catalog.Service(k)
	if !ok {
		return registry.Service{}, registry.Errorf(registry.ErrServiceNotFound, "service not found, namespace: %s, serviceName: %s", k.Namespace, k.Grouped())
	}
	return svc.Clone(), nil
}

// Query returns the list of a service under a filter; an empty one if there is
// no such service.
func (s *Service) Query(ctx context.Context, k registry.ServiceKey, f registry.Filter) (*catalog.View, error) {
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	return s.catalog.Lookup(k, f), nil
}

// Instances are all instances of a service with their real health, disabled ones
// too. The caller must not modify them.
func (s *Service) Instances(ctx context.Context, k registry.ServiceKey) ([]registry.Instance, error) {
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	return s.catalog.Instances(k), nil
}

// Instance is one instance with its real health and with what an operator set on
// it. It returns ErrInstanceNotFound.
func (s *Service) Instance(ctx context.Context, k registry.ServiceKey, key registry.InstanceKey) (registry.Instance, error) {
	all, err := s.Instances(ctx, k)
	if err != nil {
		return registry.Instance{}, err
	}
	if len(all) == 0 {
		return registry.Instance{}, registry.Errorf(registry.ErrInstanceNotFound, "no ips found for cluster %s in service %s", key.Cluster, k.Grouped())
	}
	at, ok := slices.BinarySearchFunc(all, key, func(i registry.Instance, key registry.InstanceKey) int { return i.Key().Compare(key) })
	if !ok {
		return registry.Instance{}, registry.Errorf(registry.ErrInstanceNotFound, "no matched ip found!")
	}
	return all[at], nil
}

// Publishers are the instances of a service with the clients that registered them, at
// whatever node.
func (s *Service) Publishers(ctx context.Context, k registry.ServiceKey) ([]catalog.Publication, error) {
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	return s.catalog.Publishers(k), nil
}

// Publishing are the clients that have registered something, at whatever node.
func (s *Service) Publishing(ctx context.Context) (map[string]struct{}, error) {
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	return s.catalog.Clients(), nil
}

// PublishedBy is what a client has registered, at whatever node.
func (s *Service) PublishedBy(ctx context.Context, client string) ([]catalog.Publication, error) {
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	return s.catalog.Published(client), nil
}

// Overrides are what operators have set on the instances of a service.
func (s *Service) Overrides(ctx context.Context, k registry.ServiceKey) (map[registry.InstanceKey]registry.Override, error) {
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	return s.catalog.Overrides(k), nil
}

// ResetOverrides takes back what operators have set on an instance, or on all of a service
// if key is nil, and says on which. It returns ErrServiceNotFound, ErrInstanceNotFound if
// nothing is set on that instance, or ErrNoQuorum.
func (s *Service) ResetOverrides(ctx context.Context, k registry.ServiceKey, key *registry.InstanceKey) ([]registry.InstanceKey, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	set, err := s.Overrides(ctx, k)
	if err != nil {
		return nil, err
	}
	keys := slices.SortedFunc(maps.Keys(set), registry.InstanceKey.Compare)
	if key != nil {
		if _, ok := set[*key]; !ok {
			return nil, registry.Errorf(registry.ErrInstanceNotFound, "nothing is set on instance %s of service %s", key, k.Grouped())
		}
		keys = []registry.InstanceKey{*key}
	} else if _, err := s.Describe(ctx, k); err != nil {
		return nil, err
	}
	for _, i := range keys {
		err := s.Override(ctx, k, i, func(registry.Override) registry.Override { return registry.Override{} })
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// Names is one page of the services of a group, in order, and their number. Pages
// begin with 1.
func (s *Service) Names(ctx context.Context, namespace, group string, page, size int) ([]string, int, error) {
	if err := s.await(ctx); err != nil {
		return nil, 0, err
	}
	names, total := s.catalog.Names(namespace, group, offset(page, size), size)
	return names, total, nil
}

// Matching are the services of a namespace that match, in order, limit at most. It shows
// at least those that OnNamed has told of.
func (s *Service) Matching(namespace string, match func(registry.ServiceKey) bool, limit int) []registry.ServiceKey {
	return s.catalog.Matching(namespace, match, limit)
}

// Await waits until all services are known. It returns ErrNotReady.
func (s *Service) Await(ctx context.Context) error { return s.await(ctx) }

// Search is one page of the services that match a query, and their number. The
// query's Offset and Limit are set from page and size.
func (s *Service) Search(ctx context.Context, q catalog.Query, page, size int) ([]catalog.Summary, int, error) {
	if err := s.await(ctx); err != nil {
		return nil, 0, err
	}
	q.Offset, q.Limit = offset(page, size), size
	found, total := s.catalog.Search(q)
	return found, total, nil
}

// Namespaces are those that have services, in order.
func (s *Service) Namespaces(ctx context.Context) ([]string, error) {
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	return s.catalog.Namespaces(), nil
}

// offset of a page; one before the first counts as the first.
func offset(page, size int) int {
	if page < 1 || size < 1 {
		return 0
	}
	if page-1 > (1<<31-1)/size {
		return 1<<31 - 1
	}
	return (page - 1) * size
}

// Totals are the numbers of this registry.
type Totals struct {
	Services, Instances int
	// Clients, Beats, Subscriptions and Pending, the subscribers that are to be told of
	// something, are this node's own.
	Clients, Beats, Subscriptions, Pending int
	// TCPChecks and HTTPChecks were made by this node since it started.
	TCPChecks, HTTPChecks int64
}

// Totals counts.
func (s *Service) Totals() Totals {
	t := Totals{Clients: s.leases.Clients(), Beats: s.beats.Watched(), Subscriptions: s.hub.Total(), Pending: s.hub.Pending()}
	t.TCPChecks, t.HTTPChecks = s.checks.Made()
	t.Services, t.Instances = s.catalog.Totals()
	return t
}

// Services are the keys of all services of a namespace, or of all if it is empty.
func (s *Service) Services(ctx context.Context, namespace string) ([]registry.ServiceKey, error) {
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	return s.catalog.Services(namespace), nil
}

// CountServices is the number of services of a namespace.
func (s *Service) CountServices(namespace string) int { return s.catalog.Count(namespace) }

// CountInstances is the number of instances of a namespace, or of all if it is empty.
func (s *Service) CountInstances(namespace string) int { return s.catalog.CountInstances(namespace) }
