package naming

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/registry"
)

func TestANamespaceHoldsAsManyServicesAndInstancesAsItMay(t *testing.T) {
	n := start(t, engines.New(t), "n1", func(c *Config) {
		c.Quota = func(_ context.Context, namespace string) (services, instances int, err error) {
			switch namespace {
			case "small":
				return 2, 3, nil
			case "unknown":
				return 0, 0, registry.ErrNotReady
			}
			return 0, 0, nil
		}
	})
	service := func(namespace string, i int) registry.ServiceKey {
		return registry.NewServiceKey(namespace, "", fmt.Sprintf("s%d", i))
	}
	publish := func(client string, k registry.ServiceKey, ports ...int) error {
		var all []registry.Instance
		for _, port := range ports {
			all = append(all, at("10.0.0.1", port))
		}
		return n.Publish(t.Context(), client, k, all)
	}
	require.NoError(t, publish("c1", service("small", 0), 1, 2))
	require.NoError(t, publish("c1", service("small", 0), 1, 2), "what is there already")
	err := publish("c2", service("small", 1), 1, 2)
	require.ErrorIs(t, err, registry.ErrQuota)
	require.ErrorContains(t, err, "instances: namespace small may hold at most 3.")
	require.NoError(t, publish("c2", service("small", 1), 1))
	require.ErrorIs(t, publish("c1", service("small", 0), 1, 2, 3), registry.ErrQuota, "one more of a service that is there")
	err = publish("c3", service("small", 2), 1)
	require.ErrorIs(t, err, registry.ErrQuota)
	require.ErrorContains(t, err, "services: namespace small may hold at most 2.")
	require.ErrorIs(t, n.CreateService(t.Context(), registry.Service{Key: service("small", 2)}), registry.ErrQuota)
	persistent := at("10.0.0.1", 9)
	persistent.Ephemeral = false
	require.ErrorIs(t, n.Register(t.Context(), service("small", 1), persistent), registry.ErrQuota)
	require.NoError(t, publish("c3", service("large", 2), 1, 2, 3, 4))
	require.ErrorIs(t, publish("c3", service("unknown", 2), 1), registry.ErrNotReady)
	require.ErrorIs(t, n.Register(t.Context(), service("unknown", 2), persistent), registry.ErrNotReady)
	require.ErrorIs(t, n.CreateService(t.Context(), registry.Service{Key: service("unknown", 2)}), registry.ErrNotReady)
	require.Equal(t, 3, n.CountInstances("small"))
	require.Equal(t, 7, n.CountInstances(""))
	require.NoError(t, publish("c2", service("small", 1), 7), "in place of another")
	require.ErrorIs(t, publish("c2", service("small", 1), 8, 9), registry.ErrQuota)
	require.NoError(t, publish("c2", service("small", 1), 1))
	require.Eventually(t, func() bool { return n.CountInstances("small") == 3 }, patience, time.Millisecond)

	require.NoError(t, publish("c1", service("small", 0), 1))
	require.Eventually(t, func() bool { return n.CountInstances("small") == 2 }, patience, time.Millisecond)
	require.NoError(t, publish("c2", service("small", 1), 1, 2), "there is room again")
}

// TestManyAtOnceDoNotPassAQuota: all at one node. What does not fit is refused, and what was
// refused leaves nothing that would be counted.
func TestManyAtOnceDoNotPassAQuota(t *testing.T) {
	const services, instances = 5, 20
	n := start(t, engines.New(t), "n1", func(c *Config) {
		c.Quota = func(context.Context, string) (int, int, error) { return services, instances, nil }
	})
	flood := func(register func(i int) error) (taken int) {
		var all sync.WaitGroup
		results := make(chan error, 200)
		for i := range cap(results) {
			all.Go(func() { results <- register(i) })
		}
		all.Wait()
		close(results)
		for err := range results {
			if err == nil {
				taken++
				continue
			}
			require.ErrorIs(t, err, registry.ErrQuota)
		}
		return taken
	}
	service := func(i int) registry.ServiceKey { return registry.NewServiceKey("", "", fmt.Sprintf("s%d", i)) }
	connected := func(i int) error {
		return n.Publish(t.Context(), fmt.Sprintf("c%d", i), service(0), []registry.Instance{at("10.0.0.1", 1+i)})
	}
	require.Equal(t, instances, flood(connected))
	require.Equal(t, instances, n.CountInstances(registry.DefaultNamespace))

	for i := range 200 {
		require.NoError(t, n.Publish(t.Context(), fmt.Sprintf("c%d", i), service(0), nil))
	}
	require.Eventually(t, func() bool { return n.CountInstances(registry.DefaultNamespace) == 0 }, patience, time.Millisecond)
	require.Equal(t, instances, flood(func(i int) error {
		one := at("10.0.0.2", 1+i)
		one.Ephemeral = i%2 == 0
		return n.Register(t.Context(), service(1+i%2), one)
	}), "those of heartbeats, and persistent ones")
	require.Equal(t, instances, n.CountInstances(registry.DefaultNamespace))
	require.Equal(t, services-3, flood(func(i int) error {
		return n.CreateService(t.Context(), registry.Service{Key: service(10 + i)})
	}))
	require.Empty(t, n.entering.of, "nobody is on his way any more")
}

func TestOverridesThatWaitAreBounded(t *testing.T) {
	quota := 0
	n := start(t, engines.New(t), "n1", func(c *Config) {
		c.Limits = registry.DefaultLimits()
		c.Limits.OverridesWaiting = 3
		c.Quota = func(context.Context, string) (services, instances int, err error) { return 0, quota, nil }
	})
	require.NoError(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{at("10.0.0.1", 1), at("10.0.0.1", 2)}))
	set := func(port int, weight float64) error {
		key := at("10.0.0.1", port)
		return n.Override(t.Context(), shop, key.Key(), func(registry.Override) registry.Override {
			if weight == 0 {
				return registry.Override{}
			}
			return registry.Override{Weight: &weight}
		})
	}
	require.NoError(t, set(1, 2))
	for port := 11; port <= 13; port++ {
		require.NoError(t, set(port, 2))
	}
	require.ErrorIs(t, set(14, 2), registry.ErrLimit)
	require.NoError(t, set(13, 3), "one that is kept already may change")
	require.ErrorIs(t, set(2, 2), registry.ErrLimit, "or it would be one when its instance has gone")
	require.NoError(t, set(13, 0))
	require.NoError(t, set(2, 2))
	quota = 4
	require.ErrorIs(t, set(14, 2), registry.ErrQuota, "they count as instances")
	quota = 5
	require.NoError(t, set(14, 2))
}

func TestARefusedOverrideWritesNothing(t *testing.T) {
	n := start(t, engines.New(t), "n1")
	require.NoError(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{at("10.0.0.1", 1)}))
	_, before, ok := n.catalog.Service(shop)
	require.True(t, ok)
	key := at("10.0.0.1", 1)
	wrong := -1.0
	require.ErrorIs(t, n.Override(t.Context(), shop, key.Key(), func(registry.Override) registry.Override {
		return registry.Override{Weight: &wrong}
	}), registry.ErrInvalid)
	require.NoError(t, n.Override(t.Context(), shop, key.Key(), func(registry.Override) registry.Override {
		return registry.Override{} // of which there is none
	}))
	svc, st, err := n.store.Service(t.Context(), shop)
	require.NoError(t, err)
	require.Equal(t, shop, svc.Key)
	require.Equal(t, before, st.Version)
}
