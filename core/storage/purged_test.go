package storage

import (
	"testing"

	"github.com/zensus-io/zensus/core/vfs"
)

// A server whose log no longer began at its beginning, and whose snapshot lay far
// into a segment, refused to start: the search began at an index mark with no
// position at all.
func TestPurgedLogReplaysFromEveryRecordThatItHolds(t *testing.T) {
	alone(t)
	mem := vfs.NewMem()
	o := options(mem)
	o.Retain, o.WindowBytes, o.SegmentBytes = 1, 1, 2<<20
	s, _ := mustOpen(t, o)
	h := &history{}
	write(t, s, h.epoch(1))
	for len(h.all) < 6000 {
		write(t, s, h.txns(100, 1000)...)
	}
	first := h.all[3000]
	if _, err := snapshot(s, first.Zxid, first.Chain(), false); err != nil {
		t.Fatal(err)
	}
	if removed, err := s.Purge(0); err != nil || removed == 0 {
		t.Fatalf("purged %d files, %v", removed, err)
	}
	if s.Base() == 0 {
		t.Fatal("the log still begins at its beginning")
	}
	check := func() {
		for i := 3000; i < len(h.all); i += 37 {
			mustReplay(t, s, h.all[i].Zxid, h.all[i+1:])
		}
	}
	check()
	must(t, s.Close())
	s, _ = mustOpen(t, o)
	check()
	must(t, s.Close())
}
