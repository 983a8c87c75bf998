package naming

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/testkit"
	"github.com/zensus-io/zensus/registry"
)

// shows waits until a node shows so many instances.
func (n *node) shows(t *testing.T, instances int, what string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(n.hosts(t, shop)) == instances }, patience, 5*time.Millisecond, what)
}

func TestInstancesOfOneNodeGoWithItAndComeBackOnAnApacheZooKeeper(t *testing.T) {
	near := testkit.NewApacheNodes(t)
	proxy := coretest.StartProxy(t, near.Addr)
	far := near
	far.Addr, far.Timeout = proxy.Addr, 3*time.Second // which is waited for below
	a, b := start(t, far, "a"), start(t, near, "b")
	require.NoError(t, a.Publish(t.Context(), "a1", shop, []registry.Instance{at("10.0.0.1", 80), at("10.0.0.2", 80)}))
	require.NoError(t, a.Publish(t.Context(), "a2", shop, []registry.Instance{at("10.0.0.3", 80)}))
	require.NoError(t, b.Publish(t.Context(), "b1", shop, []registry.Instance{at("10.0.0.4", 80)}))
	a.shows(t, 4, "all, at the node")
	b.shows(t, 4, "all, at the other")

	// A short cut is nothing.
	for range 3 {
		proxy.Cut()
		time.Sleep(100 * time.Millisecond)
		require.Len(t, b.hosts(t, shop), 4)
	}
	a.shows(t, 4, "after short cuts")
	require.Eventually(t, func() bool { return !a.Stale() }, patience, 5*time.Millisecond)

	// A long one is the node's end to the others, and none of its clients' here.
	proxy.Down()
	b.shows(t, 1, "the ensemble has ended the node's sessions")
	require.Equal(t, []string{"10.0.0.4"}, b.hosts(t, shop))
	require.True(t, a.Stale())
	require.Len(t, a.hosts(t, shop), 4, "it knows no better")
	require.NoError(t, a.Publish(t.Context(), "a3", shop, []registry.Instance{at("10.0.0.5", 80)}), "registrations go on")
	a.End("a2")
	require.Len(t, a.hosts(t, shop), 4, "one more, one less")
	a.Alive("a1")
	a.Alive("a3")
	proxy.Up()
	b.shows(t, 4, "they are created anew")
	a.shows(t, 4, "and shown")
	require.ElementsMatch(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.5"}, b.hosts(t, shop))
	require.Eventually(t, func() bool { return !a.Stale() }, patience, 5*time.Millisecond)

	a.End("a1")
	b.shows(t, 2, "who leaves goes")
	a.stop()
	require.ElementsMatch(t, []string{"10.0.0.4", "10.0.0.5"}, b.hosts(t, shop), "the end of a node is not that of its clients")
}
