package storage

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core/vfs"
)

// openings counts how often each snapshot is opened.
type openings struct {
	*vfs.Mem
	of map[string]int
}

func (o *openings) Open(name string) (vfs.File, error) {
	if strings.HasSuffix(name, snapshotSuffix) {
		o.of[name]++
	}
	return o.Mem.Open(name)
}

// purger is a store with three snapshots, all of which are retained.
type purger struct {
	t     *testing.T
	fs    *openings
	s     *Store
	h     history
	names []string
}

func newPurger(t *testing.T, rereadAfter time.Duration) *purger {
	t.Helper()
	p := &purger{t: t, fs: &openings{vfs.NewMem(), map[string]int{}}}
	o := options(p.fs)
	o.Retain, o.RereadAfter = 3, rereadAfter
	p.s, _ = mustOpen(t, o)
	write(t, p.s, p.h.epoch(1))
	for range 3 {
		p.snapshot()
	}
	return p
}

func (p *purger) snapshot() {
	p.t.Helper()
	write(p.t, p.s, p.h.txns(12, 900)...)
	info, err := snapshot(p.s, p.h.at.zxid, p.h.at.chain, false)
	must(p.t, err)
	p.names = append(p.names, filepath.Join("/data", snapDirName, place{info.Lineage, info.Zxid}.name(snapshotSuffix)))
}

// purge purges and requires that exactly the snapshots named by number were read,
// and that files went or did not.
func (p *purger) purge(now time.Duration, removes bool, read ...int) {
	p.t.Helper()
	clear(p.fs.of)
	n, err := p.s.Purge(now)
	must(p.t, err)
	if n > 0 != removes {
		p.t.Fatalf("%d files went", n)
	}
	want := map[string]int{}
	for _, i := range read {
		want[p.names[i]] = 1
	}
	for i, name := range p.names {
		if p.fs.of[name] != want[name] {
			p.t.Errorf("at %v snapshot %d was read %d times, want %d", now, i, p.fs.of[name], want[name])
		}
	}
}

func (p *purger) resize(i int, bytes int64) {
	p.t.Helper()
	f, err := p.fs.OpenRW(p.names[i])
	must(p.t, err)
	must(p.t, f.Truncate(bytes))
	must(p.t, f.Close())
}

func TestPurgeReadsEachSnapshotOnceUntilItsTimeIsUp(t *testing.T) {
	p := newPurger(t, 0)
	p.purge(time.Minute, true, 0, 1, 2)
	p.purge(2*time.Minute, false)
	p.snapshot()
	p.purge(3*time.Minute, true, 3)
	p.purge(11*time.Minute, false, 1, 2) // and the fourth was read later
	p.purge(12*time.Minute, false)
	p.purge(13*time.Minute, false, 3)
	p.purge(5*time.Minute, false, 1, 2, 3) // a clock that went back proves nothing
}

func TestPurgeReadsEverySnapshotEachTimeWhereItIsToldTo(t *testing.T) {
	p := newPurger(t, -1)
	p.purge(0, true, 0, 1, 2)
	p.purge(0, false, 0, 1, 2)
}

func TestPurgeNoticesDamageWhenItReadsAgain(t *testing.T) {
	p := newPurger(t, 0)
	p.purge(0, true, 0, 1, 2)
	must(t, p.fs.Flip(p.names[1], 90, 1))
	p.snapshot()
	p.purge(10*time.Minute, false, 0, 1, 2, 3) // the oldest stays, in place of the damaged one
	must(t, p.fs.Flip(p.names[1], 90, 1))
	p.purge(11*time.Minute, true, 1) // what was damaged counts only after it was read whole
}

func TestPurgeReadsASnapshotAgainThatIsNotTheFileItWas(t *testing.T) {
	for name, change := range map[string]func(*purger, int){
		"it has lost its end":  func(p *purger, i int) { p.resize(i, 100) },
		"it is empty":          func(p *purger, i int) { p.resize(i, 0) },
		"it has become longer": func(p *purger, i int) { p.resize(i, 9000) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPurger(t, 0)
			p.purge(0, true, 0, 1, 2)
			p.snapshot()
			change(p, 2)
			p.purge(time.Second, false, 2, 3)
			p.snapshot()
			change(p, 4)
			p.purge(time.Second, false, 2, 4)
		})
	}
}

func TestPurgeReadsASnapshotAgainThatHadVanished(t *testing.T) {
	p := newPurger(t, 0)
	p.purge(0, true, 0, 1, 2)
	p.snapshot()
	must(t, p.fs.Rename(p.names[1], "/data/snap/elsewhere"))
	p.purge(time.Second, false, 3)
	must(t, p.fs.Rename("/data/snap/elsewhere", p.names[1]))
	p.purge(time.Second, true, 1)
}

// A snapshot that is written once more, at the same zxid, is another file.
func TestPurgeReadsASnapshotAgainThatWasWrittenAgain(t *testing.T) {
	p := newPurger(t, 0)
	p.purge(0, true, 0, 1, 2)
	_, err := snapshot(p.s, p.h.at.zxid, p.h.at.chain, false)
	must(t, err)
	p.purge(time.Second, false, 2)
}
