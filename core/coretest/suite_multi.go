package coretest

import (
	"errors"
	"slices"
	"time"

	"github.com/zensus-io/zensus/core"
)

// outcomes is the codes of the results of a Multi, in order.
func outcomes(results []core.OpResult) []core.Code {
	codes := make([]core.Code, len(results))
	for i := range results {
		codes[i] = core.CodeOf(results[i].Err)
	}
	return codes
}

var multiPromises = []promise{
	{"multi does all of its operations at one zxid", func(e *env) {
		e.create(e.path("set"), "old")
		e.create(e.path("gone"), "")
		results, z, err := e.c.Multi(e.ctx,
			core.CheckOp{Path: e.path("set"), Version: 0},
			core.CreateOp{Path: e.path("new"), Data: []byte("n")},
			core.CreateOp{Path: e.path("new/child")}, // sees the operation before it
			core.SetOp{Path: e.path("set"), Data: []byte("new"), Version: 0},
			core.SetOp{Path: e.path("set"), Data: []byte("newer"), Version: 1},
			core.DeleteOp{Path: e.path("gone"), Version: core.AnyVersion},
			core.CreateOp{Path: e.path("e"), Options: core.CreateOptions{Mode: core.Ephemeral}},
		)
		e.ok(err)
		if len(results) != 7 || slices.ContainsFunc(outcomes(results), func(c core.Code) bool { return c != core.OK }) {
			e.Fatalf("results: %+v", results)
		}
		for i := range results {
			if results[i].Err != nil {
				e.Errorf("result %d of a Multi that worked has the error %v", i, results[i].Err)
			}
		}
		equal(e, "path", results[1].Path, e.path("new"))
		for _, p := range []string{"new", "new/child", "e"} {
			st, err := e.c.Exists(e.ctx, e.path(p))
			e.ok(err)
			equal(e, "czxid of "+p, st.Czxid, z)
		}
		data, st, err := e.c.Get(e.ctx, e.path("set"))
		e.ok(err)
		equal(e, "data", string(data), "newer")
		equal(e, "mzxid", st.Mzxid, z)
		equal(e, "version", st.Version, 2)
		equal(e, "Stat of the second set", results[4].Stat, st)
		equal(e, "gone", e.exists(e.path("gone")), false)
		st, err = e.c.Exists(e.ctx, e.path("e"))
		e.ok(err)
		equal(e, "owner", st.EphemeralOwner, e.c.Session().ID)
		if !e.h.Features.NoMultiCreateStat {
			equal(e, "Stat of a creation", results[6].Stat, st)
		}
	}},

	{"multi that fails leaves no trace and says which operation failed", func(e *env) {
		e.create(e.path("a"), "old")
		before, err := e.c.Exists(e.ctx, e.root)
		e.ok(err)
		results, _, err := e.c.Multi(e.ctx,
			core.CreateOp{Path: e.path("x")},
			core.SetOp{Path: e.path("a"), Data: []byte("new"), Version: core.AnyVersion},
			core.CreateOp{Path: e.path("s-"), Options: core.CreateOptions{Mode: core.PersistentSequential}},
			core.CheckOp{Path: e.path("a"), Version: 7},
			core.DeleteOp{Path: e.path("a"), Version: core.AnyVersion},
		)
		e.want(err, core.BadVersion)
		var failed *core.OpError
		if !errors.As(err, &failed) || failed.Op != "check" || failed.Path != e.path("a") {
			e.Errorf("error %v does not name the check", err)
		}
		want := []core.Code{core.OK, core.OK, core.OK, core.BadVersion, core.RuntimeInconsistency}
		if got := outcomes(results); !slices.Equal(got, want) {
			e.Errorf("results: got %v, want %v", got, want)
		}
		for i := range results {
			if results[i].Err == nil {
				e.Errorf("result %d of a Multi that failed has no error", i)
			}
		}
		after, err := e.c.Exists(e.ctx, e.root)
		e.ok(err)
		equal(e, "Stat of the parent", after, before)
		data, _, err := e.c.Get(e.ctx, e.path("a"))
		e.ok(err)
		equal(e, "data", string(data), "old")
		equal(e, "next sequential", e.createMode(e.path("s-"), core.PersistentSequential), e.path("s-0000000001"))
	}},

	{"each operation of a multi can fail in its own way", func(e *env) {
		e.create(e.path("a"), "")
		e.create(e.path("a/b"), "")
		e.createMode(e.path("e"), core.Ephemeral)
		e.privateNode(e.path("private"))
		a, no, priv := e.path("a"), e.path("no"), e.path("private")
		for _, c := range []struct {
			op   core.Op
			code core.Code
		}{
			{core.CreateOp{Path: a}, core.NodeExists},
			{core.CreateOp{Path: no + "/x"}, core.NoNode},
			{core.CreateOp{Path: e.path("e/x")}, core.NoChildrenForEphemerals},
			{core.CreateOp{Path: priv + "/x"}, core.NoAuth},
			{core.CreateOp{Path: e.path("x"), Options: core.CreateOptions{ACL: []core.ACL{}}}, core.InvalidACL},
			{core.CreateOp{Path: e.path("a/")}, core.BadArguments},
			{core.SetOp{Path: no, Version: core.AnyVersion}, core.NoNode},
			{core.SetOp{Path: a, Version: 3}, core.BadVersion},
			{core.SetOp{Path: priv, Version: core.AnyVersion}, core.NoAuth},
			{core.SetOp{Path: e.path("a/"), Version: core.AnyVersion}, core.BadArguments},
			{core.DeleteOp{Path: no, Version: core.AnyVersion}, core.NoNode},
			{core.DeleteOp{Path: a, Version: 3}, core.BadVersion},
			{core.DeleteOp{Path: a, Version: core.AnyVersion}, core.NotEmpty},
			{core.DeleteOp{Path: priv + "/x", Version: core.AnyVersion}, core.NoAuth},
			{core.DeleteOp{Path: "/", Version: core.AnyVersion}, core.BadArguments},
			{core.CheckOp{Path: no, Version: core.AnyVersion}, core.NoNode},
			{core.CheckOp{Path: a, Version: 3}, core.BadVersion},
			{core.CheckOp{Path: priv, Version: core.AnyVersion}, core.NoAuth},
			{core.CheckOp{Path: e.path("a/"), Version: core.AnyVersion}, core.BadArguments},
		} {
			results, _, err := e.c.Multi(e.ctx,
				core.CheckOp{Path: a, Version: 0}, c.op,
				core.CreateOp{Path: e.path("y")}, core.SetOp{Path: a}, core.DeleteOp{Path: a}, core.CheckOp{Path: a})
			rt := core.RuntimeInconsistency
			want := []core.Code{core.OK, c.code, rt, rt, rt, rt}
			if got := outcomes(results); !errors.Is(err, c.code) || !slices.Equal(got, want) {
				e.Errorf("%T %+v: %v, %v", c.op, c.op, got, err)
			}
		}
		equal(e, "y exists", e.exists(e.path("y")), false)
	}},

	{"multi creates every kind of znode", func(e *env) {
		ops := []core.Op{
			core.CreateOp{Path: e.path("s-"), Options: core.CreateOptions{Mode: core.PersistentSequential}},
			core.CreateOp{Path: e.path("s-"), Options: core.CreateOptions{Mode: core.EphemeralSequential}},
			core.CreateOp{Path: e.path("c"), Options: core.CreateOptions{Mode: core.Container}},
		}
		if !e.h.Features.NoTTL {
			ops = append(ops, core.CreateOp{Path: e.path("t"), Options: core.CreateOptions{Mode: core.PersistentTTL, TTL: time.Hour}})
		}
		results, _, err := e.c.Multi(e.ctx, ops...)
		e.ok(err)
		var names []string
		for _, r := range results {
			names = append(names, core.BaseName(r.Path))
		}
		want := []string{"s-0000000000", "s-0000000001", "c", "t"}[:len(ops)]
		equalLists(e, "paths", names, want)
		slices.Sort(want)
		equalLists(e, "children", e.children(e.root), want)
	}},

	{"multi deletes a child and then its parent", func(e *env) {
		e.create(e.path("a"), "")
		e.create(e.path("a/b"), "")
		_, _, err := e.c.Multi(e.ctx,
			core.DeleteOp{Path: e.path("a/b"), Version: core.AnyVersion},
			core.DeleteOp{Path: e.path("a"), Version: core.AnyVersion},
			core.CreateOp{Path: e.path("a"), Data: []byte("again")})
		e.ok(err)
		data, st, err := e.c.Get(e.ctx, e.path("a"))
		e.ok(err)
		equal(e, "data", string(data), "again")
		equal(e, "children", st.NumChildren, 0)
	}},

	{"an empty multi is a transaction of its own", func(e *env) {
		before, err := e.c.Sync(e.ctx, e.root)
		e.ok(err)
		results, z, err := e.c.Multi(e.ctx)
		e.ok(err)
		if len(results) != 0 || z <= before {
			e.Errorf("%v at %v after %v", results, z, before)
		}
	}},

	{"an operation that no multi knows is refused", func(e *env) {
		_, _, err := e.c.Multi(e.ctx, core.CreateOp{Path: e.path("a")}, nil)
		e.want(err, core.MarshallingError)
		equal(e, "exists", e.exists(e.path("a")), false)
	}},
}
