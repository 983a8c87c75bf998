package tree

import (
	"fmt"
	"slices"
	"testing"

	"github.com/zensus-io/zensus/core"
)

func TestOwnersAreToldApart(t *testing.T) {
	for _, c := range []struct {
		owner   int64
		session bool
		ttl     int64 // -1: none
	}{
		{0, false, -1},
		{1, true, -1},
		{-0x0100000000000000 + 5, false, 5}, // 0xff00...05
		{TTLOwner(core.MaxTTLMillis), false, core.MaxTTLMillis},
		{-0x7f00000000000000, true, -1}, // a session of server 129
		{-0x00ff000000000000, true, -1}, // 0xff01...: not a TTL
		{ContainerOwner, false, -1},
	} {
		ttl, ok := TTL(c.owner)
		if IsSession(c.owner) != c.session || ok != (c.ttl >= 0) || ok && ttl != c.ttl {
			t.Errorf("%#x: session %v, ttl %d %v", uint64(c.owner), IsSession(c.owner), ttl, ok)
		}
		tr := New()
		r := mustCreate(t, tr, Creation{Path: "/a", Owner: c.owner})
		want := core.SessionID(0)
		if c.session {
			want = core.SessionID(c.owner)
		}
		if tr.Stat(r).EphemeralOwner != want || tr.Owner(r) != c.owner {
			t.Errorf("%#x: stat shows %v, stored %#x", uint64(c.owner), tr.Stat(r).EphemeralOwner, uint64(tr.Owner(r)))
		}
	}
}

func TestEphemeralsAreListedInOrderOfCreation(t *testing.T) {
	tr := New()
	bytes := 0
	var want []string
	for i := range 9 {
		path := fmt.Sprintf("/e%d", 8-i)
		mustCreate(t, tr, Creation{Path: path, Owner: 5})
		mustCreate(t, tr, Creation{Path: path + "other", Owner: -6})
		want = append(want, path)
		bytes += len(path) + 4
	}
	for _, gone := range []string{"/e8", "/e4", "/e0"} { // first, middle, last
		tr.Delete(gone, 9)
		want = slices.DeleteFunc(want, func(p string) bool { return p == gone })
		bytes -= len(gone) + 4
	}
	var got []string
	tr.Ephemerals(5, func(r Ref) bool { got = append(got, string(tr.AppendPath(nil, r))); return true })
	if !slices.Equal(got, want) || tr.EphemeralBytes(5) != bytes || tr.EphemeralCount() != 15 {
		t.Errorf("%v, %d bytes, %d in all; want %v, %d, 15", got, tr.EphemeralBytes(5), tr.EphemeralCount(), want, bytes)
	}
	// A session ends: its znodes are deleted while they are listed.
	tr.Ephemerals(5, func(r Ref) bool { tr.Delete(string(tr.AppendPath(nil, r)), 10); return true })
	var owners []core.SessionID
	tr.EphemeralOwners(func(id core.SessionID, n int) bool { owners = append(owners, id); return true })
	if !slices.Equal(owners, []core.SessionID{-6}) || tr.EphemeralBytes(5) != 0 || tr.EphemeralCount() != 9 {
		t.Errorf("after the end: owners %v, %d bytes, %d in all", owners, tr.EphemeralBytes(5), tr.EphemeralCount())
	}
}

func TestReapableFollowsTheRulesOfContainersAndTTLs(t *testing.T) {
	tr := New()
	create := func(path string, owner, time int64) Ref {
		return mustCreate(t, tr, Creation{Path: path, Owner: owner, Time: time, Zxid: 1})
	}
	create("/plain", 0, 0)
	create("/session", 9, 0)
	create("/container-used", ContainerOwner, 1000)
	create("/container-used/x", 0, 1000)
	tr.Delete("/container-used/x", 2)
	create("/container-full", ContainerOwner, 0)
	create("/container-full/x", 0, 0)
	create("/container-fresh", ContainerOwner, 1000)
	create("/ttl", TTLOwner(500), 1000)
	create("/ttl-full", TTLOwner(500), 0)
	create("/ttl-full/x", 0, 0)
	written := create("/ttl-written", TTLOwner(500), 0)
	tr.SetData(written, nil, 1, 2, 1200)
	due := func(now int64) (paths []string) {
		tr.Reapable(now, None, 100, func(r Ref) bool { paths = append(paths, string(tr.AppendPath(nil, r))); return true })
		return paths
	}
	for _, c := range []struct {
		now  int64
		want []string
	}{
		{1000, []string{"/container-used"}},
		{1500, []string{"/container-used"}},
		{1501, []string{"/container-used", "/ttl"}},
		{1701, []string{"/container-used", "/ttl", "/ttl-written"}},
		{301_000, []string{"/container-used", "/ttl", "/ttl-written"}},
		{301_001, []string{"/container-used", "/container-fresh", "/ttl", "/ttl-written"}},
	} {
		if got := due(c.now); !slices.Equal(got, c.want) {
			t.Errorf("at %d: %v, want %v", c.now, got, c.want)
		}
	}
}

func TestReapableIsBoundedAndGoesOnAfterDeletions(t *testing.T) {
	tr := New()
	const n = 500
	for i := range n {
		mustCreate(t, tr, Creation{Path: fmt.Sprintf("/c%d", i), Owner: TTLOwner(int64(i % 2 * 1000))})
		mustCreate(t, tr, Creation{Path: fmt.Sprintf("/p%d", i)})
	}
	reaped, calls := 0, 0
	for after := None; ; calls++ {
		var paths []string
		after = tr.Reapable(500, after, 7, func(r Ref) bool {
			paths = append(paths, string(tr.AppendPath(nil, r)))
			return true
		})
		if len(paths) > 7 {
			t.Fatalf("%d znodes in one call", len(paths))
		}
		for _, p := range paths {
			tr.Delete(p, 1)
			reaped++
		}
		if after == None {
			break
		}
	}
	if reaped != n/2 || calls < n/7 {
		t.Errorf("reaped %d of %d in %d calls", reaped, n/2, calls)
	}
}
