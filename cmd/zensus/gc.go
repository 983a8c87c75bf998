package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector is given room in bytes, not in percent: the znodes lie in memory
// without pointers, which costs a collection next to nothing, so that a tree of a
// gigabyte needs no second gigabyte beside it, and a small one no collection every
// few milliseconds.
const (
	gcRoomBytes  = 64 << 20
	gcPercentMin = 10
	gcPercentMax = 1000
	gcLookEvery  = 500 * time.Millisecond
)

// tuneGC keeps the room as it should be until ctx ends. Whoever sets GOGC
// himself is left alone.
func tuneGC(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(gcLookEvery)
	defer ticker.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	last := 0
	for {
		metrics.Read(live)
		if percent := gcPercent(live[0].Value.Uint64()); percent != last {
			debug.SetGCPercent(percent)
			last = percent
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// gcPercent is the growth over the live heap that comes to the room.
func gcPercent(live uint64) int {
	return min(max(gcRoomBytes*100/int(max(live, 1<<20)), gcPercentMin), gcPercentMax)
}
