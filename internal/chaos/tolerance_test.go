package chaos

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

// writer sets a znode of its own to 1, 2, 3 and so on, one write after the other, at
// one server or several.
type writer struct {
	t    *testing.T
	path string
	done chan struct{}
	stop context.CancelFunc

	acked   atomic.Int64 // the last number of which the server said that it is there
	failed  atomic.Int64 // writes that were not acknowledged
	longest atomic.Int64 // nanoseconds that one took since the last look
}

func startWriter(t *testing.T, path string, servers ...*testkit.Server) *writer {
	t.Helper()
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.ZooKeeper)
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &writer{t: t, path: path, done: make(chan struct{}), stop: stop}
	dialing, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c, err := zkclient.Dial(dialing, addrs, zkclient.Options{Timeout: 20 * time.Second})
	require.NoError(t, err)
	_, _, err = c.Create(dialing, path, []byte("0"), core.CreateOptions{})
	require.NoError(t, err)
	go func() {
		defer close(w.done)
		defer c.Close()
		for n := int64(1); ctx.Err() == nil; n++ {
			began := time.Now()
			_, err := c.Set(ctx, path, strconv.AppendInt(nil, n, 10), core.AnyVersion)
			took := time.Since(began).Nanoseconds()
			w.longest.Store(max(took, w.longest.Load()))
			switch {
			case err == nil:
				w.acked.Store(n)
			case core.IsSessionOver(err):
				if ctx.Err() == nil {
					t.Errorf("%s: %v", path, err)
				}
				return
			case ctx.Err() == nil:
				w.failed.Add(1)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	t.Cleanup(w.end)
	return w
}

func (w *writer) end() {
	w.stop()
	<-w.done
}

// goesOn waits until writes that begin from now on are acknowledged.
func (w *writer) goesOn() {
	w.t.Helper()
	from := w.acked.Load()
	require.Eventually(w.t, func() bool { return w.acked.Load() > from+10 }, 20*time.Second, time.Millisecond, "%s: nothing is written any more", w.path)
}

// holds asks a server whether what was acknowledged is there.
func (w *writer) holds(s *testkit.Server) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	acked := w.acked.Load()
	c, err := zkclient.Dial(ctx, []string{s.ZooKeeper}, zkclient.Options{})
	require.NoError(w.t, err)
	defer c.Close()
	_, err = c.Sync(ctx, w.path)
	require.NoError(w.t, err)
	data, _, err := c.Get(ctx, w.path)
	require.NoError(w.t, err)
	n, err := strconv.ParseInt(string(data), 10, 64)
	require.NoError(w.t, err)
	require.GreaterOrEqual(w.t, n, acked, "an acknowledged write is lost")
}

// Of so many voters so many may fail, the leader among them, and not one more.
func TestEnsemblesOutliveAsManyAsTheyTolerate(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs several servers")
	}
	for _, tt := range []struct{ voters, tolerates int }{{3, 1}, {4, 1}, {5, 2}} {
		t.Run(fmt.Sprintf("%d tolerate %d", tt.voters, tt.tolerates), func(t *testing.T) {
			all := testkit.StartEnsemble(t, testkit.Options{Alone: true}, tt.voters, 0)
			var doomed, others []*testkit.Server
			for _, s := range all {
				if s.Role() == "leader" {
					doomed = append([]*testkit.Server{s}, doomed...)
				} else {
					others = append(others, s)
				}
			}
			require.Len(t, doomed, 1, "one leads")
			doomed = append(doomed, others[:tt.tolerates]...) // one more than is tolerated
			others = others[tt.tolerates:]
			w := startWriter(t, "/writes", others...)
			w.goesOn()
			for _, s := range doomed[:tt.tolerates] {
				s.Kill()
			}
			w.goesOn()
			for _, s := range others {
				w.holds(s)
			}
			last := doomed[tt.tolerates]
			last.Kill()
			require.Eventually(t, func() bool { // what was on its way has come
				return !slices.ContainsFunc(others, func(s *testkit.Server) bool { return s.Role() != "" })
			}, 20*time.Second, 20*time.Millisecond, "somebody serves without a quorum")
			time.Sleep(100 * time.Millisecond)
			acked := w.acked.Load()
			time.Sleep(2 * time.Second)
			require.Equal(t, acked, w.acked.Load(), "a write was acknowledged without a quorum")
			last.Restart()
			w.goesOn()
			for _, s := range doomed[:tt.tolerates] {
				s.Restart()
			}
			w.end()
			for _, s := range all {
				w.holds(s)
			}
		})
	}
}

// longestWait is less than what it would take to notice that an observer says nothing
// any more: ten ticks of half a second.
const longestWait = 4 * time.Second

// No write fails or waits because of observers, whether they die or stand still.
func TestObserversDisturbNoWrite(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs several servers")
	}
	const voters = 3
	all := testkit.StartEnsemble(t, testkit.Options{Alone: true}, voters, 2)
	observers := all[voters:]
	var writers []*writer
	for i, s := range all[:voters] {
		for n := range 2 {
			writers = append(writers, startWriter(t, fmt.Sprintf("/writes-%d-%d", i, n), s))
		}
	}
	throughObserver := startWriter(t, "/through-an-observer", observers...)
	undisturbed := func(what string, length time.Duration, do func(*testkit.Server)) {
		t.Helper()
		for _, w := range writers {
			w.goesOn()
			w.longest.Store(0)
		}
		var at sync.WaitGroup
		for _, s := range observers {
			at.Go(func() { do(s) })
		}
		at.Wait()
		time.Sleep(length)
		for _, w := range writers {
			w.goesOn()
			require.Zero(t, w.failed.Load(), "%s: %s: a write failed", what, w.path)
			require.Less(t, time.Duration(w.longest.Load()), longestWait, "%s: %s: a write waited", what, w.path)
		}
	}
	undisturbed("killed", time.Second, (*testkit.Server).Kill)
	undisturbed("started again", time.Second, (*testkit.Server).Restart)
	throughObserver.goesOn()
	undisturbed("stopped", 3*time.Second, func(s *testkit.Server) { s.Signal(syscall.SIGSTOP) })
	undisturbed("going on", time.Second, func(s *testkit.Server) { s.Signal(syscall.SIGCONT) })
	throughObserver.goesOn()
	for _, w := range append(writers, throughObserver) {
		w.end()
		for _, s := range all {
			w.holds(s)
		}
	}
}
