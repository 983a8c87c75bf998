package watch

import (
	"strings"
	"testing"
)

func TestTriggerLooksUpOnlyAncestorsThatCanBeWatched(t *testing.T) {
	var ls lengths
	for _, p := range []string{"", "/", "/a", "/x", "/a/bb", "/a/bb/c", "/a/bb/c/d/e"} {
		ls.add(len(p))
	}
	seen := func(path string) string {
		var at []string
		ls.ancestors(path, func(p string) { at = append(at, p) })
		return strings.Join(at, " ")
	}
	for path, want := range map[string]string{
		"/":                      "/",
		"/a":                     "/a /",
		"/q/bb":                  "/q/bb /q /",
		"/qqq/b":                 "/",
		"/a/bb/c/d":              "/a/bb/c /a/bb /a /",
		"/a/bb/c/d/e":            "/a/bb/c/d/e /a/bb/c /a/bb /a /",
		"/one-that-is-long/path": "/",
	} {
		if got := seen(path); got != want {
			t.Errorf("%s: looks up %q, want %q", path, got, want)
		}
	}
	ls.remove(2)
	if got := seen("/a/bb"); got != "/a/bb /a /" {
		t.Errorf("one of two paths of a length is gone: looks up %q", got)
	}
	ls.remove(2)
	if got := seen("/a/bb"); got != "/a/bb /" {
		t.Errorf("both are gone: looks up %q", got)
	}
}

func TestRecursiveWatchesAreForgottenByLength(t *testing.T) {
	table := New()
	for _, p := range []string{"/a", "/b", "/a/b"} {
		table.AddRecursive(p, 1)
		table.AddRecursive(p, 2)
		table.AddPersistent(p, 1)
	}
	if len(table.treeLens) != 2 {
		t.Fatalf("lengths %v, want two", table.treeLens)
	}
	table.Remove("/a/b", 1, TypePersistentRecursive)
	table.Drop(2)
	if len(table.treeLens) != 1 || table.treeLens[0] != (pathsOfLength{2, 2}) {
		t.Fatalf("lengths %v, want two paths of 2", table.treeLens)
	}
	table.Drop(1)
	if len(table.treeLens) != 0 {
		t.Fatalf("lengths %v of an empty table", table.treeLens)
	}
}

// BenchmarkDeepChange is a change at the bottom of a chain while something else
// is watched recursively.
func BenchmarkDeepChange(b *testing.B) {
	table := New()
	table.AddRecursive("/elsewhere", 1)
	path := strings.Repeat("/x", 10_000)
	b.ReportAllocs()
	for b.Loop() {
		table.DataChanged(path, nil)
	}
}
