package storage

import (
	"fmt"
	"path/filepath"
)

const (
	// sparesMax bounds the segments that wait for a new life.
	sparesMax = 2
	// fillStep is how much Prepare zero-fills at once.
	fillStep = 1 << 20
	// hintBatches is after how many batches an idle moment renews the hint.
	hintBatches = 256
)

// Prepare does one small step of work that makes later appends faster: it
// zero-fills ahead of the log or a spare segment, renews the durable hint, or sets
// up the ballast. The owner calls it when it is idle, as long as it says more. A
// step writes at most 1 MiB.
func (s *Store) Prepare() (more bool, err error) {
	if err := s.usable(); err != nil {
		return false, err
	}
	if s.unsynced || s.active == nil || s.damaged {
		return false, nil
	}
	if s.batchesSinceHint >= hintBatches {
		return true, s.refreshHint()
	}
	room, err := s.room()
	if err != nil || room < fillStep {
		return false, err
	}
	switch {
	case s.activeSize-s.active.end < fillStep/2 && s.activeSize < s.opt.SegmentBytes:
		return true, s.fillActive()
	case s.filling != nil, s.wantsSpare():
		return true, s.fillSpare()
	case !s.ballast && s.opt.BallastBytes > 0 && room > s.opt.BallastBytes:
		return false, s.layBallast()
	}
	return false, nil
}

// fillActive zero-fills the next step of the segment that is appended to.
func (s *Store) fillActive() error {
	n := min(fillStep, s.opt.SegmentBytes-s.activeSize)
	if _, err := s.activeFile.WriteAt(make([]byte, n), s.activeSize); err != nil {
		if isNoSpace(err) {
			return nil // the log itself reports it when it is in need
		}
		return s.poison("fill segment", err)
	}
	if err := s.activeFile.Sync(); err != nil {
		return s.poison("sync log", err)
	}
	s.activeSize += n
	return nil
}

// wantsSpare: the segment is half full and nothing waits to follow it.
func (s *Store) wantsSpare() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.spares) == 0 && s.active.end > s.opt.SegmentBytes/2
}

// fillSpare zero-fills the next step of a spare and puts it by once it is whole.
func (s *Store) fillSpare() error {
	if s.filling == nil {
		name := s.freshSpareName()
		f, err := s.fs.Create(name)
		if err != nil {
			if isNoSpace(err) {
				return nil
			}
			return s.poison("create segment", err)
		}
		s.filling, s.fillingName, s.fillingSize = f, name, 0
	}
	n := min(fillStep, s.opt.SegmentBytes-s.fillingSize)
	_, err := s.filling.WriteAt(make([]byte, n), s.fillingSize)
	if err != nil && isNoSpace(err) {
		f := s.filling
		s.filling = nil
		if err := f.Close(); err != nil {
			return s.poison("fill segment", err)
		}
		if err := s.fs.Remove(s.fillingName); err != nil {
			return s.poison("fill segment", err)
		}
		return nil
	}
	if err != nil {
		return s.poison("fill segment", err)
	}
	if err := s.filling.Sync(); err != nil {
		return s.poison("fill segment", err)
	}
	if s.fillingSize += n; s.fillingSize < s.opt.SegmentBytes {
		return nil
	}
	f := s.filling
	s.filling = nil
	if err := f.Close(); err != nil {
		return s.poison("fill segment", err)
	}
	if err := s.fs.SyncDir(s.logDir()); err != nil {
		return s.poison("fill segment", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.spares = append(s.mu.spares, filepath.Base(s.fillingName))
	return nil
}

// room is the free space above the low-water mark.
func (s *Store) room() (int64, error) {
	free, err := s.fs.FreeBytes(s.opt.Dir)
	if err != nil {
		return 0, fmt.Errorf("storage: free space: %w", err)
	}
	return free - max(0, s.opt.LowWaterBytes), nil
}

// DiskLow is nil, or ErrDiskLow when free space is below the low-water mark: the
// leader then refuses writes, a follower says so in its pings (zab Z-07). Safe for
// concurrent use.
func (s *Store) DiskLow() error {
	if s.opt.LowWaterBytes < 0 {
		return nil
	}
	room, err := s.room()
	if err != nil {
		return err
	}
	if room < 0 {
		return fmt.Errorf("%w: %d bytes are free, less than %d", ErrDiskLow, room+s.opt.LowWaterBytes, s.opt.LowWaterBytes)
	}
	return nil
}

// layBallast reserves the ballast. That it does not fit is no error.
func (s *Store) layBallast() error {
	name := filepath.Join(s.opt.Dir, ballastName)
	f, err := s.fs.Create(name)
	if err == nil {
		err = f.Allocate(s.opt.BallastBytes)
		if err == nil {
			err = f.Sync()
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err == nil {
			err = s.fs.SyncDir(s.opt.Dir)
		}
	}
	switch {
	case err == nil:
		s.ballast = true
		return nil
	case isNoSpace(err):
		return s.ReleaseBallast()
	}
	return s.poison("lay ballast", err)
}

// ReleaseBallast gives the reserved space free, for a purge, a truncation or a
// recovery that would not fit otherwise. Prepare lays it again when there is room.
func (s *Store) ReleaseBallast() error {
	if err := s.usable(); err != nil {
		return err
	}
	if !s.ballast {
		return nil
	}
	if err := s.dropBallast(); err != nil {
		return s.poison("release ballast", err)
	}
	return nil
}

func (s *Store) dropBallast() error {
	if err := s.fs.Remove(filepath.Join(s.opt.Dir, ballastName)); err != nil {
		return err
	}
	s.ballast = false
	return s.fs.SyncDir(s.opt.Dir)
}

// makeRoom releases the ballast if recovery might not have the space it needs.
func (s *Store) makeRoom() error {
	if !s.ballast {
		return nil
	}
	room, err := s.room()
	if err != nil || room >= 0 {
		return err
	}
	if err := s.dropBallast(); err != nil {
		return fmt.Errorf("storage: release ballast: %w", err)
	}
	return nil
}
