package sim

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/zab"
)

// syncMode is how a server comes to the history of an epoch.
type syncMode string

// The modes; a leader brings itself.
const (
	byDiff  syncMode = "DIFF"
	byTrunc syncMode = "TRUNC"
	bySnap  syncMode = "SNAP"
	leads   syncMode = "own epoch"
)

// step is a point between two things that a server does on its disk on its way into an
// epoch (Z-35, Z-37, zab 7.2), where a crash must not matter.
type step string

// The points.
const (
	beforeTruncation step = "before the truncation"
	behindTruncation step = "behind the truncation"
	partWritten      step = "behind a part of a snapshot"
	snapComplete     step = "before the switch to a snapshot"
	snapInPlace      step = "behind the switch to a snapshot"
	recordsWritten   step = "between write and sync of the records"
	recordsSynced    step = "between records and epoch"
	epochWritten     step = "between epoch and ack"
	epochAcked       step = "behind the ack"
)

// stepsOf lists the points that each mode passes.
var stepsOf = map[syncMode][]step{
	byDiff:  {recordsWritten, recordsSynced, epochWritten, epochAcked},
	byTrunc: {beforeTruncation, behindTruncation, recordsWritten, recordsSynced, epochWritten, epochAcked},
	bySnap:  {partWritten, snapComplete, snapInPlace, recordsWritten, recordsSynced, epochWritten, epochAcked},
	leads:   {recordsWritten, recordsSynced, epochWritten},
}

// ahead is a crash that waits for a server to pass a point.
type ahead struct {
	mode syncMode
	step step
}

// stepCrash brings about that a server comes into an epoch in one of the ways, and has
// it crash on its way there.
func (w *World) stepCrash() {
	r := w.faults
	mode := pick(r, byDiff, byTrunc, bySnap, bySnap, leads)
	w.crashOn(ahead{mode, stepsOf[mode][r.IntN(len(stepsOf[mode]))]}, 5)
}

func (w *World) crashOn(at ahead, tries int) {
	r := w.faults
	soon := between(r, 50*millisecond, second)
	var leader *server
	var fit []*server
	for _, s := range w.servers {
		switch {
		case s.up && s.leads():
			leader = s
		case s.up && (at.mode == byDiff || at.mode == bySnap && w.mayLose(s)):
			fit = append(fit, s)
		}
	}
	switch {
	case w.quiet || tries == 0:
	case leader == nil, len(fit) == 0 && (at.mode == byDiff || at.mode == bySnap):
		w.after(400*millisecond, func() { w.crashOn(at, tries-1) })
	case at.mode == leads:
		for _, s := range w.servers {
			s.ahead = at
		}
		leader.restart(soon)
	case at.mode == byTrunc: // it logs what nobody else has, and others lead meanwhile
		leader.ahead = at
		for _, p := range w.pairs {
			if p.ends[0] == leader || p.ends[1] == leader {
				p.cut = [2]bool{true, true}
				w.after(between(r, 0, 200*millisecond), p.end)
			}
		}
		w.after(between(r, 2*second, 5*second), w.joinAll)
	default:
		s := fit[r.IntN(len(fit))]
		s.ahead = at
		s.crash(vfs.CrashProcess)
		if at.mode == bySnap {
			s.wipe()
		}
		s.restartLater(soon)
	}
}

// passes ends the process if a crash waits at this point, and reports whether it did.
func (s *server) passes(at step) bool {
	if s.syncing == "" {
		return false
	}
	s.w.cover.hit("passed " + string(at) + " of " + string(s.syncing))
	if s.ahead.step != at || s.ahead.mode != s.syncing || s.w.quiet {
		return false
	}
	s.w.cover.hit("crash " + string(at) + " of " + string(s.syncing))
	s.ahead = ahead{}
	s.crash(pick(s.w.faults, vfs.CrashProcess, vfs.CrashPowerRandom, vfs.CrashPowerLose, vfs.CrashPowerLose))
	s.restartLater(between(s.w.faults, 50*millisecond, 3*second))
	return true
}

// syncs notes how a server is brought to an epoch, and when it is there.
func (s *server) syncs(from core.PeerID, body []byte) {
	if s.rep.Role() == zab.Looking || s.rep.Status().Leader != from {
		return
	}
	msg, err := zab.DecodeMessage(body)
	if err != nil {
		return
	}
	switch msg.(type) {
	case zab.Diff:
		s.syncing = byDiff
	case zab.Trunc:
		s.syncing = byTrunc
	case zab.Snap:
		s.syncing = bySnap
	case zab.UpToDate:
		s.syncing = ""
	}
}

// watchRole notes what became of a server's role in a Step: elections by what they are
// for, who leads, and whether the server brings itself to an epoch.
func (s *server) watchRole() {
	if s.w.alone() {
		return
	}
	st := s.rep.Status()
	if st.Phase == zab.Synchronization && s.was.Phase == st.Phase && st.Applied > s.was.Applied {
		s.w.cover.hit("applied before it was in step")
	}
	if was := s.was; st.Role != was.Role || st.Zab.Elections != was.Zab.Elections {
		switch {
		case st.Role != zab.Looking:
		case was.Zab.Elections == 0:
			s.w.cover.hit("election at a start")
		case st.Zab.Handed > was.Zab.Handed && s.cfg.Zab.CounterMax > 0 && was.Logged.Counter() >= s.cfg.Zab.CounterMax:
			s.w.cover.hit("election for a used up counter")
		case st.Zab.Handed > was.Zab.Handed && s.low.On:
			s.w.cover.hit("leadership left for a disk that is nearly full")
		case st.Zab.Handed > was.Zab.Handed:
			s.w.cover.hit("election for a hand-over")
		case was.Role == zab.Leading:
			s.w.cover.hit("election of a leader that gave up")
		default:
			s.w.cover.hit("election for a lost leader")
		}
		if was.Role == zab.Leading && st.Role != zab.Leading && was.PendingSyncs > 0 {
			s.w.cover.hit("sync given up with the leadership")
		}
		if s.comes != nil && st.Role == zab.Looking {
			s.w.cover.hit("SNAP interrupted")
		}
	}
	if st.Role == zab.Leading && st.Phase == zab.Broadcast && (s.was.Role != zab.Leading || s.was.Phase != zab.Broadcast) {
		s.w.cover.hit("leader established")
	}
	s.was = st
	switch {
	case st.Role == zab.Looking:
		s.syncing = ""
	case st.Role != zab.Leading:
	case st.Phase == zab.Synchronization:
		s.syncing = leads
	default:
		s.syncing = ""
	}
}

// callsFail has one of the next calls on a server's disk end its process, at times:
// what comes is done in many calls.
func (s *server) callsFail(what string) {
	if !s.w.steps || s.w.quiet || !oneIn(s.w.faults, 3) {
		return
	}
	plan := s.w.crashAt(s.w.faults.IntN(40), pick(s.w.faults, vfs.CrashBefore, vfs.CrashHalf, vfs.CrashAfter))
	s.fs.SetPlan(func(n int, c vfs.Call) vfs.Fate {
		fate := plan(n, c)
		if fate != vfs.Pass {
			s.w.cover.hit("crash in a call of " + what)
		}
		return fate
	})
}
