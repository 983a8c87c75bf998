package storage

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
)

// Store is an open data directory. See the package comment for who may call what.
type Store struct {
	opt  Options
	fs   vfs.FS
	lock io.Closer

	// Owned by the owner.
	meta             Meta
	metaFile         vfs.File
	metaSeq          uint64
	active           *segment
	activeFile       vfs.File
	activeSize       int64 // of the file
	last             position
	durable          position
	unsynced         bool // the last batch is not synced
	batchesSinceHint int
	damaged          bool
	epochs           []EpochEnd
	buf              []byte // of the batch that is being encoded
	filling          vfs.File
	fillingName      string
	fillingSize      int64
	nextSpare        uint64
	checking         *checking // nil: between two segments
	ballast          bool      // it is there

	// cutting is held while segments leave the log, by the owner or by Purge: what is
	// removed has been looked for before. It is taken before mu.
	cutting sync.Mutex

	// space is held by who writes to a snapshot, and by an append that takes his room away.
	// beside is the snapshot that is being written and may be given up for the log, stored
	// under space; nil is none. claimed is what the append that is under way may take.
	space   sync.Mutex
	beside  atomic.Pointer[SnapshotWriter]
	claimed atomic.Int64

	mu struct {
		sync.Mutex
		fatal    error
		closed   bool
		segments []*segment // ascending; the last is the active one
		durable  core.Zxid
		synced   int64    // end of what is durable in the active segment
		cuts     int      // grows when positions end that readers may hold
		spares   []string // ready to be used
		newest   core.Zxid
		lineage  uint64
		whole    map[place]wholeness // the snapshots that Purge relies on
	}
}

// usable is nil, or why no call may go on.
func (s *Store) usable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usableLocked()
}

func (s *Store) usableLocked() error {
	if s.mu.fatal != nil {
		return s.mu.fatal
	}
	if s.mu.closed {
		return ErrClosed
	}
	return nil
}

// poison makes err the answer to every further call (zab Z-06).
func (s *Store) poison(op string, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.fatal == nil {
		s.mu.fatal = &FatalError{Op: op, Err: err}
	}
	return s.mu.fatal
}

// Last is the zxid and chain hash of the last appended record.
func (s *Store) Last() (core.Zxid, uint64) { return s.last.zxid, s.last.chain }

// Durable is the zxid up to which the log is synced. Safe for concurrent use.
func (s *Store) Durable() core.Zxid {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.durable
}

// Base is the position from which the log can be read: Replay and NewCursor reach
// back to it. Safe for concurrent use.
func (s *Store) Base() core.Zxid {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.segments) == 0 {
		return s.mu.durable
	}
	return s.mu.segments[0].header.base.zxid
}

// Epochs lists the epochs in the log with their last positions, oldest first.
func (s *Store) Epochs() []EpochEnd { return slices.Clone(s.epochs) }

// Damaged reports whether Open found damage that Repair or InstallSnapshot has
// not dealt with yet.
func (s *Store) Damaged() bool { return s.damaged }

// Close syncs, notes how far the log is durable, and gives the directory free.
// After a fatal error it only releases what is open, and returns that error.
func (s *Store) Close() error {
	err := s.usable()
	if errors.Is(err, ErrClosed) {
		return nil
	}
	if err == nil {
		err = s.Sync()
	}
	if err == nil {
		err = s.refreshHint()
	}
	s.mu.Lock()
	s.mu.closed = true
	s.mu.Unlock()
	return errors.Join(err, s.release())
}

// release closes what is open.
func (s *Store) release() error {
	var errs []error
	for _, f := range []vfs.File{s.activeFile, s.metaFile, s.filling} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	s.activeFile, s.metaFile, s.filling = nil, nil, nil
	if s.checking != nil {
		errs = append(errs, s.checking.file.Close())
		s.checking = nil
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

func (s *Store) refreshHint() error {
	m := s.meta
	m.DurableHint, m.LogTail = s.hint()
	return s.putMeta(m)
}
