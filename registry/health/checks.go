package health

import (
	"context"
	"math/rand/v2"
	"sync"
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
	// Checks follow in calmEvery, and in doubtEvery while results and state differ.
	calmEvery  = 5 * time.Second
	doubtEvery = time.Second
	// flipAfter equal results in a row change the state.
	flipAfter = 3
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

// The results.
const (
	Down     Result = iota // three in a row make an instance unhealthy
	DownHard               // one does: the answer leaves no doubt
	Up                     // three in a row make it healthy
)

// Checks asks persistent instances whether they are there: they have no client
// whose session would tell. It is safe for concurrent use.
type Checks struct {
	source Source
	probe  Probe
	// flip has a change of health written; it returns when that is done.
	flip func(ctx context.Context, k registry.ServiceKey, i registry.InstanceKey, healthy bool) error
	log  hclog.Logger

	mu struct {
		sync.Mutex
		changed map[registry.ServiceKey]bool
	}

	// Owned by the Run goroutine, but for a target's result while it is busy.
	targets map[registry.ServiceKey]map[registry.InstanceKey]*target
}

type target struct {
	service  registry.ServiceKey
	instance registry.Instance
	settings registry.Cluster
	next     time.Time
	busy     bool
	last     Result
	streak   int
}

// NewChecks makes Checks; Run makes them check. A nil probe is the real one.
func NewChecks(source Source, probe Probe, flip func(context.Context, registry.ServiceKey, registry.InstanceKey, bool) error, log hclog.Logger) *Checks {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	if probe == nil {
		probe = Ask
	}
	c := &Checks{source: source, probe: probe, flip: flip, log: log, targets: make(map[registry.ServiceKey]map[registry.InstanceKey]*target)}
	c.mu.changed = make(map[registry.ServiceKey]bool)
	return c
}

// Changed tells which services may have other instances or settings. It never blocks.
func (c *Checks) Changed(keys []registry.ServiceKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		c.mu.changed[k] = true
	}
}

// checked is a result that comes back to the Run goroutine.
type checked struct {
	*target
	result Result
}

// Run checks until ctx ends.
func (c *Checks) Run(ctx context.Context) error {
	var under sync.WaitGroup
	defer under.Wait()
	results := make(chan checked, checksMax)
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
			c.judge(r.target, r.result, time.Now())
		case now := <-tick.C:
			c.refresh(now)
			for _, t := range c.due(now, free) {
				free--
				t.busy = true
				instance, settings := t.instance, t.settings
				under.Go(func() { results <- checked{t, c.once(ctx, t, instance, settings)} })
			}
		}
	}
}

// once probes, and writes what three equal results prove.
func (c *Checks) once(ctx context.Context, t *target, i registry.Instance, settings registry.Cluster) Result {
	result := c.probe(ctx, &i, &settings)
	streak := 1
	if result == t.last {
		streak = t.streak + 1
	}
	up := result == Up
	if ctx.Err() != nil || up == i.Healthy || streak < flipAfter && result != DownHard {
		return result
	}
	if err := c.flip(ctx, t.service, i.Key(), up); err != nil {
		c.log.Debug("health not written yet", "service", t.service.String(), "instance", i.Key().String(), "err", err)
	} else {
		c.log.Info("health of a persistent instance changed", "service", t.service.String(), "instance", i.Key().String(), "healthy", up)
	}
	return result
}

// judge notes a result and when to check again.
func (c *Checks) judge(t *target, result Result, now time.Time) {
	if result == t.last {
		t.streak++
	} else {
		t.last, t.streak = result, 1
	}
	pause := calmEvery
	if (result == Up) != t.instance.Healthy {
		pause = doubtEvery
	}
	t.next = now.Add(pause - pause/10 + rand.N(pause/5))
}

// due are targets whose time has come, limit at most.
func (c *Checks) due(now time.Time, limit int) []*target {
	var due []*target
	for _, service := range c.targets {
		for _, t := range service {
			if len(due) == limit {
				return due
			}
			if !t.busy && !now.Before(t.next) {
				due = append(due, t)
			}
		}
	}
	return due
}

// refresh looks at services that have changed.
func (c *Checks) refresh(now time.Time) {
	c.mu.Lock()
	changed := c.mu.changed
	c.mu.changed = make(map[registry.ServiceKey]bool)
	c.mu.Unlock()
	for k := range changed {
		svc, _, ok := c.source.Service(k)
		if !ok || svc.Ephemeral {
			delete(c.targets, k)
			continue
		}
		old := c.targets[k]
		fresh := make(map[registry.InstanceKey]*target)
		newest := make(map[registry.InstanceKey]core.Zxid)
		for _, e := range c.source.All(k) {
			settings := svc.ClusterSettings(e.Instance.Cluster)
			if e.Instance.Ephemeral || !checkable(&settings) || e.Instance.Metadata["enableHealthCheck"] == "false" {
				continue
			}
			key := e.Instance.Key()
			if newest[key] > e.Czxid {
				continue
			}
			newest[key] = e.Czxid
			t := old[key]
			if t == nil {
				t = &target{service: k, next: now.Add(firstMin + rand.N(firstMax-firstMin)), last: -1}
			}
			t.instance, t.settings = e.Instance, settings
			fresh[key] = t
		}
		if len(fresh) == 0 {
			delete(c.targets, k)
		} else {
			c.targets[k] = fresh
		}
	}
}

func checkable(s *registry.Cluster) bool {
	return s.Checker.Type == registry.CheckTCP || s.Checker.Type == registry.CheckHTTP
}
