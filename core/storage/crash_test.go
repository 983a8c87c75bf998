package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core/vfs"
)

// madeCalls is every kind of call that storage makes, by the class of file. The
// matrix has to hit each: whoever adds one extends the script too.
var madeCalls = strings.Fields(`
	allocate/ballast create/ballast remove/ballast sync/ballast
	lock/lock mkdir/logdir mkdir/snapdir
	readdir/datadir readdir/logdir readdir/snapdir syncdir/datadir syncdir/logdir syncdir/snapdir syncdir/parent
	create/meta open/meta read/meta write/meta sync/meta rename/meta
	open/segment read/segment write/segment sync/segment truncate/segment rename/segment remove/segment
	create/spare open/spare write/spare sync/spare rename/spare remove/spare
	open/snapshot read/snapshot remove/snapshot
	create/snaptemp write/snaptemp sync/snaptemp rename/snaptemp remove/snaptemp`)

func class(name string) string {
	if name == "/" {
		return "parent"
	}
	return FileClass(name)
}

// ending is how a run comes to its end after the fate of one call.
type ending struct {
	fate  vfs.Fate
	crash vfs.CrashMode
	seed  uint64
}

func endings(full bool) []ending {
	list := []ending{
		{vfs.CrashBefore, vfs.CrashProcess, 0},
		{vfs.CrashBefore, vfs.CrashPowerLose, 0},
		{vfs.CrashBefore, vfs.CrashPowerKeep, 0},
		{vfs.CrashBefore, vfs.CrashPowerRandom, 1},
		{vfs.CrashBefore, vfs.CrashPowerRandom, 2},
		{vfs.CrashHalf, vfs.CrashProcess, 0},
		{vfs.CrashHalf, vfs.CrashPowerRandom, 3},
		{vfs.CrashAfter, vfs.CrashProcess, 0},
		{vfs.CrashAfter, vfs.CrashPowerLose, 0},
		{vfs.CrashAfter, vfs.CrashPowerRandom, 4},
		{vfs.FailEIO, vfs.CrashProcess, 0},
		{vfs.FailEIO, vfs.CrashPowerRandom, 5},
		{vfs.FailEIOAfter, vfs.CrashPowerRandom, 6},
		{vfs.FailNoSpace, vfs.CrashProcess, 0},
		{vfs.FailNoSpace, vfs.CrashPowerRandom, 7},
		{vfs.FlipBit, vfs.CrashProcess, 0},
	}
	if full {
		for seed := range uint64(20) {
			for _, f := range []vfs.Fate{vfs.CrashBefore, vfs.CrashHalf, vfs.CrashAfter, vfs.FailEIO, vfs.FailEIOAfter} {
				list = append(list, ending{f, vfs.CrashPowerRandom, 100 + seed})
			}
		}
	}
	return list
}

// TestCrashMatrix runs the script once to list every call on the file system, and
// then once for each call and ending: crash before, within and after it, errors,
// a full disk, a flipped bit, each with and without a power loss. What was
// promised before must be there after the next start, and the store must go on.
//
// ZENSUS_EVIDENCE names a folder for the table of failpoints, and makes the run
// a long one.
func TestCrashMatrix(t *testing.T) {
	alone(t)
	dry := vfs.NewFault(vfs.NewMem(), class, nil)
	w := &work{o: options(dry)}
	must(t, w.script())
	if w.unread == 0 {
		t.Fatal("no start of the script has left anything unread")
	}
	must(t, w.s.Close())
	calls := dry.Calls()

	dir, full := os.Getenv("ZENSUS_EVIDENCE"), true
	if dir == "" {
		dir, full = t.TempDir(), false
	}
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // the heap is tiny, the garbage is not
	table := map[string]map[string]int{}
	for n, c := range calls {
		point := c.Op.String() + "/" + c.Class
		if table[point] == nil {
			table[point] = map[string]int{}
		}
		for i, e := range endings(full) {
			if testing.Short() && (n+i)%12 != 0 {
				continue
			}
			if e.fate == vfs.CrashHalf && c.Op != vfs.OpWrite || e.fate == vfs.FlipBit && c.Op != vfs.OpRead {
				continue
			}
			outcome, err := runEnding(n, e)
			if err != nil {
				t.Fatalf("call %d, %s of %s, %v, %v, seed %d: %v", n, c.Op, c.Name, e.fate, e.crash, e.seed, err)
			}
			table[point][e.fate.String()+" -> "+outcome]++
		}
	}
	writeTable(t, filepath.Join(dir, "storage-failpoints.txt"), table)
	var hit []string
	for point := range table {
		hit = append(hit, point)
	}
	slices.Sort(hit)
	want := slices.Clone(madeCalls)
	slices.Sort(want)
	for _, point := range hit {
		if !slices.Contains(want, point) {
			t.Errorf("%s is called, but not in the list of what must be hit", point)
		}
	}
	for _, point := range want {
		if !slices.Contains(hit, point) {
			t.Errorf("%s was not hit", point)
		}
	}
	t.Logf("%d calls, %d failpoints", len(calls), len(hit))
}

// TestTheMatrixCatchesEveryForgottenSync leaves out all syncs of one kind at a
// time. A power loss must then break a promise somewhere: no sync is superfluous,
// and the matrix would notice if one were lost.
func TestTheMatrixCatchesEveryForgottenSync(t *testing.T) {
	alone(t)
	for _, point := range madeCalls {
		op, class, _ := strings.Cut(point, "/")
		if op != "sync" && op != "syncdir" || class == "ballast" {
			continue // losing the ballast costs no data
		}
		t.Run(op+" "+class, func(t *testing.T) {
			for n := 0; ; n++ {
				done, broken := runForgetting(point, n)
				if broken != nil {
					t.Logf("noticed at call %d: %v", n, broken)
					return
				}
				if done {
					t.Fatal("nobody noticed")
				}
			}
		})
	}
}

// runForgetting crashes before call n of a run in which calls of one kind do nothing.
func runForgetting(point string, n int) (done bool, broken error) {
	mem := vfs.NewMem()
	fault := vfs.NewFault(mem, class, func(i int, c vfs.Call) vfs.Fate {
		switch {
		case i == n:
			return vfs.CrashBefore
		case c.Op.String()+"/"+c.Class == point:
			return vfs.Lie
		}
		return vfs.Pass
	})
	w := &work{o: options(fault)}
	w.script()
	mem.Crash(nil, vfs.CrashPowerLose)
	w.o.FS = mem
	err := w.open()
	if err == nil {
		err = w.s.Close()
	}
	return !fault.Crashed(), err
}

// runEnding plays the script until call n meets its fate, crashes, and starts again.
func runEnding(n int, e ending) (outcome string, err error) {
	mem := vfs.NewMem()
	fault := vfs.NewFault(mem, class, func(i int, _ vfs.Call) vfs.Fate {
		if i == n {
			return e.fate
		}
		return vfs.Pass
	})
	w := &work{o: options(fault)}
	err = w.script()
	outcome = "went on"
	var refused *RefusedError
	switch {
	case err == nil:
	case fault.Crashed():
		outcome = "crashed"
	case IsFatal(err):
		outcome = "stopped"
		if again := w.s.Append(nil); !errors.Is(err, again) {
			return "", fmt.Errorf("after %w the store answers %w", err, again)
		}
	case e.fate == vfs.FlipBit:
		outcome = "noticed"
	case w.s == nil || errors.As(err, &refused) || w.s.Append(nil) != nil:
		outcome = "did not start" // a clean error of Open
	default:
		outcome = "refused"
	}
	if err != nil && e.fate != vfs.FlipBit && !errors.Is(err, vfs.ErrCrashed) && !strings.Contains(err.Error(), "input/output error") && !strings.Contains(err.Error(), "no space left") {
		return "", fmt.Errorf("the error hides its cause: %w", err)
	}
	mem.Crash(rand.New(rand.NewPCG(e.seed, uint64(n))), e.crash)
	w.o.FS = mem
	if e.fate == vfs.FlipBit {
		// A flipped read may have made the node give up its vote: that is a promise too.
		w.m.meta.Voteable, w.m.metaNext = false, &[]Meta{w.m.meta}[0]
		if w.m.other != nil {
			w.m.other.meta.Voteable, w.m.other.metaNext = w.m.meta.Voteable, w.m.metaNext
		}
	}
	return outcome, w.afterwards(mem)
}

func writeTable(t *testing.T, name string, table map[string]map[string]int) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s %6s  %s\n", "failpoint", "hits", "fate -> what the store did; afterwards all was there")
	var points []string
	for p := range table {
		points = append(points, p)
	}
	slices.Sort(points)
	for _, p := range points {
		total := 0
		var outcomes []string
		for o, n := range table[p] {
			total += n
			outcomes = append(outcomes, fmt.Sprintf("%s: %d", o, n))
		}
		slices.Sort(outcomes)
		fmt.Fprintf(&b, "%-20s %6d  %s\n", p, total, strings.Join(outcomes, ", "))
	}
	must(t, os.WriteFile(name, []byte(b.String()), 0o644))
}
