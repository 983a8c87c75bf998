package health

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var shop = registry.NewServiceKey("", "", "shop")

// leases remembers what is wanted, as lease.Manager does.
type leases struct {
	mu      sync.Mutex
	want    map[string][]registry.Instance
	timeout map[string]time.Duration
	alive   int
	short   atomic.Bool // sessions are shorter than was asked for
	kept    atomic.Int64
	setting chan struct{} // holds a Set up, if there is one
	refuse  error         // what Set says
	ended   int
	alone   atomic.Bool // the node is
	off     atomic.Bool // silence counts for nothing
}

func (l *leases) Set(_ context.Context, id string, opt lease.Options, _ registry.ServiceKey, instances []registry.Instance) (core.Zxid, bool, error) {
	if l.setting != nil {
		l.setting <- struct{}{}
		l.setting <- struct{}{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return 0, false, l.refuse
	}
	if len(instances) == 0 {
		delete(l.want, id)
	} else {
		l.want[id], l.timeout[id] = instances, opt.Timeout
	}
	return 1, false, nil
}

func (l *leases) Amend(id string, _ registry.ServiceKey, instances []registry.Instance) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.want[id] != nil {
		l.want[id] = instances
	}
	return nil
}

func (l *leases) Alive(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alive++
	return l.want[id] != nil
}

func (l *leases) Sustain(string) bool {
	l.kept.Add(1)
	return l.short.Load()
}

func (l *leases) Holds(id string, _ registry.ServiceKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.want[id] != nil
}

// signs are how many signs of life there were.
func (l *leases) signs() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.alive
}

func (l *leases) End(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.want, id)
	l.ended++
}

func (l *leases) state(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch w := l.want[id]; {
	case w == nil:
		return "gone"
	case w[0].Healthy:
		return "healthy"
	}
	return "sick"
}

func start(t *testing.T) (*Beats, *leases, *time.Duration) {
	t.Helper()
	l := &leases{want: map[string][]registry.Instance{}, timeout: map[string]time.Duration{}}
	var stalled time.Duration
	b := New(BeatsConfig{Leases: l, Stalled: func(d time.Duration) { stalled += d }, Alone: l.alone.Load, Off: l.off.Load})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return b, l, &stalled
}

func at(port int, metadata map[string]string) registry.Instance {
	return registry.Instance{IP: "10.0.0.1", Port: port, Cluster: "DEFAULT", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true, Metadata: metadata}
}

func TestSilenceMakesSickAfter15sAndRemovesAfter30s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, l, stalled := start(t)
		i := at(80, nil)
		id := clientID(shop, i.IP, i.Port)
		_, _, err := b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		require.Equal(t, 32*time.Second, l.timeout[id])
		for range 10 {
			time.Sleep(5 * time.Second)
			require.True(t, b.Beat(shop, i.Key()))
			require.Equal(t, "healthy", l.state(id))
		}
		time.Sleep(14900 * time.Millisecond)
		require.Equal(t, "healthy", l.state(id))
		time.Sleep(700 * time.Millisecond)
		require.Equal(t, "sick", l.state(id))
		require.True(t, b.Beat(shop, i.Key()), "one beat makes it well")
		require.Equal(t, "healthy", l.state(id))
		time.Sleep(29900 * time.Millisecond)
		require.Equal(t, "sick", l.state(id))
		time.Sleep(700 * time.Millisecond)
		require.Equal(t, "gone", l.state(id))
		require.Zero(t, b.Watched())
		require.False(t, b.Beat(shop, i.Key()))
		require.Zero(t, *stalled)
	})
}

func TestTimeoutsComeFromTheInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, l, _ := start(t)
		i := at(80, map[string]string{registry.MetaBeatInterval: "500", registry.MetaBeatTimeout: "1000", registry.MetaDeleteTimeout: "2000"})
		_, _, err := b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		id := clientID(shop, i.IP, i.Port)
		time.Sleep(1600 * time.Millisecond)
		require.Equal(t, "sick", l.state(id))
		time.Sleep(time.Second)
		require.Equal(t, "gone", l.state(id))
	})
}

// A client that registered again with a longer delete timeout lost its instance after the
// shorter one, when its session ended.
func TestASessionThatIsTooShortIsKeptUpWhileItsInstanceMayBeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, l, _ := start(t)
		l.short.Store(true)
		i := at(80, map[string]string{registry.MetaDeleteTimeout: "300000"})
		_, _, err := b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		time.Sleep(299 * time.Second)
		require.Equal(t, "sick", l.state(clientID(shop, i.IP, i.Port)))
		require.Zero(t, l.signs(), "silence is no sign of life")
		require.Greater(t, l.kept.Load(), int64(299))
		time.Sleep(2 * time.Second)
		require.Equal(t, "gone", l.state(clientID(shop, i.IP, i.Port)))
		kept := l.kept.Load()
		time.Sleep(time.Minute)
		require.Equal(t, kept, l.kept.Load())

		l.short.Store(false)
		_, _, err = b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Equal(t, kept+1, l.kept.Load(), "it is long enough")

		l.short.Store(true) // as far as is known: it is still to be opened
		_, _, err = b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		l.short.Store(false)
		time.Sleep(time.Second)
		kept = l.kept.Load()
		time.Sleep(time.Minute)
		require.Equal(t, kept, l.kept.Load())
	})
}

func TestInstanceWithoutClientBeatIsNotWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, l, _ := start(t)
		i := at(80, map[string]string{"enableClientBeat": "false"})
		_, _, err := b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.Equal(t, "healthy", l.state(clientID(shop, i.IP, i.Port)))
		require.Greater(t, l.signs(), 1000, "its session is kept alive, which nobody else does")
	})
}

func TestSilenceCountsForNothingWhileHealthChecksAreSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, l, _ := start(t)
		i := at(80, nil)
		_, _, err := b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		l.off.Store(true)
		time.Sleep(time.Hour)
		require.Equal(t, "healthy", l.state(clientID(shop, i.IP, i.Port)))
		require.Greater(t, l.signs(), 1000)
		l.off.Store(false)
		time.Sleep(14 * time.Second)
		require.Equal(t, "healthy", l.state(clientID(shop, i.IP, i.Port)))
		time.Sleep(2 * time.Second)
		require.Equal(t, "sick", l.state(clientID(shop, i.IP, i.Port)))
	})
}

func TestSameAddressInAnotherClusterReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, _ := start(t)
		i := at(80, nil)
		_, _, err := b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		j := i
		j.Cluster = "OTHER"
		_, _, err = b.Register(t.Context(), shop, j)
		require.NoError(t, err)
		require.Equal(t, 1, b.Watched())
		require.False(t, b.Beat(shop, i.Key()))
		require.True(t, b.Beat(shop, j.Key()))
		_, known, err := b.Deregister(t.Context(), shop, i.Key())
		require.NoError(t, err)
		require.False(t, known)
		_, known, err = b.Deregister(t.Context(), shop, j.Key())
		require.NoError(t, err)
		require.True(t, known)
		require.Zero(t, b.Watched())
	})
}

func TestInstanceDeletedBySomebodyIsRegisteredByItsNextBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, l, _ := start(t)
		i := at(80, nil)
		_, _, err := b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		l.End(clientID(shop, i.IP, i.Port))
		require.False(t, b.Beat(shop, i.Key()), "so that the caller registers it")
		require.Zero(t, b.Watched())
	})
}

func TestWhoIsHeardOfInTimeIsNotEnded(t *testing.T) {
	l := &leases{want: map[string][]registry.Instance{}, timeout: map[string]time.Duration{}}
	b := New(BeatsConfig{Leases: l})
	i := at(80, nil)
	id := clientID(shop, i.IP, i.Port)
	_, _, err := b.Register(t.Context(), shop, i)
	require.NoError(t, err)
	silent := b.mu.watched[id]
	silent.last = silent.last.Add(-time.Minute)

	// It beats after a look has found it silent.
	require.True(t, b.Beat(shop, i.Key()))
	require.False(t, b.forget(id, silent, i.DeleteTimeout()))
	b.mark(silent, true)
	require.Equal(t, "healthy", l.state(id))

	// It is being registered again, and then has been.
	silent.last = silent.last.Add(-time.Minute)
	l.setting = make(chan struct{})
	done := make(chan error)
	go func() {
		_, _, err := b.Register(t.Context(), shop, i)
		done <- err
	}()
	<-l.setting
	require.False(t, b.forget(id, silent, i.DeleteTimeout()))
	<-l.setting
	require.NoError(t, <-done)
	require.False(t, b.forget(id, silent, i.DeleteTimeout()))
	require.Equal(t, "healthy", l.state(id))

	w := b.mu.watched[id]
	w.last = w.last.Add(-time.Minute)
	require.True(t, b.forget(id, w, i.DeleteTimeout()))
	require.Equal(t, "gone", l.state(id))
	require.Empty(t, b.mu.registering)
}

func TestRefusedRegistrationLeavesNothing(t *testing.T) {
	l := &leases{want: map[string][]registry.Instance{}, timeout: map[string]time.Duration{}}
	b := New(BeatsConfig{Leases: l})
	i := at(80, nil)
	l.refuse = registry.ErrLimit
	_, _, err := b.Register(t.Context(), shop, i)
	require.ErrorIs(t, err, registry.ErrLimit)
	require.Equal(t, 1, l.ended)
	l.refuse = nil
	_, _, err = b.Register(t.Context(), shop, i)
	require.NoError(t, err)
	l.refuse = registry.ErrLimit
	_, _, err = b.Register(t.Context(), shop, i)
	require.ErrorIs(t, err, registry.ErrLimit)
	require.Equal(t, 1, l.ended, "what was there before stays")
}

func TestRegistrationOutlivesADeregistrationBeforeIt(t *testing.T) {
	l := &leases{want: map[string][]registry.Instance{}, timeout: map[string]time.Duration{}}
	b := New(BeatsConfig{Leases: l})
	i := at(80, nil)
	_, _, err := b.Register(t.Context(), shop, i)
	require.NoError(t, err)
	l.setting = make(chan struct{})
	gone := make(chan error)
	go func() {
		_, _, err := b.Deregister(t.Context(), shop, i.Key())
		gone <- err
	}()
	<-l.setting // the withdrawal is under way, and a registration overtakes it
	b.mu.Lock()
	b.mu.registering[clientID(shop, i.IP, i.Port)]++
	b.mu.Unlock()
	<-l.setting
	require.NoError(t, <-gone)
	require.Zero(t, l.ended)
}

func TestNodeThatStoodStillAccusesNobody(t *testing.T) {
	b := New(BeatsConfig{Leases: &leases{want: map[string][]registry.Instance{}, timeout: map[string]time.Duration{}}})
	i := at(80, nil)
	_, _, err := b.Register(t.Context(), shop, i)
	require.NoError(t, err)
	w := b.mu.watched[clientID(shop, i.IP, i.Port)]
	w.last = w.last.Add(-40 * time.Second) // the beats of the last 40 s sit in a socket
	b.forgive(40 * time.Second)
	b.look(time.Now())
	require.Equal(t, 1, b.Watched())
	require.False(t, w.sick)
	require.False(t, w.last.After(time.Now()))
}

func TestNobodysSilenceCountsWhileTheNodeIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, l, _ := start(t)
		i := at(80, nil)
		id := clientID(shop, i.IP, i.Port)
		_, _, err := b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		l.alone.Store(true)
		time.Sleep(10 * time.Minute)
		require.Equal(t, "healthy", l.state(id))
		l.alone.Store(false)
		time.Sleep(4 * time.Second)
		require.Equal(t, "healthy", l.state(id))
		time.Sleep(2 * time.Second)
		require.Equal(t, "sick", l.state(id), "after fifteen seconds that count")
	})
}

func TestRandomBeatsWithinTheirTimeoutNeverFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, l, _ := start(t)
		i := at(80, nil)
		_, _, err := b.Register(t.Context(), shop, i)
		require.NoError(t, err)
		for n := range 200 {
			time.Sleep(time.Duration(4500+n*37%9000) * time.Millisecond) // 0.3 to 0.9 of the timeout
			require.Equal(t, "healthy", l.state(clientID(shop, i.IP, i.Port)))
			require.True(t, b.Beat(shop, i.Key()))
		}
	})
}
