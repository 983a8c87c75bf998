package center_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/internal/quota"
)

func TestPublishersOfTwoServersLoseNothingAndPassNoQuota(t *testing.T) {
	onEngines(t, publishersOfTwoServersLoseNothingAndPassNoQuota)
}

// Each of many publishers adds a byte to one of a few configs, as long as it is what he has
// read, until the quota is full.
func publishersOfTwoServersLoseNothingAndPassNoQuota(t *testing.T, engine opener) {
	const writers, keys, limit = 8, 3, 120
	one, q := startUnder(t, engine, nil)
	two, _ := startUnder(t, engine, nil)
	nodes := []*center.Center{one, two}
	ns := fmt.Sprintf("full-%d", fresh.Add(1)) // an engine may be shared
	in := func(n int) configcenter.Key { return configcenter.MakeKey(ns, "g", fmt.Sprint("c", n)) }
	for n := range keys {
		if err := set(t, one, in(n), "."); err != nil {
			t.Fatal(err)
		}
	}
	allow(t, q, quota.Scope{Namespace: ns}, quota.Limits{Bytes: limit})
	for _, c := range nodes { // the second has to have heard of the quota
		eventuallyUnder(t, c, ns, limit)
	}
	var done atomic.Int64
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			c := nodes[w%len(nodes)]
			for r := w; ; r++ {
				k := in(r % keys)
				it, err := c.Get(t.Context(), k)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = c.Publish(t.Context(), &configcenter.Publish{Key: k, Content: it.Content + ".", CASMD5: it.MD5})
				switch {
				case err == nil:
					done.Add(1)
				case errors.Is(err, configcenter.ErrQuota):
					return
				case errors.Is(err, configcenter.ErrCASMismatch):
					c.Fresh(t.Context())
				case errors.Is(err, configcenter.ErrContended):
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	for i, c := range nodes {
		freshen(t, c)
		total := 0
		for n := range keys {
			it, err := c.Get(t.Context(), in(n))
			if err != nil {
				t.Fatal(err)
			}
			total += len(it.Content)
		}
		if total != limit || int64(total) != done.Load()+keys {
			t.Errorf("server %d shows %d bytes of %d after %d publishes", i, total, limit, done.Load())
		}
	}
	total := 0
	for n := range keys {
		_, changes, err := one.History(t.Context(), in(n), 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		total += changes
	}
	if total != limit {
		t.Errorf("%d changes are on record of %d", total, limit)
	}
}

var fresh atomic.Int64

// eventuallyUnder waits until a server knows that a namespace is under a quota of bytes.
func eventuallyUnder(t *testing.T, c *center.Center, ns string, limit int) {
	t.Helper()
	k := configcenter.MakeKey(ns, "g", "too-large")
	for {
		_, err := c.Publish(t.Context(), &configcenter.Publish{Key: k, Content: fmt.Sprintf("%0*d", limit+1, 0)})
		if errors.Is(err, configcenter.ErrQuota) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Remove(context.Background(), &configcenter.Remove{Key: k}); err != nil {
			t.Fatal(err)
		}
	}
}
