package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

func TestTruncateIsExactOrChangesNothing(t *testing.T) {
	mem := vfs.NewMem()
	s, _ := mustOpen(t, options(mem))
	var h history
	write(t, s, h.epoch(1))
	write(t, s, h.txns(20, 600)...)
	write(t, s, h.txns(20, 600)...)
	before := slices.Clone(h.all)
	last := h.all[len(h.all)-1]
	for name, at := range map[string]position{
		"another chain":              {h.all[5].Zxid, 1},
		"a zxid that was never used": {core.MakeZxid(2, 5), 0},
		"a zxid between two epochs":  {core.MakeZxid(0, 5), 0},
		"beyond the end":             {last.Zxid + 1, last.Chain()},
	} {
		if err := s.Truncate(at.zxid, at.chain); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
		mustReplay(t, s, 0, before)
	}
	for _, keep := range []int{38, 30, 20, 7, 0} {
		r := h.all[keep]
		must(t, s.Truncate(r.Zxid, r.Chain()))
		h.cut(t, r.Zxid)
		mustReplay(t, s, 0, h.all)
		var rec *Recovered
		mem.Crash(nil, vfs.CrashPowerLose)
		s, rec = mustOpen(t, options(mem))
		if rec.Lost || rec.LastLogged != r.Zxid || rec.LastChain != r.Chain() || rec.TornBytes != 0 {
			t.Fatalf("kept %d: %+v", keep, rec)
		}
		write(t, s, h.txns(2, 30)...)
		mustReplay(t, s, 0, h.all)
	}
	must(t, s.Truncate(0, 0))
	h = history{}
	mustReplay(t, s, 0, nil)
	if len(s.Epochs()) != 0 {
		t.Fatalf("epochs %v", s.Epochs())
	}
	write(t, s, h.epoch(4), h.txn(9))
	mustReplay(t, s, 0, h.all)
}

// A cursor must not see records that a truncation took away.
func TestACursorEndsWhenItsPositionIsCut(t *testing.T) {
	s, _ := mustOpen(t, options(vfs.NewMem()))
	var h history
	write(t, s, h.epoch(1))
	write(t, s, h.txns(10, 100)...)
	c, err := s.NewCursor(h.all[3].Zxid)
	must(t, err)
	defer c.Close()
	got, err := c.Next(1)
	must(t, err)
	if err := sameRecords(got, h.all[4:5]); err != nil {
		t.Fatal(err)
	}
	must(t, s.Truncate(h.all[2].Zxid, h.all[2].Chain()))
	if rest, err := c.Next(1 << 20); err == nil && len(rest) > 0 && !errors.Is(err, ErrGone) {
		// What was read ahead may still be handed out; then it ends.
		if _, err = c.Next(1 << 20); !errors.Is(err, ErrGone) {
			t.Fatalf("after the cut: %v", err)
		}
	} else if !errors.Is(err, ErrGone) {
		t.Fatalf("after the cut: %d records, %v", len(rest), err)
	}
}

// It would have taken what was appended in their place for damage: what it has read ahead
// ends where a record of the new history begins.
func TestACursorTakesNoCutForDamage(t *testing.T) {
	const frameSize, readRecords = 512, readAhead / 512
	const size = frameSize - frameHeadBytes - recordBytesMin
	o := options(vfs.NewMem())
	o.SegmentBytes = 1 << 20
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.txns(readRecords+100, size)...)
	c, err := s.NewCursor(0)
	must(t, err)
	defer c.Close()
	for range readRecords {
		rec, err := c.next(true)
		must(t, err)
		if rec == nil {
			t.Fatal("it ends early")
		}
	}
	if c.r.pos != headerBytes+readAhead || c.r.next != c.r.pos {
		t.Fatalf("it is at %d and has read to %d", c.r.pos, c.r.next)
	}
	cut := h.all[readRecords-3]
	must(t, s.Truncate(cut.Zxid, cut.Chain()))
	h.cut(t, cut.Zxid)
	write(t, s, h.txn(2*frameSize-trailerBytes-frameHeadBytes-recordBytesMin), h.txn(size))
	if _, err := c.next(true); !errors.Is(err, ErrGone) {
		t.Fatalf("after the cut: %v", err)
	}
}

func TestACursorSeesOnlyWhatIsDurableAndWaitsForMore(t *testing.T) {
	s, _ := mustOpen(t, options(vfs.NewMem()))
	var h history
	write(t, s, h.epoch(1))
	c, err := s.NewCursor(0)
	must(t, err)
	defer c.Close()
	var got []wire.Record
	read := func() int {
		list, err := c.Next(700)
		must(t, err)
		for _, r := range list {
			r.Payload = bytes.Clone(r.Payload)
			got = append(got, r)
		}
		return len(list)
	}
	if read() != 1 || read() != 0 {
		t.Fatal("one record was durable")
	}
	must(t, s.Append(h.txns(5, 200)))
	if z := s.Durable(); z != h.all[0].Zxid {
		t.Fatalf("durable up to %v before the sync", z)
	}
	if _, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid}); err == nil {
		t.Fatal("a snapshot above what is durable")
	}
	if n := read(); n != 0 {
		t.Fatalf("%d records that are not synced", n)
	}
	must(t, s.Sync())
	if n := read(); n == 0 || n == 5 {
		t.Fatalf("%d records in 700 bytes", n)
	}
	for range 8 {
		write(t, s, h.txns(6, 500)...) // rolls
	}
	for read() > 0 {
	}
	if err := sameRecords(got, h.all); err != nil {
		t.Fatal(err)
	}
	if _, err := s.NewCursor(h.at.zxid + 1); !errors.Is(err, ErrMismatch) {
		t.Fatalf("a cursor beyond the end: %v", err)
	}
}

// TestReadingStartsAtAnyRecord: at, before and behind the marks of the index.
func TestReadingStartsAtAnyRecord(t *testing.T) {
	alone(t)
	mem := vfs.NewMem()
	o := options(mem)
	o.SegmentBytes = 512 << 10
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	for range 90 {
		write(t, s, h.txns(9, 700)...)
	}
	for _, reopened := range []bool{false, true} {
		if reopened { // then there are marks within batches too
			must(t, s.Close())
			s, _ = mustOpen(t, o)
		}
		marks := 0
		for _, g := range s.mu.segments {
			marks += len(g.index)
		}
		if marks < 8 {
			t.Fatalf("only %d marks", marks)
		}
		for i, r := range h.all {
			if c, err := s.ChainAt(r.Zxid); err != nil || c != r.Chain() {
				t.Fatalf("chain at %v: %x, %v", r.Zxid, c, err)
			}
			c, err := s.NewCursor(r.Zxid)
			must(t, err)
			got, err := c.Next(2000)
			must(t, err)
			if err := sameRecords(got, h.all[i+1:min(i+1+len(got), len(h.all))]); err != nil || len(got) == 0 != (i == len(h.all)-1) {
				t.Fatalf("after %v: %d records, %v", r.Zxid, len(got), err)
			}
			must(t, c.Close())
		}
	}
	r := h.all[len(h.all)/2]
	must(t, s.Truncate(r.Zxid, r.Chain()))
	h.cut(t, r.Zxid)
	mustReplay(t, s, 0, h.all)
}

// TestReadersSnapshotsAndPurgeRunBesideTheOwner reads, snapshots and purges while the owner appends.
func TestReadersSnapshotsAndPurgeRunBesideTheOwner(t *testing.T) {
	o := options(vfs.OS{})
	o.Dir = t.TempDir()
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	errs := make(chan error, 2)
	wg.Add(2)
	go func() {
		defer wg.Done()
		for {
			select {
			case <-stop:
				return
			default:
			}
			z := s.Durable()
			chain, err := s.ChainAt(z)
			if err == nil {
				_, err = snapshot(s, z, chain, false)
			}
			if err == nil {
				_, err = s.Purge(0)
			}
			if err == nil {
				err = s.DiskLow()
			}
			if err == nil {
				_, err = s.Stats()
			}
			if err != nil {
				errs <- err
				return
			}
		}
	}()
	go func() {
		defer wg.Done()
		for z := core.Zxid(0); ; {
			select {
			case <-stop:
				return
			default:
			}
			c, err := s.NewCursor(max(z, s.Base()))
			if err == nil {
				var list []wire.Record
				list, err = c.Next(4000)
				if n := len(list); n > 0 {
					z = list[n-1].Zxid
				}
				c.Close()
			}
			if err != nil && !errors.Is(err, ErrGone) {
				errs <- err
				return
			}
		}
	}()
	for range 150 {
		write(t, s, h.txns(4, 300)...)
		if _, err := s.Prepare(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	select {
	case err := <-errs:
		t.Fatal(err)
	default:
	}
	must(t, s.Close())
	s, rec := mustOpen(t, o)
	if rec.Lost || len(rec.Damage) > 0 || rec.LastLogged != h.at.zxid {
		t.Fatalf("recovered %+v", rec)
	}
	must(t, s.Close())
}

func TestPurgeCountsOnlyWholeSnapshots(t *testing.T) {
	mem := vfs.NewMem()
	o := options(mem)
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	var infos []SnapshotInfo
	for range 5 {
		write(t, s, h.txns(12, 900)...)
		info, err := snapshot(s, h.at.zxid, h.at.chain, false)
		must(t, err)
		infos = append(infos, info)
	}
	name := func(i int) string {
		return filepath.Join("/data", snapDirName, place{infos[i].Lineage, infos[i].Zxid}.name(snapshotSuffix))
	}
	for _, i := range []int{4, 3, 2, 1} {
		must(t, mem.Flip(name(i), 90, 1))
	}
	if n, err := s.Purge(0); n != 0 || err != nil {
		t.Fatalf("with one whole snapshot %d files went: %v", n, err)
	}
	must(t, mem.Flip(name(1), 90, 1)) // whole again
	n, err := s.Purge(0)
	must(t, err)
	if n == 0 || s.Base() > infos[0].Zxid {
		t.Fatalf("%d files went, the log begins at %v", n, s.Base())
	}
	must(t, s.Close())
	s, rec := mustOpen(t, o)
	if rec.Lost || rec.LastLogged != h.at.zxid || rec.Snapshot == nil || rec.Snapshot.Zxid != infos[1].Zxid || len(rec.Damage) != 3 {
		t.Fatalf("recovered %+v, want snapshot %v and all records after it", rec, infos[1].Zxid)
	}
	for _, i := range []int{4, 3, 2} {
		must(t, mem.Flip(name(i), 90, 1))
	}
	if n, err := s.Purge(0); n < 3 || err != nil {
		t.Fatalf("with whole snapshots %d files went: %v", n, err)
	}
	if s.Base() == 0 || s.Base() > infos[3].Zxid {
		t.Fatalf("the log begins at %v, the oldest snapshot kept is %v", s.Base(), infos[3].Zxid)
	}
	write(t, s, h.txns(30, 900)...)
	mustReplay(t, s, infos[3].Zxid, h.all[slices.IndexFunc(h.all, func(r wire.Record) bool { return r.Zxid == infos[3].Zxid })+1:])
}

func TestPurgeLeavesTheWindowForLearners(t *testing.T) {
	o := options(vfs.NewMem())
	o.WindowBytes, o.Retain = 40<<10, 1
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	for range 10 {
		write(t, s, h.txns(10, 900)...)
	}
	if _, err := snapshot(s, h.at.zxid, h.at.chain, false); err != nil {
		t.Fatal(err)
	}
	n, err := s.Purge(0)
	must(t, err)
	st, err := s.Stats()
	must(t, err)
	if n == 0 || st.LogBytes < o.WindowBytes || st.LogBytes > o.WindowBytes+o.SegmentBytes {
		t.Fatalf("%d files went, %d bytes of log stay", n, st.LogBytes)
	}
}

func TestPurgeLeavesNoWindowWhenThereIsLittleRoom(t *testing.T) {
	mem := vfs.NewMem()
	o := options(mem)
	o.WindowBytes, o.Retain, o.LowWaterBytes, o.BallastBytes = 1<<30, 1, 64<<10, 32<<10
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	for range 10 {
		write(t, s, h.txns(10, 900)...)
	}
	_, err := snapshot(s, h.at.zxid, h.at.chain, false)
	must(t, err)
	n, err := s.Purge(0)
	must(t, err)
	if short, err := s.Short(); n != 0 || short || err != nil {
		t.Fatalf("%d files went while there is room: %v, %v", n, short, err)
	}
	mem.SetQuota(mem.Used() + o.LowWaterBytes + o.BallastBytes - 1)
	if short, err := s.Short(); !short || err != nil {
		t.Fatalf("short: %v, %v", short, err)
	}
	n, err = s.Purge(0)
	must(t, err)
	st, err := s.Stats()
	must(t, err)
	if n == 0 || st.LogBytes > o.SegmentBytes {
		t.Fatalf("%d files went, %d bytes of log stay", n, st.LogBytes)
	}
}

// TestASpareIsNotBegunWithoutTheRoomForIt: nor is one that was begun kept when there is
// little room.
func TestASpareIsNotBegunWithoutTheRoomForIt(t *testing.T) {
	mem := vfs.NewMem()
	o := options(mem)
	o.SegmentBytes, o.LowWaterBytes, o.BallastBytes = 4<<20, 1<<20, 1<<20
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	write(t, s, h.txns(30, 100<<10)...) // more than half a segment
	for range 100 {                     // the segment itself, and the ballast
		if more, err := s.Prepare(); err != nil {
			t.Fatal(err)
		} else if s.filling != nil {
			break
		} else if !more {
			t.Fatal("no spare is begun")
		}
	}
	mem.SetQuota(mem.Used() + o.LowWaterBytes + o.BallastBytes - 1)
	used := mem.Used()
	_, err := s.Prepare()
	must(t, err)
	if s.filling != nil || mem.Used() >= used {
		t.Fatal("a spare that was begun stays")
	}
	mem.SetQuota(mem.Used() + o.LowWaterBytes + o.BallastBytes + o.SegmentBytes - 1)
	for more := true; more; {
		more, err = s.Prepare()
		must(t, err)
		if s.filling != nil {
			t.Fatal("a spare is begun that leaves little room")
		}
	}
	mem.SetQuota(mem.Used() + o.LowWaterBytes + o.BallastBytes + o.SegmentBytes)
	_, err = s.Prepare()
	must(t, err)
	if s.filling == nil {
		t.Fatal("no spare is begun, with room for it")
	}
}

// In snapshots before those two was what had been deleted to make room.
func TestPurgeKeepsTwoSnapshotsWhenThereIsLittleRoom(t *testing.T) {
	mem := vfs.NewMem()
	o := options(mem)
	o.Retain, o.LowWaterBytes, o.BallastBytes = 3, 64<<10, 32<<10
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	purge := func(want int) {
		t.Helper()
		_, err := s.Purge(0)
		must(t, err)
		l, err := listFiles(s.fs, s.opt.Dir)
		must(t, err)
		if len(l.snapshots) != want {
			t.Fatalf("%d snapshots, want %d", len(l.snapshots), want)
		}
	}
	for range 4 {
		write(t, s, h.txns(10, 900)...)
		_, err := snapshot(s, h.at.zxid, h.at.chain, false)
		must(t, err)
	}
	purge(3)
	mem.SetQuota(mem.Used() + o.LowWaterBytes + o.BallastBytes - 1)
	purge(2)
}

// What had been purged of the log was set aside for what was to come, and the disk
// remained nearly full.
func TestPurgeSetsLittleAsideWhenThereIsLittleRoom(t *testing.T) {
	mem := vfs.NewMem()
	o := options(mem)
	o.Retain, o.LowWaterBytes, o.BallastBytes = 1, 64<<10, 32<<10
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	fill := func() { // segments are filled ahead, as by an owner who is idle
		t.Helper()
		for more := true; more; {
			var err error
			more, err = s.Prepare()
			must(t, err)
		}
	}
	purge := func() {
		t.Helper()
		_, err := snapshot(s, h.at.zxid, h.at.chain, false)
		must(t, err)
		_, err = s.Purge(0)
		must(t, err)
	}
	for range 10 {
		write(t, s, h.txns(10, 900)...)
		fill()
	}
	spares := func(want int) {
		t.Helper()
		st, err := s.Stats()
		must(t, err)
		l, err := listFiles(s.fs, s.opt.Dir)
		must(t, err)
		if st.Spares != want || len(l.spares) != want {
			t.Fatalf("%d spare segments, %d files, want %d", st.Spares, len(l.spares), want)
		}
	}
	purge()
	spares(sparesMax)
	mem.SetQuota(mem.Used() + o.LowWaterBytes + o.BallastBytes - 1)
	purge()
	spares(sparesShort)
	for range 10 { // it goes on in the one that is left, and in those that become free
		write(t, s, h.txns(10, 900)...)
		mem.SetQuota(mem.Used() + o.LowWaterBytes + o.BallastBytes - 1)
	}
	purge()
	spares(sparesShort)
	must(t, s.Close())
	s, rec := mustOpen(t, o)
	if rec.Lost || rec.LastLogged != h.at.zxid {
		t.Fatalf("recovered %+v", rec)
	}
	must(t, s.Close())
}

// TestTwoSnapshotsDoWhereThereIsLittleRoom: a server that is short of room has not written
// as many as it is to keep, and has no room for the others before log goes.
func TestTwoSnapshotsDoWhereThereIsLittleRoom(t *testing.T) {
	mem := vfs.NewMem()
	o := options(mem)
	o.WindowBytes, o.Retain, o.LowWaterBytes, o.BallastBytes, o.RereadAfter = 1, 3, 64<<10, 32<<10, -1
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	var infos []SnapshotInfo
	more := func() {
		for range 5 {
			write(t, s, h.txns(10, 900)...)
		}
		info, err := snapshot(s, h.at.zxid, h.at.chain, false)
		must(t, err)
		infos = append(infos, info)
		write(t, s, h.txns(10, 900)...)
	}
	purge := func(why string, want bool) {
		t.Helper()
		n, err := s.Purge(0)
		must(t, err)
		if n > 0 != want {
			t.Fatalf("%s: %d files went", why, n)
		}
	}
	more()
	mem.SetQuota(mem.Used() + o.LowWaterBytes)
	purge("one snapshot", false)
	mem.SetQuota(mem.Used() + 1<<20)
	more()
	purge("there is room", false)
	mem.SetQuota(mem.Used() + o.LowWaterBytes)
	name := filepath.Join(o.Dir, snapDirName, place{infos[0].Lineage, infos[0].Zxid}.name(snapshotSuffix))
	damage := func() { must(t, mem.Flip(name, 90, 1)) }
	damage()
	purge("one of the two is damaged", false)
	damage()
	purge("two", true)
	if s.Base() == 0 || s.Base() > infos[0].Zxid {
		t.Fatalf("the log begins at %v, the older snapshot is %v", s.Base(), infos[0].Zxid)
	}
	mustReplay(t, s, infos[0].Zxid, h.all[slices.IndexFunc(h.all, func(r wire.Record) bool { return r.Zxid == infos[0].Zxid })+1:])
}

// TestInstallMakesTheOldLineageUnreadable: what was logged before must never come
// back, even if the installed snapshot is damaged later (zab Z-13).
func TestInstallMakesTheOldLineageUnreadable(t *testing.T) {
	mem := vfs.NewMem()
	s, _ := mustOpen(t, options(mem))
	var h history
	write(t, s, h.epoch(1))
	write(t, s, h.txns(30, 700)...)
	if _, err := snapshot(s, h.at.zxid, h.at.chain, false); err != nil {
		t.Fatal(err)
	}
	write(t, s, h.txns(5, 100)...)
	z := h.all[12].Zxid // below our own log
	info, err := snapshot(s, z, 0x55, true)
	must(t, err)
	must(t, readAll(s, info))
	if err := s.InstallSnapshot(SnapshotInfo{Zxid: z, Lineage: 1}, nil); err == nil || IsFatal(err) {
		t.Fatalf("installing a snapshot of the old lineage: %v", err)
	}
	must(t, s.InstallSnapshot(info, nil))
	for _, f := range mem.Files() {
		if strings.Contains(f.Name, "/00000001-") {
			t.Errorf("%s is still there", f.Name)
		}
	}
	after := history{at: position{z, 0x55}}
	write(t, s, after.txns(3, 100)...)
	mem.Crash(nil, vfs.CrashPowerLose)
	s, rec := mustOpen(t, options(mem))
	m := rec.Meta
	if rec.Lost || rec.LastLogged != after.at.zxid || m.Lineage != 2 || m.BaseSnapshotZxid != z || m.BaseChain != 0x55 || rec.Snapshot.Zxid != z {
		t.Fatalf("recovered %+v", rec)
	}
	mustReplay(t, s, z, after.all)
	if _, err := s.NewCursor(h.all[3].Zxid); !errors.Is(err, ErrGone) {
		t.Fatalf("reading the old lineage: %v", err)
	}
	if err := s.Truncate(h.all[3].Zxid, h.all[3].Chain()); !errors.Is(err, ErrMismatch) {
		t.Fatalf("truncating into the old lineage: %v", err)
	}
	must(t, s.Close())
	for _, f := range mem.Files() {
		if strings.Contains(f.Name, "/00000001-") {
			t.Errorf("%s is still there", f.Name)
		}
	}
	must(t, mem.Flip(filepath.Join("/data", snapDirName, place{2, z}.name(snapshotSuffix)), 80, 4))
	_, rec = mustOpen(t, options(mem))
	if !rec.Lost || rec.Snapshot != nil || rec.LastLogged != 0 {
		t.Fatalf("with the snapshot damaged: %+v", rec)
	}
}

// A node whose state is lost altogether comes back through a snapshot.
func TestInstallHealsADamagedStore(t *testing.T) {
	mem := vfs.NewMem()
	s, _ := mustOpen(t, options(mem))
	var h history
	write(t, s, h.epoch(1))
	write(t, s, h.txns(5, 100)...)
	name := s.segmentPath(s.active.place)
	must(t, s.Close())
	must(t, mem.Flip(name, 20, 1)) // the header
	s, rec := mustOpen(t, options(mem))
	if !rec.Lost || rec.LastLogged != 0 {
		t.Fatalf("recovered %+v", rec)
	}
	if more, err := s.Prepare(); more || err != nil {
		t.Fatalf("prepare: %v, %v", more, err)
	}
	info, err := snapshot(s, h.at.zxid, h.at.chain, true)
	must(t, err)
	must(t, s.InstallSnapshot(info, nil))
	write(t, s, h.txns(5, 100)...)
	must(t, s.Close())
	s, rec = mustOpen(t, options(mem))
	if rec.Lost || len(rec.Damage) > 0 || rec.LastLogged != h.at.zxid {
		t.Fatalf("recovered %+v", rec)
	}
	must(t, s.Close())
}

func TestAfterAFailedSyncEverythingFails(t *testing.T) {
	mem := vfs.NewMem()
	fault := vfs.NewFault(mem, FileClass, nil)
	s, _ := mustOpen(t, options(fault))
	var h history
	write(t, s, h.epoch(1))
	sw, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid})
	must(t, err)
	// Once, then success: the page cache has forgotten that anything was dirty.
	fault.SetPlan(vfs.Nth(vfs.OpSync, "", 0, false, vfs.FailEIO))
	must(t, s.Append(h.txns(1, 10)))
	first := s.Sync()
	if !IsFatal(first) || !errors.Is(first, syscall.EIO) {
		t.Fatalf("sync: %v", first)
	}
	_, e1 := s.Prepare()
	_, e2 := s.Purge(0)
	_, e3 := s.NewCursor(0)
	_, e4 := s.NewSnapshot(SnapshotInfo{})
	_, e5 := s.Stats()
	for i, err := range []error{
		s.Sync(), s.Append(h.txns(1, 1)), s.WriteMeta(s.Meta()), s.Truncate(0, 0), s.Repair(),
		s.ReleaseBallast(), sw.Write([]byte("x")), e1, e2, e3, e4, e5,
	} {
		if !errors.Is(err, first) {
			t.Errorf("call %d after the failed sync: %v", i, err)
		}
	}
	if err := s.Close(); !errors.Is(err, first) {
		t.Errorf("close: %v", err)
	}
}

func TestMetaNeverGoesBack(t *testing.T) {
	mem := vfs.NewMem()
	s, rec := mustOpen(t, options(mem))
	m := s.Meta()
	m.ClusterID, m.Sid, m.AcceptedEpoch, m.CurrentEpoch, m.Voteable = [16]byte{1, 2}, 7, 5, 4, true
	m.Lineage, m.DataDirID = 99, [16]byte{9} // the store's own: not to be had
	must(t, s.WriteMeta(m))
	for _, change := range []func(*Meta){
		func(m *Meta) { m.AcceptedEpoch-- }, func(m *Meta) { m.CurrentEpoch-- },
	} {
		back := s.Meta()
		change(&back)
		if err := s.WriteMeta(back); err == nil || IsFatal(err) {
			t.Fatalf("an epoch went back: %v", err)
		}
	}
	mem.Crash(nil, vfs.CrashPowerLose)
	s, again := mustOpen(t, options(mem))
	got := again.Meta
	if got.AcceptedEpoch != 5 || got.CurrentEpoch != 4 || !got.Voteable || got.Sid != 7 || got.ClusterID != m.ClusterID ||
		got.Lineage != 1 || got.DataDirID != rec.Meta.DataDirID {
		t.Fatalf("meta %+v", got)
	}
	must(t, s.Close())
	for _, off := range []int64{10, metaSlotBytes + 10} {
		must(t, mem.Flip("/data/meta", off, 1))
	}
	_, _, err := Open(options(mem))
	var refused *RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "both copies") {
		t.Fatalf("with both slots damaged: %v", err)
	}
}

func TestTheHintIsRenewedInIdleMoments(t *testing.T) {
	o := options(vfs.NewMem())
	o.SegmentBytes = 1 << 20
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	for range hintBatches {
		write(t, s, h.txns(1, 0)...)
	}
	before := s.Meta().DurableHint
	if _, err := s.Prepare(); err != nil {
		t.Fatal(err)
	}
	if got := s.Meta().DurableHint; got != h.at.zxid || got == before {
		t.Fatalf("hint %v, was %v, want %v", got, before, h.at.zxid)
	}
}

func TestALowDiskIsReportedAndTheBallastHelps(t *testing.T) {
	mem := vfs.NewMem()
	o := options(mem)
	o.LowWaterBytes, o.BallastBytes = 64<<10, 32<<10
	mem.SetQuota(4 << 20)
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	for more := true; more; {
		var err error
		more, err = s.Prepare()
		must(t, err)
	}
	must(t, s.DiskLow())
	if n, err := mem.Size("/data/ballast"); n != o.BallastBytes || err != nil {
		t.Fatalf("ballast: %d, %v", n, err)
	}
	mem.SetQuota(mem.Used() + 40<<10)
	if err := s.DiskLow(); !errors.Is(err, ErrDiskLow) || errors.Is(err, ErrDiskScarce) || IsFatal(err) {
		t.Fatalf("low disk: %v", err)
	}
	mem.SetQuota(mem.Used() + 8<<10)
	if err := s.DiskLow(); !errors.Is(err, ErrDiskScarce) || !errors.Is(err, ErrDiskLow) || IsFatal(err) {
		t.Fatalf("low disk: %v", err)
	}
	// A snapshot that does not fit costs the snapshot only.
	sw, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid, Chain: h.at.chain})
	must(t, err)
	if err := sw.Write(make([]byte, 20<<10)); !errors.Is(err, ErrDiskLow) || IsFatal(err) {
		t.Fatalf("snapshot: %v", err)
	}
	if _, err := sw.Commit(); !errors.Is(err, ErrDiskLow) {
		t.Fatalf("commit: %v", err)
	}
	must(t, sw.Abort())
	// The log goes on into the reserve, and with the ballast further.
	used := mem.Used()
	must(t, s.ReleaseBallast())
	if mem.Used() != used-o.BallastBytes {
		t.Fatalf("the ballast gave %d bytes", used-mem.Used())
	}
	write(t, s, h.txns(20, 900)...)
	// When it fails in the end, it fails for good and loses nothing.
	var failed error
	for failed == nil {
		list := h.txns(10, 900)
		if failed = s.Append(list); failed == nil {
			failed = s.Sync()
		}
		if failed != nil {
			h.cut(t, list[0].Zxid-1)
		}
	}
	if !IsFatal(failed) || !errors.Is(failed, syscall.ENOSPC) {
		t.Fatalf("full: %v", failed)
	}
	mem.Crash(nil, vfs.CrashPowerLose)
	mem.SetQuota(8 << 20)
	s, rec := mustOpen(t, o)
	if rec.Lost || rec.LastLogged < h.at.zxid {
		t.Fatalf("recovered %+v, want %v", rec, h.at.zxid)
	}
	must(t, s.Close())
}

// On a disk that is full to the last byte the next start still succeeds.
func TestStartOnAFullDiskReleasesTheBallast(t *testing.T) {
	mem := vfs.NewMem()
	o := options(mem)
	o.LowWaterBytes, o.BallastBytes = 64<<10, 32<<10
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	for more := true; more; {
		var err error
		more, err = s.Prepare()
		must(t, err)
	}
	must(t, s.Append(h.txns(3, 900)))
	mem.Crash(nil, vfs.CrashProcess)
	mem.SetQuota(mem.Used())
	s, _ = mustOpen(t, o)
	if _, err := mem.Size("/data/ballast"); err == nil {
		t.Fatal("the ballast is still there")
	}
	write(t, s, h.txns(3, 900)...)
	must(t, s.Close())
}

// TestASnapshotLeavesTheLogItsRoom: a snapshot that does not fit writes until it may not go
// on, and what is logged meanwhile still finds room; so it does when the snapshot just fits.
func TestASnapshotLeavesTheLogItsRoom(t *testing.T) {
	mem := vfs.NewMem()
	o := options(mem)
	o.LowWaterBytes, o.BallastBytes = 4<<20, -1
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	mem.SetQuota(mem.Used() + 256<<10)
	sw, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid, Chain: h.at.chain})
	must(t, err)
	for err == nil {
		err = sw.Write(make([]byte, 4<<10))
	}
	if !errors.Is(err, ErrDiskLow) || IsFatal(err) {
		t.Fatalf("snapshot: %v", err)
	}
	write(t, s, h.txns(20, 900)...) // the snapshot is still there
	must(t, sw.Abort())

	free, err := mem.FreeBytes("/data")
	must(t, err)
	sw, err = s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid, Chain: h.at.chain})
	must(t, err)
	must(t, sw.Write(make([]byte, free-s.reserve()-16<<10)))
	_, err = sw.Commit()
	must(t, err)
	write(t, s, h.txns(20, 900)...)
	must(t, s.Close())
}

// TestTheLogTakesTheRoomOfASnapshot: more is logged at once than is left beside a
// snapshot. That costs the snapshot.
func TestTheLogTakesTheRoomOfASnapshot(t *testing.T) {
	for _, low := range []int64{-1, 1 << 20} {
		mem := vfs.NewMem()
		o := options(mem)
		o.LowWaterBytes, o.BallastBytes = low, -1
		s, _ := mustOpen(t, o)
		var h history
		write(t, s, h.epoch(1))
		mem.SetQuota(mem.Used() + 384<<10)
		sw, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid, Chain: h.at.chain})
		must(t, err)
		must(t, sw.Write(make([]byte, 300<<10)))
		write(t, s, h.txns(200, 900)...)
		if err := sw.Write(make([]byte, 1)); !errors.Is(err, ErrDiskLow) || IsFatal(err) {
			t.Fatalf("snapshot: %v", err)
		}
		if _, err := sw.Commit(); !errors.Is(err, ErrDiskLow) {
			t.Fatalf("commit: %v", err)
		}
		sw, err = s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid, Chain: h.at.chain})
		must(t, err)
		must(t, sw.Write(make([]byte, 20<<10)))
		_, err = sw.Commit()
		must(t, err)
		must(t, s.Close())
		s, rec := mustOpen(t, o)
		if rec.Lost || rec.LastLogged != h.at.zxid {
			t.Fatalf("recovered %+v, want %v", rec, h.at.zxid)
		}
		must(t, s.Close())
	}
}

// TestASnapshotAtTheStartMayUseAllRoom: what is kept for the log is no use to a server that
// can only go on if some of its log goes.
func TestASnapshotAtTheStartMayUseAllRoom(t *testing.T) {
	mem := vfs.NewMem()
	o := options(mem)
	o.LowWaterBytes, o.BallastBytes = 4<<20, -1
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	mem.SetQuota(mem.Used() + s.reserve())
	info := SnapshotInfo{Zxid: h.at.zxid, Chain: h.at.chain}
	if _, err := s.NewSnapshot(info); !errors.Is(err, ErrDiskLow) || IsFatal(err) {
		t.Fatalf("snapshot: %v", err)
	}
	sw, err := s.NewSnapshotAtStart(info)
	must(t, err)
	must(t, sw.Write(make([]byte, s.reserve()-8<<10)))
	_, err = sw.Commit()
	must(t, err)
	must(t, s.Close())
}

func TestASnapshotComesBackAsItWasWritten(t *testing.T) {
	s, _ := mustOpen(t, options(vfs.NewMem()))
	var h history
	write(t, s, h.epoch(1))
	if _, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid + 1}); err == nil {
		t.Fatal("a snapshot above what is durable")
	}
	sw, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid, Chain: h.at.chain, TreeDigest: 7, DigestVersion: 2, Time: 5})
	must(t, err)
	chunks := [][]byte{{1}, bytes.Repeat([]byte("zensus"), 1000), make([]byte, ChunkBytesMax)}
	for _, c := range chunks {
		must(t, sw.Write(c))
	}
	for _, bad := range [][]byte{nil, make([]byte, ChunkBytesMax+1)} {
		if err := sw.Write(bad); !errors.Is(err, ErrTooLarge) {
			t.Fatalf("a chunk of %d bytes: %v", len(bad), err)
		}
	}
	info, err := sw.Commit()
	must(t, err)
	if info.Chunks != 3 || info.TreeDigest != 7 || info.Time != 5 || info.Bytes != int64(1+6000+ChunkBytesMax) {
		t.Fatalf("info %+v", info)
	}
	r, err := s.OpenSnapshot(info)
	must(t, err)
	defer r.Close()
	for _, want := range chunks {
		got, err := r.Next()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("chunk of %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) || r.Info() != info {
		t.Fatalf("at the end: %v, %+v", err, r.Info())
	}
}

// TestATornTailOverAFormerLife crashes in a batch that overwrites valid batches of
// the segment's former life (lessons E15).
func TestATornTailOverAFormerLife(t *testing.T) {
	im := makeImage(t, false)
	for n := 0; ; n++ {
		mem := im.mem.Clone()
		fault := vfs.NewFault(mem, FileClass, vfs.Nth(vfs.OpWrite, "segment", n, false, vfs.CrashHalf))
		h := history{at: im.h.at, all: slices.Clone(im.h.all)}
		s, _ := mustOpen(t, smallOptions(fault))
		if !s.active.header.recycled {
			t.Fatal("the segment was to be a recycled one")
		}
		err := s.Append(h.txns(4, 120))
		if err == nil {
			if n == 0 {
				t.Fatal("no write met its fate")
			}
			return
		}
		mem.Crash(nil, vfs.CrashPowerKeep)
		s, rec := mustOpen(t, smallOptions(mem))
		if rec.Lost || len(rec.Damage) > 0 || rec.LastLogged < im.h.at.zxid {
			t.Fatalf("recovered %+v", rec)
		}
		kept := int(rec.LastLogged - im.h.at.zxid)
		if kept == 4 {
			t.Fatal("half a batch holds all records")
		}
		h.cut(t, rec.LastLogged)
		write(t, s, h.txns(2, 40)...)
		mem.Crash(nil, vfs.CrashPowerLose)
		s, rec = mustOpen(t, smallOptions(mem))
		if rec.Lost || rec.LastLogged != h.at.zxid {
			t.Fatalf("after going on: %+v", rec)
		}
		must(t, s.Close())
	}
}

func TestALargeAppendIsSplitAndARecordMayOutgrowASegment(t *testing.T) {
	alone(t)
	o := options(vfs.NewMem())
	s, _ := mustOpen(t, o)
	var h history
	write(t, s, h.epoch(1))
	write(t, s, h.txn(100<<10)) // larger than a segment
	write(t, s, h.txn(10))
	mustReplay(t, s, 0, h.all)
	list := h.txns(3, RecordBytesMax-recordBytesMin) // larger than a batch
	must(t, s.Append(list))
	must(t, s.Sync())
	must(t, s.Close())
	s, rec := mustOpen(t, o)
	if rec.Lost || rec.LastLogged != h.at.zxid {
		t.Fatalf("recovered %v of %v", rec.LastLogged, h.at.zxid)
	}
	mustReplay(t, s, 0, h.all)
	must(t, s.Close())
}

func TestOptionsOutOfBoundsAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"no directory":    {},
		"tiny segments":   {Dir: "x", SegmentBytes: 100},
		"retains nothing": {Dir: "x", Retain: -1},
	} {
		o.FS = vfs.NewMem()
		if _, _, err := Open(o); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if fmt.Sprint(Damage{"a", 3, "b"}) != "a at 3: b" {
		t.Error("a damage is one line")
	}
}

// short is a file system of a process that has no descriptors left.
type short struct {
	vfs.FS
	on bool
}

func (s *short) Create(name string) (vfs.File, error) {
	if s.on {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EMFILE}
	}
	return s.FS.Create(name)
}

func TestSnapshotForWhichThereIsNoDescriptorIsNotFatal(t *testing.T) {
	files := &short{FS: vfs.NewMem()}
	s, _ := mustOpen(t, options(files))
	var h history
	write(t, s, h.epoch(1))
	files.on = true
	_, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid, Chain: h.at.chain})
	if !errors.Is(err, syscall.EMFILE) || IsFatal(err) {
		t.Fatalf("snapshot: %v", err)
	}
	files.on = false
	write(t, s, h.txns(1, 10)...)
	sw, err := s.NewSnapshot(SnapshotInfo{Zxid: h.at.zxid, Chain: h.at.chain})
	must(t, err)
	must(t, sw.Write([]byte("state")))
	_, err = sw.Commit()
	must(t, err)
	must(t, s.Close())
}
