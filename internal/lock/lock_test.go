package lock

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

type clock struct{ millis atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMilli(c.millis.Load()) }

func newLocks(t *testing.T) (*Locks, *clock, core.Client) {
	t.Helper()
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{})
	require.NoError(t, err)
	c := &clock{}
	c.millis.Store(1_700_000_000_000)
	return New(client, nil, c.now), c, client
}

func TestOneHolderAtATime(t *testing.T) {
	l, _, _ := newLocks(t)
	var wg sync.WaitGroup
	var holders atomic.Int64
	for range 20 {
		wg.Go(func() {
			got, err := l.Acquire(t.Context(), "a", time.Minute)
			if err != nil {
				t.Error(err)
			}
			if got {
				holders.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, holders.Load())
	released, err := l.Release(t.Context(), "a")
	require.NoError(t, err)
	require.True(t, released)
	released, err = l.Release(t.Context(), "a")
	require.NoError(t, err)
	require.False(t, released, "it was free")
	got, err := l.Acquire(t.Context(), "a", time.Minute)
	require.NoError(t, err)
	require.True(t, got)
}

func TestALockEndsWithItsLease(t *testing.T) {
	for name, c := range map[string]struct {
		lease, held, free time.Duration
	}{
		"named":   {time.Second, 999 * time.Millisecond, time.Second},
		"default": {-1, 29 * time.Second, 30 * time.Second},
		"longest": {24 * time.Hour, 30*time.Minute - time.Millisecond, 30 * time.Minute},
		"none":    {0, -1, 0},
	} {
		l, clock, _ := newLocks(t)
		take := func() bool {
			got, err := l.Acquire(t.Context(), "/ 订单%", c.lease)
			require.NoError(t, err)
			return got
		}
		require.True(t, take(), name)
		begin := clock.millis.Load()
		if c.held >= 0 {
			clock.millis.Store(begin + c.held.Milliseconds())
			require.False(t, take(), "%s: too early", name)
		}
		clock.millis.Store(begin + c.free.Milliseconds())
		require.True(t, take(), "%s: too late", name)
	}
}

func TestTheSweepTakesWhatHasEnded(t *testing.T) {
	l, clock, client := newLocks(t)
	require.NoError(t, l.Sweep(t.Context()), "nobody had a lock yet")
	for key, lease := range map[string]time.Duration{"short": time.Second, "long": time.Minute} {
		_, err := l.Acquire(t.Context(), key, lease)
		require.NoError(t, err)
	}
	clock.millis.Add(2000)
	require.NoError(t, l.Sweep(t.Context()))
	names, _, err := client.Children(t.Context(), Root)
	require.NoError(t, err)
	require.Equal(t, []string{"klong"}, names)
}

func TestKeysAreBounded(t *testing.T) {
	l, _, _ := newLocks(t)
	long := strings.Repeat("k", KeyBytesMax+1)
	_, err := l.Acquire(t.Context(), long, time.Second)
	require.ErrorIs(t, err, ErrKey)
	_, err = l.Release(t.Context(), long)
	require.ErrorIs(t, err, ErrKey)
	got, err := l.Acquire(t.Context(), "", time.Second)
	require.NoError(t, err)
	require.True(t, got, "a blank key is one, too")
}
