package storage

import (
	"path/filepath"
	"testing"

	"github.com/zensus-io/zensus/core/vfs"
)

// seam lets a test see, and change, what passes between the store and its files.
type seam struct {
	vfs.FS
	onRead  func(name string, p []byte, off int64)
	onWrite func(name string, p []byte, off int64)
}

type seamFile struct {
	vfs.File
	s    *seam
	name string
}

func (s *seam) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &seamFile{f, s, filepath.Base(name)}, nil
}

func (s *seam) Create(name string) (vfs.File, error) {
	f, err := s.FS.Create(name)
	return s.wrap(name, f, err)
}

func (s *seam) Open(name string) (vfs.File, error) {
	f, err := s.FS.Open(name)
	return s.wrap(name, f, err)
}

func (s *seam) OpenRW(name string) (vfs.File, error) {
	f, err := s.FS.OpenRW(name)
	return s.wrap(name, f, err)
}

func (f *seamFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if f.s.onRead != nil {
		f.s.onRead(f.name, p[:n], off)
	}
	return n, err
}

func (f *seamFile) WriteAt(p []byte, off int64) (int, error) {
	if f.s.onWrite != nil {
		f.s.onWrite(f.name, p, off)
	}
	return f.File.WriteAt(p, off)
}

// A bit that flips on the way from the disk, once, in the last batch after a crash
// looks like a torn tail: it must not cost what was acknowledged.
func TestAFlippedReadDoesNotCutTheTail(t *testing.T) {
	im := makeImage(t, false)
	// The hint of a clean end would prove the loss: look at a copy.
	s, _ := mustOpen(t, smallOptions(im.mem.Clone()))
	newest, end := s.active.name(segmentSuffix), s.active.end
	flips := 0
	for at := end - 200; at < end; at++ {
		mem, done := im.mem.Clone(), false
		fs := &seam{FS: mem, onRead: func(name string, p []byte, off int64) {
			if name == newest && !done && off <= at && at < off+int64(len(p)) && off >= headerBytes {
				p[at-off] ^= 0x20
				done = true
				flips++
			}
		}}
		s, rec, err := Open(smallOptions(fs))
		if err != nil || rec.Lost || rec.LastLogged != im.h.at.zxid {
			t.Fatalf("byte %d: %+v, %v", at, rec, err)
		}
		must(t, s.Close())
	}
	if flips < 200 {
		t.Fatalf("only %d flips", flips)
	}
}

// The slot that is good must stay until the other one is.
func TestHealingTheMetaRecordBeginsWithTheBadSlot(t *testing.T) {
	for slot := range int64(2) {
		im := makeImage(t, true)
		for range 3 { // with either parity of the sequence
			must(t, im.mem.Flip("/data/meta", slot*metaSlotBytes+30, 1))
			var wrote []int64
			fs := &seam{FS: im.mem, onWrite: func(name string, _ []byte, off int64) {
				if name == metaName {
					wrote = append(wrote, off/metaSlotBytes)
				}
			}}
			s, _ := mustOpen(t, smallOptions(fs))
			if len(wrote) != 2 || wrote[0] != slot || wrote[1] != 1-slot {
				t.Fatalf("slot %d is bad; written: %v", slot, wrote)
			}
			must(t, s.Close())
		}
	}
}
