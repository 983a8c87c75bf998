package storage

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zensus-io/zensus/core"
)

// plan is what recovery will go on with.
type plan struct {
	run      *run // nil: no record is usable
	older    older
	snapshot *SnapshotInfo
	last     position
	damage   []Damage
	lost     bool
}

// decide chooses the snapshot and the stretch of log to go on with. newest is the
// highest zxid that a snapshot file's name claims.
func decide(meta Meta, v *survey, snaps []SnapshotInfo, bad []Damage, newest core.Zxid) (*plan, error) {
	p := &plan{damage: append(bad, v.damage...)}
	for i := len(v.runs) - 1; i >= 0 && p.run == nil; i-- {
		r := v.runs[i]
		for j := range snaps { // newest first
			if z := snaps[j].Zxid; r.covers(z) {
				if r.atSnapshot[z] != snaps[j].Chain {
					return nil, fmt.Errorf("snapshot %v and the log have different histories", z)
				}
				p.run, p.snapshot = r, &snaps[j]
				break
			}
		}
		if p.run == nil && r.base == (position{}) && meta.BaseSnapshotZxid == 0 && len(snaps) == 0 {
			p.run = r
		}
	}
	durable := max(meta.DurableHint, newest)
	if n := len(v.runs); n > 0 && !v.runs[n-1].broken {
		if d, ok := v.runs[n-1].tooShort(meta, durable); ok {
			v.runs[n-1].broken = true
			p.damage = append(p.damage, d)
		}
	}
	switch {
	case p.run != nil:
		p.last = p.run.last()
		p.lost = p.run.broken || p.run != v.runs[len(v.runs)-1]
	case len(snaps) > 0:
		p.snapshot = &snaps[0]
		p.last = position{snaps[0].Zxid, snaps[0].Chain}
		p.lost = true
		p.damage = append(p.damage, Damage{logDirName, 0, fmt.Sprintf("no part of the log goes on from snapshot %v", snaps[0].Zxid)})
	default:
		p.lost = true
		p.damage = append(p.damage, Damage{snapDirName, 0, "no whole snapshot, and the log does not reach back to the beginning"})
	}
	return p, nil
}

// recover finds where the log ends, makes that durable and opens it for appends.
func (s *Store) recover(l *files) (*Recovered, error) {
	mine := func(list []place) (out []place) {
		for _, p := range list {
			if p.lineage == s.meta.Lineage {
				out = append(out, p)
			}
		}
		return out
	}
	segments, snapshots := mine(l.segments), mine(l.snapshots)
	if len(segments) == 0 && s.meta.Fresh {
		return s.begin()
	}
	var at []core.Zxid
	var newest core.Zxid
	for _, p := range snapshots {
		at = append(at, p.zxid)
		newest = p.zxid
	}
	from := behind(segments, newest)
	var good []SnapshotInfo
	var bad []Damage
	var v *survey
	var snapErr, logErr error
	logged := s.opt.Logged
	if len(snapshots) > 0 {
		logged = nil
	}
	s.opt.Both(func() {
		good, bad, snapErr = s.wholeSnapshots(snapshots)
	}, func() {
		v, logErr = surveyLog(s.fs, s.logDir(), s.meta, segments[from:], at, logged)
	})
	if err := errors.Join(snapErr, logErr); err != nil {
		return nil, err
	}
	if from > 0 {
		p, err := decide(s.meta, v, good, bad, newest)
		if err == nil && p.whole(newest) {
			if p.older, err = s.olderSegments(segments[:from], p.run.base); err != nil {
				return nil, err
			}
			return s.carryOut(p, newest)
		}
		// Something is wrong: all of the log is needed to know what.
		if v, err = surveyLog(s.fs, s.logDir(), s.meta, segments, at, nil); err != nil {
			return nil, err
		}
	}
	p, err := decide(s.meta, v, good, bad, newest)
	if err != nil {
		for _, d := range append(bad, v.damage...) { // which may be why
			err = fmt.Errorf("%w; %v", err, d)
		}
		return nil, s.refuse("%v", err)
	}
	return s.carryOut(p, newest)
}

// behind is the first segment that a start from the snapshot at z needs.
func behind(segments []place, z core.Zxid) int {
	for i, p := range slices.Backward(segments) {
		if p.zxid <= z {
			return i
		}
	}
	return 0
}

// whole reports whether nothing is wrong with what the plan goes on with, from the
// snapshot at newest.
func (p *plan) whole(newest core.Zxid) bool {
	return !p.lost && len(p.damage) == 0 && p.run != nil && p.snapshot != nil && p.snapshot.Zxid == newest
}

// readSnapshot reads a snapshot to its end, and hands it to whoever restores it.
func (s *Store) readSnapshot(p place) (SnapshotInfo, error) {
	return restoreSnapshot(s.fs, s.snapDir(), p, s.opt.Restore)
}

// wholeSnapshots checks snapshots newest first until one is whole: the older ones
// are looked at only if that one turns out to be of no use.
func (s *Store) wholeSnapshots(places []place) (good []SnapshotInfo, bad []Damage, err error) {
	for i := len(places) - 1; i >= 0; i-- {
		info, err := s.readSnapshot(places[i])
		switch {
		case err == nil:
			return append(good, info), bad, nil
		case isBadSnapshot(err):
			bad = append(bad, Damage{places[i].name(snapshotSuffix), 0, err.Error()})
		default:
			return nil, nil, fmt.Errorf("storage: recover: %w", err)
		}
	}
	return good, bad, nil
}

// begin starts the log of a new directory.
func (s *Store) begin() (*Recovered, error) {
	f, g, size, err := s.newSegmentFile(s.meta.Lineage, position{s.meta.BaseSnapshotZxid, s.meta.BaseChain})
	if err != nil {
		return nil, fmt.Errorf("storage: make log: %w", err)
	}
	s.last = g.last
	s.activate(f, g, size, true)
	s.setDurable()
	s.mu.lineage = s.meta.Lineage
	return &Recovered{}, nil
}

// carryOut makes the store go on as planned.
func (s *Store) carryOut(p *plan, newest core.Zxid) (*Recovered, error) {
	rec := &Recovered{
		Snapshot: p.snapshot, LastLogged: p.last.zxid, LastChain: p.last.chain,
		Damage: p.damage, Lost: p.lost,
	}
	s.last, s.damaged = p.last, p.lost
	s.mu.lineage, s.mu.newest = s.meta.Lineage, newest
	if p.lost && s.meta.Voteable {
		m := s.meta
		m.Voteable = false
		if err := s.putMeta(m); err != nil {
			return nil, err
		}
	}
	if p.snapshot != nil {
		rec.CommitHint = p.snapshot.Zxid
	}
	rec.Damage = append(rec.Damage, p.older.damage...)
	if p.run != nil {
		if err := s.keep(p, rec); err != nil {
			return nil, fmt.Errorf("storage: recover: %w", err)
		}
	}
	s.durable = s.last
	s.mu.durable = s.last.zxid
	rec.Epochs = slices.Clone(s.epochs)
	return rec, nil
}

// keepOlder takes over the segments in front of a run.
func (s *Store) keepOlder(o *older) {
	if len(o.segments) > 0 && o.segments[0].zxid > 0 {
		s.epochs = noteEpoch(nil, o.segments[0].header.base)
	}
	for _, e := range o.epochs {
		s.epochs = noteEpoch(s.epochs, position{e.Last, e.Chain})
	}
	s.mu.segments = append(s.mu.segments, o.segments...)
}

// keep takes over a run: it cuts a torn tail, unless records are lost, and syncs
// everything it keeps (zab Z-05): what was read may be in the page cache only.
func (s *Store) keep(p *plan, rec *Recovered) error {
	r := p.run
	s.keepOlder(&p.older)
	if r.base.zxid > 0 {
		s.epochs = noteEpoch(s.epochs, r.base)
	}
	for i, g := range r.segments {
		sc := r.scans[i]
		f, err := s.fs.OpenRW(s.segmentPath(g.place))
		if err != nil {
			return err
		}
		last := i == len(r.segments)-1
		if last && !s.damaged && sc.torn() {
			rec.TornBytes = sc.tornBytes
			err = cutSegment(f, g.seal, sc)
			g.end = sc.end
		} else {
			err = f.Sync()
		}
		if err != nil {
			f.Close()
			return err
		}
		rec.Records += sc.records
		rec.CommitHint = max(rec.CommitHint, min(sc.commitHint, s.last.zxid))
		for _, c := range sc.configs {
			if c.Zxid <= s.last.zxid {
				rec.Configs = append(rec.Configs, c)
			}
		}
		for _, e := range sc.epochs {
			s.epochs = noteEpoch(s.epochs, position{e.Last, e.Chain})
		}
		if !last {
			if err := f.Close(); err != nil {
				return err
			}
			s.mu.segments = append(s.mu.segments, g)
			continue
		}
		size, err := f.Size()
		if err != nil {
			f.Close()
			return err
		}
		s.activate(f, g, size, false)
	}
	for _, dir := range []string{s.logDir(), s.snapDir(), s.opt.Dir} {
		if err := s.fs.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}
