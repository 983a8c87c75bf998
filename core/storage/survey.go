package storage

import (
	"errors"
	"fmt"
	"maps"
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

// survey is what reading the log found, from some segment on, without changing anything.
type survey struct {
	runs   []*run
	damage []Damage
}

// surveyLog reads the segments of one lineage. at lists the zxids, ascending, at
// which the chain is wanted. Its errors are the file system's, or a RefusedError. logged,
// which may be nil, is that of the options.
func surveyLog(fs vfs.FS, logDir string, meta Meta, places []place, at []core.Zxid, logged func(*wire.Record)) (*survey, error) {
	v := &survey{}
	var cur *run
	for i, p := range places {
		name := p.name(segmentSuffix)
		rd, err := readSegment(fs, filepath.Join(logDir, name), p, meta, at, logged)
		if err != nil {
			return nil, err
		}
		if rd.bad != nil {
			v.damage = append(v.damage, Damage{name, 0, rd.bad.Error()})
			if cur != nil {
				cur.broken = true
			}
			cur = nil
			continue
		}
		g, sc := rd.segment, rd.scan
		if cur != nil && cur.last() != g.header.base {
			cur.broken = true
			n := len(cur.segments) - 1
			v.damage = append(v.damage, endsEarly(cur.segments[n].place, cur.scans[n], g.header.base))
			cur = nil
		}
		if cur == nil {
			cur = &run{base: g.header.base, atSnapshot: map[core.Zxid]uint64{}}
			v.runs = append(v.runs, cur)
		}
		cur.segments = append(cur.segments, g)
		cur.scans = append(cur.scans, sc)
		maps.Copy(cur.atSnapshot, rd.chains)
		if i == len(places)-1 && sc.later {
			cur.broken = true
			v.damage = append(v.damage, Damage{name, sc.end, "no valid record, but a later batch follows"})
		}
	}
	return v, nil
}

// reading is one segment as it was read from front to back; bad says why there is
// nothing to be read from it.
type reading struct {
	segment *segment
	scan    *scan
	chains  map[core.Zxid]uint64 // at the zxids that were asked for
	bad     error
}

// checkSegmentHeader reads the header of the segment that is said to be p. bad says
// why there is nothing to be read from it.
func checkSegmentHeader(f vfs.File, path string, p place, meta Meta) (h segmentHeader, size int64, bad, err error) {
	h, bad, err = readSegmentHeader(f)
	if err == nil {
		size, err = f.Size()
	}
	if err != nil {
		return h, size, nil, fmt.Errorf("storage: recover: %w", err)
	}
	switch {
	case bad != nil:
	case size < headerBytes:
		bad = errors.New("it ends within its header")
	case h.dataDirID != meta.DataDirID:
		err = &RefusedError{
			Dir:    filepath.Dir(filepath.Dir(path)),
			Reason: fmt.Sprintf("segment %s belongs to another data directory", filepath.Base(path)),
		}
	case h.lineage != p.lineage || h.base.zxid != p.zxid:
		bad = fmt.Errorf("header is of segment %s", place{h.lineage, h.base.zxid}.name(segmentSuffix))
	}
	return h, size, bad, err
}

// readSegment reads one segment. A file that cannot be read is an error, never the
// end of the log.
func readSegment(fs vfs.FS, path string, p place, meta Meta, at []core.Zxid, logged func(*wire.Record)) (*reading, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("storage: recover: %w", err)
	}
	defer f.Close()
	h, size, bad, err := checkSegmentHeader(f, path, p, meta)
	if err != nil {
		return nil, err
	}
	if bad != nil {
		return &reading{bad: bad}, nil
	}
	r := &reading{segment: newSegment(h), chains: map[core.Zxid]uint64{}}
	note := func(q position) {
		if _, ok := slices.BinarySearch(at, q.zxid); ok {
			r.chains[q.zxid] = q.chain
		}
	}
	note(h.base)
	read := func() (*scan, error) {
		sc, err := scanSegment(f, h, size, 0, func(rec *wire.Record, q position) {
			note(q)
			if logged != nil {
				logged(rec)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("storage: recover: %w", err)
		}
		return sc, nil
	}
	if r.scan, err = read(); err != nil {
		return nil, err
	}
	if r.scan.torn() {
		// Before anything is cut it is read again: a bit that flipped on the way from
		// the disk must not cost an acknowledged record.
		again, err := read()
		if err != nil {
			return nil, err
		}
		if again.end > r.scan.end || again.end == r.scan.end && !again.torn() {
			r.scan = again
		}
	}
	r.segment.end, r.segment.last, r.segment.index = r.scan.end, r.scan.last, r.scan.index
	return r, nil
}
