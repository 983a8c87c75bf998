package storage

import (
	"errors"
	"fmt"
	"path/filepath"
)

const (
	// sparesMax bounds the segments that wait for a new life, and sparesShort those that
	// Purge leaves where there is little room: one, so that the log can go on at once.
	sparesMax   = 2
	sparesShort = 1
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
	if err != nil {
		return false, err
	}
	ballast := max(0, s.opt.BallastBytes)
	switch {
	case s.filling != nil && s.opt.LowWaterBytes >= 0 && room < ballast: // Short
		return false, s.dropFilling()
	case room < fillStep:
		return false, nil
	case s.activeSize-s.active.end < fillStep/2 && s.activeSize < s.opt.SegmentBytes:
		return s.fillActive()
	case s.filling != nil, s.wantsSpare() && room >= s.opt.SegmentBytes+ballast:
		return s.fillSpare()
	case !s.ballast && s.opt.BallastBytes > 0 && room > s.opt.BallastBytes:
		return false, s.layBallast()
	}
	return false, nil
}

// fillActive zero-fills the next step of the segment that is appended to. A full
// disk is no failure here: the log itself reports it when it is in need.
func (s *Store) fillActive() (more bool, err error) {
	n := min(fillStep, s.opt.SegmentBytes-s.activeSize)
	if _, err := s.activeFile.WriteAt(make([]byte, n), s.activeSize); err != nil {
		if isNoSpace(err) {
			return false, nil
		}
		return false, s.poison("fill segment", err)
	}
	if err := s.activeFile.Sync(); err != nil {
		return false, s.poison("sync log", err)
	}
	s.activeSize += n
	return true, nil
}

// wantsSpare: the segment is half full and nothing waits to follow it.
func (s *Store) wantsSpare() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.spares) == 0 && s.active.end > s.opt.SegmentBytes/2
}

// fillSpare zero-fills the next step of a spare and puts it by once it is whole.
func (s *Store) fillSpare() (more bool, err error) {
	done, err := s.fillSpareStep()
	switch {
	case err == nil:
		return !done, nil
	case !isNoSpace(err):
		return false, s.poison("fill spare segment", err)
	}
	return false, s.dropFilling() // it does not fit
}

// dropFilling gives the spare up that is being filled: without it the log grows as it is
// written.
func (s *Store) dropFilling() error {
	f := s.filling
	s.filling = nil
	if f == nil {
		return nil
	}
	if err := errors.Join(f.Close(), s.fs.Remove(s.fillingName)); err != nil {
		return s.poison("remove spare segment", err)
	}
	return nil
}

func (s *Store) fillSpareStep() (done bool, err error) {
	if s.filling == nil {
		name := s.freshSpareName()
		if s.filling, err = s.fs.Create(name); err != nil {
			s.filling = nil
			return false, err
		}
		s.fillingName, s.fillingSize = name, 0
	}
	n := min(fillStep, s.opt.SegmentBytes-s.fillingSize)
	if _, err := s.filling.WriteAt(make([]byte, n), s.fillingSize); err != nil {
		return false, err
	}
	if err := s.filling.Sync(); err != nil {
		return false, err
	}
	if s.fillingSize += n; s.fillingSize < s.opt.SegmentBytes {
		return false, nil
	}
	f := s.filling
	s.filling = nil
	if err := f.Close(); err != nil {
		return false, err
	}
	if err := s.fs.SyncDir(s.logDir()); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.spares = append(s.mu.spares, filepath.Base(s.fillingName))
	return true, nil
}

// room is the free space above the low-water mark.
func (s *Store) room() (int64, error) {
	free, err := s.fs.FreeBytes(s.opt.Dir)
	if err != nil {
		return 0, fmt.Errorf("storage: free space: %w", err)
	}
	return free - max(0, s.opt.LowWaterBytes), nil
}

// DiskLow is nil, ErrDiskLow when free space is below the low-water mark: the leader then
// refuses writes, a follower says so in its pings (zab Z-07); or ErrDiskScarce. Safe for
// concurrent use.
func (s *Store) DiskLow() error {
	if s.opt.LowWaterBytes < 0 {
		return nil
	}
	room, err := s.room()
	if err != nil {
		return err
	}
	switch {
	case room < -s.opt.LowWaterBytes/2:
		return fmt.Errorf("%w: %d bytes are free, less than half of %d", ErrDiskScarce, room+s.opt.LowWaterBytes, s.opt.LowWaterBytes)
	case room < 0:
		return fmt.Errorf("%w: %d bytes are free, less than %d", ErrDiskLow, room+s.opt.LowWaterBytes, s.opt.LowWaterBytes)
	}
	return nil
}

// Short reports whether so little is free that there would be none without the ballast,
// or nearly none: the log should go that no start needs. Safe for concurrent use.
func (s *Store) Short() (bool, error) {
	if s.opt.LowWaterBytes < 0 {
		return false, nil
	}
	room, err := s.room()
	return room < max(0, s.opt.BallastBytes), err
}

// LogRoom is how much log there is room for: the free space above the low-water mark and
// what the log has taken already. Safe for concurrent use.
func (s *Store) LogRoom() (int64, error) {
	room, err := s.room()
	if err != nil {
		return 0, err
	}
	st, err := s.Stats()
	return room + st.LogBytes, err
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
