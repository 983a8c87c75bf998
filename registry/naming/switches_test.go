package naming

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/registry"
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
	require.Eventually(t, func() bool { return a.Switches().PushCacheMillis == 30_000 }, patience, time.Millisecond)
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

// Of two switches that were set at once on one server the first was lost.
func TestSwitchesThatAreSetAtOnceAllHold(t *testing.T) {
	n := start(t, coretest.NewFake(), "n1")
	for millis := range 200 {
		want := strconv.Itoa(10_000 + millis)
		var both sync.WaitGroup
		for _, entry := range []string{"pushCacheMillis", "clientBeatInterval"} {
			both.Go(func() {
				if err := n.SetSwitch(t.Context(), entry, want, true); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		s := n.Switches()
		require.Equal(t, [2]int64{int64(10_000 + millis), int64(10_000 + millis)}, [2]int64{s.PushCacheMillis, s.BeatMillis})
	}
}
