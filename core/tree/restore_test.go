package tree

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// TestRestoredZnodesMakeTheSameTree moves a tree znode by znode, as an import
// does, and twice, as into a tree that is already there.
func TestRestoredZnodesMakeTheSameTree(t *testing.T) {
	p := &play{rnd: rand.New(rand.NewPCG(5, 5)), tree: New(), model: newModel(), zxid: 100}
	for range 600 {
		if err := p.step(); err != nil {
			t.Fatal(err)
		}
	}
	v := p.tree.View()
	defer v.Close()
	lists := map[uint32][]core.ACL{}
	v.ACLs(func(id uint32, acl []core.ACL) bool { lists[id] = acl; return true })
	to := New()
	for range 2 {
		v.Walk(Root, func(r Ref, _ int) bool {
			if IsSession(v.Owner(r)) {
				return true
			}
			restore(t, to, v, r, lists)
			return true
		})
		v.EphemeralOwners(func(id core.SessionID, _ int) bool {
			v.Ephemerals(id, func(r Ref) bool { restore(t, to, v, r, lists); return true })
			return true
		})
	}
	if err := broken(to); err != nil {
		t.Error(err)
	}
	if to.Digest() != p.tree.Digest() || to.DataSize() != p.tree.DataSize() || to.Count() != p.tree.Count() {
		t.Errorf("digest %#x, size %d, count %d; want %#x, %d, %d", to.Digest(), to.DataSize(), to.Count(), p.tree.Digest(), p.tree.DataSize(), p.tree.Count())
	}
	if err := differentEphemerals(to, p.model); err != nil {
		t.Error(err)
	}
	for path := range p.model.nodes {
		a, b := p.tree.Find(path), to.Find(path)
		if p.tree.Stat(a) != to.Stat(b) || !slices.Equal(p.tree.ACL(a), to.ACL(b)) || string(p.tree.Data(a)) != string(to.Data(b)) {
			t.Errorf("%s: %+v, want %+v", path, to.Stat(b), p.tree.Stat(a))
		}
	}
}

func restore(t *testing.T, to *Tree, v *View, r Ref, lists map[uint32][]core.ACL) {
	t.Helper()
	st := v.Stat(r)
	_, code := to.Restore(Persisted{
		Path: string(v.AppendPath(nil, r)), Data: v.Data(r), ACL: lists[v.ACLID(r)], Owner: v.Owner(r),
		Czxid: st.Czxid, Mzxid: st.Mzxid, Pzxid: st.Pzxid, Ctime: st.Ctime, Mtime: st.Mtime,
		Version: st.Version, Creates: v.Creates(r), Aversion: st.Aversion,
	})
	if code != core.OK {
		t.Fatalf("restore %s: %v", v.AppendPath(nil, r), code)
	}
}

func TestRestoreAnswersWithCodes(t *testing.T) {
	tr := New()
	mustCreate(t, tr, Creation{Path: "/e", Owner: 5})
	mustCreate(t, tr, Creation{Path: "/d"})
	mustCreate(t, tr, Creation{Path: "/d/x"})
	for _, c := range []struct {
		p    Persisted
		want core.Code
	}{
		{Persisted{Path: "/a/b"}, core.NoNode},
		{Persisted{Path: "/e/b"}, core.NoChildrenForEphemerals},
		{Persisted{Path: "/d", Owner: 5}, core.NoChildrenForEphemerals},
		{Persisted{Path: "x"}, core.BadArguments},
		{Persisted{Path: "", Data: []byte("r"), Creates: 9, Czxid: 3}, core.OK},
	} {
		if _, got := tr.Restore(c.p); got != c.want {
			t.Errorf("%q: %v, want %v", c.p.Path, got, c.want)
		}
	}
	if string(tr.Data(Root)) != "r" || tr.Creates(Root) != 9 || tr.Stat(Root).Czxid != 3 {
		t.Errorf("the root is %+v", tr.Stat(Root))
	}
	if err := broken(tr); err != nil {
		t.Error(err)
	}
}
