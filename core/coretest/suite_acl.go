package coretest

import (
	"slices"

	"github.com/zensus-io/zensus/core"
)

// owner is a credential that only privateNode uses.
const owner = "owner:secret"

// privateNode creates a znode, with a child x, of which the suite's ordinary
// clients may do nothing.
func (e *env) privateNode(path string) {
	e.Helper()
	c := e.open()
	e.ok(c.AddAuth(e.ctx, "digest", []byte(owner)))
	private := []core.ACL{{Perms: core.PermAll, Scheme: "digest", ID: Digest(owner)}}
	for _, p := range []string{path, path + "/x"} {
		_, _, err := c.Create(e.ctx, p, []byte("secret"), core.CreateOptions{ACL: private})
		e.ok(err)
	}
	_, err := e.c.Sync(e.ctx, path)
	e.ok(err)
}

var aclPromises = []promise{
	{"an access list keeps others out of everything", func(e *env) {
		p := e.path("private")
		e.privateNode(p)
		_, _, err := e.c.Get(e.ctx, p)
		e.want(err, core.NoAuth)
		_, _, err = e.c.Children(e.ctx, p)
		e.want(err, core.NoAuth)
		_, err = e.c.Set(e.ctx, p, nil, core.AnyVersion)
		e.want(err, core.NoAuth)
		_, err = e.c.Set(e.ctx, p, nil, 99) // permission comes before the version
		e.want(err, core.NoAuth)
		_, _, err = e.c.Create(e.ctx, p+"/y", nil, core.CreateOptions{})
		e.want(err, core.NoAuth)
		_, err = e.c.Delete(e.ctx, p+"/x", core.AnyVersion)
		e.want(err, core.NoAuth)
		_, err = e.c.Delete(e.ctx, p+"/no", core.AnyVersion) // as for a child that is not there
		e.want(err, core.NoAuth)
		_, _, err = e.c.ACL(e.ctx, p)
		e.want(err, core.NoAuth)
		_, err = e.c.SetACL(e.ctx, p, core.OpenACL(), core.AnyVersion)
		e.want(err, core.NoAuth)
		_, err = e.c.Exists(e.ctx, p)
		if e.h.Features.NoExistsACL {
			e.ok(err)
		} else {
			e.want(err, core.NoAuth)
		}
	}},

	{"an identity that is added opens what it may", func(e *env) {
		p := e.path("private")
		e.privateNode(p)
		c := e.open()
		_, err := c.Sync(e.ctx, p)
		e.ok(err)
		_, _, err = c.Get(e.ctx, p)
		e.want(err, core.NoAuth)
		e.ok(c.AddAuth(e.ctx, "digest", []byte(owner)))
		e.ok(c.AddAuth(e.ctx, "digest", []byte("another:one")))
		data, _, err := c.Get(e.ctx, p)
		e.ok(err)
		equal(e, "data", string(data), "secret")
		_, err = c.Delete(e.ctx, p+"/x", core.AnyVersion)
		e.ok(err)
		_, _, err = c.Create(e.ctx, p+"/y", nil, core.CreateOptions{})
		e.ok(err)
		_, err = c.SetACL(e.ctx, p, core.OpenACL(), 0)
		e.ok(err)
		_, err = e.c.Sync(e.ctx, p)
		e.ok(err)
		_, _, err = e.c.Get(e.ctx, p)
		e.ok(err)
	}},

	{"deletion asks the parent alone", func(e *env) {
		c := e.open()
		e.ok(c.AddAuth(e.ctx, "digest", []byte(owner)))
		p, _, err := c.Create(e.ctx, e.path("a"), nil, core.CreateOptions{ACL: []core.ACL{{Perms: core.PermRead, Scheme: "digest", ID: Digest(owner)}}})
		e.ok(err)
		_, err = e.c.Sync(e.ctx, p)
		e.ok(err)
		_, err = e.c.Delete(e.ctx, p, core.AnyVersion)
		e.ok(err)
	}},

	{"permissions are bits of their own", func(e *env) {
		p := e.path("a")
		only := func(perms core.Perms) {
			_, err := e.c.SetACL(e.ctx, p, []core.ACL{{Perms: perms | core.PermAdmin, Scheme: "world", ID: "anyone"}}, core.AnyVersion)
			e.ok(err)
		}
		e.create(p, "")
		e.create(p+"/x", "")
		calls := []struct {
			perm core.Perms
			call func() error
		}{
			{core.PermRead, func() error { _, _, err := e.c.Get(e.ctx, p); return err }},
			{core.PermRead, func() error { _, _, err := e.c.Children(e.ctx, p); return err }},
			{core.PermRead, func() error {
				_, _, err := e.c.Multi(e.ctx, core.CheckOp{Path: p, Version: core.AnyVersion})
				return err
			}},
			{core.PermWrite, func() error { _, err := e.c.Set(e.ctx, p, nil, core.AnyVersion); return err }},
			{core.PermDelete, func() error { _, err := e.c.Delete(e.ctx, p+"/x", core.AnyVersion); return err }},
			{core.PermCreate, func() error { _, _, err := e.c.Create(e.ctx, p+"/x", nil, core.CreateOptions{}); return err }},
		}
		for i, c := range calls {
			only(core.PermAll &^ c.perm)
			if err := c.call(); core.CodeOf(err) != core.NoAuth {
				e.Errorf("call %d without its permission: %v", i, err)
			}
			only(c.perm)
			if err := c.call(); err != nil {
				e.Errorf("call %d with its permission: %v", i, err)
			}
		}
	}},

	{"access lists are read back and counted", func(e *env) {
		p := e.path("a")
		before := e.create(p, "")
		acl, st, err := e.c.ACL(e.ctx, p)
		e.ok(err)
		equal(e, "Stat", st, before)
		if !slices.Equal(acl, core.OpenACL()) {
			e.Errorf("ACL of a new znode: %v", acl)
		}
		want := []core.ACL{{Perms: core.PermAll, Scheme: "world", ID: "anyone"}, {Perms: core.PermRead, Scheme: "ip", ID: "10.0.0.0/8"}}
		st, err = e.c.SetACL(e.ctx, p, want, 0)
		e.ok(err)
		changed := before
		changed.Aversion = 1
		equal(e, "Stat after SetACL", st, changed)
		acl, _, err = e.c.ACL(e.ctx, p)
		e.ok(err)
		if !slices.Equal(acl, want) {
			e.Errorf("got %v, want %v", acl, want)
		}
		_, err = e.c.SetACL(e.ctx, p, want, 0)
		e.want(err, core.BadVersion)
		_, err = e.c.SetACL(e.ctx, e.path("no"), want, 0)
		e.want(err, core.NoNode)
		_, _, err = e.c.ACL(e.ctx, e.path("no"))
		e.want(err, core.NoNode)
		_, err = e.c.SetACL(e.ctx, "abc", want, core.AnyVersion)
		e.want(err, core.BadArguments)
	}},

	{"an access list that cannot hold is refused before anything else", func(e *env) {
		for name, acl := range map[string][]core.ACL{
			"empty":                   {},
			"unknown scheme":          {{Perms: core.PermAll, Scheme: "nope", ID: "x"}},
			"no scheme":               {{Perms: core.PermAll, Scheme: "", ID: "x"}},
			"world that is no anyone": {{Perms: core.PermAll, Scheme: "world", ID: "me"}},
			"digest without a hash":   {{Perms: core.PermAll, Scheme: "digest", ID: "bob"}},
			"digest of three parts":   {{Perms: core.PermAll, Scheme: "digest", ID: "a:b:c"}},
			"ip that is none":         {{Perms: core.PermAll, Scheme: "ip", ID: "10.0.0"}},
			"auth of nobody":          {{Perms: core.PermAll, Scheme: "auth", ID: ""}},
			"super":                   {{Perms: core.PermAll, Scheme: "super", ID: "x"}},
			"one bad of two":          {core.OpenACL()[0], {Perms: core.PermAll, Scheme: "nope", ID: "x"}},
		} {
			_, err := e.c.SetACL(e.ctx, e.path("no"), acl, core.AnyVersion)
			e.Log(name)
			e.want(err, core.InvalidACL)
		}
	}},

	{"the servers' own scheme is not for others", func(e *env) {
		_, _, err := e.c.Create(e.ctx, e.path("a"), nil, core.CreateOptions{ACL: core.NodeACL()})
		if e.h.Features.NoNodeScheme {
			e.want(err, core.InvalidACL)
			return
		}
		e.ok(err)
		_, _, err = e.c.Get(e.ctx, e.path("a"))
		e.ok(err)
	}},

	{"auth in an access list stands for the identities of the connection", func(e *env) {
		c := e.open()
		e.ok(c.AddAuth(e.ctx, "digest", []byte("a:1")))
		e.ok(c.AddAuth(e.ctx, "digest", []byte("b:2")))
		p, _, err := c.Create(e.ctx, e.path("a"), nil, core.CreateOptions{ACL: []core.ACL{{Perms: core.PermRead | core.PermAdmin, Scheme: "auth"}}})
		e.ok(err)
		acl, _, err := c.ACL(e.ctx, p)
		e.ok(err)
		want := []core.ACL{
			{Perms: core.PermRead | core.PermAdmin, Scheme: "digest", ID: Digest("a:1")},
			{Perms: core.PermRead | core.PermAdmin, Scheme: "digest", ID: Digest("b:2")},
		}
		slices.SortFunc(acl, func(a, b core.ACL) int { return len(a.ID) - len(b.ID) + int(a.ID[0]) - int(b.ID[0]) })
		if !slices.Equal(acl, want) {
			e.Errorf("got %v, want %v", acl, want)
		}
	}},

	{"hashes are hidden from those who may only read", func(e *env) {
		p := e.path("a")
		e.create(p, "")
		_, err := e.c.SetACL(e.ctx, p, []core.ACL{
			{Perms: core.PermRead, Scheme: "world", ID: "anyone"},
			{Perms: core.PermAll, Scheme: "digest", ID: Digest(owner)},
		}, 0)
		e.ok(err)
		acl, _, err := e.c.ACL(e.ctx, p)
		e.ok(err)
		equal(e, "hidden", acl[1].ID, "owner:x")
		c := e.open()
		e.ok(c.AddAuth(e.ctx, "digest", []byte(owner)))
		_, err = c.Sync(e.ctx, p)
		e.ok(err)
		acl, _, err = c.ACL(e.ctx, p)
		e.ok(err)
		equal(e, "shown", acl[1].ID, Digest(owner))
	}},

	{"a credential that is refused costs the connection, not the session", func(e *env) {
		c := e.open()
		id := c.Session().ID
		p, _, err := c.Create(e.ctx, e.path("e"), nil, core.CreateOptions{Mode: core.Ephemeral})
		e.ok(err)
		e.want(c.AddAuth(e.ctx, "nope", []byte("x")), core.AuthFailed)
		st, err := c.Exists(e.ctx, p)
		e.ok(err)
		equal(e, "owner", st.EphemeralOwner, id)
		equal(e, "session", c.Session().ID, id)
	}},
}
