package naming

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/lease"
	"github.com/zensus-io/zensus/registry/store"
)

// writeTries bounds how often a write is tried that others disturb.
const writeTries = 8

// Publish makes instances everything that a connected client has registered in
// a service; none withdraws it all. client is the connection's id. It returns
// ErrInvalid, ErrKind, ErrLimit, ErrQuota or ErrClientGone.
//
// Without a quorum it returns nil all the same: this node shows what the client
// did, and writes it when it can.
func (s *Service) Publish(ctx context.Context, client string, k registry.ServiceKey, instances []registry.Instance) error {
	return s.PublishFor(ctx, client, ConnectionTimeout, k, instances)
}

// PublishFor is Publish for a client that takes longer to register elsewhere: what it has
// registered outlives its last sign of life by so long.
func (s *Service) PublishFor(ctx context.Context, client string, outlives time.Duration, k registry.ServiceKey, instances []registry.Instance) error {
	if err := k.Validate(); err != nil {
		return err
	}
	for n := range instances {
		instances[n].Ephemeral = true
	}
	if err := registry.ValidateBatch(instances, s.cfg.Limits); err != nil {
		return err
	}
	if err := s.await(ctx); err != nil {
		return err
	}
	leave, err := s.room(ctx, client, k, instances...)
	if err != nil {
		return err
	}
	defer leave()
	zxid, pending, err := s.leases.Set(ctx, client, lease.Options{Timeout: outlives}, k, instances)
	if err != nil || pending {
		return err
	}
	return s.shown(ctx, zxid)
}

// shown is settled for what was written: it counts even if this node's picture does
// not show it in time.
func (s *Service) shown(ctx context.Context, zxid core.Zxid) error {
	if err := s.settled(ctx, zxid); err != nil {
		s.log.Debug("written but not shown yet", "zxid", zxid.String(), "err", err)
	}
	return nil
}

// Alive tells of a message received from a connected client. It never blocks.
func (s *Service) Alive(client string) { s.leases.Alive(client) }

// End tells that a client has closed its connection: its instances vanish at once. If this
// node stood still just before, the client may have given it up and be elsewhere, or on its
// way: that is then as with Release.
func (s *Service) End(client string) {
	if s.pulse.feel(time.Now()) {
		s.Release(client)
		return
	}
	s.hub.Drop(client)
	s.leases.End(client)
}

// Release tells that a client's connection is gone and that it may come back
// elsewhere: its instances stay until its session's timeout.
func (s *Service) Release(client string) {
	s.hub.Drop(client)
	s.leases.Release(client)
}

// Published is what a connected client has registered, by service.
func (s *Service) Published(client string) map[registry.ServiceKey][]registry.Instance {
	return s.leases.Services(client)
}

// Register registers an instance of a client without a connection: one that
// heartbeats keep alive, or a persistent one.
func (s *Service) Register(ctx context.Context, k registry.ServiceKey, i registry.Instance) error {
	if err := s.checkOne(ctx, k, &i); err != nil {
		return err
	}
	leave, err := s.room(ctx, "", k, i)
	if err != nil {
		return err
	}
	defer leave()
	if !i.Ephemeral {
		return s.registerPersistent(ctx, k, i)
	}
	zxid, pending, err := s.beats.Register(ctx, k, i)
	if err != nil || pending {
		return err
	}
	return s.shown(ctx, zxid)
}

func (s *Service) checkOne(ctx context.Context, k registry.ServiceKey, i *registry.Instance) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if err := i.Validate(s.cfg.Limits); err != nil {
		return err
	}
	return s.await(ctx)
}

// Deregister removes an instance of a client without a connection. One that is
// not there is no error. Instances of connected clients are not touched: only
// their client withdraws them.
func (s *Service) Deregister(ctx context.Context, k registry.ServiceKey, key registry.InstanceKey, ephemeral bool) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if err := s.await(ctx); err != nil {
		return err
	}
	if ephemeral {
		zxid, known, err := s.beats.Deregister(ctx, k, key)
		if err != nil {
			return err
		}
		if known { // and what it has left at another node
			_ = s.shown(ctx, zxid)
		}
	}
	if !ephemeral {
		return s.removePersistent(ctx, k, key)
	}
	var drop []string
	for _, e := range s.catalog.Entries(k, key) {
		if e.Beat {
			drop = append(drop, e.Path)
		}
	}
	if len(drop) == 0 {
		return nil
	}
	zxid, pending, err := s.leases.Withdraw(ctx, k, drop)
	if err != nil || pending {
		return s.unavailable(err)
	}
	return s.shown(ctx, zxid)
}

// removePersistent deletes the znodes of a persistent instance.
func (s *Service) removePersistent(ctx context.Context, k registry.ServiceKey, key registry.InstanceKey) error {
	unlock := s.locks.lock(k, key)
	defer unlock()
	return s.retry(ctx, func() (core.Zxid, error) {
		var drop []string
		for _, e := range s.catalog.Entries(k, key) {
			if !e.Instance.Ephemeral {
				drop = append(drop, e.Path)
			}
		}
		if len(drop) == 0 {
			return 0, nil
		}
		_, zxid, err := s.store.ReplaceOwn(ctx, k, drop, nil)
		return zxid, err
	})
}

// registerPersistent makes i the one znode of its key.
func (s *Service) registerPersistent(ctx context.Context, k registry.ServiceKey, i registry.Instance) error {
	return s.setPersistent(ctx, k, i.Key(), func() *registry.Instance { return &i })
}

// setHealth writes the health of a persistent instance, as it is registered when that is
// written. One that was deregistered meanwhile does not come back by it.
func (s *Service) setHealth(ctx context.Context, k registry.ServiceKey, key registry.InstanceKey, healthy bool) error {
	return s.setPersistent(ctx, k, key, func() *registry.Instance {
		e := s.catalog.Newest(k, key)
		if e == nil || e.Instance.Ephemeral {
			return nil
		}
		i := e.Instance.Clone()
		i.Healthy = healthy
		return &i
	})
}

// setPersistent makes what wish returns the one znode of its key; nil changes nothing. wish
// is asked again whenever others have changed what is there.
func (s *Service) setPersistent(ctx context.Context, k registry.ServiceKey, key registry.InstanceKey, wish func() *registry.Instance) error {
	unlock := s.locks.lock(k, key)
	defer unlock()
	return s.retry(ctx, func() (core.Zxid, error) {
		i := wish()
		if i == nil {
			return 0, nil
		}
		record := store.Record{Instance: *i, Client: i.IP + ":" + strconv.Itoa(i.Port) + "#false", Node: s.cfg.Node}
		svc, _, ok := s.catalog.Service(k)
		if !ok {
			if n := s.catalog.Count(""); n >= s.cfg.Limits.Services {
				return 0, registry.Errorf(registry.ErrLimit, "services: there are %d already.", n)
			}
			var err error
			if svc, _, err = s.store.EnsureService(ctx, k, false); err != nil {
				return 0, err
			}
		}
		if svc.Ephemeral {
			return 0, registry.KindError("register", k, true)
		}
		var drop []string
		known := s.catalog.Entries(k, key)
		for _, e := range known {
			drop = append(drop, e.Path)
		}
		if len(known) == 0 && s.catalog.Size(k) >= s.cfg.Limits.InstancesPerService {
			return 0, registry.Errorf(registry.ErrLimit, "instances: service %s has %d already.", k.Grouped(), s.cfg.Limits.InstancesPerService)
		}
		if len(known) == 1 && known[0].Instance.Equal(i) {
			return 0, nil
		}
		_, zxid, err := s.store.ReplaceOwn(ctx, k, drop, []*store.Record{&record})
		return zxid, err
	})
}

// retry repeats a write that found something else in the tree than the catalog
// had shown, after the catalog has caught up; a lost reply is such a case.
func (s *Service) retry(ctx context.Context, write func() (core.Zxid, error)) error {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	var last error
	for range writeTries {
		zxid, err := write()
		if err == nil {
			return s.shown(ctx, zxid)
		}
		switch {
		case core.IsUnknownOutcome(err):
			last = err
		case !errors.Is(err, core.NoNode):
			return s.unavailable(cmp.Or(last, err))
		}
		zxid, err = s.store.Sync(ctx)
		if err != nil {
			return s.unavailable(cmp.Or(last, err))
		}
		if err := s.settled(ctx, zxid); err != nil {
			return err
		}
	}
	return s.unavailable(cmp.Or(last, error(core.NoNode)))
}

// stripes are locks that instance keys share.
type stripes [64]sync.Mutex

func (l *stripes) lock(k registry.ServiceKey, i registry.InstanceKey) (unlock func()) {
	h := fnv.New32a()
	h.Write([]byte(k.String()))
	h.Write([]byte(i.String()))
	m := &l[h.Sum32()%uint32(len(l))]
	m.Lock()
	return m.Unlock
}

// Beat takes a heartbeat. full is the instance as the beat describes it, with
// defaults filled in; nil for a light beat. It returns ErrInstanceNotFound if
// the instance is unknown and the beat does not say enough to register it.
func (s *Service) Beat(ctx context.Context, k registry.ServiceKey, key registry.InstanceKey, full *registry.Instance) (registry.Instance, error) {
	if err := k.Validate(); err != nil {
		return registry.Instance{}, err
	}
	if err := s.await(ctx); err != nil {
		return registry.Instance{}, err
	}
	newest := s.catalog.Newest(k, key)
	if newest != nil && newest.Beat && s.handOn(k, newest) {
		// If this node watches it too, from a time when it could not tell the other, it
		// will have heard nothing of it for long, and lets it go.
		return newest.Instance, nil
	}
	if s.beats.Beat(k, key) {
		if newest != nil {
			return newest.Instance, nil
		}
		return registry.Instance{Cluster: key.Cluster, IP: key.IP, Port: key.Port}, nil
	}
	if newest != nil && !newest.Beat {
		return newest.Instance, nil // a connection keeps it alive, or nothing need to
	}
	i := full
	if i == nil && newest != nil {
		// Its node has gone, or this one was started anew: it is ours from now on.
		taken := newest.Instance.Clone()
		taken.Healthy = true
		i = &taken
	}
	if i == nil {
		return registry.Instance{}, registry.Errorf(registry.ErrInstanceNotFound, "instance %s of %s not found", key, k.Grouped())
	}
	if newest != nil && full != nil {
		// A beat does not change what was registered.
		taken := newest.Instance.Clone()
		taken.Healthy = true
		i = &taken
	}
	i.Ephemeral = true
	return *i, s.Register(ctx, k, *i)
}

// LastBeat is when a client's last heartbeat came to this node, the zero time if none
// did.
func (s *Service) LastBeat(client string) time.Time { return s.beats.Last(client) }

// Override changes what an operator has set on an instance. change gets what is
// set so far. An instance that is not there is no error: what is set then waits
// for it. It returns ErrServiceNotFound, ErrInvalid, ErrLimit or ErrQuota.
func (s *Service) Override(ctx context.Context, k registry.ServiceKey, key registry.InstanceKey, change func(old registry.Override) registry.Override) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if err := registry.ValidateClusterName(key.Cluster); err != nil {
		return err
	}
	if err := s.await(ctx); err != nil {
		return err
	}
	var refused error
	zxid, err := s.store.SetOverride(ctx, k, key, func(old registry.Override) (registry.Override, error) {
		o := change(old)
		if refused = o.Validate(); refused == nil && old.Empty() && !o.Empty() {
			refused = s.roomToWait(ctx, k, key)
		}
		return o, refused
	})
	if refused != nil {
		return refused
	}
	if err != nil {
		return s.unavailable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	_ = s.overrides.Wait(ctx, zxid) // it was written, shown or not
	return s.shown(ctx, zxid)
}

// SetHealth sets the health of a persistent instance that nothing checks. It
// returns ErrInstanceNotFound or ErrCheckerActive.
func (s *Service) SetHealth(ctx context.Context, k registry.ServiceKey, key registry.InstanceKey, healthy bool) error {
	if err := s.await(ctx); err != nil {
		return err
	}
	svc, _, ok := s.catalog.Service(k)
	e := s.catalog.Newest(k, key)
	if settings := svc.ClusterSettings(key.Cluster); !ok || svc.Ephemeral || settings.Checker.Type != registry.CheckNone {
		return registry.Errorf(registry.ErrCheckerActive, "health check is still working, service: %s, cluster: %s", k.Grouped(), key.Cluster)
	}
	if e == nil {
		return registry.Errorf(registry.ErrInstanceNotFound, "instance not found, service: %s, ip: %s, port: %d, cluster: %s", k.Grouped(), key.IP, key.Port, key.Cluster)
	}
	return s.setHealth(ctx, k, key, healthy)
}
