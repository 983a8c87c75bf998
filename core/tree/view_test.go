package tree

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// TestViewsAreReadWhileTheTreeGoesOn is worth most under the race detector.
func TestViewsAreReadWhileTheTreeGoesOn(t *testing.T) {
	p := &play{rnd: rand.New(rand.NewPCG(42, 7)), tree: New(), model: newModel(), zxid: 100}
	var wg sync.WaitGroup
	open := make(chan struct{}, 3)
	for range 40 {
		for range 40 {
			if err := p.step(); err != nil {
				t.Fatal(err)
			}
		}
		open <- struct{}{}
		view, then := p.tree.View(), p.model.clone()
		wg.Go(func() {
			defer func() { <-open }()
			defer view.Close()
			if err := difference(view, then); err != nil {
				t.Errorf("view: %v", err)
			}
			chunks, err := encode(view)
			if err != nil {
				t.Error(err)
			}
			loaded, err := load(chunks)
			if err != nil {
				t.Errorf("load: %v", err)
				return
			}
			if err := difference(loaded, then); err != nil {
				t.Errorf("loaded: %v", err)
			}
		})
		p.tree.Maintain(50)
	}
	wg.Wait()
	if err := difference(p.tree, p.model); err != nil {
		t.Error(err)
	}
	if err := broken(p.tree); err != nil {
		t.Error(err)
	}
	if p.tree.MemoryStats().Views != 0 {
		t.Error("closed views are still counted")
	}
}

func TestViewKeepsDataThatIsOverwrittenAndDeleted(t *testing.T) {
	tr := New()
	a := mustCreate(t, tr, Creation{Path: "/a", Data: []byte("before"), ACL: core.ReadACL(), Owner: 3})
	v := tr.View()
	tr.SetData(a, []byte("behind"), 1, 2, 2)
	tr.SetACL(a, core.OpenACL(), 1)
	w := tr.View()
	tr.Delete("/a", 3)
	mustCreate(t, tr, Creation{Path: "/b", Data: []byte("reused"), Owner: 4})
	if string(v.Data(a)) != "before" || v.ACL(a)[0] != core.ReadACL()[0] || v.Stat(a).Version != 0 || v.Owner(a) != 3 {
		t.Errorf("first view sees %q, %v, %+v", v.Data(a), v.ACL(a), v.Stat(a))
	}
	v.Close()
	v.Close()
	tr.SetData(tr.Find("/b"), []byte("again!"), 1, 4, 4)
	if string(w.Data(a)) != "behind" || w.ACL(a)[0] != core.OpenACL()[0] || w.Stat(a).Version != 1 || w.Count() != 6 {
		t.Errorf("second view sees %q, %v, %+v", w.Data(a), w.ACL(a), w.Stat(a))
	}
	w.Close()
	if tr.Count() != 6 || tr.Find("/a") != None {
		t.Error("the tree itself went wrong")
	}
}

func TestSetDataWritesInPlaceOnlyWithoutViews(t *testing.T) {
	tr := New()
	r := mustCreate(t, tr, Creation{Path: "/a", Data: []byte("12345678")})
	at := tr.node(r).block
	tr.SetData(r, []byte("87654321"), 1, 1, 1)
	if tr.node(r).block != at {
		t.Error("the block moved though nobody watches")
	}
	v := tr.View()
	tr.SetData(r, []byte("abcdefgh"), 2, 2, 2)
	if tr.node(r).block == at {
		t.Error("the block stayed though a view sees it")
	}
	v.Close()
	at = tr.node(r).block
	tr.SetData(r, []byte("hgfedcba"), 3, 3, 3)
	if tr.node(r).block != at {
		t.Error("the block moved though the view is closed")
	}
}

func TestEncodePassesOnTheErrorOfItsWriter(t *testing.T) {
	tr, _ := grown(10_000)
	v := tr.View()
	defer v.Close()
	full := errors.New("disk full")
	calls := 0
	err := v.Encode(func([]byte) error { calls++; return full })
	if !errors.Is(err, full) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// TestGarbageIsGivenBack rewrites data in other sizes, with views now and then.
func TestGarbageIsGivenBack(t *testing.T) {
	tr, paths := grown(20_000)
	want := map[string]byte{}
	rnd := rand.New(rand.NewPCG(3, 3))
	var view *View
	for round := range 40 {
		for range 4000 {
			path := paths[rnd.IntN(len(paths))]
			fill := byte(rnd.Uint32())
			if tr.Find(path) != None && rnd.IntN(5) == 0 {
				tr.Delete(path, 1)
				delete(want, path)
				continue
			}
			data := bytes.Repeat([]byte{fill}, 1+rnd.IntN(600))
			r, code := tr.Create(&Creation{Path: path, Data: data, ParentCreates: -1})
			if code == core.NodeExists {
				tr.SetData(r, data, 1, 1, 1)
			}
			want[path] = fill
			tr.Maintain(2)
		}
		switch round % 8 {
		case 3:
			view = tr.View()
		case 5:
			view.Close()
		}
		for path, fill := range want {
			if d := tr.Data(tr.Find(path)); len(d) == 0 || d[0] != fill || d[len(d)-1] != fill {
				t.Fatalf("round %d: %s was overwritten", round, path)
			}
		}
	}
	for i := 0; tr.Maintain(100); i++ {
		if i > 10_000 {
			t.Fatal("upkeep has no end")
		}
	}
	m := tr.MemoryStats()
	if m.ArenaGarbage > m.Arena/4+garbageMin || m.ArenaReclaimed == 0 {
		t.Errorf("garbage is left: %+v", m)
	}
	if err := broken(tr); err != nil {
		t.Error(err)
	}
}

func TestMaintainLeavesTheArenaToOpenViews(t *testing.T) {
	tr, paths := grown(20_000)
	v := tr.View()
	for _, path := range paths {
		tr.Delete(path, 1)
	}
	if tr.Maintain(1000) {
		t.Error("something to do while a view is open")
	}
	count := 0
	v.Walk(Root, func(r Ref, _ int) bool {
		if d := v.Data(r); len(d) == 100 {
			count++
		}
		return true
	})
	if count != len(paths) {
		t.Errorf("the view sees %d of %d znodes", count, len(paths))
	}
	v.Close()
	for tr.Maintain(1000) {
	}
	if m := tr.MemoryStats(); m.Arena > 2*chunkMax {
		t.Errorf("an empty tree keeps %d bytes of arena", m.Arena)
	}
}

func TestIndexGrowsAndShrinksByHashesOfAnyKind(t *testing.T) {
	x := newIndex()
	want := map[Ref]uint32{}
	rnd := rand.New(rand.NewPCG(1, 2))
	hash := func(r Ref) uint32 {
		switch {
		case r < 3000:
			return 0xabcd0000 // more than a segment of equal ones
		case r < 6000:
			return uint32(r) // equal upper bits
		}
		return rnd.Uint32()
	}
	for r := Ref(1); r < 20_000; r++ {
		want[r] = hash(r)
		x.insert(want[r], r)
	}
	check := func() {
		t.Helper()
		for r, h := range want {
			s := x.segment(h)
			mask := uint32(len(s.slots) - 1)
			i := h & mask
			for ; s.slots[i].ref != r; i = (i + 1) & mask {
				if s.slots[i].ref == None {
					t.Fatalf("%d is lost", r)
				}
			}
		}
	}
	check()
	for r := range want {
		if r%3 != 0 {
			x.remove(want[r], r)
			delete(want, r)
		}
	}
	check()
	for r := range want {
		x.remove(want[r], r)
	}
	for _, s := range x.directory {
		if s.used != 0 {
			t.Fatal("an emptied index has entries")
		}
	}
}

func TestEncodedListsAreNotStale(t *testing.T) {
	tr := New()
	dir := mustCreate(t, tr, Creation{Path: "/d"})
	for i := range 40 {
		mustCreate(t, tr, Creation{Path: fmt.Sprintf("/d/%02d", i)})
	}
	before := tr.AppendChildren(nil, dir)
	// One comes without being counted, one goes: cversion is as before.
	cversion := tr.Stat(dir).Cversion
	mustCreate(t, tr, Creation{Path: "/d/new", ParentCreates: 1})
	tr.Delete("/d/00", 9)
	if tr.Stat(dir).Cversion != cversion {
		t.Fatal("this case needs equal cversions")
	}
	after := tr.AppendChildren(nil, dir)
	if bytes.Equal(before, after) || !bytes.Equal(after, tr.space.AppendChildren(nil, dir)) {
		t.Error("an old list was returned")
	}
	// Much more than is kept: lists make room for each other.
	for d := range 60 {
		path := fmt.Sprintf("/d%d", d)
		mustCreate(t, tr, Creation{Path: path})
		for i := range 20 {
			mustCreate(t, tr, Creation{Path: fmt.Sprintf("%s/%02d%s", path, i, bytes.Repeat([]byte{'x'}, 20_000))})
		}
		tr.AppendChildren(nil, tr.Find(path))
	}
	total := 0
	for _, s := range tr.lists.slots {
		total += cap(s.text)
	}
	if total != tr.lists.bytes || total > listsMax {
		t.Errorf("lists take %d bytes, said to be %d, at most %d", total, tr.lists.bytes, listsMax)
	}
}
