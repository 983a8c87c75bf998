package storage

import (
	"fmt"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// benchBatch is n records of 150 bytes that go on from h.
func benchBatch(h *history, batch []wire.Record, payload []byte) {
	for i := range batch {
		r := &batch[i]
		*r = wire.Record{Zxid: h.at.zxid + 1, Kind: wire.RecordTxn, PrevChain: h.at.chain, Payload: payload}
		h.at = position{r.Zxid, r.Seal()}
	}
}

func benchStore(b *testing.B, fs vfs.FS, dir string) (*Store, *history) {
	b.Helper()
	s, _ := mustOpen(b, Options{FS: fs, Dir: dir})
	h := &history{}
	write(b, s, h.epoch(1))
	for {
		more, err := s.Prepare()
		must(b, err)
		if !more {
			return s, h
		}
	}
}

// noSync leaves out the syncs, so that what is left is our own work.
type noSync struct{ vfs.OS }

type noSyncFile struct{ vfs.File }

func (noSyncFile) Sync() error { return nil }

func (f noSync) OpenRW(name string) (vfs.File, error) {
	file, err := f.OS.OpenRW(name)
	return noSyncFile{file}, err
}

func (f noSync) Create(name string) (vfs.File, error) {
	file, err := f.OS.Create(name)
	return noSyncFile{file}, err
}

func BenchmarkAppendSync(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			s, h := benchStore(b, vfs.OS{}, b.TempDir())
			batch, payload := make([]wire.Record, n), make([]byte, 150)
			b.ReportAllocs()
			for b.Loop() {
				benchBatch(h, batch, payload)
				must(b, s.Append(batch))
				must(b, s.Sync())
				// The disk worker is idle now and then.
				b.StopTimer()
				_, err := s.Prepare()
				must(b, err)
				b.StartTimer()
			}
			b.StopTimer()
			must(b, s.Close())
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			s, h := benchStore(b, noSync{}, b.TempDir())
			batch, payload := make([]wire.Record, n), make([]byte, 150)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				benchBatch(h, batch, payload)
				b.StartTimer()
				must(b, s.Append(batch))
				must(b, s.Sync())
			}
			b.StopTimer()
			must(b, s.Close())
		})
	}
}

// BenchmarkSyncOnly overwrites and syncs as many bytes as BenchmarkAppendSync: the
// price of the disk alone.
func BenchmarkSyncOnly(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			f, err := vfs.OS{}.Create(b.TempDir() + "/f")
			must(b, err)
			const size = 8 << 20
			if _, err := f.WriteAt(make([]byte, size), 0); err != nil {
				b.Fatal(err)
			}
			must(b, f.Sync())
			r := wire.Record{Payload: make([]byte, 150)}
			buf := make([]byte, int(frameBytes(&r))*n+trailerBytes)
			off := int64(0)
			for b.Loop() {
				if _, err := f.WriteAt(buf, off); err != nil {
					b.Fatal(err)
				}
				must(b, f.Sync())
				if off += int64(len(buf)); off+int64(len(buf)) > size {
					off = 0
				}
			}
			must(b, f.Close())
		})
	}
}

func fill(b *testing.B, dir string, records int) {
	b.Helper()
	s, h := benchStore(b, noSync{}, dir)
	batch, payload := make([]wire.Record, 1000), make([]byte, 150)
	for range records / len(batch) {
		benchBatch(h, batch, payload)
		must(b, s.Append(batch))
		must(b, s.Sync())
	}
	must(b, s.Close())
}

func BenchmarkReplay(b *testing.B) {
	const records = 200_000
	dir := b.TempDir()
	fill(b, dir, records)
	s, _ := mustOpen(b, Options{Dir: dir})
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		must(b, s.Replay(core.Zxid(0), func(wire.Record) error { n++; return nil }))
		if n != records+1 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkOpen(b *testing.B) {
	const records = 200_000
	dir := b.TempDir()
	fill(b, dir, records)
	for b.Loop() {
		s, _ := mustOpen(b, Options{Dir: dir})
		must(b, s.Close())
	}
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkSnapshot(b *testing.B) {
	s, h := benchStore(b, vfs.OS{}, b.TempDir())
	defer s.Close()
	chunk := make([]byte, 256<<10)
	b.SetBytes(64 << 20)
	for b.Loop() {
		w, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid})
		must(b, err)
		for range 256 {
			must(b, w.Write(chunk))
		}
		if _, err := w.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPurge looks at three snapshots of 64 MiB, when the newest has just been
// written and when all have to be read.
func BenchmarkPurge(b *testing.B) {
	const retain, chunks = 3, 256
	for _, bench := range []struct {
		name string
		new  int // how many were not read before
	}{{"new=1", 1}, {"new=3", 3}} {
		b.Run(bench.name, func(b *testing.B) {
			s, _ := mustOpen(b, Options{FS: noSync{}, Dir: b.TempDir(), Retain: retain})
			defer s.Close()
			h := &history{}
			chunk := make([]byte, 256<<10)
			snapshot := func() {
				write(b, s, h.epoch(h.at.zxid.Epoch()+1))
				w, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid})
				must(b, err)
				for range chunks {
					must(b, w.Write(chunk))
				}
				_, err = w.Commit()
				must(b, err)
			}
			for range retain {
				snapshot()
			}
			_, err := s.Purge(0)
			must(b, err)
			for b.Loop() {
				b.StopTimer()
				for range bench.new {
					snapshot()
				}
				b.StartTimer()
				_, err := s.Purge(0)
				must(b, err)
			}
		})
	}
}
