package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/vfs"
)

// FaultKind names a fault.
type FaultKind string

// The faults.
const (
	FaultKill      FaultKind = "kill"
	FaultPower     FaultKind = "power"
	FaultAtCall    FaultKind = "crash at a call"
	FaultFsync     FaultKind = "fsync error"
	FaultEIO       FaultKind = "i/o error"
	FaultFull      FaultKind = "disk full"
	FaultFlip      FaultKind = "bit flip"
	FaultClock     FaultKind = "clock jump"
	FaultPause     FaultKind = "pause"
	FaultStop      FaultKind = "stop"
	FaultBootCrash FaultKind = "crash while starting"
)

// Those of an ensemble.
const (
	FaultPartition FaultKind = "partition"
	FaultOneWay    FaultKind = "one-way cut"
	FaultLink      FaultKind = "link broken"
	FaultMany      FaultKind = "several killed"
	FaultLeader    FaultKind = "leader killed"
	FaultWipe      FaultKind = "disk lost"
	FaultStep      FaultKind = "crash on the way into an epoch"
	FaultSlow      FaultKind = "slow disk"
	FaultLeft      FaultKind = "leader left behind"
)

var ensembleFaults = []FaultKind{FaultPartition, FaultOneWay, FaultLink, FaultMany, FaultLeader, FaultWipe, FaultStep, FaultSlow, FaultLeft}

var allFaults = []FaultKind{
	FaultKill, FaultPower, FaultAtCall, FaultFsync, FaultEIO, FaultFull, FaultFlip, FaultClock, FaultPause, FaultStop,
	FaultBootCrash,
}

// planFaults lets a random subset of the faults happen, one every few seconds.
func (w *World) planFaults() {
	var kinds []FaultKind
	all := allFaults
	if !w.alone() {
		all = append(slices.Clone(allFaults), ensembleFaults...)
	}
	for _, k := range all {
		if w.opt.Only == k || w.opt.Only == "" && !oneIn(w.faults, 3) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		kinds = []FaultKind{FaultKill, FaultPower}
	}
	w.steps = slices.Contains(kinds, FaultStep)
	var next func()
	next = func() {
		if w.quiet || w.err != nil {
			return
		}
		s := w.servers[w.faults.IntN(len(w.servers))]
		kind := kinds[w.faults.IntN(len(kinds))]
		if s.up {
			w.logf("fault: %s", kind)
			w.cover.hit("fault " + string(kind))
			w.strike(s, kind)
		}
		w.after(between(w.faults, 500*millisecond, 4*second), next)
	}
	w.after(between(w.faults, 2*second, 5*second), next)
}

func (w *World) strike(s *server, kind FaultKind) {
	r := w.faults
	soon := between(r, 50*millisecond, 3*second)
	switch kind {
	case FaultKill:
		s.restart(soon)
	case FaultPower:
		if s.cut = !oneIn(r, 3); s.cut {
			return
		}
		s.crash(pick(r, vfs.CrashPowerRandom, vfs.CrashPowerRandom, vfs.CrashPowerLose, vfs.CrashPowerKeep))
		s.restartLater(soon)
	case FaultAtCall, FaultBootCrash:
		// The process ends at the nth call from now, before, in the middle or after, or
		// at one of the next calls of a kind.
		fate := pick(r, vfs.CrashBefore, vfs.CrashHalf, vfs.CrashAfter)
		if nth := r.IntN(60); oneIn(r, 2) || len(w.points) == 0 {
			s.fs.SetPlan(w.crashAt(nth, fate))
		} else {
			at := w.points[r.IntN(len(w.points))]
			s.fs.SetPlan(w.counted(vfs.Nth(at.Op, at.Class, nth%3, false, fate)))
		}
		if kind == FaultBootCrash {
			s.crash(pick(r, vfs.CrashProcess, vfs.CrashPowerRandom))
			s.restartLater(soon)
		}
	case FaultFsync:
		s.fs.SetPlan(vfs.Nth(vfs.OpSync, pick(r, "segment", "segment", "meta", ""), r.IntN(10), false, vfs.FailEIO))
		if oneIn(r, 2) { // and what the disk has not kept is lost a little later
			w.after(soon, func() {
				if s.up && !w.quiet {
					s.crash(vfs.CrashPowerLose)
					s.restartLater(soon)
				}
			})
		}
	case FaultEIO:
		op := pick(r, vfs.OpWrite, vfs.OpRename, vfs.OpSyncDir, vfs.OpCreate, vfs.OpWrite)
		s.fs.SetPlan(vfs.Nth(op, "", r.IntN(10), false, pick(r, vfs.FailEIO, vfs.FailEIOAfter)))
	case FaultFull:
		s.mem.SetQuota(s.mem.Used() + between(r, 0, 200<<10))
		// Where the log takes the room of a snapshot, which no other fault brings about.
		if fate := pick(r, vfs.Pass, vfs.CrashBefore, vfs.CrashAfter); fate != vfs.Pass {
			s.fs.SetPlan(w.counted(vfs.Nth(vfs.OpTruncate, "snaptemp", 0, false, fate)))
		}
		w.after(between(r, second, 10*second), func() {
			s.mem.SetQuota(-1)
			w.cover.hit("disk full recovered")
		})
	case FaultFlip:
		if w.alone() || w.mayLose(s) {
			w.flip(s)
		}
	case FaultPartition, FaultOneWay, FaultLink:
		w.cutNetwork(kind)
	case FaultMany:
		for _, s := range w.servers {
			if s.up && oneIn(r, 2) {
				s.crash(pick(r, vfs.CrashProcess, vfs.CrashPowerRandom, vfs.CrashPowerLose))
				s.restartLater(between(r, 50*millisecond, 5*second))
			}
		}
	case FaultLeader:
		for _, s := range w.servers {
			if s.up && s.leads() {
				s.crash(pick(r, vfs.CrashProcess, vfs.CrashPowerRandom))
				s.restartLater(soon)
			}
		}
	case FaultWipe:
		if oneIn(r, 3) {
			w.wipeBehind()
		} else if oneIn(r, 3) {
			w.wipeHelper()
		} else if w.mayLose(s) {
			s.loseDisk(soon)
		}
	case FaultLeft:
		if oneIn(r, 3) {
			w.overtake()
		} else {
			w.leaveLeader()
		}
	case FaultStep:
		w.stepCrash()
	case FaultSlow:
		s.slowUntil = w.now + between(r, 200*millisecond, 8*second)
	case FaultClock:
		if s.wallStuck = 0; !w.alone() && oneIn(r, 3) {
			s.wallStuck = s.servedAt // it shows the same time as at the first start
			s.restart(soon)
			return
		}
		s.wallOffset += between(r, -3*3600*1000, 3*3600*1000)
		if oneIn(r, 3) {
			s.wallOffset = -w.now / millisecond // the clock begins where it began
		}
	case FaultPause:
		s.pause(between(r, 10*millisecond, 3*int64(s.cfg.TickMillis)*millisecond))
	case FaultStop:
		if err := s.stop(); err != nil && !errors.Is(err, vfs.ErrCrashed) && !storage.IsFatal(err) {
			w.logf("close: %v", err)
		}
		s.restartLater(soon)
	}
}

// crashAt ends the process at the nth call.
func (w *World) crashAt(nth int, fate vfs.Fate) func(int, vfs.Call) vfs.Fate {
	seen := -1
	return w.counted(func(int, vfs.Call) vfs.Fate {
		if seen++; seen == nth {
			return fate
		}
		return vfs.Pass
	})
}

// counted counts where a plan ends a process.
func (w *World) counted(plan func(int, vfs.Call) vfs.Fate) func(int, vfs.Call) vfs.Fate {
	return func(n int, c vfs.Call) vfs.Fate {
		fate := plan(n, c)
		if fate != vfs.Pass {
			w.cover.hit("crash at " + c.Op.String() + " of " + c.Class)
		}
		return fate
	}
}

// point notes a call that changes a disk: a point at which a process can end.
func (w *World) point(op vfs.Op, name string) {
	at := vfs.Call{Op: op, Class: storage.FileClass(name)}
	switch op {
	case vfs.OpOpen, vfs.OpRead, vfs.OpReadDir, vfs.OpLock:
		return
	}
	w.cover.hit("call " + op.String() + " of " + at.Class)
	if !slices.Contains(w.points, at) {
		w.points = append(w.points, at)
	}
}

// bootPlan is the fault of a start: at times it is cut short at one of its calls, and the
// first while it does what only a first one does as a rule.
func (w *World) bootPlan(s *server) func(int, vfs.Call) vfs.Fate {
	if s.life == 1 && w.opt.Mutant == "" && oneIn(w.firsts, 12) {
		at := pick(w.firsts, vfs.Call{Op: vfs.OpCreate, Class: "ballast"}, vfs.Call{Op: vfs.OpCreate, Class: "meta"})
		return w.counted(vfs.Nth(at.Op, at.Class, 0, false, pick(w.firsts, vfs.CrashBefore, vfs.CrashHalf, vfs.CrashAfter)))
	}
	if w.quiet || s.life == 1 || !oneIn(w.faults, 6) || w.opt.Mutant != "" {
		return nil
	}
	w.cover.hit("start with a crash ahead")
	return w.crashAt(w.faults.IntN(40), pick(w.faults, vfs.CrashBefore, vfs.CrashHalf, vfs.CrashAfter))
}

// flip stops the server in good order, inverts a bit somewhere at rest, and
// starts it: the damage is told of and the start refused, or nothing is lost.
// A server that is alone cannot repair itself, so the operator then brings the
// files back.
func (w *World) flip(s *server) {
	if err := s.stop(); err != nil {
		s.restartLater(100 * millisecond)
		return
	}
	files := s.mem.Files()
	var target vfs.FileInfo
	for range 20 {
		target = files[w.faults.IntN(len(files))]
		if target.Bytes > 0 && !strings.Contains(target.Name, "spare") && !strings.HasSuffix(target.Name, "ballast") &&
			(w.opt.Mutant != PurgeByCount || strings.Contains(target.Name, "/snap/")) {
			break
		}
	}
	if target.Bytes == 0 {
		s.restartLater(100 * millisecond)
		return
	}
	backup := s.mem.Clone()
	end := target.Bytes
	if storage.FileClass(target.Name) == "segment" {
		end = min(end, 20<<10) // most of a segment is zeros
	}
	off := w.faults.Int64N(end)
	if err := s.mem.Flip(target.Name, off, 1<<w.faults.IntN(8)); err != nil {
		w.fail("flip: %w", err)
		return
	}
	before := s.flipped[target.Name]
	s.flipped[target.Name] = true
	class := storage.FileClass(target.Name)
	w.logf("a bit of %s at %d is flipped", target.Name, off)
	w.cover.hit("bit flipped in " + class)
	w.after(100*millisecond, func() {
		if w.err != nil || s.up {
			return
		}
		err := s.boot()
		if err == nil || w.err != nil {
			return
		}
		if errors.Is(err, vfs.ErrCrashed) {
			s.mem.Crash(w.faults, vfs.CrashProcess)
		} else {
			w.cover.hit("damage refused")
			if class == "snapshot" && s.wholeSnapshot(files) {
				w.fail("one snapshot of several is damaged and the server does not start: %w", err)
				return
			}
		}
		s.mem = backup
		s.flipped[target.Name] = before
		s.restartLater(100 * millisecond)
	})
}

// wholeSnapshot reports whether there is a snapshot of which no bit was ever flipped: a
// server that reads the newest one does not notice what is wrong with those before.
func (s *server) wholeSnapshot(files []vfs.FileInfo) bool {
	return slices.ContainsFunc(files, func(f vfs.FileInfo) bool {
		return storage.FileClass(f.Name) == "snapshot" && !s.flipped[f.Name]
	})
}

// calm ends the faults.
func (w *World) calm() {
	w.quiet = true
	w.joinAll()
	for _, s := range w.servers {
		s.wallStuck = 0
		s.mem.SetQuota(-1)
		if s.fs != nil {
			s.fs.SetPlan(nil)
		}
		if !s.up {
			s.restartLater(100 * millisecond)
		}
	}
}

// finish asks, after a quiet time, whether everything is as it should be.
func (w *World) finish() {
	if w.err != nil {
		return
	}
	var first *server
	for _, s := range w.servers {
		if !s.up || !s.serving {
			w.fail("server %d does not serve after %d quiet seconds (C11): %s", s.id, quietSeconds, w.standing())
			return
		}
		w.oracle.compare(s)
		if first == nil {
			first = s
		}
		if s.model.Applied != first.model.Applied {
			w.fail("server %d has applied %v, server %d %v, when all is at rest", s.id, s.model.Applied, first.id, first.model.Applied)
		}
	}
	for _, c := range w.clients {
		if w.now-c.readyAt > 10*second {
			w.fail("client %d (%s) has no session after %d quiet seconds (C11): %s", c.id, c.kind, quietSeconds, c.state())
		}
		if c.picture != nil && w.err == nil {
			if err := c.picture.compare(); err != nil {
				w.fail("client %d: %w", c.id, err)
			}
		}
		if len(c.pending) > 0 && w.now-c.pending[0].call > 5*second {
			w.fail("client %d (%s) waits for a reply since %d s (C11)", c.id, c.kind, (w.now-c.pending[0].call)/second)
		}
	}
	if w.err != nil {
		return
	}
	for _, c := range w.clients { // what is under way may or may not have happened
		for _, q := range c.pending {
			if q.done != nil {
				q.done(&reply{lost: true, at: w.now})
			}
		}
		c.pending = nil
	}
	if err := w.history.linearizable(); err != nil {
		w.fail("%w", err)
	}
	w.cover.hit("run to the end")
}

// state tells how a client stands.
func (c *client) state() string {
	text := fmt.Sprintf("session %v, last %v, welcomed %v", c.session, c.last, c.welcomed)
	if c.link != nil {
		text += fmt.Sprintf(", linked with server %d, told %v", c.link.s.id, c.link.told.welcomed)
	}
	for _, s := range c.w.servers {
		text += "; " + c.w.oracle.whyAlive(s, c.session)
	}
	return text
}

// standing tells how all servers stand.
func (w *World) standing() string {
	var text strings.Builder
	for _, s := range w.servers {
		if !s.up {
			fmt.Fprintf(&text, "%d is down; ", s.id)
			continue
		}
		z, m := s.rep.Status(), s.rep.Members()
		fmt.Fprintf(&text, "%d: %v %v of %d, epochs %+v, serving %v, logged %v, committed %v, members %v of %v; ",
			s.id, z.Role, z.Phase, z.Leader, z.Epochs, s.serving, z.Logged, z.Committed, slices.Collect(m.Voters.All()), m.Version)
	}
	return text.String()
}
