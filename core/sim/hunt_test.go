package sim

import (
	"flag"
	"fmt"
	"strings"
	"testing"
)

var (
	huntFlag   = flag.Uint64("hunt", 0, "how many seeds to run until one finds something")
	fromFlag   = flag.Uint64("from", 1, "the first of them")
	worldFlag  = flag.String("world", "ensemble", "what they run: ensemble, alone, twice or members")
	mutantFlag = flag.String("mutant", "", "the mistake to make")
	onlyFlag   = flag.String("only", "", "the only kind of fault")
)

// TestHunt runs seeds until something is found, and says what: it is what
// core/sim/mutate looks for mistakes with.
func TestHunt(t *testing.T) {
	if *huntFlag == 0 {
		t.Skip("it is for core/sim/mutate")
	}
	for seed := *fromFlag; seed < *fromFlag+*huntFlag; seed++ {
		opt := Options{Seed: seed, Seconds: seconds}
		if *worldFlag != "alone" {
			opt = ensembleOf(seed)
		}
		if *worldFlag == "members" {
			opt.Changing, opt.Observers = true, 2
		}
		opt.Mutant = Mutant(*mutantFlag)
		if *onlyFlag != "" {
			opt.Only = FaultKind(*onlyFlag)
		}
		rep := Run(opt)
		if rep.Err == nil && *worldFlag == "twice" {
			if again := Run(opt); again.Sum != rep.Sum {
				rep.Err = fmt.Errorf("the second run of the seed is another one")
			}
		}
		if rep.Err != nil {
			found, _, _ := strings.Cut(rep.Err.Error(), "\n")
			fmt.Printf("caught %d %s\n", seed, found)
			return
		}
	}
}
