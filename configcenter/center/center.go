package center

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/cache"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/configcenter/store"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/internal/quota"
)

// Config is what a Center is made from.
type Config struct {
	// Client is a session of the node itself. The znodes that the Center creates
	// get its default ACL.
	Client core.Client
	// Shared says that other nodes write too, so that what this one shows may be behind
	// what a client knows.
	Shared bool
	// Limits bound what is published; the zero value is DefaultLimits.
	Limits configcenter.Limits
	// Quotas are what operators allow namespaces and groups; nil is no limits.
	Quotas *quota.Quotas
	// Strictness is what becomes of contents that are not what their type says; the zero
	// value is Refuse.
	Strictness Strictness
	// Marks are for a Client that keeps a record of writes; none are allowed.
	Marks store.Marks
	// Listeners bound what clients listen to; the zero value is DefaultLimits.
	Listeners listen.Limits
	// Logger may be nil. It is a slog.Logger because the mirror, which the SDK
	// compiles in too, takes one.
	Logger *slog.Logger
	// Registerer takes the metrics; nil is nobody.
	Registerer prometheus.Registerer
	// Now is the wall clock, by default time.Now.
	Now func() time.Time
}

// Center is the config center of one node. It is safe for concurrent use. Reads
// wait until Run has brought the picture up, but for those of one config that the tree
// can answer by itself.
type Center struct {
	client core.Client
	shared bool
	limits configcenter.Limits
	quotas *quota.Quotas // may be nil
	log    *slog.Logger
	mirror *mirror.Mirror
	store  *store.Store
	cache  *cache.Cache
	table  *listen.Table
	fresh  *barrier
	early  early
	named  func(k configcenter.Key, there bool) // set before Run, may be nil

	inspector inspector
	metrics   *metrics

	mu struct {
		sync.Mutex
		prune map[configcenter.Key]struct{} // changed since their history was last pruned
	}
}

// New makes a Center; Run brings it to life.
func New(cfg Config) (*Center, error) {
	if cfg.Client == nil {
		return nil, errors.New("configcenter: no client")
	}
	if cfg.Limits == (configcenter.Limits{}) {
		cfg.Limits = configcenter.DefaultLimits()
	}
	if cfg.Listeners == (listen.Limits{}) {
		cfg.Listeners = listen.DefaultLimits()
	}
	if cfg.Strictness == "" {
		cfg.Strictness = Refuse
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Center{client: cfg.Client, shared: cfg.Shared, limits: cfg.Limits, quotas: cfg.Quotas, log: cfg.Logger}
	m, err := mirror.New(mirror.Config{
		Client: cfg.Client, Root: store.ConfigRoot, Logger: cfg.Logger, OnChange: c.changed,
	})
	if err != nil {
		return nil, err
	}
	c.mirror = m
	c.store = store.New(cfg.Client, cfg.Limits, func() int64 { return cfg.Now().UnixMilli() })
	c.store.Mark(cfg.Marks)
	c.store.Admit(c.admit)
	c.inspector = newInspector(cfg.Strictness)
	c.store.Inspect(c.inspect)
	c.cache = cache.New(cache.FromMirror{Mirror: m}, func(k configcenter.Key, err error) {
		c.log.Error("config cannot be read", "namespace", k.Namespace, "group", k.Group, "data_id", k.DataID, "err", err)
	})
	c.store.Shows(c.shows)
	c.table = listen.New(c.cache.MD5, cfg.Listeners)
	c.fresh = newBarrier(c.catchUp)
	c.mu.prune = make(map[configcenter.Key]struct{})
	if c.metrics, err = newMetrics(cfg.Registerer, c); err != nil {
		return nil, err
	}
	return c, nil
}

// Run keeps the picture until ctx ends or the session is over, and returns why.
// When it returns, held long-polls have been answered.
func (c *Center) Run(ctx context.Context) error {
	defer c.table.Drain()
	ctx, cancel := context.WithCancelCause(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel(nil)
	tasks.Go(func() { c.tidy(ctx) })
	if err := c.init(ctx); err != nil {
		return err
	}
	return c.mirror.Run(ctx)
}

// init makes the roots. An engine without a quorum is waited for.
func (c *Center) init(ctx context.Context) error {
	told := false
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := c.store.Init(ctx)
		if err == nil || core.IsSessionOver(err) || ctx.Err() != nil {
			return err
		}
		if !told {
			c.log.Warn("config center waits for the engine", "err", err)
			told = true
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// changed is called by the mirror.
func (c *Center) changed(changes []mirror.Change, upTo core.Zxid) {
	paths := make([]string, len(changes))
	for i, change := range changes {
		paths[i] = change.Path
	}
	for _, change := range c.cache.Refresh(paths, upTo) {
		c.metrics.changes.Inc()
		c.table.Changed(change.Key, change.Config, change.Zxid)
		if change.Named && c.named != nil {
			c.named(change.Key, change.Config.There())
		}
	}
}

// shows is a config as the picture has it.
func (c *Center) shows(k configcenter.Key) (*configcenter.Item, core.Stat) {
	it := c.cache.Get(k)
	if it == nil {
		return nil, core.Stat{}
	}
	node, ok := c.mirror.Get(store.ItemPath(k))
	if !ok || node.Stat.Mzxid != it.Revision || node.Stat.Czxid != it.ID {
		return nil, core.Stat{} // the picture is ahead of what is decoded
	}
	return it, node.Stat
}

// OnNamed has f told of each config that comes into being or ceases to be, in order; what
// becomes of its contents and of gray versions is not told. f must not block. Call it
// before Run, once.
func (c *Center) OnNamed(f func(k configcenter.Key, there bool)) { c.named = f }

// Matching are the configs of a namespace that match, in order, limit at most. It shows at
// least those that OnNamed has told of.
func (c *Center) Matching(namespace string, match func(configcenter.Key) bool, limit int) []configcenter.Key {
	return c.cache.Matching(namespace, match, limit)
}

// Ready is closed when reads can be answered.
func (c *Center) Ready() <-chan struct{} { return c.mirror.Ready() }

// Shared reports whether other nodes write too.
func (c *Center) Shared() bool { return c.shared }

// Stale reports whether what is read may be behind.
func (c *Center) Stale() bool { return c.mirror.Stale() }

// Zxid is how far the picture has come.
func (c *Center) Zxid() core.Zxid { return c.mirror.Zxid() }

// Limits are what is published is checked against.
func (c *Center) Limits() configcenter.Limits { return c.limits }

// Listeners is who waits for what.
func (c *Center) Listeners() *listen.Table { return c.table }

// ownWritePatience is how long a writer waits to see his own write. It is
// answered with success all the same when that time is over: the write stands.
const ownWritePatience = 3 * time.Second

// Publish sets a config. The item that it returns is what readers of this node
// see. It returns what store.Publish does, or a *configcenter.QuotaError.
func (c *Center) Publish(ctx context.Context, p *configcenter.Publish) (*configcenter.Item, error) {
	r, err := c.store.Publish(ctx, p)
	c.metrics.wrote("publish", err)
	if err != nil {
		return nil, err
	}
	c.wrote(ctx, p.Key, r.Zxid)
	return r.Item, nil
}

// Remove deletes a config and reports whether there was one. It returns what
// store.Remove does.
func (c *Center) Remove(ctx context.Context, r *configcenter.Remove) (bool, error) {
	result, err := c.store.Remove(ctx, r)
	c.metrics.wrote("remove", err)
	if err != nil || result.Item == nil {
		return false, err
	}
	c.wrote(ctx, r.Key, result.Zxid)
	return true, nil
}

// PublishGray sets a gray version of a config. It returns what store.PublishGray does.
func (c *Center) PublishGray(ctx context.Context, p *configcenter.GrayPublish) (*configcenter.Gray, error) {
	r, err := c.store.PublishGray(ctx, p)
	c.metrics.wrote("publish", err)
	if err != nil {
		return nil, err
	}
	c.wrote(ctx, p.Key, r.Zxid)
	return r.Gray, nil
}

// RemoveGray withdraws a gray version and reports whether there was one. It returns what
// store.RemoveGray does.
func (c *Center) RemoveGray(ctx context.Context, k configcenter.Key, name string, by configcenter.Origin) (bool, error) {
	r, err := c.store.RemoveGray(ctx, k, name, by)
	c.metrics.wrote("remove", err)
	if err != nil || r.Gray == nil {
		return false, err
	}
	c.wrote(ctx, k, r.Zxid)
	return true, nil
}

// Promote makes a gray version the config itself, for everybody. It returns what
// store.Promote does.
func (c *Center) Promote(ctx context.Context, k configcenter.Key, name string, by configcenter.Origin) (*configcenter.Item, error) {
	r, err := c.store.Promote(ctx, k, name, by)
	c.metrics.wrote("publish", err)
	if err != nil {
		return nil, err
	}
	c.wrote(ctx, k, r.Zxid)
	return r.Item, nil
}

func (c *Center) wrote(ctx context.Context, k configcenter.Key, zxid core.Zxid) {
	c.mu.Lock()
	if len(c.mu.prune) < pruneKeysMax {
		c.mu.prune[k] = struct{}{}
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, ownWritePatience)
	defer cancel()
	if err := c.mirror.Wait(ctx, zxid); err != nil {
		c.log.Debug("own write is not seen yet", "zxid", zxid.String(), "err", err)
	}
}

// catchUpPatience is how long a reader waits for certainty that what he reads is
// current, before he is given what there is.
const catchUpPatience = 300 * time.Millisecond

// Fresh brings the picture up to everything that was committed before the call,
// and reports whether it did. If it did not (no quorum, or too slow), what is
// read is to be marked stale. A node that nobody writes beside has shown already what it
// has acknowledged.
func (c *Center) Fresh(ctx context.Context) bool {
	if !c.shared {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpPatience)
	defer cancel()
	if c.fresh.join(ctx) != nil {
		c.metrics.stale.Inc()
		return false
	}
	return true
}

func (c *Center) catchUp(ctx context.Context) error {
	zxid, err := c.client.Sync(ctx, store.ConfigRoot)
	if err != nil {
		return err
	}
	return c.mirror.Wait(ctx, zxid)
}

// Reach waits until the picture has come to zxid, no longer than a reader waits
// for certainty, and reports whether it has.
func (c *Center) Reach(ctx context.Context, zxid core.Zxid) bool {
	ctx, cancel := context.WithTimeout(ctx, catchUpPatience)
	defer cancel()
	return c.mirror.Wait(ctx, zxid) == nil
}

// Get is the config named k as this node sees it. It returns
// configcenter.ErrNotFound, or the context's error while the node starts.
func (c *Center) Get(ctx context.Context, k configcenter.Key) (*configcenter.Item, error) {
	if it := c.getEarly(ctx, k); it != nil {
		return it, nil
	}
	if err := c.await(ctx); err != nil {
		return nil, err
	}
	if it := c.cache.Get(k); it != nil {
		return it, nil
	}
	return nil, configcenter.ErrNotFound
}

// Config is all that there is of the config named k, with its gray versions. It returns
// what Get does, ErrNotFound for a config that has not even those.
func (c *Center) Config(ctx context.Context, k configcenter.Key) (*configcenter.Config, error) {
	if it := c.getEarly(ctx, k); it != nil {
		return &configcenter.Config{Formal: it}, nil
	}
	if err := c.await(ctx); err != nil {
		return nil, err
	}
	if cfg := c.cache.Config(k); cfg != nil {
		return cfg, nil
	}
	return nil, configcenter.ErrNotFound
}

// GetByID is the config with this ID; otherwise as Get.
func (c *Center) GetByID(ctx context.Context, id core.Zxid) (*configcenter.Item, error) {
	if err := c.await(ctx); err != nil {
		return nil, err
	}
	if it := c.cache.ByID(id); it != nil {
		return it, nil
	}
	return nil, configcenter.ErrNotFound
}

// Search lists the configs of a namespace.
func (c *Center) Search(ctx context.Context, q cache.Query) (cache.Page, error) {
	if err := c.await(ctx); err != nil {
		return cache.Page{}, err
	}
	return c.cache.Search(q), nil
}

// Count is the number of configs in a namespace.
func (c *Center) Count(namespace string) int { return c.cache.Count(namespace) }

// Len is the number of configs in all namespaces.
func (c *Center) Len() int { return c.cache.Len() }

// History lists the changes of a config, newest first and without content: those
// from offset on, and how many there are in all.
func (c *Center) History(ctx context.Context, k configcenter.Key, offset, limit int) ([]configcenter.Entry, int, error) {
	return c.store.History(ctx, k, offset, limit)
}

// Version is one change of a config and what it replaced.
func (c *Center) Version(ctx context.Context, k configcenter.Key, seq uint64) (*configcenter.Version, error) {
	return c.store.Version(ctx, k, seq)
}

// await waits until the picture is complete for the first time, and shows at least what
// has been read without it.
func (c *Center) await(ctx context.Context) error {
	select {
	case <-c.mirror.Ready():
	default:
		select {
		case <-c.mirror.Ready():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return c.early.overtaken(ctx, c.mirror)
}
