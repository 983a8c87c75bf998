package mirror_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/mirror"
)

// recorder keeps what OnChange said.
type recorder struct {
	mu      sync.Mutex
	changes []mirror.Change
}

func (r *recorder) add(changes []mirror.Change, _ core.Zxid) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, changes...)
}

func (r *recorder) take() []mirror.Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.changes
	r.changes = nil
	return c
}

func open(t *testing.T, f *coretest.Fake) core.Client {
	t.Helper()
	c, err := f.Open(t.Context(), core.SessionOptions{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs a mirror of root until the test ends.
func start(t *testing.T, c core.Client, root string) (*mirror.Mirror, *recorder) {
	t.Helper()
	rec := new(recorder)
	return run(t, mirror.Config{Client: c, Root: root, OnChange: rec.add}), rec
}

// run runs a mirror until the test ends.
func run(t *testing.T, cfg mirror.Config) *mirror.Mirror {
	t.Helper()
	m, err := mirror.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-m.Ready():
	case <-time.After(time.Minute):
		t.Fatal("the mirror is not ready")
	}
	return m
}

func create(t *testing.T, c core.Client, path, data string) core.Zxid {
	t.Helper()
	_, st, err := c.Create(t.Context(), path, []byte(data), core.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return st.Czxid
}

func wait(t *testing.T, m *mirror.Mirror, z core.Zxid) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := m.Wait(ctx, z); err != nil {
		t.Fatalf("wait for %v at %v: %v", z, m.Zxid(), err)
	}
}

func paths(changes []mirror.Change) []string {
	var out []string
	for _, c := range changes {
		sign := "="
		switch {
		case c.Old == nil:
			sign = "+"
		case c.New == nil:
			sign = "-"
		}
		out = append(out, sign+c.Path)
	}
	return out
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestMirrorShowsWhatIsThereAndWhatBecomesOfIt(t *testing.T) {
	f := coretest.NewFake()
	c := open(t, f)
	create(t, c, "/a", "1")
	create(t, c, "/a/x", "2")
	create(t, c, "/b", "not ours")
	m, rec := start(t, open(t, f), "/a")
	expect(t, "listed", paths(rec.take()), "+/a", "+/a/x")

	z := create(t, c, "/a/y", "3")
	wait(t, m, z)
	expect(t, "created", paths(rec.take()), "+/a/y")
	expect(t, "children", m.Children("/a"), "x", "y")

	st, err := c.Set(t.Context(), "/a/x", []byte("4"), core.AnyVersion)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, m, st.Mzxid)
	if n, ok := m.Get("/a/x"); !ok || string(n.Data) != "4" || n.Stat != st {
		t.Errorf("after set: %+v, %v", n, ok)
	}
	z, err = c.Delete(t.Context(), "/a/x", core.AnyVersion)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, m, z)
	expect(t, "set and deleted", paths(rec.take()), "=/a/x", "-/a/x")
	if _, ok := m.Get("/a/x"); ok {
		t.Error("a deleted znode is still there")
	}
	if m.Stale() {
		t.Error("stale without a reason")
	}
}

func TestMirrorOfARootThatDoesNotExistYet(t *testing.T) {
	f := coretest.NewFake()
	c := open(t, f)
	m, rec := start(t, open(t, f), "/later")
	create(t, c, "/later", "")
	wait(t, m, create(t, c, "/later/x", ""))
	expect(t, "changes", paths(rec.take()), "+/later", "+/later/x")
}

func TestALeanMirrorGivesValuesOnce(t *testing.T) {
	f := coretest.NewFake()
	c := open(t, f)
	create(t, c, "/a", "1")
	create(t, c, "/a/x", "2")
	rec := new(recorder)
	m := run(t, mirror.Config{Client: open(t, f), Root: "/a", Lean: true, OnChange: rec.add})
	for _, ch := range rec.take() {
		if want := map[string]string{"/a": "1", "/a/x": "2"}[ch.Path]; string(ch.New.Data) != want {
			t.Errorf("listed %s with %q, want %q", ch.Path, ch.New.Data, want)
		}
	}
	st, err := c.Set(t.Context(), "/a/x", []byte("3"), core.AnyVersion)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, m, create(t, c, "/a/y", "4"))
	changes := rec.take()
	expect(t, "changes", paths(changes), "=/a/x", "+/a/y")
	if string(changes[0].New.Data) != "3" || changes[0].Old.Data != nil || string(changes[1].New.Data) != "4" {
		t.Errorf("values of the changes: %+v", changes)
	}
	if n, ok := m.Get("/a/x"); !ok || n.Data != nil || n.Stat != st {
		t.Errorf("after set: %+v, %v", n, ok)
	}
	if n, ok := m.Freshest("/a"); !ok || n.Stat.NumChildren != 2 {
		t.Errorf("root: %+v, %v", n, ok)
	}
	z, err := c.Delete(t.Context(), "/a/x", core.AnyVersion)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, m, z)
	expect(t, "deleted", paths(rec.take()), "-/a/x")
	expect(t, "children", m.Children("/a"))

	// An ephemeral znode comes, changes, and is one of another kind in the end.
	_, st, err = c.Create(t.Context(), "/a/e", []byte("5"), core.CreateOptions{Mode: core.Ephemeral})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, m, st.Czxid)
	if n, ok := m.Get("/a/e"); !ok || n.Path != "/a/e" || n.Stat.Czxid != st.Czxid || n.Stat.EphemeralOwner != c.Session().ID {
		t.Errorf("ephemeral: %+v, %v", n, ok)
	}
	if st, err = c.Set(t.Context(), "/a/e", []byte("6"), core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	wait(t, m, st.Mzxid)
	if n, ok := m.Freshest("/a/e"); !ok || n.Stat.Mzxid != st.Mzxid || n.Stat.Version != 1 {
		t.Errorf("ephemeral after set: %+v, %v", n, ok)
	}
	changes = rec.take()
	expect(t, "ephemeral", paths(changes), "+/a/e", "=/a/e")
	if string(changes[0].New.Data) != "5" || string(changes[1].New.Data) != "6" {
		t.Errorf("values of the ephemeral: %+v", changes)
	}
	if _, err := c.Delete(t.Context(), "/a/e", core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	z = create(t, c, "/a/e", "7")
	wait(t, m, z)
	rec.take()
	if n, ok := m.Get("/a/e"); !ok || n.Stat.Czxid != z || n.Stat.EphemeralOwner != 0 {
		t.Errorf("of another kind: %+v, %v", n, ok)
	}
	if z, err = c.Delete(t.Context(), "/a/e", core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	wait(t, m, z)
	if n, ok := m.Get("/a/e"); ok {
		t.Errorf("still there: %+v", n)
	}
}

func TestALeanMirrorReportsOnlyRealDifferencesAfterAGap(t *testing.T) {
	f := coretest.NewFake()
	c := open(t, f)
	create(t, c, "/a", "")
	for _, name := range []string{"stays", "goes", "changes"} {
		if _, _, err := c.Create(t.Context(), "/a/"+name, nil, core.CreateOptions{Mode: core.Ephemeral}); err != nil {
			t.Fatal(err)
		}
	}
	rec, own := new(recorder), open(t, f)
	m := run(t, mirror.Config{Client: own, Root: "/a", Lean: true, OnChange: rec.add})
	expect(t, "listed", paths(rec.take()), "+/a", "+/a/stays", "+/a/goes", "+/a/changes")
	f.Partition(own.Session().ID)
	if _, err := c.Delete(t.Context(), "/a/goes", core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Set(t.Context(), "/a/changes", []byte("1"), core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	z := create(t, c, "/a/new", "")
	f.Heal()
	wait(t, m, z)
	got := paths(rec.take())
	slices.Sort(got)
	expect(t, "after the gap", got, "+/a/new", "-/a/goes", "=/a/changes")
}

func TestWhatCameAndWentIsTold(t *testing.T) {
	f := coretest.NewFake()
	c, own := open(t, f), open(t, f)
	create(t, c, "/a", "")
	rec := new(recorder)
	begin, goOn := make(chan struct{}), make(chan struct{})
	m := run(t, mirror.Config{Client: own, Root: "/a", Lean: true, Passing: true, OnChange: func(changes []mirror.Change, upTo core.Zxid) {
		rec.add(changes, upTo)
		if changes[0].Path == "/a/first" {
			close(begin)
			<-goOn
		}
	}})
	rec.take()
	comeAndGo := func(path string) core.Zxid {
		create(t, c, path, "")
		z, err := c.Delete(t.Context(), path, core.AnyVersion)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	create(t, c, "/a/first", "")
	<-begin // the mirror does not look for a while
	z := comeAndGo("/a/passing")
	close(goOn)
	wait(t, m, z)
	got := rec.take()
	if len(got) != 2 || got[1].Path != "/a/passing" || got[1].Old != nil || got[1].New != nil || got[1].Zxid != z {
		t.Errorf("told: %+v", got)
	}
	if n, ok := m.Freshest("/a"); !ok || n.Stat.Cversion != 3 || n.Stat.Pzxid != z {
		t.Errorf("the parent: %+v, %v", n, ok)
	}

	f.Partition(own.Session().ID)
	z = comeAndGo("/a/unheard")
	f.Heal()
	wait(t, m, z)
	expect(t, "after a gap", paths(rec.take()), "=/a")
	if n, ok := m.Freshest("/a"); !ok || n.Stat.Cversion != 5 || n.Stat.Pzxid != z {
		t.Errorf("the parent after a gap: %+v, %v", n, ok)
	}
}

func TestMirrorReportsOnlyRealDifferencesAfterAGap(t *testing.T) {
	f := coretest.NewFake()
	c, own := open(t, f), open(t, f)
	for _, p := range []string{"/a", "/a/keep", "/a/set", "/a/gone", "/a/again"} {
		create(t, c, p, "1")
	}
	m, rec := start(t, own, "/a")
	rec.take()

	f.Partition(own.Session().ID)
	if !m.Stale() {
		t.Error("not stale while cut off")
	}
	create(t, c, "/a/new", "")
	for _, p := range []string{"/a/gone", "/a/again"} {
		if _, err := c.Delete(t.Context(), p, core.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Set(t.Context(), "/a/set", []byte("2"), core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	z := create(t, c, "/a/again", "2")
	f.Heal()
	wait(t, m, z)
	got := rec.take()
	for _, ch := range got {
		if ch.Path == "/a/again" && (ch.Old == nil || ch.New == nil || ch.Old.Stat.Czxid == ch.New.Stat.Czxid) {
			t.Errorf("deleted and created again: %+v", ch)
		}
	}
	expect(t, "changes", paths(got), "+/a/new", "=/a/set", "-/a/gone", "=/a/again")
	if m.Stale() {
		t.Error("stale after the gap was read")
	}
}

func TestMirrorWaitMovesOnWithChangesElsewhere(t *testing.T) {
	f := coretest.NewFake()
	c := open(t, f)
	m, _ := start(t, open(t, f), "/a")
	for range 10 {
		_, st, err := c.Create(t.Context(), "/other-", nil, core.CreateOptions{Mode: core.PersistentSequential})
		if err != nil {
			t.Fatal(err)
		}
		wait(t, m, st.Czxid)
	}
}

func TestMirrorWaitEndsWithItsContextAndWithTheSession(t *testing.T) {
	f := coretest.NewFake()
	own := open(t, f)
	m, _ := start(t, own, "/a")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := m.Wait(ctx, 1<<40); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait for the future: %v", err)
	}
	f.Expire(own.Session().ID)
	if err := m.Wait(t.Context(), 1<<40); !core.IsSessionOver(err) {
		t.Errorf("wait on an expired session: %v", err)
	}
	if !m.Stale() {
		t.Error("not stale after the session")
	}
}

func TestMirrorMergesABatchByPath(t *testing.T) {
	f := coretest.NewFake()
	c := open(t, f)
	m, rec := start(t, open(t, f), "/a")
	_, z, err := c.Multi(t.Context(),
		core.CreateOp{Path: "/a"}, core.CreateOp{Path: "/a/x"}, core.DeleteOp{Path: "/a/x", Version: -1},
		core.CreateOp{Path: "/a/y"}, core.SetOp{Path: "/a/y", Data: []byte("2"), Version: -1})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, m, z)
	got := rec.take()
	expect(t, "changes", paths(got), "+/a", "+/a/y")
	if string(got[1].New.Data) != "2" {
		t.Errorf("data of the merged change: %q", got[1].New.Data)
	}
}

// Nodes number the states of a service by what its Stat says of the children. One
// that was slow missed the children that had come and gone meanwhile.
func TestFreshestCountsChildrenThatNobodyWasToldOf(t *testing.T) {
	f := coretest.NewFake()
	writer := open(t, f)
	create(t, writer, "/r", "")
	create(t, writer, "/r/before", "")
	m, rec := start(t, open(t, f), "/r")
	rec.take()
	_, z, err := writer.Multi(t.Context(),
		core.CreateOp{Path: "/r/x"}, core.CreateOp{Path: "/r/y"}, core.DeleteOp{Path: "/r/x", Version: core.AnyVersion})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, m, z)
	expect(t, "told", paths(rec.take()), "+/r/y")
	n, _ := m.Freshest("/r")
	want, err := writer.Exists(t.Context(), "/r")
	if err != nil || n.Stat != want {
		t.Errorf("got %+v, want %+v, %v", n.Stat, want, err)
	}
	if _, err := writer.Set(t.Context(), "/r", []byte("new"), core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	wait(t, m, create(t, writer, "/r/z", ""))
	n, _ = m.Freshest("/r")
	if want, err = writer.Exists(t.Context(), "/r"); err != nil || n.Stat != want || string(n.Data) != "new" {
		t.Errorf("after a change: got %+v, want %+v, %v", n, want, err)
	}
}
