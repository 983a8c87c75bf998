package naming

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/registry"
)

// A node that stood still finds, when it goes on, that its clients have closed their
// connections: they live, and are on their way to others.
func TestWhoGaveUpANodeThatStoodStillIsNotTakenForGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		a, b := start(t, engine, "a"), start(t, engine, "b")
		mine := []registry.Instance{at("10.0.0.1", 80)}
		require.NoError(t, a.Publish(t.Context(), "c1", shop, mine))
		require.NoError(t, a.Publish(t.Context(), "c2", shop, []registry.Instance{at("10.0.0.2", 80)}))
		synctest.Wait()
		witness := newReader()
		_, err := a.Subscribe(t.Context(), "w", witness, shop, "")
		require.NoError(t, err)

		a.pulse.mu.Lock()
		a.pulse.mu.last = a.pulse.mu.last.Add(-10 * time.Second) // as after a stop
		a.pulse.mu.Unlock()
		a.End("c1")
		time.Sleep(time.Second)
		require.Len(t, a.hosts(t, shop), 2)
		require.Len(t, b.hosts(t, shop), 2)
		require.NoError(t, b.Publish(t.Context(), "c1 again", shop, mine))
		time.Sleep(10 * time.Second)
		require.Len(t, a.hosts(t, shop), 2)
		for len(witness.lists) > 0 {
			require.Len(t, (<-witness.lists).Instances, 2)
		}

		a.End("c2")
		time.Sleep(time.Second)
		require.Equal(t, []string{"10.0.0.1"}, b.hosts(t, shop), "it has gone on for long")
	})
}

func TestPulseTellsOfGapsOnly(t *testing.T) {
	var p pulse
	now := time.Now()
	feel := func(after time.Duration) bool { now = now.Add(after); return p.feel(now) }
	require.False(t, feel(0), "it begins")
	require.False(t, feel(pulseEvery))
	require.False(t, feel(pulseEvery+stoodAfter), "late, but nobody gives it up for that")
	require.True(t, feel(pulseEvery+stoodAfter+1))
	require.True(t, feel(pulseEvery), "what has happened is coming in")
	for range comesInFor/pulseEvery - 2 {
		require.True(t, feel(pulseEvery))
	}
	require.False(t, feel(pulseEvery), "all of it has come")
}
