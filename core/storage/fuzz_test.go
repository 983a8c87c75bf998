package storage

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

func FuzzMetaSlot(f *testing.F) {
	f.Add(appendMeta(nil, 7, Meta{Sid: 3, AcceptedEpoch: 9, CurrentEpoch: 8, Lineage: 2, Voteable: true}))
	f.Add(appendMeta(nil, 1, Meta{Fresh: true}))
	f.Fuzz(func(t *testing.T, b []byte) {
		seq, m, err := decodeMeta(b)
		if err != nil {
			return
		}
		again := appendMeta(nil, seq, m)
		if seq2, m2, err := decodeMeta(again); err != nil || seq2 != seq || m2 != m {
			t.Fatalf("%+v became %+v, %v", m, m2, err)
		}
	})
}

func FuzzSegmentHeader(f *testing.F) {
	f.Add(appendSegmentHeader(nil, segmentHeader{lineage: 1, base: position{5, 6}, salt: 7, recycled: true}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeSegmentHeader(b)
		if err != nil {
			return
		}
		if got, err := decodeSegmentHeader(appendSegmentHeader(nil, h)); err != nil || got != h {
			t.Fatalf("%+v became %+v, %v", h, got, err)
		}
	})
}

// FuzzSegment reads hostile bytes behind a valid header. Whatever they are, what
// the scan accepts follows without a gap and reads the same through the frames.
func FuzzSegment(f *testing.F) {
	h := segmentHeader{lineage: 1, salt: 99}
	sl := newSeal(h.salt)
	var hist history
	var b []byte
	start := int64(headerBytes)
	first := hist.epoch(1)
	for _, r := range append([]wire.Record{first}, hist.txns(3, 40)...) {
		b = sl.appendRecord(b, start+int64(len(b)), &r)
	}
	f.Add(b)
	f.Add(append(bytes.Clone(b), b...))
	f.Add(sl.appendTrailer(bytes.Clone(b), start+int64(len(b)), trailer{first.Zxid, hist.at.zxid, start, 4, 1}))
	f.Add(sl.appendTrailer(nil, start, trailer{1, 1, start + 8, 1, 1}))
	f.Add([]byte{0, 0, 255, 255, 1, 2, 3, 4})
	stranger := hist.txn(9)
	stranger.PrevChain++
	f.Add(sl.appendRecord(bytes.Clone(b), start+int64(len(b)), &stranger))
	f.Fuzz(func(t *testing.T, b []byte) {
		mem := vfs.NewMem()
		file, err := mem.Create("/s")
		if err != nil {
			t.Fatal(err)
		}
		file.WriteAt(appendSegmentHeader(nil, h), 0)
		file.WriteAt(b, headerBytes)
		size := headerBytes + int64(len(b))
		n := 0
		prev := h.base
		s, err := scanSegment(file, h, size, 0, func(r *wire.Record, p position) {
			if !follows(prev.zxid, r.Zxid) || r.PrevChain != prev.chain {
				t.Fatalf("%v after %v", r.Zxid, prev.zxid)
			}
			prev, n = p, n+1
		})
		if err != nil {
			t.Fatal(err)
		}
		if s.end > size || s.end < headerBytes || s.start > s.end || s.last != prev || int64(n) != s.records || s.tornBytes < 0 {
			t.Fatalf("scan %+v of %d bytes", s, size)
		}
		// Cut there, it is a whole segment with the same records.
		if err := cutSegment(file, sl, s); err != nil {
			t.Fatal(err)
		}
		size, _ = file.Size()
		again, err := scanSegment(file, h, size, 0, nil)
		if err != nil || again.torn() || again.later || again.last != prev || again.end != size {
			t.Fatalf("after the cut %+v, %v", again, err)
		}
	})
}

// FuzzSnapshot reads hostile snapshot files: whole or ErrBadSnapshot.
func FuzzSnapshot(f *testing.F) {
	o := options(vfs.NewMem())
	s, _, err := Open(o)
	if err != nil {
		f.Fatal(err)
	}
	info, err := snapshot(s, 0, 0, false)
	if err != nil {
		f.Fatal(err)
	}
	p := place{info.Lineage, info.Zxid}
	file, err := o.FS.Open("/data/snap/" + p.name(snapshotSuffix))
	if err != nil {
		f.Fatal(err)
	}
	size, _ := file.Size()
	whole := make([]byte, size)
	file.ReadAt(whole, 0)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(appendSnapshotHead(nil, info))
	f.Fuzz(func(t *testing.T, b []byte) {
		mem := vfs.NewMem()
		file, err := mem.Create("/" + p.name(snapshotSuffix))
		if err != nil {
			t.Fatal(err)
		}
		file.WriteAt(b, 0)
		got, err := verifySnapshot(mem, "/", p)
		if err == nil && !bytes.Equal(b, whole) && got == info {
			t.Fatal("other bytes pass for the same snapshot")
		}
		if err != nil && !errors.Is(err, ErrBadSnapshot) || errors.Is(err, io.EOF) {
			t.Fatalf("error %v", err)
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("00000001-0000000000000000.log")
	f.Add("spare-000001")
	f.Fuzz(func(t *testing.T, name string) {
		if p, ok := parsePlace(name, segmentSuffix); ok && p.name(segmentSuffix) != name {
			t.Fatalf("%q reads as %+v", name, p)
		}
		if n, ok := parseSpare(name); ok && spareName(n) != name {
			t.Fatalf("%q reads as %d", name, n)
		}
	})
}
