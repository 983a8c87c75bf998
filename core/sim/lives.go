package sim

import (
	"errors"

	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/zab"
)

// pause makes the server stand still: its inputs wait.
func (s *server) pause(d int64) {
	if !s.up || s.pausedUntil > s.w.now {
		return
	}
	s.w.logf("server %d stands still for %d us", s.id, d)
	s.pausedUntil = s.w.now + d
	life := s.life
	s.w.after(d, func() {
		if !s.up || s.life != life {
			return
		}
		s.pausedUntil = 0
		s.stalls += d/millisecond + 1
		s.steady = s.w.now
		if s.serving {
			s.step(replica.Tick{}) // time is what it hears of first
		}
		waiting := s.waiting
		s.waiting = nil
		for _, do := range waiting {
			if s.up && s.life == life {
				do()
			}
		}
	})
}

// die ends the process as an error of its own makes it end.
func (s *server) die(err error) {
	if !s.up {
		return
	}
	s.w.logf("server %d ends: %v", s.id, err)
	s.w.cover.hit("process ended by the disk")
	if errors.Is(err, vfs.ErrCrashed) {
		s.crash(pick(s.w.faults, vfs.CrashProcess, vfs.CrashPowerRandom, vfs.CrashPowerLose))
	} else {
		s.crash(pick(s.w.faults, vfs.CrashProcess, vfs.CrashPowerRandom))
	}
	s.restartLater(between(s.w.faults, 100*millisecond, 3*second))
}

var zeroEpochs zab.Epochs

// crash takes everything volatile.
func (s *server) crash(mode vfs.CrashMode) {
	if !s.up {
		return
	}
	w := s.w
	w.logf("server %d crashes: %v", s.id, mode)
	w.cover.hit("crash " + mode.String())
	if s.snap != nil {
		w.cover.hit("crash during snapshot")
		s.snap.stop()
		s.snap = nil
	}
	if s.comes != nil {
		w.cover.hit("SNAP interrupted")
		s.comes = nil
	}
	s.up, s.serving = false, false
	s.life++
	s.mem.Crash(w.faults, mode)
	s.stopSending()
	w.forgetLinks(s)
	s.dropLinks()
	w.oracle.crashed()
}

// stop ends the process in good order.
func (s *server) stop() error {
	if s.snap != nil {
		s.snap.stop()
		s.snap = nil
	}
	s.up, s.serving = false, false
	s.life++
	s.stopSending()
	s.w.forgetLinks(s)
	// What the worker had not begun is lost; what it has begun it ends.
	err := s.store.Close()
	if err == nil {
		s.mem.Crash(nil, vfs.CrashProcess)
		s.w.cover.hit("stopped in good order")
	} else {
		s.mem.Crash(s.w.faults, vfs.CrashPowerRandom)
	}
	s.dropLinks()
	s.w.oracle.crashed()
	return err
}

func (s *server) dropLinks() {
	for _, l := range linksOf(s) {
		l.broken(oneIn(s.w.faults, 2))
	}
	s.links = map[replica.ConnID]*link{}
}

// restart kills the process, and starts it again after a while.
func (s *server) restart(d int64) {
	s.crash(vfs.CrashProcess)
	s.restartLater(d)
}

// restartLater starts the process again, and again until it stays up.
func (s *server) restartLater(d int64) {
	s.w.after(d, func() {
		if s.up || s.w.err != nil {
			return
		}
		err := s.boot()
		if err == nil || s.w.err != nil {
			return
		}
		var refused *storage.RefusedError
		if errors.As(err, &refused) {
			s.w.fail("the server refuses to start: %w", err)
			return
		}
		if s.w.quiet && !errors.Is(err, vfs.ErrCrashed) && s.w.now > int64(s.w.opt.Seconds)*second+15*second {
			s.w.fail("the server does not start in quiet times: %w", err)
			return
		}
		s.mem.Crash(s.w.faults, pick(s.w.faults, vfs.CrashProcess, vfs.CrashPowerRandom))
		s.restartLater(between(s.w.faults, 200*millisecond, 2*second))
	})
}
