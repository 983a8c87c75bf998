package lease_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/store"
)

// setMany has a client wish one instance in each of some services at the same time, of
// that weight, or none for a weight of 0. The answers run parallel to weights; services
// with a negative one are left alone.
func (n *node) setMany(t *testing.T, weights []float64) []error {
	t.Helper()
	errs := make([]error, len(weights))
	var all sync.WaitGroup
	for k, weight := range weights {
		if weight < 0 {
			continue
		}
		var want []registry.Instance
		if weight > 0 {
			i := at("10.0.0.1")
			i.Weight = weight
			want = append(want, i)
		}
		all.Go(func() {
			_, pending, err := n.Set(t.Context(), "c1", opt, serviceOf(k), want)
			if pending {
				t.Errorf("service %d is pending", k)
			}
			errs[k] = err
		})
	}
	all.Wait()
	return errs
}

func everywhere(weight float64) []float64 { return slices.Repeat([]float64{weight}, services) }

func TestServicesOfAClientAreWrittenInOneTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake(), slow: 10 * time.Millisecond}
		n := start(t, e, "n1")
		n.setMany(t, everywhere(1))
		e.counted()
		for _, weight := range []float64{2, 0, 3} {
			for _, err := range n.setMany(t, everywhere(weight)) {
				require.NoError(t, err)
			}
			require.Less(t, e.counted(), 6, "one goes ahead, and 32 go together")
			for _, has := range n.weights() {
				require.True(t, weight == 0 && len(has) == 0 || weight != 0 && slices.Equal(has, []float64{weight}))
			}
		}
	})
}

func TestLargeWishesOfAClientAreWrittenInSeveralTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake(), slow: 10 * time.Millisecond}
		n := start(t, e, "n1")
		n.setMany(t, everywhere(1))
		e.refuses(func(ops []core.Op) error {
			size := 0
			for _, op := range ops {
				if create, ok := op.(core.CreateOp); ok {
					size += len(create.Data)
				}
			}
			if size > 900<<10 {
				return &core.OpError{Op: "multi", Err: core.BadArguments}
			}
			return nil
		})
		large := at("10.0.0.1")
		large.Metadata = map[string]string{"text": strings.Repeat("x", 60<<10)}
		var all sync.WaitGroup
		for k := range services {
			want := []registry.Instance{large}
			if k == 20 { // by itself more than a transaction holds
				for ip := range 20 {
					i := large
					i.IP = fmt.Sprintf("10.0.1.%d", ip)
					want = append(want, i)
				}
			}
			all.Go(func() {
				_, pending, err := n.Set(t.Context(), "c1", opt, serviceOf(k), want)
				if pending || err != nil {
					t.Errorf("service %d: pending %v, %v", k, pending, err)
				}
			})
		}
		all.Wait()
		for k, has := range n.weights() {
			require.Len(t, has, map[bool]int{true: 21, false: 1}[k == 20], "service %d", k)
		}
	})
}

// A service may be swept between the look at it and the transaction.
func TestServiceThatIsGoneHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake(), slow: 10 * time.Millisecond}
		n := start(t, e, "n1")
		n.setMany(t, everywhere(1))
		n.setMany(t, everywhere(0))
		session, err := e.Fake.Open(t.Context(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL()})
		require.NoError(t, err)
		var once sync.Once
		e.refuses(func(ops []core.Op) error {
			// Which services go together is left to chance: it is the one that holds this one.
			gone := store.ServicePath(serviceOf(7))
			if slices.ContainsFunc(ops, func(op core.Op) bool {
				create, is := op.(core.CreateOp)
				return is && strings.HasPrefix(create.Path, gone+"/")
			}) {
				once.Do(func() {
					_, err := session.Delete(t.Context(), gone, core.AnyVersion)
					if err != nil {
						t.Errorf("delete: %v", err)
					}
				})
			}
			return nil
		})
		for k, err := range n.setMany(t, everywhere(2)) {
			require.NoError(t, err, "service %d", k)
		}
		for k, has := range n.weights() {
			require.Equal(t, []float64{2}, has, "service %d", k)
		}
	})
}

// refusedWeight is that of instances that the engine of a test never takes.
const refusedWeight = 9

// TestRefusedWishesCostOnlyThemselves plays random wishes of which some are refused for
// good, and some transactions now and then. Each caller hears of its own only, and what
// stands in the end is what was last taken.
func TestRefusedWishesCostOnlyThemselves(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playRefusals(t, seed) })
		})
	}
}

func playRefusals(t *testing.T, seed uint64) {
	rnd, refusals := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	e := &engine{Fake: coretest.NewFake(), slow: 5 * time.Millisecond}
	n := start(t, e, "n1")
	var mu sync.Mutex
	mark := fmt.Appendf(nil, `"w":%d`, refusedWeight)
	e.refuses(func(ops []core.Op) error {
		for _, op := range ops {
			if create, ok := op.(core.CreateOp); ok && bytes.Contains(create.Data, mark) {
				return &core.OpError{Op: "multi", Path: create.Path, Err: core.QuotaExceeded}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if refusals.IntN(20) == 0 {
			return &core.OpError{Op: "multi", Err: core.NoNode}
		}
		return nil
	})
	var stands [services]float64
	for range 40 {
		weights := make([]float64, services)
		for k := range weights {
			weights[k] = float64(rnd.IntN(5) - 1)
			if rnd.IntN(15) == 0 {
				weights[k] = refusedWeight
			}
		}
		for k, err := range n.setMany(t, weights) {
			switch weights[k] {
			case -1:
			case refusedWeight:
				require.ErrorIs(t, err, core.QuotaExceeded, "service %d", k)
			default:
				require.NoError(t, err, "service %d", k)
				stands[k] = weights[k]
			}
		}
		synctest.Wait()
		for k, has := range n.weights() {
			if stands[k] == 0 {
				require.Empty(t, has, "service %d", k)
			} else {
				require.Equal(t, []float64{stands[k]}, has, "service %d", k)
			}
			require.Equal(t, stands[k] != 0, n.Holds("c1", serviceOf(k)), "service %d", k)
		}
	}
}
