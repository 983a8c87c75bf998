package lasting_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/lasting"
	"github.com/zensus-io/zensus/core/mirror"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a Client on an engine.
func start(t testing.TB, cfg lasting.Config) *lasting.Client {
	t.Helper()
	c, err := lasting.New(t.Context(), cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		_ = c.Close()
	})
	return c
}

func on(f *coretest.Fake) func(context.Context) (core.Client, error) {
	return func(ctx context.Context) (core.Client, error) {
		return f.Open(ctx, core.SessionOptions{Timeout: time.Minute})
	}
}

func TestAClientConforms(t *testing.T) {
	coretest.Run(t, func(*testing.T) coretest.Harness {
		f := coretest.NewFake()
		return coretest.Harness{Open: func(t testing.TB, timeout time.Duration) core.Client {
			return start(t, lasting.Config{Open: func(ctx context.Context) (core.Client, error) {
				return f.Open(ctx, core.SessionOptions{Timeout: timeout})
			}})
		}}
	})
}

func TestASessionThatEndedIsReplacedAndItsWatchesBeginAnew(t *testing.T) {
	f := coretest.NewFake()
	var troubles atomic.Int64
	c := start(t, lasting.Config{Open: on(f), OnTrouble: func() { troubles.Add(1) }})
	_, _, err := c.Create(t.Context(), "/a", []byte("1"), core.CreateOptions{})
	require.NoError(t, err)
	m, err := mirror.New(mirror.Config{Client: c, Root: "/a"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	<-m.Ready()
	first := c.Session().ID

	f.Expire(first)
	st, err := c.Set(t.Context(), "/a", []byte("2"), core.AnyVersion)
	require.NoError(t, err)
	require.NotEqual(t, first, c.Session().ID)
	require.Positive(t, troubles.Load())
	require.NoError(t, m.Wait(t.Context(), st.Mzxid))
	n, ok := m.Get("/a")
	require.True(t, ok)
	require.Equal(t, "2", string(n.Data))

	// Nobody calls: the watch notices by itself.
	f.Expire(c.Session().ID)
	other, err := f.Open(t.Context(), core.SessionOptions{Timeout: time.Minute})
	require.NoError(t, err)
	st, err = other.Set(t.Context(), "/a", []byte("3"), core.AnyVersion)
	require.NoError(t, err)
	require.NoError(t, m.Wait(t.Context(), st.Mzxid))
	require.Equal(t, 2, len(f.SessionIDs()), "one of the two is the other's")
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// engine is a session that can be without a quorum, as one in process is.
type engine struct {
	core.Client
	alone  *atomic.Bool
	silent *atomic.Bool // and does not know it
}

func (e engine) Connected() bool { return !e.alone.Load() }

func (e engine) check(ctx context.Context) error {
	if e.silent.Load() {
		<-ctx.Done()
		return core.OperationTimeout
	}
	if e.alone.Load() {
		return core.NotReadOnly
	}
	return nil
}

func (e engine) Set(ctx context.Context, path string, data []byte, version int32) (core.Stat, error) {
	if err := e.check(ctx); err != nil {
		return core.Stat{}, err
	}
	return e.Client.Set(ctx, path, data, version)
}

func (e engine) Sync(ctx context.Context, path string) (core.Zxid, error) {
	if err := e.check(ctx); err != nil {
		return 0, err
	}
	return e.Client.Sync(ctx, path)
}

func TestWhatNeedsAQuorumWaitsForAMomentAndIsThenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := coretest.NewFake()
		var alone, silent atomic.Bool
		c := start(t, lasting.Config{Patience: 300 * time.Millisecond, Open: func(ctx context.Context) (core.Client, error) {
			s, err := on(f)(ctx)
			return engine{s, &alone, &silent}, err
		}})
		_, _, err := c.Create(t.Context(), "/a", []byte("1"), core.CreateOptions{})
		require.NoError(t, err)

		alone.Store(true)
		time.AfterFunc(50*time.Millisecond, func() { alone.Store(false) })
		_, err = c.Set(t.Context(), "/a", []byte("2"), core.AnyVersion)
		require.NoError(t, err, "an election is waited for")

		alone.Store(true)
		began := time.Now()
		_, err = c.Set(t.Context(), "/a", []byte("3"), core.AnyVersion)
		require.ErrorIs(t, err, core.NotReadOnly)
		require.False(t, core.IsUnknownOutcome(err))
		require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)
		require.False(t, c.Connected())
		data, _, err := c.Get(t.Context(), "/a")
		require.NoError(t, err, "what is here can be read")
		require.Equal(t, "2", string(data))
		began = time.Now()
		_, err = c.Sync(t.Context(), "/a")
		require.ErrorIs(t, err, core.NotReadOnly)
		require.Less(t, time.Since(began), 200*time.Millisecond, "it is known by now")

		alone.Store(false)
		_, err = c.Set(t.Context(), "/a", []byte("4"), core.AnyVersion)
		require.NoError(t, err)
		require.True(t, c.Connected())
	})
}

func TestAQuorumThatIsSilentlyGoneIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := coretest.NewFake()
		var alone, silent atomic.Bool
		troubles := make(chan struct{}, 16)
		c := start(t, lasting.Config{
			Probe: true, Patience: 50 * time.Millisecond, CallTime: 100 * time.Millisecond,
			OnTrouble: func() { troubles <- struct{}{} },
			Open: func(ctx context.Context) (core.Client, error) {
				s, err := on(f)(ctx)
				return engine{s, &alone, &silent}, err
			},
		})
		_, _, err := c.Create(t.Context(), "/a", nil, core.CreateOptions{})
		require.NoError(t, err)
		silent.Store(true)
		_, err = c.Set(t.Context(), "/a", nil, core.AnyVersion)
		require.True(t, core.IsUnknownOutcome(err), "it was sent: %v", err)
		<-troubles
		require.False(t, c.Connected())
		require.Eventually(t, func() bool {
			_, err = c.Set(t.Context(), "/a", nil, core.AnyVersion)
			return !core.IsUnknownOutcome(err)
		}, 5*time.Second, 10*time.Millisecond)
		require.ErrorIs(t, err, core.NotReadOnly, "nothing is sent any more")
		silent.Store(false)
		<-troubles
		require.True(t, c.Connected())
		_, err = c.Set(t.Context(), "/a", nil, core.AnyVersion)
		require.NoError(t, err)
	})
}

func TestAClosedClientOpensNothing(t *testing.T) {
	f := coretest.NewFake()
	c, err := lasting.New(t.Context(), lasting.Config{Open: on(f)})
	require.NoError(t, err)
	w, err := c.Watch(t.Context(), "/", core.WatchTree)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	_, _, err = c.Get(t.Context(), "/")
	require.ErrorIs(t, err, core.ErrClosed)
	_, err = w.Next(t.Context())
	require.True(t, core.IsSessionOver(err), "%v", err)
	require.Empty(t, f.SessionIDs())
}
