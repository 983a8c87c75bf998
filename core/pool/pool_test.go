package pool_test

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
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/core/pool"
	"github.com/zensus-io/zensus/core/zkclient"
)

var auth = zkclient.Auth{Scheme: "digest", Auth: []byte("zensus:secret")}

// node is a Pool that runs, as of one of several nodes.
type node struct {
	*pool.Pool
	own  core.Client
	stop func()
}

// rootOf is a root of the test's own.
func rootOf(t testing.TB) string {
	return "/" + strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' || r == ',' {
			return '-'
		}
		return r
	}, t.Name())
}

func start(t testing.TB, cfg pool.Config) *node {
	t.Helper()
	n, failed := launch(t, cfg)
	select {
	case <-n.Ready():
	case err := <-failed:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("the ensemble is not reached")
	}
	return n
}

func launch(t testing.TB, cfg pool.Config) (*node, <-chan error) {
	t.Helper()
	if cfg.Root == "" {
		cfg.Root = rootOf(t)
	}
	if cfg.Auth.Scheme == "" {
		cfg.Auth = auth
	}
	p, err := pool.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	var all sync.WaitGroup
	all.Go(func() { failed <- p.Run(ctx) })
	n := &node{Pool: p, own: p.Client(), stop: func() { cancel(); all.Wait() }}
	t.Cleanup(n.stop)
	return n, failed
}

// open opens a session that nobody touches.
func (n *node) open(t testing.TB, timeout time.Duration) core.Client {
	t.Helper()
	c, err := n.Open(t.Context(), core.SessionOptions{Timeout: timeout, ACL: core.NodeACL()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create(t testing.TB, c core.Client, path string, mode core.CreateMode) string {
	t.Helper()
	actual, _, err := c.Create(t.Context(), path, []byte(path), core.CreateOptions{Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	return actual
}

// names are the children of path, sorted. A connection that breaks meanwhile is no
// matter: on a busy machine a server may be silent for as long as a short session waits.
func names(t testing.TB, c core.Client, path string) (found []string) {
	t.Helper()
	eventually(t, "the children of "+path, func() bool {
		_, err := c.Sync(t.Context(), path)
		if err == nil {
			found, _, err = c.Children(t.Context(), path)
		}
		if err != nil && !core.IsUnknownOutcome(err) && !errors.Is(err, core.NotReadOnly) {
			t.Fatal(err)
		}
		return err == nil
	})
	slices.Sort(found)
	return found
}

// patience is how long a test waits for what comes in a moment, unless something else has
// the machine.
const patience = time.Minute

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func TestPoolIsAnEngineOfSessions(t *testing.T) {
	t.Parallel()
	a := coretest.NewApache(t)
	coretest.RunSessions(t, func(t *testing.T) coretest.SessionsHarness {
		n := start(t, pool.Config{Servers: []string{a.Addr}, Root: "/"})
		return coretest.SessionsHarness{Engine: n, HasClock: true}
	})
}

func TestSessionsOnAnApacheServer(t *testing.T) {
	t.Parallel()
	a := coretest.NewApache(t)
	config := func(t *testing.T) pool.Config {
		return pool.Config{Servers: []string{a.Addr}, Root: rootOf(t)}
	}

	t.Run("every node sees whose a znode is, and what its session wrote", func(t *testing.T) {
		cfg := config(t)
		one, other := start(t, cfg), start(t, cfg)
		s := one.open(t, time.Minute)
		id := s.Session().ID
		data := []byte("data")
		p, st, err := s.Create(t.Context(), cfg.Root+"/e", data, core.CreateOptions{Mode: core.Ephemeral})
		if err != nil || st.EphemeralOwner != id || int(st.DataLength) != len(data) {
			t.Errorf("create: %+v, %v", st, err)
		}
		nothing, _, err := s.Create(t.Context(), cfg.Root+"/nil", nil, core.CreateOptions{Mode: core.EphemeralSequential})
		if err != nil {
			t.Fatal(err)
		}
		names(t, other.own, cfg.Root)
		for name, c := range map[string]core.Client{"its own": s, "its node's": one.own, "another node's": other.own, "another session": other.open(t, time.Minute)} {
			got, st, err := c.Get(t.Context(), p)
			if err != nil || string(got) != "data" || st.EphemeralOwner != id || int(st.DataLength) != len(data) {
				t.Errorf("%s: get: %q, %+v, %v", name, got, st, err)
			}
			if st, err := c.Exists(t.Context(), p); err != nil || st.EphemeralOwner != id || int(st.DataLength) != len(data) {
				t.Errorf("%s: exists: %+v, %v", name, st, err)
			}
			if got, st, err := c.Get(t.Context(), nothing); err != nil || got != nil || st.DataLength != 0 {
				t.Errorf("%s: get of nil data: %v, %+v, %v", name, got, st, err)
			}
		}
		if st, err := one.own.Set(t.Context(), p, []byte("new"), 0); err != nil || st.EphemeralOwner != id || st.DataLength != 3 {
			t.Errorf("set: %+v, %v", st, err)
		}
		if got, st, err := s.Get(t.Context(), p); err != nil || string(got) != "new" || st.EphemeralOwner != id {
			t.Errorf("get after set: %q, %+v, %v", got, st, err)
		}
	})

	t.Run("a multi says of what it created what a creation says, but for the time", func(t *testing.T) {
		cfg := config(t)
		n := start(t, cfg)
		s := n.open(t, time.Minute)
		for name, c := range map[string]core.Client{"own": n.own, "session": s} {
			mode := core.Ephemeral
			if name == "own" {
				mode = core.Persistent
			}
			p := cfg.Root + "/" + name
			results, z, err := c.Multi(t.Context(),
				core.CreateOp{Path: p, Data: []byte("data"), Options: core.CreateOptions{Mode: mode}},
				core.SetOp{Path: p, Data: []byte("more data")})
			if err != nil {
				t.Fatal(err)
			}
			want, err := c.Exists(t.Context(), p)
			if err != nil || want.Mzxid != z {
				t.Errorf("%s: %+v, %v", name, want, err)
			}
			if results[1].Stat != want {
				t.Errorf("%s: set: %+v, want %+v", name, results[1].Stat, want)
			}
			want.Version, want.DataLength, want.Ctime, want.Mtime = 0, 4, 0, 0
			got := results[0].Stat
			got.Ctime, got.Mtime = 0, 0
			if got != want {
				t.Errorf("%s: create: %+v, want %+v", name, got, want)
			}
		}
	})

	t.Run("only the nodes get in", func(t *testing.T) {
		cfg := config(t)
		n := start(t, cfg)
		create(t, n.own, cfg.Root+"/a", core.Persistent)
		create(t, n.open(t, time.Minute), cfg.Root+"/e", core.Ephemeral)
		c, err := zkclient.Dial(t.Context(), cfg.Servers, zkclient.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, p := range []string{"", "/a", "/e"} {
			if _, _, err := c.Get(t.Context(), cfg.Root+p); !errors.Is(err, core.NoAuth) {
				t.Errorf("%s: %v", p, err)
			}
		}
		cfg.Auth = zkclient.Auth{Scheme: "digest", Auth: []byte("zensus:another")}
		_, failed := launch(t, cfg)
		if err := <-failed; !errors.Is(err, pool.ErrStranger) {
			t.Errorf("a node with another secret: %v", err)
		}
	})

	t.Run("a chroot is made, and everything is below it", func(t *testing.T) {
		cfg := config(t)
		cfg.Chroot, cfg.Root = "/chroot", "/root"
		n := start(t, cfg)
		s := n.open(t, time.Minute)
		if p := create(t, s, "/root/e-", core.EphemeralSequential); p != "/root/e-0000000000" {
			t.Errorf("created %s", p)
		}
		plain := cfg
		plain.Chroot, plain.Root = "", "/chroot/root"
		if got := names(t, start(t, plain).own, "/chroot/root"); !slices.Equal(got, []string{"e-0000000000"}) {
			t.Errorf("below the chroot: %v", got)
		}
		if stats := n.Stats(); stats.PathBytes != len("/chroot/root/e-0000000000")+4 {
			t.Errorf("%+v", stats)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		cfg.Chroot = "/no/parent"
		_, failed := launch(t, cfg)
		if err := <-failed; !errors.Is(err, pool.ErrStranger) {
			t.Errorf("without a parent: %v", err)
		}
	})

	t.Run("who closes takes all that is his and nothing else", func(t *testing.T) {
		cfg := config(t)
		n := start(t, cfg)
		one, other := n.open(t, time.Minute), n.open(t, time.Minute)
		for i := range 1200 { // more than one transaction takes
			create(t, one, fmt.Sprintf("%s/one-%d-", cfg.Root, i), core.EphemeralSequential)
		}
		create(t, other, cfg.Root+"/other", core.Ephemeral)
		if _, err := n.own.Delete(t.Context(), cfg.Root+"/one-0-0000000000", core.AnyVersion); err != nil {
			t.Fatal(err)
		}
		c, err := zkclient.Dial(t.Context(), cfg.Servers, zkclient.Options{Auth: []zkclient.Auth{auth}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Delete(t.Context(), cfg.Root+"/one-7-0000000007", core.AnyVersion); err != nil { // behind the pool's back
			t.Fatal(err)
		}
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
		if got := names(t, n.own, cfg.Root); !slices.Equal(got, []string{"other"}) {
			t.Errorf("left: %d, %v", len(got), got[:min(len(got), 3)])
		}
		if s := n.Stats(); s.Sessions != 1 || s.Znodes != 1 {
			t.Errorf("%+v", s)
		}
		if _, _, err := one.Get(t.Context(), cfg.Root); !errors.Is(err, core.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})

	t.Run("no session of the ensemble owns more than it may", func(t *testing.T) {
		cfg := config(t)
		cfg.PathBytesMax, cfg.CarriersMax = 2000, 3
		n := start(t, cfg)
		s := n.open(t, time.Minute)
		var last error
		made := 0
		for i := 0; i < 1000 && last == nil; i++ {
			var results []core.OpResult
			results, _, last = s.Multi(t.Context(),
				core.CreateOp{Path: fmt.Sprintf("%s/m%d-", cfg.Root, i), Options: core.CreateOptions{Mode: core.EphemeralSequential}},
				core.CreateOp{Path: fmt.Sprintf("%s/n%d-", cfg.Root, i), Options: core.CreateOptions{Mode: core.EphemeralSequential}})
			made += len(results)
		}
		if !errors.Is(last, core.QuotaExceeded) {
			t.Fatalf("after %d: %v", made, last)
		}
		stats := n.Stats()
		if stats.Carriers != 3 || stats.PathBytes > 3*2000 || stats.PathBytes < 3*1500 || stats.Znodes != made {
			t.Errorf("made %d: %+v", made, stats)
		}
		st, err := s.Exists(t.Context(), fmt.Sprintf("%s/n0-%010d", cfg.Root, 1))
		if err != nil || st.EphemeralOwner != s.Session().ID {
			t.Errorf("%+v, %v", st, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := names(t, n.own, cfg.Root); len(got) > 0 {
			t.Errorf("left: %v", got)
		}
		create(t, n.open(t, time.Minute), cfg.Root+"/again", core.Ephemeral)
	})

	t.Run("what others delete makes room, and what is not used is given back", func(t *testing.T) {
		cfg := pool.Hurried(config(t), 200*time.Millisecond)
		cfg.PathBytesMax = 1000
		n, other := start(t, cfg), start(t, cfg)
		s := n.open(t, time.Minute)
		var made []string
		for n.Stats().Carriers < 3 {
			made = append(made, create(t, s, cfg.Root+"/e-", core.EphemeralSequential))
		}
		for _, path := range made[1:] {
			if _, err := other.own.Delete(t.Context(), path, core.AnyVersion); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "it is noticed", func() bool { return n.Stats().Znodes == 1 })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "one carrier is enough", func() bool { return n.Stats().Carriers == 1 })
		if s := n.Stats(); s.PathBytes != 0 || s.Znodes != 0 || s.Sessions != 0 {
			t.Errorf("%+v", s)
		}
		create(t, n.open(t, time.Minute), cfg.Root+"/again", core.Ephemeral)
	})

	t.Run("a node that ends lets its sessions go", func(t *testing.T) {
		cfg := config(t)
		other := start(t, cfg)
		cfg.Timeout = 2 * time.Second
		n := start(t, cfg)
		create(t, n.open(t, time.Minute), cfg.Root+"/e", core.Ephemeral)
		create(t, other.open(t, time.Minute), cfg.Root+"/o", core.Ephemeral)
		stopped := time.Now()
		n.stop()
		if got := names(t, other.own, cfg.Root); len(got) != 2 && time.Since(stopped) < cfg.Timeout {
			t.Errorf("at once: %v", got)
		}
		eventually(t, "only the other's is left", func() bool { return slices.Equal(names(t, other.own, cfg.Root), []string{"o"}) })
	})

	t.Run("a reconnect loses nothing, and nobody is ended while there is no contact", func(t *testing.T) {
		cfg := config(t)
		proxy := coretest.StartProxy(t, a.Addr)
		cfg.Servers = []string{proxy.Addr}
		n := start(t, cfg)
		direct := start(t, config(t))
		s := n.open(t, time.Second)
		e := create(t, s, cfg.Root+"/e", core.Ephemeral)
		touching := func(until func() bool) {
			for deadline := time.Now().Add(patience); !until() && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
				n.Touch(s.Session().ID)
			}
		}
		n.Touch(s.Session().ID)
		proxy.Down()
		for begun := time.Now(); time.Since(begun) < 2500*time.Millisecond; time.Sleep(50 * time.Millisecond) {
			if len(names(t, direct.own, cfg.Root)) == 0 {
				t.Fatal("it was ended without contact")
			}
		}
		proxy.Up()
		touching(func() bool {
			_, _, err := s.Get(t.Context(), e)
			return n.Stats().Connected && !errors.Is(err, core.NotReadOnly) && !core.IsUnknownOutcome(err)
		})
		if _, st, err := s.Get(t.Context(), e); err != nil || st.EphemeralOwner != s.Session().ID {
			t.Errorf("after the reconnect: %+v, %v", st, err)
		}
		eventually(t, "untouched, it ends", func() bool { return len(names(t, direct.own, cfg.Root)) == 0 })
		if _, _, err := s.Get(t.Context(), e); !errors.Is(err, core.SessionExpired) {
			t.Errorf("after its end: %v", err)
		}
	})

	t.Run("lost replies leave nothing behind", func(t *testing.T) {
		cfg := config(t)
		proxy := coretest.StartProxy(t, a.Addr)
		cfg.Servers = []string{proxy.Addr}
		n := start(t, cfg)
		direct := start(t, config(t))
		s := n.open(t, time.Minute)
		unknown := 0
		var all sync.WaitGroup
		var mu sync.Mutex
		for i := range 8 {
			all.Go(func() {
				for j := range 50 {
					_, _, err := s.Create(t.Context(), fmt.Sprintf("%s/w%d-%d-", cfg.Root, i, j), nil, core.CreateOptions{Mode: core.EphemeralSequential})
					mu.Lock()
					switch {
					case core.IsUnknownOutcome(err), errors.Is(err, core.NotReadOnly):
						unknown++
					case err != nil:
						t.Error(err)
					}
					mu.Unlock()
				}
			})
		}
		for range 10 {
			time.Sleep(20 * time.Millisecond)
			proxy.Cut()
		}
		all.Wait()
		t.Logf("%d outcomes were unknown", unknown)
		eventually(t, "what is known is what is there", func() bool {
			return n.Stats().Znodes == len(names(t, direct.own, cfg.Root)) && n.Stats().Znodes >= 400-unknown
		})
		if err := s.Close(); err != nil && !errors.Is(err, core.ConnectionLoss) {
			t.Fatal(err)
		}
		eventually(t, "nothing is left", func() bool { return len(names(t, direct.own, cfg.Root)) == 0 })
	})
}

func TestSessionsThatTheEnsembleEndsAreOpenedAnew(t *testing.T) {
	t.Parallel()
	a := coretest.NewApache(t)
	proxy := coretest.StartProxy(t, a.Addr)
	cfg := pool.Config{Servers: []string{proxy.Addr}, Root: "/root", Timeout: time.Second}
	n := start(t, cfg)
	direct := start(t, pool.Config{Servers: []string{a.Addr}, Root: "/root"})
	m, err := mirror.New(mirror.Config{Client: n.own, Root: "/root"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = m.Run(ctx) })
	defer func() { cancel(); running.Wait() }()
	<-m.Ready()
	s := n.open(t, time.Hour)
	e := create(t, s, "/root/e", core.Ephemeral)
	w, err := s.Watch(t.Context(), "/root", core.WatchTree)
	if err != nil {
		t.Fatal(err)
	}
	before := n.own.Session().ID
	proxy.Down()
	eventually(t, "the ensemble has ended them", func() bool { return len(names(t, direct.own, "/root")) == 0 })
	create(t, direct.own, "/root/meanwhile", core.Persistent)
	if _, _, err := s.Create(t.Context(), "/root/no", nil, core.CreateOptions{}); !errors.Is(err, core.NotReadOnly) {
		t.Errorf("without contact: %v", err)
	}
	if _, _, err := n.own.Create(t.Context(), "/root/no", nil, core.CreateOptions{}); !errors.Is(err, core.NotReadOnly) {
		t.Errorf("of the own session, without contact: %v", err)
	}
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := n.own.Sync(short, "/root"); !core.IsUnknownOutcome(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without contact: %v", err)
	}
	if !m.Stale() {
		t.Error("the picture is not stale without contact")
	}
	proxy.Up()
	eventually(t, "the session is over", func() bool {
		_, _, err := s.Get(t.Context(), e)
		if err != nil && !core.IsSessionOver(err) && !core.IsUnknownOutcome(err) && core.CodeOf(err) != core.NoNode && core.CodeOf(err) != core.NotReadOnly {
			t.Fatal(err)
		}
		return core.IsSessionOver(err)
	})
	for {
		if _, err := w.Next(t.Context()); err != nil {
			if !core.IsSessionOver(err) {
				t.Errorf("watch of a session that is over: %v", err)
			}
			break
		}
	}
	again := n.open(t, time.Hour)
	create(t, again, "/root/again", core.Ephemeral)
	z, err := direct.own.Sync(t.Context(), "/root")
	if err != nil {
		t.Fatal(err)
	}
	late, over := context.WithTimeout(t.Context(), patience)
	defer over()
	if err := m.Wait(late, z); err != nil {
		t.Fatal(err)
	}
	if got := m.Children("/root"); !slices.Contains(got, "meanwhile") || !slices.Contains(got, "again") || slices.Contains(got, "e") || slices.Contains(got, "no") {
		t.Errorf("the picture: %v", got)
	}
	if after := n.own.Session().ID; after == before {
		t.Error("the own session is still the same")
	}
}

// What a client needs longer to register anew stays longer when its node dies.
func TestSessionsThatLastLongerOutliveTheProcessForLonger(t *testing.T) {
	t.Parallel()
	cfg := pool.Config{Servers: []string{coretest.StartApache(t)}, Root: "/root", CarriersMax: 2}
	other := start(t, cfg)
	cfg.Timeout = 2 * time.Second
	n := start(t, cfg)
	create(t, n.open(t, 2*time.Second), "/root/short", core.Ephemeral)
	create(t, n.open(t, time.Minute), "/root/long", core.Ephemeral)
	create(t, n.open(t, 2*time.Second), "/root/short-too", core.Ephemeral)
	if s := n.Stats(); s.Carriers != 2 {
		t.Errorf("%+v", s)
	}
	n.stop()
	eventually(t, "only what lasts is left", func() bool { return slices.Equal(names(t, other.own, "/root"), []string{"long"}) })
	eventually(t, "nothing is left", func() bool { return len(names(t, other.own, "/root")) == 0 })
}

// Where there are to be no more carriers, whoever needs one takes what there is.
func TestSessionsThatLastLongerDoWithoutACarrierOfTheirOwn(t *testing.T) {
	t.Parallel()
	n := start(t, pool.Config{Servers: []string{coretest.StartApache(t)}, Root: "/root", CarriersMax: 1})
	create(t, n.open(t, 5*time.Second), "/root/short", core.Ephemeral)
	create(t, n.open(t, time.Hour), "/root/long", core.Ephemeral)
	if s := n.Stats(); s.Carriers != 1 || s.Znodes != 2 {
		t.Errorf("%+v", s)
	}
}

// ZOOKEEPER-4306: the transaction that ends a session lists its znodes, and one that
// is too large for a record takes the ensemble down.
func TestTheEndOfFullCarriersLeavesTheEnsembleWhole(t *testing.T) {
	t.Parallel()
	all := coretest.NewApacheEnsemble(t, 3)
	cfg := pool.Config{Root: "/root"}
	for _, a := range all {
		cfg.Servers = append(cfg.Servers, a.Addr)
	}
	other := start(t, cfg)
	cfg.Timeout = 2 * time.Second
	n := start(t, cfg)
	create(t, other.open(t, time.Minute), "/root/other", core.Ephemeral)
	long := strings.Repeat("x", 90)
	const each, sessions = 100, 45
	var kept []core.Client
	for i := range sessions {
		s := n.open(t, time.Minute)
		kept = append(kept, s)
		ops := make([]core.Op, each)
		for j := range ops {
			ops[j] = core.CreateOp{Path: fmt.Sprintf("/root/%s-%d-%d-", long, i, j), Options: core.CreateOptions{Mode: core.EphemeralSequential}}
		}
		if _, _, err := s.Multi(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	if s := n.Stats(); s.Carriers != 3 || s.Znodes != each*sessions || s.PathBytes < 2*190<<10 {
		t.Errorf("%+v", s)
	}

	// The leader goes, and nobody's session with it.
	for _, a := range all {
		if a.Leads() {
			a.Stop()
		}
	}
	eventually(t, "contact", func() bool { return n.Stats().Connected && other.Stats().Connected })
	eventually(t, "contact of the carriers", func() bool {
		for _, s := range kept {
			_, err := s.Sync(t.Context(), "/root")
			if core.IsSessionOver(err) {
				t.Fatal(err)
			}
			if err != nil {
				return false
			}
		}
		return true
	})
	if got := len(names(t, other.own, "/root")); got != each*sessions+1 {
		t.Errorf("%d znodes after the loss of the leader", got)
	}
	n.stop()
	eventually(t, "only the other's is left", func() bool { return slices.Equal(names(t, other.own, "/root"), []string{"other"}) })
	create(t, other.own, "/root/after", core.Persistent)
}

func TestAnEnsembleThatHasLostItsDataIsBegunAnew(t *testing.T) {
	t.Parallel()
	a := coretest.NewApache(t)
	n := start(t, pool.Config{Servers: []string{a.Addr}, Root: "/root", Timeout: 3 * time.Second})
	s := n.open(t, 3*time.Second) // no longer, or the ensemble would be asked for more
	for range 20 {
		create(t, s, "/root/e-", core.EphemeralSequential)
	}
	w, err := n.own.Watch(t.Context(), "/root", core.WatchTree)
	if err != nil {
		t.Fatal(err)
	}
	a.RestartEmpty(t)
	eventually(t, "the session is over", func() bool {
		_, err := s.Sync(t.Context(), "/root")
		return core.IsSessionOver(err)
	})
	eventually(t, "the root is there", func() bool {
		_, err := n.own.Exists(t.Context(), "/root")
		return err == nil
	})
	// Whoever watched is to arm another one, and not to end.
	for err == nil {
		_, err = w.Next(t.Context())
	}
	if !errors.Is(err, core.ConnectionLoss) || core.IsSessionOver(err) {
		t.Errorf("the watch of the former session: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Next(t.Context()); !errors.Is(err, core.ErrClosed) {
		t.Errorf("a watch after its Close: %v", err)
	}
	create(t, n.open(t, time.Minute), "/root/e", core.Ephemeral)
	if s := n.Stats(); s.Sessions != 1 || s.Znodes != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAnEnsembleThatIsNotThereIsWaitedFor(t *testing.T) {
	t.Parallel()
	a := coretest.NewApache(t)
	proxy := coretest.StartProxy(t, a.Addr)
	proxy.Down()
	n, failed := launch(t, pool.Config{Servers: []string{proxy.Addr}})
	if _, err := n.Open(t.Context(), core.SessionOptions{Timeout: time.Second}); !errors.Is(err, core.ConnectionLoss) {
		t.Errorf("open: %v", err)
	}
	call := make(chan error, 1)
	go func() {
		_, err := n.own.Sync(t.Context(), "/")
		call <- err
	}()
	select {
	case <-n.Ready():
		t.Fatal("ready without an ensemble")
	case err := <-failed:
		t.Fatal(err)
	case <-time.After(time.Second):
	}
	proxy.Up()
	<-n.Ready()
	if err := <-call; err != nil {
		t.Error(err)
	}
	create(t, n.open(t, time.Second), rootOf(t)+"/e", core.Ephemeral)
}
