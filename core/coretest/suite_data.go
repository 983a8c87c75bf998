package coretest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/zensus-io/zensus/core"
)

var dataPromises = []promise{
	{"create adds a znode with data and Stat", func(e *env) {
		p := e.path("a")
		actual, st, err := e.c.Create(e.ctx, p, []byte("one"), core.CreateOptions{})
		e.ok(err)
		equal(e, "path", actual, p)
		data, read, err := e.c.Get(e.ctx, p)
		e.ok(err)
		equal(e, "data", string(data), "one")
		equal(e, "Stat of get and create", read, st)
		equal(e, "zxids", st, core.Stat{Czxid: st.Czxid, Mzxid: st.Czxid, Pzxid: st.Czxid, Ctime: st.Ctime, Mtime: st.Ctime, DataLength: 3})
		if st.Czxid == 0 || st.Ctime == 0 {
			e.Errorf("no zxid or time in %+v", st)
		}
		exists, err := e.c.Exists(e.ctx, p)
		e.ok(err)
		equal(e, "Stat of exists", exists, st)
	}},

	{"create refuses what stands in its way", func(e *env) {
		e.create(e.path("a"), "")
		e.createMode(e.path("e"), core.Ephemeral)
		for _, c := range []struct {
			name, path string
			acl        []core.ACL
			code       core.Code
		}{
			{"it exists", "a", nil, core.NodeExists},
			{"no parent", "no/x", nil, core.NoNode},
			{"an ephemeral parent", "e/x", nil, core.NoChildrenForEphemerals},
			{"an empty ACL", "x", []core.ACL{}, core.InvalidACL},
			{"an ACL of an unknown scheme", "x", []core.ACL{{Perms: core.PermAll, Scheme: "nope", ID: "x"}}, core.InvalidACL},
			{"the ACL is looked at before the parent", "no/x", []core.ACL{}, core.InvalidACL},
		} {
			_, _, err := e.c.Create(e.ctx, e.path(c.path), nil, core.CreateOptions{ACL: c.acl})
			e.Log(c.name)
			e.want(err, c.code)
		}
		_, _, err := e.c.Create(e.ctx, "/", nil, core.CreateOptions{})
		e.want(err, core.NodeExists)
		_, _, err = e.c.Create(e.ctx, e.path("x"), nil, core.CreateOptions{Mode: 7})
		e.want(err, core.BadArguments)
		equalLists(e, "children", e.children(e.root), []string{"a", "e"})
	}},

	{"writes refuse what is no path", func(e *env) {
		e.create(e.path("x"), "")
		bad := []string{
			"", "abc", e.path("x/"), e.path("./x"), e.path("x/.."), e.path("x/."),
			e.path("n\x00l"), e.path("\x01"), e.path("\x1f"), e.path("\x7f"), e.path("\u0080"), e.path("\u009f"),
			e.path("\ue000"), e.path("\uf8ff"), e.path("\ufff0"), e.path("\uffff"), e.path("\U0001f600"), e.path("\xff"),
		}
		for _, p := range bad {
			_, _, err := e.c.Create(e.ctx, p, nil, core.CreateOptions{})
			if !errors.Is(err, core.BadArguments) && !(errors.Is(err, core.NoNode) && p == e.path("./x")) {
				e.Errorf("create %q: %v", p, err)
			}
			_, err = e.c.Set(e.ctx, p, nil, core.AnyVersion)
			if !errors.Is(err, core.BadArguments) {
				e.Errorf("set %q: %v", p, err)
			}
		}
		for _, p := range []string{"...", ".a", "a.", "a b", "中文", "\u00a0", "\uf900", "\uffef", "~%"} {
			actual, _, err := e.c.Create(e.ctx, e.path(p), nil, core.CreateOptions{})
			if err != nil || actual != e.path(p) {
				e.Errorf("create %q: %q, %v", p, actual, err)
			}
			if !slices.Contains(e.children(e.root), p) {
				e.Errorf("%q is not among the children", p)
			}
		}
		_, _, err := e.c.Create(e.ctx, e.path("no/x/"), nil, core.CreateOptions{})
		e.want(err, core.NoNode) // the parent is looked for before the path is checked
	}},

	{"reads of what is no path find nothing", func(e *env) {
		for _, p := range []string{"abc", e.path("x/"), e.path("\x01")} {
			_, _, err := e.c.Get(e.ctx, p)
			e.want(err, core.NoNode)
			_, err = e.c.Exists(e.ctx, p)
			e.want(err, core.NoNode)
			_, _, err = e.c.Children(e.ctx, p)
			e.want(err, core.NoNode)
		}
		names, _, err := e.c.Children(e.ctx, "")
		e.ok(err)
		if !slices.Contains(names, "zookeeper") {
			e.Errorf("the empty path is not read as the root: %q", names)
		}
	}},

	{"null and empty data are told apart", func(e *env) {
		for name, data := range map[string][]byte{"null": nil, "empty": {}} {
			p := e.path(name)
			_, st, err := e.c.Create(e.ctx, p, data, core.CreateOptions{})
			e.ok(err)
			equal(e, "data length", st.DataLength, 0)
			got, _, err := e.c.Get(e.ctx, p)
			e.ok(err)
			if len(got) != 0 || (got == nil) != (data == nil) {
				e.Errorf("%s data came back as %#v", name, got)
			}
		}
		_, err := e.c.Set(e.ctx, e.path("null"), []byte{}, core.AnyVersion)
		e.ok(err)
		_, err = e.c.Set(e.ctx, e.path("empty"), nil, core.AnyVersion)
		e.ok(err)
		if got, _, _ := e.c.Get(e.ctx, e.path("null")); got == nil {
			e.Error("set to empty, got null")
		}
		if got, _, _ := e.c.Get(e.ctx, e.path("empty")); got != nil {
			e.Error("set to null, got empty")
		}
	}},

	{"large data comes back whole", func(e *env) {
		big := bytes.Repeat([]byte("0123456789abcdef"), 1_000_000/16)
		_, st, err := e.c.Create(e.ctx, e.path("a"), big, core.CreateOptions{})
		e.ok(err)
		equal(e, "length", int(st.DataLength), len(big))
		got, _, err := e.c.Get(e.ctx, e.path("a"))
		e.ok(err)
		if !bytes.Equal(got, big) {
			e.Error("other data came back")
		}
		big[7] = 'x'
		_, err = e.c.Set(e.ctx, e.path("a"), big, 0)
		e.ok(err)
		if got, _, _ = e.c.Get(e.ctx, e.path("a")); !bytes.Equal(got, big) {
			e.Error("other data came back after set")
		}
	}},

	{"data above the limit is refused and costs nothing else", func(e *env) {
		_, _, err := e.c.Create(e.ctx, e.path("a"), make([]byte, 2<<20), core.CreateOptions{})
		if err == nil || core.IsUnknownOutcome(err) || core.IsSessionOver(err) {
			e.Errorf("create of 2 MiB: %v", err)
		}
		equal(e, "exists", e.exists(e.path("a")), false)
	}},

	{"the caller's data is the caller's", func(e *env) {
		data := []byte("one")
		_, _, err := e.c.Create(e.ctx, e.path("a"), data, core.CreateOptions{})
		e.ok(err)
		copy(data, "two")
		got, _, err := e.c.Get(e.ctx, e.path("a"))
		e.ok(err)
		equal(e, "data", string(got), "one")
	}},

	{"set replaces data of the expected version", func(e *env) {
		p := e.path("a")
		before := e.create(p, "one")
		st, err := e.c.Set(e.ctx, p, []byte("three"), 0)
		e.ok(err)
		want := before
		want.Mzxid, want.Mtime, want.Version, want.DataLength = st.Mzxid, st.Mtime, 1, 5
		equal(e, "Stat", st, want)
		if st.Mzxid <= before.Mzxid || st.Mtime < before.Mtime {
			e.Errorf("time stood still: %+v after %+v", st, before)
		}
		_, err = e.c.Set(e.ctx, p, nil, 0)
		e.want(err, core.BadVersion)
		st, err = e.c.Set(e.ctx, p, []byte("x"), core.AnyVersion)
		e.ok(err)
		equal(e, "version", st.Version, 2)
		_, err = e.c.Set(e.ctx, e.path("no"), nil, core.AnyVersion)
		e.want(err, core.NoNode)
	}},

	{"delete removes a childless znode of the expected version", func(e *env) {
		e.create(e.path("a"), "")
		e.create(e.path("a/b"), "")
		_, err := e.c.Delete(e.ctx, e.path("a"), 5)
		e.want(err, core.BadVersion) // before its children are looked at
		_, err = e.c.Delete(e.ctx, e.path("a"), core.AnyVersion)
		e.want(err, core.NotEmpty)
		z, err := e.c.Delete(e.ctx, e.path("a/b"), 0)
		e.ok(err)
		st, err := e.c.Exists(e.ctx, e.path("a"))
		e.ok(err)
		equal(e, "pzxid of the parent", st.Pzxid, z)
		_, err = e.c.Delete(e.ctx, e.path("a/b"), core.AnyVersion)
		e.want(err, core.NoNode)
		_, err = e.c.Delete(e.ctx, e.path("no/b"), core.AnyVersion)
		e.want(err, core.NoNode)
		_, err = e.c.Delete(e.ctx, e.path("a"), core.AnyVersion)
		e.ok(err)
		equal(e, "exists", e.exists(e.path("a")), false)
		for _, p := range []string{"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "abc", ""} {
			_, err = e.c.Delete(e.ctx, p, core.AnyVersion)
			e.want(err, core.BadArguments)
		}
		_, err = e.c.Delete(e.ctx, e.path("a/"), core.AnyVersion)
		e.want(err, core.NoNode)
	}},

	{"a parent's Stat counts its children", func(e *env) {
		p := e.path("a")
		made := e.create(p, "")
		one := e.create(e.path("a/1"), "")
		two := e.create(e.path("a/2"), "")
		_, err := e.c.Set(e.ctx, e.path("a/1"), []byte("x"), core.AnyVersion)
		e.ok(err)
		st, err := e.c.Exists(e.ctx, p)
		e.ok(err)
		want := made
		want.Cversion, want.NumChildren, want.Pzxid = 2, 2, two.Czxid
		equal(e, "after two creations and a set", st, want)
		z, err := e.c.Delete(e.ctx, e.path("a/1"), core.AnyVersion)
		e.ok(err)
		names, st, err := e.c.Children(e.ctx, p)
		e.ok(err)
		want.Cversion, want.NumChildren, want.Pzxid = 3, 1, z
		equal(e, "after a deletion", st, want)
		equalLists(e, "children", names, []string{"2"})
		if !(made.Czxid < one.Czxid && one.Czxid < two.Czxid && two.Czxid < z) {
			e.Errorf("zxids out of order: %v %v %v %v", made.Czxid, one.Czxid, two.Czxid, z)
		}
	}},

	{"children of what does not exist is an error", func(e *env) {
		_, _, err := e.c.Children(e.ctx, e.path("no"))
		e.want(err, core.NoNode)
		_, _, err = e.c.Get(e.ctx, e.path("no"))
		e.want(err, core.NoNode)
		_, err = e.c.Exists(e.ctx, e.path("no"))
		e.want(err, core.NoNode)
		if names := e.children(e.root); len(names) != 0 {
			e.Errorf("children of a leaf: %q", names)
		}
	}},

	{"a refused write takes its place in the order", func(e *env) {
		before, err := e.c.Sync(e.ctx, e.root)
		e.ok(err)
		_, err = e.c.Set(e.ctx, e.path("no"), nil, core.AnyVersion)
		e.want(err, core.NoNode)
		after, err := e.c.Sync(e.ctx, e.root)
		e.ok(err)
		if after <= before {
			e.Errorf("zxid %v before a refused write, %v after it", before, after)
		}
	}},

	{"many children are listed whole", func(e *env) {
		const count = 2000
		want := make([]string, 0, count)
		var ops []core.Op
		for i := range count {
			name := fmt.Sprintf("%c%d", 'a'+i%26, i)
			want = append(want, name)
			ops = append(ops, core.CreateOp{Path: e.path(name)})
			if len(ops) == 500 {
				_, _, err := e.c.Multi(e.ctx, ops...)
				e.ok(err)
				ops = ops[:0]
			}
		}
		slices.Sort(want)
		equalLists(e, "children", e.children(e.root), want)
	}},
}

// checkRestart looks, through a new session, at what was stored before a restart.
func checkRestart(e *env) {
	p := e.path("a")
	e.create(p, "one")
	_, err := e.c.Set(e.ctx, p, []byte("two"), 0)
	e.ok(err)
	for range 3 {
		e.createMode(e.path("a/s-"), core.PersistentSequential)
	}
	_, err = e.c.Delete(e.ctx, e.path("a/s-0000000001"), core.AnyVersion)
	e.ok(err)
	_, before, err := e.c.Get(e.ctx, p)
	e.ok(err)
	acl := []core.ACL{{Perms: core.PermAll, Scheme: "world", ID: "anyone"}, {Perms: core.PermRead, Scheme: "digest", ID: Digest("a:b")}}
	_, err = e.c.SetACL(e.ctx, e.path("a/s-0000000000"), acl, 0)
	e.ok(err)
	z, err := e.c.Sync(e.ctx, p)
	e.ok(err)

	e.h.Restart(e)
	e.c = e.open()
	data, st, err := e.c.Get(e.ctx, p)
	e.ok(err)
	equal(e, "data", string(data), "two")
	equal(e, "Stat", st, before)
	equalLists(e, "children", e.children(p), []string{"s-0000000000", "s-0000000002"})
	got, _, err := e.c.ACL(e.ctx, e.path("a/s-0000000000"))
	e.ok(err)
	if !slices.Equal(got, acl) {
		e.Errorf("ACL %v, want %v", got, acl)
	}
	equal(e, "next sequential", e.createMode(e.path("a/s-"), core.PersistentSequential), e.path("a/s-0000000003"))
	after, err := e.c.Sync(e.ctx, p)
	e.ok(err)
	if after <= z {
		e.Errorf("zxid went from %v to %v", z, after)
	}
}
