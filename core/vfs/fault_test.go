package vfs

import (
	"errors"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func TestEachFateDoesWhatItSays(t *testing.T) {
	for _, c := range []struct {
		fate    Fate
		err     error
		content string // of the file after a write of "12345678" met the fate
		later   error  // what a later sync gives
	}{
		{Pass, nil, "12345678", nil},
		{FailEIO, syscall.EIO, "", nil},
		{FailEIOAfter, syscall.EIO, "12345678", nil},
		{Lie, nil, "", nil},
		{FailNoSpace, syscall.ENOSPC, "1234", nil},
		{CrashBefore, ErrCrashed, "", ErrCrashed},
		{CrashHalf, ErrCrashed, "1234", ErrCrashed},
		{CrashAfter, ErrCrashed, "12345678", ErrCrashed},
	} {
		t.Run(c.fate.String(), func(t *testing.T) {
			m := dir(t)
			f := NewFault(m, filepath.Base, Nth(OpWrite, "a", 0, false, c.fate))
			file, err := f.Create("/d/a")
			must(t, err)
			if _, err := file.WriteAt([]byte("12345678"), 0); !errors.Is(err, c.err) {
				t.Fatalf("write: %v, want %v", err, c.err)
			}
			if err := file.Sync(); !errors.Is(err, c.later) {
				t.Fatalf("sync: %v, want %v", err, c.later)
			}
			if f.Crashed() != (c.later != nil) {
				t.Fatalf("crashed: %v", f.Crashed())
			}
			if got := contentOf(t, m, "/d/a"); got != c.content {
				t.Fatalf("content %q, want %q", got, c.content)
			}
		})
	}
}

func TestFlipBitChangesWhatIsReadOnly(t *testing.T) {
	m := dir(t)
	f := NewFault(m, filepath.Base, Nth(OpRead, "", 0, false, FlipBit))
	must(t, create(t, f, "/d/a", "aaaa").Close())
	if got := contentOf(t, f, "/d/a"); got != "aaqa" {
		t.Fatalf("first read %q", got)
	}
	if got := contentOf(t, f, "/d/a"); got != "aaaa" {
		t.Fatalf("second read %q", got)
	}
}

func TestAStickyFaultStays(t *testing.T) {
	f := NewFault(dir(t), filepath.Base, Nth(OpSync, "a", 1, true, FailEIO))
	file := create(t, f, "/d/a", "x")
	var got []bool
	for range 4 {
		got = append(got, file.Sync() == nil)
	}
	if !slices.Equal(got, []bool{true, false, false, false}) {
		t.Fatalf("syncs passed: %v", got)
	}
}

func TestEveryCallIsRecorded(t *testing.T) {
	f := NewFault(dir(t), filepath.Base, nil)
	file := create(t, f, "/d/a", "x")
	must(t, file.Sync())
	must(t, file.Truncate(0))
	must(t, f.Rename("/d/a", "/d/b"))
	must(t, f.SyncDir("/d"))
	must(t, f.Remove("/d/b"))
	want := []Call{
		{OpCreate, "a", "/d/a"},
		{OpWrite, "a", "/d/a"},
		{OpSync, "a", "/d/a"},
		{OpTruncate, "a", "/d/a"},
		{OpRename, "a", "/d/a"},
		{OpSyncDir, "d", "/d"},
		{OpRemove, "b", "/d/b"},
	}
	if got := f.Calls(); !slices.Equal(got, want) {
		t.Fatalf("calls %v\nwant  %v", got, want)
	}
}
