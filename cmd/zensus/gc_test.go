package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRoomOfTheCollectorFollowsWhatIsAlive(t *testing.T) {
	const mb = 1 << 20
	for live, room := range map[uint64]int{2: 16, 16: 16, 32: 16, 64: 32, 128: 64, 400: 64} {
		got := gcPercent(live*mb) * int(live) / 100
		require.InDelta(t, room, got, 4, "%d MB alive", live)
	}
	require.Equal(t, gcPercentMin, gcPercent(10_000*mb))
	require.Equal(t, 1600, gcPercent(0))
}

func TestMemoryIsGivenBackWhenItIsQuietAndWorthIt(t *testing.T) {
	now := time.Unix(1000, 0)
	var q quiet
	total := uint64(0)
	look := func(allocates, waste uint64) bool {
		now = now.Add(gcLookEvery)
		total += allocates
		return q.look(now, total, waste)
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
		require.False(t, look(quietBytes, quietWaste-1), "it is not worth the while")
	}
	require.True(t, look(quietBytes, quietWaste))
}
