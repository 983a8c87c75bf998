package storage

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/zensus-io/zensus/core"
)

// Purge removes snapshots and segments that nothing needs any more and says how
// many files went. It keeps the newest Retain snapshots that are whole, every record
// after the oldest of them, and, while there is room (Short), WindowBytes of log for
// learners; with little room it leaves no more than one spare segment. With fewer whole
// snapshots it removes nothing. When there is no room two do: a full disk keeps a server
// from writing more, and in those before them is what was deleted to make room. Files are never merely counted (zab Z-12).
// A snapshot is taken to be whole if this process has read it to its end within the last
// RereadAfter and it still has the size that it had then; every other one is read now.
// The caller says what time it is: now is monotonic, and only differences mean anything.
//
// It may run on another goroutine than the owner's, but not beside a snapshot that
// is being written.
func (s *Store) Purge(now time.Duration) (removed int, err error) {
	if err := s.usable(); err != nil {
		return 0, err
	}
	l, err := listFiles(s.fs, s.opt.Dir)
	if err != nil {
		return 0, fmt.Errorf("storage: purge: %w", err)
	}
	short, err := s.Short()
	if err != nil {
		return 0, fmt.Errorf("storage: purge: %w", err)
	}
	window, spares, retain := s.opt.WindowBytes, sparesMax, s.opt.Retain
	if short {
		window, spares, retain = 0, sparesShort, min(retain, shortRetain)
	}
	s.mu.Lock()
	lineage, known := s.mu.lineage, s.mu.whole
	s.mu.Unlock()
	whole := make(map[place]wholeness)
	var oldest core.Zxid
	var drop []place
	for _, p := range slices.Backward(l.snapshots) {
		if p.lineage != lineage {
			continue
		}
		if len(whole) == retain {
			drop = append(drop, p)
			continue
		}
		before, read := known[p]
		switch w, err := s.findWhole(p, before, read, now); {
		case err == nil:
			whole[p] = w
			oldest = p.zxid
		case !isBadSnapshot(err):
			return 0, fmt.Errorf("storage: purge: %w", err)
		}
	}
	s.cutting.Lock()
	defer s.cutting.Unlock()
	s.mu.Lock()
	another := s.mu.lineage != lineage // since: what was found is not the log's any more
	if !another {
		s.mu.whole = whole // without what has vanished or been damaged
	}
	s.mu.Unlock()
	if another || len(whole) < retain {
		return 0, nil
	}
	for _, p := range drop {
		if err := s.fs.Remove(filepath.Join(s.snapDir(), p.name(snapshotSuffix))); err != nil {
			return removed, s.poison("purge snapshots", err)
		}
		removed++
	}
	if len(drop) > 0 {
		if err := s.fs.SyncDir(s.snapDir()); err != nil {
			return removed, s.poison("purge snapshots", err)
		}
	}
	for {
		p, ok := s.dropOldest(oldest, window)
		if !ok {
			break
		}
		if err := s.retire(p, spares); err != nil {
			return removed, s.poison("purge log", err)
		}
		removed++
	}
	if err := s.dropSpares(spares); err != nil {
		return removed, s.poison("purge log", err)
	}
	// Segments in front of a gap, which Open passed over: snapshots cover them.
	first := s.Base()
	for _, p := range l.segments {
		if p.lineage == lineage && p.zxid < first && !s.holds(p) {
			if _, err := s.fs.Size(s.segmentPath(p)); err != nil {
				continue // retired above
			}
			if err := s.retire(p, spares); err != nil {
				return removed, s.poison("purge log", err)
			}
			removed++
		}
	}
	return removed, nil
}

// shortRetain is how many whole snapshots there must be, and are kept, where there is no
// room: one is damaged, and the other is there.
const shortRetain = 2

// wholeness is when a snapshot was read to its end and found whole, and how large
// it was.
type wholeness struct {
	at    time.Duration
	bytes int64
}

// findWhole finds a snapshot whole: as it was before, if it was read then and that
// is not too long ago, or by reading it. A damaged one gives ErrBadSnapshot.
func (s *Store) findWhole(p place, before wholeness, read bool, now time.Duration) (wholeness, error) {
	bytes, err := s.fs.Size(filepath.Join(s.snapDir(), p.name(snapshotSuffix)))
	if err != nil {
		return wholeness{}, err
	}
	if age := now - before.at; read && before.bytes == bytes && 0 <= age && age < s.opt.RereadAfter {
		return before, nil
	}
	if _, err := verifySnapshot(s.fs, s.snapDir(), p); err != nil {
		return wholeness{}, err
	}
	return wholeness{now, bytes}, nil
}

// dropOldest takes the oldest segment out of the list if the snapshot at oldest
// covers it and the window does not need it.
func (s *Store) dropOldest(oldest core.Zxid, window int64) (place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.mu.segments
	if len(list) < 2 || list[1].zxid > oldest {
		return place{}, false
	}
	var behind int64
	for _, g := range list[1:] {
		behind += g.end - headerBytes
	}
	if behind < window {
		return place{}, false
	}
	s.mu.segments = slices.Clone(list[1:])
	return list[0].place, true
}

// dropSpares removes the oldest of more spare segments than so many.
func (s *Store) dropSpares(most int) error {
	s.mu.Lock()
	n := max(0, len(s.mu.spares)-most)
	drop := slices.Clone(s.mu.spares[:n])
	s.mu.spares = slices.Delete(s.mu.spares, 0, n)
	s.mu.Unlock()
	for _, name := range drop {
		if err := s.fs.Remove(filepath.Join(s.logDir(), name)); err != nil {
			return err
		}
	}
	if n == 0 {
		return nil
	}
	return s.fs.SyncDir(s.logDir())
}

func (s *Store) holds(p place) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.mu.segments, func(g *segment) bool { return g.place == p })
}

// Stats are figures for metrics.
type Stats struct {
	LogBytes      int64 // of valid log; of segments that nobody has read yet, the files
	Segments      int
	Spares        int
	Snapshots     int
	SnapshotBytes int64
	FreeBytes     int64
	LastLogged    core.Zxid // durable
	Base          core.Zxid // from where the log can be read
}

// Stats reads directory entries, not files. Safe for concurrent use.
func (s *Store) Stats() (Stats, error) {
	var st Stats
	if err := s.usable(); err != nil {
		return st, err
	}
	l, err := listFiles(s.fs, s.opt.Dir)
	if err != nil {
		return st, fmt.Errorf("storage: stats: %w", err)
	}
	for _, p := range l.snapshots {
		if n, err := s.fs.Size(filepath.Join(s.snapDir(), p.name(snapshotSuffix))); err == nil {
			st.Snapshots++
			st.SnapshotBytes += n
		}
	}
	if st.FreeBytes, err = s.fs.FreeBytes(s.opt.Dir); err != nil {
		return st, fmt.Errorf("storage: stats: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.mu.segments {
		st.LogBytes += g.end - headerBytes
	}
	st.Segments, st.Spares = len(s.mu.segments), len(s.mu.spares)
	st.LastLogged = s.mu.durable
	if len(s.mu.segments) > 0 {
		st.Base = s.mu.segments[0].zxid
	}
	return st, nil
}
