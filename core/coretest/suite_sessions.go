package coretest

import (
	"errors"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
)

// SessionsHarness is an engine whose sessions can be held by anybody in process.
type SessionsHarness struct {
	Engine core.Sessions
	// HasClock says that sessions expire by themselves when nobody touches them.
	HasClock bool
}

// RunSessions holds an engine in process to core.Sessions. open is called once.
func RunSessions(t *testing.T, open func(t *testing.T) SessionsHarness) {
	h := open(t)
	for _, p := range []struct {
		name  string
		check func(e *env)
	}{
		{"Resume goes on with the session, and Close of what it gives ends it", func(e *env) {
			a := e.hold(h, time.Minute)
			info := a.Session()
			equal(e, "timeout", info.Timeout, time.Minute)
			p, _, err := a.Create(e.ctx, e.path("e"), nil, core.CreateOptions{Mode: core.Ephemeral})
			e.ok(err)
			h.Engine.Detach(info.ID)
			equal(e, "exists while detached", e.exists(p), true)
			b := e.resume(h, info)
			equal(e, "id", b.Session().ID, info.ID)
			equal(e, "timeout", b.Session().Timeout, info.Timeout)
			st, err := b.Exists(e.ctx, p)
			e.ok(err)
			equal(e, "owner", st.EphemeralOwner, info.ID)
			_, _, err = b.Create(e.ctx, e.path("e2"), nil, core.CreateOptions{Mode: core.Ephemeral})
			e.ok(err)
			e.ok(b.Close())
			equalLists(e, "children", e.children(e.root), nil)
			_, err = h.Engine.Resume(e.ctx, info.ID, info.Password)
			e.want(err, core.SessionExpired)
		}},

		{"Detach closes the client and its watches, not the session", func(e *env) {
			a := e.hold(h, time.Minute)
			w, err := a.Watch(e.ctx, e.root, core.WatchTree)
			e.ok(err)
			h.Engine.Detach(a.Session().ID)
			_, err = a.Exists(e.ctx, "/")
			if !errors.Is(err, core.ErrClosed) {
				e.Errorf("call after Detach: %v", err)
			}
			for {
				if _, err := w.Next(e.ctx); err != nil {
					if !core.IsSessionOver(err) {
						e.Errorf("watch after Detach: %v", err)
					}
					break
				}
			}
			e.resume(h, a.Session())
		}},

		{"Resume takes the session from its holder", func(e *env) {
			a := e.hold(h, time.Minute)
			p, _, err := a.Create(e.ctx, e.path("e"), nil, core.CreateOptions{Mode: core.Ephemeral})
			e.ok(err)
			b := e.resume(h, a.Session())
			_, err = a.Exists(e.ctx, p)
			if !core.IsSessionOver(err) {
				e.Errorf("call of the former holder: %v", err)
			}
			if err := a.Close(); err != nil && !core.IsSessionOver(err) {
				e.Errorf("Close of the former holder: %v", err)
			}
			st, err := b.Set(e.ctx, p, []byte("x"), 0)
			e.ok(err)
			equal(e, "owner after the former holder's Close", st.EphemeralOwner, b.Session().ID)
		}},

		{"a wrong password opens nothing and disturbs nobody", func(e *env) {
			a := e.hold(h, time.Minute)
			for _, password := range [][]byte{nil, {}, []byte("0123456789abcdef"), a.Session().Password[:15]} {
				_, err := h.Engine.Resume(e.ctx, a.Session().ID, password)
				e.want(err, core.SessionExpired)
			}
			_, err := h.Engine.Resume(e.ctx, a.Session().ID+12345, a.Session().Password)
			e.want(err, core.SessionExpired)
			_, err = a.Sync(e.ctx, "/")
			e.ok(err)
		}},

		{"Touch and Detach of what does not exist are passed over", func(e *env) {
			h.Engine.Touch()
			h.Engine.Touch(1, 2, 3)
			h.Engine.Detach(1)
		}},

		{"a session that is touched lives, and one that is not ends", func(e *env) {
			if !h.HasClock {
				e.Log("the engine has no clock: its sessions end by Close or Expire")
				return
			}
			const timeout = time.Second
			kept, left := e.hold(h, timeout), e.hold(h, timeout)
			for name, c := range map[string]core.Client{"kept": kept, "left": left} {
				_, _, err := c.Create(e.ctx, e.path(name), nil, core.CreateOptions{Mode: core.Ephemeral})
				e.ok(err)
			}
			h.Engine.Detach(kept.Session().ID)
			h.Engine.Detach(left.Session().ID)
			for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(50 * time.Millisecond) {
				h.Engine.Touch(kept.Session().ID)
				if !e.exists(e.path("left")) {
					break
				}
			}
			equalLists(e, "children", e.children(e.root), []string{"kept"})
			_, err := h.Engine.Resume(e.ctx, left.Session().ID, left.Session().Password)
			e.want(err, core.SessionExpired)
			e.resume(h, kept.Session())
		}},

		{"OpenMulti opens a session that begins with operations, where there is such a thing", func(e *env) {
			f, ok := h.Engine.(core.Founding)
			if !ok {
				return
			}
			own := core.CreateOp{Path: e.path("own"), Options: core.CreateOptions{Mode: core.Ephemeral}}
			a, results, zxid, err := f.OpenMulti(e.ctx, core.SessionOptions{Timeout: time.Minute}, own, core.CheckOp{Path: own.Path})
			e.ok(err)
			e.Cleanup(func() { a.Close() })
			equal(e, "results", len(results), 2)
			equal(e, "path", results[0].Path, own.Path)
			equal(e, "timeout", a.Session().Timeout, time.Minute)
			st, err := a.Exists(e.ctx, own.Path)
			e.ok(err)
			equal(e, "owner", st.EphemeralOwner, a.Session().ID)
			equal(e, "zxid", st.Czxid, zxid)
			b := e.resume(h, a.Session())
			e.ok(b.Close())
			equalLists(e, "children", e.children(e.root), nil)
		}},

		{"Operations that are refused leave the session that OpenMulti opened", func(e *env) {
			f, ok := h.Engine.(core.Founding)
			if !ok {
				return
			}
			_, _, _, err := f.OpenMulti(e.ctx, core.SessionOptions{}, core.CheckOp{Path: e.root, Version: core.AnyVersion})
			e.want(err, core.BadArguments)
			a, _, _, err := f.OpenMulti(e.ctx, core.SessionOptions{Timeout: time.Minute},
				core.CreateOp{Path: e.path("a"), Options: core.CreateOptions{Mode: core.Ephemeral}},
				core.CreateOp{Path: e.path("missing/a")})
			e.want(err, core.NoNode)
			e.Cleanup(func() { a.Close() })
			equalLists(e, "children", e.children(e.root), nil)
			_, _, err = a.Create(e.ctx, e.path("b"), nil, core.CreateOptions{Mode: core.Ephemeral})
			e.ok(err)
			e.resume(h, a.Session())
		}},
	} {
		t.Run(p.name, func(t *testing.T) {
			e := newEnv(t, Harness{Open: func(t testing.TB, timeout time.Duration) core.Client {
				c, err := h.Engine.Open(t.Context(), core.SessionOptions{Timeout: timeout, KeepAlive: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				return c
			}}, &coverage{seen: make(map[string]bool)})
			p.check(e)
		})
	}
}

// hold opens a session that nobody but its holder touches.
func (e *env) hold(h SessionsHarness, timeout time.Duration) core.Client {
	e.Helper()
	c, err := h.Engine.Open(e.ctx, core.SessionOptions{Timeout: timeout})
	e.ok(err)
	e.Cleanup(func() { c.Close() })
	return c
}

func (e *env) resume(h SessionsHarness, s core.SessionInfo) core.Client {
	e.Helper()
	c, err := h.Engine.Resume(e.ctx, s.ID, s.Password)
	e.ok(err)
	e.Cleanup(func() { c.Close() })
	return c
}
