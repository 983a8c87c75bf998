package storage

import (
	"fmt"
	"path/filepath"
	"slices"
)

// InstallSnapshot makes a snapshot that NewInstall wrote the beginning of a new
// lineage: the log goes on from it, and nothing older is ever read again (zab 7.2
// and Z-13). Before that the file is read back, to its end, and handed to restore, if
// that is not nil: what cannot be restored is not installed. One meta write is the
// switch: a crash before it leaves the old state, after it the new one. All errors but
// those of restore and of wrong use are fatal.
func (s *Store) InstallSnapshot(info SnapshotInfo, restore func(SnapshotInfo, func() ([]byte, error)) error) error {
	if err := s.usable(); err != nil {
		return err
	}
	if info.Lineage != s.meta.Lineage+1 {
		return fmt.Errorf("storage: install snapshot %v: it is of lineage %d, not %d", info.Zxid, info.Lineage, s.meta.Lineage+1)
	}
	if have, err := restoreSnapshot(s.fs, s.snapDir(), place{info.Lineage, info.Zxid}, restore); err != nil {
		return fmt.Errorf("storage: install snapshot %v: %w", info.Zxid, err)
	} else if have != info {
		return fmt.Errorf("storage: install snapshot %v: the file is of another one", info.Zxid)
	}
	s.cutting.Lock()
	defer s.cutting.Unlock()
	if err := s.install(info); err != nil {
		return s.poison("install snapshot", err)
	}
	return nil
}

func (s *Store) install(info SnapshotInfo) error {
	base := position{info.Zxid, info.Chain}
	f, g, size, err := s.newSegmentFile(info.Lineage, base)
	if err != nil {
		return err
	}
	m := s.meta
	m.BaseSnapshotZxid, m.BaseChain, m.Lineage = info.Zxid, info.Chain, info.Lineage
	m.DurableHint, m.LogTail = info.Zxid, info.Zxid
	m.Fresh = false
	if err := s.putMeta(m); err != nil {
		f.Close()
		return err
	}
	if s.activeFile != nil {
		if err := s.activeFile.Close(); err != nil {
			f.Close()
			return err
		}
	}
	s.mu.Lock()
	s.mu.cuts++
	s.mu.lineage, s.mu.newest = info.Lineage, info.Zxid
	s.mu.Unlock()
	s.last, s.unsynced, s.damaged = base, false, false
	s.epochs = noteEpoch(nil, base)
	s.activate(f, g, size, true)
	s.setDurable()
	return s.dropOldLineages()
}

// dropOldLineages removes the files that recovery would pass over anyway.
func (s *Store) dropOldLineages() error {
	l, err := listFiles(s.fs, s.opt.Dir)
	if err != nil {
		return err
	}
	for _, p := range slices.Backward(l.segments) {
		if p.lineage < s.meta.Lineage {
			if err := s.retire(p, sparesMax); err != nil {
				return err
			}
		}
	}
	removed := false
	for _, p := range l.snapshots {
		if p.lineage < s.meta.Lineage {
			if err := s.fs.Remove(filepath.Join(s.snapDir(), p.name(snapshotSuffix))); err != nil {
				return err
			}
			removed = true
		}
	}
	if removed {
		return s.fs.SyncDir(s.snapDir())
	}
	return nil
}
