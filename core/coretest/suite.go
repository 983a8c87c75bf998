package coretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
)

// Harness is an engine under test.
type Harness struct {
	// Open opens a session and closes it when the test ends, if the test has not.
	// The client must also be a core.Admin.
	Open func(t testing.TB, timeout time.Duration) core.Client
	// Restart stops the engine and starts it again on what it had stored; clients
	// that were open need not survive that. Nil: it cannot be restarted.
	Restart  func(t testing.TB)
	Features Features
}

// Features are what an engine is known to do otherwise. The zero value is an
// engine of ours in process.
type Features struct {
	OverWire          bool // events carry no znode, and no Progress is sent
	NoEventZxid       bool // events carry no zxid
	NoExistsACL       bool // exists asks for no permission
	NoMultiCreateStat bool // a CreateOp of a Multi gives a path but no Stat
	OneModePerPath    bool // a WatchTree replaces the session's WatchNode on its path
	NoTTL             bool // TTL modes are switched off
	NoNodeScheme      bool // the servers' own identity is unknown
}

// WireFeatures are those of our own client port.
var WireFeatures = Features{OverWire: true, NoNodeScheme: true}

// ApacheFeatures are those of Apache ZooKeeper 3.8.0, with TTL switched on.
var ApacheFeatures = Features{
	OverWire: true, NoEventZxid: true, NoExistsACL: true, NoMultiCreateStat: true,
	OneModePerPath: true, NoNodeScheme: true,
}

// opTimeout bounds every call of the suite.
const opTimeout = time.Minute

// Run holds an engine to the suite. open is called once; the tests work side by
// side in subtrees of their own.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	h := open(t)
	cov := &coverage{seen: make(map[string]bool)}
	for _, list := range [][]promise{dataPromises, modePromises, multiPromises, watchPromises, sessionPromises, aclPromises} {
		for _, p := range list {
			t.Run(p.name, func(t *testing.T) {
				e := newEnv(t, h, cov)
				p.check(e)
			})
		}
	}
	t.Run("every operation met every outcome", func(t *testing.T) {
		if missing := cov.missing(h.Features); len(missing) > 0 {
			t.Errorf("not covered (was a part of the suite left out?):\n%s", strings.Join(missing, "\n"))
		}
	})
	if h.Restart != nil {
		t.Run("a restart loses nothing", func(t *testing.T) { checkRestart(newEnv(t, h, cov)) })
	}
}

// promise is one test of the suite; its name says what is promised.
type promise struct {
	name  string
	check func(e *env)
}

// env is what a promise works with: a client and an empty znode of its own.
type env struct {
	*testing.T
	ctx  context.Context
	h    Harness
	cov  *coverage
	c    *client
	root string
}

func newEnv(t *testing.T, h Harness, cov *coverage) *env {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	e := &env{T: t, ctx: ctx, h: h, cov: cov}
	e.c = e.open()
	e.root = "/" + ownName(t.Name())
	// A persistent server still has what an earlier run left.
	e.wipe(e.root)
	e.create(e.root, "")
	return e
}

// ownName is a znode's name for the test of a name.
func ownName(test string) string {
	name := test[strings.LastIndexByte(test, '/')+1:]
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name)
}

// open opens one more session.
func (e *env) open() *client {
	e.Helper()
	return &client{Client: e.h.Open(e, 10*time.Second), t: e, cov: e.cov}
}

// wipe removes a subtree, as far as it may.
func (e *env) wipe(path string) {
	names, _, err := e.c.Client.Children(e.ctx, path)
	if err != nil {
		return
	}
	for _, name := range names {
		e.wipe(core.JoinPath(path, name))
	}
	_, _ = e.c.Client.Delete(e.ctx, path, core.AnyVersion)
}

func (e *env) path(rel string) string { return core.JoinPath(e.root, rel) }

func (e *env) create(path, data string) core.Stat {
	e.Helper()
	_, st, err := e.c.Create(e.ctx, path, []byte(data), core.CreateOptions{})
	e.ok(err)
	return st
}

func (e *env) createMode(path string, mode core.CreateMode) string {
	e.Helper()
	actual, _, err := e.c.Create(e.ctx, path, nil, core.CreateOptions{Mode: mode, TTL: time.Hour})
	e.ok(err)
	return actual
}

func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// want fails unless err is the code.
func (e *env) want(err error, code core.Code) {
	e.Helper()
	if !errors.Is(err, code) || core.CodeOf(err) != code {
		e.Errorf("got %v, want %v", err, code)
	}
}

func (e *env) exists(path string) bool {
	e.Helper()
	_, err := e.c.Exists(e.ctx, path)
	if err != nil && !errors.Is(err, core.NoNode) {
		e.Fatal(err)
	}
	return err == nil
}

func (e *env) children(path string) []string {
	e.Helper()
	names, _, err := e.c.Children(e.ctx, path)
	e.ok(err)
	slices.Sort(names)
	return names
}

func equal[T comparable](e *env, what string, got, want T) {
	e.Helper()
	if got != want {
		e.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func equalLists(e *env, what string, got, want []string) {
	e.Helper()
	if !slices.Equal(got, want) {
		e.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// client notes which operation had which outcome, and holds errors to their form.
type client struct {
	core.Client
	t   testing.TB
	cov *coverage
}

func (c *client) note(op, path string, err error) {
	c.cov.add(op, err)
	if err == nil {
		return
	}
	var named *core.OpError
	if !errors.As(err, &named) || named.Op == "" {
		c.t.Errorf("%s %q: the error %q names no operation", op, path, err)
	} else if path != "" && named.Path != path {
		c.t.Errorf("%s %q: the error names the path %q", op, path, named.Path)
	}
}

func (c *client) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (string, core.Stat, error) {
	actual, st, err := c.Client.Create(ctx, path, data, opt)
	c.note(createOpName(opt.Mode), path, err)
	return actual, st, err
}

func (c *client) Get(ctx context.Context, path string) ([]byte, core.Stat, error) {
	data, st, err := c.Client.Get(ctx, path)
	c.note("getData", path, err)
	return data, st, err
}

func (c *client) Set(ctx context.Context, path string, data []byte, version int32) (core.Stat, error) {
	st, err := c.Client.Set(ctx, path, data, version)
	c.note("setData", path, err)
	return st, err
}

func (c *client) Delete(ctx context.Context, path string, version int32) (core.Zxid, error) {
	z, err := c.Client.Delete(ctx, path, version)
	c.note("delete", path, err)
	return z, err
}

func (c *client) Exists(ctx context.Context, path string) (core.Stat, error) {
	st, err := c.Client.Exists(ctx, path)
	c.note("exists", path, err)
	return st, err
}

func (c *client) Children(ctx context.Context, path string) ([]string, core.Stat, error) {
	names, st, err := c.Client.Children(ctx, path)
	c.note("getChildren2", path, err)
	return names, st, err
}

func (c *client) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	results, z, err := c.Client.Multi(ctx, ops...)
	for i := range results {
		if i < len(ops) {
			c.cov.add("multi "+opKind(ops[i]), results[i].Err)
		}
	}
	c.note("multi", "", err)
	return results, z, err
}

func (c *client) Sync(ctx context.Context, path string) (core.Zxid, error) {
	z, err := c.Client.Sync(ctx, path)
	c.note("sync", path, err)
	return z, err
}

func (c *client) Watch(ctx context.Context, path string, mode core.WatchMode) (core.Watch, error) {
	w, err := c.Client.Watch(ctx, path, mode)
	c.note("addWatch", path, err)
	return w, err
}

func (c *client) Close() error {
	err := c.Client.Close()
	c.note("closeSession", "", err)
	return err
}

func (c *client) admin() core.Admin {
	c.t.Helper()
	a, ok := c.Client.(core.Admin)
	if !ok {
		c.t.Fatalf("%T is no core.Admin", c.Client)
	}
	return a
}

func (c *client) ACL(ctx context.Context, path string) ([]core.ACL, core.Stat, error) {
	acl, st, err := c.admin().ACL(ctx, path)
	c.note("getACL", path, err)
	return acl, st, err
}

func (c *client) SetACL(ctx context.Context, path string, acl []core.ACL, aversion int32) (core.Stat, error) {
	st, err := c.admin().SetACL(ctx, path, acl, aversion)
	c.note("setACL", path, err)
	return st, err
}

func (c *client) AddAuth(ctx context.Context, scheme string, auth []byte) error {
	err := c.admin().AddAuth(ctx, scheme, auth)
	c.note("auth", "", err)
	return err
}

func opKind(op core.Op) string {
	switch op.(type) {
	case core.CreateOp:
		return "create"
	case core.SetOp:
		return "setData"
	case core.DeleteOp:
		return "delete"
	case core.CheckOp:
		return "check"
	}
	return fmt.Sprintf("%T", op)
}

// coverage is which operation had which outcome.
type coverage struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (v *coverage) add(op string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen[op+": "+core.CodeOf(err).Error()] = true
}

// required is every operation with every code that it can give through a Client.
var required = map[string][]core.Code{
	"create": {
		core.OK, core.NoNode, core.NodeExists, core.NoChildrenForEphemerals, core.NoAuth,
		core.InvalidACL, core.BadArguments,
	},
	"createContainer": {core.OK, core.NoNode, core.NodeExists},
	"createTTL":       {core.OK, core.BadArguments, core.NodeExists},
	"getData":         {core.OK, core.NoNode, core.NoAuth},
	"setData":         {core.OK, core.NoNode, core.BadVersion, core.NoAuth, core.BadArguments},
	"delete":          {core.OK, core.NoNode, core.BadVersion, core.NotEmpty, core.NoAuth, core.BadArguments},
	"exists":          {core.OK, core.NoNode, core.NoAuth},
	"getChildren2":    {core.OK, core.NoNode, core.NoAuth},
	"multi":           {core.OK},
	"multi create": {
		core.OK, core.NoNode, core.NodeExists, core.NoChildrenForEphemerals, core.NoAuth,
		core.InvalidACL, core.BadArguments, core.RuntimeInconsistency,
	},
	"multi setData": {core.OK, core.NoNode, core.BadVersion, core.NoAuth, core.BadArguments, core.RuntimeInconsistency},
	"multi delete": {
		core.OK, core.NoNode, core.BadVersion, core.NotEmpty, core.NoAuth, core.BadArguments,
		core.RuntimeInconsistency,
	},
	"multi check":  {core.OK, core.NoNode, core.BadVersion, core.NoAuth, core.BadArguments, core.RuntimeInconsistency},
	"sync":         {core.OK},
	"addWatch":     {core.OK, core.MarshallingError},
	"closeSession": {core.OK},
	"getACL":       {core.OK, core.NoNode, core.NoAuth},
	"setACL":       {core.OK, core.NoNode, core.NoAuth, core.BadVersion, core.InvalidACL, core.BadArguments},
	"auth":         {core.OK, core.AuthFailed},
}

func (v *coverage) missing(f Features) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var missing []string
	for op, codes := range required {
		if op == "createTTL" && f.NoTTL {
			continue
		}
		for _, code := range codes {
			if op == "exists" && code == core.NoAuth && f.NoExistsACL {
				continue
			}
			if line := op + ": " + code.Error(); !v.seen[line] {
				missing = append(missing, line)
			}
		}
	}
	slices.Sort(missing)
	return missing
}
