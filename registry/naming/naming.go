package naming

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/health"
	"github.com/zensus-io/zensus/registry/lease"
	"github.com/zensus-io/zensus/registry/push"
	"github.com/zensus-io/zensus/registry/store"
)

const (
	// ConnectionTimeout is how long the session of a connected client outlives its
	// last sign of life: enough for a client that registers anew every few seconds
	// to notice that its node is gone and to register elsewhere.
	ConnectionTimeout = 30 * time.Second
	// readPatience is how long a call waits for the catalog: clients give up after 3 s.
	readPatience = 2500 * time.Millisecond
)

// Config is what a Service needs. Client, Sessions, Node and Form are required.
type Config struct {
	// Client is the node's own session, which the caller opens and closes.
	Client   core.Client
	Sessions core.Sessions
	// ACL is put on every znode; nil is core.NodeACL.
	ACL []core.ACL
	// Node names this node in the records that it writes, and among Peers.
	Node   string
	Limits registry.Limits // zero: registry.DefaultLimits
	// Quota is how many services, and instances, a namespace may hold; 0 is no limit. Nil
	// is no limits. An error refuses what would be added.
	Quota func(ctx context.Context, namespace string) (services, instances int, err error)
	// EmptyAfter is how long a service that nobody made explicitly may be empty
	// before it is removed. Zero is a minute.
	EmptyAfter time.Duration
	// Settle is that of the leases: see lease.Config.
	Settle time.Duration
	// OverrideAge is how long an override outlives its instance. Zero is 30 days.
	OverrideAge time.Duration
	// Peers are the other nodes; nil: this one is alone. Each checks its share of the
	// persistent instances, and a heartbeat is handed on to the node that watches its
	// instance.
	Peers Peers
	// Form is that of the protocol in which the lists are sent: they are kept in it.
	Form catalog.Form
	// Probe checks persistent instances; nil is health.Ask.
	Probe      health.Probe
	Logger     hclog.Logger          // nil is silent
	MirrorLog  *slog.Logger          // nil is silent
	Registerer prometheus.Registerer // nil: metrics are kept and not shown
}

// Peers are the other nodes of a cluster.
type Peers interface {
	// Live are the ids of the living nodes, and a channel that is closed when they are
	// others.
	Live() (ids []string, changed <-chan struct{})
	health.Peers
}

// Service is the registry of one node. It is safe for concurrent use.
type Service struct {
	cfg     Config
	log     hclog.Logger
	metrics *metrics

	store     *store.Store
	catalog   *catalog.Catalog
	leases    *lease.Manager
	beats     *health.Beats
	checks    *health.Checks
	hander    *health.Hander
	live      atomic.Pointer[[]string] // ids of the living nodes; nil without peers
	hub       *push.Hub
	guard     *push.Guard
	services  *mirror.Mirror
	overrides *mirror.Mirror
	switched  *mirror.Mirror
	switches  atomic.Pointer[registry.Switches]
	applying  sync.Mutex // held by who makes other switches hold, or two would half do so

	named func(k registry.ServiceKey, there bool) // set before Run, may be nil

	ready chan struct{}
	gap   atomic.Bool // the mirror was stale when last looked at
	pulse pulse
	locks stripes // one writer a persistent instance

	entering struct {
		sync.Mutex
		of map[string]*entering // by namespace, of those with a quota
	}
}

// New puts a Service together; Run makes it work.
func New(cfg Config) (*Service, error) {
	if cfg.Client == nil || cfg.Sessions == nil || cfg.Node == "" || cfg.Form == nil {
		return nil, errors.New("naming: client, sessions, node and form are needed")
	}
	if cfg.Limits == (registry.Limits{}) {
		cfg.Limits = registry.DefaultLimits()
	}
	if cfg.EmptyAfter == 0 {
		cfg.EmptyAfter = time.Minute
	}
	if cfg.OverrideAge == 0 {
		cfg.OverrideAge = 30 * 24 * time.Hour
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	s := &Service{cfg: cfg, log: cfg.Logger, ready: make(chan struct{})}
	s.entering.of = make(map[string]*entering)
	s.store = store.New(cfg.Client, cfg.ACL)
	s.catalog = catalog.New((*listener)(s), cfg.Form)
	s.guard = push.NewGuard()
	var err error
	s.services, err = mirror.New(mirror.Config{Client: cfg.Client, Root: store.NamingRoot, Lean: true, Passing: true, Logger: cfg.MirrorLog, OnChange: s.onNaming})
	if err != nil {
		return nil, fmt.Errorf("naming: %w", err)
	}
	s.overrides, err = mirror.New(mirror.Config{Client: cfg.Client, Root: store.OverridesRoot, Lean: true, Logger: cfg.MirrorLog, OnChange: s.onOverrides})
	if err != nil {
		return nil, fmt.Errorf("naming: %w", err)
	}
	s.switched, err = mirror.New(mirror.Config{Client: cfg.Client, Root: store.SwitchesPath, Logger: cfg.MirrorLog, OnChange: s.onSwitches})
	if err != nil {
		return nil, fmt.Errorf("naming: %w", err)
	}
	s.leases, err = lease.New(lease.Config{
		Sessions: cfg.Sessions, Store: s.store, Catalog: s.catalog, Picture: s.services,
		Node: cfg.Node, Limits: cfg.Limits, Settle: cfg.Settle, Logger: cfg.Logger.Named("lease"),
	})
	if err != nil {
		return nil, fmt.Errorf("naming: %w", err)
	}
	s.beats = health.New(health.BeatsConfig{
		Leases: s.leases, Stalled: func(time.Duration) { s.Trouble() }, Alone: s.services.Stale,
		Off: func() bool { return !s.Switches().HealthChecks }, Logger: cfg.Logger.Named("health"),
	})
	s.checks = health.NewChecks(health.ChecksConfig{
		Source: s.catalog, Probe: cfg.Probe, Flip: s.setHealth, Shared: cfg.Peers != nil, Node: cfg.Node,
		Switches: s.Switches, Logger: cfg.Logger.Named("health"),
	})
	s.hander = health.NewHander(cfg.Peers, cfg.Logger.Named("health"))
	if s.metrics, err = newMetrics(cfg.Registerer, s); err != nil {
		return nil, fmt.Errorf("naming: metrics: %w", err)
	}
	s.hub = push.New(push.Config{
		Lookup: s.catalog.Lookup, Guard: s.guard, SubscriptionsPerClient: cfg.Limits.SubscriptionsPerClient,
		Logger: cfg.Logger.Named("push"), Pushed: s.metrics.pushed,
	})
	s.apply(func(*registry.Switches) registry.Switches { return registry.DefaultSwitches() })
	return s, nil
}

// Run works until ctx ends or the node's session does. It returns after every
// goroutine that it started has returned. Clients' sessions are let go then, not
// ended.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if err := s.prepare(ctx); err != nil {
		return err
	}
	g.Go(func() error { return s.services.Run(ctx) })
	g.Go(func() error { return s.overrides.Run(ctx) })
	g.Go(func() error { return s.switched.Run(ctx) })
	g.Go(func() error {
		for _, m := range []*mirror.Mirror{s.services, s.overrides, s.switched} {
			select {
			case <-m.Ready():
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		// The sessions of clients that were here before this start may lapse, and a
		// client that is slow to come back is not gone.
		s.guard.Trouble(time.Now().Add(ConnectionTimeout))
		close(s.ready)
		return nil
	})
	g.Go(func() error { return s.leases.Run(ctx) })
	g.Go(func() error { return s.beats.Run(ctx) })
	g.Go(func() error { return s.checks.Run(ctx) })
	g.Go(func() error { return s.hub.Run(ctx) })
	if s.cfg.Peers != nil {
		g.Go(func() error { return s.follow(ctx) })
		g.Go(func() error { return s.hander.Run(ctx) })
	}
	g.Go(func() error { return s.keep(ctx) })
	g.Go(func() error { return s.pulse.run(ctx) })
	g.Go(func() error { return s.sweep(ctx) })
	return g.Wait()
}

// prepare makes the roots, as soon as the engine can.
func (s *Service) prepare(ctx context.Context) error {
	pause := 20 * time.Millisecond
	for {
		err := s.store.Prepare(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case core.IsSessionOver(err), errors.Is(err, core.NoAuth):
			return fmt.Errorf("naming: %w", err)
		}
		s.log.Debug("registry not opened yet", "err", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

// keep keeps the node's own session alive and notices gaps of the mirror.
func (s *Service) keep(ctx context.Context) error {
	tick := time.NewTicker(min(time.Second, max(s.cfg.Client.Session().Timeout/4, 10*time.Millisecond)))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		s.cfg.Sessions.Touch(s.cfg.Client.Session().ID)
		if stale := s.services.Stale(); stale != s.gap.Swap(stale) && s.isReady() {
			s.Trouble()
		}
	}
}

// OnNamed has f told of each service that comes into being or ceases to be, in order. f
// must not block. Call it before Run, once.
func (s *Service) OnNamed(f func(k registry.ServiceKey, there bool)) { s.named = f }

// Ready is closed when the catalog is complete for the first time.
func (s *Service) Ready() <-chan struct{} { return s.ready }

func (s *Service) isReady() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// await waits until the catalog is complete for the first time, not longer than
// a client does.
func (s *Service) await(ctx context.Context) error {
	if s.isReady() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	select {
	case <-s.ready:
		return nil
	case <-ctx.Done():
		return registry.Errorf(registry.ErrNotReady, "server is STARTINGnow, please try again later!")
	}
}

// Stale reports whether what this node shows may be behind the tree, or ahead of
// it: without a quorum clients go on to register and to ask.
func (s *Service) Stale() bool { return s.Behind() || s.catalog.Ahead() > 0 }

// Behind reports whether what this node shows may be behind the tree. Whether a list is
// ahead of it, the list says itself.
func (s *Service) Behind() bool { return s.services.Stale() }

// Trouble tells that this server had trouble of its own: a quorum lost or found, a new
// leader, a node lost, a stall. For a while, lists that shrink much are not pushed at
// once: as long as sessions may end for it, which have their full timeout from then on.
// What could not be written is tried again.
func (s *Service) Trouble() {
	s.guard.Trouble(time.Now().Add(ConnectionTimeout))
	s.leases.Wake()
}

// settled waits until this node's catalog shows the write at zxid.
func (s *Service) settled(ctx context.Context, zxid core.Zxid) error {
	if zxid <= s.services.Zxid() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	if err := s.services.Wait(ctx, zxid); err != nil {
		return s.unavailable(err)
	}
	return nil
}

// unavailable gives errors of a lost quorum their name, and says what may have become
// of the request.
func (s *Service) unavailable(err error) error {
	switch {
	case core.IsUnknownOutcome(err), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w, it is not known whether this was done: %w", registry.ErrNoQuorum, err)
	case errors.Is(err, core.NotReadOnly):
		return fmt.Errorf("%w, nothing was done: %w", registry.ErrNoQuorum, err)
	}
	return err
}

func (s *Service) onNaming(changes []mirror.Change, _ core.Zxid) {
	s.catalog.ApplyNaming(changes, s.services.Freshest)
}

func (s *Service) onOverrides(changes []mirror.Change, _ core.Zxid) {
	s.catalog.ApplyOverrides(changes)
}

// listener keeps the methods that the catalog calls out of Service's own.
type listener Service

// Going has the lease keep up what its clients still want.
func (l *listener) Going(removed []catalog.Removed) { l.leases.Going(removed) }

// Gone tells the lease what is gone, and the guard what nobody withdrew.
func (l *listener) Gone(removed []catalog.Removed) {
	lost := make(map[registry.ServiceKey]int)
	for _, r := range l.leases.Gone(removed) {
		if newest := l.catalog.Newest(r.Service, r.Instance.Key()); newest == nil {
			lost[r.Service]++ // no other znode stands for it
		}
	}
	now := time.Now()
	for k, n := range lost {
		l.guard.Lost(k, n, l.catalog.Size(k), now)
	}
}

// Covered tells the lease whose clients may have moved.
func (l *listener) Covered(covered []catalog.Covered) { l.leases.Covered(covered) }

// Named tells whoever asked for it which services are there now and which no more.
func (l *listener) Named(keys []registry.ServiceKey) {
	if l.named == nil {
		return
	}
	for _, k := range keys {
		_, _, there := l.catalog.Service(k)
		l.named(k, there)
	}
}

// Changed has the lists pushed and the instances checked.
func (l *listener) Changed(keys []registry.ServiceKey) {
	l.hub.Changed(keys)
	l.checks.Changed(keys)
}
