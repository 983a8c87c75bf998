package storage

import (
	"errors"
	"io"
	"path/filepath"
	"slices"

	"github.com/zensus-io/zensus/core/vfs"
)

// Repair makes a damaged store take appends again behind the prefix that Open
// recovered, so that a leader can fill in what is missing. What it takes out of
// the log is set aside under a name that ends in .damaged. Meta.Voteable stays
// false until the node writes it: what was lost may have been acknowledged, and
// only a leader's history brings it back (zab Z-04). On a store that is not
// damaged it does nothing. Its errors are fatal.
func (s *Store) Repair() error {
	if err := s.usable(); err != nil {
		return err
	}
	if !s.damaged {
		return nil
	}
	s.cutting.Lock()
	defer s.cutting.Unlock()
	if err := s.repair(); err != nil {
		return s.poison("repair log", err)
	}
	return nil
}

func (s *Store) repair() error {
	l, err := listFiles(s.fs, s.opt.Dir)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.mu.cuts++
	kept := slices.Clone(s.mu.segments)
	s.mu.Unlock()
	// Whatever is not part of the prefix goes, newest first.
	for _, p := range slices.Backward(l.segments) {
		if p.lineage != s.meta.Lineage || slices.ContainsFunc(kept, func(g *segment) bool { return g.place == p }) {
			continue
		}
		path := s.segmentPath(p)
		if err := s.fs.Rename(path, path+damagedSuffix); err != nil {
			return err
		}
		if err := s.fs.SyncDir(s.logDir()); err != nil {
			return err
		}
	}
	if s.active == nil {
		f, g, size, err := s.newSegmentFile(s.meta.Lineage, s.last)
		if err != nil {
			return err
		}
		s.epochs = nil
		if s.last.zxid > 0 {
			s.epochs = noteEpoch(nil, s.last)
		}
		s.activate(f, g, size, true)
	} else if err := s.cutActive(); err != nil {
		return err
	}
	s.damaged = false
	s.setDurable()
	m := s.meta
	m.DurableHint, m.LogTail = s.hint()
	if m.BaseSnapshotZxid > m.DurableHint {
		m.BaseSnapshotZxid, m.BaseChain = 0, 0
	}
	return s.putMeta(m)
}

// cutActive keeps a copy of the last segment of the prefix and cuts it there.
func (s *Store) cutActive() error {
	path := s.segmentPath(s.active.place)
	if err := copyFile(s.fs, s.activeFile, path+damagedSuffix); err != nil {
		return err
	}
	if err := s.fs.SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	size, err := s.activeFile.Size()
	if err != nil {
		return err
	}
	sc, err := scanUpTo(s.activeFile, s.active.header, size, s.last.zxid)
	if err != nil {
		return err
	}
	if err := cutSegment(s.activeFile, s.active.seal, sc); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active.end, s.active.index = sc.end, sc.index
	s.activeSize = sc.end
	return nil
}

func copyFile(fs vfs.FS, from vfs.File, name string) error {
	to, err := fs.Create(name)
	if err != nil {
		return err
	}
	buf := make([]byte, readAhead)
	for off := int64(0); ; {
		n, err := from.ReadAt(buf, off)
		if n > 0 {
			if _, werr := to.WriteAt(buf[:n], off); werr != nil {
				to.Close()
				return werr
			}
			off += int64(n)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			to.Close()
			return err
		}
	}
	if err := to.Sync(); err != nil {
		to.Close()
		return err
	}
	return to.Close()
}
