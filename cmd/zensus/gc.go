package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector is given room in bytes, not in percent: the znodes lie in memory
// without pointers, which costs a collection next to nothing, so that a tree of a
// gigabyte needs no second gigabyte beside it, and a small one no collection every
// few milliseconds. A server that holds little takes less room, and so does one that
// asks for little: what it fills in gcEvery is enough. Where much has to be searched for
// pointers, as the instances of the registry have, a collection is dear: a server that is
// busy may then have for room what is searched and half of that, less gcRoomMax, so that what
// a request costs does not rise with what is stored. Whoever has less memory than that sets
// GOMEMLIMIT.
const (
	gcRoomMin    = 16 << 20
	gcRoomMax    = 64 << 20
	gcEvery      = 16 * time.Second
	gcBusyEvery  = 2 * time.Second
	gcDearEvery  = 8 * time.Second // where much is searched
	gcPercentMin = 10
	gcPercentMax = 2000
	gcLookEvery  = 500 * time.Millisecond
)

// A server that has become quiet gives back what its busy times have left. One that
// holds much may be asked more and still be called quiet: what it does besides is little
// to what it holds, and so is a collection of its own.
const (
	quietBytes  = 256 << 10        // allocated between two looks, at most, or
	quietPart   = 64               // this part of what is alive
	quietLooks  = 4                // in a row
	quietWaste  = 2 << 20          // more garbage and free memory than the last time left, from which on it is worth the while, and
	wastePart   = 8                // this part of what is alive
	quietPeriod = 10 * time.Second // between two times
)

// The figures that tuneGC looks at.
const (
	liveBytes = iota
	allocatedBytes
	objectBytes
	freeBytes
	unusedBytes
	scannedBytes
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
	s := []metrics.Sample{
		liveBytes: {Name: "/gc/heap/live:bytes"}, allocatedBytes: {Name: "/gc/heap/allocs:bytes"},
		objectBytes: {Name: "/memory/classes/heap/objects:bytes"}, freeBytes: {Name: "/memory/classes/heap/free:bytes"},
		unusedBytes: {Name: "/memory/classes/heap/unused:bytes"}, scannedBytes: {Name: "/gc/scan/heap:bytes"},
	}
	last := 0
	var q quiet
	var p pace
	for {
		metrics.Read(s)
		live := s[liveBytes].Value.Uint64()
		allocated := s[allocatedBytes].Value.Uint64()
		if percent := gcPercent(live, s[scannedBytes].Value.Uint64(), p.look(allocated)); percent != last {
			debug.SetGCPercent(percent)
			last = percent
		}
		held := s[objectBytes].Value.Uint64() + s[freeBytes].Value.Uint64() + s[unusedBytes].Value.Uint64()
		if q.look(time.Now(), allocated, live, held-min(live, held)) {
			debug.FreeOSMemory()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// gcPercent is the growth over the live heap that comes to the room: half of what
// is alive, or what is allocated in gcEvery if that is less, but no less than what is
// allocated in gcBusyEvery, within its bounds. Of what is alive a collection searches
// scanned, which gives more where it is much: no more than what is allocated in gcDearEvery.
func gcPercent(live, scanned, allocated uint64) int {
	room := min(max(min(live/2, allocated), allocated/uint64(gcEvery/gcBusyEvery), gcRoomMin), gcRoomMax)
	dear := scanned + scanned/2
	room = max(room, min(dear-min(dear, gcRoomMax), allocated/uint64(gcEvery/gcDearEvery)))
	return int(min(max(room*100/max(live, 1<<20), gcPercentMin), gcPercentMax))
}

// pace is how much is allocated in gcEvery: it rises at once and is forgotten slowly.
type pace struct {
	allocated uint64 // at the last look
	now       uint64
}

// look returns the pace; allocated counts since the start.
func (p *pace) look(allocated uint64) uint64 {
	p.now = max((allocated-p.allocated)*uint64(gcEvery/gcLookEvery), p.now-p.now/8)
	p.allocated = allocated
	return p.now
}

// quiet tells when memory is to be given back.
type quiet struct {
	allocated uint64
	looks     int
	given     time.Time // the last time
	atGiven   uint64    // what was allocated then
	rest      uint64    // the least waste since: odd corners, which stay
}

// look reports whether now is such a time; allocated counts since the start, waste
// is what is held and not alive.
func (q *quiet) look(now time.Time, allocated, live, waste uint64) bool {
	if allocated-q.allocated <= max(quietBytes, live/quietPart) {
		q.looks++
	} else {
		q.looks = 0
	}
	q.allocated = allocated
	q.rest = min(q.rest, waste)
	worth := max(quietWaste, live/wastePart)
	if q.looks < quietLooks || waste-q.rest < worth || allocated-q.atGiven < worth || now.Sub(q.given) < quietPeriod {
		return false
	}
	q.given, q.atGiven, q.rest = now, allocated, math.MaxUint64
	return true
}
