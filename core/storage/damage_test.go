package storage

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// image is a small data directory: a snapshot below the newest segments, records
// of one and of several sectors, a roll, a recycled segment as the last one.
type image struct {
	mem *vfs.Mem
	h   history
	// beforeLast is where the last batch begins: all that an unclean end may cost.
	beforeLast core.Zxid
	hint       core.Zxid
}

func smallOptions(fs vfs.FS) Options {
	o := options(fs)
	o.SegmentBytes, o.Retain = 2*headerBytes, 1
	return o
}

func makeImage(t *testing.T, clean bool) *image {
	t.Helper()
	im := &image{mem: vfs.NewMem()}
	s, _ := mustOpen(t, smallOptions(im.mem))
	m := s.Meta()
	m.AcceptedEpoch, m.CurrentEpoch, m.Voteable = 1, 1, true
	must(t, s.WriteMeta(m))
	write(t, s, im.h.epoch(1))
	for range 3 { // a life that will have left valid batches behind
		write(t, s, im.h.txns(3, 300)...)
	}
	write(t, s, im.h.txns(3, 900)...)
	must(t, s.Sync())
	if _, err := snapshot(s, im.h.at.zxid, im.h.at.chain, false); err != nil {
		t.Fatal(err)
	}
	write(t, s, im.h.txns(3, 900)...)
	for more := true; more; {
		var err error
		more, err = s.Prepare()
		must(t, err)
	}
	if n, err := s.Purge(0); err != nil || n == 0 {
		t.Fatalf("purge removed %d: %v", n, err)
	}
	write(t, s, im.h.txns(2, 500)...)
	write(t, s, im.h.txns(2, 120)...) // rolls: the newest segment holds two batches
	im.beforeLast = im.h.at.zxid
	write(t, s, im.h.txns(3, 100)...)
	im.hint = s.Meta().DurableHint
	if !s.active.header.recycled || s.active.zxid >= im.beforeLast {
		t.Fatal("the last segment was to be a recycled one with two batches")
	}
	if clean {
		im.hint = im.h.at.zxid
		must(t, s.Close())
	} else {
		im.mem.Crash(nil, vfs.CrashProcess)
	}
	return im
}

// interesting are the offsets of a file that hold something, and some that do not.
func interesting(t *testing.T, mem *vfs.Mem, f vfs.FileInfo) []int64 {
	t.Helper()
	file, err := mem.Open(f.Name)
	must(t, err)
	b := make([]byte, f.Bytes)
	if _, err := file.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	var list []int64
	for i, c := range b {
		if c != 0 || i%53 == 0 {
			list = append(list, int64(i))
		}
	}
	return list
}

// judge opens a changed image and checks that the outcome is one of the legal
// ones. It returns the outcome in a word.
func (im *image) judge(mem *vfs.Mem, clean bool) (string, error) {
	report, err := Verify(mem, "/data")
	if err != nil {
		return "", fmt.Errorf("verify: %w", err)
	}
	s, rec, err := Open(smallOptions(mem))
	if err != nil {
		return "", fmt.Errorf("one fault must not stop the start: %w", err)
	}
	if rec.Lost != report.Lost || rec.LastLogged != report.LastLogged || rec.TornBytes != report.TornBytes {
		return "", fmt.Errorf("verify says %+v, recovery %+v", report, rec)
	}
	if (len(rec.Damage) > 0 || rec.Lost) && report.OK() {
		return "", fmt.Errorf("verify finds nothing, recovery %v", rec.Damage)
	}
	if rec.Lost && len(rec.Damage) == 0 {
		return "", errors.New("lost without a word why")
	}
	if rec.Lost == rec.Meta.Voteable {
		return "", fmt.Errorf("lost %v, voteable %v", rec.Lost, rec.Meta.Voteable)
	}
	if rec.Meta.AcceptedEpoch != 1 || rec.Meta.CurrentEpoch != 1 {
		return "", fmt.Errorf("a promise went back: %+v", rec.Meta)
	}
	if rec.LastLogged > 0 {
		var want []wire.Record
		for _, r := range im.h.all {
			if r.Zxid > s.Base() && r.Zxid <= rec.LastLogged {
				want = append(want, r)
			}
		}
		if s.active != nil {
			got, err := replayed(s, s.Base())
			if err == nil {
				err = sameRecords(got, want)
			}
			if err != nil {
				return "", err
			}
		}
	}
	must := func(e error) {
		if err == nil {
			err = e
		}
	}
	must(s.Close())
	switch {
	case rec.Lost:
		return "lost, and said so", err
	case rec.LastLogged == im.h.at.zxid:
		if len(rec.Damage) > 0 {
			return "all there, damage reported", err
		}
		return "all there", err
	case clean:
		return "", fmt.Errorf("silently shorter: %v of %v", rec.LastLogged, im.h.at.zxid)
	case rec.LastLogged < im.beforeLast || rec.LastLogged < im.hint:
		return "", fmt.Errorf("silently shorter than synced: %v of %v", rec.LastLogged, im.h.at.zxid)
	}
	return "torn tail beyond the hint", err
}

// TestEveryByteFlipIsHarmlessOrReported inverts bits in each byte of each file.
// Only in the last batch after a crash may a flip look like a torn tail.
func TestEveryByteFlipIsHarmlessOrReported(t *testing.T) {
	alone(t)
	for _, clean := range []bool{true, false} {
		im := makeImage(t, clean)
		outcomes := map[string]int{}
		for _, f := range im.mem.Files() {
			if strings.HasSuffix(f.Name, ballastName) {
				continue
			}
			for i, off := range interesting(t, im.mem, f) {
				if testing.Short() && i%5 > 0 {
					continue
				}
				mem := im.mem.Clone()
				must(t, mem.Flip(f.Name, off, 1<<(i%8)|0x10))
				outcome, err := im.judge(mem, clean)
				if err != nil {
					t.Fatalf("clean %v, byte %d of %s: %v", clean, off, f.Name, err)
				}
				outcomes[FileClass(f.Name)+": "+outcome]++
			}
		}
		t.Logf("clean %v: %v", clean, outcomes)
		for _, want := range []string{"segment: lost, and said so", "segment: all there", "meta: all there", "snapshot: lost, and said so"} {
			if outcomes[want] == 0 {
				t.Errorf("clean %v: no flip gave %q", clean, want)
			}
		}
		if n := outcomes["segment: torn tail beyond the hint"]; clean == (n > 0) {
			t.Errorf("clean %v: %d flips looked like a torn tail", clean, n)
		}
	}
}

// TestEveryTruncationIsATornTailOrReported cuts each file at each length.
func TestEveryTruncationIsATornTailOrReported(t *testing.T) {
	alone(t)
	for _, clean := range []bool{true, false} {
		im := makeImage(t, clean)
		outcomes := map[string]int{}
		for _, f := range im.mem.Files() {
			if strings.HasSuffix(f.Name, ballastName) || FileClass(f.Name) == "meta" {
				continue
			}
			for i, off := range interesting(t, im.mem, f) {
				if testing.Short() && i%5 > 0 {
					continue
				}
				mem := im.mem.Clone()
				file, err := mem.OpenRW(f.Name)
				must(t, err)
				must(t, file.Truncate(off))
				must(t, file.Sync())
				// No crash does this to a synced batch. Who cuts a file finds the hint's
				// promise kept, no more.
				im := *im
				im.beforeLast = im.hint
				outcome, err := im.judge(mem, clean)
				if err != nil {
					t.Fatalf("clean %v, %s cut at %d: %v", clean, f.Name, off, err)
				}
				outcomes[FileClass(f.Name)+": "+outcome]++
			}
		}
		t.Logf("clean %v: %v", clean, outcomes)
		if outcomes["segment: lost, and said so"] == 0 || outcomes["snapshot: lost, and said so"] == 0 {
			t.Errorf("clean %v: outcomes %v", clean, outcomes)
		}
	}
}

// TestMissingFilesAreNeverTakenForANewServer removes each file (lessons A23).
func TestMissingFilesAreNeverTakenForANewServer(t *testing.T) {
	for _, clean := range []bool{true, false} {
		testMissingFiles(t, makeImage(t, clean))
	}
	// Everything gone is a fresh directory, which may not vote.
	_, rec, err := Open(smallOptions(vfs.NewMem()))
	if err != nil || rec.Meta.Voteable || !rec.Meta.Fresh {
		t.Errorf("an empty directory: %+v, %v", rec, err)
	}
}

func testMissingFiles(t *testing.T, im *image) {
	t.Helper()
	for _, f := range im.mem.Files() {
		mem := im.mem.Clone()
		must(t, mem.Remove(f.Name))
		s, rec, err := Open(smallOptions(mem))
		switch FileClass(f.Name) {
		case "meta":
			var refused *RefusedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), "meta record is missing") {
				t.Errorf("without the meta record: %v", err)
			}
		case "segment", "snapshot":
			if err != nil || !rec.Lost || rec.Meta.Voteable || s.Append(nil) == nil {
				t.Errorf("without %s: %+v, %v", f.Name, rec, err)
			}
		default:
			if err != nil || rec.Lost || rec.LastLogged != im.h.at.zxid {
				t.Errorf("without %s: %+v, %v", f.Name, rec, err)
			}
		}
	}
}

func TestApachesFilesAreNotOverlooked(t *testing.T) {
	mem := vfs.NewMem()
	must(t, mem.MkdirAll("/data/version-2"))
	_, _, opened := Open(options(mem))
	for _, err := range []error{opened, Look(options(mem))} {
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "Apache ZooKeeper") {
			t.Fatal(err)
		}
	}
	if names, _ := mem.ReadDir("/data"); fmt.Sprint(names) != "[version-2]" {
		t.Fatalf("it left %q behind", names)
	}
}

func TestASegmentOfAnotherDirectoryIsRefused(t *testing.T) {
	a, b := makeImage(t, true), vfs.NewMem()
	o := smallOptions(b)
	o.Random = func() uint64 { return 99 }
	s, _ := mustOpen(t, o)
	must(t, s.Close())
	for _, f := range a.mem.Files() {
		if FileClass(f.Name) != "segment" {
			continue
		}
		from, err := a.mem.Open(f.Name)
		must(t, err)
		must(t, copyFile(b, from, f.Name))
	}
	_, _, err := Open(o)
	var refused *RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "another data directory") {
		t.Fatal(err)
	}
}

// TestAMisdirectedWriteIsFound copies a valid batch over another of equal size.
func TestAMisdirectedWriteIsFound(t *testing.T) {
	mem := vfs.NewMem()
	s, _ := mustOpen(t, options(mem))
	var h history
	write(t, s, h.epoch(1))
	var at []int64
	for range 4 {
		at = append(at, s.active.end)
		write(t, s, h.txns(2, 96)...)
	}
	name := s.segmentPath(s.active.place)
	must(t, s.Close())
	f, err := mem.OpenRW(name)
	must(t, err)
	b := make([]byte, at[1]-at[0])
	if _, err := f.ReadAt(b, at[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, at[2]); err != nil {
		t.Fatal(err)
	}
	_, rec := mustOpen(t, options(mem))
	if !rec.Lost || rec.LastLogged != h.all[4].Zxid {
		t.Fatalf("recovered %+v, want the prefix up to %v and the loss reported", rec, h.all[4].Zxid)
	}
}

// TestRepairSurvivesACrashAnywhere damages the log in several ways, lets a leader
// fill in what is missing, and crashes at every call.
func TestRepairSurvivesACrashAnywhere(t *testing.T) {
	alone(t)
	var segments []string
	whole := makeImage(t, true)
	more, _ := mustOpen(t, smallOptions(whole.mem))
	for range 4 {
		write(t, more, whole.h.txns(3, 900)...)
	}
	must(t, more.Close())
	for _, f := range whole.mem.Files() {
		if FileClass(f.Name) == "segment" {
			segments = append(segments, f.Name)
		}
	}
	if len(segments) < 3 {
		t.Fatalf("segments %q: the test needs three", segments)
	}
	last := len(segments) - 1
	hit := map[string]bool{}
	for name, damage := range map[string]func(m *vfs.Mem){
		"a record of the newest segment":             func(m *vfs.Mem) { must(t, m.Flip(segments[last], headerBytes+200, 0xff)) },
		"a record with a segment behind it":          func(m *vfs.Mem) { must(t, m.Flip(segments[last-1], headerBytes+700, 0xff)) },
		"the header of the newest segment":           func(m *vfs.Mem) { must(t, m.Flip(segments[last], 30, 0xff)) },
		"the newest segment, which is missing":       func(m *vfs.Mem) { must(t, m.Remove(segments[last])) },
		"every header: only the snapshot is left":    func(m *vfs.Mem) { flipAll(t, m, segments, 30) },
		"the first record of each segment":           func(m *vfs.Mem) { flipAll(t, m, segments, headerBytes+10) },
		"all segments, which are missing altogether": func(m *vfs.Mem) { removeAll(t, m, segments) },
	} {
		t.Run(name, func(t *testing.T) {
			im := *whole
			im.mem = whole.mem.Clone()
			damage(im.mem)
			for _, c := range im.crashRepair(t) {
				hit[c.Op.String()+"/"+c.Class] = true
			}
		})
	}
	for _, point := range []string{
		"create/damaged", "write/damaged", "sync/damaged", "rename/segment", "truncate/segment",
		"syncdir/logdir", "create/spare", "rename/spare", "write/meta", "sync/meta",
	} {
		if !hit[point] {
			t.Errorf("%s was not hit", point)
		}
	}
}

// A repaired log is as good as new, only shorter, whatever the hint once said.
func TestARepairedLogIsWholeButMayNotVote(t *testing.T) {
	im := makeImage(t, true)
	for _, f := range im.mem.Files() {
		if FileClass(f.Name) == "segment" {
			must(t, im.mem.Flip(f.Name, headerBytes+100, 1))
		}
	}
	s, lost := mustOpen(t, smallOptions(im.mem))
	if !lost.Lost || !s.Damaged() {
		t.Fatalf("recovered %+v", lost)
	}
	must(t, s.Repair())
	must(t, s.Close())
	s, rec := mustOpen(t, smallOptions(im.mem))
	if rec.Lost || rec.LastLogged != lost.LastLogged || rec.Meta.Voteable || rec.Meta.DurableHint != rec.LastLogged {
		t.Fatalf("after the repair %+v, want %v", rec, lost.LastLogged)
	}
	must(t, s.Close())
}

func flipAll(t *testing.T, m *vfs.Mem, names []string, off int64) {
	t.Helper()
	for _, n := range names {
		must(t, m.Flip(n, off, 0xff))
	}
}

func removeAll(t *testing.T, m *vfs.Mem, names []string) {
	t.Helper()
	for _, n := range names {
		must(t, m.Remove(n))
	}
}

// crashRepair returns the calls at which it crashed.
func (im *image) crashRepair(t *testing.T) (at []vfs.Call) {
	t.Helper()
	for _, mode := range []vfs.CrashMode{vfs.CrashProcess, vfs.CrashPowerLose, vfs.CrashPowerKeep} {
		for _, fate := range []vfs.Fate{vfs.CrashBefore, vfs.CrashHalf, vfs.FailEIO} {
			for n := 0; ; n++ {
				mem := im.mem.Clone()
				fault := vfs.NewFault(mem, class, func(i int, _ vfs.Call) vfs.Fate {
					if i == n {
						return fate
					}
					return vfs.Pass
				})
				err := im.repairAll(fault)
				if err == nil {
					break
				}
				if !fault.Crashed() && !strings.Contains(err.Error(), "input/output error") {
					t.Fatalf("call %d: %v", n, err)
				}
				mem.Crash(nil, mode)
				if err := im.repairAll(mem); err != nil {
					t.Fatalf("%v, %v at call %d: %v", mode, fate, n, err)
				}
				at = append(at, fault.Calls()[n])
				s, rec := mustOpen(t, smallOptions(mem))
				if rec.Lost || rec.LastLogged != im.h.at.zxid || !rec.Meta.Voteable {
					t.Fatalf("%v at call %d: after the repair %+v", mode, n, rec)
				}
				must(t, s.Close())
			}
		}
	}
	if len(at) < 100 {
		t.Fatalf("only %d crashes", len(at))
	}
	return at
}

// repairAll is what a follower does with a damaged log.
func (im *image) repairAll(fs vfs.FS) error {
	s, rec, err := Open(smallOptions(fs))
	if err != nil {
		return err
	}
	if rec.Lost {
		if rec.Meta.Voteable {
			return errors.New("damaged, but voteable")
		}
		if err := s.Append([]wire.Record{{}}); !errors.Is(err, ErrDamaged) {
			return fmt.Errorf("append to a damaged log: %w", err)
		}
		if err := s.Replay(rec.LastLogged, func(wire.Record) error { return errors.New("a record behind the end") }); err != nil {
			return err
		}
		if err := s.Repair(); err != nil {
			return err
		}
		if s.Damaged() {
			return errors.New("still damaged after the repair")
		}
	}
	last, _ := s.Last()
	for i, r := range im.h.all {
		if r.Zxid == last {
			if err := s.Append(im.h.all[i+1:]); err != nil {
				return err
			}
		}
	}
	if err := s.Sync(); err != nil {
		return err
	}
	m := s.Meta()
	m.Voteable = true
	if err := s.WriteMeta(m); err != nil {
		return err
	}
	return s.Close()
}

// TestDamageBelowASnapshotCostsNothing: the state does not need those records.
func TestDamageBelowASnapshotCostsNothing(t *testing.T) {
	mem := vfs.NewMem()
	s, _ := mustOpen(t, options(mem))
	var h history
	write(t, s, h.epoch(1))
	first := s.segmentPath(s.active.place)
	for s.segmentPath(s.active.place) == first {
		write(t, s, h.txns(4, 500)...)
	}
	if _, err := snapshot(s, h.at.zxid, h.at.chain, false); err != nil {
		t.Fatal(err)
	}
	write(t, s, h.txns(2, 50)...)
	must(t, s.Close())
	must(t, mem.Flip(first, headerBytes+100, 1))
	s, rec := mustOpen(t, options(mem))
	if rec.Lost || len(rec.Damage) == 0 || rec.LastLogged != h.at.zxid || rec.Snapshot == nil {
		t.Fatalf("recovered %+v", rec)
	}
	if base := s.Base(); base == 0 || base > rec.Snapshot.Zxid {
		t.Fatalf("the log begins at %v", base)
	}
	if _, err := s.NewCursor(0); !errors.Is(err, ErrGone) {
		t.Fatalf("reading from the beginning: %v", err)
	}
	write(t, s, h.txns(2, 50)...)
	must(t, s.Close())
	if _, err := mem.Size(filepath.Join("/data", logDirName, place{1, 0}.name(segmentSuffix))); err != nil {
		t.Fatal("the damaged segment is gone before anybody purged")
	}
}
