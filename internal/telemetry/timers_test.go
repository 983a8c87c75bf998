package telemetry

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimers(t *testing.T) {
	var timers Timers[string]
	timers.Each(func(string, int64, time.Duration) { t.Error("there is none") })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				timers.Observe("a", time.Millisecond)
				timers.Observe("b", time.Second)
			}
		})
	}
	wg.Wait()
	got := map[string]time.Duration{}
	timers.Each(func(k string, count int64, took time.Duration) {
		require.EqualValues(t, 800, count)
		got[k] = took
	})
	require.Equal(t, map[string]time.Duration{"a": 800 * time.Millisecond, "b": 800 * time.Second}, got)
	require.Zero(t, testing.AllocsPerRun(100, func() { timers.Observe("a", 1) }))
}

func BenchmarkTimers(b *testing.B) {
	var timers Timers[struct {
		name string
		code int
	}]
	b.ReportAllocs()
	for b.Loop() {
		timers.Observe(struct {
			name string
			code int
		}{"InstanceRequest", 200}, time.Millisecond)
	}
}
