package storage

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// run is a stretch of the log without a gap: segments of which each begins where
// the one before it ends.
type run struct {
	base     position
	segments []*segment
	scans    []*scan
	// atSnapshot holds the chain at each snapshot's zxid that the run passes.
	atSnapshot map[core.Zxid]uint64
	// broken: durable records followed, or may have followed, the end.
	broken bool
}

func (r *run) last() position { return r.scans[len(r.scans)-1].last }

// tail is the base of the newest segment.
func (r *run) tail() core.Zxid { return r.segments[len(r.segments)-1].zxid }

// tooShort reports whether the newest run must once have gone on, and what says so.
func (r *run) tooShort(meta Meta, durable core.Zxid) (Damage, bool) {
	last := len(r.segments) - 1
	switch {
	case r.tail() < meta.LogTail:
		return Damage{place{meta.Lineage, meta.LogTail}.name(segmentSuffix), 0, "the segment is missing"}, true
	case r.last().zxid < durable:
		what := fmt.Sprintf("the log ends at %v, but %v had been durable", r.last().zxid, durable)
		return Damage{r.segments[last].name(segmentSuffix), r.scans[last].end, what}, true
	}
	return Damage{}, false
}

// covers reports whether a state at p goes on in the run.
func (r *run) covers(z core.Zxid) bool { return r.base.zxid <= z && z <= r.last().zxid }

// survey is what reading all of the log found, without changing anything.
type survey struct {
	runs   []*run
	damage []Damage
}

// surveyLog reads the segments of one lineage. at lists the zxids, ascending, at
// which the chain is wanted. Its errors are the file system's, or a RefusedError.
func surveyLog(fs vfs.FS, logDir string, meta Meta, places []place, at []core.Zxid) (*survey, error) {
	v := &survey{}
	var cur *run
	for i, p := range places {
		name := p.name(segmentSuffix)
		g, sc, chains, bad, err := readSegment(fs, filepath.Join(logDir, name), p, meta, at)
		if err != nil {
			return nil, err
		}
		if bad != nil {
			v.damage = append(v.damage, Damage{name, 0, bad.Error()})
			if cur != nil {
				cur.broken = true
			}
			cur = nil
			continue
		}
		if cur != nil && cur.last() != g.header.base {
			cur.broken = true
			prev := cur.scans[len(cur.scans)-1]
			what := fmt.Sprintf("the log ends at %v, but the next segment goes on from %v", cur.last().zxid, g.header.base.zxid)
			v.damage = append(v.damage, Damage{cur.segments[len(cur.segments)-1].name(segmentSuffix), prev.end, what})
			cur = nil
		}
		if cur == nil {
			cur = &run{base: g.header.base, atSnapshot: map[core.Zxid]uint64{}}
			v.runs = append(v.runs, cur)
		}
		cur.segments = append(cur.segments, g)
		cur.scans = append(cur.scans, sc)
		for z, c := range chains {
			cur.atSnapshot[z] = c
		}
		if i == len(places)-1 && sc.later {
			cur.broken = true
			v.damage = append(v.damage, Damage{name, sc.end, "no valid record, but a later batch follows"})
		}
	}
	return v, nil
}

// readSegment reads one segment from front to back.
func readSegment(fs vfs.FS, path string, p place, meta Meta, at []core.Zxid) (g *segment, sc *scan, chains map[core.Zxid]uint64, bad, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, nil, nil, nil, fmt.Errorf("storage: recover: %w", err)
	}
	defer f.Close()
	h, bad, err := readSegmentHeader(f)
	if err != nil {
		return nil, nil, nil, nil, fmt.Errorf("storage: recover: %w", err)
	}
	size, err := f.Size()
	if err != nil {
		return nil, nil, nil, nil, fmt.Errorf("storage: recover: %w", err)
	}
	switch {
	case bad != nil:
		return nil, nil, nil, bad, nil
	case size < headerBytes:
		return nil, nil, nil, fmt.Errorf("it ends within its header"), nil
	case h.dataDirID != meta.DataDirID:
		return nil, nil, nil, nil, &RefusedError{Dir: filepath.Dir(filepath.Dir(path)),
			Reason: fmt.Sprintf("segment %s belongs to another data directory", filepath.Base(path))}
	case h.lineage != p.lineage || h.base.zxid != p.zxid:
		return nil, nil, nil, fmt.Errorf("header is of segment %s", place{h.lineage, h.base.zxid}.name(segmentSuffix)), nil
	}
	chains = map[core.Zxid]uint64{}
	note := func(q position) {
		if _, ok := slices.BinarySearch(at, q.zxid); ok {
			chains[q.zxid] = q.chain
		}
	}
	note(h.base)
	sc, err = scanSegment(f, h, size, 0, func(_ *wire.Record, q position) { note(q) })
	if err != nil {
		return nil, nil, nil, nil, fmt.Errorf("storage: recover: %w", err)
	}
	if sc.torn() {
		// Before anything is cut it is read again: a bit that flipped on the way from
		// the disk must not cost an acknowledged record.
		again, err := scanSegment(f, h, size, 0, func(_ *wire.Record, q position) { note(q) })
		if err != nil {
			return nil, nil, nil, nil, fmt.Errorf("storage: recover: %w", err)
		}
		if again.end > sc.end || again.end == sc.end && !again.torn() {
			sc = again
		}
	}
	g = newSegment(h)
	g.end, g.last, g.index = sc.end, sc.last, sc.index
	return g, sc, chains, nil, nil
}

// plan is what recovery will go on with.
type plan struct {
	run      *run // nil: no record is usable
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
	good, bad, err := s.wholeSnapshots(snapshots)
	if err != nil {
		return nil, err
	}
	var at []core.Zxid
	var newest core.Zxid
	for _, p := range snapshots {
		at = append(at, p.zxid)
		newest = p.zxid
	}
	v, err := surveyLog(s.fs, s.logDir(), s.meta, segments, at)
	if err != nil {
		return nil, err
	}
	p, err := decide(s.meta, v, good, bad, newest)
	if err != nil {
		return nil, s.refuse("%v", err)
	}
	return s.carryOut(p, newest)
}

// wholeSnapshots checks snapshots newest first until one is whole: the older ones
// are looked at only if that one turns out to be of no use.
func (s *Store) wholeSnapshots(places []place) (good []SnapshotInfo, bad []Damage, err error) {
	for i := len(places) - 1; i >= 0; i-- {
		info, err := verifySnapshot(s.fs, s.snapDir(), places[i])
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
	if p.run != nil {
		if err := s.keep(p.run, rec); err != nil {
			return nil, fmt.Errorf("storage: recover: %w", err)
		}
	}
	s.durable = s.last
	s.mu.durable = s.last.zxid
	rec.Epochs = slices.Clone(s.epochs)
	return rec, nil
}

// keep takes over a run: it cuts a torn tail, unless records are lost, and syncs
// everything it keeps (zab Z-05): what was read may be in the page cache only.
func (s *Store) keep(r *run, rec *Recovered) error {
	if r.base.zxid > 0 {
		s.epochs = noteEpoch(nil, r.base)
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
