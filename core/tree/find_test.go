package tree

import (
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
)

func TestHashOfAChildFollowsFromItsParents(t *testing.T) {
	tr := New()
	for _, path := range []string{"/a", "/a/b", "/a/b/c", "/ä/ö", "/a//b", "/a/"} {
		slash := len(core.ParentPath(path))
		if slash == 1 {
			slash = 0
		}
		parent := tr.Hash(path[:slash])
		if got, want := tr.HashChild(parent, path[slash+1:]), tr.Hash(path); got != want {
			t.Errorf("%s: %#x from its parent's, %#x as a whole", path, got, want)
		}
	}
	if tr.Hash("") != tr.Hash("/") {
		t.Error("the root has two hashes")
	}
}

func TestFindHashedComparesThePath(t *testing.T) {
	tr := New()
	r, _ := tr.Create(&Creation{Path: "/a", ParentCreates: oneMore, Zxid: 1})
	if got := tr.FindHashed("/a", tr.Hash("/a")); got != r {
		t.Errorf("found %d, want %d", got, r)
	}
	for _, path := range []string{"/b", "/a/a", "a", "/aa", "/a/"} {
		if got := tr.FindHashed(path, tr.Hash("/a")); got != None {
			t.Errorf("%q with the hash of /a is found: %d", path, got)
		}
	}
}

// The parent that was found last is forgotten with its znode, also where its Ref
// or its path is used again.
func TestParentThatIsGoneIsNotFound(t *testing.T) {
	tr := New()
	create := func(path string) (Ref, core.Code) {
		return tr.Create(&Creation{Path: path, ParentCreates: oneMore, Zxid: 1})
	}
	p, _ := create("/p")
	create("/p/x")
	tr.Delete("/p/x", 2)
	tr.Delete("/p", 3)
	if _, code := create("/p/y"); code != core.NoNode {
		t.Errorf("below a deleted znode: %v", code)
	}
	if code := tr.Delete("/p/y", 4); code != core.NoNode {
		t.Errorf("deleted below a deleted znode: %v", code)
	}
	q, _ := create("/q")
	if q != p {
		t.Fatalf("Ref %d was to be used again, not %d", p, q)
	}
	if _, code := create("/p/y"); code != core.NoNode {
		t.Errorf("below a deleted znode whose Ref is another's: %v", code)
	}
	again, _ := create("/p")
	if y, code := create("/p/y"); code != core.OK || tr.Parent(y) != again {
		t.Errorf("%v, below %d, want %d", code, tr.Parent(y), again)
	}
}

func TestAlongVisitsWhatThereIsOnTheWay(t *testing.T) {
	tr := New()
	for _, path := range []string{"/a", "/a/b", "/a/b/c", "/b"} {
		tr.Create(&Creation{Path: path, ParentCreates: oneMore, Zxid: 1})
	}
	for path, want := range map[string]string{
		"": "/", "/": "/", "a": "/", "/a": "/ /a", "/a/": "/ /a", "/a//b": "/ /a", "/a/b/c": "/ /a /a/b /a/b/c",
		"/a/b/x/c": "/ /a /a/b", "/c": "/", "/b/c": "/ /b",
	} {
		var way []string
		tr.Along(path, func(r Ref) bool { way = append(way, string(tr.AppendPath(nil, r))); return true })
		if got := strings.Join(way, " "); got != want {
			t.Errorf("%q: visits %s, want %s", path, got, want)
		}
	}
	visits := 0
	tr.Along("/a/b/c", func(Ref) bool { visits++; return visits < 2 })
	if visits != 2 {
		t.Errorf("%d visits, want 2", visits)
	}
}
