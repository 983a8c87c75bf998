package naming

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/health"
)

func TestSwitchesHoldForAllServersAndOutliveThem(t *testing.T) { switchesForAll(t, engines.New(t)) }

func switchesForAll(t *testing.T, engine coretest.Nodes) {
	a, b := start(t, engine, "a"), start(t, engine, "b")
	require.Equal(t, registry.DefaultSwitches(), *a.Switches())
	require.ErrorIs(t, a.SetSwitch(t.Context(), "noSuchSwitch", "1", false), registry.ErrInvalid)
	require.ErrorIs(t, a.SetSwitch(t.Context(), "noSuchSwitch", "1", true), registry.ErrInvalid)
	require.NoError(t, a.SetSwitch(t.Context(), "pushCacheMillis", "20000", false))
	require.Equal(t, int64(20_000), a.Switches().PushCacheMillis, "who set it sees it")
	require.NoError(t, a.SetSwitch(t.Context(), "pushVersion", "go:1.0.0", false))
	require.NoError(t, b.SetSwitch(t.Context(), "pushVersion", "java:2.0.0", false))
	require.Equal(t, [2]string{"1.0.0", "2.0.0"}, [2]string{b.Switches().PushGo, b.Switches().PushJava})
	require.Equal(t, int64(20_000), b.Switches().PushCacheMillis, "so do the others")
	v, err := b.Query(t.Context(), shop, registry.Filter{})
	require.NoError(t, err)
	require.Equal(t, int64(20_000), v.CacheMillis, "of a service that is not there")
	require.NoError(t, b.Publish(t.Context(), "c", shop, []registry.Instance{at("10.0.0.1", 80)}))
	v, err = b.Query(t.Context(), shop, registry.Filter{})
	require.NoError(t, err)
	require.Equal(t, int64(20_000), v.CacheMillis)

	// On one server only, until somebody says something to all.
	require.NoError(t, a.SetSwitch(t.Context(), "clientBeatInterval", "7000", true))
	require.Equal(t, [2]int64{7000, 5000}, [2]int64{a.Switches().BeatMillis, b.Switches().BeatMillis})
	// By the other name it is the same switch.
	require.NoError(t, b.SetSwitch(t.Context(), "defaultPushCacheMillis", "30000", false))
	require.Eventually(t, func() bool { return a.Switches().PushCacheMillis == 30_000 }, 5*time.Second, time.Millisecond)
	require.Equal(t, int64(5000), a.Switches().BeatMillis)
	v, err = b.Query(t.Context(), shop, registry.Filter{})
	require.NoError(t, err)
	require.Equal(t, int64(30_000), v.CacheMillis, "a list that was kept is made anew")

	a.stop()
	a = start(t, engine, "a")
	require.Equal(t, int64(30_000), a.Switches().PushCacheMillis, "they outlive a restart")
}

func TestSwitchesNeedAQuorum(t *testing.T) {
	engine := coretest.NewFake()
	n := start(t, engine, "n1")
	engine.Partition()
	require.ErrorIs(t, n.SetSwitch(t.Context(), "check", "false", false), registry.ErrNoQuorum)
	require.NoError(t, n.SetSwitch(t.Context(), "check", "false", true), "for this server it can be done")
	require.False(t, n.Switches().HealthChecks)
	engine.Heal()
}

// table says who is alive.
type table struct {
	mu      sync.Mutex
	names   []string
	changed chan struct{}
}

func (l *table) Live() ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.names, l.changed
}

func (l *table) set(names ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names = names
	if l.changed != nil {
		close(l.changed)
	}
	l.changed = nil
}

func TestPersistentInstancesAreCheckedByTheNodesThatLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, who := coretest.NewFake(), &table{}
		var mu sync.Mutex
		asked, sick := map[string]map[string]bool{}, ""
		nodes := map[string]*node{}
		for _, name := range []string{"a", "b", "c"} {
			nodes[name] = start(t, engine, name, func(c *Config) {
				c.Nodes = who
				c.Probe = func(_ context.Context, i *registry.Instance, _ *registry.Cluster) health.Result {
					mu.Lock()
					defer mu.Unlock()
					if asked[i.IP] == nil {
						asked[i.IP] = map[string]bool{}
					}
					asked[i.IP][name] = true
					if i.IP == sick {
						return health.Down
					}
					return health.Up
				}
			})
		}
		for n := range 30 {
			i := at("10.0.0."+string(rune('A'+n)), 80)
			i.Ephemeral = false
			require.NoError(t, nodes["a"].Register(t.Context(), shop, i))
		}
		by := func() map[string]map[string]bool {
			mu.Lock()
			defer mu.Unlock()
			was := asked
			asked = map[string]map[string]bool{}
			return was
		}
		time.Sleep(10 * time.Second)
		require.Empty(t, by())
		who.set("a", "b", "c")
		time.Sleep(20 * time.Second)
		first := by()
		require.Len(t, first, 30)
		for ip, names := range first {
			require.Len(t, names, 1, ip)
			if names["b"] {
				sick = ip
			}
		}
		require.NotEmpty(t, sick)
		nodes["b"].stop()
		who.set("a", "c")
		by()
		time.Sleep(20 * time.Second)
		for ip, names := range by() {
			require.Len(t, names, 1, ip)
			require.False(t, names["b"])
		}
		all, err := nodes["c"].Instances(t.Context(), shop)
		require.NoError(t, err)
		for _, i := range all {
			require.Equal(t, i.IP != sick, i.Healthy, i.IP)
		}
	})
}
