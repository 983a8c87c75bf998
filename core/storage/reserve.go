package storage

import "fmt"

const (
	// reserveShare is which part of the low-water mark a snapshot leaves to the log.
	reserveShare = 64
	// appendSlack is what an append may take beside its batch: the header of another
	// segment, and what is lost as files take whole pages.
	appendSlack = 64 << 10
)

// reserve is how much a snapshot has to leave free: what the log goes on in until there is
// room again.
func (s *Store) reserve() int64 { return max(0, s.opt.LowWaterBytes) / reserveShare }

// claimRoom sees to it that an append of so many bytes does not meet a disk that a
// snapshot has filled, which would be the store's end. Until claimed is 0 again whoever
// writes a snapshot leaves that much; and where there is less already, what he has written
// is taken from him, which is the snapshot's failure only.
func (s *Store) claimRoom(bytes int64) error {
	need := bytes + appendSlack
	s.claimed.Store(need)
	if s.beside.Load() == nil {
		return nil
	}
	// Who is putting a chunk just now may have looked at the room before the claim.
	if free, err := s.fs.FreeBytes(s.opt.Dir); err != nil || free >= need+ChunkBytesMax {
		return nil //nolint:nilerr // whether there is room the append itself tells
	}
	s.space.Lock() // now nobody is
	defer s.space.Unlock()
	w := s.beside.Load()
	if w == nil {
		return nil
	}
	if free, err := s.fs.FreeBytes(s.opt.Dir); err != nil || free >= need {
		return nil //nolint:nilerr // as above
	}
	w.yielded = true
	s.beside.Store(nil)
	if err := w.f.Truncate(0); err != nil {
		return s.poison("give up snapshot", err)
	}
	return nil
}

// write writes what is in the buffer if that leaves the log what it needs.
func (w *SnapshotWriter) write() error {
	s := w.s
	s.space.Lock()
	defer s.space.Unlock()
	if w.yielded {
		return w.lacksRoom("the log needs the room")
	}
	if w.beside {
		free, err := s.fs.FreeBytes(s.opt.Dir)
		if err != nil {
			w.err = fmt.Errorf("storage: free space: %w", err)
			return w.err
		}
		if leaves := w.leaves + s.claimed.Load(); free-int64(len(w.buf)) < leaves {
			return w.lacksRoom(fmt.Sprintf("%d bytes are free, and the log needs %d", free, leaves))
		}
	}
	if _, err := w.f.WriteAt(w.buf, w.off); err != nil {
		return w.fail("write snapshot", err)
	}
	return nil
}

// keep makes the snapshot one that nothing is taken of any more.
func (w *SnapshotWriter) keep() error {
	w.s.space.Lock()
	defer w.s.space.Unlock()
	if w.yielded {
		return w.lacksRoom("the log needs the room")
	}
	w.s.beside.CompareAndSwap(w, nil)
	return nil
}

func (w *SnapshotWriter) lacksRoom(why string) error {
	w.err = fmt.Errorf("%w: write snapshot: %s", ErrDiskLow, why)
	return w.err
}
