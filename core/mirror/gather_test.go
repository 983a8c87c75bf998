package mirror_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/mirror"
)

// bare is a client whose events name a path only, as those of ZooKeeper up to 3.8 do.
type bare struct {
	core.Client
	zxids    bool              // events have their zxid, as since 3.9
	onExists func(path string) // before it is answered
	onGet    func(path string)
}

func (b *bare) Watch(ctx context.Context, path string, mode core.WatchMode) (core.Watch, error) {
	w, err := b.Client.Watch(ctx, path, mode)
	return bareWatch{w, b.zxids}, err
}

func (b *bare) Exists(ctx context.Context, path string) (core.Stat, error) {
	if b.onExists != nil {
		b.onExists(path)
	}
	return b.Client.Exists(ctx, path)
}

func (b *bare) Get(ctx context.Context, path string) ([]byte, core.Stat, error) {
	if b.onGet != nil {
		b.onGet(path)
	}
	return b.Client.Get(ctx, path)
}

type bareWatch struct {
	core.Watch
	zxids bool
}

func (w bareWatch) Next(ctx context.Context) ([]core.Event, error) {
	for {
		events, err := w.Watch.Next(ctx)
		var told []core.Event
		for _, e := range events {
			switch {
			case e.Type == core.Progress:
			case e.Type == core.Resync:
				told = append(told, e)
			case w.zxids:
				told = append(told, core.Event{Type: e.Type, Path: e.Path, Zxid: e.Zxid})
			default:
				told = append(told, core.Event{Type: e.Type, Path: e.Path})
			}
		}
		if err != nil || len(told) > 0 {
			return told, err
		}
	}
}

// follow runs a mirror of /r and holds, with every change, what the Stat of /r/s says of
// its children, of which none ever goes, to those that are shown.
func follow(t *testing.T, b *bare) *mirror.Mirror {
	t.Helper()
	var m atomic.Pointer[mirror.Mirror]
	shown := make(map[string]bool)
	cfg := mirror.Config{Client: b, Root: "/r", Lean: true, Passing: true, OnChange: func(changes []mirror.Change, _ core.Zxid) {
		for _, c := range changes {
			if core.ParentPath(c.Path) == "/r/s" {
				shown[c.Path] = true
			}
		}
		if m.Load() == nil {
			return
		}
		if n, ok := m.Load().Freshest("/r/s"); ok && int(n.Stat.Cversion) != len(shown) {
			t.Errorf("Cversion %d, NumChildren %d with %d children shown", n.Stat.Cversion, n.Stat.NumChildren, len(shown))
		}
		for _, c := range changes {
			if c.Path == "/r/s" && int(c.New.Stat.Cversion) != len(shown) {
				t.Errorf("told with Cversion %d and %d children", c.New.Stat.Cversion, len(shown))
			}
		}
	}}
	run := run(t, cfg)
	m.Store(run)
	return run
}

// Nodes number the states of a service by what its Stat says of the children. One that
// read it while the next child came showed the number of a later list, and the next
// change under one that no other node had.
func TestAStatIsNotAheadOfTheChildrenThatAreShown(t *testing.T) {
	for _, zxids := range []bool{false, true} {
		t.Run(fmt.Sprintf("events with zxids: %v", zxids), func(t *testing.T) {
			f := coretest.NewFake()
			writer := open(t, f)
			create(t, writer, "/r", "")
			b := &bare{Client: open(t, f), zxids: zxids}
			next := 0
			more := func() core.Zxid { next++; return create(t, writer, fmt.Sprint("/r/s/", next), "") }
			var late atomic.Int32 // how many children come while a Stat is read, one with each
			ahead := func(path string) {
				if path == "/r/s" && late.Load() > 0 {
					late.Add(-1)
					more()
				}
			}
			b.onExists, b.onGet = ahead, ahead
			m := follow(t, b)

			late.Store(3)
			z := create(t, writer, "/r/s", "")
			wait(t, m, z)
			settled(t, m, writer)
			for range 5 {
				late.Store(3)
				wait(t, m, more())
				settled(t, m, writer)
			}
			late.Store(3)
			st, err := writer.Set(t.Context(), "/r/s", []byte("new"), core.AnyVersion)
			if err != nil {
				t.Fatal(err)
			}
			wait(t, m, st.Mzxid)
			settled(t, m, writer)
		})
	}
}

// settled waits until the mirror shows all children of /r/s, and their Stat, though
// nobody asks for a zxid.
func settled(t *testing.T, m *mirror.Mirror, c core.Client) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		want, err := c.Exists(t.Context(), "/r/s")
		if err != nil {
			t.Fatal(err)
		}
		n, ok := m.Freshest("/r/s")
		if ok && n.Stat == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("shown: %+v, there: %+v", n, want)
		}
	}
}

// What came in with what was wanted, and is of another path, waits for nothing else.
func TestWhatWasReadOnIsAppliedWithoutMore(t *testing.T) {
	f := coretest.NewFake()
	writer := open(t, f)
	create(t, writer, "/r", "")
	create(t, writer, "/r/s", "")
	b := &bare{Client: open(t, f)}
	var elsewhere atomic.Bool
	b.onExists = func(path string) {
		if path == "/r/s" && elsewhere.CompareAndSwap(false, true) {
			create(t, writer, "/r/other", "")
		}
	}
	m := follow(t, b)
	create(t, writer, "/r/s/1", "")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, ok := m.Get("/r/other"); ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not shown")
		}
	}
}

// Children that come with every look at the parent do not hold up what is shown for ever.
func TestAPathThatNeverRestsIsShown(t *testing.T) {
	f := coretest.NewFake()
	writer := open(t, f)
	create(t, writer, "/r", "")
	create(t, writer, "/r/s", "")
	b := &bare{Client: open(t, f)}
	told, n := make(chan struct{}, 1), 0
	b.onExists = func(path string) {
		select {
		case <-told: // it has been shown meanwhile
			b.onExists = nil
		default:
			n++
			create(t, writer, fmt.Sprint("/r/s/more", n), "")
		}
	}
	var begun atomic.Bool
	m := run(t, mirror.Config{Client: b, Root: "/r", OnChange: func([]mirror.Change, core.Zxid) {
		if begun.Load() {
			select {
			case told <- struct{}{}:
			default:
			}
		}
	}})
	begun.Store(true)
	wait(t, m, create(t, writer, "/r/s/first", ""))
	settled(t, m, writer)
}
