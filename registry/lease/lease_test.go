package lease_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/lease"
	"github.com/zensus-io/zensus/registry/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is a Fake whose sessions lose replies when told to: the operation takes
// effect, or does not, and the caller cannot know.
type engine struct {
	*coretest.Fake
	mu   sync.Mutex
	lose func() (before, after bool) // nil: never
	full bool                        // refuses every multi for good
	slow time.Duration               // that each multi takes
	last core.SessionID              // opened
	most time.Duration               // that a session lasts; 0: as long as was asked for
	// founds makes sessions begin with their first multi; what is lost of that is lost
	// with the session if orphans is set, too: it is there, and nobody knows of it.
	founds, orphans bool
	// refuse says why a multi is refused, if it is; nil: none is.
	refuse func(ops []core.Op) error
	multis int
}

// sessions is what a Manager is given of it.
func (e *engine) sessions() core.Sessions {
	if e.founds {
		return founder{e}
	}
	return e
}

// founder is an engine whose sessions begin with their first multi.
type founder struct{ *engine }

func (f founder) OpenMulti(ctx context.Context, opt core.SessionOptions, ops ...core.Op) (core.Client, []core.OpResult, core.Zxid, error) {
	c, err := f.Open(ctx, opt)
	if err != nil {
		return nil, nil, 0, err
	}
	results, zxid, err := c.Multi(ctx, ops...)
	f.mu.Lock()
	orphans := f.orphans
	f.mu.Unlock()
	if orphans && core.IsUnknownOutcome(err) {
		return nil, nil, 0, err
	}
	return c, results, zxid, err
}

func (e *engine) Open(ctx context.Context, opt core.SessionOptions) (core.Client, error) {
	if e.most > 0 {
		opt.Timeout = min(opt.Timeout, e.most)
	}
	c, err := e.Fake.Open(ctx, opt)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.last = c.Session().ID
	e.mu.Unlock()
	return &lossy{Client: c, engine: e}, nil
}

func (e *engine) loses(f func() (before, after bool)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lose = f
}

func (e *engine) refuses(f func(ops []core.Op) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refuse = f
}

// counted is how many multis there were since it was last asked.
func (e *engine) counted() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.multis
	e.multis = 0
	return n
}

func (e *engine) opened() core.SessionID {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

type lossy struct {
	core.Client
	engine *engine
}

func (l *lossy) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	before, after := false, false
	l.engine.mu.Lock()
	if l.engine.lose != nil {
		before, after = l.engine.lose()
	}
	full, slow, refuse := l.engine.full, l.engine.slow, l.engine.refuse
	l.engine.multis++
	l.engine.mu.Unlock()
	time.Sleep(slow)
	if full {
		return nil, 0, &core.OpError{Op: "multi", Err: core.QuotaExceeded}
	}
	if before {
		return nil, 0, &core.OpError{Op: "multi", Err: core.ConnectionLoss}
	}
	if refuse != nil {
		if err := refuse(ops); err != nil {
			return nil, 0, err
		}
	}
	r, z, err := l.Client.Multi(ctx, ops...)
	if after {
		return nil, 0, &core.OpError{Op: "multi", Err: core.ConnectionLoss}
	}
	return r, z, err
}

// node is a Manager with its catalog, on an engine.
type node struct {
	*lease.Manager
	catalog *catalog.Catalog
	picture *mirror.Mirror
	stop    func()

	mu          sync.Mutex
	unexplained int
	shortest    int // of the lists that a query or a push would have shown
}

func (n *node) Going(removed []catalog.Removed) {
	n.note()
	n.Manager.Going(removed)
	n.note()
}

func (n *node) Gone(removed []catalog.Removed) {
	n.note()
	lost := n.Manager.Gone(removed)
	n.mu.Lock()
	n.unexplained += len(lost)
	n.mu.Unlock()
}

func (n *node) Covered(covered []catalog.Covered) { n.Manager.Covered(covered) }

func (n *node) Named([]registry.ServiceKey) {}

func (n *node) Changed([]registry.ServiceKey) { n.note() }

// note looks at the list as a query would at this moment.
func (n *node) note() {
	length := len(n.shown())
	n.mu.Lock()
	n.shortest = min(n.shortest, length)
	n.mu.Unlock()
}

func start(t testing.TB, e *engine, name string) *node {
	t.Helper()
	session, err := e.Fake.Open(t.Context(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL()})
	require.NoError(t, err)
	st := store.New(session, nil)
	require.NoError(t, st.Prepare(t.Context()))
	n := &node{}
	n.catalog = catalog.New(n, catalog.Plain)
	n.picture, err = mirror.New(mirror.Config{Client: session, Root: store.NamingRoot, OnChange: func(changes []mirror.Change, _ core.Zxid) {
		n.catalog.ApplyNaming(changes, n.picture.Get)
	}})
	require.NoError(t, err)
	n.Manager, err = lease.New(lease.Config{Sessions: e.sessions(), Store: st, Catalog: n.catalog, Picture: n.picture, Node: name, Limits: registry.DefaultLimits()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = n.picture.Run(ctx) })
	wg.Go(func() { _ = n.Manager.Run(ctx) })
	n.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(n.stop)
	<-n.picture.Ready()
	return n
}

var (
	shop = registry.NewServiceKey("", "", "shop")
	opt  = lease.Options{Timeout: 30 * time.Second}
)

func at(ip string) registry.Instance {
	return registry.Instance{IP: ip, Port: 80, Cluster: registry.DefaultCluster, Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
}

func (n *node) set(t testing.TB, client string, instances ...registry.Instance) (pending bool) {
	t.Helper()
	zxid, pending, err := n.Set(t.Context(), client, opt, shop, instances)
	require.NoError(t, err)
	if !pending {
		require.NoError(t, n.picture.Wait(t.Context(), zxid))
	}
	return pending
}

// shown are the addresses that the node answers.
func (n *node) shown() []string {
	found := []string{}
	for _, i := range n.catalog.Lookup(shop, registry.Filter{}).Instances {
		found = append(found, i.IP)
	}
	return found
}

// znodes are the addresses in the tree, with repetitions.
func (n *node) znodes() []string {
	found := []string{}
	for _, e := range n.catalog.All(shop) {
		found = append(found, e.Instance.IP)
	}
	slices.Sort(found)
	return found
}

func (n *node) eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 10*time.Second, time.Millisecond, what)
}

func TestASessionThatWasMadeForLessIsSustained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake()}
		n := start(t, e, "a")
		require.False(t, n.Sustain("c"), "there is no such client")
		n.set(t, "c", at("1.1.1.1"))
		require.False(t, n.Sustain("c"))
		session := n.Sessions()[0]
		longer := lease.Options{Timeout: 5 * time.Minute}
		_, _, err := n.Set(t.Context(), "c", longer, shop, []registry.Instance{at("1.1.1.1")})
		require.NoError(t, err)
		touched := e.Touched(session)
		require.True(t, n.Sustain("c"))
		require.Equal(t, touched+1, e.Touched(session))
		n.set(t, "c", at("1.1.1.1"))
		require.True(t, n.Sustain("c"), "who asks for less later keeps what he has")

		_, _, err = n.Set(t.Context(), "d", longer, shop, []registry.Instance{at("1.1.1.2")})
		require.NoError(t, err)
		require.False(t, n.Sustain("d"), "its session lasts as long by itself")
	})
}

// Of a session that cannot be opened yet nobody knows how long it will last.
func TestASessionThatIsStillToBeOpenedMayHaveToBeSustained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake(), most: time.Minute}
		n := start(t, e, "a")
		e.Partition()
		for id, lasts := range map[string]time.Duration{"long": 5 * time.Minute, "short": 30 * time.Second} {
			_, pending, err := n.Set(t.Context(), id, lease.Options{Timeout: lasts}, registry.NewServiceKey("", "", id), []registry.Instance{at("1.1.1.1")})
			require.NoError(t, err)
			require.True(t, pending)
			require.True(t, n.Sustain(id))
		}
		e.Heal()
		n.eventually(t, "it lasts as long by itself", func() bool { return !n.Sustain("short") })
		time.Sleep(10 * time.Second)
		require.True(t, n.Sustain("long"))
	})
}

func TestLostReplyDoesNotRegisterTwice(t *testing.T) {
	for _, c := range []struct {
		name                  string
		before, after, founds bool
	}{
		{"the request was lost", true, false, false},
		{"the reply was lost", false, true, false},
		{"the first request of the session was lost", true, false, true},
		{"its reply was lost", false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{Fake: coretest.NewFake(), founds: c.founds}
				n := start(t, e, "n1")
				left := 2
				e.loses(func() (bool, bool) {
					left--
					return c.before && left >= 0, c.after && left >= 0
				})
				require.False(t, n.set(t, "c1", at("10.0.0.1")))
				require.Equal(t, []string{"10.0.0.1"}, n.znodes())
				left = 2
				require.False(t, n.set(t, "c1"))
				require.Empty(t, n.znodes())
			})
		})
	}
}

// TestWhatANobodysSessionHasRegisteredIsRemoved loses a session together with what it
// began with: the znode stands until what is registered in its place has been there for
// a while, or its timeout has passed.
func TestWhatANobodysSessionHasRegisteredIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake(), founds: true, orphans: true}
		n := start(t, e, "n1")
		left := 1
		e.loses(func() (bool, bool) {
			left--
			return false, left >= 0
		})
		require.False(t, n.set(t, "c1", at("10.0.0.1")))
		require.Equal(t, []string{"10.0.0.1"}, n.shown())
		require.Len(t, n.znodes(), 2, "one of them is nobody's")
		n.eventually(t, "it is removed", func() bool { return len(n.znodes()) == 1 })
		require.Equal(t, []string{"10.0.0.1"}, n.shown())
		time.Sleep(settles) // the session that is nobody's could be of another node
		n.End("c1")
		n.eventually(t, "nothing is left", func() bool { return len(n.znodes()) == 0 })
	})
}

func TestRefusedFirstRegistrationLeavesAClientThatCanGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake(), founds: true, full: true}
		n := start(t, e, "n1")
		_, _, err := n.Set(t.Context(), "c1", opt, shop, []registry.Instance{at("10.0.0.1")})
		require.ErrorIs(t, err, core.QuotaExceeded)
		e.mu.Lock()
		e.full = false
		e.mu.Unlock()
		session := e.opened()
		require.False(t, n.set(t, "c1", at("10.0.0.2")))
		require.Equal(t, session, e.opened(), "in the session that was opened")
		require.Equal(t, []string{"10.0.0.2"}, n.znodes())
		n.End("c1")
		n.eventually(t, "nothing is left", func() bool { return len(n.znodes()) == 0 })
	})
}

func TestExpiredSessionOfALivingClientIsReplacedWithoutAGap(t *testing.T) {
	synctest.Test(t, expiredSessionOfALivingClientIsReplacedWithoutAGap)
}

func expiredSessionOfALivingClientIsReplacedWithoutAGap(t *testing.T) {
	e := &engine{Fake: coretest.NewFake()}
	n := start(t, e, "n1")
	n.set(t, "c1", at("10.0.0.1"), at("10.0.0.2"))
	n.mu.Lock()
	n.shortest = 2
	n.mu.Unlock()
	old := e.opened()
	e.Expire(old)
	n.eventually(t, "a new session stands for it", func() bool { return e.opened() != old && len(n.znodes()) == 2 })
	n.mu.Lock()
	defer n.mu.Unlock()
	require.Equal(t, 2, n.shortest, "no list in between may be shorter")
	require.Zero(t, n.unexplained)
}

func TestSilentClientIsNotRegisteredAgain(t *testing.T) {
	synctest.Test(t, silentClientIsNotRegisteredAgain)
}

func silentClientIsNotRegisteredAgain(t *testing.T) {
	e := &engine{Fake: coretest.NewFake()}
	n := start(t, e, "n1")
	zxid, _, err := n.Set(t.Context(), "c1", lease.Options{Timeout: 50 * time.Millisecond}, shop, []registry.Instance{at("10.0.0.1")})
	require.NoError(t, err)
	require.NoError(t, n.picture.Wait(t.Context(), zxid))
	time.Sleep(80 * time.Millisecond)
	e.Expire(e.opened())
	n.eventually(t, "the instance goes", func() bool { return len(n.shown()) == 0 })
	time.Sleep(50 * time.Millisecond)
	require.Empty(t, n.znodes())
	n.mu.Lock()
	require.Equal(t, 1, n.unexplained)
	n.mu.Unlock()

	require.True(t, n.Alive("c1"))
	n.eventually(t, "a sign of life brings it back", func() bool { return len(n.znodes()) == 1 })
}

func TestNodeThatTheClientHasLeftDoesNotOverruleTheNewOne(t *testing.T) {
	synctest.Test(t, nodeThatTheClientHasLeftDoesNotOverruleTheNewOne)
}

func nodeThatTheClientHasLeftDoesNotOverruleTheNewOne(t *testing.T) {
	e := &engine{Fake: coretest.NewFake()}
	a, b := start(t, e, "a"), start(t, e, "b")
	a.set(t, "old", at("10.0.0.1"))
	before := e.opened()
	moved := at("10.0.0.1")
	moved.Weight = 2
	b.set(t, "new", moved)
	a.eventually(t, "a sees both", func() bool { return len(a.znodes()) == 2 })
	e.Expire(before) // a still thinks that its client is there
	a.eventually(t, "the old znode goes", func() bool { return len(a.znodes()) == 1 })
	time.Sleep(50 * time.Millisecond)
	require.Len(t, a.znodes(), 1)
	for _, n := range []*node{a, b} {
		require.InDelta(t, 2, n.catalog.Newest(shop, moved.Key()).Instance.Weight, 0)
		n.eventually(t, "the new one is shown", func() bool {
			v := n.catalog.Lookup(shop, registry.Filter{})
			return len(v.Instances) == 1 && v.Instances[0].Weight == 2
		})
	}
}

// A client without a connection may send its heartbeats to another node from now on. That
// the one which heard of it before finds it silent says nothing.
func TestNodeThatNoLongerHearsOfAClientDoesNotCallItSick(t *testing.T) {
	synctest.Test(t, nodeThatNoLongerHearsOfAClientDoesNotCallItSick)
}

func nodeThatNoLongerHearsOfAClientDoesNotCallItSick(t *testing.T) {
	e := &engine{Fake: coretest.NewFake()}
	a, b := start(t, e, "a"), start(t, e, "b")
	beats := lease.Options{Timeout: 32 * time.Second, Beat: true}
	sick := at("10.0.0.1")
	sick.Healthy = false
	for _, n := range []*node{a, b} {
		_, _, err := n.Set(t.Context(), "10.0.0.1:80#true", beats, shop, []registry.Instance{at("10.0.0.1")})
		require.NoError(t, err)
		time.Sleep(time.Second)
	}
	require.NoError(t, a.Amend("10.0.0.1:80#true", shop, []registry.Instance{sick}))
	time.Sleep(time.Second)
	for _, n := range []*node{a, b} {
		require.True(t, n.catalog.Instances(shop)[0].Healthy)
	}
	require.True(t, b.Alive("10.0.0.1:80#true"))
	require.NoError(t, b.Amend("10.0.0.1:80#true", shop, []registry.Instance{sick}), "whoever hears of it may")
	time.Sleep(time.Second)
	for _, n := range []*node{a, b} {
		require.False(t, n.catalog.Instances(shop)[0].Healthy)
	}
}

// A heartbeat may come to a node after another one has registered its client, as when the
// two do not reach one another yet. The next ones are handed on, and the silence after that
// says as little.
func TestNodeThatHandsHeartbeatsOnDoesNotCallTheirClientSick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const id = "10.0.0.1:80#true"
		e := &engine{Fake: coretest.NewFake()}
		a, b := start(t, e, "a"), start(t, e, "b")
		beats := lease.Options{Timeout: 32 * time.Second, Beat: true}
		sick := at("10.0.0.1")
		sick.Healthy = false
		_, _, err := a.Set(t.Context(), id, beats, shop, []registry.Instance{at("10.0.0.1")})
		require.NoError(t, err)
		require.True(t, a.Alive(id))
		_, _, err = b.Set(t.Context(), id, beats, shop, []registry.Instance{at("10.0.0.1")})
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.True(t, a.Alive(id), "it is heard of where it was registered before")
		synctest.Wait()
		for range 15 {
			time.Sleep(time.Second)
			require.True(t, b.Alive(id))
		}
		require.NoError(t, a.Amend(id, shop, []registry.Instance{sick}))
		time.Sleep(time.Second)
		for _, n := range []*node{a, b} {
			require.True(t, n.catalog.Instances(shop)[0].Healthy)
		}
		require.NoError(t, b.Amend(id, shop, []registry.Instance{sick}))
		time.Sleep(time.Second)
		for _, n := range []*node{a, b} {
			require.False(t, n.catalog.Instances(shop)[0].Healthy)
		}
	})
}

// What is found out of a client that is silent changes its znode and does not remove it,
// for how long ever it is that nobody could write.
func TestFindingOfAnOutageIsWrittenAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake()}
		n := start(t, e, "n1")
		beats := lease.Options{Timeout: 3 * time.Second, Beat: true}
		_, _, err := n.Set(t.Context(), "10.0.0.1:80#true", beats, shop, []registry.Instance{at("10.0.0.1")})
		require.NoError(t, err)
		time.Sleep(time.Second)
		e.Partition()
		sick := at("10.0.0.1")
		sick.Healthy = false
		require.NoError(t, n.Amend("10.0.0.1:80#true", shop, []registry.Instance{sick}))
		time.Sleep(time.Minute)
		n.mu.Lock()
		n.shortest = 1
		n.mu.Unlock()
		e.Heal()
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"10.0.0.1"}, n.znodes())
		require.False(t, n.catalog.Instances(shop)[0].Healthy)
		n.mu.Lock()
		defer n.mu.Unlock()
		require.Equal(t, 1, n.shortest)
	})
}

func TestWithoutQuorumTheNodeShowsItsOwnClientsWishesAndWritesThemLater(t *testing.T) {
	synctest.Test(t, withoutQuorumTheNodeShowsItsOwnClientsWishesAndWritesThemLater)
}

func withoutQuorumTheNodeShowsItsOwnClientsWishesAndWritesThemLater(t *testing.T) {
	e := &engine{Fake: coretest.NewFake()}
	n := start(t, e, "n1")
	n.set(t, "gone", at("10.0.0.1"))
	n.set(t, "stays", at("10.0.0.2"))
	e.Partition()
	require.True(t, n.set(t, "fresh", at("10.0.0.3")), "the call ends before its client gives up")
	require.Equal(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, n.shown())
	require.True(t, n.Pending())
	n.End("gone")
	n.eventually(t, "who is gone is not shown", func() bool { return slices.Equal(n.shown(), []string{"10.0.0.2", "10.0.0.3"}) })
	require.Equal(t, []string{"10.0.0.1", "10.0.0.2"}, n.znodes(), "the tree stands still")

	e.Heal()
	n.eventually(t, "the tree agrees", func() bool { return slices.Contains(n.znodes(), "10.0.0.3") })
	require.Equal(t, []string{"10.0.0.2", "10.0.0.3"}, n.shown())
	require.False(t, n.Pending())
}

func TestReleasedClientsInstancesStayUntilTheSessionEnds(t *testing.T) {
	synctest.Test(t, releasedClientsInstancesStayUntilTheSessionEnds)
}

func releasedClientsInstancesStayUntilTheSessionEnds(t *testing.T) {
	e := &engine{Fake: coretest.NewFake()}
	n := start(t, e, "n1")
	n.set(t, "c1", at("10.0.0.1"))
	session := e.opened()
	n.Release("c1")
	n.eventually(t, "the client is forgotten", func() bool { return n.Clients() == 0 })
	time.Sleep(20 * time.Millisecond)
	require.Equal(t, []string{"10.0.0.1"}, n.shown())
	require.True(t, e.Alive(session))
	touched := e.Touched(session)
	require.False(t, n.Alive("c1"))
	require.Equal(t, touched, e.Touched(session), "nobody keeps it alive any more")
	e.Expire(session)
	n.eventually(t, "it ends with its session", func() bool { return len(n.shown()) == 0 })
}

func TestRefusedRegistrationIsForgotten(t *testing.T) {
	synctest.Test(t, refusedRegistrationIsForgotten)
}

func refusedRegistrationIsForgotten(t *testing.T) {
	e := &engine{Fake: coretest.NewFake()}
	n := start(t, e, "n1")
	session, err := e.Fake.Open(t.Context(), core.SessionOptions{ACL: core.NodeACL()})
	require.NoError(t, err)
	svc := registry.Service{Key: shop, Explicit: true}
	_, err = store.New(session, nil).CreateService(t.Context(), &svc)
	require.NoError(t, err)
	_, _, err = n.Set(t.Context(), "c1", opt, shop, []registry.Instance{at("10.0.0.1")})
	require.ErrorIs(t, err, registry.ErrKind)
	require.False(t, n.Holds("c1", shop))
	require.Empty(t, n.shown())
}

func TestRefusedChangeLeavesWhatWasThere(t *testing.T) {
	synctest.Test(t, refusedChangeLeavesWhatWasThere)
}

func refusedChangeLeavesWhatWasThere(t *testing.T) {
	e := &engine{Fake: coretest.NewFake()}
	n := start(t, e, "n1")
	n.set(t, "c1", at("10.0.0.1"))
	e.mu.Lock()
	e.full = true
	e.mu.Unlock()
	_, _, err := n.Set(t.Context(), "c1", opt, shop, []registry.Instance{at("10.0.0.1"), at("10.0.0.2")})
	require.ErrorIs(t, err, core.QuotaExceeded)
	synctest.Wait()
	require.Equal(t, []string{"10.0.0.1"}, n.shown())
	require.Equal(t, []string{"10.0.0.1"}, n.znodes())
	require.Len(t, n.Services("c1")[shop], 1)
}

// TestWishesAndTreeConvergeWhateverHappens plays random histories: clients set
// and withdraw, end and are released, sessions expire, replies are lost, the
// engine is cut off, clients move between two nodes. When it is quiet again, both
// nodes show exactly what the living clients want, and the tree holds nothing
// else.
func TestWishesAndTreeConvergeWhateverHappens(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, seed) })
		})
	}
}

func play(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	lossRnd := rand.New(rand.NewPCG(seed, 11)) // used under the engine's lock only
	e := &engine{Fake: coretest.NewFake(), founds: seed%2 == 1}
	e.loses(func() (bool, bool) { p := lossRnd.IntN(100); return p < 10, p >= 10 && p < 20 })
	nodes := []*node{start(t, e, "a"), start(t, e, "b")}
	own := map[core.SessionID]bool{} // the nodes' sessions
	for _, id := range e.SessionIDs() {
		own[id] = true
	}

	describe := func(all []registry.Instance) []string {
		found := []string{}
		for _, i := range all {
			found = append(found, fmt.Sprintf("%s*%v", i.IP, i.Weight))
		}
		slices.Sort(found)
		return found
	}
	const clients = 6
	type state struct {
		id   string
		node *node
		want []registry.Instance
	}
	living := make([]*state, clients)
	serial := 0
	var calls sync.WaitGroup
	for range 150 {
		who := rnd.IntN(clients)
		c := living[who]
		switch p := rnd.IntN(100); {
		case c == nil:
			serial++
			living[who] = &state{id: fmt.Sprintf("c%d", serial), node: nodes[rnd.IntN(2)]}
		case p < 60:
			c.want = nil
			for k := range rnd.IntN(4) {
				i := at(fmt.Sprintf("10.0.%d.%d", who, k))
				i.Weight = float64(1 + rnd.IntN(3))
				c.want = append(c.want, i)
			}
			// Calls of one client are made in order, as a connection's are; this
			// one is only not waited for at length.
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(3000))*time.Millisecond)
			_, _, err := c.node.Set(ctx, c.id, opt, shop, c.want)
			cancel()
			if err != nil {
				t.Errorf("Set: %v", err)
			}
		case p < 70:
			c.node.End(c.id)
			living[who] = nil
		case p < 75: // the client goes to the other node and registers there anew
			c.node.Release(c.id)
			serial++
			other := nodes[0]
			if c.node == other {
				other = nodes[1]
			}
			moved := &state{id: fmt.Sprintf("c%d", serial), node: other, want: c.want}
			living[who] = moved
			calls.Go(func() {
				if _, _, err := moved.node.Set(t.Context(), moved.id, opt, shop, moved.want); err != nil {
					t.Errorf("Set: %v", err)
				}
			})
			calls.Wait()
		case p < 90:
			for _, id := range e.SessionIDs() {
				if !own[id] && rnd.IntN(3) == 0 {
					e.Expire(id)
				}
			}
		case p < 95:
			e.Partition()
		default:
			e.Heal()
		}
		if rnd.IntN(10) == 0 { // time enough for pauses and patience to end
			time.Sleep(time.Duration(rnd.IntN(4000)) * time.Millisecond)
		}
		synctest.Wait()
		for _, c := range living {
			if c != nil {
				c.node.Alive(c.id)
			}
		}
		// Whatever the engine does, a node shows what its clients want that are heard
		// of after it.
		synctest.Wait()
		for _, c := range living {
			if c == nil {
				continue
			}
			shown := describe(c.node.catalog.Instances(shop))
			for _, i := range describe(c.want) {
				require.Contains(t, shown, i, "client %s", c.id)
			}
		}
	}
	calls.Wait()
	e.Heal()
	e.loses(nil)

	want := []string{}
	for _, c := range living {
		if c != nil {
			for _, i := range c.want {
				want = append(want, fmt.Sprintf("%s*%v", i.IP, i.Weight))
			}
		}
	}
	slices.Sort(want)
	// Sessions of clients that left without an end are let lapse, as time would.
	held := func() map[core.SessionID]bool {
		ids := map[core.SessionID]bool{}
		for _, n := range nodes {
			for _, s := range n.Sessions() {
				ids[s] = true
			}
		}
		return ids
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		all := e.SessionIDs()
		ids := held()
		for _, c := range living {
			if c != nil {
				c.node.Alive(c.id)
			}
		}
		for _, id := range all {
			if !own[id] && !ids[id] {
				e.Expire(id)
			}
		}
		tree := []registry.Instance{}
		for _, entry := range nodes[0].catalog.All(shop) {
			tree = append(tree, entry.Instance)
		}
		a, b, z := describe(nodes[0].catalog.Instances(shop)), describe(nodes[1].catalog.Instances(shop)), describe(tree)
		if slices.Equal(a, want) && slices.Equal(b, want) && slices.Equal(z, want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("seed %d: no convergence\nwant %v\na    %v\nb    %v\ntree %v", seed, want, a, b, z)
		}
		time.Sleep(2 * time.Millisecond)
	}
	// What both nodes show at the same zxid has the same number everywhere.
	for _, n := range nodes {
		require.NoError(t, n.picture.Wait(t.Context(), e.Zxid()))
	}
}
