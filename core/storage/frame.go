package storage

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

const (
	frameHeadBytes   = 8 // len u32 | crc32c u32
	frameAlign       = 8
	trailerBit       = 1 << 31 // in len: the frame is a batch trailer
	trailerBodyBytes = 8 + 8 + 8 + 4 + 4
	trailerBytes     = frameHeadBytes + trailerBodyBytes
)

// trailer ends a batch.
type trailer struct {
	first, last core.Zxid
	start       int64 // where the previous batch ended and this one began
	count       uint32
	crc         uint32 // of all the batch's bytes
}

func padded(n int) int { return (n + frameAlign - 1) &^ (frameAlign - 1) }

// seal makes the checksums of one life of a segment. Salt and position enter
// each: what a former life left, or a write that went astray, never fits.
type seal uint32

func newSeal(salt uint64) seal {
	return seal(crc32.Checksum(binary.BigEndian.AppendUint64(nil, salt), castagnoli))
}

// sum is the checksum of a frame's body and padding at pos. Salt, position and
// length make the value that the CRC starts from: equal bytes under two starts
// never have equal sums.
func (s seal) sum(pos int64, length uint32, body []byte) uint32 {
	x := uint64(pos)<<32 ^ uint64(pos)>>32 ^ uint64(length)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return crc32.Update(uint32(s)^uint32(x>>32), castagnoli, body)
}

// closeFrame ends the frame that was begun at mark by appending frameHeadBytes of
// zeros and the body: it pads it and fills in the head. pos is where mark will
// stand in the file.
func (s seal) closeFrame(dst []byte, mark int, pos int64, flag uint32) []byte {
	length := uint32(len(dst)-mark-frameHeadBytes) | flag
	for len(dst)%frameAlign != mark%frameAlign {
		dst = append(dst, 0)
	}
	binary.BigEndian.PutUint32(dst[mark:], length)
	binary.BigEndian.PutUint32(dst[mark+4:], s.sum(pos, length, dst[mark+frameHeadBytes:]))
	return dst
}

// appendRecord appends r as a frame that will stand at pos.
func (s seal) appendRecord(dst []byte, pos int64, r *wire.Record) []byte {
	mark := len(dst)
	dst = append(dst, make([]byte, frameHeadBytes)...)
	return s.closeFrame(r.Append(dst), mark, pos, 0)
}

// appendTrailer appends t as a frame that will stand at pos.
func (s seal) appendTrailer(dst []byte, pos int64, t trailer) []byte {
	mark := len(dst)
	be := binary.BigEndian
	dst = append(dst, make([]byte, frameHeadBytes)...)
	dst = be.AppendUint64(dst, uint64(t.first))
	dst = be.AppendUint64(dst, uint64(t.last))
	dst = be.AppendUint64(dst, uint64(t.start))
	dst = be.AppendUint32(dst, t.count)
	dst = be.AppendUint32(dst, t.crc)
	return s.closeFrame(dst, mark, pos, trailerBit)
}

// parseTrailer reads a trailer that stands at pos, checksum included.
func (s seal) parseTrailer(b []byte, pos int64) (trailer, bool) {
	be := binary.BigEndian
	if len(b) < trailerBytes || be.Uint32(b) != trailerBit|trailerBodyBytes {
		return trailer{}, false
	}
	body := b[frameHeadBytes:trailerBytes]
	if be.Uint32(b[4:]) != s.sum(pos, trailerBit|trailerBodyBytes, body) {
		return trailer{}, false
	}
	return trailer{
		first: core.Zxid(be.Uint64(body)), last: core.Zxid(be.Uint64(body[8:])),
		start: int64(be.Uint64(body[16:])), count: be.Uint32(body[24:]), crc: be.Uint32(body[28:]),
	}, true
}

// batchSum begins the checksum of a batch.
func (s seal) batchSum(start int64) uint32 { return s.sum(start, trailerBit, nil) }

// errNoFrame: nothing that this life wrote stands here: the end of the log, a
// torn write or damage. Which of them is for recovery to find out.
var errNoFrame = errors.New("no valid frame")

// frames reads the frames of a segment from a position on.
type frames struct {
	f    vfs.File
	seal seal
	size int64 // of the file; nothing is read beyond

	pos  int64 // of the next frame
	buf  []byte
	at   int   // of pos in buf
	next int64 // position in the file behind buf
}

// readAhead is how much is read at once.
const readAhead = 256 << 10

func newFrames(f vfs.File, s seal, pos, size int64) *frames {
	return &frames{f: f, seal: s, size: size, pos: pos, next: pos}
}

// need makes n bytes at pos available, or as many as the file has.
func (r *frames) need(n int) ([]byte, error) {
	if have := len(r.buf) - r.at; have < n && r.next < r.size {
		want := int(min(int64(max(n, readAhead)), r.size-r.pos))
		fresh := r.buf[:0]
		if cap(r.buf) < want {
			fresh = make([]byte, 0, want)
		}
		// copy is right for overlapping slices: what is left moves to the front.
		fresh = fresh[:copy(fresh[:have], r.buf[r.at:])]
		got, err := r.f.ReadAt(fresh[have:want], r.next)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		r.buf, r.at, r.next = fresh[:have+got], 0, r.next+int64(got)
		if have+got < want {
			r.size = r.next // the file is shorter than it was
		}
	}
	return r.buf[r.at:min(len(r.buf), r.at+n)], nil
}

// frame is one frame. Its slices are valid until the next call of read.
type frame struct {
	pos     int64
	raw     []byte // the whole frame with head and padding
	record  wire.Record
	trailer trailer
	isEnd   bool // it is a trailer
}

func (f *frame) end() int64 { return f.pos + int64(len(f.raw)) }

// read reads the frame at pos and moves on. errNoFrame leaves pos where it is;
// other errors are the file's.
func (r *frames) read(f *frame) error {
	head, err := r.need(frameHeadBytes)
	if err != nil {
		return err
	}
	if len(head) < frameHeadBytes {
		return errNoFrame
	}
	length := binary.BigEndian.Uint32(head)
	n := int(length &^ trailerBit)
	isEnd := length&trailerBit != 0
	if isEnd && n != trailerBodyBytes || !isEnd && (n < recordBytesMin || n > RecordBytesMax) {
		return errNoFrame
	}
	total := frameHeadBytes + padded(n)
	raw, err := r.need(total)
	if err != nil {
		return err
	}
	if len(raw) < total {
		return errNoFrame
	}
	if isEnd {
		t, ok := r.seal.parseTrailer(raw, r.pos)
		if !ok {
			return errNoFrame
		}
		*f = frame{pos: r.pos, raw: raw, trailer: t, isEnd: true}
	} else {
		if binary.BigEndian.Uint32(raw[4:]) != r.seal.sum(r.pos, length, raw[frameHeadBytes:]) {
			return errNoFrame
		}
		body := wire.NewReader(raw[frameHeadBytes : frameHeadBytes+n])
		rec := wire.DecodeRecord(&body)
		if body.Err() != nil || body.Len() != 0 {
			return errNoFrame
		}
		*f = frame{pos: r.pos, raw: raw, record: rec}
	}
	r.at += total
	r.pos += int64(total)
	return nil
}
