package coretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
)

// listener is a watch with the events that were taken from it and not looked at.
type listener struct {
	core.Watch
	rest []core.Event
	last core.Zxid
}

// watch opens a watch that ends with the test.
func (e *env) watch(c *client, path string, mode core.WatchMode) *listener {
	e.Helper()
	w, err := c.Watch(e.ctx, path, mode)
	e.ok(err)
	e.Cleanup(func() { w.Close() })
	return &listener{Watch: w}
}

// event takes the next event that is no Progress, and holds it to its form.
func (e *env) event(l *listener, after []string) core.Event {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.ctx, opTimeout)
	defer cancel()
	for {
		if len(l.rest) == 0 {
			var err error
			if l.rest, err = l.Next(ctx); err != nil {
				e.Fatalf("after %q: %v", after, err)
			}
			if len(l.rest) == 0 {
				e.Fatal("Next returned no events")
			}
		}
		ev := l.rest[0]
		l.rest = l.rest[1:]
		if ev.Zxid < l.last {
			e.Errorf("%v at %v after one at %v", ev.Type, ev.Zxid, l.last)
		}
		l.last = max(l.last, ev.Zxid)
		if ev.Type != core.Progress {
			e.checkForm(&ev)
			return ev
		}
		if e.h.Features.OverWire {
			e.Error("a Progress over the wire")
		}
	}
}

// heard takes events until one has the path until. Each line is "Type path" with
// the root taken off.
func (e *env) heard(l *listener, until string) (lines []string, events []core.Event) {
	e.Helper()
	for {
		ev := e.event(l, lines)
		lines = append(lines, ev.Type.String()+" "+strings.TrimPrefix(ev.Path, e.root))
		events = append(events, ev)
		if ev.Path == until {
			return lines, events
		}
	}
}

// hear takes count events.
func (e *env) hear(l *listener, count int) (lines []string) {
	e.Helper()
	for range count {
		ev := e.event(l, lines)
		lines = append(lines, ev.Type.String()+" "+strings.TrimPrefix(ev.Path, e.root))
	}
	return lines
}

func (e *env) checkForm(ev *core.Event) {
	e.Helper()
	f := e.h.Features
	if !f.NoEventZxid && ev.Zxid == 0 {
		e.Errorf("%v %s has no zxid", ev.Type, ev.Path)
	}
	carries := !f.OverWire && (ev.Type == core.NodeCreated || ev.Type == core.NodeDataChanged)
	if ev.HasNode != carries {
		e.Errorf("%v %s: HasNode is %v", ev.Type, ev.Path, ev.HasNode)
	}
	if carries && ev.Stat.Mzxid != ev.Zxid {
		e.Errorf("%v %s at %v carries a znode of %v", ev.Type, ev.Path, ev.Zxid, ev.Stat.Mzxid)
	}
}

// script is one change after the other, made by another session than the watcher's.
func (e *env) script(ops ...core.Op) {
	e.Helper()
	for _, op := range ops {
		var err error
		switch op := op.(type) {
		case core.CreateOp:
			_, _, err = e.c.Create(e.ctx, op.Path, op.Data, op.Options)
		case core.SetOp:
			_, err = e.c.Set(e.ctx, op.Path, op.Data, core.AnyVersion)
		case core.DeleteOp:
			_, err = e.c.Delete(e.ctx, op.Path, core.AnyVersion)
		}
		e.ok(err)
	}
}

var watchPromises = []promise{
	{"WatchNode hears of its znode and its list of children", func(e *env) {
		a := e.path("a")
		w := e.watch(e.open(), a, core.WatchNode) // it does not exist yet
		e.script(
			core.CreateOp{Path: a},
			core.SetOp{Path: a},
			core.CreateOp{Path: a + "/b"},
			core.SetOp{Path: a + "/b"},      // not its own
			core.CreateOp{Path: a + "/b/c"}, // nor its child
			core.CreateOp{Path: e.path("ab")},
			core.DeleteOp{Path: a + "/b/c"},
			core.DeleteOp{Path: a + "/b"},
			core.DeleteOp{Path: a},
			core.CreateOp{Path: a}, // it stays armed
		)
		equalLists(e, "events", e.hear(w, 6), []string{
			"NodeCreated /a", "NodeDataChanged /a", "NodeChildrenChanged /a", "NodeChildrenChanged /a",
			"NodeDeleted /a", "NodeCreated /a",
		})
	}},

	{"WatchTree hears of everything at and below its path", func(e *env) {
		a := e.path("a")
		w := e.watch(e.open(), a, core.WatchTree)
		e.script(
			core.CreateOp{Path: a},
			core.CreateOp{Path: a + "/b"},
			core.CreateOp{Path: a + "/b/c"},
			core.SetOp{Path: a + "/b/c"},
			core.SetOp{Path: a},
			core.CreateOp{Path: e.path("ab")}, // a name that starts alike is elsewhere
			core.SetOp{Path: e.root},
			core.DeleteOp{Path: a + "/b/c"},
			core.DeleteOp{Path: a + "/b"},
			core.DeleteOp{Path: a},
			core.CreateOp{Path: a},
			core.CreateOp{Path: a + "/end"},
		)
		lines, _ := e.heard(w, a+"/end")
		equalLists(e, "events", lines, []string{
			"NodeCreated /a", "NodeCreated /a/b", "NodeCreated /a/b/c", "NodeDataChanged /a/b/c", "NodeDataChanged /a",
			"NodeDeleted /a/b/c", "NodeDeleted /a/b", "NodeDeleted /a", "NodeCreated /a", "NodeCreated /a/end",
		})
	}},

	{"a watch hears nothing of what came before it, of failures, or of access lists", func(e *env) {
		a := e.path("a")
		e.create(a, "")
		_, err := e.c.Set(e.ctx, a, nil, core.AnyVersion)
		e.ok(err)
		w := e.watch(e.c, a, core.WatchTree)
		_, err = e.c.Set(e.ctx, a, nil, 7)
		e.want(err, core.BadVersion)
		_, err = e.c.SetACL(e.ctx, a, core.OpenACL(), core.AnyVersion)
		e.ok(err)
		_, _, err = e.c.Multi(e.ctx, core.SetOp{Path: a, Version: core.AnyVersion}, core.CheckOp{Path: a, Version: 9})
		e.want(err, core.BadVersion)
		e.create(a+"/end", "")
		lines, _ := e.heard(w, a+"/end")
		equalLists(e, "events", lines, []string{"NodeCreated /a/end"})
	}},

	{"events of one's own write are there when the write returns", func(e *env) {
		w := e.watch(e.c, e.root, core.WatchTree)
		over, cancel := context.WithCancel(e.ctx)
		cancel()
		for i := range 20 {
			p := e.path(fmt.Sprint("n", i))
			e.create(p, "")
			events, err := w.Next(over) // gives what is there, even if its context has ended
			e.ok(err)
			if !slices.ContainsFunc(events, func(ev core.Event) bool { return ev.Type == core.NodeCreated && ev.Path == p }) {
				e.Fatalf("after the creation of %s: %+v", p, events)
			}
		}
		if _, err := w.Next(over); !e.h.Features.OverWire && err == nil {
			return // a Progress
		} else if !errors.Is(err, context.Canceled) {
			e.Errorf("Next with nothing there and an ended context: %v", err)
		}
	}},

	{"events of others are there when a Sync returns", func(e *env) {
		other := e.open()
		w := e.watch(other, e.root, core.WatchTree)
		over, cancel := context.WithCancel(e.ctx)
		cancel()
		for i := range 20 {
			p := e.path(fmt.Sprint("n", i))
			st := e.create(p, "")
			z, err := other.Sync(e.ctx, e.root)
			e.ok(err)
			if z < st.Czxid {
				e.Fatalf("sync to %v, behind %v", z, st.Czxid)
			}
			events, err := w.Next(over)
			e.ok(err)
			if !slices.ContainsFunc(events, func(ev core.Event) bool { return ev.Path == p }) {
				e.Fatalf("after a sync past the creation of %s: %+v", p, events)
			}
		}
	}},

	{"events come in the order of the changes", func(e *env) {
		other := e.open()
		w := e.watch(other, e.root, core.WatchTree)
		const count = 300
		for i := range count {
			e.create(e.path(fmt.Sprintf("n%03d", i)), "")
		}
		lines, events := e.heard(w, e.path(fmt.Sprintf("n%03d", count-1)))
		if len(lines) != count || !slices.IsSorted(lines) {
			e.Errorf("%d events, sorted: %v", len(lines), slices.IsSorted(lines))
		}
		if e.h.Features.NoEventZxid {
			return
		}
		for _, ev := range events {
			st, err := e.c.Exists(e.ctx, ev.Path)
			e.ok(err)
			if st.Czxid != ev.Zxid {
				e.Errorf("%s created at %v, said to be at %v", ev.Path, st.Czxid, ev.Zxid)
			}
		}
	}},

	{"a multi's events come in its order and share its zxid", func(e *env) {
		a := e.path("a")
		w := e.watch(e.open(), a, core.WatchTree)
		_, z, err := e.c.Multi(e.ctx,
			core.CreateOp{Path: a, Data: []byte("1")}, core.CreateOp{Path: a + "/b"},
			core.SetOp{Path: a, Data: []byte("22"), Version: 0},
			core.DeleteOp{Path: a + "/b"}, core.CreateOp{Path: a + "/end"})
		e.ok(err)
		lines, events := e.heard(w, a+"/end")
		equalLists(e, "events", lines, []string{
			"NodeCreated /a", "NodeCreated /a/b", "NodeDataChanged /a", "NodeDeleted /a/b", "NodeCreated /a/end",
		})
		for _, ev := range events {
			if !e.h.Features.NoEventZxid && ev.Zxid != z {
				e.Errorf("%v %s at %v, not %v", ev.Type, ev.Path, ev.Zxid, z)
			}
		}
	}},

	{"an event in process carries the znode as the change left it", func(e *env) {
		if e.h.Features.OverWire {
			return // held by checkForm: such events carry nothing
		}
		a := e.path("a")
		w := e.watch(e.open(), a, core.WatchTree)
		made := e.create(a, "one")
		set, err := e.c.Set(e.ctx, a, nil, 0)
		e.ok(err)
		e.create(a+"/end", "")
		_, events := e.heard(w, a+"/end")
		equal(e, "Stat of the creation", events[0].Stat, made)
		equal(e, "data of the creation", string(events[0].Data), "one")
		equal(e, "Stat of the set", events[1].Stat, set)
		if events[1].Data != nil {
			e.Errorf("null data came as %#v", events[1].Data)
		}
	}},

	{"an engine in process tells how far it has come", func(e *env) {
		if e.h.Features.OverWire {
			return // heard fails on a Progress over the wire
		}
		w := e.watch(e.open(), e.path("a"), core.WatchTree)
		st := e.create(e.path("elsewhere"), "")
		ctx, cancel := context.WithTimeout(e.ctx, opTimeout)
		defer cancel()
		for {
			events, err := w.Next(ctx)
			e.ok(err)
			for _, ev := range events {
				if ev.Type != core.Progress {
					e.Fatalf("event %+v", ev)
				}
				if ev.Zxid >= st.Czxid {
					return
				}
			}
		}
	}},

	{"ephemerals that end with their session are heard of", func(e *env) {
		other := e.open()
		for _, p := range []string{"e1", "e2"} {
			_, _, err := other.Create(e.ctx, e.path(p), nil, core.CreateOptions{Mode: core.Ephemeral})
			e.ok(err)
		}
		_, err := e.c.Sync(e.ctx, e.root)
		e.ok(err)
		w := e.watch(e.c, e.root, core.WatchTree)
		e.ok(other.Close())
		_, err = e.c.Sync(e.ctx, e.root)
		e.ok(err)
		e.create(e.path("end"), "")
		lines, events := e.heard(w, e.path("end"))
		slices.Sort(lines)
		equalLists(e, "events", lines, []string{"NodeCreated /end", "NodeDeleted /e1", "NodeDeleted /e2"})
		if events[0].Zxid != events[1].Zxid {
			e.Errorf("one session's ephemerals ended at %v and %v", events[0].Zxid, events[1].Zxid)
		}
	}},

	{"several watches of a session each hear everything they cover", func(e *env) {
		c := e.open()
		outer := e.watch(c, e.root, core.WatchTree)
		inner := e.watch(c, e.path("a"), core.WatchTree)
		again := e.watch(c, e.path("a"), core.WatchTree)
		node := e.watch(c, e.path("a/b"), core.WatchNode)
		e.script(core.CreateOp{Path: e.path("a")}, core.CreateOp{Path: e.path("a/b")},
			core.CreateOp{Path: e.path("a/b/c")}, core.DeleteOp{Path: e.path("a/b/c")}, core.SetOp{Path: e.path("a/b")})
		e.create(e.path("a/end"), "")
		all := []string{
			"NodeCreated /a", "NodeCreated /a/b", "NodeCreated /a/b/c", "NodeDeleted /a/b/c",
			"NodeDataChanged /a/b", "NodeCreated /a/end",
		}
		for _, w := range []*listener{outer, inner, again} {
			lines, _ := e.heard(w, e.path("a/end"))
			equalLists(e, "tree", lines, all)
		}
		equalLists(e, "node", e.hear(node, 4), []string{"NodeCreated /a/b", "NodeChildrenChanged /a/b", "NodeChildrenChanged /a/b", "NodeDataChanged /a/b"})
	}},

	{"both modes of watch stand side by side on one path", func(e *env) {
		c := e.open()
		a := e.path("a")
		node := e.watch(c, a, core.WatchNode)
		tree := e.watch(c, a, core.WatchTree)
		e.script(core.CreateOp{Path: a}, core.CreateOp{Path: a + "/b"}, core.DeleteOp{Path: a + "/b"}, core.DeleteOp{Path: a})
		want := []string{"NodeCreated /a", "NodeChildrenChanged /a", "NodeChildrenChanged /a", "NodeDeleted /a"}
		if e.h.Features.OneModePerPath {
			want = []string{"NodeCreated /a", "NodeDeleted /a"}
		}
		equalLists(e, "node", e.hear(node, len(want)), want)
		e.create(a, "")
		e.create(a+"/end", "")
		lines, _ := e.heard(tree, a+"/end")
		equalLists(e, "tree", lines, []string{
			"NodeCreated /a", "NodeCreated /a/b", "NodeDeleted /a/b", "NodeDeleted /a",
			"NodeCreated /a", "NodeCreated /a/end",
		})
	}},

	{"closing one watch leaves the others armed", func(e *env) {
		c := e.open()
		one := e.watch(c, e.root, core.WatchTree)
		two := e.watch(c, e.root, core.WatchTree)
		e.ok(one.Close())
		e.create(e.path("end"), "")
		e.heard(two, e.path("end"))
		e.ok(two.Close())
		three := e.watch(c, e.root, core.WatchTree)
		e.create(e.path("end2"), "")
		lines, _ := e.heard(three, e.path("end2"))
		equalLists(e, "a watch armed after the last was closed", lines, []string{"NodeCreated /end2"})
	}},

	{"a watch that is closed says so, with its Close and with its session's", func(e *env) {
		c := e.open()
		one, two := e.watch(c, e.root, core.WatchTree), e.watch(c, e.root, core.WatchNode)
		waiting := make(chan error, 1)
		go func() {
			for {
				if _, err := one.Next(e.ctx); err != nil {
					waiting <- err
					return
				}
			}
		}()
		time.Sleep(10 * time.Millisecond) // so that Next usually waits already; right either way
		e.ok(one.Close())
		if err := <-waiting; !errors.Is(err, core.ErrClosed) {
			e.Errorf("Next after Close: %v", err)
		}
		e.ok(one.Close())
		e.ok(c.Close())
		for {
			if _, err := two.Next(e.ctx); err != nil {
				if !core.IsSessionOver(err) {
					e.Errorf("Next after the session's Close: %v", err)
				}
				return
			}
		}
	}},

	{"Next gives up with its context and loses nothing", func(e *env) {
		w := e.watch(e.c, e.path("a"), core.WatchNode)
		ctx, cancel := context.WithTimeout(e.ctx, 20*time.Millisecond)
		defer cancel()
		for {
			if _, err := w.Next(ctx); err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					e.Errorf("Next: %v", err)
				}
				break
			}
		}
		e.create(e.path("a"), "")
		lines, _ := e.heard(w, e.path("a"))
		equalLists(e, "events", lines, []string{"NodeCreated /a"})
	}},

	{"a reader that is too slow gets one Resync and can go on", func(e *env) {
		c := e.open()
		w := e.watch(c, e.root, core.WatchTree)
		e.create(e.path("a"), "")
		// Far more events than any queue that calls itself bounded should hold.
		const multis, sets = 150, 1000
		ops := make([]core.Op, sets)
		for i := range ops {
			ops[i] = core.SetOp{Path: e.path("a"), Version: core.AnyVersion}
		}
		for range multis {
			_, _, err := e.c.Multi(e.ctx, ops...)
			e.ok(err)
		}
		_, err := c.Sync(e.ctx, e.root)
		e.ok(err)
		resyncs, others := 0, 0
		over, cancel := context.WithCancel(e.ctx)
		cancel()
		for {
			events, err := w.Next(over)
			if err != nil || !e.h.Features.OverWire && len(events) == 1 && events[0].Type == core.Progress {
				break
			}
			for _, ev := range events {
				switch ev.Type {
				case core.Resync:
					resyncs++
				case core.NodeDataChanged:
					others++
				}
			}
		}
		if resyncs != 1 || others >= multis*sets {
			e.Errorf("%d Resyncs and %d events for %d changes", resyncs, others, multis*sets)
		}
		e.create(e.path("end"), "")
		e.heard(w, e.path("end"))
	}},

	{"a mode that does not exist is refused", func(e *env) {
		_, err := e.c.Watch(e.ctx, e.root, 2)
		e.want(err, core.MarshallingError)
	}},

	{"an event that one may not read is not told", func(e *env) {
		other := e.open()
		w := e.watch(other, e.root, core.WatchTree)
		e.privateNode(e.path("private"))
		e.create(e.path("end"), "")
		lines, _ := e.heard(w, e.path("end"))
		equalLists(e, "events", lines, []string{"NodeCreated /end"})
	}},
}
