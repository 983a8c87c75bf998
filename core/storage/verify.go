package storage

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
)

// Report is what Verify found.
type Report struct {
	Meta Meta
	// MetaSlots holds, for each copy of the meta record, nil or what is wrong with it.
	MetaSlots [2]error
	Segments  []SegmentReport
	Snapshots []SnapshotReport
	// LastLogged and LastChain are where recovery would let the log end.
	LastLogged core.Zxid
	LastChain  uint64
	// TornBytes is what recovery would cut off a torn tail. It is no damage.
	TornBytes int64
	// Damage is everything that is not as it was written; Lost says that recovery
	// could not make up for it on its own.
	Damage []Damage
	Lost   bool
	// Leftovers are files that the next start removes, or that Repair set aside.
	Leftovers []string
}

// SegmentReport describes a segment of the log.
type SegmentReport struct {
	Name        string
	Base, Last  core.Zxid
	Records     int64
	Bytes       int64 // of valid log
	Unfinished  bool  // the last batch has no trailer
	Recycled    bool  // the file had a life before
	BrokenAfter bool  // durable records are missing behind it
}

// SnapshotReport describes a snapshot; Err is nil if it is whole.
type SnapshotReport struct {
	Name string
	Info SnapshotInfo
	Err  error
}

// OK reports that everything is as it was written.
func (r *Report) OK() bool { return len(r.Damage) == 0 && !r.Lost }

// Verify reads everything in a data directory and changes nothing: both meta
// slots, every record with its checksums and the chain, every chunk of every
// snapshot. It tells a torn tail from corruption as Open does. It takes no lock;
// on the directory of a running server the newest batch may look torn. Errors are
// the file system's: what could not be read was not verified.
func Verify(fs vfs.FS, dir string) (Report, error) {
	var r Report
	l, err := listFiles(fs, dir)
	if err != nil {
		return r, fmt.Errorf("storage: verify: %w", err)
	}
	f, err := fs.Open(filepath.Join(dir, metaName))
	if err != nil {
		return r, fmt.Errorf("storage: verify: %w", err)
	}
	slots, err := readMeta(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return r, fmt.Errorf("storage: verify: %w", err)
	}
	r.MetaSlots = slots.why
	for i, why := range slots.why {
		if why != nil {
			r.Damage = append(r.Damage, Damage{metaName, int64(i) * metaSlotBytes, why.Error()})
		}
	}
	if !slots.valid[0] && !slots.valid[1] {
		r.Lost = true
		return r, nil
	}
	r.Meta = slots.meta
	r.leftovers(dir, l)
	return r, r.verifyLog(fs, dir, l)
}

func (r *Report) leftovers(dir string, l *files) {
	r.Leftovers = append(append(r.Leftovers, l.temps...), l.damaged...)
	for _, p := range l.segments {
		if p.lineage != r.Meta.Lineage {
			r.Leftovers = append(r.Leftovers, filepath.Join(dir, logDirName, p.name(segmentSuffix)))
		}
	}
	for _, p := range l.snapshots {
		if p.lineage != r.Meta.Lineage {
			r.Leftovers = append(r.Leftovers, filepath.Join(dir, snapDirName, p.name(snapshotSuffix)))
		}
	}
}

func (r *Report) verifyLog(fs vfs.FS, dir string, l *files) error {
	other := func(p place) bool { return p.lineage != r.Meta.Lineage }
	segments := slices.DeleteFunc(slices.Clone(l.segments), other)
	snapshots := slices.DeleteFunc(slices.Clone(l.snapshots), other)
	var good []SnapshotInfo
	var bad []Damage
	var at []core.Zxid
	var newest core.Zxid
	for _, p := range snapshots {
		name := p.name(snapshotSuffix)
		info, err := verifySnapshot(fs, filepath.Join(dir, snapDirName), p)
		switch {
		case err == nil:
			good = append(good, info)
		case isBadSnapshot(err):
			bad = append(bad, Damage{name, 0, err.Error()})
		default:
			return fmt.Errorf("storage: verify: %w", err)
		}
		r.Snapshots = append(r.Snapshots, SnapshotReport{name, info, err})
		at = append(at, p.zxid)
		newest = p.zxid
	}
	if len(segments) == 0 && r.Meta.Fresh {
		return nil
	}
	v, err := surveyLog(fs, filepath.Join(dir, logDirName), r.Meta, segments, at, nil)
	if err != nil {
		return err
	}
	for _, run := range v.runs {
		for i, g := range run.segments {
			sc := run.scans[i]
			r.Segments = append(r.Segments, SegmentReport{
				Name: g.name(segmentSuffix), Base: g.zxid, Last: sc.last.zxid, Records: sc.records,
				Bytes: sc.end - headerBytes, Unfinished: sc.start < sc.end, Recycled: g.header.recycled,
				BrokenAfter: run.broken && i == len(run.segments)-1,
			})
		}
		for _, info := range good {
			if c, ok := run.atSnapshot[info.Zxid]; ok && c != info.Chain {
				bad = append(bad, Damage{place{info.Lineage, info.Zxid}.name(snapshotSuffix), 0, "its chain hash is not the log's"})
				r.Lost = true
			}
		}
	}
	slices.Reverse(good)
	p, err := decide(r.Meta, v, good, bad, newest)
	if err != nil {
		r.Damage = append(append(r.Damage, bad...), v.damage...)
		r.Lost = true
		return nil
	}
	r.Damage = append(r.Damage, p.damage...)
	r.Lost = r.Lost || p.lost
	r.LastLogged, r.LastChain = p.last.zxid, p.last.chain
	if p.run != nil && !p.lost {
		r.TornBytes = p.run.scans[len(p.run.scans)-1].tornBytes
	}
	return nil
}
