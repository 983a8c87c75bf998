package storage

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// long is a directory with several segments in front of the newest snapshot, in
// three epochs, and some behind it.
func long(t testing.TB) *image {
	t.Helper()
	im := &image{mem: vfs.NewMem()}
	s, _ := mustOpen(t, smallOptions(im.mem))
	m := s.Meta()
	m.AcceptedEpoch, m.CurrentEpoch, m.Voteable = 1, 1, true
	must(t, s.WriteMeta(m))
	for e := range core.Epoch(3) {
		write(t, s, im.h.epoch(e+1))
		for range 8 {
			for more := true; more; { // whole files, which can begin another life
				var err error
				more, err = s.Prepare()
				must(t, err)
			}
			write(t, s, im.h.txns(3, 700)...)
			if e == 1 {
				must2(snapshot(s, im.h.at.zxid, im.h.at.chain, false))(t)
			}
		}
	}
	must2(snapshot(s, im.h.at.zxid, im.h.at.chain, false))(t)
	for range 4 {
		write(t, s, im.h.txns(3, 700)...)
	}
	must(t, s.Close())
	return im
}

func must2[T any](_ T, err error) func(testing.TB) {
	return func(t testing.TB) { t.Helper(); must(t, err) }
}

// unread are the segments of which Open has read no more than the header.
func unread(s *Store) (list []*segment) {
	for _, g := range s.mu.segments {
		if g.unread {
			list = append(list, g)
		}
	}
	return list
}

// checkAll lets the store read what Open left unread.
func checkAll(t testing.TB, s *Store) (found []Damage) {
	t.Helper()
	for range 1000 {
		more, damage, err := s.CheckOlder()
		must(t, err)
		found = append(found, damage...)
		if !more {
			return found
		}
	}
	t.Fatal("the check does not end")
	return nil
}

func TestAStartReadsOnlyWhatTheNewestSnapshotNeeds(t *testing.T) {
	im := long(t)
	read := map[string]int{}
	fs := &seam{FS: im.mem, onRead: func(name string, p []byte, off int64) {
		if off >= headerBytes {
			read[name] += len(p)
		}
	}}
	s, rec := mustOpen(t, smallOptions(fs))
	left := unread(s)
	if len(left) < 8 || rec.LastLogged != im.h.at.zxid || rec.Lost || len(rec.Damage) > 0 {
		t.Fatalf("%d segments are unread, recovered %+v", len(left), rec)
	}
	for _, g := range left {
		if n := read[g.name(segmentSuffix)]; n > 0 {
			t.Errorf("%d bytes of %s were read", n, g.name(segmentSuffix))
		}
	}
	want := im.epochEnds()
	whole := func(when string) {
		t.Helper()
		mustReplay(t, s, 0, im.h.all)
		for i, r := range im.h.all {
			if chain, err := s.ChainAt(r.Zxid); err != nil || chain != im.h.all[i].Chain() {
				t.Fatalf("%s: chain at %v is %x: %v", when, r.Zxid, chain, err)
			}
			if i%7 == 0 {
				mustReplay(t, s, r.Zxid, im.h.all[i+1:])
			}
		}
		if !slices.Equal(s.Epochs(), want) {
			t.Fatalf("%s: epochs end at %v, not %v", when, s.Epochs(), want)
		}
	}
	whole("unread")
	if damage := checkAll(t, s); len(damage) > 0 || len(unread(s)) > 0 {
		t.Fatalf("damage %v, %d unread", damage, len(unread(s)))
	}
	for _, g := range left {
		if g.unread || len(g.index) == 0 || read[g.name(segmentSuffix)] == 0 {
			t.Errorf("%s was not read", g.name(segmentSuffix))
		}
	}
	whole("read")
	must(t, s.Close())
}

func (im *image) epochEnds() (ends []EpochEnd) {
	for _, r := range im.h.all {
		ends = noteEpoch(ends, position{r.Zxid, r.Chain()})
	}
	return ends
}

// Whatever happens to a segment that a start does not need costs no state: it is
// told, at once or when the rest is read, and the log begins behind it.
func TestDamageInOlderLogIsFoundWhenIdle(t *testing.T) {
	alone(t)
	im := long(t)
	s, _ := mustOpen(t, smallOptions(im.mem.Clone()))
	left := unread(s)
	must(t, s.Close())
	outcomes, every := map[string]int{}, 5
	if testing.Short() {
		every = 25
	}
	for _, g := range []*segment{left[0], left[len(left)/2], left[len(left)-1]} {
		name := s.segmentPath(g.place)
		size, err := im.mem.Size(name)
		must(t, err)
		for i, off := range interesting(t, im.mem, vfs.FileInfo{Name: name, Bytes: size}) {
			if off >= headerBytes && i%every > 0 {
				continue
			}
			mem := im.mem.Clone()
			must(t, mem.Flip(name, off, 0x11))
			outcomes[im.damaged(t, mem, fmt.Sprintf("byte %d of %s", off, name))]++
		}
	}
	for _, want := range []string{"told at the start", "told when read", "none"} {
		if outcomes[want] < 3 {
			t.Errorf("outcomes %v: hardly any %q", outcomes, want)
		}
	}
}

func (im *image) damaged(t *testing.T, mem *vfs.Mem, where string) (outcome string) {
	t.Helper()
	s, rec, err := Open(smallOptions(mem))
	if err != nil || rec.Lost || rec.LastLogged != im.h.at.zxid || rec.Snapshot == nil || !rec.Meta.Voteable {
		t.Fatalf("%s: %+v, %v", where, rec, err)
	}
	_, before := replayed(s, s.Base())
	damage := checkAll(t, s)
	if all := len(rec.Damage) + len(damage); (all > 0) != (s.Base() > 0) || all > 1 {
		t.Fatalf("%s: the log begins at %v, damage at the start %v, later %v", where, s.Base(), rec.Damage, damage)
	}
	var corrupt *CorruptError
	if (len(damage) > 0) != errors.As(before, &corrupt) {
		t.Fatalf("%s: damage %v, and whoever read it before was told %v", where, damage, before)
	}
	var want []wire.Record
	for _, r := range im.h.all {
		if r.Zxid > s.Base() {
			want = append(want, r)
		}
	}
	mustReplay(t, s, s.Base(), want)
	if s.Base() > rec.Snapshot.Zxid {
		t.Fatalf("%s: the log begins at %v, behind the snapshot", where, s.Base())
	}
	write(t, s, (&history{at: im.h.at}).txns(2, 50)...)
	must(t, s.Close())
	switch {
	case len(rec.Damage) > 0:
		return "told at the start"
	case len(damage) > 0:
		return "told when read"
	}
	return "none"
}

// Damage in what a start does need is judged with all of the log in view.
func TestDamageBehindTheSnapshotIsJudgedByAllOfTheLog(t *testing.T) {
	im := long(t)
	s, _ := mustOpen(t, smallOptions(im.mem.Clone()))
	var needed []string
	for _, g := range s.mu.segments {
		if !g.unread {
			needed = append(needed, s.segmentPath(g.place))
		}
	}
	must(t, s.Close())
	for _, name := range needed {
		mem := im.mem.Clone()
		must(t, mem.Flip(name, headerBytes+100, 1))
		report, err := Verify(mem, "/data")
		must(t, err)
		s, rec := mustOpen(t, smallOptions(mem))
		if rec.Lost != report.Lost || rec.LastLogged != report.LastLogged || len(unread(s)) > 0 && rec.Lost {
			t.Fatalf("%s: verify says %+v, recovery %+v", name, report, rec)
		}
		must(t, s.Close())
	}
}

// A segment may be purged, and its file begin another life, while it is checked.
func TestASegmentPurgedWhileItIsCheckedIsNoDamage(t *testing.T) {
	im := long(t)
	for steps := range 3 {
		mem := im.mem.Clone()
		o := smallOptions(mem)
		o.WindowBytes = 1
		s, _ := mustOpen(t, o)
		for range steps { // one per segment, they are small
			must2(more(s.CheckOlder()))(t)
		}
		g := s.newestUnread()
		f, err := s.fs.Open(s.segmentPath(g.place))
		must(t, err)
		s.checking = &checking{g, f, newScanner(f, g.header, g.end)}
		if n, err := s.Purge(0); err != nil || n < 8 {
			t.Fatalf("purge removed %d: %v", n, err)
		}
		reused := false
		for range 8 { // the files begin to be used again
			before := s.active
			h := history{at: s.last}
			write(t, s, h.txns(6, 900)...)
			reused = reused || s.active != before && s.active.header.recycled
		}
		if damage := checkAll(t, s); len(damage) > 0 || !reused {
			t.Fatalf("damage %v, a file was used again: %v", damage, reused)
		}
		must(t, s.Close())
	}
}

// Purge that comes when the check has read a segment halfway must not make damage of
// what another life has written there.
func TestACheckThatReadsAnotherLifeFindsNoDamage(t *testing.T) {
	im := long(t)
	o := smallOptions(im.mem)
	o.WindowBytes = 1
	var during func()
	fs := &seam{FS: im.mem, onRead: func(_ string, _ []byte, off int64) {
		if during != nil && off >= headerBytes {
			do := during
			during = nil
			do()
		}
	}}
	o.FS = fs
	s, _ := mustOpen(t, o)
	g := s.newestUnread()
	during = func() {
		if n, err := s.Purge(0); err != nil || n < 8 {
			t.Fatalf("purge removed %d: %v", n, err)
		}
		f, err := im.mem.OpenRW("/data/log/" + s.mu.spares[0])
		must(t, err)
		_, err = f.WriteAt(make([]byte, 2*headerBytes), 0)
		must(t, err)
	}
	if damage := checkAll(t, s); len(damage) > 0 || during != nil || s.holds(g.place) {
		t.Fatalf("damage %v", damage)
	}
	must(t, s.Close())
}

// A missing segment, or one that was cut, is not where the log ends.
func TestWhatIsMissingOfOlderLogIsNotTheEnd(t *testing.T) {
	alone(t)
	im := long(t)
	s, _ := mustOpen(t, smallOptions(im.mem.Clone()))
	left := unread(s)
	must(t, s.Close())
	every := int64(104)
	if testing.Short() {
		every = 520
	}
	for _, g := range []*segment{left[0], left[len(left)/2], left[len(left)-1]} {
		name := s.segmentPath(g.place)
		mem := im.mem.Clone()
		must(t, mem.Remove(name))
		im.damaged(t, mem, name+" removed")
		for off := int64(0); off <= g.end; off += frameAlign {
			if off > headerBytes && off%every > 0 {
				continue
			}
			mem := im.mem.Clone()
			f, err := mem.OpenRW(name)
			must(t, err)
			must(t, f.Truncate(off))
			im.damaged(t, mem, fmt.Sprintf("%s cut at %d", name, off))
		}
	}
}

func TestAFlippedReadIsNoDamageInOlderLog(t *testing.T) {
	im := long(t)
	flip := ""
	fs := &seam{FS: im.mem, onRead: func(name string, p []byte, off int64) {
		if name == flip && off >= headerBytes {
			p[300] ^= 4
			flip = ""
		}
	}}
	s, _ := mustOpen(t, smallOptions(fs))
	left := unread(s)
	flip = left[len(left)/2].name(segmentSuffix)
	if damage := checkAll(t, s); len(damage) > 0 || flip != "" || s.Base() != 0 {
		t.Fatalf("damage %v, the log begins at %v", damage, s.Base())
	}
	must(t, s.Close())
}

// Truncate may end at the newest snapshot, where a segment may begin.
func TestTruncateToTheSnapshotLeavesOlderLogAlone(t *testing.T) {
	for _, check := range []bool{false, true} {
		mem := vfs.NewMem()
		s, _ := mustOpen(t, smallOptions(mem))
		var h history
		write(t, s, h.epoch(1))
		for range 4 {
			write(t, s, h.txns(3, 1000)...)
		}
		end := h
		write(t, s, h.txns(3, 1000)...) // rolls: it begins behind end
		if s.active.header.base != end.at {
			t.Fatal("no segment begins at the snapshot")
		}
		must2(snapshot(s, end.at.zxid, end.at.chain, false))(t)
		must(t, s.Close())
		s, _ = mustOpen(t, smallOptions(mem))
		if len(unread(s)) == 0 {
			t.Fatal("all was read")
		}
		must(t, s.Truncate(end.at.zxid, end.at.chain))
		if check {
			checkAll(t, s)
		}
		h = end
		h.all = append([]wire.Record(nil), end.all...)
		for range 4 {
			write(t, s, h.txns(2, 900)...)
		}
		if damage := checkAll(t, s); len(damage) > 0 {
			t.Fatal(damage)
		}
		must(t, s.Close())
		s, rec := mustOpen(t, smallOptions(mem))
		if rec.Lost || len(rec.Damage) > 0 || rec.LastLogged != h.at.zxid {
			t.Fatalf("recovered %+v", rec)
		}
		mustReplay(t, s, 0, h.all)
		must(t, s.Close())
	}
}

// counting counts files that are open.
type counting struct {
	vfs.FS
	open int
}

type countedFile struct {
	vfs.File
	c *counting
}

func (f *countedFile) Close() error { f.c.open--; return f.File.Close() }

func (c *counting) Open(name string) (vfs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	c.open++
	return &countedFile{f, c}, nil
}

func TestTheCheckClosesWhatItOpens(t *testing.T) {
	for _, all := range []bool{true, false} {
		c := &counting{FS: long(t).mem}
		s, _ := mustOpen(t, smallOptions(c))
		if c.open != 0 {
			t.Fatalf("%d files are open after the start", c.open)
		}
		if all {
			checkAll(t, s)
			if c.open != 0 {
				t.Fatalf("%d files are open after the check", c.open)
			}
		} else {
			g := s.newestUnread()
			f, err := s.fs.Open(s.segmentPath(g.place))
			must(t, err)
			s.checking = &checking{g, f, newScanner(f, g.header, g.end)}
		}
		must(t, s.Close())
		if c.open != 0 {
			t.Fatalf("%d files are open after the end", c.open)
		}
	}
}

func more(more bool, damage []Damage, err error) (bool, error) {
	if len(damage) > 0 {
		err = fmt.Errorf("damage: %v", damage)
	}
	return more, err
}

// restored makes options that restore into a text.
func restored(o Options) (Options, *[]string) {
	var got []string
	o.Restore = func(info SnapshotInfo, next func() ([]byte, error)) error {
		got = append(got, "snapshot "+info.Zxid.String())
		for {
			chunk, err := next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			got = append(got, string(chunk))
		}
	}
	return o, &got
}

func TestOpenRestoresTheSnapshotThatItChooses(t *testing.T) {
	im := long(t)
	last := im.newestSnapshot(t)
	check := func(mem *vfs.Mem, begun int, chunks int) {
		t.Helper()
		o, got := restored(smallOptions(mem))
		s, rec := mustOpen(t, o)
		text := strings.Join(*got, "\n")
		if n := strings.Count(text, "snapshot "); n != begun || len(*got)-n != chunks {
			t.Fatalf("it was restored as\n%s", text)
		}
		at := slices.Index(*got, "snapshot "+rec.Snapshot.Zxid.String())
		if rest := (*got)[max(at, 0):]; len(rest) != 4 || !strings.Contains(rest[1], fmt.Sprint(rec.Snapshot.Zxid)) {
			t.Fatalf("recovered %+v, restored\n%s", rec.Snapshot, text)
		}
		must(t, s.Close())
	}
	check(im.mem.Clone(), 1, 3)
	size, err := im.mem.Size(last)
	must(t, err)
	for _, spoilt := range []struct{ off, chunks int64 }{{size - 1, 6}, {size - 80, 5}, {snapshotHeadBytes + 10, 3}} {
		mem := im.mem.Clone()
		must(t, mem.Flip(last, spoilt.off, 1))
		check(mem, 2, int(spoilt.chunks))
	}
	wrong := errors.New("not to my taste")
	o := smallOptions(im.mem)
	o.Restore = func(SnapshotInfo, func() ([]byte, error)) error { return wrong }
	if _, _, err := Open(o); !errors.Is(err, wrong) {
		t.Fatal(err)
	}
	// A restorer that stops before the end does not hide damage behind it.
	mem := im.mem.Clone()
	must(t, mem.Flip(last, size-1, 1))
	o = smallOptions(mem)
	begun := 0
	o.Restore = func(SnapshotInfo, func() ([]byte, error)) error { begun++; return nil }
	s, rec := mustOpen(t, o)
	if begun != 2 || len(rec.Damage) != 1 {
		t.Fatalf("restored %d times, recovered %+v", begun, rec)
	}
	must(t, s.Close())
}

func (im *image) newestSnapshot(t *testing.T) (name string) {
	t.Helper()
	for _, f := range im.mem.Files() {
		if FileClass(f.Name) == "snapshot" {
			name = max(name, f.Name)
		}
	}
	return name
}

// What somebody takes away while the server runs is told, and ends nothing.
func TestASegmentThatVanishesIsDamage(t *testing.T) {
	im := long(t)
	o := smallOptions(im.mem)
	o.WindowBytes = 1
	s, _ := mustOpen(t, o)
	left := unread(s)
	must(t, im.mem.Remove(s.segmentPath(left[1].place)))
	damage := checkAll(t, s)
	if len(damage) != 1 || damage[0].File != left[1].name(segmentSuffix) || s.Base() != left[2].zxid {
		t.Fatalf("damage %v, the log begins at %v", damage, s.Base())
	}
	must(t, im.mem.Remove(s.segmentPath(left[2].place)))
	must2(s.Purge(0))(t)
	write(t, s, (&history{at: im.h.at}).txns(2, 50)...)
	must(t, s.Close())
}
