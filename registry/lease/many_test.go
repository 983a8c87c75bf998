package lease_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/registry"
)

const services = 40

func serviceOf(k int) registry.ServiceKey {
	return registry.NewServiceKey("", "", fmt.Sprintf("shop%d", k))
}

// weights are what the tree has of each service, by the weight of its instances.
func (n *node) weights() (all [services][]float64) {
	for k := range services {
		for _, e := range n.catalog.All(serviceOf(k)) {
			all[k] = append(all[k], e.Instance.Weight)
		}
	}
	return all
}

// A client that registers much at once waited for each of its registrations in turn.
func TestServicesOfAClientAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake(), slow: 100 * time.Millisecond}
		n := start(t, e, "n1")
		n.set(t, "c1", at("10.0.0.1"))
		began := time.Now()
		var all sync.WaitGroup
		for k := range services {
			all.Go(func() {
				_, pending, err := n.Set(t.Context(), "c1", opt, serviceOf(k), []registry.Instance{at("10.0.0.1")})
				if err != nil || pending {
					t.Errorf("pending %v, %v", pending, err)
				}
			})
		}
		all.Wait()
		require.Less(t, time.Since(began), services*e.slow/4)
	})
}

// TestManyServicesOfAClientConverge loses sessions and replies while a client changes
// what it has in many services. In the end each of them is as it was wished last, once.
func TestManyServicesOfAClientConverge(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playMany(t, seed) })
		})
	}
}

func playMany(t *testing.T, seed uint64) {
	rnd, losses := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	e := &engine{Fake: coretest.NewFake(), founds: seed%2 == 1, slow: 5 * time.Millisecond}
	e.loses(func() (bool, bool) { p := losses.IntN(100); return p < 10, p >= 10 && p < 20 })
	n := start(t, e, "a")
	own := e.SessionIDs()[0]
	var wish [services]float64 // the weight, 0 for no instance
	for range 60 {
		var calls sync.WaitGroup
		for _, k := range rnd.Perm(services)[:rnd.IntN(services)] {
			var want []registry.Instance
			if wish[k] = float64(rnd.IntN(4)); wish[k] > 0 {
				i := at("10.0.0.1")
				i.Weight = wish[k]
				want = append(want, i)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rnd.IntN(20))*time.Millisecond)
			calls.Go(func() {
				defer cancel()
				if _, _, err := n.Set(ctx, "c1", opt, serviceOf(k), want); err != nil {
					t.Errorf("Set: %v", err)
				}
			})
		}
		switch rnd.IntN(6) { // also under way
		case 0, 1:
			time.Sleep(time.Duration(rnd.IntN(10)) * time.Millisecond)
			for _, id := range e.SessionIDs() {
				if id != own {
					e.Expire(id)
				}
			}
		case 2:
			e.Partition()
		case 3:
			e.Heal()
		}
		calls.Wait()
		n.Alive("c1")
	}
	e.Heal()
	e.loses(nil)
	n.eventually(t, fmt.Sprintf("seed %d: as wished", seed), func() bool {
		n.Alive("c1")
		has := n.weights()
		for k, w := range wish {
			if (w == 0) != (len(has[k]) == 0) || len(has[k]) > 1 || w != 0 && has[k][0] != w {
				return false
			}
		}
		return true
	})
	n.eventually(t, "no session is left behind", func() bool {
		want, got := append([]core.SessionID{own}, n.Sessions()...), e.SessionIDs()
		slices.Sort(want)
		slices.Sort(got)
		return slices.Equal(want, got)
	})
}
