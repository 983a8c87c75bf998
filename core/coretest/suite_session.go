package coretest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
)

var sessionPromises = []promise{
	{"a session has an id, a password and a timeout of its own", func(e *env) {
		a, b := e.c.Session(), e.open().Session()
		if a.ID == 0 || a.ID == b.ID || len(a.Password) != 16 || string(a.Password) == string(b.Password) {
			e.Errorf("sessions %v and %v", a.ID, b.ID)
		}
		if a.Timeout <= 0 {
			e.Errorf("timeout %v", a.Timeout)
		}
	}},

	{"a closed session answers ErrClosed and can be closed again", func(e *env) {
		c := e.open()
		e.ok(c.Close())
		e.ok(c.Close())
		_, err := c.Exists(e.ctx, "/")
		if !errors.Is(err, core.ErrClosed) || !core.IsSessionOver(err) || core.IsUnknownOutcome(err) {
			e.Errorf("exists: %v", err)
		}
		_, _, err = c.Create(e.ctx, e.path("a"), nil, core.CreateOptions{})
		if !errors.Is(err, core.ErrClosed) {
			e.Errorf("create: %v", err)
		}
		_, err = c.Watch(e.ctx, "/", core.WatchTree)
		if !errors.Is(err, core.ErrClosed) {
			e.Errorf("watch: %v", err)
		}
	}},

	{"a session reads its own writes at once", func(e *env) {
		p := e.path("a")
		e.create(p, "0")
		for i := range 100 {
			want := fmt.Sprint(i)
			_, err := e.c.Set(e.ctx, p, []byte(want), int32(i))
			e.ok(err)
			data, st, err := e.c.Get(e.ctx, p)
			e.ok(err)
			if string(data) != want || st.Version != int32(i+1) {
				e.Fatalf("read %q at version %d after writing %q", data, st.Version, want)
			}
		}
	}},

	{"a session sees what others wrote once it has synced", func(e *env) {
		other := e.open()
		p := e.path("a")
		e.create(p, "")
		for i := range 50 {
			st, err := e.c.Set(e.ctx, p, []byte(fmt.Sprint(i)), core.AnyVersion)
			e.ok(err)
			z, err := other.Sync(e.ctx, p)
			e.ok(err)
			data, seen, err := other.Get(e.ctx, p)
			e.ok(err)
			if z < st.Mzxid || seen != st || string(data) != fmt.Sprint(i) {
				e.Fatalf("synced to %v, read %q of %v; written at %v", z, data, seen.Mzxid, st.Mzxid)
			}
		}
	}},

	{"sync takes any path", func(e *env) {
		for _, p := range []string{"/", e.path("no"), "not a path"} {
			_, err := e.c.Sync(e.ctx, p)
			e.ok(err)
		}
	}},

	{"a context that has ended stops a call before it does anything", func(e *env) {
		over, cancel := context.WithCancel(e.ctx)
		cancel()
		p := e.path("a")
		calls := map[string]func() error{
			"create":   func() error { _, _, err := e.c.Create(over, p, nil, core.CreateOptions{}); return err },
			"get":      func() error { _, _, err := e.c.Get(over, e.root); return err },
			"set":      func() error { _, err := e.c.Set(over, e.root, nil, core.AnyVersion); return err },
			"delete":   func() error { _, err := e.c.Delete(over, e.root, core.AnyVersion); return err },
			"exists":   func() error { _, err := e.c.Exists(over, e.root); return err },
			"children": func() error { _, _, err := e.c.Children(over, e.root); return err },
			"multi":    func() error { _, _, err := e.c.Multi(over, core.CreateOp{Path: p}); return err },
			"sync":     func() error { _, err := e.c.Sync(over, e.root); return err },
			"watch":    func() error { _, err := e.c.Watch(over, e.root, core.WatchTree); return err },
			"ACL":      func() error { _, _, err := e.c.ACL(over, e.root); return err },
			"setACL":   func() error { _, err := e.c.SetACL(over, e.root, core.OpenACL(), core.AnyVersion); return err },
			"auth":     func() error { return e.c.AddAuth(over, "digest", []byte("a:b")) },
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, context.Canceled) || core.IsUnknownOutcome(err) || core.IsSessionOver(err) {
				e.Errorf("%s: %v", name, err)
			}
		}
		equal(e, "created", e.exists(p), false)
		st, err := e.c.Exists(e.ctx, e.root)
		e.ok(err)
		equal(e, "version", st.Version, 0)
	}},

	{"a context that ends during a call says whether the outcome is known", func(e *env) {
		const count = 200
		errs := make([]error, count)
		var wg sync.WaitGroup
		for i := range count {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(e.ctx)
				defer cancel()
				time.AfterFunc(time.Duration(i)*10*time.Microsecond, cancel)
				_, _, errs[i] = e.c.Create(ctx, e.path(fmt.Sprint(i)), nil, core.CreateOptions{})
			})
		}
		wg.Wait()
		_, err := e.c.Sync(e.ctx, e.root)
		e.ok(err)
		for i, err := range errs {
			there := e.exists(e.path(fmt.Sprint(i)))
			switch {
			case err == nil && !there:
				e.Errorf("%d was created and is not there", i)
			case err != nil && !errors.Is(err, context.Canceled):
				e.Errorf("%d: %v", i, err)
			case err != nil && !core.IsUnknownOutcome(err) && there:
				e.Errorf("%d was said not to be sent, and is there: %v", i, err)
			}
		}
	}},

	{"many callers share one session", func(e *env) {
		const workers, each = 32, 20
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				p := e.path(fmt.Sprint("w", i))
				if _, _, err := e.c.Create(e.ctx, p, nil, core.CreateOptions{}); err != nil {
					e.Error(err)
					return
				}
				for j := range each {
					if _, err := e.c.Set(e.ctx, p, []byte(fmt.Sprint(j)), int32(j)); err != nil {
						e.Error(err)
						return
					}
					data, st, err := e.c.Get(e.ctx, p)
					if err != nil || string(data) != fmt.Sprint(j) || st.Version != int32(j+1) {
						e.Errorf("worker %d read %q, %d, %v", i, data, st.Version, err)
						return
					}
					if _, _, err := e.c.Get(e.ctx, p+"/no"); !errors.Is(err, core.NoNode) {
						e.Errorf("worker %d: %v", i, err)
					}
				}
			})
		}
		wg.Wait()
		equal(e, "children", len(e.children(e.root)), workers)
	}},

	{"compare and set lets one of many win each round", func(e *env) {
		p := e.path("counter")
		e.create(p, "0")
		const workers, each = 8, 10
		clients := []*client{e.c, e.open()}
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				c := clients[i%2]
				for done := 0; done < each; {
					data, st, err := c.Get(e.ctx, p)
					if err != nil {
						e.Error(err)
						return
					}
					var n int
					if _, err := fmt.Sscan(string(data), &n); err != nil {
						e.Errorf("the counter holds %q: %v", data, err)
						return
					}
					_, err = c.Set(e.ctx, p, []byte(fmt.Sprint(n+1)), st.Version)
					if err == nil {
						done++
					} else if !errors.Is(err, core.BadVersion) {
						e.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		_, err := e.c.Sync(e.ctx, p)
		e.ok(err)
		data, st, err := e.c.Get(e.ctx, p)
		e.ok(err)
		equal(e, "counter", string(data), fmt.Sprint(workers*each))
		equal(e, "version", st.Version, workers*each)
	}},
}
