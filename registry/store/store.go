package store

import (
	"context"
	"errors"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
)

// casTries bounds how often a change of a service is tried again because others
// changed it meanwhile.
const casTries = 16

// Store writes services, persistent instances and overrides with a node's own
// session, and the instances of other sessions with those. It is safe for
// concurrent use.
type Store struct {
	client core.Client
	acl    []core.ACL
}

// New makes a Store on a node's own session. acl is put on every znode; nil is
// core.NodeACL, which shuts out everybody but the nodes.
func New(client core.Client, acl []core.ACL) *Store {
	if acl == nil {
		acl = core.NodeACL()
	}
	return &Store{client: client, acl: acl}
}

// ACL is what the store puts on znodes.
func (s *Store) ACL() []core.ACL { return s.acl }

// Prepare makes the roots. It can be called again.
func (s *Store) Prepare(ctx context.Context) error {
	for _, path := range []string{base, NamingRoot, OverridesRoot, ClaimsRoot} {
		if err := s.makePlain(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) makePlain(ctx context.Context, path string) error {
	_, _, err := s.client.Create(ctx, path, nil, core.CreateOptions{ACL: s.acl})
	if errors.Is(err, core.NodeExists) {
		return nil
	}
	return err
}

// create makes a persistent znode and those above it that are missing.
func (s *Store) create(ctx context.Context, path string, value []byte) (core.Stat, error) {
	for range casTries {
		_, st, err := s.client.Create(ctx, path, value, core.CreateOptions{ACL: s.acl})
		if !errors.Is(err, core.NoNode) {
			return st, err
		}
		if err := s.makeParents(ctx, path); err != nil {
			return core.Stat{}, err
		}
	}
	return core.Stat{}, &core.OpError{Op: "create", Path: path, Err: core.NoNode}
}

func (s *Store) makeParents(ctx context.Context, path string) error {
	parent := core.ParentPath(path)
	err := s.makePlain(ctx, parent)
	if errors.Is(err, core.NoNode) {
		if err = s.makeParents(ctx, parent); err == nil {
			err = s.makePlain(ctx, parent)
		}
	}
	if errors.Is(err, core.NoNode) {
		return nil // somebody swept it; the caller tries again
	}
	return err
}

// Service reads a service from the tree. It returns ErrServiceNotFound.
func (s *Store) Service(ctx context.Context, k registry.ServiceKey) (registry.Service, core.Stat, error) {
	value, st, err := s.client.Get(ctx, ServicePath(k))
	if errors.Is(err, core.NoNode) {
		return registry.Service{}, st, registry.Errorf(registry.ErrServiceNotFound, "service not found, namespace: %s, service: %s", k.Namespace, k.Grouped())
	}
	if err != nil {
		return registry.Service{}, st, err
	}
	svc, err := DecodeService(k, value)
	return svc, st, err
}

// CreateService adds a service. It returns ErrServiceExists.
func (s *Store) CreateService(ctx context.Context, svc *registry.Service) (core.Zxid, error) {
	st, err := s.create(ctx, ServicePath(svc.Key), EncodeService(svc))
	if errors.Is(err, core.NodeExists) {
		return 0, registry.Errorf(registry.ErrServiceExists, "specified service %s already exists!", svc.Key.Grouped())
	}
	return st.Czxid, err
}

// EnsureService adds a service unless there is one, and returns the one that is
// there then. It is how a registration makes the service that it needs.
func (s *Store) EnsureService(ctx context.Context, k registry.ServiceKey, ephemeral bool) (registry.Service, core.Zxid, error) {
	svc := registry.Service{Key: k, Ephemeral: ephemeral}
	for range casTries {
		st, err := s.create(ctx, ServicePath(k), EncodeService(&svc))
		if err == nil {
			return svc, st.Czxid, nil
		}
		if !errors.Is(err, core.NodeExists) {
			return registry.Service{}, 0, err
		}
		found, st, err := s.Service(ctx, k)
		if !errors.Is(err, registry.ErrServiceNotFound) {
			return found, st.Czxid, err
		}
	}
	return registry.Service{}, 0, &core.OpError{Op: "create", Path: ServicePath(k), Err: core.NoNode}
}

// UpdateService changes a service. change may be called several times, each time
// with a fresh copy. It returns ErrServiceNotFound, or the error of change.
func (s *Store) UpdateService(ctx context.Context, k registry.ServiceKey, change func(*registry.Service) error) (core.Zxid, error) {
	zxid, err := s.withService(ctx, k, func(svc *registry.Service) ([]core.Op, error) { return nil, change(svc) })
	if errors.Is(err, registry.ErrServiceNotFound) {
		err = notFound(k)
	}
	return zxid, err
}

// withService writes what change made of a service, together with the operations
// that it returns, all at one zxid.
func (s *Store) withService(ctx context.Context, k registry.ServiceKey, change func(*registry.Service) ([]core.Op, error)) (core.Zxid, error) {
	var last error
	for range casTries {
		svc, st, err := s.Service(ctx, k)
		if err != nil {
			return 0, err
		}
		ops, err := change(&svc)
		if err != nil {
			return 0, err
		}
		ops = append(ops, core.SetOp{Path: ServicePath(k), Data: EncodeService(&svc), Version: st.Version})
		_, zxid, err := s.client.Multi(ctx, ops...)
		switch {
		case err == nil:
			return zxid, nil
		case errors.Is(err, core.BadVersion), errors.Is(err, core.NoNode), errors.Is(err, core.NodeExists):
			last = err // somebody was faster
		default:
			return 0, err
		}
	}
	return 0, last
}

func notFound(k registry.ServiceKey) error {
	return registry.Errorf(registry.ErrServiceNotFound, "service %s not found!", k.Grouped())
}

// DeleteService removes a service that has the expected version. It returns
// ErrServiceNotFound, ErrServiceNotEmpty or core.BadVersion.
func (s *Store) DeleteService(ctx context.Context, k registry.ServiceKey, version int32) (core.Zxid, error) {
	zxid, err := s.client.Delete(ctx, ServicePath(k), version)
	switch {
	case errors.Is(err, core.NoNode):
		return 0, notFound(k)
	case errors.Is(err, core.NotEmpty):
		return 0, registry.Errorf(registry.ErrServiceNotEmpty, "Service %s is not empty, can't be delete. Please unregister instance first", k.Grouped())
	}
	return zxid, err
}

// SetOverride stores what an operator set on an instance, or removes it if o is
// empty. It returns ErrServiceNotFound, or the error of change, and then has written
// nothing. The zxid is 0 where nothing was set and nothing is to be.
func (s *Store) SetOverride(ctx context.Context, k registry.ServiceKey, i registry.InstanceKey, change func(old registry.Override) (registry.Override, error)) (core.Zxid, error) {
	path := OverridePath(k, i)
	zxid, err := s.withService(ctx, k, func(*registry.Service) ([]core.Op, error) {
		value, st, err := s.client.Get(ctx, path)
		absent := errors.Is(err, core.NoNode)
		if err != nil && !absent {
			return nil, err
		}
		var old registry.Override
		if !absent {
			if old, err = DecodeOverride(value); err != nil {
				return nil, err
			}
		}
		o, err := change(old)
		if err != nil {
			return nil, err
		}
		o.Gone = time.Time{} // as if it were new
		switch {
		case o.Empty() && absent:
			return nil, errNothingToDo
		case o.Empty():
			return []core.Op{core.DeleteOp{Path: path, Version: st.Version}}, nil
		case !absent:
			return []core.Op{core.SetOp{Path: path, Data: EncodeOverride(&o), Version: st.Version}}, nil
		}
		if err := s.makeParents(ctx, path); err != nil {
			return nil, err
		}
		return []core.Op{core.CreateOp{Path: path, Data: EncodeOverride(&o), Options: core.CreateOptions{ACL: s.acl}}}, nil
	})
	if errors.Is(err, errNothingToDo) {
		err = nil
	}
	return zxid, err
}

// errNothingToDo ends a change that would change nothing.
var errNothingToDo = errors.New("nothing to do")

// MarkOverride notes since when the instance of an override is gone; the zero time that it
// is back. Nothing of it shows in a list. What somebody changed or removed meanwhile is
// left alone.
func (s *Store) MarkOverride(ctx context.Context, k registry.ServiceKey, i registry.InstanceKey, gone time.Time) error {
	path := OverridePath(k, i)
	value, st, err := s.client.Get(ctx, path)
	if errors.Is(err, core.NoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	o, err := DecodeOverride(value)
	if err != nil || o.Gone.IsZero() == gone.IsZero() {
		return err
	}
	o.Gone = gone
	_, err = s.client.Set(ctx, path, EncodeOverride(&o), st.Version)
	if errors.Is(err, core.NoNode) || errors.Is(err, core.BadVersion) {
		return nil
	}
	return err
}

// DropOverrides removes those of a service, after the service itself.
func (s *Store) DropOverrides(ctx context.Context, k registry.ServiceKey, instances []registry.InstanceKey) error {
	for _, i := range instances {
		if _, err := s.client.Delete(ctx, OverridePath(k, i), core.AnyVersion); err != nil && !errors.Is(err, core.NoNode) {
			return err
		}
	}
	if len(instances) > 0 {
		_, err := s.client.Delete(ctx, servicePath(OverridesRoot, k), core.AnyVersion)
		if err != nil && !errors.Is(err, core.NoNode) && !errors.Is(err, core.NotEmpty) {
			return err
		}
	}
	return nil
}
