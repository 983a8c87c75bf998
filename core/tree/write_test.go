package tree

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// mustCreate makes a znode, counted in its parent.
func mustCreate(t *testing.T, tr *Tree, c Creation) Ref {
	t.Helper()
	if c.ParentCreates == 0 {
		c.ParentCreates = -1
	}
	r, code := tr.Create(&c)
	if code != core.OK {
		t.Fatalf("create %s: %v", c.Path, code)
	}
	return r
}

func TestFindTakesOnlyTheExactPath(t *testing.T) {
	tr := New()
	r := mustCreate(t, tr, Creation{Path: "/a"})
	b := mustCreate(t, tr, Creation{Path: "/a/b"})
	for path, want := range map[string]Ref{
		"": Root, "/": Root, "/a": r, "/a/b": b,
		"a": None, "/a/": None, "//a": None, "/a//b": None, "/b": None, "/a/b/c": None, "/a/bb": None, "/ab": None, "//": None, "/a/b/": None,
	} {
		if got := tr.Find(path); got != want {
			t.Errorf("find %q: %d, want %d", path, got, want)
		}
		if got := tr.FindBytes([]byte(path)); got != want {
			t.Errorf("find bytes %q: %d, want %d", path, got, want)
		}
	}
	if tr.Child(Root, "a") != r || tr.Child(r, "b") != b || tr.Child(Root, "b") != None || tr.Child(b, "b") != None {
		t.Error("children are not found by name")
	}
}

func TestCreateAndDeleteAnswerWithCodes(t *testing.T) {
	tr := New()
	mustCreate(t, tr, Creation{Path: "/a"})
	mustCreate(t, tr, Creation{Path: "/a/b"})
	mustCreate(t, tr, Creation{Path: "/e", Owner: 7})
	for path, want := range map[string]core.Code{
		"/": core.NodeExists, "/a": core.NodeExists, "/x/y": core.NoNode, "/e/c": core.NoChildrenForEphemerals,
		"": core.BadArguments, "x": core.BadArguments, "/a/": core.BadArguments, "x/y": core.BadArguments,
	} {
		if _, got := tr.Create(&Creation{Path: path, ParentCreates: -1}); got != want {
			t.Errorf("create %q: %v, want %v", path, got, want)
		}
	}
	for path, want := range map[string]core.Code{
		"/": core.BadArguments, "": core.BadArguments, "/x": core.NoNode, "/x/y": core.NoNode, "/a": core.NotEmpty, "/a/": core.NoNode,
	} {
		if got := tr.Delete(path, 1); got != want {
			t.Errorf("delete %q: %v, want %v", path, got, want)
		}
	}
}

func TestStatFollowsChangesAsInZooKeeper(t *testing.T) {
	tr := New()
	a := mustCreate(t, tr, Creation{Path: "/a", Data: []byte("xy"), Zxid: 10, Time: 100})
	check := func(when string, want core.Stat) {
		t.Helper()
		if got := tr.Stat(a); got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	want := core.Stat{Czxid: 10, Mzxid: 10, Pzxid: 10, Ctime: 100, Mtime: 100, DataLength: 2}
	check("created", want)
	tr.SetData(a, nil, 1, 11, 110)
	want.Mzxid, want.Mtime, want.Version, want.DataLength = 11, 110, 1, 0
	check("data set", want)
	tr.SetACL(a, core.ReadACL(), 1)
	want.Aversion = 1
	check("ACL set: mzxid stays", want)
	mustCreate(t, tr, Creation{Path: "/a/b", Zxid: 12, Time: 120})
	want.Pzxid, want.Cversion, want.NumChildren = 12, 1, 1
	check("child created", want)
	tr.SetData(tr.Find("/a/b"), []byte("z"), 1, 13, 130)
	check("child's data set", want)
	tr.Delete("/a/b", 14)
	want.Pzxid, want.Cversion, want.NumChildren = 14, 2, 0
	check("child deleted", want)
	if tr.Creates(a) != 1 {
		t.Errorf("stored counter is %d, want 1: it counts creations only", tr.Creates(a))
	}
	tr.Delete("/a/b", 13)
	check("older delete of a missing child replayed", want)
	tr.Delete("/a/b", 15)
	want.Pzxid = 15
	check("newer delete of a missing child", want)
}

func TestStoredCounterIsOnlyRaised(t *testing.T) {
	tr := New()
	a := mustCreate(t, tr, Creation{Path: "/a", Zxid: 1})
	mustCreate(t, tr, Creation{Path: "/a/x", ParentCreates: 5, Zxid: 2})
	mustCreate(t, tr, Creation{Path: "/a/y", ParentCreates: 3, Zxid: 3})
	if tr.Creates(a) != 5 || tr.Stat(a).Pzxid != 2 {
		t.Errorf("a lower counter changed the parent: %d at %v", tr.Creates(a), tr.Stat(a).Pzxid)
	}
	if _, code := tr.Create(&Creation{Path: "/a/x", ParentCreates: 8, Zxid: 4}); code != core.NodeExists || tr.Creates(a) != 8 || tr.Stat(a).Pzxid != 4 {
		t.Errorf("%v: an existing child must raise counter and pzxid: %d at %v", code, tr.Creates(a), tr.Stat(a).Pzxid)
	}
	if tr.Create(&Creation{Path: "/a/x", ParentCreates: -1, Zxid: 5}); tr.Creates(a) != 8 {
		t.Error("an existing child was counted again")
	}
	mustCreate(t, tr, Creation{Path: "/a/last", ParentCreates: math.MaxInt32, Zxid: 6})
	mustCreate(t, tr, Creation{Path: "/a/over", ParentCreates: math.MinInt32, Zxid: 7})
	mustCreate(t, tr, Creation{Path: "/a/over2", ParentCreates: -1, Zxid: 8})
	if tr.Creates(a) != math.MinInt32+1 || tr.Stat(a).Pzxid != 8 {
		t.Errorf("past ZooKeeper's end the counter is %d, pzxid %v", tr.Creates(a), tr.Stat(a).Pzxid)
	}
	children := int32(5)
	creates := int32(math.MinInt32 + 1)
	if got, want := tr.Stat(a).Cversion, 2*creates-children; got != want {
		t.Errorf("cversion wraps to %d, want %d", got, want)
	}
}

func TestNullAndEmptyDataAreToldApart(t *testing.T) {
	tr := New()
	null := mustCreate(t, tr, Creation{Path: "/null"})
	empty := mustCreate(t, tr, Creation{Path: "/empty", Data: []byte{}})
	if tr.Data(null) != nil || tr.Data(empty) == nil || len(tr.Data(empty)) != 0 {
		t.Errorf("null %v, empty %v", tr.Data(null), tr.Data(empty))
	}
	tr.SetData(null, []byte{}, 1, 1, 1)
	tr.SetData(empty, nil, 1, 1, 1)
	if tr.Data(null) == nil || tr.Data(empty) != nil {
		t.Errorf("after setData: null %v, empty %v", tr.Data(null), tr.Data(empty))
	}
}

func TestDataOfAnySizeSurvives(t *testing.T) {
	tr := New()
	r := mustCreate(t, tr, Creation{Path: "/a"})
	mustCreate(t, tr, Creation{Path: "/b", Data: []byte("neighbour")})
	for size := range 3000 {
		data := bytes.Repeat([]byte{byte(size)}, size)
		tr.SetData(r, data, 1, 1, 1)
		if !bytes.Equal(tr.Data(r), data) {
			t.Fatalf("%d bytes came back as others", size)
		}
	}
	for _, size := range []int{sharedMax - 2, sharedMax - 1, sharedMax, sharedMax + 1, chunkMax, 3 * chunkMax, 1} {
		data := bytes.Repeat([]byte{7}, size)
		tr.SetData(r, data, 1, 1, 1)
		if !bytes.Equal(tr.Data(r), data) {
			t.Fatalf("%d bytes came back as others", size)
		}
	}
	if string(tr.Data(tr.Find("/b"))) != "neighbour" {
		t.Error("the neighbour's data was overwritten")
	}
	if err := broken(tr); err != nil {
		t.Error(err)
	}
}

func TestEveryCapacityClassHoldsItsSizes(t *testing.T) {
	for size := 1; size <= sharedMax; size++ {
		class := classOf(size)
		if classBytes(class) < size || class == ownClass {
			t.Fatalf("%d bytes in class %d of %d", size, class, classBytes(class))
		}
		if class > 1 && classBytes(class-1) >= size {
			t.Fatalf("%d bytes in class %d, though %d would do", size, class, class-1)
		}
		if waste := classBytes(class) - size; waste > 7 && waste*8 > size {
			t.Fatalf("%d bytes take %d", size, classBytes(class))
		}
	}
}

func TestLongNamesAndDeepPaths(t *testing.T) {
	tr := New()
	long := "/" + strings.Repeat("n", 200_000)
	r := mustCreate(t, tr, Creation{Path: long, Data: []byte("x")})
	if tr.Find(long) != r || tr.Find(long[:len(long)-1]) != None {
		t.Error("a long name is not found exactly")
	}
	path := ""
	for range 2000 {
		path += "/d"
		mustCreate(t, tr, Creation{Path: path})
	}
	deepest := tr.Find(path)
	if string(tr.AppendPath(nil, deepest)) != path || tr.Child(tr.Parent(deepest), "d") != deepest {
		t.Error("a deep path is not found")
	}
	if got := tr.Descendants(tr.Find("/d")); got != 1999 {
		t.Errorf("%d descendants, want 1999", got)
	}
}

func TestLookupsAndSteadyWritesDoNotAllocate(t *testing.T) {
	tr, paths := grown(2000)
	data := make([]byte, 100)
	path := []byte(paths[77])
	dst := make([]byte, 0, 64<<10)
	dir := tr.Find("/load/0001")
	r := tr.Find(paths[500])
	for name, f := range map[string]func(){
		"find":       func() { tr.Find(paths[1234]) },
		"find bytes": func() { tr.FindBytes(path) },
		"child":      func() { tr.Child(dir, "n0001001") },
		"read":       func() { tr.Stat(r); tr.Data(r); tr.ACL(r); dst = tr.AppendPath(dst[:0], r) },
		"children":   func() { dst = tr.AppendChildren(dst[:0], dir) },
		"setData":    func() { tr.SetData(r, data, 1, 1, 1) },
		"setACL":     func() { tr.SetACL(r, nil, 1) },
	} {
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
