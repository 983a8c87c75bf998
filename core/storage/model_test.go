package storage

import (
	"errors"
	"fmt"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// model is what a store must hold: the promises that were made to the caller.
type model struct {
	h    history   // every record that was appended, in the present lineage
	base position  // where the lineage begins
	min  core.Zxid // everything up to here was synced

	meta     Meta  // as WriteMeta last returned for it
	metaNext *Meta // under way
	snap     core.Zxid
	// other is a second legal state, while an installation is under way.
	other *model
}

func (m *model) clone() *model {
	c := *m
	c.h.all = append([]wire.Record(nil), m.h.all...)
	return &c
}

// check compares what was recovered with the promises. On success the model goes
// on from what is there: what was not synced may be gone.
func (m *model) check(s *Store, rec *Recovered) error {
	err := m.checkOne(s, rec)
	if err != nil && m.other != nil {
		if oerr := m.other.checkOne(s, rec); oerr != nil {
			return fmt.Errorf("neither state fits: %w; %w", err, oerr)
		}
		*m = *m.other
		err = nil
	}
	m.other = nil
	return err
}

func (m *model) checkOne(s *Store, rec *Recovered) error {
	switch {
	case rec.Lost:
		return fmt.Errorf("records are reported lost: %v", rec.Damage)
	case len(rec.Damage) > 0:
		return fmt.Errorf("damage reported: %v", rec.Damage)
	case rec.LastLogged < m.min:
		return fmt.Errorf("the log ends at %v, but %v was synced", rec.LastLogged, m.min)
	case rec.LastLogged > m.h.at.zxid:
		return fmt.Errorf("the log ends at %v, but only %v was appended", rec.LastLogged, m.h.at.zxid)
	case m.snap > 0 && (rec.Snapshot == nil || rec.Snapshot.Zxid < m.snap):
		return fmt.Errorf("snapshot %+v recovered, but %v was committed", rec.Snapshot, m.snap)
	}
	log := m.h.all
	for i := range log {
		if log[i].Zxid > rec.LastLogged {
			log = log[:i]
			break
		}
	}
	want := m.base
	if len(log) > 0 {
		want = position{log[len(log)-1].Zxid, log[len(log)-1].Chain()}
	}
	if (position{rec.LastLogged, rec.LastChain}) != want {
		return fmt.Errorf("the log ends at %v with chain %x, want %+v", rec.LastLogged, rec.LastChain, want)
	}
	base := s.Base()
	if rec.Snapshot == nil && base != 0 || rec.Snapshot != nil && base > rec.Snapshot.Zxid {
		return fmt.Errorf("the log begins at %v, snapshot %+v: a gap", base, rec.Snapshot)
	}
	got, err := replayed(s, base)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	rest := log
	for len(rest) > 0 && rest[0].Zxid <= base {
		rest = rest[1:]
	}
	if err := sameRecords(got, rest); err != nil {
		return err
	}
	if rec.Snapshot != nil {
		if err := readAll(s, *rec.Snapshot); err != nil {
			return fmt.Errorf("read snapshot: %w", err)
		}
	}
	if err := m.checkMeta(s.Meta()); err != nil {
		return err
	}
	m.h.all, m.h.at, m.min = log, want, want.zxid
	if rec.Snapshot != nil {
		m.snap = rec.Snapshot.Zxid
	}
	return nil
}

func (m *model) checkMeta(got Meta) error {
	same := func(a Meta) bool {
		return a.AcceptedEpoch == got.AcceptedEpoch && a.CurrentEpoch == got.CurrentEpoch && a.Voteable == got.Voteable &&
			a.Sid == got.Sid && a.ClusterID == got.ClusterID
	}
	if m.metaNext != nil && same(*m.metaNext) {
		m.meta = *m.metaNext
	} else if !same(m.meta) {
		return fmt.Errorf("meta is %+v, want %+v or %+v", got, m.meta, m.metaNext)
	}
	m.metaNext = nil
	return nil
}

func readAll(s *Store, info SnapshotInfo) error {
	r, err := s.OpenSnapshot(info)
	if err != nil {
		return err
	}
	defer r.Close()
	for i := 0; ; i++ {
		chunk, err := r.Next()
		if err != nil {
			if i == 3 && r.Info() == info {
				return nil
			}
			return fmt.Errorf("after %d chunks: %w", i, err)
		}
		if want := fmt.Sprintf("chunk %d of the state at %v", i, info.Zxid); string(chunk) != want {
			return fmt.Errorf("chunk %q, want %q", chunk, want)
		}
	}
}

// work drives a store and keeps the model in step.
type work struct {
	o   Options
	s   *Store
	m   model
	now time.Duration // as purge is told

	unread int // segments that starts have left
}

func (w *work) open() error {
	s, rec, err := Open(w.o)
	if err != nil {
		return err
	}
	w.s = s
	return w.m.check(s, rec)
}

func (w *work) append(records ...wire.Record) error {
	return w.s.Append(records)
}

func (w *work) sync() error {
	if err := w.s.Sync(); err != nil {
		return err
	}
	w.m.min = w.m.h.at.zxid
	return nil
}

func (w *work) write(n, size int) error {
	if err := w.append(w.m.h.txns(n, size)...); err != nil {
		return err
	}
	return w.sync()
}

func (w *work) epoch(e core.Epoch) error {
	m := w.s.Meta()
	m.AcceptedEpoch = e
	if err := w.writeMeta(m); err != nil {
		return err
	}
	if err := w.append(w.m.h.epoch(e)); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	m.CurrentEpoch, m.Voteable, m.Sid = e, true, 3
	return w.writeMeta(m)
}

func (w *work) writeMeta(m Meta) error {
	w.m.metaNext = &m
	if err := w.s.WriteMeta(m); err != nil {
		return err
	}
	w.m.meta, w.m.metaNext = m, nil
	return nil
}

func (w *work) prepare() error {
	for {
		if more, err := w.s.Prepare(); err != nil || !more {
			return err
		}
	}
}

// snapshot takes one at the durable end. A full disk only costs the snapshot.
func (w *work) snapshot() error {
	at := w.m.h.at
	_, err := snapshot(w.s, at.zxid, at.chain, false)
	if errors.Is(err, ErrDiskLow) && !IsFatal(err) {
		return nil
	}
	if err == nil {
		w.m.snap = at.zxid
	}
	return err
}

func (w *work) abortedSnapshot() error {
	sw, err := w.s.NewSnapshot(SnapshotInfo{Zxid: w.m.h.at.zxid, Chain: w.m.h.at.chain})
	if err == nil {
		err = sw.Write([]byte("half of it"))
		if aerr := sw.Abort(); err == nil {
			err = aerr
		}
	}
	if errors.Is(err, ErrDiskLow) && !IsFatal(err) {
		return nil
	}
	return err
}

func (w *work) truncate(back int) error {
	keep := w.m.h.all[len(w.m.h.all)-1-back]
	w.m.min = min(w.m.min, keep.Zxid)
	if err := w.s.Truncate(keep.Zxid, keep.Chain()); err != nil {
		return err
	}
	w.m.min = keep.Zxid
	w.m.h.all = w.m.h.all[:len(w.m.h.all)-back]
	w.m.h.at = position{keep.Zxid, keep.Chain()}
	return nil
}

// install re-bases the store on a snapshot of another history.
func (w *work) install(z core.Zxid) error {
	info, err := snapshot(w.s, z, 0xabcdef, true)
	if errors.Is(err, ErrDiskLow) && !IsFatal(err) {
		return nil
	}
	if err != nil {
		return err
	}
	next := w.m.clone()
	next.base = position{z, 0xabcdef}
	next.h = history{at: next.base}
	next.min, next.snap = z, z
	w.m.other = next
	if err := w.s.InstallSnapshot(info, nil); err != nil {
		return err
	}
	w.m = *next
	return nil
}

func (w *work) reopen() error {
	if err := w.s.Close(); err != nil {
		return err
	}
	return w.open()
}

// script does everything that a store can do, in an order that makes each step
// meet what the ones before it left.
func (w *work) script() error {
	steps := []func() error{
		w.open,
		func() error { return w.epoch(1) },
		w.prepare,
		func() error { return w.write(4, 120) },
		func() error { return w.append(w.m.h.txns(3, 90)...) }, // synced by the next
		func() error { return w.write(12, 700) },
		w.prepare, // half full: a spare
		func() error { return w.write(10, 500) },
		w.snapshot,
		w.abortedSnapshot,
		w.reopen,
		w.check,
		func() error { return w.write(10, 700) },
		w.prepare,
		func() error { return w.write(8, 900) },
		w.snapshot,
		func() error { return w.write(20, 600) },
		w.purge, // the oldest segment begins to wait for another life
		func() error { return w.write(9, 900) },
		func() error { return w.write(9, 900) }, // in a recycled segment
		func() error { return w.truncate(3) },   // within a batch
		func() error { return w.epoch(2) },
		func() error { return w.write(9, 100) },
		func() error { return w.write(3, 50) },
		func() error { return w.write(3, 50) },
		func() error { return w.truncate(10) }, // within a batch, with batches behind it
		func() error { return w.write(9, 1000) },
		func() error { return w.write(9, 1000) },
		func() error { return w.write(12, 1000) },
		func() error { return w.write(2, 1000) },
		func() error { return w.truncate(27) }, // across three segments
		w.snapshot,
		func() error { return w.write(5, 300) },
		w.reopen,
		w.check, // while segments are unread
		func() error { return w.write(5, 300) },
		w.snapshot,
		w.purge,
		func() error { w.o.SegmentBytes += 8 << 10; return nil }, // the spares are too small now
		w.reopen,
		func() error { return w.install(core.MakeZxid(5, 77)) },
		func() error { return w.write(5, 300) },
		func() error { return w.epoch(6) },
		w.snapshot,
		func() error { return w.s.ReleaseBallast() },
		w.prepare,
		func() error { return w.write(4, 4000) },
		func() error { return w.append(w.m.h.txns(2, 50)...) },
		w.reopen,
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// check reads what the start has left unread.
func (w *work) check() error {
	w.unread += len(unread(w.s))
	for {
		more, damage, err := w.s.CheckOlder()
		if len(damage) > 0 {
			err = fmt.Errorf("older log: %v", damage)
		}
		if err != nil || !more {
			return err
		}
	}
}

func (w *work) purge() error {
	w.now += 4 * time.Minute // so that some snapshots are read again, and some are not
	_, err := w.s.Purge(w.now)
	return err
}

// afterwards goes on after a crash and takes one more: the store must be as good
// as one that never crashed.
func (w *work) afterwards(mem *vfs.Mem) error {
	if err := w.open(); err != nil {
		return fmt.Errorf("first start: %w", err)
	}
	// What was recovered may be voted for at once: it must be durable (Z-05).
	mem.Crash(nil, vfs.CrashPowerLose)
	if err := w.open(); err != nil {
		return fmt.Errorf("start after losing the page cache: %w", err)
	}
	e := max(w.s.Meta().AcceptedEpoch, w.m.h.at.zxid.Epoch()) + 1
	if err := w.epoch(e); err != nil {
		return fmt.Errorf("after the first start: %w", err)
	}
	if err := w.write(3, 200); err != nil {
		return fmt.Errorf("after the first start: %w", err)
	}
	mem.Crash(nil, vfs.CrashPowerLose)
	if err := w.open(); err != nil {
		return fmt.Errorf("second start: %w", err)
	}
	if err := w.write(2, 100); err != nil {
		return fmt.Errorf("after the second start: %w", err)
	}
	r, err := Verify(w.o.FS, w.o.Dir)
	if err != nil || !r.OK() || r.LastLogged != w.m.h.at.zxid {
		return fmt.Errorf("verify: %+v, %w", r, err)
	}
	return w.s.Close()
}
