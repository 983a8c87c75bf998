package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

func TestANewDirectoryIsFreshAndMayNotVote(t *testing.T) {
	s, rec := mustOpen(t, options(vfs.NewMem()))
	if !rec.Meta.Fresh || rec.Meta.Voteable || rec.LastLogged != 0 || rec.Snapshot != nil || rec.Lost {
		t.Fatalf("recovered %+v", rec)
	}
	if rec.Meta.DataDirID == ([16]byte{}) {
		t.Fatal("the directory has no id")
	}
	must(t, s.Close())
}

func TestWhatIsSyncedIsReplayedAfterAReopen(t *testing.T) {
	mem := vfs.NewMem()
	s, _ := mustOpen(t, options(mem))
	var h history
	write(t, s, h.epoch(1))
	for range 40 {
		write(t, s, h.txns(7, 150)...)
	}
	write(t, s, append([]wire.Record{h.epoch(3)}, h.txns(3, 0)...)...)
	mustReplay(t, s, 0, h.all)
	if st, err := s.Stats(); err != nil || st.Segments < 3 || st.LastLogged != h.at.zxid {
		t.Fatalf("stats %+v, %v: the test was to roll segments", st, err)
	}
	must(t, s.Close())

	s, rec := mustOpen(t, options(mem))
	if rec.LastLogged != h.at.zxid || rec.LastChain != h.at.chain || rec.Lost || len(rec.Damage) > 0 || rec.TornBytes != 0 || rec.Meta.Fresh {
		t.Fatalf("recovered %+v, want %v", rec, h.at)
	}
	if len(rec.Epochs) != 2 || rec.Epochs[0].Epoch != 1 || rec.Epochs[1].Last != h.at.zxid {
		t.Fatalf("epochs %+v", rec.Epochs)
	}
	mustReplay(t, s, 0, h.all)
	for _, i := range []int{0, 1, 100, len(h.all) - 1} {
		mustReplay(t, s, h.all[i].Zxid, h.all[i+1:])
		if c, err := s.ChainAt(h.all[i].Zxid); err != nil || c != h.all[i].Chain() {
			t.Fatalf("chain at %v: %x, %v", h.all[i].Zxid, c, err)
		}
	}
	write(t, s, h.txns(5, 10)...)
	mustReplay(t, s, 0, h.all)
	must(t, s.Close())
}

func TestAppendRefusesWhatDoesNotFollow(t *testing.T) {
	s, _ := mustOpen(t, options(vfs.NewMem()))
	var h history
	first := h.epoch(1)
	a, b := h.txn(10), h.txn(10)
	for name, list := range map[string][]wire.Record{
		"a log that begins within an epoch": {a},
		"a gap":                             {first, b},
		"the same record twice":             {first, first},
		"another chain":                     {first, {Zxid: a.Zxid, Kind: a.Kind, PrevChain: 7}},
	} {
		if err := s.Append(list); !errors.Is(err, ErrNotContiguous) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Append([]wire.Record{{Zxid: first.Zxid, Kind: wire.RecordEpoch, Payload: make([]byte, RecordBytesMax)}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a huge record: %v", err)
	}
	write(t, s, first, a, b)
	mustReplay(t, s, 0, h.all)
}

// What its maker has hashed is not hashed again; but whatever enters the hash must
// be what it was then.
func TestAppendRefusesWhatHasChangedSinceItWasSealed(t *testing.T) {
	for name, change := range map[string]func(*wire.Record){
		"its payload is another one's":     func(r *wire.Record) { r.Payload = make([]byte, len(r.Payload)) },
		"a bit of its payload has flipped": func(r *wire.Record) { r.Payload[57] ^= 4 },
		"its payload is shorter":           func(r *wire.Record) { r.Payload = r.Payload[:99] },
		"it is of another kind":            func(r *wire.Record) { r.Kind = wire.RecordConfig },
	} {
		for i, at := range []string{"first", "middle", "last"} {
			s, _ := mustOpen(t, options(vfs.NewMem()))
			var h history
			write(t, s, h.epoch(1))
			good := h.txns(3, 100)
			for k := range good {
				good[k].Seal()
			}
			bad := slices.Clone(good)
			bad[i].Payload = slices.Clone(bad[i].Payload)
			change(&bad[i])
			if err := s.Append(bad); !errors.Is(err, ErrNotContiguous) {
				t.Errorf("%s, %s of its batch: %v", name, at, err)
			}
			write(t, s, good...)
			mustReplay(t, s, 0, h.all)
		}
	}
}

func TestASecondServerIsToldWhoHasTheDirectory(t *testing.T) {
	o := options(vfs.OS{})
	o.Dir = t.TempDir()
	s, _ := mustOpen(t, o)
	_, _, err := Open(o)
	var held *vfs.LockedError
	if !errors.As(err, &held) || held.PID == 0 {
		t.Fatalf("second open: %v", err)
	}
	must(t, s.Close())
	s, _ = mustOpen(t, o)
	must(t, s.Close())
}

// TestTheScriptOnARealDisk plays the script of the crash matrix where files are files.
func TestTheScriptOnARealDisk(t *testing.T) {
	o := options(vfs.OS{})
	o.Dir = t.TempDir()
	w := &work{o: o}
	must(t, w.script())
	must(t, w.s.Close())
	r, err := Verify(vfs.OS{}, o.Dir)
	if err != nil || !r.OK() || r.LastLogged != w.m.h.at.zxid || len(r.Segments) == 0 || len(r.Snapshots) == 0 {
		t.Fatalf("verify: %+v, %v", r, err)
	}
	must(t, w.open())
	must(t, w.s.Close())
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	im := makeImage(t, true)
	clean, err := Verify(im.mem, "/data")
	if err != nil || !clean.OK() || clean.LastLogged != im.h.at.zxid || clean.LastChain != im.h.at.chain {
		t.Fatalf("clean: %+v, %v", clean, err)
	}
	var records int64
	for _, g := range clean.Segments {
		records += g.Records
	}
	if want := int64(len(im.h.all)) - int64(clean.Segments[0].Base.Counter()) - 1; records != want {
		t.Fatalf("%d records in %+v, want %d", records, clean.Segments, want)
	}
	before := im.mem.Files()
	seg := clean.Segments[len(clean.Segments)-1]
	must(t, im.mem.Flip("/data/log/"+seg.Name, headerBytes+60, 1))
	must(t, im.mem.Flip("/data/meta", metaSlotBytes+20, 1))
	must(t, im.mem.Flip("/data/snap/"+clean.Snapshots[0].Name, 100, 1))
	r, err := Verify(im.mem, "/data")
	if err != nil || r.OK() || !r.Lost || r.MetaSlots[0] != nil || r.MetaSlots[1] == nil || r.Snapshots[0].Err == nil {
		t.Fatalf("damaged: %+v, %v", r, err)
	}
	for i, want := range []string{"meta at 4096", clean.Snapshots[0].Name + " at 0", seg.Name + " at 4096"} {
		if i >= len(r.Damage) || !strings.HasPrefix(r.Damage[i].String(), want) {
			t.Errorf("damage %d is not %q: %v", i, want, r.Damage)
		}
	}
	if fmt.Sprint(im.mem.Files()) != fmt.Sprint(before) {
		t.Error("Verify changed the directory")
	}
}
