package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRoomOfTheCollectorFollowsWhatIsAlive(t *testing.T) {
	const mb = 1 << 20
	for live, room := range map[uint64]int{2: 16, 16: 16, 32: 16, 64: 32, 128: 64, 400: 64} {
		got := gcPercent(live*mb, 0, 120*mb) * int(live) / 100
		require.InDelta(t, room, got, 4, "%d MB alive", live)
	}
	require.Equal(t, gcPercentMin, gcPercent(10_000*mb, 0, 1000*mb))
	require.Equal(t, 1600, gcPercent(0, 0, 0))
	for allocated, room := range map[uint64]int{0: 16, 16: 16, 40: 40, 64: 64, 65: 64} {
		require.InDelta(t, room, gcPercent(160*mb, 0, allocated*mb)*160/100, 4, "%d MB allocated", allocated)
	}
	for allocated, room := range map[uint64]int{120: 16, 400: 50, 10_000: 64} {
		require.InDelta(t, room, gcPercent(10*mb, 0, allocated*mb)*10/100, 4, "%d MB allocated, little alive", allocated)
	}
	for scanned, room := range map[uint64]int{0: 64, 60: 64, 100: 86, 200: 236, 300: 386} {
		require.InDelta(t, room, gcPercent(500*mb, scanned*mb, 2000*mb)*500/100, 5, "%d MB searched", scanned)
	}
	require.InDelta(t, 64, gcPercent(500*mb, 400*mb, 100*mb)*500/100, 5, "who asks for little gets no more")
}

func TestPaceRisesAtOnceAndIsForgottenSlowly(t *testing.T) {
	const looks = uint64(gcEvery / gcLookEvery)
	var p pace
	total := uint64(1000)
	require.Equal(t, total*looks, p.look(total))
	total += 8000
	require.Equal(t, 8000*looks, p.look(total))
	last := p.look(total)
	require.Equal(t, 7000*looks, last)
	for n := range 100 {
		total += 10
		now := p.look(total)
		require.LessOrEqual(t, now, last)
		require.GreaterOrEqual(t, now, 10*looks)
		if n < 8 {
			require.Greater(t, now, 2000*looks, "a pause of seconds is no calm")
		}
		last = now
	}
	require.Equal(t, 10*looks, last)
}

func TestMemoryIsGivenBackWhenItIsQuietAndWorthIt(t *testing.T) {
	now := time.Unix(1000, 0)
	var q quiet
	total, alive := uint64(0), uint64(0)
	look := func(allocates, waste uint64) bool {
		now = now.Add(gcLookEvery)
		total += allocates
		return q.look(now, total, alive, waste)
	}
	for range 20 {
		require.False(t, look(quietBytes+1, 1<<30), "it is busy")
	}
	for range quietLooks - 1 {
		require.False(t, look(0, quietWaste), "it has just been busy")
	}
	require.True(t, look(0, quietWaste))
	require.False(t, look(0, quietWaste), "it was just given back")
	now = now.Add(quietPeriod)
	require.False(t, look(0, quietWaste), "nothing was allocated since")
	for range quietWaste / quietBytes {
		require.False(t, look(quietBytes, 2*quietWaste-1), "it is not worth the while")
	}
	require.True(t, look(quietBytes, 2*quietWaste))

	alive = 128 << 20
	now = now.Add(quietPeriod)
	require.False(t, look(0, 0), "nothing is left")
	for range 20 {
		require.False(t, look(alive/quietPart+1, 1<<30), "it is busy")
	}
	for range quietLooks - 1 {
		require.False(t, look(alive/quietPart, alive/wastePart), "it has just been busy")
	}
	require.False(t, look(alive/quietPart, alive/wastePart-1), "it is not worth the while")
	require.True(t, look(alive/quietPart, alive/wastePart))
}
