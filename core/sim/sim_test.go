package sim

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	seedFlag = flag.Uint64("seed", 0, "the one seed to run; 0 runs the usual ones")
	longFlag = flag.Bool("long", false, "run many seeds, and the mutants")
)

// seconds is how long the faults of a run last, in simulated time. A seed is only
// the same run with the same length.
const seconds = 40

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
	count := uint64(8)
	if *longFlag {
		count = 150
	}
	met := Coverage{}
	for seed := uint64(1); seed <= count; seed++ {
		rep := Run(Options{Seed: seed, Seconds: seconds})
		if rep.Err != nil {
			t.Errorf("seed %d: %v\nreplay: go test ./core/sim -run TestSim -seed=%d", seed, rep.Err, seed)
		}
		met.Add(rep.Coverage)
	}
	saveEvidence(t, "sim-coverage.txt", met)
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
	count := uint64(6)
	if *longFlag {
		count = 100
	}
	met := Coverage{}
	for seed := uint64(1); seed <= count; seed++ {
		rep := Run(ensembleOf(seed))
		if rep.Err != nil {
			t.Errorf("seed %d: %v\nreplay: go test ./core/sim -run TestEnsembles -seed=%d", seed, rep.Err, seed)
		}
		met.Add(rep.Coverage)
	}
	saveEvidence(t, "sim-ensemble-coverage.txt", met)
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
	return opt
}

// TestSameSeedIsTheSameRun runs seeds twice. What happened must be the same to the last
// byte that anybody sent or wrote.
func TestSameSeedIsTheSameRun(t *testing.T) {
	var twice []Options
	for seed := uint64(1); seed <= 2; seed++ {
		twice = append(twice, Options{Seed: seed, Seconds: 15})
	}
	ensembles := uint64(3)
	if *longFlag {
		ensembles = 50
	}
	for seed := uint64(1); seed <= ensembles; seed++ {
		opt := ensembleOf(seed)
		if !*longFlag {
			opt.Seconds = 5
		}
		twice = append(twice, opt)
	}
	for _, opt := range twice {
		a, b := Run(opt), Run(opt)
		require.NotZero(t, a.Sum)
		if a.Sum != b.Sum {
			t.Errorf("%+v: the second run differs at or before line %q", opt, firstDifference(a.Trace, b.Trace))
		}
	}
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

// onlyFault is the fault that some mutants need much of.
var onlyFault = map[Mutant]FaultKind{
	PurgeByCount: FaultFlip, FsyncRetry: FaultFsync, TornTailTruncatesMiddle: FaultFlip,
	SyncWithoutConfirmation: FaultPartition,
}

// TestMutants puts known mistakes back. Each must be found within a few seeds.
func TestMutants(t *testing.T) {
	if !*longFlag {
		t.Skip("only with -long")
	}
	caught := Coverage{}
	for _, m := range Mutants {
		t.Run(string(m), func(t *testing.T) {
			for seed := uint64(1); seed <= 30; seed++ {
				if rep := Run(Options{Seed: seed, Seconds: seconds, Mutant: m, Only: onlyFault[m]}); rep.Err != nil {
					t.Logf("seed %d: %v", seed, rep.Err)
					caught.hit("mutant " + string(m))
					return
				}
			}
			t.Errorf("%s survives 30 seeds", m)
		})
	}
	saveEvidence(t, "sim-mutants.txt", caught)
}

// TestEnsembleMutants puts known mistakes into ensembles. Each must be found within a
// few seeds.
func TestEnsembleMutants(t *testing.T) {
	if !*longFlag {
		t.Skip("only with -long")
	}
	caught := Coverage{}
	for _, m := range EnsembleMutants {
		t.Run(string(m), func(t *testing.T) {
			for seed := uint64(1); seed <= 40; seed++ {
				opt := ensembleOf(seed)
				opt.Mutant, opt.Only = m, onlyFault[m]
				if rep := Run(opt); rep.Err != nil {
					t.Logf("seed %d: %v", seed, rep.Err)
					caught.hit("mutant " + string(m))
					return
				}
			}
			t.Errorf("%s survives 40 seeds", m)
		})
	}
	saveEvidence(t, "sim-ensemble-mutants.txt", caught)
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
