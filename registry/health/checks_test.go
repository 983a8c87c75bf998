package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/store"
)

// persistent is a catalog with one persistent service, and how its instances answer.
type persistent struct {
	mu        sync.Mutex
	service   registry.Service
	instances map[string]*registry.Instance
	answers   map[string]Result
	asked     map[string]int
	flips     []string
	pattern   func(asked int) Result // in place of answers
	refuse    bool
	nodes     []*Checks
}

func (p *persistent) Service(registry.ServiceKey) (registry.Service, int32, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.service, 0, true
}

func (p *persistent) All(registry.ServiceKey) []*catalog.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*catalog.Entry
	for _, i := range p.instances {
		all = append(all, &catalog.Entry{Record: store.Record{Instance: *i}})
	}
	return all
}

func (p *persistent) probe(_ context.Context, i *registry.Instance, _ *registry.Cluster) Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[i.IP]++
	if p.pattern != nil {
		return p.pattern(p.asked[i.IP])
	}
	return p.answers[i.IP]
}

func (p *persistent) flip(_ context.Context, _ registry.ServiceKey, k registry.InstanceKey, healthy bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse {
		return errors.New("no quorum")
	}
	p.instances[k.IP].Healthy = healthy
	p.flips = append(p.flips, fmt.Sprint(k.IP, " ", healthy))
	return nil
}

func (p *persistent) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func newPersistent(ips ...string) *persistent {
	p := &persistent{service: registry.Service{Key: shop}, instances: map[string]*registry.Instance{}, answers: map[string]Result{}, asked: map[string]int{}}
	for _, ip := range ips {
		p.instances[ip] = &registry.Instance{IP: ip, Port: 80, Cluster: "DEFAULT", Healthy: true}
		p.answers[ip] = Up
	}
	return p
}

// check has a node check what p has. Every node hears of every write.
func (p *persistent) check(t *testing.T, cfg ChecksConfig) (c *Checks, stop func()) {
	t.Helper()
	cfg.Source = p
	if cfg.Probe == nil {
		cfg.Probe = p.probe
	}
	cfg.Flip = func(ctx context.Context, k registry.ServiceKey, i registry.InstanceKey, healthy bool) error {
		defer p.changed()
		return p.flip(ctx, k, i, healthy)
	}
	c = NewChecks(cfg)
	p.set(func() { p.nodes = append(p.nodes, c) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	c.Changed([]registry.ServiceKey{shop})
	return c, stop
}

func (p *persistent) changed() {
	var nodes []*Checks
	p.set(func() { nodes = append(nodes, p.nodes...) })
	for _, c := range nodes {
		c.Changed([]registry.ServiceKey{shop})
	}
}

func startChecks(t *testing.T, ips ...string) (*Checks, *persistent) {
	t.Helper()
	p := newPersistent(ips...)
	c, _ := p.check(t, ChecksConfig{})
	return c, p
}

func TestThreeFailuresMakeSickAndThreeAnswersMakeWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := startChecks(t, "a", "b")
		time.Sleep(20 * time.Second)
		p.set(func() { p.answers["a"] = Down })
		time.Sleep(12 * time.Second)
		p.set(func() { require.Equal(t, []string{"a false"}, p.flips); p.answers["a"] = Up })
		time.Sleep(12 * time.Second)
		p.set(func() { require.Equal(t, []string{"a false", "a true"}, p.flips) })
	})
}

func TestOneFailureAmongAnswersChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := startChecks(t, "a")
		p.set(func() {
			p.pattern = func(asked int) Result { // two failures in three, never three in a row
				if asked%3 == 0 {
					return Up
				}
				return Down
			}
		})
		time.Sleep(time.Minute)
		p.set(func() { require.Greater(t, p.asked["a"], 5); require.Empty(t, p.flips) })
	})
}

func TestPlainRefusalIsBelievedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := startChecks(t, "a")
		p.set(func() { p.answers["a"] = DownHard })
		asked := 0
		for asked == 0 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			p.set(func() { asked = p.asked["a"] })
		}
		p.set(func() { require.Equal(t, []string{"a false"}, p.flips); require.Equal(t, 1, asked) })
	})
}

func TestHealthThatCannotBeWrittenIsWrittenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := startChecks(t, "a")
		p.set(func() { p.answers["a"], p.refuse = Down, true })
		time.Sleep(30 * time.Second)
		p.set(func() { require.Empty(t, p.flips); p.refuse = false })
		time.Sleep(2 * time.Second)
		p.set(func() { require.Equal(t, "a false", p.flips[0]) })
	})
}

func TestWhatIsNotToBeCheckedIsNotChecked(t *testing.T) {
	for name, with := range map[string]func(*persistent){
		"a checker of kind NONE": func(p *persistent) {
			p.service.Clusters = map[string]registry.Cluster{"DEFAULT": {Checker: registry.Checker{Type: registry.CheckNone}}}
		},
		"an ephemeral service": func(p *persistent) { p.service.Ephemeral = true },
		"an instance that opts out": func(p *persistent) {
			p.instances["a"].Metadata = map[string]string{"enableHealthCheck": "false"}
		},
		"an instance that was deleted": func(p *persistent) { delete(p.instances, "a") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := startChecks(t, "a")
				time.Sleep(time.Second)
				p.set(func() { with(p) })
				c.Changed([]registry.ServiceKey{shop})
				time.Sleep(time.Minute)
				p.set(func() { require.Zero(t, p.asked["a"]) })
			})
		})
	}
}
