package naming

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/testkit"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/health"
	"github.com/zensus-io/zensus/registry/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		testkit.Cleanup()
		os.Exit(code)
	}))
}

var engines testkit.Engines

// TestOnApacheZooKeeper runs the tests that need nothing of a Fake on a backend.
func TestOnApacheZooKeeper(t *testing.T) {
	engines.RunOnApache(t,
		TestRegisteringClientReadsItsOwnWriteAndSubscribersHear, TestTwoNodesShowTheSameListUnderTheSameNumber,
		TestNodeThatOnlyLooksOnShowsTheSameNumber, TestOfTwoClientsOfOneInstanceWhoIsNotThereLeavesNothing, TestPersistentInstancesNeedNoClient, TestLimitsAreKept, TestSwitchesHoldForAllServersAndOutliveThem)
}

func TestAServiceNeedsAFormForItsLists(t *testing.T) {
	session, sessions := coretest.NewFake().Node(t)
	_, err := New(Config{Client: session, Sessions: sessions, Node: "n"})
	require.EqualError(t, err, "naming: client, sessions, node and form are needed")
}

var shop = registry.NewServiceKey("", "", "shop")

// patience is how long a test waits for what is to happen soon.
const patience = time.Minute

// node is a running Service on an engine in memory.
type node struct {
	*Service
	session core.Client
	stop    func()
}

func start(t testing.TB, engine coretest.Nodes, name string, tune ...func(*Config)) *node {
	t.Helper()
	session, sessions := engine.Node(t)
	up := func(context.Context, *registry.Instance, *registry.Cluster) health.Result { return health.Up }
	cfg := Config{Client: session, Sessions: sessions, Node: name, Probe: up, Form: catalog.Plain}
	for _, f := range tune {
		f(&cfg)
	}
	s, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	n := &node{Service: s, session: session, stop: sync.OnceFunc(func() { cancel(); wg.Wait() })}
	t.Cleanup(n.stop)
	select {
	case <-s.Ready():
	case <-time.After(patience):
		t.Fatal("not ready")
	}
	return n
}

func at(ip string, port int) registry.Instance {
	i := registry.Instance{IP: ip, Port: port, Cluster: registry.DefaultCluster, Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
	i.ID = registry.SimpleID(&i, i.Cluster, shop.Grouped())
	return i
}

// hosts are the addresses that a query shows.
func (n *node) hosts(t testing.TB, k registry.ServiceKey) []string {
	t.Helper()
	v, err := n.Query(t.Context(), k, registry.Filter{})
	require.NoError(t, err)
	return addresses(v)
}

func addresses(v *catalog.View) []string {
	found := []string{}
	for _, i := range v.Instances {
		found = append(found, i.IP)
	}
	return found
}

// reader is a subscriber that acknowledges at once, or as fail says.
type reader struct {
	lists chan *catalog.View
	mu    sync.Mutex
	fail  error
}

func newReader() *reader { return &reader{lists: make(chan *catalog.View, 10_000)} }

func (r *reader) Closed() bool { return false }
func (r *reader) Close()       {}

func (r *reader) Notify(_ context.Context, v *catalog.View, _ string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.lists <- v
	return nil
}

// next is the next list that has this many instances.
func (r *reader) next(t testing.TB, instances int) *catalog.View {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case v := <-r.lists:
			if len(v.Instances) == instances {
				return v
			}
		case <-late:
			t.Fatalf("no list of %d instances came", instances)
		}
	}
}

func TestRegisteringClientReadsItsOwnWriteAndSubscribersHear(t *testing.T) {
	n := start(t, engines.New(t), "n1")
	r := newReader()
	v, err := n.Subscribe(t.Context(), "watcher", r, shop, "")
	require.NoError(t, err)
	require.Empty(t, v.Instances)
	r.next(t, 0)

	require.NoError(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{at("10.0.0.1", 80)}))
	require.Equal(t, []string{"10.0.0.1"}, n.hosts(t, shop))
	first := r.next(t, 1)

	require.NoError(t, n.Publish(t.Context(), "c2", shop, []registry.Instance{at("10.0.0.2", 80)}))
	second := r.next(t, 2)
	require.Greater(t, second.LastRefTime, first.LastRefTime)

	n.End("c1")
	third := r.next(t, 1)
	require.Equal(t, []string{"10.0.0.2"}, addresses(third))
	require.Greater(t, third.LastRefTime, second.LastRefTime)

	require.NoError(t, n.Publish(t.Context(), "c2", shop, nil))
	require.Empty(t, n.hosts(t, shop))
}

func TestTwoNodesShowTheSameListUnderTheSameNumber(t *testing.T) {
	engine := engines.New(t)
	a, b := start(t, engine, "a"), start(t, engine, "b")
	for n := range 20 {
		client := fmt.Sprintf("c%d", n%5)
		on := a
		if n%2 == 1 {
			on = b
		}
		require.NoError(t, on.Publish(t.Context(), client+on.cfg.Node, shop, []registry.Instance{at(fmt.Sprintf("10.0.0.%d", n), 80)}))
		if n%7 == 6 {
			on.End(client + on.cfg.Node)
		}
	}
	weight := 5.0
	require.NoError(t, a.Override(t.Context(), shop, registry.InstanceKey{Cluster: "DEFAULT", IP: "10.0.0.19", Port: 80}, func(registry.Override) registry.Override {
		return registry.Override{Weight: &weight}
	}))
	require.Eventually(t, func() bool {
		z, err := a.session.Sync(t.Context(), store.NamingRoot)
		require.NoError(t, err)
		for _, n := range []*node{a, b} {
			require.NoError(t, n.services.Wait(t.Context(), z))
			require.NoError(t, n.overrides.Wait(t.Context(), z))
		}
		va, err := a.Query(t.Context(), shop, registry.Filter{})
		require.NoError(t, err)
		vb, err := b.Query(t.Context(), shop, registry.Filter{})
		require.NoError(t, err)
		return va.SameHosts(vb) && len(va.Instances) == 9 // nobody is still to go
	}, patience, time.Millisecond)

	// A third node that comes later, and has seen none of it happen, agrees.
	c := start(t, engine, "c")
	va, err := a.Query(t.Context(), shop, registry.Filter{})
	require.NoError(t, err)
	vc, err := c.Query(t.Context(), shop, registry.Filter{})
	require.NoError(t, err)
	require.True(t, va.SameHosts(vc))
	st, err := a.session.Exists(t.Context(), store.ServicePath(shop))
	require.NoError(t, err)
	require.Equal(t, store.Revision(st), vc.LastRefTime)
}

// A client that goes from one node to another takes no list that is older than what
// it has. So the node that only looks on must count like the one that waits for its
// own writes.
func TestNodeThatOnlyLooksOnShowsTheSameNumber(t *testing.T) {
	engine := engines.New(t)
	a, b := start(t, engine, "a"), start(t, engine, "b")
	for n := range 30 {
		client := fmt.Sprintf("c%d", n)
		require.NoError(t, a.Publish(t.Context(), client, shop, []registry.Instance{at(fmt.Sprintf("10.0.0.%d", n), 80)}))
		b.hosts(t, shop) // clients ask it all the time
		if n%3 > 0 {
			a.End(client)
		}
	}
	st := core.Stat{}
	require.Eventually(t, func() bool {
		va, err := a.Query(t.Context(), shop, registry.Filter{})
		require.NoError(t, err)
		vb, err := b.Query(t.Context(), shop, registry.Filter{})
		require.NoError(t, err)
		st, err = a.session.Exists(t.Context(), store.ServicePath(shop))
		require.NoError(t, err)
		return st.NumChildren == 10 && va.SameHosts(vb) && vb.LastRefTime >= store.Revision(st)
	}, patience, time.Millisecond)
	vb, err := b.Query(t.Context(), shop, registry.Filter{})
	require.NoError(t, err)
	require.Equal(t, store.Revision(st), vb.LastRefTime)
}

func TestPersistentInstancesNeedNoClient(t *testing.T) { persistentInstances(t, engines.New(t)) }

func TestPersistentInstancesNeedAQuorum(t *testing.T) {
	engine := coretest.NewFake()
	n, i := persistentInstances(t, engine)
	engine.Partition()
	require.ErrorIs(t, n.Register(t.Context(), shop, i), registry.ErrNoQuorum)
	require.ErrorIs(t, n.Deregister(t.Context(), shop, i.Key(), false), registry.ErrNoQuorum)
	require.ErrorIs(t, n.CreateService(t.Context(), registry.Service{Key: registry.NewServiceKey("", "", "x")}), registry.ErrNoQuorum)
	require.Equal(t, []string{"10.0.0.1"}, n.hosts(t, shop), "queries go on")
	require.True(t, n.Stale())
	engine.Heal()
	require.NoError(t, n.Deregister(t.Context(), shop, i.Key(), false))
	require.Empty(t, n.hosts(t, shop))
	require.NoError(t, n.Deregister(t.Context(), shop, i.Key(), false))
}

// persistentInstances leaves one on a node.
func persistentInstances(t *testing.T, engine coretest.Nodes) (*node, registry.Instance) {
	n := start(t, engine, "n1")
	i := at("10.0.0.1", 80)
	i.Ephemeral = false
	require.NoError(t, n.Register(t.Context(), shop, i))
	i.Weight = 3
	require.NoError(t, n.Register(t.Context(), shop, i), "again, with another weight")
	require.Len(t, n.catalog.All(shop), 1)
	require.InDelta(t, 3, n.catalog.Newest(shop, i.Key()).Instance.Weight, 0)
	require.ErrorIs(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{at("10.0.0.2", 80)}), registry.ErrKind)

	require.ErrorIs(t, n.SetHealth(t.Context(), shop, i.Key(), false), registry.ErrCheckerActive)
	require.NoError(t, n.UpdateService(t.Context(), shop, func(s *registry.Service) error {
		s.Clusters = map[string]registry.Cluster{"DEFAULT": {Name: "DEFAULT", Checker: registry.Checker{Type: registry.CheckNone}}}
		return nil
	}))
	require.NoError(t, n.SetHealth(t.Context(), shop, i.Key(), false))
	require.False(t, n.catalog.Newest(shop, i.Key()).Instance.Healthy)

	n.stop()
	n = start(t, engine, "n1")
	require.Equal(t, []string{"10.0.0.1"}, n.hosts(t, shop), "it outlives the node")

	return n, i
}

func TestWithoutQuorumRegistrationsGoOnAndAreMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		n := start(t, engine, "n1")
		r := newReader()
		_, err := n.Subscribe(t.Context(), "watcher", r, shop, "")
		require.NoError(t, err)
		require.NoError(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{at("10.0.0.1", 80)}))
		require.False(t, n.Stale())
		engine.Partition()
		require.NoError(t, n.Publish(t.Context(), "c2", shop, []registry.Instance{at("10.0.0.2", 80)}))
		require.True(t, n.Stale())
		during := r.next(t, 2)
		engine.Heal()
		time.Sleep(5 * time.Second)
		require.False(t, n.Stale())
		require.Len(t, n.catalog.All(shop), 2)
		v, err := n.Query(t.Context(), shop, registry.Filter{})
		require.NoError(t, err)
		require.True(t, v.SameHosts(during), "nobody sees a flap")
		require.NoError(t, n.Publish(t.Context(), "c2", shop, nil))
		after := r.next(t, 1)
		require.Greater(t, after.LastRefTime, during.LastRefTime)
	})
}

// A client may register with one node and deregister with another, while neither can
// write: the node that is asked does not show it from then on, and the tree follows.
func TestWithoutQuorumAnInstanceOfAnotherNodeIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		a, b := start(t, engine, "a"), start(t, engine, "b")
		i, stays := at("10.0.0.1", 80), at("10.0.0.2", 80)
		require.NoError(t, a.Register(t.Context(), shop, i))
		require.NoError(t, a.Register(t.Context(), shop, stays))
		synctest.Wait()
		r := newReader()
		_, err := b.Subscribe(t.Context(), "watcher", r, shop, "")
		require.NoError(t, err)
		r.next(t, 2)

		engine.Partition()
		before := time.Now()
		require.NoError(t, b.Deregister(t.Context(), shop, i.Key(), true))
		require.Less(t, time.Since(before), time.Second, "there is nothing to wait for")
		require.Equal(t, []string{"10.0.0.2"}, b.hosts(t, shop))
		r.next(t, 1)
		v, err := b.Query(t.Context(), shop, registry.Filter{})
		require.NoError(t, err)
		require.True(t, v.Ahead)
		require.Len(t, a.hosts(t, shop), 2, "it cannot know")
		time.Sleep(10 * time.Minute)
		require.Len(t, a.hosts(t, shop), 2, "nothing expires in an outage")
		require.Equal(t, []string{"10.0.0.2"}, b.hosts(t, shop))
		require.Len(t, b.catalog.All(shop), 2, "the tree stands still")

		engine.Heal()
		_, err = a.Beat(t.Context(), shop, stays.Key(), nil)
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		for _, n := range []*node{a, b} {
			require.Equal(t, []string{"10.0.0.2"}, n.hosts(t, shop))
			require.False(t, n.Stale())
		}
		require.Len(t, b.catalog.All(shop), 1)
		require.Empty(t, r.lists, "nobody sees a flap")
	})
}

func TestWhatIsWithdrawnHereInATimeOfTroubleIsPushedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		a, b := start(t, engine, "a"), start(t, engine, "b")
		var all []registry.Instance
		for n := range 6 {
			all = append(all, at(fmt.Sprintf("10.0.0.%d", n), 80))
			require.NoError(t, a.Register(t.Context(), shop, all[n]))
		}
		synctest.Wait()
		r := newReader()
		_, err := b.Subscribe(t.Context(), "watcher", r, shop, "")
		require.NoError(t, err)
		r.next(t, 6)
		b.Trouble()
		for _, i := range all[:5] {
			require.NoError(t, b.Deregister(t.Context(), shop, i.Key(), true))
		}
		before := time.Now()
		r.next(t, 1)
		require.Less(t, time.Since(before), time.Second)
	})
}

// What is registered anew meanwhile is not what was withdrawn.
func TestAWithdrawalDoesNotTouchALaterRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		a, b := start(t, engine, "a"), start(t, engine, "b")
		i := at("10.0.0.1", 80)
		require.NoError(t, a.Register(t.Context(), shop, i))
		synctest.Wait()
		engine.Partition()
		require.NoError(t, b.Deregister(t.Context(), shop, i.Key(), true))
		require.Empty(t, b.hosts(t, shop))
		require.NoError(t, b.Register(t.Context(), shop, i))
		require.Len(t, b.hosts(t, shop), 1)
		engine.Heal()
		time.Sleep(5 * time.Second)
		require.Len(t, b.hosts(t, shop), 1)
		require.Len(t, a.hosts(t, shop), 1)
		require.Len(t, b.catalog.All(shop), 1)
		require.False(t, b.Stale())
	})
}

// A client that has gone is gone, though its session could not be ended at once.
func TestWithoutQuorumAClientThatLeavesIsNotShownAndEndedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		a, b := start(t, engine, "a"), start(t, engine, "b")
		require.NoError(t, a.Publish(t.Context(), "c1", shop, []registry.Instance{at("10.0.0.1", 80)}))
		require.NoError(t, a.Publish(t.Context(), "c2", shop, []registry.Instance{at("10.0.0.2", 80)}))
		synctest.Wait()
		engine.Partition()
		other := registry.NewServiceKey("", "", "other")
		require.NoError(t, a.Publish(t.Context(), "c1", other, []registry.Instance{at("10.0.0.1", 80)}))
		require.Len(t, a.hosts(t, other), 1)
		a.End("c1")
		synctest.Wait()
		require.Empty(t, a.hosts(t, other))
		require.Equal(t, []string{"10.0.0.2"}, a.hosts(t, shop))
		time.Sleep(10 * time.Minute)
		require.Equal(t, []string{"10.0.0.2"}, a.hosts(t, shop), "however long it takes")
		require.Len(t, b.hosts(t, shop), 2)
		engine.Heal()
		a.Trouble() // tells that there is a quorum again
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"10.0.0.2"}, b.hosts(t, shop), "before any timeout")
		require.Equal(t, []string{"10.0.0.2"}, a.hosts(t, shop))
		require.False(t, a.Stale(), "picture and tree agree")
	})
}

func TestWhatAQuorumIsNeededForSaysWhatBecameOfIt(t *testing.T) {
	n := start(t, coretest.NewFake(), "n1")
	err := n.unavailable(&core.OpError{Op: "multi", Err: core.NotReadOnly})
	require.ErrorIs(t, err, registry.ErrNoQuorum)
	require.EqualError(t, err, "no quorum, nothing was done: multi: server is read-only")
	err = n.unavailable(&core.OpError{Op: "multi", Err: core.ConnectionLoss})
	require.ErrorIs(t, err, registry.ErrNoQuorum)
	require.ErrorContains(t, err, "it is not known whether this was done")
	require.NoError(t, n.unavailable(nil))
}

func TestServiceThatFirstAppearsWithoutQuorumIsPushedAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		n := start(t, engine, "n1")
		engine.Partition()
		r := newReader()
		unknown, err := n.Subscribe(t.Context(), "watcher", r, shop, "")
		require.NoError(t, err)
		last := unknown.LastRefTime
		for round := range 3 {
			require.NoError(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{at(fmt.Sprintf("10.0.0.%d", round), 80)}))
			v := r.next(t, 1)
			require.Greater(t, v.LastRefTime, last, "clients drop a list that is not newer")
			last = v.LastRefTime
		}
		engine.Heal()
		time.Sleep(5 * time.Second)
		require.NoError(t, n.Publish(t.Context(), "c1", shop, nil))
		require.Greater(t, r.next(t, 0).LastRefTime, last)
	})
}

func TestBeatTakesOverWhatAnotherNodeHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		n := start(t, engine, "n1")
		i := at("10.0.0.1", 80)
		i.Metadata = map[string]string{"k": "v"}
		require.NoError(t, n.Register(t.Context(), shop, i))
		n.stop()
		left := engine.SessionIDs()
		n = start(t, engine, "n1")
		_, err := n.Beat(t.Context(), shop, i.Key(), nil)
		require.NoError(t, err, "a light beat is enough, the tree knows the rest")
		require.Len(t, n.catalog.All(shop), 2, "the old session has its time")
		for _, id := range left {
			engine.Expire(id)
		}
		time.Sleep(time.Second)
		require.Equal(t, []string{"10.0.0.1"}, n.hosts(t, shop))
		require.Equal(t, i.Metadata, n.catalog.Newest(shop, i.Key()).Instance.Metadata)

		_, err = n.Beat(t.Context(), shop, registry.InstanceKey{Cluster: "DEFAULT", IP: "10.0.0.9", Port: 80}, nil)
		require.ErrorIs(t, err, registry.ErrInstanceNotFound)
	})
}

// Of a node that died sessions are left. Who registers at another is shown once, and when
// that client goes too, the instance goes. A client that is still there keeps it.
func TestOfTwoClientsOfOneInstanceWhoIsNotThereLeavesNothing(t *testing.T) {
	engine := engines.New(t)
	settled := func(c *Config) { c.Settle = time.Nanosecond }
	a, b, dies := start(t, engine, "a", settled), start(t, engine, "b", settled), start(t, engine, "c", settled)
	moves, shared := at("10.0.0.1", 80), at("10.0.0.2", 80)
	require.NoError(t, dies.Publish(t.Context(), "c1", shop, []registry.Instance{moves}))
	require.NoError(t, a.Publish(t.Context(), "a1", shop, []registry.Instance{shared}))
	dies.stop()
	b.shows(t, 2, "what a node leaves")
	require.NoError(t, b.Publish(t.Context(), "b1", shop, []registry.Instance{moves, shared}))
	require.Eventually(t, func() bool { return len(b.catalog.All(shop)) == 3 }, patience, 5*time.Millisecond, "one is removed")
	require.Len(t, b.catalog.Entries(shop, shared.Key()), 2, "of the client that is there it is not")
	b.End("b1")
	b.shows(t, 1, "who is gone")
	a.shows(t, 1, "and there")
	require.Equal(t, []string{"10.0.0.2"}, b.hosts(t, shop))
}

func TestInstanceThatItsClientDeregistersAfterItsNodeDiedIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		a, b := start(t, engine, "a"), start(t, engine, "b")
		i := at("10.0.0.1", 80)
		require.NoError(t, a.Register(t.Context(), shop, i))
		synctest.Wait()
		a.stop()
		_, err := b.Beat(t.Context(), shop, i.Key(), nil)
		require.NoError(t, err)
		require.NoError(t, b.Deregister(t.Context(), shop, i.Key(), true))
		require.Empty(t, b.hosts(t, shop))
		require.Empty(t, b.catalog.All(shop))
	})
}

func TestInstanceThatAnotherNodeDeregisteredStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		a, b := start(t, engine, "a"), start(t, engine, "b")
		i := at("10.0.0.1", 80)
		require.NoError(t, a.Register(t.Context(), shop, i))
		synctest.Wait()
		require.NoError(t, b.Deregister(t.Context(), shop, i.Key(), true))
		require.Empty(t, b.hosts(t, shop))
		time.Sleep(10 * time.Second)
		require.Empty(t, a.hosts(t, shop), "its owner does not create it again")
		_, err := a.Beat(t.Context(), shop, i.Key(), &i)
		require.NoError(t, err)
		require.Len(t, a.hosts(t, shop), 1, "but a client that lives on comes back")
	})
}

func TestInstanceWithoutBeatsTurnsSickAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		a, b := start(t, engine, "a"), start(t, engine, "b")
		i := at("10.0.0.1", 80)
		require.NoError(t, a.Register(t.Context(), shop, i))
		sessions := len(engine.SessionIDs())
		before := engine.Zxid()
		for range 6 {
			time.Sleep(5 * time.Second)
			_, err := a.Beat(t.Context(), shop, i.Key(), nil)
			require.NoError(t, err)
		}
		require.Equal(t, before, engine.Zxid(), "beats never enter the log")
		time.Sleep(16 * time.Second)
		for _, n := range []*node{a, b} {
			v, err := n.Query(t.Context(), shop, registry.Filter{})
			require.NoError(t, err)
			require.False(t, v.Instances[0].Healthy)
		}
		time.Sleep(15 * time.Second)
		require.Empty(t, a.hosts(t, shop))
		require.Empty(t, b.hosts(t, shop))
		require.Len(t, engine.SessionIDs(), sessions-1, "and its session with it")
	})
}

// late is a client that others are quicker than: what is set runs once, before its next
// transaction.
type late struct {
	core.Client
	first atomic.Pointer[func()]
}

func (l *late) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	if f := l.first.Swap(nil); f != nil {
		(*f)()
	}
	return l.Client.Multi(ctx, ops...)
}

// A check of health that was under way brought an instance back that had been deregistered,
// or as it had been before it was registered anew.
func TestHealthIsWrittenOfWhatIsThere(t *testing.T) {
	engine := coretest.NewFake()
	l := new(late)
	slow := start(t, engine, "a", func(cfg *Config) { l.Client, cfg.Client = cfg.Client, l })
	quick := start(t, engine, "b")
	i := at("10.0.0.1", 80)
	i.Ephemeral = false
	require.NoError(t, quick.Register(t.Context(), shop, i))
	shows := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool {
			all, err := slow.Instances(t.Context(), shop)
			return err == nil && len(all) == n
		}, patience, time.Millisecond)
	}
	shows(1)
	meanwhile := func(f func()) { l.first.Store(&f) }
	meanwhile(func() {
		again := i
		again.Weight = 7
		require.NoError(t, quick.Register(t.Context(), shop, again))
	})
	require.NoError(t, slow.setHealth(t.Context(), shop, i.Key(), false))
	now, err := slow.Instance(t.Context(), shop, i.Key())
	require.NoError(t, err)
	require.Equal(t, []any{7.0, false}, []any{now.Weight, now.Healthy})
	meanwhile(func() { require.NoError(t, quick.Deregister(t.Context(), shop, i.Key(), false)) })
	require.NoError(t, slow.setHealth(t.Context(), shop, i.Key(), true))
	shows(0)
	require.NoError(t, slow.setHealth(t.Context(), shop, i.Key(), true), "of nothing")
	shows(0)
}

func TestPersistentInstanceThatDoesNotAnswerIsShownSick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		up.Store(true)
		n := start(t, coretest.NewFake(), "n1", func(c *Config) {
			c.Probe = func(context.Context, *registry.Instance, *registry.Cluster) health.Result {
				if up.Load() {
					return health.Up
				}
				return health.Down
			}
		})
		i := at("10.0.0.1", 80)
		i.Ephemeral = false
		require.NoError(t, n.Register(t.Context(), shop, i))
		healthy := func() bool {
			v, err := n.Query(t.Context(), shop, registry.Filter{})
			require.NoError(t, err)
			return v.Instances[0].Healthy
		}
		time.Sleep(time.Minute)
		require.True(t, healthy())
		up.Store(false)
		time.Sleep(12 * time.Second)
		require.False(t, healthy())
		up.Store(true)
		time.Sleep(12 * time.Second)
		require.True(t, healthy())
		require.NoError(t, n.Deregister(t.Context(), shop, i.Key(), false))
		time.Sleep(time.Minute)
		require.Empty(t, n.hosts(t, shop), "a check does not bring back what was deleted")
	})
}

func TestEmptyServicesAreSweptUnlessSomebodyMadeThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		n := start(t, engine, "n1")
		made := registry.NewServiceKey("", "", "made")
		require.NoError(t, n.CreateService(t.Context(), registry.Service{Key: made}))
		r := newReader()
		_, err := n.Subscribe(t.Context(), "watcher", r, shop, "")
		require.NoError(t, err)
		require.NoError(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{at("10.0.0.1", 80)}))
		r.next(t, 1)
		weight := 2.0
		require.NoError(t, n.Override(t.Context(), shop, registry.InstanceKey{Cluster: "DEFAULT", IP: "10.0.0.1", Port: 80}, func(registry.Override) registry.Override {
			return registry.Override{Weight: &weight}
		}))
		time.Sleep(5 * time.Minute)
		_, err = n.Describe(t.Context(), shop)
		require.NoError(t, err, "it has an instance")
		n.End("c1")
		time.Sleep(50 * time.Second)
		_, err = n.Describe(t.Context(), shop)
		require.NoError(t, err, "it has not been empty for long")
		time.Sleep(2 * time.Minute)
		_, err = n.Describe(t.Context(), shop)
		require.ErrorIs(t, err, registry.ErrServiceNotFound)
		overrides, err := n.Overrides(t.Context(), shop)
		require.NoError(t, err)
		require.Empty(t, overrides)
		_, err = n.Describe(t.Context(), made)
		require.NoError(t, err)

		// The subscription goes on.
		require.NoError(t, n.Publish(t.Context(), "c2", shop, []registry.Instance{at("10.0.0.2", 80)}))
		for r.next(t, 1).Instances[0].IP != "10.0.0.2" {
		}
	})
}

func TestOverrideOutlivesItsInstanceForItsAgeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, coretest.NewFake(), "n1", func(c *Config) { c.OverrideAge = 10 * time.Minute })
		require.NoError(t, n.CreateService(t.Context(), registry.Service{Key: shop, Ephemeral: true}))
		i := at("10.0.0.1", 80)
		weight := 2.0
		require.NoError(t, n.Override(t.Context(), shop, i.Key(), func(registry.Override) registry.Override { return registry.Override{Weight: &weight} }))
		set := func() bool {
			all, err := n.Overrides(t.Context(), shop)
			require.NoError(t, err)
			return len(all) == 1
		}
		time.Sleep(8 * time.Minute)
		require.True(t, set())
		require.NoError(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{i})) // it was seen
		time.Sleep(30 * time.Minute)
		require.True(t, set())
		n.End("c1")
		time.Sleep(9 * time.Minute)
		require.True(t, set())
		time.Sleep(4 * time.Minute)
		require.False(t, set())
	})
}

func TestAgeOfAnOverrideDoesNotBeginAnewWithEachStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		restart := func() *node {
			return start(t, engine, "n1", func(c *Config) { c.OverrideAge = 40 * time.Minute })
		}
		n := restart()
		require.NoError(t, n.CreateService(t.Context(), registry.Service{Key: shop, Ephemeral: true}))
		i := at("10.0.0.1", 80)
		off := false
		require.NoError(t, n.Override(t.Context(), shop, i.Key(), func(registry.Override) registry.Override { return registry.Override{Enabled: &off} }))
		set := func() (registry.Override, bool) {
			all, err := n.Overrides(t.Context(), shop)
			require.NoError(t, err)
			o, ok := all[i.Key()]
			return o, ok
		}
		again := func() { n.stop(); n = restart() }
		time.Sleep(12 * time.Minute)
		again()
		o, ok := set()
		require.True(t, ok)
		require.False(t, o.Gone.IsZero(), "it is noted")
		time.Sleep(12 * time.Minute)

		// It is seen again, and the operator's word holds for it.
		require.NoError(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{i}))
		require.Empty(t, n.hosts(t, shop))
		time.Sleep(3 * time.Minute)
		o, _ = set()
		require.True(t, o.Gone.IsZero())
		n.End("c1")
		for range 3 {
			time.Sleep(12 * time.Minute)
			again()
			_, ok = set()
			require.True(t, ok)
		}
		time.Sleep(8 * time.Minute)
		_, ok = set()
		require.False(t, ok, "40 minutes, whoever started when")
	})
}

func TestMassExpiryDuringOwnTroubleIsHeldBackAndAWithdrawalIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		a, b := start(t, engine, "a"), start(t, engine, "b")
		own := engine.SessionIDs()
		r := newReader()
		_, err := b.Subscribe(t.Context(), "watcher", r, shop, "")
		require.NoError(t, err)
		for n := range 6 {
			require.NoError(t, a.Publish(t.Context(), fmt.Sprintf("a%d", n), shop, []registry.Instance{at(fmt.Sprintf("10.0.0.%d", n), 80)}))
			require.NoError(t, b.Publish(t.Context(), fmt.Sprintf("b%d", n), shop, []registry.Instance{at(fmt.Sprintf("10.0.1.%d", n), 80)}))
		}
		r.next(t, 12)
		a.stop() // as if it had died: nobody touches its sessions
		b.Trouble()
		for _, id := range engine.SessionIDs() {
			if !slices.Contains(own, id) && !slices.Contains(b.leases.Sessions(), id) {
				engine.Expire(id)
			}
		}
		time.Sleep(20 * time.Second)
		require.Empty(t, r.lists, "half of the list is gone, just when we had trouble")
		require.Len(t, b.hosts(t, shop), 6, "who asks gets the truth")
		time.Sleep(15 * time.Second)
		r.next(t, 6)

		b.Trouble()
		for n := range 5 { // these withdrew: nothing to doubt
			b.End(fmt.Sprintf("b%d", n))
		}
		before := time.Now()
		r.next(t, 1)
		require.Less(t, time.Since(before), time.Second)
	})
}

func TestClientsThatAreSlowToComeBackAfterARestartAreNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		n := start(t, engine, "n1")
		for c := range 6 {
			require.NoError(t, n.Publish(t.Context(), fmt.Sprintf("c%d", c), shop, []registry.Instance{at(fmt.Sprintf("10.0.0.%d", c), 80)}))
		}
		inherited := n.leases.Sessions()
		n.stop()
		n = start(t, engine, "n1")
		r := newReader()
		_, err := n.Subscribe(t.Context(), "watcher", r, shop, "")
		require.NoError(t, err)
		r.next(t, 6)
		time.Sleep(31 * time.Second)
		for _, id := range inherited {
			engine.Expire(id)
		}
		time.Sleep(4 * time.Second) // the Python client registers again every 30 s
		for c := range 6 {
			require.NoError(t, n.Publish(t.Context(), fmt.Sprintf("d%d", c), shop, []registry.Instance{at(fmt.Sprintf("10.0.0.%d", c), 80)}))
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		require.NotEmpty(t, r.lists)
		for len(r.lists) > 0 {
			require.GreaterOrEqual(t, len((<-r.lists).Instances), 4, "no list that lost more than a third was pushed")
		}
		require.Len(t, n.hosts(t, shop), 6)
	})
}

func TestNodeKeepsItsOwnSessionAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		n := start(t, engine, "n1")
		time.Sleep(10 * time.Second)
		require.GreaterOrEqual(t, engine.Touched(n.session.Session().ID), 8)
	})
}

func TestClientSessionsAreTouchedBySignsOfLifeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		n := start(t, engine, "n1")
		require.NoError(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{at("10.0.0.1", 80)}))
		session := n.leases.Sessions()[0]
		before := engine.Touched(session)
		time.Sleep(time.Minute)
		require.Equal(t, before, engine.Touched(session))
		for range 100 {
			n.Alive("c1")
			time.Sleep(100 * time.Millisecond)
		}
		require.InDelta(t, before+10, engine.Touched(session), 1, "a chatty client does not flood the engine")
	})
}

func TestLimitsAreKept(t *testing.T) {
	limits := registry.DefaultLimits()
	limits.Services, limits.Clients, limits.InstancesPerClient, limits.ServicesPerClient, limits.InstancesPerService = 3, 2, 4, 2, 1
	n := start(t, engines.New(t), "n1", func(c *Config) { c.Limits = limits })
	service := func(i int) registry.ServiceKey { return registry.NewServiceKey("", "", fmt.Sprintf("s%d", i)) }
	publish := func(client string, s, instances int) error {
		var all []registry.Instance
		for i := range instances {
			all = append(all, at(fmt.Sprintf("10.0.0.%d", i), 80))
		}
		return n.Publish(t.Context(), client, service(s), all)
	}
	require.NoError(t, publish("c1", 0, 3))
	require.ErrorIs(t, publish("c1", 1, 2), registry.ErrLimit, "instances of a client")
	require.NoError(t, publish("c1", 1, 1))
	require.NoError(t, publish("c1", 0, 2), "fewer is always allowed")
	require.ErrorIs(t, publish("c1", 2, 1), registry.ErrLimit, "services of a client")
	require.NoError(t, publish("c2", 2, 1))
	require.ErrorIs(t, publish("c3", 2, 1), registry.ErrLimit, "clients")
	n.End("c1")
	require.ErrorIs(t, publish("c4", 3, 1), registry.ErrLimit, "services")
	require.ErrorIs(t, n.CreateService(t.Context(), registry.Service{Key: service(9)}), registry.ErrLimit)
	require.NoError(t, publish("c4", 2, 1))
}

func TestCallsBeforeTheCatalogIsReadWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		session, err := engine.Open(t.Context(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL()})
		require.NoError(t, err)
		s, err := New(Config{Client: session, Sessions: engine, Node: "n", Form: catalog.Plain})
		require.NoError(t, err)
		_, err = s.Query(t.Context(), shop, registry.Filter{})
		require.ErrorIs(t, err, registry.ErrNotReady)
		engine.Partition() // the quorum comes later than the node
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = s.Run(ctx) }()
		go func() { time.Sleep(2 * time.Second); engine.Heal() }()
		require.NoError(t, s.Publish(t.Context(), "c", shop, []registry.Instance{at("10.0.0.1", 80)}))
		cancel()
		<-done
	})
}

// BenchmarkRegister is one client's registration until it can read it.
func BenchmarkRegister(b *testing.B) {
	n := start(b, coretest.NewFake(), "n1")
	port := 0
	b.ReportAllocs()
	for b.Loop() {
		port = port%60000 + 1
		if err := n.Publish(b.Context(), "c", shop, []registry.Instance{at("10.0.0.1", port)}); err != nil {
			b.Fatal(err)
		}
	}
}
