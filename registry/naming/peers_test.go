package naming

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/health"
)

// table says who is alive, and carries beats to those who are.
type table struct {
	mu      sync.Mutex
	names   []string
	changed chan struct{}
	nodes   map[string]*node
	handed  int // beats
}

func (l *table) Beats(_ context.Context, to string, beats []health.Heard) ([]health.Heard, error) {
	l.mu.Lock()
	n := l.nodes[to]
	l.handed += len(beats)
	l.mu.Unlock()
	if n == nil {
		return nil, errors.New("unreachable")
	}
	return n.TakeBeats(beats), nil
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
				c.Peers = who
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
				mu.Lock()
				sick = ip
				mu.Unlock()
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

func TestBeatsAtAnyNodeKeepAnInstanceWithItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, who := coretest.NewFake(), &table{nodes: map[string]*node{}}
		names := []string{"1", "2", "3"}
		nodes := map[string]*node{}
		for _, name := range names {
			nodes[name] = start(t, engine, name, func(c *Config) { c.Peers = who })
			who.nodes[name] = nodes[name]
		}
		who.set(names...)
		time.Sleep(time.Second)
		i := at("10.0.0.1", 80)
		require.NoError(t, nodes["1"].Register(t.Context(), shop, i))
		time.Sleep(time.Second)
		entry := func() string {
			all := nodes["2"].catalog.All(shop)
			require.Len(t, all, 1)
			return all[0].Path
		}
		before := entry()
		// In turns: each node alone hears too little to call it healthy.
		beat := func(at string) {
			time.Sleep(7 * time.Second)
			got, err := nodes[at].Beat(t.Context(), shop, i.Key(), nil)
			require.NoError(t, err)
			require.Equal(t, i.IP, got.IP)
			require.True(t, got.Healthy)
		}
		for range 5 {
			for _, name := range names {
				beat(name)
			}
		}
		require.Equal(t, before, entry(), "no znode was written")
		require.Equal(t, [3]int{1, 0, 0}, [3]int{nodes["1"].beats.Watched(), nodes["2"].beats.Watched(), nodes["3"].beats.Watched()})

		// Its node is cut off from the others, which does not end its session.
		who.mu.Lock()
		delete(who.nodes, "1")
		who.mu.Unlock()
		beat("2")
		beat("3")
		beat("3")
		require.Equal(t, 1, nodes["2"].beats.Watched()+nodes["3"].beats.Watched(), "one of them has it now")
		require.Equal(t, []string{"10.0.0.1"}, nodes["2"].hosts(t, shop))

		// Its node dies: nobody hands anything on to it any more.
		owner := nodes["2"].catalog.Newest(shop, i.Key()).Node
		nodes[owner].stop()
		who.set(map[string]string{"2": "3", "3": "2"}[owner])
		other := map[string]string{"2": "3", "3": "2"}[owner]
		handed := who.handed
		beat(other)
		require.Equal(t, 1, nodes[other].beats.Watched())
		time.Sleep(time.Second)
		require.Equal(t, handed, who.handed)
		for range 10 {
			beat(other)
			require.Equal(t, []string{"10.0.0.1"}, nodes[other].hosts(t, shop))
		}
	})
}

func TestInstanceThatWasDeregisteredDoesNotComeBackByABeatUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, who := coretest.NewFake(), &table{nodes: map[string]*node{}}
		nodes := map[string]*node{}
		for _, name := range []string{"1", "2"} {
			nodes[name] = start(t, engine, name, func(c *Config) { c.Peers = who })
			who.nodes[name] = nodes[name]
		}
		who.set("1", "2")
		time.Sleep(time.Second)
		i := at("10.0.0.1", 80)
		require.NoError(t, nodes["1"].Register(t.Context(), shop, i))
		time.Sleep(time.Second)
		_, err := nodes["2"].Beat(t.Context(), shop, i.Key(), nil)
		require.NoError(t, err)
		require.NoError(t, nodes["1"].Deregister(t.Context(), shop, i.Key(), true))
		time.Sleep(2 * time.Second)
		require.Empty(t, nodes["2"].hosts(t, shop))
		_, err = nodes["2"].Beat(t.Context(), shop, i.Key(), nil)
		require.ErrorIs(t, err, registry.ErrInstanceNotFound)
	})
}
