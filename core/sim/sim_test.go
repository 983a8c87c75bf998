package sim

import (
	"flag"
	"testing"
)

var (
	seedFlag = flag.Uint64("seed", 0, "the one seed to run; 0 runs the usual ones")
	longFlag = flag.Bool("long", false, "run many seeds, and the mutants")
)

func TestSim(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6}
	if *longFlag {
		for s := uint64(7); s <= 100; s++ {
			seeds = append(seeds, s)
		}
	}
	if *seedFlag != 0 {
		seeds = []uint64{*seedFlag}
	}
	for _, seed := range seeds {
		rep := Run(Options{Seed: seed, Seconds: 40})
		t.Logf("seed %d: %d events, %d replies, %d watch events, %d lives", seed, rep.Events, rep.Replies, rep.Watches, rep.Restarts)
		if rep.Err != nil {
			t.Fatalf("seed %d: %v\nreplay: go test ./core/sim -run TestSim -seed=%d", seed, rep.Err, seed)
		}
	}
}
