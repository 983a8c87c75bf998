package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/core/zkclient"
)

// shadow is a picture made of nothing but what OnChange said. It holds each
// change to the picture before it.
type shadow struct {
	t     *testing.T
	mu    sync.Mutex
	nodes map[string]*mirror.Node
	upTo  core.Zxid
}

func (s *shadow) apply(changes []mirror.Change, upTo core.Zxid) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if upTo < s.upTo {
		s.t.Errorf("progress went from %v to %v", s.upTo, upTo)
	}
	s.upTo = upTo
	paths := make(map[string]bool)
	for i, c := range changes {
		if i > 0 && c.Zxid < changes[i-1].Zxid {
			s.t.Errorf("a change at %v after one at %v", c.Zxid, changes[i-1].Zxid)
		}
		if paths[c.Path] {
			s.t.Errorf("%s twice in one batch", c.Path)
		}
		paths[c.Path] = true
		if s.nodes[c.Path] != c.Old {
			s.t.Errorf("%s: Old is %v, but %v was told before", c.Path, c.Old, s.nodes[c.Path])
		}
		if c.Old != nil && c.New != nil && c.Old.Stat.Mzxid == c.New.Stat.Mzxid && c.Old.Stat.Version == c.New.Stat.Version {
			s.t.Errorf("%s: a change that changes nothing: %+v", c.Path, c.New)
		}
		if c.New == nil {
			delete(s.nodes, c.Path)
		} else {
			s.nodes[c.Path] = c.New
		}
	}
}

// truth lists a subtree.
func truth(t *testing.T, c core.Client, path string, into map[string]string) map[string]string {
	t.Helper()
	data, st, err := c.Get(t.Context(), path)
	if errors.Is(err, core.NoNode) {
		return into
	}
	if err != nil {
		t.Fatal(err)
	}
	into[path] = fmt.Sprintf("%s at %v", data, st.Mzxid)
	names, _, err := c.Children(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		truth(t, c, core.JoinPath(path, name), into)
	}
	return into
}

// churn changes a small tree at random through writer for some rounds, and after
// each compares the mirror with the tree. disrupt is called in the midst of it.
func churn(t *testing.T, writer, own core.Client, rounds int, disrupt func(round int)) {
	const root = "/churn"
	s := &shadow{t: t, nodes: make(map[string]*mirror.Node)}
	m, err := mirror.New(mirror.Config{Client: own, Root: root, OnChange: s.apply})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- m.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-stopped; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	}()

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var names []string
	for _, a := range []string{"", "/a", "/b", "/a/x", "/a/y", "/b/x", "/a/x/1", "/a/x/2"} {
		names = append(names, root+a)
	}
	for round := range rounds {
		for range 40 {
			p := names[rng.IntN(len(names))]
			var err error
			switch rng.IntN(4) {
			case 0, 1:
				_, _, err = writer.Create(t.Context(), p, []byte(fmt.Sprint(rng.IntN(1000))), core.CreateOptions{})
			case 2:
				_, err = writer.Set(t.Context(), p, []byte(fmt.Sprint(rng.IntN(1000))), core.AnyVersion)
			case 3:
				_, err = writer.Delete(t.Context(), p, core.AnyVersion)
			}
			if core.CodeOf(err) == core.SystemError {
				t.Fatal(err)
			}
			if rng.IntN(20) == 0 {
				disrupt(round)
			}
		}
		var z core.Zxid
		for {
			if z, err = writer.Sync(t.Context(), root); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		wait, stop := context.WithTimeout(t.Context(), time.Minute)
		if err := m.Wait(wait, z); err != nil {
			t.Fatalf("round %d: wait: %v", round, err)
		}
		stop()
		want := truth(t, writer, root, make(map[string]string))
		got := make(map[string]string)
		m.Walk(root, func(n *mirror.Node) bool {
			got[n.Path] = fmt.Sprintf("%s at %v", n.Data, n.Stat.Mzxid)
			return true
		})
		told := make(map[string]string)
		s.mu.Lock()
		for p, n := range s.nodes {
			told[p] = fmt.Sprintf("%s at %v", n.Data, n.Stat.Mzxid)
		}
		s.mu.Unlock()
		if fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(told) != fmt.Sprint(want) {
			t.Fatalf("round %d:\nmirror %v\n  told %v\n  tree %v", round, got, told, want)
		}
		if m.Zxid() < z {
			t.Fatalf("zxid %v after a wait for %v", m.Zxid(), z)
		}
	}
}

func TestMirrorConvergesUnderChurnAndPartitions(t *testing.T) {
	f := coretest.NewFake()
	writer, own := open(t, f), open(t, f)
	cut := false
	churn(t, writer, own, 150, func(int) {
		if cut {
			f.Heal()
		} else {
			f.Partition(own.Session().ID)
			// The round may end while it is cut off: the mirror must come back by itself.
			time.AfterFunc(time.Millisecond, f.Heal)
		}
		cut = !cut
	})
}

func dial(t *testing.T, addr string) *zkclient.Client {
	t.Helper()
	c, err := zkclient.Dial(t.Context(), []string{addr}, zkclient.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestMirrorOnApache(t *testing.T) {
	a := coretest.NewApache(t)
	writer := dial(t, a.Addr)

	t.Run("ten thousand znodes are listed together", func(t *testing.T) {
		const count = 10_000
		create(t, writer, "/many", "")
		var ops []core.Op
		for i := range count {
			ops = append(ops, core.CreateOp{Path: fmt.Sprintf("/many/n%05d", i), Data: []byte("some data")})
			if len(ops) == 1000 {
				if _, _, err := writer.Multi(t.Context(), ops...); err != nil {
					t.Fatal(err)
				}
				ops = ops[:0]
			}
		}
		begun := time.Now()
		m, rec := start(t, dial(t, a.Addr), "/many")
		t.Logf("%d znodes in %v", count, time.Since(begun))
		if n := len(rec.take()); n != count+1 {
			t.Errorf("%d changes", n)
		}
		names := m.Children("/many")
		if len(names) != count || !slices.IsSorted(names) {
			t.Errorf("%d children", len(names))
		}
	})

	t.Run("one's own write is in the picture after Wait", func(t *testing.T) {
		m, _ := start(t, dial(t, a.Addr), "/own")
		create(t, writer, "/own", "")
		for i := range 50 {
			p := fmt.Sprint("/own/", i)
			wait(t, m, create(t, writer, p, "x"))
			if _, ok := m.Get(p); !ok {
				t.Fatalf("%s is not in the picture", p)
			}
		}
		wait(t, m, create(t, writer, "/elsewhere", ""))
	})

	t.Run("what a Stat says of children is as new as the children", func(t *testing.T) {
		create(t, writer, "/parent", "")
		create(t, writer, "/parent/old", "")
		m, rec := start(t, dial(t, a.Addr), "/parent")
		rec.take()
		for i := range 20 {
			p := fmt.Sprint("/parent/", i)
			create(t, writer, p, "x")
			if _, err := writer.Delete(t.Context(), p, core.AnyVersion); err != nil {
				t.Fatal(err)
			}
		}
		last, err := writer.Delete(t.Context(), "/parent/old", core.AnyVersion)
		if err != nil {
			t.Fatal(err)
		}
		// Nobody waits for a zxid: the events alone bring it.
		for deadline := time.Now().Add(time.Minute); len(m.Children("/parent")) > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		n, _ := m.Freshest("/parent")
		if n.Stat.Cversion != 42 || n.Stat.Pzxid != last || n.Stat.NumChildren != 0 {
			t.Errorf("%+v, the last change was %v", n.Stat, last)
		}
		if told, _ := m.Get("/parent"); told.Stat.Cversion != 1 {
			t.Errorf("the Node that was told: %+v", told.Stat)
		}
		if _, err := writer.Set(t.Context(), "/parent", []byte("new"), core.AnyVersion); err != nil {
			t.Fatal(err)
		}
		wait(t, m, create(t, writer, "/parent/more", ""))
		if n, _ := m.Freshest("/parent"); string(n.Data) != "new" || n.Stat.Cversion != 43 {
			t.Errorf("after a change: %+v", n)
		}
	})

	t.Run("it converges under churn", func(t *testing.T) {
		churn(t, writer, dial(t, a.Addr), 20, func(int) {})
	})

	t.Run("it converges while its connections are cut", func(t *testing.T) {
		p := coretest.StartProxy(t, a.Addr)
		own := dial(t, p.Addr)
		churn(t, writer, own, 40, func(int) { p.Cut() })
	})

	t.Run("it converges across restarts of the server", func(t *testing.T) {
		restarted := 0
		churn(t, writer, dial(t, a.Addr), 6, func(round int) {
			if round == restarted && restarted < 2 {
				restarted++
				a.Restart(t)
			}
		})
	})
}
