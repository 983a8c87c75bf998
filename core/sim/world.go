package sim

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/vfs"
)

// Simulated time is counted in microseconds.
const (
	millisecond int64 = 1000
	second            = 1000 * millisecond
)

// Options say what to run.
type Options struct {
	Seed uint64
	// Voters and Observers are the servers; 0 voters are one.
	Voters, Observers int
	// Changing says that the members change.
	Changing bool
	// Seconds of simulated time with faults; a quiet end follows.
	Seconds int
	// Mutant is a mistake to make, "" for none.
	Mutant Mutant
	// Only, if set, restricts the faults to one kind.
	Only FaultKind
}

// Report is what a run came to.
type Report struct {
	Err      error  // nil: nothing was found
	Trace    []byte // for people; each line ends with the sum so far
	Sum      uint64 // of everything that happened: the same for each run of a seed
	Events   int
	Replies  int // that the oracle has compared
	Watches  int // events that it has compared
	Restarts int
	Coverage Coverage
}

// World is one run.
type World struct {
	snapshotIDs uint64 // of those that leaders have sent
	opt         Options
	now         int64
	seq         uint64
	queue       events

	disk, work, faults, sched, network, firsts, starts *rand.Rand

	servers []*server
	pairs   []*pair
	clients []*client
	oracle  *oracle
	history *history
	cover   Coverage
	trace   trace
	err     error
	events  int
	quiet   bool // no more faults
	still   bool // no more work
	steps   bool // servers crash on the way into epochs

	points    []vfs.Call // the kinds of calls that changed a disk, in the order in which they came
	healedAt  int64      // when the network was last made whole; -1 is never
	slowUntil int64      // when the last thing that a slow disk does is done

	lastConn uint64
}

// event is something that happens at a time.
type event struct {
	at  int64
	seq uint64
	do  func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}

// stream is a source of random numbers of its own.
func stream(seed, concern uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, concern)) }

// Run runs one world.
func Run(opt Options) (rep Report) {
	w := &World{
		opt:  opt,
		disk: stream(opt.Seed, 1), work: stream(opt.Seed, 2), faults: stream(opt.Seed, 3), sched: stream(opt.Seed, 4),
		network: stream(opt.Seed, 7), firsts: stream(opt.Seed, 8), starts: stream(opt.Seed, 9),
		cover: Coverage{},
	}
	w.healedAt = -1
	w.oracle = newOracle(w)
	w.history = &history{}
	defer func() {
		if p := recover(); p != nil {
			if v, ok := p.(check.Violation); ok {
				w.fail("the replica stopped itself: %w", v)
			} else {
				w.fail("panic: %v\n%s", p, debug.Stack())
			}
		}
		rep = Report{
			Err: w.err, Trace: w.trace.lines.Bytes(), Sum: w.trace.sum, Events: w.events, Replies: w.oracle.replies, Watches: w.oracle.events,
			Coverage: w.cover,
		}
		for _, s := range w.servers {
			rep.Restarts += s.life
		}
	}()
	w.setUp()
	w.runUntil(int64(opt.Seconds) * second)
	w.calm()
	w.runUntil(int64(opt.Seconds)*second + (quietSeconds-stillSeconds)*second)
	w.still = true
	w.runUntil(int64(opt.Seconds)*second + quietSeconds*second)
	for range 10 { // a new epoch may have begun just now
		if w.allServe() {
			break
		}
		w.runUntil(w.now + second)
	}
	w.finish()
	return rep
}

// quietSeconds is how long a run goes on without faults, so that it can be asked
// whether everybody is served.
// In its last stillSeconds nobody asks for anything new.
const (
	quietSeconds = 30
	stillSeconds = 8
)

func (w *World) setUp() {
	for i := range max(w.opt.Voters, 1) + w.opt.Observers {
		w.servers = append(w.servers, newServer(w, core.PeerID(i+1)))
	}
	w.link()
	for _, s := range w.servers {
		switch err := s.boot(); {
		case errors.Is(err, vfs.ErrCrashed):
			s.mem.Crash(w.firsts, vfs.CrashPowerRandom)
			s.restartLater(between(w.firsts, 200*millisecond, 2*second))
		case err != nil:
			w.fail("the server does not start on an empty disk: %w", err)
		}
	}
	w.addClients()
	w.planFaults()
}

func (w *World) runUntil(end int64) {
	for w.err == nil && len(w.queue) > 0 && w.queue[0].at <= end {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		w.events++
		e.do()
	}
	w.now = max(w.now, end)
}

// after makes something happen later.
func (w *World) after(d int64, do func()) {
	w.seq++
	heap.Push(&w.queue, event{at: w.now + max(d, 0), seq: w.seq, do: do})
}

// fail ends the run; the first failure is the one that is told.
func (w *World) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at %d.%06d s: %w", w.now/second, w.now%second, fmt.Errorf(format, args...))
		w.logf("FAILED %v", w.err)
	}
}

// logf writes a line into the trace.
func (w *World) logf(format string, args ...any) { w.trace.line(w.now, format, args...) }

// between draws a number from lo to hi.
func between(r *rand.Rand, lo, hi int64) int64 {
	if hi <= lo {
		return lo
	}
	return lo + r.Int64N(hi-lo+1)
}

// oneIn reports true once in n times.
func oneIn(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// pick draws one of a list.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }
