package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// Recovered is what Open found.
type Recovered struct {
	Meta Meta
	// Snapshot is the newest whole snapshot that the log goes on from; nil: replay
	// from the beginning.
	Snapshot *SnapshotInfo
	// LastLogged and LastChain are where the log ends. All of it is durable again.
	LastLogged core.Zxid
	LastChain  uint64
	// CommitHint is the highest zxid that the log knows to be committed.
	CommitHint core.Zxid
	// Epochs are the epochs in the log with their last positions, oldest first.
	Epochs []EpochEnd
	// Configs are the reconfigurations in the log that a start from Snapshot reads, in
	// order.
	Configs []wire.Record
	// Records is how many records Open has read of those that a start needs.
	Records int64
	// TornBytes is what was cut off a torn tail: never acknowledged.
	TornBytes int64
	// Damage is what is not as it was written. If Lost, records that were durable
	// are missing: the store takes no appends until Repair or InstallSnapshot, and
	// the node must not vote (Meta.Voteable is false, durably).
	Damage []Damage
	Lost   bool
}

// Damage is one place that is not as it was written.
type Damage struct {
	File   string
	Offset int64
	What   string
}

// String is the damage in one line.
func (d Damage) String() string { return fmt.Sprintf("%s at %d: %s", d.File, d.Offset, d.What) }

// Open locks the data directory, makes it if it is empty, and recovers it: it
// finds the newest whole snapshot, checks every record that a start from it needs and
// the chain through them, cuts a torn tail and syncs what it kept (zab Z-05). Nothing
// is ever shortened silently: what may have been acknowledged and is not there is in
// Damage. The log in front of the snapshot is for CheckOlder, unless something is
// wrong.
//
// A *RefusedError says why it will not start; a *vfs.LockedError who has the
// directory. Other errors are the file system's.
func Open(o Options) (*Store, *Recovered, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	s := &Store{opt: o, fs: o.FS}
	rec, err := s.open()
	if err != nil {
		return nil, nil, errors.Join(err, s.release())
	}
	s.opt.Restore, s.opt.Logged, s.opt.Both = nil, nil, nil // what they hold need not live as long as the store
	return s, rec, nil
}

func (s *Store) refuse(format string, args ...any) error {
	return &RefusedError{Dir: s.opt.Dir, Reason: fmt.Sprintf(format, args...)}
}

// Look returns the error of Open that can be told at a glance: the directory is
// none, cannot be read, or is Apache ZooKeeper's. One that is not there yet is
// fine. It changes nothing, and a server may run on the directory.
func Look(o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	return (&Store{opt: o, fs: o.FS}).look()
}

func (s *Store) look() error {
	names, err := s.fs.ReadDir(s.opt.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("storage: read data directory: %w", err)
	}
	if slices.Contains(names, apacheDirName) {
		return s.refuse("holds data of Apache ZooKeeper (%s); this release does not read it: name an empty directory", apacheDirName)
	}
	return nil
}

func (s *Store) open() (*Recovered, error) {
	dir := s.opt.Dir
	if err := s.look(); err != nil {
		return nil, err
	}
	if err := makeDirs(s.fs, dir); err != nil {
		return nil, fmt.Errorf("storage: make data directory: %w", err)
	}
	var err error
	if s.lock, err = s.fs.Lock(filepath.Join(dir, lockName)); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	names, err := s.fs.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("storage: read data directory: %w", err)
	}
	s.ballast = slices.Contains(names, ballastName)
	if err := s.makeRoom(); err != nil {
		return nil, err
	}
	files, err := listFiles(s.fs, dir)
	if err != nil {
		return nil, fmt.Errorf("storage: list files: %w", err)
	}
	if err := s.openMeta(names, files); err != nil {
		return nil, err
	}
	rec, err := s.recover(files)
	if err != nil {
		return nil, err
	}
	if err := s.tidy(files); err != nil {
		return nil, fmt.Errorf("storage: remove leftovers: %w", err)
	}
	rec.Meta = s.meta
	return rec, nil
}

// makeDirs makes the data directory and its two folders, durably.
func makeDirs(fs vfs.FS, dir string) error {
	for _, sub := range []string{logDirName, snapDirName} {
		if err := fs.MkdirAll(filepath.Join(dir, sub)); err != nil {
			return err
		}
	}
	if err := fs.SyncDir(dir); err != nil {
		return err
	}
	return fs.SyncDir(filepath.Dir(filepath.Clean(dir)))
}

// files is what the two folders hold, sorted.
type files struct {
	segments, snapshots []place // of all lineages, by lineage and zxid
	spares              []string
	temps, damaged      []string // whole paths
}

func listFiles(fs vfs.FS, dir string) (*files, error) {
	l := &files{}
	logDir, snapDir := filepath.Join(dir, logDirName), filepath.Join(dir, snapDirName)
	names, err := fs.ReadDir(logDir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if p, ok := parsePlace(n, segmentSuffix); ok {
			l.segments = append(l.segments, p)
		} else if _, ok := parseSpare(n); ok {
			l.spares = append(l.spares, n)
		} else if strings.HasSuffix(n, damagedSuffix) {
			l.damaged = append(l.damaged, filepath.Join(logDir, n))
		}
	}
	if names, err = fs.ReadDir(snapDir); err != nil {
		return nil, err
	}
	for _, n := range names {
		if p, ok := parsePlace(n, snapshotSuffix); ok {
			l.snapshots = append(l.snapshots, p)
		} else if strings.HasSuffix(n, tempSuffix) {
			l.temps = append(l.temps, filepath.Join(snapDir, n))
		}
	}
	for _, list := range [][]place{l.segments, l.snapshots} {
		slices.SortFunc(list, func(a, b place) int {
			if a.lineage != b.lineage {
				return compare(a.lineage, b.lineage)
			}
			return compare(a.zxid, b.zxid)
		})
	}
	return l, nil
}

func compare[T ~uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// openMeta reads the meta record, or makes it in an empty directory.
func (s *Store) openMeta(names []string, l *files) error {
	if !slices.Contains(names, metaName) {
		if len(l.segments)+len(l.snapshots) > 0 {
			return s.refuse("the meta record is missing, but there are log or snapshot files; restore the file %q or start with an empty directory", metaName)
		}
		m := Meta{Lineage: 1, Fresh: true}
		for i := range 2 {
			for j, r := 0, s.opt.Random(); j < 8; j++ {
				m.DataDirID[8*i+j] = byte(r >> (8 * j))
			}
		}
		if err := createMeta(s.fs, s.opt.Dir, m); err != nil {
			return fmt.Errorf("storage: make meta record: %w", err)
		}
	}
	f, err := s.fs.OpenRW(filepath.Join(s.opt.Dir, metaName))
	if err != nil {
		return fmt.Errorf("storage: open meta record: %w", err)
	}
	s.metaFile = f
	slots, err := readMeta(f)
	if err != nil {
		return fmt.Errorf("storage: read meta record: %w", err)
	}
	if !slots.valid[0] && !slots.valid[1] {
		return s.refuse("both copies of the meta record are damaged (%v; %v); without it this node cannot know what it has promised", slots.why[0], slots.why[1])
	}
	s.meta, s.metaSeq = slots.meta, slots.seq
	if !slots.alike {
		// The slot that differs is written first: the good one stays until it is good.
		seq := s.metaSeq + 1
		if bad := !slots.valid[0]; slots.valid[0] != slots.valid[1] && bad != (seq%2 == 0) {
			seq++
		}
		if err := writeMetaSlots(f, seq, s.meta); err != nil {
			return fmt.Errorf("storage: repair meta record: %w", err)
		}
		s.metaSeq = seq + 1
	} else if err := f.Sync(); err != nil {
		return fmt.Errorf("storage: sync meta record: %w", err)
	}
	return nil
}

// tidy removes what no lineage or life needs any more.
func (s *Store) tidy(l *files) error {
	drop := func(dir string, paths []string) error {
		for _, p := range paths {
			if err := s.fs.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if len(paths) > 0 {
			return s.fs.SyncDir(dir)
		}
		return nil
	}
	var logs, snaps []string
	for _, p := range l.segments {
		if p.lineage != s.meta.Lineage {
			logs = append(logs, s.segmentPath(p))
		}
	}
	for _, p := range l.snapshots {
		if p.lineage != s.meta.Lineage {
			snaps = append(snaps, filepath.Join(s.snapDir(), p.name(snapshotSuffix)))
		}
	}
	snaps = append(snaps, l.temps...)
	for _, n := range l.spares {
		num, _ := parseSpare(n)
		s.nextSpare = max(s.nextSpare, num)
		if slices.Contains(s.mu.spares, n) {
			continue
		}
		path := filepath.Join(s.logDir(), n)
		size, err := s.fs.Size(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was taken during recovery
		}
		if err != nil {
			return err
		}
		if size >= s.opt.SegmentBytes && len(s.mu.spares) < sparesMax {
			s.mu.spares = append(s.mu.spares, n)
		} else {
			logs = append(logs, path)
		}
	}
	if err := drop(s.snapDir(), snaps); err != nil {
		return err
	}
	return drop(s.logDir(), logs)
}
