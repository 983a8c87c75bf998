package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/zensus-io/zensus/core/vfs"
)

// Most of a log may lie in front of the newest snapshot: Open does not need it, and
// a start must not wait for it. So Open reads only the headers of those segments,
// and CheckOlder reads the rest of them, piece by piece, when the owner is idle.

// older are the segments in front of those that a survey read, as far back as they
// join, oldest first.
type older struct {
	segments []*segment
	epochs   []EpochEnd // where those in them end
	damage   []Damage   // in front of them
}

// olderSegments looks at the headers of the segments at places, which lie in front of
// a run that begins at next. A segment in which an epoch ends is read whole: only the
// records say where. None needs to be synced: a segment is made when all that is
// before it is durable.
func (s *Store) olderSegments(places []place, next position) (older, error) {
	var o older
	for _, p := range slices.Backward(places) {
		g, epochs, err := s.olderSegment(p, next)
		if bad := (badSegment{}); errors.As(err, &bad) {
			o.damage = append(o.damage, Damage(bad))
			break
		}
		if err != nil {
			return o, err
		}
		o.segments = append(o.segments, g)
		o.epochs = append(epochs, o.epochs...)
		next = g.header.base
	}
	slices.Reverse(o.segments)
	return o, nil
}

// badSegment is a segment that cannot be used.
type badSegment Damage

func (b badSegment) Error() string { return Damage(b).String() }

// olderSegment looks at one; a badSegment is an error.
func (s *Store) olderSegment(p place, next position) (*segment, []EpochEnd, error) {
	path := s.segmentPath(p)
	if p.zxid.Epoch() != next.zxid.Epoch() {
		rd, err := readSegment(s.fs, path, p, s.meta, nil, nil)
		switch {
		case err != nil:
			return nil, nil, err
		case rd.bad != nil:
			return nil, nil, badSegment{p.name(segmentSuffix), 0, rd.bad.Error()}
		case rd.scan.last != next:
			return nil, nil, badSegment(endsEarly(p, rd.scan, next))
		}
		return rd.segment, rd.scan.epochs, nil
	}
	f, err := s.fs.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("storage: recover: %w", err)
	}
	defer f.Close()
	h, size, bad, err := checkSegmentHeader(f, path, p, s.meta)
	if bad != nil {
		return nil, nil, badSegment{p.name(segmentSuffix), 0, bad.Error()}
	}
	if err != nil {
		return nil, nil, err
	}
	g := newSegment(h)
	g.last, g.end, g.unread = next, size, true
	return g, []EpochEnd{{next.zxid.Epoch(), next.zxid, next.chain}}, nil
}

func endsEarly(p place, sc *scan, next position) Damage {
	what := fmt.Sprintf("the log ends at %v, but the next segment goes on from %v", sc.last.zxid, next.zxid)
	return Damage{p.name(segmentSuffix), sc.end, what}
}

// checking is the segment that CheckOlder is in the middle of.
type checking struct {
	segment *segment
	file    vfs.File
	scanner *scanner
}

// CheckOlder reads up to 1 MiB of what Open has left unread: segments of the log in
// front of the newest snapshot. The owner calls it when it is idle, as long as it
// says more. Damage found there costs nothing that is stored: from then on the log
// begins behind it, and what lies in front of it is not looked at any more. Errors
// are the file system's, and not fatal: the owner may ask again.
func (s *Store) CheckOlder() (more bool, damage []Damage, err error) {
	if err := s.usable(); err != nil {
		return false, nil, err
	}
	if s.checking == nil {
		g := s.newestUnread()
		if g == nil {
			return false, nil, nil
		}
		f, err := s.fs.Open(s.segmentPath(g.place))
		if err != nil {
			return s.checked(g, nil, err)
		}
		s.checking = &checking{g, f, newScanner(f, g.header, g.end)}
		s.checking.scanner.stop = g.last.zxid
	}
	c := s.checking
	done, err := c.scanner.run(checkStep)
	if !done && err == nil {
		return true, nil, nil
	}
	s.checking = nil
	if cerr := c.file.Close(); err == nil {
		err = cerr
	}
	found := c.scanner.scan
	if err == nil && found.last != c.segment.last {
		// A bit that flipped on the way from the disk must not cost log: read it again.
		rd, rerr := readSegment(s.fs, s.segmentPath(c.segment.place), c.segment.place, s.meta, nil, nil)
		if err = rerr; err == nil && rd.bad == nil {
			found = *rd.scan
		}
	}
	return s.checked(c.segment, &found, err)
}

// checkStep is how much CheckOlder reads at once.
const checkStep = 1 << 20

// newestUnread is the next segment to be read, nil if there is none.
func (s *Store) newestUnread() *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range slices.Backward(s.mu.segments) {
		if g.unread {
			return g
		}
	}
	return nil
}

// checked ends the check of g, which found sc. A segment that has left the log
// meanwhile may be anything.
func (s *Store) checked(g *segment, sc *scan, err error) (more bool, damage []Damage, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.mu.segments, g)
	switch {
	case at < 0:
		return true, nil, nil
	case errors.Is(err, fs.ErrNotExist):
		s.mu.segments = slices.Clone(s.mu.segments[at+1:])
		return false, []Damage{{g.name(segmentSuffix), 0, "the segment is missing"}}, nil
	case err != nil:
		return false, nil, fmt.Errorf("storage: check older log: %w", err)
	case sc.last != g.last:
		s.mu.segments = slices.Clone(s.mu.segments[at+1:])
		return false, []Damage{endsEarly(g.place, sc, g.last)}, nil
	}
	g.end, g.index, g.unread = sc.end, sc.index, false
	return true, nil, nil
}
