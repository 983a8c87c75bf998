package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path/filepath"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// headerBytes is the size of a segment's header: a block of its own, which no
// append ever touches.
const headerBytes = 4096

const segmentFormat = 1

var segmentMagic = [8]byte{'Z', 'N', 'S', 'L', 'O', 'G', '0', '1'}

// position is a place in the history: a zxid and the chain hash up to it.
type position struct {
	zxid  core.Zxid
	chain uint64
}

// segmentHeader begins each life of a segment.
type segmentHeader struct {
	dataDirID [16]byte
	lineage   uint64
	base      position // of the record before the first one here
	salt      uint64
	recycled  bool // a former life's batches may stand behind the end
}

const segmentHeaderBody = 8 + 4 + 16 + 8 + 8 + 8 + 8 + 1

func appendSegmentHeader(dst []byte, h segmentHeader) []byte {
	start := len(dst)
	be := binary.BigEndian
	dst = append(dst, segmentMagic[:]...)
	dst = be.AppendUint32(dst, segmentFormat)
	dst = append(dst, h.dataDirID[:]...)
	dst = be.AppendUint64(dst, h.lineage)
	dst = be.AppendUint64(dst, uint64(h.base.zxid))
	dst = be.AppendUint64(dst, h.base.chain)
	dst = be.AppendUint64(dst, h.salt)
	dst = wire.AppendBool(dst, h.recycled)
	return be.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func decodeSegmentHeader(b []byte) (h segmentHeader, err error) {
	if len(b) < segmentHeaderBody+4 || [8]byte(b) != segmentMagic {
		return h, fmt.Errorf("not a segment header")
	}
	be := binary.BigEndian
	if crc32.Checksum(b[:segmentHeaderBody], castagnoli) != be.Uint32(b[segmentHeaderBody:]) {
		return h, fmt.Errorf("header: checksum differs")
	}
	if v := be.Uint32(b[8:]); v != segmentFormat {
		return h, fmt.Errorf("header: format %d is not known to this version", v)
	}
	copy(h.dataDirID[:], b[12:])
	h.lineage = be.Uint64(b[28:])
	h.base = position{core.Zxid(be.Uint64(b[36:])), be.Uint64(b[44:])}
	h.salt = be.Uint64(b[52:])
	h.recycled = b[60] != 0
	return h, nil
}

// readSegmentHeader tells a file that cannot be read (ioErr) from a header that
// is not one (bad).
func readSegmentHeader(f vfs.File) (h segmentHeader, bad, ioErr error) {
	b := make([]byte, segmentHeaderBody+4)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return h, nil, err
	}
	h, bad = decodeSegmentHeader(b[:n])
	return h, bad, nil
}

// segment is one file of the log. What stands below the line is guarded by the
// Store's mutex once the segment is in its list.
type segment struct {
	place
	header segmentHeader
	seal   seal

	end   int64 // behind the last valid frame
	last  position
	index []indexMark
	// unread: Open has read the header and no more. Then last is what the segment
	// behind it says, end is the end of the file, and there is no index.
	unread bool
}

// indexMark says where a record stands, about every indexStep bytes.
type indexMark struct {
	before core.Zxid // of the record in front of it
	pos    int64
}

const indexStep = 64 << 10

func newSegment(h segmentHeader) *segment {
	return &segment{
		place:  place{h.lineage, h.base.zxid},
		header: h, seal: newSeal(h.salt),
		end: headerBytes, last: h.base,
	}
}

// mark notes that the record after before stands at pos.
func (g *segment) mark(before core.Zxid, pos int64) {
	if n := len(g.index); n == 0 || pos-g.index[n-1].pos >= indexStep {
		g.index = append(g.index, indexMark{before, pos})
	}
}

// seek is where to start reading so as to pass the record at z, or the base where
// nothing lies between that and z.
func (g *segment) seek(z core.Zxid) indexMark {
	from := indexMark{g.header.base.zxid, headerBytes}
	for _, m := range g.index {
		if m.before >= z {
			break
		}
		from = m
	}
	return from
}

// follows reports whether a record at z may come right after prev (I5).
func follows(prev, z core.Zxid) bool {
	if z.Counter() == 0 {
		return z.Epoch() > prev.Epoch()
	}
	return z == prev+1 && z.Epoch() == prev.Epoch()
}

// scan is what reading a segment from front to back found.
type scan struct {
	end  int64 // behind the last valid frame
	last position

	// The batch at the end that has no trailer; start == end if there is none.
	start int64
	first core.Zxid
	count uint32
	crc   uint32

	records    int64
	commitHint core.Zxid
	epochs     []EpochEnd
	configs    []wire.Record // reconfigurations
	index      []indexMark

	later     bool  // the trailer of a later batch stands behind the end
	tornBytes int64 // what this life certainly wrote behind the end
}

// EpochEnd is the last position of an epoch in the log.
type EpochEnd struct {
	Epoch core.Epoch
	Last  core.Zxid
	Chain uint64
}

// noteEpoch keeps the list of epoch ends up to date with a new last position.
func noteEpoch(list []EpochEnd, p position) []EpochEnd {
	e := EpochEnd{p.zxid.Epoch(), p.zxid, p.chain}
	if n := len(list); n > 0 && list[n-1].Epoch == e.Epoch {
		list[n-1] = e
		return list
	}
	return append(list, e)
}

// scanner reads the frames of a segment from front to back, up to the first that is
// not valid.
type scanner struct {
	scan
	seal   seal
	frames *frames
	frame  frame
	marks  segment
	// stop is the record after which it ends; 0: none.
	stop core.Zxid
	// visit, if not nil, sees each record, sealed.
	visit func(*wire.Record, position)
}

func newScanner(f vfs.File, h segmentHeader, size int64) *scanner {
	sl := newSeal(h.salt)
	return &scanner{
		scan: scan{end: headerBytes, start: headerBytes, last: h.base, crc: sl.batchSum(headerBytes)},
		seal: sl, frames: newFrames(f, sl, headerBytes, size),
	}
}

// run reads on, to the end or for at least limit bytes. Errors are the file's.
func (s *scanner) run(limit int64) (done bool, err error) {
	for until := s.end + limit; s.end < until; {
		if done, err = s.step(); done || err != nil {
			s.index = s.marks.index
			return done, err
		}
	}
	return false, nil
}

// step reads one frame.
func (s *scanner) step() (done bool, err error) {
	fr := &s.frame
	if err := s.frames.read(fr); err != nil {
		if errors.Is(err, errNoFrame) {
			return true, nil
		}
		return false, err
	}
	if fr.isEnd {
		if s.count == 0 || fr.trailer != (trailer{s.first, s.last.zxid, s.start, s.count, s.crc}) {
			return true, nil
		}
		s.end, s.start, s.count, s.crc = fr.end(), fr.end(), 0, s.seal.batchSum(fr.end())
		return false, nil
	}
	rec := &fr.record
	if !follows(s.last.zxid, rec.Zxid) || rec.PrevChain != s.last.chain {
		return true, nil
	}
	if s.count == 0 {
		s.first = rec.Zxid
	}
	s.marks.mark(s.last.zxid, fr.pos)
	s.last = position{rec.Zxid, rec.Seal()}
	s.end = fr.end()
	s.count++
	s.records++
	s.crc = crc32.Update(s.crc, castagnoli, fr.raw)
	s.commitHint = max(s.commitHint, rec.CommitHint)
	s.epochs = noteEpoch(s.epochs, s.last)
	if rec.Kind == wire.RecordConfig {
		c := *rec
		c.Payload = bytes.Clone(c.Payload) // the scanner's memory is used again
		s.configs = append(s.configs, c)
	}
	if s.visit != nil {
		s.visit(rec, s.last)
	}
	return rec.Zxid == s.stop, nil
}

// scanSegment reads all frames of a segment up to the first that is not valid,
// and the batch trailers behind it. It stops after the record stop, if that is
// not 0. visit, if not nil, sees each record. Errors are the file's.
func scanSegment(f vfs.File, h segmentHeader, size int64, stop core.Zxid, visit func(*wire.Record, position)) (*scan, error) {
	s := newScanner(f, h, size)
	s.stop, s.visit = stop, visit
	if _, err := s.run(math.MaxInt64 - size); err != nil {
		return nil, err
	}
	found := s.scan // without the scanner's buffers
	if stop != 0 && found.last.zxid == stop {
		return &found, nil
	}
	return &found, found.lookBehind(f, s.seal, h.recycled, size)
}

// scanUpTo reads a segment up to the record at keep, or to its base.
func scanUpTo(f vfs.File, h segmentHeader, size int64, keep core.Zxid) (*scan, error) {
	if keep == h.base.zxid {
		return &scan{end: headerBytes, start: headerBytes, last: h.base}, nil
	}
	s, err := scanSegment(f, h, size, keep, nil)
	if err == nil && s.last.zxid != keep {
		err = fmt.Errorf("record %v is not there any more", keep)
	}
	return s, err
}

// lookBehind searches what stands behind the end for traces of this life.
func (s *scan) lookBehind(f vfs.File, sl seal, recycled bool, size int64) error {
	written := s.end // behind the last byte that this life wrote
	if !recycled && size%frameAlign != 0 {
		written = size
	}
	buf := make([]byte, min(readAhead, max(0, size-s.end))+trailerBytes)
	for pos := s.end; pos < size; pos += readAhead {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-pos)], pos)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		b := buf[:n]
		for at := 0; at+frameAlign <= len(b) && at < readAhead; at += frameAlign {
			head := binary.BigEndian.Uint64(b[at:])
			if head == 0 {
				continue
			}
			here := pos + int64(at)
			if !recycled {
				written = max(written, here+frameAlign)
			}
			if head>>32 != trailerBit|trailerBodyBytes {
				continue
			}
			if t, ok := sl.parseTrailer(b[at:], here); ok && t.start >= s.start {
				written = max(written, here+trailerBytes)
				s.later = s.later || t.start > s.start
			}
		}
	}
	s.tornBytes = written - s.end
	return nil
}

// torn reports whether the end has to be cut before anything is appended.
func (s *scan) torn() bool { return s.tornBytes > 0 || s.start < s.end }

// cutSegment makes the segment end behind the last record of s: what follows goes,
// and the batch that lost its trailer gets one. Each step is durable before the
// next, so that a crash leaves the longer log or the shorter one, never a third.
func cutSegment(f vfs.File, sl seal, s *scan) error {
	if err := f.Truncate(s.end); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if s.start == s.end {
		return nil
	}
	t := trailer{s.first, s.last.zxid, s.start, s.count, s.crc}
	b := sl.appendTrailer(nil, s.end, t)
	if _, err := f.WriteAt(b, s.end); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	s.end += int64(len(b))
	s.start, s.count = s.end, 0
	return nil
}

func (s *Store) logDir() string  { return filepath.Join(s.opt.Dir, logDirName) }
func (s *Store) snapDir() string { return filepath.Join(s.opt.Dir, snapDirName) }

func (s *Store) segmentPath(p place) string {
	return filepath.Join(s.logDir(), p.name(segmentSuffix))
}
