package health

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/registry"
)

func instanceKeys(n int) (keys []registry.InstanceKey) {
	for i := range n {
		keys = append(keys, registry.InstanceKey{Cluster: "DEFAULT", IP: fmt.Sprintf("10.0.%d.%d", i/250, i%250), Port: 8080})
	}
	return keys
}

// owners are the nodes that check an instance, as each of them sees it.
func owners(nodes []string, i registry.InstanceKey) (found []string) {
	for _, self := range nodes {
		if newShare(self, nodes).mine(shop, i) {
			found = append(found, self)
		}
	}
	return found
}

func TestEachInstanceIsCheckedByOneNodeAndOnlyThoseOfADeadOneMove(t *testing.T) {
	all, keys := []string{"1@a", "2@b", "3@c"}, instanceKeys(3000)
	count := map[string]int{}
	for _, i := range keys {
		before := owners(all, i)
		require.Len(t, before, 1)
		count[before[0]]++
		after := owners([]string{"3@c", "1@a"}, i) // in whatever order they are named
		require.Len(t, after, 1)
		if before[0] != "2@b" {
			require.Equal(t, before, after, "the node of %s lives", i)
		}
	}
	for node, n := range count {
		require.InDelta(t, 1000, n, 150, node)
	}
}

func TestNobodyChecksBeforeItIsKnownWhoLives(t *testing.T) {
	i := instanceKeys(1)[0]
	require.False(t, (*share)(nil).mine(shop, i))
	require.False(t, newShare("1", nil).mine(shop, i))
	require.False(t, newShare("1", []string{"2"}).mine(shop, i), "not even who is not known to live")
	require.True(t, newShare("1", []string{"1"}).mine(shop, i))
}

// askers counts who asks which instance.
type askers struct {
	mu    sync.Mutex
	asked map[string]map[string]int // by instance, by node
}

func (a *askers) probe(p *persistent, node string) Probe {
	return func(ctx context.Context, i *registry.Instance, settings *registry.Cluster) Result {
		a.mu.Lock()
		if a.asked[i.IP] == nil {
			a.asked[i.IP] = map[string]int{}
		}
		a.asked[i.IP][node]++
		a.mu.Unlock()
		return p.probe(ctx, i, settings)
	}
}

// take is who has asked since the last time.
func (a *askers) take() map[string]map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.asked
	a.asked = map[string]map[string]int{}
	return was
}

func TestInstancesOfADeadNodeAreCheckedByTheOthersAfterAFullRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ips []string
		for _, i := range instanceKeys(60) {
			ips = append(ips, i.IP)
		}
		p, a := newPersistent(ips...), &askers{asked: map[string]map[string]int{}}
		names := []string{"1", "2", "3"}
		nodes, stops := map[string]*Checks{}, map[string]func(){}
		for _, name := range names {
			nodes[name], stops[name] = p.check(t, ChecksConfig{Shared: true, Node: name, Probe: a.probe(p, name)})
		}
		time.Sleep(10 * time.Second)
		require.Empty(t, a.take(), "nobody has said who lives")
		for _, c := range nodes {
			c.Share(names)
		}
		time.Sleep(20 * time.Second)
		first := a.take()
		require.Len(t, first, len(ips))
		var orphans []string
		for ip, by := range first {
			require.Len(t, by, 1, "%s is asked by one node", ip)
			if by["2"] > 0 {
				orphans = append(orphans, ip)
			}
		}
		total := 0
		for _, c := range nodes {
			total += c.Checked()
		}
		require.Equal(t, len(ips), total)
		require.Greater(t, len(orphans), 5)
		slices.Sort(orphans)

		// It dies, and so does the network of one of the others, as it seems to it: the
		// first answer that it gets is not believed, were it ever so clear.
		stops["2"]()
		a.take()
		doomed := orphans[0]
		p.set(func() { p.answers[doomed] = DownHard })
		for _, name := range []string{"1", "3"} {
			nodes[name].Share([]string{"1", "3"})
		}
		asked := func() (n int) {
			p.set(func() { n = p.asked[doomed] })
			return n
		}
		before := asked()
		for asked() < before+2 {
			time.Sleep(50 * time.Millisecond)
		}
		synctest.Wait()
		p.set(func() { require.Empty(t, p.flips) })
		time.Sleep(10 * time.Second)
		p.set(func() { require.Equal(t, []string{doomed + " false"}, p.flips) })
		second := a.take()
		require.Len(t, second, len(ips), "all are asked again")
		for ip, by := range second {
			require.Len(t, by, 1, "%s is asked by one node", ip)
			require.Zero(t, by["2"])
			if !slices.Contains(orphans, ip) {
				require.Equal(t, keysOf(first[ip]), keysOf(by), "%s did not move", ip)
			}
		}
		require.Equal(t, len(ips), nodes["1"].Checked()+nodes["3"].Checked())
	})
}

func keysOf(m map[string]int) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func TestSwitchesChangeHowIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPersistent("a")
		var mu sync.Mutex
		s := registry.DefaultSwitches()
		change := func(entry, value string) {
			mu.Lock()
			defer mu.Unlock()
			next := s
			require.NoError(t, next.Set(entry, value))
			s = next
		}
		p.check(t, ChecksConfig{Switches: func() *registry.Switches {
			mu.Lock()
			defer mu.Unlock()
			now := s
			return &now
		}})
		asked := func() (n int) {
			p.set(func() { n, p.asked["a"] = p.asked["a"], 0 })
			return n
		}
		time.Sleep(time.Minute)
		require.InDelta(t, 12, asked(), 2, "every 5 s")
		change("tcpHealthParams", `{"max":20000,"min":1000}`)
		time.Sleep(20 * time.Second)
		asked()
		time.Sleep(2 * time.Minute)
		require.InDelta(t, 6, asked(), 2, "every 20 s")

		change("check", "false")
		p.set(func() { p.answers["a"] = Down })
		time.Sleep(2 * time.Minute)
		require.Zero(t, asked())
		change("check", "true")
		change("healthCheckTimes", "10")
		time.Sleep(8 * time.Second)
		p.set(func() { require.Empty(t, p.flips) })
		time.Sleep(30 * time.Second)
		p.set(func() { require.Equal(t, []string{"a false"}, p.flips) })
	})
}
