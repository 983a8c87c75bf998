package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB, f FS, name, content string) File {
	t.Helper()
	file, err := f.Create(name)
	must(t, err)
	_, err = file.WriteAt([]byte(content), 0)
	must(t, err)
	return file
}

// contentOf is what a file of that name holds, or "-" if there is none.
func contentOf(t testing.TB, f FS, name string) string {
	t.Helper()
	file, err := f.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	must(t, err)
	n, err := file.Size()
	must(t, err)
	b := make([]byte, n)
	if n > 0 {
		_, err = file.ReadAt(b, 0)
		must(t, err)
	}
	must(t, file.Close())
	return string(b)
}

func dir(t testing.TB) *Mem {
	t.Helper()
	m := NewMem()
	must(t, m.MkdirAll("/d"))
	must(t, m.SyncDir("/"))
	return m
}

func TestPowerLossTakesWhatWasNotSynced(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, m *Mem)
		file string
		lose string // after losing all that is unsynced
		keep string // after a process crash, or if all was written back
	}{
		{"a file whose content and entry are synced stays", func(t *testing.T, m *Mem) {
			must(t, create(t, m, "/d/a", "one").Sync())
			must(t, m.SyncDir("/d"))
		}, "/d/a", "one", "one"},
		{"a file without its entry is gone", func(t *testing.T, m *Mem) {
			must(t, create(t, m, "/d/a", "one").Sync())
		}, "/d/a", "-", "one"},
		{"an entry without content is an empty file", func(t *testing.T, m *Mem) {
			create(t, m, "/d/a", "one")
			must(t, m.SyncDir("/d"))
		}, "/d/a", "", "one"},
		{"an overwrite falls back", func(t *testing.T, m *Mem) {
			f := create(t, m, "/d/a", "one")
			must(t, f.Sync())
			must(t, m.SyncDir("/d"))
			f.WriteAt([]byte("two"), 0)
		}, "/d/a", "one", "two"},
		{"a cut falls back", func(t *testing.T, m *Mem) {
			f := create(t, m, "/d/a", "one two")
			must(t, f.Sync())
			must(t, m.SyncDir("/d"))
			must(t, f.Truncate(3))
		}, "/d/a", "one two", "one"},
		{"a rename falls back", func(t *testing.T, m *Mem) {
			must(t, create(t, m, "/d/a", "one").Sync())
			must(t, m.SyncDir("/d"))
			must(t, m.Rename("/d/a", "/d/b"))
		}, "/d/a", "one", "-"},
		{"a removal falls back", func(t *testing.T, m *Mem) {
			must(t, create(t, m, "/d/a", "one").Sync())
			must(t, m.SyncDir("/d"))
			must(t, m.Remove("/d/a"))
		}, "/d/a", "one", "-"},
		{"a folder without its entry is gone with what is in it", func(t *testing.T, m *Mem) {
			must(t, m.MkdirAll("/d/e"))
			must(t, create(t, m, "/d/e/a", "one").Sync())
			must(t, m.SyncDir("/d/e"))
		}, "/d/e/a", "-", "one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for mode, want := range map[CrashMode]string{
				CrashPowerLose: c.lose, CrashPowerKeep: c.keep, CrashProcess: c.keep,
			} {
				m := dir(t)
				c.do(t, m)
				m.Crash(nil, mode)
				if got := contentOf(t, m, c.file); got != want {
					t.Errorf("%v: %q, want %q", mode, got, want)
				}
			}
			// What a process crash left in the page cache a power loss still takes.
			m := dir(t)
			c.do(t, m)
			m.Crash(nil, CrashProcess)
			m.Crash(nil, CrashPowerLose)
			if got := contentOf(t, m, c.file); got != c.lose {
				t.Errorf("process, then power: %q, want %q", got, c.lose)
			}
			// A random loss leaves one or the other here: the content is one sector.
			for seed := range uint64(20) {
				m := dir(t)
				c.do(t, m)
				m.Crash(rand.New(rand.NewPCG(seed, 1)), CrashPowerRandom)
				if got := contentOf(t, m, c.file); got != c.lose && got != c.keep && got != "-" && strings.Trim(got, "\x00") != "" {
					t.Errorf("seed %d: %q", seed, got)
				}
			}
		})
	}
}

func TestRandomPowerLossTearsAWriteBySectors(t *testing.T) {
	old, fresh := bytes.Repeat([]byte{1}, 3*pageBytes), bytes.Repeat([]byte{2}, 3*pageBytes)
	mixed := 0
	for seed := range uint64(40) {
		m := dir(t)
		f := create(t, m, "/d/a", string(old))
		must(t, f.Sync())
		must(t, m.SyncDir("/d"))
		f.WriteAt(fresh, 0)
		again := m.cloneWithPending()
		m.Crash(rand.New(rand.NewPCG(seed, 2)), CrashPowerRandom)
		got := contentOf(t, m, "/d/a")
		for s := 0; s < len(got); s += sectorBytes {
			sector := got[s : s+sectorBytes]
			if sector != string(old[:sectorBytes]) && sector != string(fresh[:sectorBytes]) {
				t.Fatalf("seed %d: the sector at %d is neither old nor new", seed, s)
			}
		}
		if slices.Contains([]byte(got), 1) && slices.Contains([]byte(got), 2) {
			mixed++
		}
		again.Crash(rand.New(rand.NewPCG(seed, 2)), CrashPowerRandom)
		if contentOf(t, again, "/d/a") != got {
			t.Fatalf("seed %d gives two outcomes", seed)
		}
	}
	if mixed < 20 {
		t.Fatalf("only %d of 40 crashes tore the write", mixed)
	}
}

// cloneWithPending copies /d/a with what is unsynced, for a second crash.
func (m *Mem) cloneWithPending() *Mem {
	c := NewMem()
	c.MkdirAll("/d")
	c.SyncDir("/")
	f, _ := c.Create("/d/a")
	old := m.findLocked("/d/a").durable
	b := make([]byte, old.size)
	old.read(b, 0)
	f.WriteAt(b, 0)
	f.Sync()
	c.SyncDir("/d")
	m.findLocked("/d/a").now.read(b, 0)
	f.WriteAt(b, 0)
	return c
}

func TestPowerLossMayLeaveZerosInPlaceOfAnAppend(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(60) {
		m := dir(t)
		f := create(t, m, "/d/a", "x")
		must(t, f.Sync())
		must(t, m.SyncDir("/d"))
		f.WriteAt([]byte("yz"), 1)
		m.Crash(rand.New(rand.NewPCG(seed, 3)), CrashPowerRandom)
		seen[contentOf(t, m, "/d/a")]++
	}
	if len(seen) != 3 || seen["x"] == 0 || seen["xyz"] == 0 || seen["x\x00\x00"] == 0 {
		t.Fatalf("outcomes %v", seen)
	}
}

func TestFilesAndLocksOfACrashedProcessAreDead(t *testing.T) {
	m := dir(t)
	f := create(t, m, "/d/a", "one")
	lock, err := m.Lock("/d/LOCK")
	must(t, err)
	if _, err := m.Lock("/d/LOCK"); !errors.As(err, new(*LockedError)) {
		t.Fatalf("second lock: %v", err)
	}
	m.Crash(nil, CrashProcess)
	if _, err := f.WriteAt([]byte("two"), 0); !errors.Is(err, ErrCrashed) {
		t.Fatalf("write after the crash: %v", err)
	}
	if err := f.Sync(); !errors.Is(err, ErrCrashed) {
		t.Fatalf("sync after the crash: %v", err)
	}
	again, err := m.Lock("/d/LOCK")
	must(t, err)
	if err := lock.Close(); !errors.Is(err, ErrCrashed) {
		t.Fatalf("close of the dead lock: %v", err)
	}
	if _, err := m.Lock("/d/LOCK"); err == nil {
		t.Fatal("the dead lock's Close gave the living one free")
	}
	must(t, again.Close())
}

func TestAFullDiskWritesShort(t *testing.T) {
	m := dir(t)
	f := create(t, m, "/d/a", "x")
	m.SetQuota(2 * pageBytes)
	n, err := f.WriteAt(make([]byte, 3*pageBytes), 0)
	if n != 2*pageBytes || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("wrote %d: %v", n, err)
	}
	if _, err := f.WriteAt([]byte("overwrite"), 0); err != nil {
		t.Fatalf("an overwrite takes no space: %v", err)
	}
	g, err := m.Create("/d/b")
	must(t, err)
	if err := g.Allocate(1); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("allocate: %v", err)
	}
	must(t, m.Remove("/d/a"))
	must(t, g.Allocate(pageBytes))
	if free, _ := m.FreeBytes("/d"); free != pageBytes || m.Used() != pageBytes {
		t.Fatalf("free %d, used %d", free, m.Used())
	}
}

func TestFlipIsSeenAndStays(t *testing.T) {
	m := dir(t)
	must(t, create(t, m, "/d/a", "aaa").Sync())
	must(t, m.SyncDir("/d"))
	must(t, m.Flip("/d/a", 1, 3))
	if got := contentOf(t, m, "/d/a"); got != "aba" {
		t.Fatalf("now %q", got)
	}
	c := m.Clone()
	m.Crash(nil, CrashPowerLose)
	if got := contentOf(t, m, "/d/a"); got != "aba" {
		t.Fatalf("after a power loss %q", got)
	}
	must(t, m.Flip("/d/a", 1, 3))
	if got := contentOf(t, c, "/d/a"); got != "aba" {
		t.Fatalf("the clone changed to %q", got)
	}
}

// TestTheFileSystemsAgree runs one script on the real file system and in memory.
func TestTheFileSystemsAgree(t *testing.T) {
	mem := dir(t)
	for name, c := range map[string]struct {
		fs  FS
		dir string
	}{"os": {OS{}, t.TempDir()}, "mem": {mem, "/d"}, "fault": {NewFault(dir(t), filepath.Base, nil), "/d"}} {
		t.Run(name, func(t *testing.T) {
			f, at := c.fs, func(n string) string { return filepath.Join(c.dir, n) }
			a := create(t, f, at("a"), "hello")
			must(t, a.Sync())
			if _, err := a.WriteAt([]byte("!"), 9000); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 4)
			if n, err := a.ReadAt(b, 8998); n != 3 || !errors.Is(err, io.EOF) || string(b[:3]) != "\x00\x00!" {
				t.Fatalf("read %d %q %v", n, b, err)
			}
			must(t, a.Truncate(2))
			must(t, a.Truncate(4))
			must(t, a.Sync())
			must(t, a.Close())
			if got := contentOf(t, f, at("a")); got != "he\x00\x00" {
				t.Fatalf("content %q", got)
			}
			must(t, f.MkdirAll(at("x/y")))
			must(t, create(t, f, at("b"), "b").Close())
			must(t, f.Rename(at("a"), at("b")))
			must(t, f.SyncDir(c.dir))
			names, err := f.ReadDir(c.dir)
			must(t, err)
			if !slices.Equal(names, []string{"b", "x"}) {
				t.Fatalf("names %q", names)
			}
			if n, err := f.Size(at("b")); n != 4 || err != nil {
				t.Fatalf("size %d %v", n, err)
			}
			if _, err := f.OpenRW(at("a")); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("open a missing file: %v", err)
			}
			if err := f.Remove(at("a")); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("remove a missing file: %v", err)
			}
			g, err := f.OpenRW(at("b"))
			must(t, err)
			must(t, g.Allocate(10000))
			if n, _ := g.Size(); n != 10000 {
				t.Fatalf("allocated %d", n)
			}
			must(t, g.Close())
			l, err := f.Lock(at("LOCK"))
			must(t, err)
			if _, err := f.Lock(at("LOCK")); !errors.As(err, new(*LockedError)) {
				t.Fatalf("second lock: %v", err)
			}
			must(t, l.Close())
			if l, err = f.Lock(at("LOCK")); err != nil {
				t.Fatalf("lock again: %v", err)
			}
			must(t, l.Close())
			if n, err := f.FreeBytes(c.dir); n <= 0 || err != nil {
				t.Fatalf("free %d %v", n, err)
			}
		})
	}
}
