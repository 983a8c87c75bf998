package sim

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	seedFlag = flag.Uint64("seed", 0, "the one seed to run; 0 runs the usual ones")
	longFlag = flag.Bool("long", false, "run many seeds")
)

// seconds is how long the faults of a run last, in simulated time. A seed is only
// the same run with the same length.
const seconds = 40

// seeds is how many worlds a test runs: many by -long, and two by -short, under the race
// detector: a world is one goroutine's, so that there is little to find but what two
// worlds should not share. What all have met is then no measure.
func seeds(usual, long uint64) uint64 {
	switch {
	case *longFlag:
		return long
	case testing.Short():
		return 2
	}
	return usual
}

// TestSim runs worlds and requires that together they have met what they are for.
func TestSim(t *testing.T) {
	if *seedFlag != 0 {
		rep := Run(Options{Seed: *seedFlag, Seconds: seconds})
		if path := os.Getenv("ZENSUS_SIM_TRACE"); path != "" {
			require.NoError(t, os.WriteFile(path, rep.Trace, 0o600))
		}
		t.Logf("%d events, %d replies, %d watch events, %d lives", rep.Events, rep.Replies, rep.Watches, rep.Restarts)
		require.NoError(t, rep.Err)
		return
	}
	count := seeds(8, 100)
	met := runSeeds(t, "TestSim", count, func(seed uint64) Options { return Options{Seed: seed, Seconds: seconds} })
	saveEvidence(t, "sim-coverage.txt", met)
	if testing.Short() {
		return
	}
	for _, name := range required {
		if met[name] == 0 {
			t.Errorf("in %d seeds this never happened: %s", count, name)
		}
	}
	if *longFlag {
		for _, name := range requiredInLong {
			if met[name] == 0 {
				t.Errorf("in %d seeds this never happened: %s", count, name)
			}
		}
	}
}

// runSeeds runs the worlds of seeds, some at a time, and adds up what they have met.
func runSeeds(t *testing.T, test string, count uint64, world func(seed uint64) Options) Coverage {
	t.Helper()
	met := Coverage{}
	var mu sync.Mutex
	inParallel(count, func(i uint64) {
		seed := i + 1
		opt := world(seed)
		if testing.Short() {
			opt.Seconds /= 4
		}
		rep := Run(opt)
		mu.Lock()
		defer mu.Unlock()
		if rep.Err != nil {
			t.Errorf("seed %d: %v\nreplay: go test ./core/sim -run %s -seed=%d", seed, rep.Err, test, seed)
		}
		met.Add(rep.Coverage)
	})
	return met
}

// inParallel calls do for 0 up to n, on as many goroutines as there are processors: a
// world is one goroutine's, and shares nothing with another.
func inParallel(n uint64, do func(uint64)) {
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// TestEnsembles runs worlds of several servers.
func TestEnsembles(t *testing.T) {
	if *seedFlag != 0 {
		opt := ensembleOf(*seedFlag)
		rep := Run(opt)
		if path := os.Getenv("ZENSUS_SIM_TRACE"); path != "" {
			require.NoError(t, os.WriteFile(path, rep.Trace, 0o600))
		}
		t.Logf("%+v: %d events, %d replies, %d watch events, %d lives", opt, rep.Events, rep.Replies, rep.Watches, rep.Restarts)
		require.NoError(t, rep.Err)
		return
	}
	count := seeds(6, 200)
	met := runSeeds(t, "TestEnsembles", count, ensembleOf)
	saveEvidence(t, "sim-ensemble-coverage.txt", met)
	if testing.Short() {
		return
	}
	want := requiredOfEnsembles
	if *longFlag {
		want = append(slices.Clone(want), requiredOfEnsemblesInLong...)
	}
	for _, name := range want {
		if met[name] == 0 {
			t.Errorf("in %d seeds this never happened: %s", count, name)
		}
	}
}

// rare are the faults that have the worlds behind the eightieth to themselves.
var rare = []FaultKind{FaultStep, FaultFlip, FaultStep, FaultLeft, FaultAtCall, FaultWipe, FaultPower}

// ensembleOf is the world of a seed.
func ensembleOf(seed uint64) Options {
	opt := Options{Seed: seed, Seconds: seconds, Voters: 3}
	if seed%3 == 0 {
		opt.Voters = 5
	}
	if seed%4 == 1 {
		opt.Observers = 1
	}
	if seed%5 == 2 {
		opt.Observers, opt.Changing = 2, true
	}
	switch {
	case seed > 80: // more of what is rare
		opt.Only = rare[seed%uint64(len(rare))]
	case seed%5 == 0:
		opt.Only = FaultStep
	}
	return opt
}

// TestSameSeedIsTheSameRun runs seeds twice. What happened must be the same to the last
// byte that anybody sent or wrote.
func TestSameSeedIsTheSameRun(t *testing.T) {
	var twice []Options
	for seed := uint64(1); seed <= 2; seed++ {
		twice = append(twice, Options{Seed: seed, Seconds: 15})
	}
	for seed := uint64(1); seed <= seeds(3, 50); seed++ {
		opt := ensembleOf(seed)
		if opt.Seconds = 5; *longFlag {
			opt.Seconds = 15
		}
		twice = append(twice, opt)
	}
	if testing.Short() {
		twice = twice[1:3]
	}
	inParallel(uint64(len(twice)), func(i uint64) {
		a, b := Run(twice[i]), Run(twice[i])
		if a.Sum != b.Sum || a.Sum == 0 {
			t.Errorf("%+v: the second run differs at or before line %q", twice[i], firstDifference(a.Trace, b.Trace))
		}
	})
}

// TestTheSumSeesWhatTheLinesDoNot changes one byte that a client is sent.
func TestTheSumSeesWhatTheLinesDoNot(t *testing.T) {
	var a, b trace
	for _, tr := range []*trace{&a, &b} {
		tr.line(1, "a line")
	}
	require.Equal(t, a.sum, b.sum)
	a.note("client", []byte("abc"), 1)
	b.note("client", []byte("abd"), 1)
	require.NotEqual(t, a.sum, b.sum)
	a.line(2, "another")
	b.line(2, "another")
	require.Contains(t, string(firstDifference(a.lines.Bytes(), b.lines.Bytes())), "another")
}

func firstDifference(a, b []byte) []byte {
	al, bl := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(al), len(bl)) {
		if !bytes.Equal(al[i], bl[i]) {
			return al[i]
		}
	}
	return nil
}

// TestMistakesAreFound makes those mistakes that are found at once. That all are found,
// core/sim/mutate sees to.
func TestMistakesAreFound(t *testing.T) {
	for _, m := range []Mutant{AsyncLogThenAck, UpToDateZxid, ReplyZxid} {
		opt := ensembleOf(1)
		opt.Mutant = m
		require.Error(t, Run(opt).Err, m)
	}
}

// saveEvidence writes what was met into the directory that ZENSUS_EVIDENCE names,
// or a temporary one.
func saveEvidence(t *testing.T, name string, c Coverage) {
	t.Helper()
	dir := os.Getenv("ZENSUS_EVIDENCE")
	if dir == "" {
		dir = t.TempDir()
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(c.String()), 0o644))
}
