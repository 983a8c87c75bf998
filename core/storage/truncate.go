package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/zensus-io/zensus/core"
)

// Truncate removes every record after the one at exactly keep, whose chain hash
// must be chain. It is durable on return. ErrMismatch means that the log has no
// such position (then only a snapshot can help) and that nothing was changed;
// errors after the first change are fatal (zab Z-35).
//
// Segments go newest first, each removal durable before the next, and only then
// the cut: a crash anywhere leaves the log, or a shorter one that still reaches
// keep, never a gap.
func (s *Store) Truncate(keep core.Zxid, chain uint64) error {
	if err := s.usable(); err != nil {
		return err
	}
	if s.damaged {
		return ErrDamaged
	}
	if err := s.Sync(); err != nil {
		return err
	}
	have, err := s.ChainAt(keep)
	if err != nil {
		if errors.Is(err, ErrGone) {
			err = fmt.Errorf("%w: %v is in front of the log", ErrMismatch, keep)
		}
		return err
	}
	if have != chain {
		return fmt.Errorf("%w: chain at %v is %x, not %x", ErrMismatch, keep, have, chain)
	}
	if keep == s.last.zxid {
		return nil
	}
	s.cutting.Lock()
	defer s.cutting.Unlock()
	s.mu.Lock()
	newest := s.mu.newest
	segments := slices.Clone(s.mu.segments)
	s.mu.Unlock()
	// Only committed state is snapshotted (Z-10): a leader that wants to cut in front of it
	// would undo what was committed.
	if keep < newest {
		return fmt.Errorf("storage: truncate to %v: snapshot %v is newer", keep, newest)
	}
	at := len(segments) - 1 // the segment that will be the last one
	for at > 0 && segments[at].zxid > keep {
		at--
	}
	if segments[at].unread {
		return fmt.Errorf("storage: truncate to %v: that is in front of what a start has read", keep)
	}
	if err := s.cutLog(segments, at, keep); err != nil {
		return s.poison("truncate log", err)
	}
	return nil
}

func (s *Store) cutLog(segments []*segment, at int, keep core.Zxid) error {
	m := s.meta
	m.DurableHint, m.LogTail = min(m.DurableHint, keep), segments[at].zxid
	if err := s.putMeta(m); err != nil {
		return err
	}
	if err := s.activeFile.Close(); err != nil {
		return err
	}
	s.activeFile = nil
	s.mu.Lock()
	s.mu.cuts++ // readers let go before anything is reused
	s.mu.segments = segments[:at:at]
	s.mu.durable = keep
	s.mu.Unlock()
	for i := len(segments) - 1; i > at; i-- {
		if err := s.retire(segments[i].place, sparesMax); err != nil {
			return err
		}
	}
	g := segments[at]
	f, err := s.fs.OpenRW(s.segmentPath(g.place))
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return err
	}
	sc, err := scanUpTo(f, g.header, size, keep)
	if err == nil {
		err = cutSegment(f, g.seal, sc)
	}
	if err == nil {
		size, err = f.Size()
	}
	if err != nil {
		f.Close()
		return err
	}
	s.last = sc.last
	s.trimEpochs()
	g.end, g.last, g.index = sc.end, sc.last, sc.index
	s.activate(f, g, size, false)
	s.setDurable()
	return nil
}

// trimEpochs forgets the epochs behind the last position.
func (s *Store) trimEpochs() {
	for n := len(s.epochs); n > 0 && s.epochs[n-1].Last > s.last.zxid; n = len(s.epochs) {
		s.epochs = s.epochs[:n-1]
	}
	if s.last.zxid > 0 {
		s.epochs = noteEpoch(s.epochs, s.last)
	}
}

// retire takes a segment out of the log, durably: its file becomes a spare if there are
// fewer than so many, or goes. No cursor may use the segment any more.
func (s *Store) retire(p place, spares int) error {
	path := s.segmentPath(p)
	size, err := s.fs.Size(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // somebody else has taken it
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	reuse := size >= s.opt.SegmentBytes && len(s.mu.spares) < spares
	var spare string
	if reuse {
		spare = s.freshSpareNameLocked()
	}
	s.mu.Unlock()
	if !reuse {
		if err := s.fs.Remove(path); err != nil {
			return err
		}
		return s.fs.SyncDir(s.logDir())
	}
	if err := s.fs.Rename(path, spare); err != nil {
		return err
	}
	// Before the file begins a new life its old name must be gone for good.
	if err := s.fs.SyncDir(s.logDir()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.spares = append(s.mu.spares, filepath.Base(spare))
	return nil
}
