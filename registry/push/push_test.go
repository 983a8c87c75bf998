package push

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var shop = registry.NewServiceKey("", "", "shop")

// world is a catalog that a test fills, and a hub that runs.
type world struct {
	*Hub
	catalog *catalog.Catalog
	guard   *Guard
	zxid    core.Zxid
	paths   []string
}

func (w *world) Going([]catalog.Removed)            {}
func (w *world) Gone([]catalog.Removed)             {}
func (w *world) Covered([]catalog.Covered)          {}
func (w *world) Named([]registry.ServiceKey)        {}
func (w *world) Changed(keys []registry.ServiceKey) { w.Hub.Changed(keys) }

func start(t *testing.T) *world {
	t.Helper()
	w := &world{guard: NewGuard()}
	w.catalog = catalog.New(w, catalog.Plain)
	w.Hub = New(Config{Lookup: w.catalog.Lookup, Guard: w.guard, SubscriptionsPerClient: 3})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	svc := registry.Service{Key: shop, Ephemeral: true}
	w.apply(mirror.Change{Path: store.ServicePath(shop), New: &mirror.Node{Path: store.ServicePath(shop), Data: store.EncodeService(&svc), Stat: core.Stat{Ctime: 1}}})
	return w
}

func (w *world) apply(c ...mirror.Change) {
	w.zxid++
	for i := range c {
		c[i].Zxid = w.zxid
	}
	w.catalog.ApplyNaming(c, func(string) (*mirror.Node, bool) { return nil, false })
}

func (w *world) add() {
	n := len(w.paths)
	path := fmt.Sprintf("%s/DEFAULT~10.0.0.%d:80-e%010d", store.ServicePath(shop), n, n)
	r := store.Record{Instance: registry.Instance{Weight: 1, Enabled: true, Healthy: true}}
	w.apply(mirror.Change{Path: path, New: &mirror.Node{Path: path, Data: store.EncodeRecord(&r), Stat: core.Stat{Czxid: w.zxid + 1, EphemeralOwner: 1}}})
	w.paths = append(w.paths, path)
}

func (w *world) drop(n int) {
	var c []mirror.Change
	for _, path := range w.paths[len(w.paths)-n:] {
		c = append(c, mirror.Change{Path: path, Old: &mirror.Node{Path: path}})
	}
	w.paths = w.paths[:len(w.paths)-n]
	w.apply(c...)
}

// reader records what it gets and when. An acknowledgement takes it rtt.
type reader struct {
	mu     sync.Mutex
	rtt    time.Duration
	err    error
	closed bool
	got    []int // instances
	when   []time.Time
}

func (r *reader) Notify(ctx context.Context, v *catalog.View, _ string) error {
	r.mu.Lock()
	rtt, err := r.rtt, r.err
	r.got = append(r.got, len(v.Instances))
	r.when = append(r.when, time.Now())
	r.mu.Unlock()
	select {
	case <-time.After(rtt):
	case <-ctx.Done():
	}
	return err
}

func (r *reader) Closed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

func (r *reader) Close() { r.set(func() { r.closed = true }) }

func (r *reader) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *reader) lists() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]int(nil), r.got...)
}

func TestSingleChangesArePushedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := start(t), &reader{rtt: time.Millisecond}
		require.NoError(t, w.Subscribe("c", r, shop, ""))
		for n := range 20 {
			time.Sleep(time.Second)
			before := time.Now()
			w.add()
			synctest.Wait()
			require.Len(t, r.lists(), n+2)
			require.Equal(t, before, r.when[n+1], "without any pause")
		}
	})
}

func TestBurstIsMergedAndEndsWithTheLastList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := start(t), &reader{rtt: time.Millisecond}
		require.NoError(t, w.Subscribe("c", r, shop, ""))
		time.Sleep(time.Second)
		for range 200 { // in 200 ms
			w.add()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		got := r.lists()
		require.Equal(t, 1, got[1], "the first change waits for nobody")
		require.Equal(t, 200, got[len(got)-1])
		require.Less(t, len(got), 20, "%v", got)
	})
}

func TestChangesThatFollowEachPushWaitShortly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := start(t), &reader{rtt: time.Millisecond}
		require.NoError(t, w.Subscribe("c", r, shop, ""))
		time.Sleep(time.Second)
		for n := range 50 { // as a client that registers, waits for the list, registers, ...
			before := time.Now()
			w.add()
			for len(r.lists()) < n+2 {
				time.Sleep(time.Millisecond)
			}
			require.LessOrEqual(t, r.when[n+1].Sub(before), paceShort+r.rtt)
		}
	})
}

func TestPauseGrowsWithWhatAPushCosts(t *testing.T) {
	for _, c := range []struct {
		bytes, audience int
		want            time.Duration
	}{
		{1000, 1, paceShort},
		{300, 10_000, paceShort},
		{100_000, 100, 50 * time.Millisecond},
		{3_000_000, 10, 150 * time.Millisecond},
		{3_000_000, 1000, paceLong},
		{1 << 30, 1 << 20, paceLong},
	} {
		require.Equal(t, c.want, paceMax(c.bytes, c.audience), "%d bytes to %d", c.bytes, c.audience)
	}
}

func TestSlowSubscriberHoldsUpNobodyAndGetsOnlyTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, slow, quick := start(t), &reader{rtt: 2900 * time.Millisecond}, &reader{}
		require.NoError(t, w.Subscribe("slow", slow, shop, ""))
		require.NoError(t, w.Subscribe("quick", quick, shop, ""))
		for range 10 {
			time.Sleep(600 * time.Millisecond)
			w.add()
		}
		time.Sleep(10 * time.Second)
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, quick.lists())
		require.Equal(t, []int{0, 4, 9, 10}, slow.lists())
	})
}

func TestManyWhoNeverAcknowledgeHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, quick := start(t), &reader{rtt: time.Millisecond}
		for n := range 10_000 {
			dead := &reader{rtt: 5 * time.Second, err: errors.New("no acknowledgement")}
			require.NoError(t, w.Subscribe(fmt.Sprint("dead", n), dead, shop, ""))
		}
		require.NoError(t, w.Subscribe("quick", quick, shop, ""))
		for range 10 {
			time.Sleep(600 * time.Millisecond)
			before := time.Now()
			w.add()
			synctest.Wait()
			require.Equal(t, before, quick.when[len(quick.when)-1], "at once")
		}
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, quick.lists())
	})
}

func TestNothingIsPushedWhileItIsSwitchedOffAndWhatChangedAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, b := start(t), &reader{}, &reader{}
		require.NoError(t, w.Subscribe("a", a, shop, ""))
		time.Sleep(time.Second)
		w.Enable(false)
		require.NoError(t, w.Subscribe("b", b, shop, ""))
		w.add()
		w.add()
		time.Sleep(time.Minute)
		require.Equal(t, []int{0}, a.lists())
		require.Empty(t, b.lists())
		w.Enable(true)
		w.Enable(true)
		time.Sleep(time.Second)
		require.Equal(t, []int{0, 2}, a.lists())
		require.Equal(t, []int{2}, b.lists())
	})
}

func TestFailedPushIsRepeatedWithTheListOfThatMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := start(t), &reader{}
		require.NoError(t, w.Subscribe("c", r, shop, ""))
		synctest.Wait()
		r.set(func() { r.err = errors.New("no acknowledgement") })
		w.add()
		synctest.Wait()
		w.add()
		w.add()
		r.set(func() { r.err = nil })
		time.Sleep(5 * time.Second)
		require.Equal(t, []int{0, 1, 3}, r.lists())
		require.Equal(t, retryAfter, r.when[2].Sub(r.when[1]))
	})
}

func TestWhoNeverTakesAListIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, bad, good := start(t), &reader{}, &reader{}
		other := registry.NewServiceKey("", "", "other")
		for name, r := range map[string]*reader{"bad": bad, "good": good} {
			require.NoError(t, w.Subscribe(name, r, shop, ""))
			require.NoError(t, w.Subscribe(name, r, other, ""))
		}
		synctest.Wait()
		bad.set(func() { bad.err = errors.New("never") })
		for range attemptsMax - 2 {
			good.set(func() { good.err = errors.New("not now") })
			w.add()
			time.Sleep(retryAfter / 2)
			good.set(func() { good.err = nil })
			time.Sleep(retryAfter / 2)
		}
		require.False(t, bad.Closed())
		time.Sleep(10 * retryAfter)
		require.True(t, bad.Closed())
		require.False(t, good.Closed(), "it took some")
		after := len(bad.lists())
		w.add()
		time.Sleep(time.Hour)
		require.Len(t, bad.lists(), after)
		require.LessOrEqual(t, after, attemptsMax+10)
		require.Zero(t, w.Pending())
	})
}

// refusal is an acknowledgement that says no.
type refusal struct{}

func (refusal) Error() string { return "no" }
func (refusal) Refused() bool { return true }

func TestARefusedListIsLeftUntilItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := start(t), &reader{}
		require.NoError(t, w.Subscribe("r", r, shop, ""))
		synctest.Wait()
		r.set(func() { r.err = refusal{} })
		w.add()
		time.Sleep(time.Hour)
		require.False(t, r.Closed(), "it is there")
		require.Zero(t, w.Pending())
		before := len(r.lists())
		require.LessOrEqual(t, before, attemptsMax+2)
		r.set(func() { r.err = nil })
		time.Sleep(time.Hour)
		require.Len(t, r.lists(), before)
		w.add()
		time.Sleep(time.Second)
		require.Len(t, r.lists(), before+1)
	})
}

func TestWhoHasHisRightBackIsToldOfWhatChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := start(t), &reader{}
		require.NoError(t, w.Subscribe("r", r, shop, ""))
		synctest.Wait()
		r.set(func() { r.err = ErrNotAllowed })
		w.add()
		time.Sleep(time.Hour)
		synctest.Wait() // he asks again at full seconds
		require.False(t, r.Closed())
		require.Zero(t, w.Pending(), "nothing is under way")
		r.set(func() { r.err = nil })
		before := len(r.lists())
		time.Sleep(askAgainAfter + paceLong)
		require.Equal(t, []int{1}, r.lists()[before:])
		time.Sleep(time.Hour)
		require.Len(t, r.lists(), before+1)

		r.set(func() { r.err = ErrNotAllowed })
		w.add()
		time.Sleep(time.Minute)
		synctest.Wait()
		w.Drop("r")
		before = len(r.lists())
		time.Sleep(time.Minute)
		require.Len(t, r.lists(), before)
		require.Zero(t, w.Pending())
	})
}

func TestEndedSubscriptionsAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, b, c := start(t), &reader{}, &reader{}, &reader{}
		require.NoError(t, w.Subscribe("a", a, shop, ""))
		require.NoError(t, w.Subscribe("b", b, shop, ""))
		require.NoError(t, w.Subscribe("c", c, shop, ""))
		synctest.Wait()
		w.Unsubscribe("a", shop, "")
		w.Drop("b")
		c.set(func() { c.closed = true })
		w.add()
		time.Sleep(5 * time.Second)
		for _, r := range []*reader{a, b, c} {
			require.Equal(t, []int{0}, r.lists())
		}
		require.Equal(t, 1, w.Total())
	})
}

func TestOnePushFollowsTheFirstSubscriptionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := start(t), &reader{}
		for range 3 {
			require.NoError(t, w.Subscribe("c", r, shop, ""))
			time.Sleep(time.Second)
		}
		require.Equal(t, []int{0}, r.lists())
		require.NoError(t, w.Subscribe("c", r, shop, "A"))
		require.NoError(t, w.Subscribe("c", r, shop, "B"))
		require.ErrorIs(t, w.Subscribe("c", r, shop, "C"), registry.ErrLimit)
		require.Len(t, w.Subscribers(shop), 3)
	})
}

func TestChangeThatDoesNotShowIsNotPushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := start(t), &reader{}
		require.NoError(t, w.Subscribe("c", r, shop, "OTHER"))
		synctest.Wait()
		w.add()
		time.Sleep(time.Second)
		require.Equal(t, []int{0}, r.lists(), "it asked for another cluster")
	})
}

func TestListThatShrinksDuringOwnTroubleIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := start(t), &reader{}
		require.NoError(t, w.Subscribe("c", r, shop, ""))
		for range 9 {
			w.add()
		}
		time.Sleep(time.Second)
		w.guard.Trouble(time.Now())
		lose := func(n int) {
			w.guard.Lost(shop, n, len(w.paths)-n, time.Now())
			w.drop(n)
			time.Sleep(time.Second)
		}
		lose(3)
		require.Equal(t, 6, r.lists()[len(r.lists())-1], "a third may go")
		lose(1)
		lose(1)
		require.Equal(t, 6, r.lists()[len(r.lists())-1], "more is held back")
		require.Equal(t, 1, w.guard.Holding())
		time.Sleep(holdFor)
		require.Equal(t, 4, r.lists()[len(r.lists())-1], "until it must be true")
		require.Zero(t, w.guard.Holding())
	})
}

func TestHeldListThatRecoversIsPushedAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := start(t), &reader{}
		require.NoError(t, w.Subscribe("c", r, shop, ""))
		for range 6 {
			w.add()
		}
		time.Sleep(time.Second)
		w.guard.Trouble(time.Now())
		w.guard.Lost(shop, 5, 1, time.Now())
		w.drop(5)
		time.Sleep(time.Second)
		for range 5 {
			w.add()
			time.Sleep(time.Second)
		}
		for _, n := range r.lists()[1:] {
			require.Positive(t, n)
		}
		got := r.lists()
		require.Equal(t, 6, got[len(got)-1])
		require.NotContains(t, got[len(got)-3:], 1)
		require.Zero(t, w.guard.Holding())
	})
}

func TestGuardTable(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		name             string
		troubleAgo       time.Duration
		before, lost     int
		secondLossBehind time.Duration // half of the losses come this much later; 0: all at once
		held             bool
	}{
		{"more than a third, in trouble", time.Second, 9, 4, 0, true},
		{"a third", time.Second, 9, 3, 0, false},
		{"two of three are too few to tell", time.Second, 3, 2, 0, false},
		{"three of three", time.Second, 3, 3, 0, true},
		{"without trouble", time.Hour, 9, 9, 0, false},
		{"trouble just within its window", 30 * time.Second, 9, 9, 0, true},
		{"slow losses", time.Second, 8, 4, 11 * time.Second, false},
		{"losses within the window add up", time.Second, 8, 4, 9 * time.Second, true},
	} {
		g := NewGuard()
		g.Trouble(now.Add(-c.troubleAgo))
		at, left := now, c.before-c.lost
		if c.secondLossBehind > 0 {
			g.Lost(shop, c.lost/2, c.before-c.lost/2, now)
			at = now.Add(c.secondLossBehind)
			g.Lost(shop, c.lost-c.lost/2, left, at)
		} else {
			g.Lost(shop, c.lost, left, now)
		}
		require.Equal(t, c.held, g.Held(shop, left, at), c.name)
	}
}

// BenchmarkFanOut is one change pushed to many subscribers on this node.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("subscribers=%d", n), func(b *testing.B) {
			var wg sync.WaitGroup
			h := New(Config{Guard: NewGuard(), SubscriptionsPerClient: 1, Lookup: func(k registry.ServiceKey, _ registry.Filter) *catalog.View {
				return &catalog.View{Key: k, LastRefTime: time.Now().UnixNano()}
			}})
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = h.Run(ctx) }()
			wg.Add(n)
			for i := range n {
				if err := h.Subscribe(fmt.Sprint(i), counter{&wg}, shop, ""); err != nil {
					b.Fatal(err)
				}
			}
			wg.Wait()
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				time.Sleep(calm + 20*time.Millisecond)
				wg.Add(n)
				b.StartTimer()
				h.Changed([]registry.ServiceKey{shop})
				wg.Wait()
			}
			cancel()
			<-done
		})
	}
}

type counter struct{ wg *sync.WaitGroup }

func (c counter) Notify(context.Context, *catalog.View, string) error { c.wg.Done(); return nil }
func (c counter) Closed() bool                                        { return false }
func (c counter) Close()                                              {}

// taker acknowledges at once, and keeps nothing.
type taker struct {
	mu    sync.Mutex
	taken []weak.Pointer[catalog.View]
}

func (r *taker) Notify(_ context.Context, v *catalog.View, _ string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken = append(r.taken, weak.Make(v))
	return nil
}

func (*taker) Closed() bool { return false }

func (*taker) Close() {}

// TestWhoSubscribesKeepsNoListsInMemory: a client who names ever other clusters has a list
// made for each. It may have some, and none is kept for it.
func TestWhoSubscribesKeepsNoListsInMemory(t *testing.T) {
	w := start(t)
	w.cfg.SubscriptionsPerClient = 1_000
	w.add()
	r := &taker{}
	subscribe := func(client string, i int) error {
		return w.Subscribe(client, r, shop, fmt.Sprintf("DEFAULT,x%d", i))
	}
	for i := range listsMax {
		require.NoError(t, subscribe("greedy", i))
	}
	require.ErrorIs(t, subscribe("greedy", listsMax), registry.ErrLimit)
	require.NoError(t, subscribe("greedy", 0), "one that it has")
	require.NoError(t, w.Subscribe("greedy", r, shop, ""))
	require.NoError(t, subscribe("other", listsMax))
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.taken) == listsMax+2 && w.Pending() == 0
	}, time.Minute, time.Millisecond)
	w.Enable(false)
	w.add()
	w.catalog.Lookup(shop, registry.Filter{})
	for i := range 100 { // the catalog keeps what it has shown last
		w.catalog.Lookup(shop, registry.Filter{Clusters: []string{fmt.Sprint("other", i)}})
	}
	// What has pushed a list may still have it on its stack when it is through.
	require.Eventually(t, func() bool {
		runtime.GC()
		return !slices.ContainsFunc(r.taken, func(v weak.Pointer[catalog.View]) bool { return v.Value() != nil })
	}, time.Minute, 10*time.Millisecond)
	w.Unsubscribe("greedy", shop, "DEFAULT,x1")
	require.NoError(t, subscribe("greedy", listsMax), "there is room again")
	w.Drop("greedy")
	w.Drop("other")
	require.Empty(t, w.mu.lists)
}
