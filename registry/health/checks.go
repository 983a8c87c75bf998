package health

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

const (
	// The first check of an instance comes after firstMin to firstMax.
	firstMin = 2 * time.Second
	firstMax = 7 * time.Second
	// checksMax bounds the checks under way at once.
	checksMax = 64
	// checkEvery is how often due checks are looked for.
	checkEvery = 200 * time.Millisecond
)

// Source is what Checks needs of the catalog.
type Source interface {
	Service(k registry.ServiceKey) (s registry.Service, version int32, ok bool)
	All(k registry.ServiceKey) []*catalog.Entry
}

// Probe checks one instance once.
type Probe func(ctx context.Context, i *registry.Instance, settings *registry.Cluster) Result

// Result is the outcome of one check.
type Result int

// The results. How many equal ones in a row change the health of an instance, the switch
// checkTimes says.
const (
	Down     Result = iota // several in a row make an instance unhealthy
	DownHard               // one does: the answer leaves no doubt
	Up                     // several in a row make it healthy
)

// ChecksConfig is what Checks need. Source and Flip are required.
type ChecksConfig struct {
	Source Source
	Probe  Probe // nil is Ask
	// Flip has a change of health written; it returns when that is done.
	Flip func(ctx context.Context, k registry.ServiceKey, i registry.InstanceKey, healthy bool) error
	// Shared says that there are other nodes: nothing is checked until Share has told
	// which are alive. Node is what this one is called among them.
	Shared bool
	Node   string
	// Switches say how often is asked, and what changes an instance's health; nil is as
	// by default.
	Switches func() *registry.Switches
	Logger   hclog.Logger // nil is silent
}

// Checks asks persistent instances whether they are there: they have no client whose
// session would tell. Of several nodes each asks its own share (share.go). It is safe for
// concurrent use.
type Checks struct {
	cfg     ChecksConfig
	log     hclog.Logger
	checked atomic.Int64 // targets

	tcp, http atomic.Int64 // checks made

	mu struct {
		sync.Mutex
		changed map[registry.ServiceKey]bool
		share   *share // nil: nobody has said yet who is alive
		shared  bool   // share is new
	}

	// Owned by the Run goroutine, but for a target's result while it is busy. A service
	// is here as long as somebody checks instances of it, and holds those of this node.
	targets map[registry.ServiceKey]map[registry.InstanceKey]*target
	turns   *turns
}

type target struct {
	service  registry.ServiceKey
	instance registry.Instance
	settings registry.Cluster
	next     time.Time
	busy     bool
	last     Result
	streak   int
	// taken says that another node checked the instance before: nothing is believed
	// until this one has asked as often as health needs to change.
	taken bool
	asked int
}

// NewChecks makes Checks; Run makes them check.
func NewChecks(cfg ChecksConfig) *Checks {
	c := &Checks{cfg: cfg, log: cfg.Logger, targets: make(map[registry.ServiceKey]map[registry.InstanceKey]*target), turns: newTurns()}
	if c.log == nil {
		c.log = hclog.NewNullLogger()
	}
	if c.cfg.Probe == nil {
		c.cfg.Probe = Ask
	}
	if c.cfg.Switches == nil {
		defaults := registry.DefaultSwitches()
		c.cfg.Switches = func() *registry.Switches { return &defaults }
	}
	c.mu.changed = make(map[registry.ServiceKey]bool)
	if !cfg.Shared {
		c.mu.share = newShare(cfg.Node, []string{cfg.Node})
	}
	return c
}

// Share tells which nodes are alive, by their names. The instances of one that has gone
// are shared out among the others, and those alone. It never blocks.
func (c *Checks) Share(nodes []string) {
	s := newShare(c.cfg.Node, nodes)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.share, c.mu.shared = s, true
}

func (c *Checks) share() *share {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.share
}

// Checked is how many instances this node checks.
func (c *Checks) Checked() int { return int(c.checked.Load()) }

// Made is how many checks this node has made since it started.
func (c *Checks) Made() (tcp, http int64) { return c.tcp.Load(), c.http.Load() }

// Changed tells which services may have other instances or settings. It never blocks.
func (c *Checks) Changed(keys []registry.ServiceKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		c.mu.changed[k] = true
	}
}

// answer is a result that comes back to the Run goroutine.
type answer struct {
	*target
	result Result
}

// Run checks until ctx ends.
func (c *Checks) Run(ctx context.Context) error {
	var under sync.WaitGroup
	defer under.Wait()
	results := make(chan answer, checksMax)
	free := checksMax
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r := <-results:
			free++
			r.busy = false
			c.turns.end(r.service)
			c.judge(r.target, r.result, time.Now())
		case now := <-tick.C:
			c.refresh(now)
			for _, t := range c.due(now, free) {
				free--
				t.busy = true
				instance, settings := t.instance, t.settings
				under.Go(func() { results <- answer{t, c.once(ctx, t, instance, settings)} })
			}
		}
	}
}

// once probes, and writes what enough equal results prove.
func (c *Checks) once(ctx context.Context, t *target, i registry.Instance, settings registry.Cluster) Result {
	result := c.cfg.Probe(ctx, &i, &settings)
	switch settings.Checker.Type {
	case registry.CheckTCP:
		c.tcp.Add(1)
	case registry.CheckHTTP:
		c.http.Add(1)
	}
	streak, enough := 1, c.cfg.Switches().CheckTimes
	if result == t.last {
		streak = t.streak + 1
	}
	proven := streak >= enough || result == DownHard && (!t.taken || t.asked+1 >= enough)
	up := result == Up
	if ctx.Err() != nil || up == i.Healthy || !proven || !c.share().mine(t.service, i.Key()) {
		return result
	}
	if err := c.cfg.Flip(ctx, t.service, i.Key(), up); err != nil {
		c.log.Debug("health not written yet", "service", t.service.String(), "instance", i.Key().String(), "err", err)
	} else {
		c.log.Info("health of a persistent instance changed", "service", t.service.String(), "instance", i.Key().String(), "healthy", up)
	}
	return result
}

// judge notes a result and when to check again.
func (c *Checks) judge(t *target, result Result, now time.Time) {
	t.asked++
	if result == t.last {
		t.streak++
	} else {
		t.last, t.streak = result, 1
	}
	pace := c.cfg.Switches().TCP
	if t.settings.Checker.Type == registry.CheckHTTP {
		pace = c.cfg.Switches().HTTP
	}
	pause := pace.Calm()
	if (result == Up) != t.instance.Healthy {
		pause = pace.Doubt()
	}
	t.next = now.Add(pause - pause/10 + rand.N(pause/5))
}

// due takes targets whose time and turn have come, limit at most.
func (c *Checks) due(now time.Time, limit int) []*target {
	if limit == 0 || !c.cfg.Switches().HealthChecks {
		return nil
	}
	due := make(map[registry.ServiceKey][]*target)
	for k, service := range c.targets {
		var oldest []*target
		for _, t := range service {
			if !t.busy && !now.Before(t.next) {
				oldest = queue(oldest, t, limit)
			}
		}
		if len(oldest) > 0 {
			due[k] = oldest
		}
	}
	return c.turns.next(due, limit)
}

// refresh looks at services that have changed, and at all where the nodes have.
func (c *Checks) refresh(now time.Time) {
	c.mu.Lock()
	changed, share, shared := c.mu.changed, c.mu.share, c.mu.shared
	c.mu.changed, c.mu.shared = make(map[registry.ServiceKey]bool), false
	c.mu.Unlock()
	if shared {
		for k := range c.targets {
			changed[k] = true
		}
	}
	for k := range changed {
		c.refreshService(k, share, shared, now)
	}
	if len(changed) == 0 {
		return
	}
	n := 0
	for _, service := range c.targets {
		n += len(service)
	}
	c.checked.Store(int64(n))
}

func (c *Checks) refreshService(k registry.ServiceKey, share *share, shared bool, now time.Time) {
	svc, _, ok := c.cfg.Source.Service(k)
	if !ok || svc.Ephemeral {
		delete(c.targets, k)
		return
	}
	old := c.targets[k]
	fresh := make(map[registry.InstanceKey]*target)
	newest := make(map[registry.InstanceKey]core.Zxid)
	for _, e := range c.cfg.Source.All(k) {
		settings := svc.ClusterSettings(e.Instance.Cluster)
		key := e.Instance.Key()
		if e.Instance.Ephemeral || !checkable(&settings) || e.Instance.Metadata["enableHealthCheck"] == "false" || newest[key] > e.Czxid {
			continue
		}
		newest[key] = e.Czxid
		if !share.mine(k, key) {
			continue
		}
		t := old[key]
		if t == nil {
			t = &target{service: k, next: now.Add(firstMin + rand.N(firstMax-firstMin)), last: -1, taken: shared}
		}
		t.instance, t.settings = e.Instance, settings
		fresh[key] = t
	}
	if len(newest) == 0 {
		delete(c.targets, k)
		return
	}
	c.targets[k] = fresh
}

func checkable(s *registry.Cluster) bool {
	return s.Checker.Type == registry.CheckTCP || s.Checker.Type == registry.CheckHTTP
}
