package zkclient_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zkclient"
)

func mustCreate(t *testing.T, c core.Client, path string, mode core.CreateMode) string {
	t.Helper()
	p, _, err := c.Create(t.Context(), path, []byte(path), core.CreateOptions{Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func equalLists[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// The rest of what a Client can ask, beside core.Client, on one Apache server.
func TestOnApache(t *testing.T) {
	a := coretest.NewApache(t)

	t.Run("a chroot is put before every path and taken off every result", func(t *testing.T) {
		plain := dial(t, zkclient.Options{}, a.Addr)
		c := dial(t, zkclient.Options{Chroot: "/apps/one"}, a.Addr)
		_, _, err := c.Create(t.Context(), "/a", nil, core.CreateOptions{})
		equal(t, "before the chroot exists", core.CodeOf(err), core.NoNode)
		mustCreate(t, plain, "/apps", core.Persistent)
		equal(t, "the chroot itself", mustCreate(t, c, "/", core.Persistent), "/")
		w, err := c.Watch(t.Context(), "/", core.WatchTree)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "create", mustCreate(t, c, "/a", core.Persistent), "/a")
		equal(t, "sequential", mustCreate(t, c, "/a/s-", core.EphemeralSequential), "/a/s-0000000000")
		equal(t, "sequential at the root", mustCreate(t, c, "/", core.EphemeralSequential), "/0000000001")
		for _, p := range []string{"/apps/one/a", "/apps/one/0000000001"} {
			if _, err := plain.Sync(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if _, err := plain.Exists(t.Context(), p); err != nil {
				t.Error(err)
			}
		}
		names, _, err := c.Children(t.Context(), "")
		slices.Sort(names)
		if err != nil || !slices.Equal(names, []string{"0000000001", "a"}) {
			t.Errorf("children of the empty path: %q, %v", names, err)
		}
		ephemerals, err := c.GetEphemerals(t.Context(), "/a")
		if err != nil || !slices.Equal(ephemerals, []string{"/a/s-0000000000"}) {
			t.Errorf("ephemerals: %q, %v", ephemerals, err)
		}
		results, _, err := c.Multi(t.Context(), core.CreateOp{Path: "/m"}, core.SetOp{Path: "/a", Version: -1}, core.DeleteOp{Path: "/m", Version: -1})
		if err != nil || results[0].Path != "/m" {
			t.Errorf("multi: %+v, %v", results, err)
		}
		events, err := w.Next(t.Context())
		if err != nil || events[0].Path != "/a" {
			t.Errorf("events: %+v, %v", events, err)
		}
		for _, p := range []string{"", "abc"} {
			if _, _, err := c.Create(t.Context(), p, nil, core.CreateOptions{}); !errors.Is(err, core.BadArguments) {
				t.Errorf("create %q: %v", p, err)
			}
			if _, err := c.Delete(t.Context(), p, -1); !errors.Is(err, core.BadArguments) {
				t.Errorf("delete %q: %v", p, err)
			}
		}
		if _, err := c.Delete(t.Context(), "/", -1); !errors.Is(err, core.BadArguments) {
			t.Errorf("delete of the root: %v", err)
		}
		if text, _, err := c.Config(t.Context()); err != nil || len(text) != 0 {
			t.Errorf("config of a standalone server: %q, %v", text, err)
		}
	})

	t.Run("ephemerals and descendants are listed and counted", func(t *testing.T) {
		c := dial(t, zkclient.Options{}, a.Addr)
		mustCreate(t, c, "/count", core.Persistent)
		mustCreate(t, c, "/count/x", core.Persistent)
		for i := range 3 {
			mustCreate(t, c, fmt.Sprint("/count/x/e", i), core.Ephemeral)
		}
		n, err := c.AllChildrenNumber(t.Context(), "/count")
		if err != nil || n != 4 {
			t.Errorf("%d, %v", n, err)
		}
		if _, err := c.AllChildrenNumber(t.Context(), "/no"); !errors.Is(err, core.NoNode) {
			t.Error(err)
		}
		paths, err := c.GetEphemerals(t.Context(), "")
		slices.Sort(paths)
		if err != nil || !slices.Equal(paths, []string{"/count/x/e0", "/count/x/e1", "/count/x/e2"}) {
			t.Errorf("%q, %v", paths, err)
		}
	})

	t.Run("a connection is who its credentials say", func(t *testing.T) {
		c := dial(t, zkclient.Options{Auth: []zkclient.Auth{{Scheme: "digest", Auth: []byte("bob:secret")}}}, a.Addr)
		ids, err := c.WhoAmI(t.Context())
		if err != nil || !slices.Contains(ids, core.Identity{Scheme: "digest", ID: "bob"}) || !slices.Contains(ids, core.Identity{Scheme: "ip", ID: "127.0.0.1"}) {
			t.Errorf("%v, %v", ids, err)
		}
	})

	t.Run("many reads in one request fail each by itself", func(t *testing.T) {
		c := dial(t, zkclient.Options{}, a.Addr)
		mustCreate(t, c, "/reads", core.Persistent)
		mustCreate(t, c, "/reads/x", core.Persistent)
		got, err := c.MultiRead(t.Context(), zkclient.Read{Path: "/reads"}, zkclient.Read{Path: "/no"}, zkclient.Read{Path: "/reads", Children: true})
		if err != nil || len(got) != 3 {
			t.Fatalf("%+v, %v", got, err)
		}
		if string(got[0].Data) != "/reads" || got[0].Stat.NumChildren != 1 || got[1].Err != core.NoNode || !slices.Equal(got[2].Names, []string{"x"}) {
			t.Errorf("%+v", got)
		}
	})

	t.Run("one-shot watches are heard once and can be removed", func(t *testing.T) {
		heard := make(chan string, 100)
		c := dial(t, zkclient.Options{OnEvent: func(e wire.WatcherEvent, _ core.Zxid) { heard <- e.Type.String() + " " + e.Path }}, a.Addr)
		for _, p := range []string{"/once", "/removed"} {
			h, _, err := c.Do(t.Context(), wire.OpExists, wire.AppendPathWatch(nil, p, true))
			if err != nil || h.Err != core.NoNode {
				t.Fatalf("%v, %v", h, err)
			}
			if err := c.CheckWatches(t.Context(), p, zkclient.WatcherData); err != nil {
				t.Error(err)
			}
		}
		if err := c.RemoveWatches(t.Context(), "/removed", zkclient.WatcherData); err != nil {
			t.Error(err)
		}
		if err := c.RemoveWatches(t.Context(), "/removed", zkclient.WatcherData); !errors.Is(err, core.NoWatcher) {
			t.Error(err)
		}
		for _, p := range []string{"/once", "/removed"} {
			mustCreate(t, c, p, core.Persistent)
			if _, err := c.Delete(t.Context(), p, -1); err != nil {
				t.Fatal(err)
			}
		}
		close(heard)
		var got []string
		for s := range heard {
			got = append(got, s)
		}
		equalLists(t, "events", got, []string{"NodeCreated /once"})
	})

	t.Run("one-shot watches outlive a connection and catch up", func(t *testing.T) {
		p := coretest.StartProxy(t, a.Addr)
		heard := make(chan string, 100)
		c := dial(t, zkclient.Options{OnEvent: func(e wire.WatcherEvent, _ core.Zxid) { heard <- e.Type.String() + " " + e.Path }}, p.Addr)
		other := dial(t, zkclient.Options{}, a.Addr)
		for _, p := range []string{"/shot", "/shot/set", "/shot/parent", "/shot/gone", "/shot/same"} {
			mustCreate(t, other, p, core.Persistent)
		}
		watch := func(op wire.OpCode, path string) {
			if _, _, err := c.Do(t.Context(), op, wire.AppendPathWatch(nil, path, true)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		watch(wire.OpGetData, "/shot/set")
		watch(wire.OpGetChildren2, "/shot/parent")
		watch(wire.OpExists, "/shot/gone")
		watch(wire.OpExists, "/shot/new")
		watch(wire.OpGetData, "/shot/same")
		watch(wire.OpGetChildren, "/shot/same")
		watch(wire.OpGetData, "/shot/removed") // no such node: no watch
		p.Down()
		mustCreate(t, other, "/shot/parent/x", core.Persistent)
		mustCreate(t, other, "/shot/new", core.Persistent)
		if _, err := other.Set(t.Context(), "/shot/set", nil, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Delete(t.Context(), "/shot/gone", -1); err != nil {
			t.Fatal(err)
		}
		p.Up()
		if _, err := retry(func() (core.Zxid, error) { return c.Sync(t.Context(), "/") }); err != nil {
			t.Fatal(err)
		}
		drain := func() (got []string) {
			for len(heard) > 0 {
				got = append(got, <-heard)
			}
			slices.Sort(got)
			return got
		}
		equalLists(t, "caught up", drain(), []string{
			"NodeChildrenChanged /shot/parent", "NodeCreated /shot/new", "NodeDataChanged /shot/set", "NodeDeleted /shot/gone",
		})
		// What did not fire is armed, what did is not.
		for _, p := range []string{"/shot/same", "/shot/set", "/shot/new"} {
			if _, err := c.Set(t.Context(), p, nil, -1); err != nil {
				t.Fatal(err)
			}
		}
		mustCreate(t, c, "/shot/same/x", core.Persistent)
		equalLists(t, "after that", drain(), []string{"NodeChildrenChanged /shot/same", "NodeDataChanged /shot/same"})
		p.Cut()
		if _, err := retry(func() (core.Zxid, error) { return c.Sync(t.Context(), "/") }); err != nil {
			t.Fatal(err)
		}
		equalLists(t, "after another reconnect", drain(), nil)
	})

	t.Run("the last Close of a path takes the watch from the server", func(t *testing.T) {
		c := dial(t, zkclient.Options{}, a.Addr)
		one, err := c.Watch(t.Context(), "/w", core.WatchTree)
		if err != nil {
			t.Fatal(err)
		}
		two, err := c.Watch(t.Context(), "/w", core.WatchTree)
		if err != nil {
			t.Fatal(err)
		}
		one.Close()
		if err := c.CheckWatches(t.Context(), "/w", zkclient.WatcherAny); err != nil {
			t.Errorf("after the first Close: %v", err)
		}
		two.Close()
		err = until("taken off", func() bool {
			return errors.Is(c.CheckWatches(t.Context(), "/w", zkclient.WatcherAny), core.NoWatcher)
		})
		if err != nil {
			t.Error(err)
		}
	})

	t.Run("the session outlives a restart of its server", func(t *testing.T) {
		c := dial(t, zkclient.Options{Timeout: time.Minute, Auth: []zkclient.Auth{{Scheme: "digest", Auth: []byte("a:b")}}}, a.Addr)
		id := c.Session().ID
		p, _, err := c.Create(t.Context(), "/outlives", nil, core.CreateOptions{
			Mode: core.Ephemeral, ACL: []core.ACL{{Perms: core.PermAll, Scheme: "auth"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.Watch(t.Context(), "/", core.WatchTree)
		if err != nil {
			t.Fatal(err)
		}
		a.Restart(t)
		st, err := retry(func() (core.Stat, error) { return c.Set(t.Context(), p, []byte("after"), -1) })
		if err != nil || st.EphemeralOwner != id || c.Session().ID != id {
			t.Errorf("%+v, %v", st, err)
		}
		mustCreate(t, c, "/outlives-2", core.Persistent)
		var lines []string
		for !slices.Contains(lines, "NodeCreated /outlives-2") {
			events, err := w.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if strings.HasPrefix(e.Path, "/outlives") || e.Type == core.Resync {
					lines = append(lines, e.Type.String()+" "+e.Path)
				}
			}
		}
		equalLists(t, "events", lines, []string{"Resync /", "NodeDataChanged /outlives", "NodeCreated /outlives-2"})
	})

	t.Run("a session that is closed elsewhere is over", func(t *testing.T) {
		c := dial(t, zkclient.Options{}, a.Addr)
		mustCreate(t, c, "/elsewhere", core.Ephemeral)
		// The client may be quick to take its session back from the other connection.
		var err error
		over := until("over", func() bool {
			closeElsewhere(t, a.Addr, c.Session())
			_, err = retry(func() (core.Zxid, error) { return c.Sync(t.Context(), "/") })
			return err != nil
		})
		if over != nil || !errors.Is(err, core.SessionExpired) {
			t.Errorf("sync: %v, %v", err, over)
		}
	})
}

// retry tries again while the outcome is unknown.
func retry[T any](fn func() (T, error)) (T, error) {
	for {
		v, err := fn()
		if !core.IsUnknownOutcome(err) {
			return v, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}
