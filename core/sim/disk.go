package sim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// diskWork is what outputs have asked of the disk and it has not begun, as in
// core/node.
type diskWork struct {
	generation   uint64
	loadSnapshot bool
	installs     []zab.Snap
	truncate     *zab.Position
	appends      []wire.Record
	epochs       *zab.Epochs
}

func (w *diskWork) add(out *replica.Output) {
	w.generation = out.Generation
	w.appends = append(w.appends, out.Append...)
	w.loadSnapshot = w.loadSnapshot || out.LoadSnapshot
	w.installs = append(w.installs, out.Install...)
	if out.Truncate != nil {
		w.truncate = out.Truncate
	}
	if out.Epochs != nil {
		w.epochs = out.Epochs
	}
}

func (w *diskWork) empty() bool {
	return len(w.appends) == 0 && !w.loadSnapshot && w.epochs == nil &&
		w.truncate == nil && len(w.installs) == 0
}

// beginsEpoch reports whether the marker of an epoch is among the records.
func (w *diskWork) beginsEpoch() bool {
	return slices.ContainsFunc(w.appends, func(r wire.Record) bool { return r.Kind == wire.RecordEpoch })
}

func (w *diskWork) payloadBytes() (n int) {
	for i := range w.appends {
		n += len(w.appends[i].Payload)
	}
	return n
}

// latency is how long one step of the disk takes; now and then it takes long.
func (s *server) latency() int64 {
	d := between(s.w.disk, s.speed.lo, s.speed.hi)
	if s.slowUntil > s.w.now && !s.w.quiet {
		d += between(s.w.disk, 10*millisecond, s.slowUntil-s.w.now)
		s.w.slowUntil = max(s.w.slowUntil, s.w.now+d)
	}
	if oneIn(s.w.disk, 400) && !s.w.quiet {
		d += between(s.w.disk, 0, 700*millisecond)
		s.w.cover.hit("slow sync")
	}
	return d
}

// startDisk gives the worker what waits, if it has nothing to do. Its steps take
// time, during which further work waits and grows.
func (s *server) startDisk() {
	if s.busy || s.pend.empty() {
		return
	}
	s.busy = true
	job := s.pend
	s.pend = diskWork{}
	if len(job.appends) > 1 {
		s.w.cover.hit("batch grew during a sync")
	}
	s.load(&job)
}

// Each step does its part when its time has come and then goes on to the next.

func (s *server) load(job *diskWork) {
	if !job.loadSnapshot {
		s.installParts(job)
		return
	}
	s.after(s.latency(), func() {
		s.w.cover.hit("snapshot restored")
		s.installParts(job)
		from := s.restored
		s.restored = replica.Restored{}
		s.step(replica.SnapshotLoaded{State: from.State, Txns: from.Txns, Bytes: from.Bytes})
	})
}

func (s *server) append(job *diskWork) {
	if len(job.appends) == 0 {
		s.writeMeta(job)
		return
	}
	last := job.appends[len(job.appends)-1].Zxid
	tell := func() { s.step(replica.Synced{Generation: job.generation, UpTo: last}) }
	if s.w.opt.Mutant == AsyncLogThenAck {
		s.after(0, tell)
	}
	s.after(s.latency()/4, func() {
		if err := s.store.Append(job.appends); err != nil {
			s.diskFailed(err)
			return
		}
		if s.passes(recordsWritten) {
			return
		}
		if s.cut && !s.w.quiet && job.payloadBytes() > 700 { // several sectors: it can tear
			s.w.cover.hit("power lost between write and sync")
			s.crash(pick(s.w.faults, vfs.CrashPowerRandom, vfs.CrashPowerRandom, vfs.CrashPowerLose))
			s.restartLater(between(s.w.faults, 50*millisecond, 3*second))
			return
		}
		s.after(s.latency(), func() {
			if err := s.store.Sync(); err != nil {
				s.diskFailed(err)
				return
			}
			s.synced = last
			if (job.beginsEpoch() || s.syncing == bySnap) && s.passes(recordsSynced) {
				return
			}
			s.writeMeta(job)
			if s.w.opt.Mutant != AsyncLogThenAck {
				tell()
			}
		})
	})
}

func (s *server) writeMeta(job *diskWork) {
	if job.epochs == nil {
		s.diskDone()
		return
	}
	s.after(s.latency(), func() {
		m := s.store.Meta()
		m.AcceptedEpoch, m.CurrentEpoch, m.Voteable = job.epochs.Accepted, job.epochs.Current, job.epochs.Voteable
		if err := s.store.WriteMeta(m); err != nil {
			s.diskFailed(err)
			return
		}
		s.w.oracle.keptEpochs(s, s.lastEpochs, *job.epochs)
		accepts := job.epochs.Current > s.lastEpochs.Current
		s.lastEpochs = *job.epochs
		if accepts && s.passes(epochWritten) {
			return
		}
		s.diskDone()
		s.step(replica.MetaSynced{Generation: job.generation})
	})
}

// readBatch is how many records come in one input: few, so that inputs come between.
const readBatch = 20

// readLog reads a part of the log beside what else the disk does: who reads has begun
// before that, and goes on when it has perhaps cut the log.
func (s *server) readLog(want replica.LogRange) {
	log, err := s.store.NewCursor(want.After)
	s.after(s.latency(), func() {
		var records []wire.Record
		if err == nil {
			records, err = readUpTo(log, want.UpTo)
			err = errors.Join(err, log.Close())
		}
		switch {
		case errors.Is(err, storage.ErrGone), errors.Is(err, storage.ErrMismatch):
			s.w.cover.hit("log gone while the server reads it")
			s.step(replica.LogRead{Generation: want.Generation, Gone: true})
		case err != nil:
			s.diskFailed(fmt.Errorf("read the log after %v up to %v: %w", want.After, want.UpTo, err))
		default:
			s.w.opt.Mutant.spoilLog(records)
			s.sendLog(want.Generation, records)
		}
	})
}

// readUpTo reads what the log has up to a zxid.
func readUpTo(log *storage.Cursor, upTo core.Zxid) (records []wire.Record, err error) {
	for {
		some, err := log.Next(64 << 10)
		if err != nil || len(some) == 0 {
			return records, err
		}
		for _, r := range some {
			if r.Zxid > upTo {
				return records, nil
			}
			r.Payload = append([]byte(nil), r.Payload...)
			records = append(records, r)
		}
	}
}

func (s *server) sendLog(generation uint64, records []wire.Record) {
	n := min(readBatch, len(records))
	in := replica.LogRead{Generation: generation, Records: records[:n:n], Done: n == len(records)}
	if !in.Done {
		s.after(between(s.w.disk, 0, millisecond), func() { s.sendLog(generation, records[n:]) })
	}
	s.step(in)
}

func (s *server) diskDone() {
	s.busy = false
	s.startDisk()
}

// diskFailed ends the process: nobody acknowledges anything after a failed write
// or sync (Z-06). That the store goes on saying so is checked.
func (s *server) diskFailed(err error) {
	if s.store.Append(nil) == nil && storage.IsFatal(err) {
		s.w.fail("the store goes on after %w", err)
	}
	s.die(err)
}

// idleLater gives the store its idle moments.
func (s *server) idleLater() {
	s.after(between(s.w.disk, 50*millisecond, 500*millisecond), func() {
		if !s.busy {
			more, err := s.store.Prepare()
			if err == nil && !more {
				err = s.checkOlder()
			}
			if err != nil {
				s.diskFailed(err)
				return
			}
		}
		s.idleLater()
	})
}

// checkOlder reads a piece of the log that the start has left unread.
func (s *server) checkOlder() error {
	more, damage, err := s.store.CheckOlder()
	if more {
		s.w.cover.hit("older log checked")
	}
	for _, d := range damage {
		s.w.cover.hit("damage reported")
		s.w.logf("damage: %v", d)
	}
	return err
}

// checkAllOlder reads all of that.
func (s *server) checkAllOlder() error {
	for range 1 << 20 {
		if more, _, err := s.store.CheckOlder(); err != nil || !more {
			return err
		}
	}
	return errors.New("the check of older log does not end")
}

// lookLater looks now and then at how much room is left.
func (s *server) lookLater() {
	s.after(between(s.w.disk, 200*millisecond, 500*millisecond), func() {
		err := s.store.DiskLow()
		if err != nil && !errors.Is(err, storage.ErrDiskLow) {
			s.diskFailed(err)
			return
		}
		if low := (replica.DiskLow{On: err != nil, Scarce: errors.Is(err, storage.ErrDiskScarce)}); low != s.low {
			if low.Scarce {
				s.w.cover.hit("disk scarce")
			}
			s.low, s.lowUntil = low, s.w.now
			s.step(low)
		}
		s.lookLater()
	})
}
