package node_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/zab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run starts a node on dir and stops it with the test, or earlier by the function returned.
func run(t *testing.T, dir string) (*node.Node, func()) {
	t.Helper()
	n, err := node.New(node.Config{
		Replica: replica.Config{
			Zab:    zab.Config{Self: 1, Voters: []core.PeerID{1}},
			State:  state.Config{TTLNodes: true},
			Secret: []byte("a secret of this test"),
		},
		Storage: storage.Options{Dir: dir, SegmentBytes: 1 << 20, BallastBytes: -1, LowWaterBytes: -1},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(stop)
	select {
	case <-n.Serving():
	case <-time.After(patience):
		t.Fatal("not serving")
	}
	return n, stop
}

func TestClientInProcessReadsItsWritesAndKeepsThemOverARestart(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	n, stop := run(t, dir)
	c, err := n.Open(ctx, core.SessionOptions{Timeout: time.Minute})
	require.NoError(t, err)
	path, st, err := c.Create(ctx, "/a", []byte("one"), core.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, "/a", path)
	require.NotZero(t, st.Czxid)
	_, err = c.Set(ctx, "/a", []byte("two"), 0)
	require.NoError(t, err)
	_, err = c.Set(ctx, "/a", []byte("three"), 0)
	require.ErrorIs(t, err, core.BadVersion)
	info := c.Session()
	stop()
	_, _, err = c.Get(ctx, "/a")
	require.Error(t, err)

	n, _ = run(t, dir)
	c, err = n.Resume(ctx, info.ID, info.Password)
	require.NoError(t, err)
	data, _, err := c.Get(ctx, "/a")
	require.NoError(t, err)
	require.Equal(t, "two", string(data))
	require.NoError(t, c.Close())
	_, err = n.Resume(ctx, info.ID, info.Password)
	require.ErrorIs(t, err, core.SessionExpired)
}

// The log has several segments and no snapshot yet: it is applied while it is read.
func TestALongLogIsAllThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	data := make([]byte, 2<<10)
	const znodes = 1000
	for start := range 3 {
		n, stop := run(t, dir)
		c, err := n.Open(t.Context(), core.SessionOptions{Timeout: time.Minute})
		require.NoError(t, err)
		for i := range start * znodes {
			got, st, err := c.Get(t.Context(), fmt.Sprintf("/%d", i))
			require.NoError(t, err)
			require.Len(t, got, len(data))
			require.EqualValues(t, 1, st.Version)
		}
		for i := range znodes {
			path := fmt.Sprintf("/%d", start*znodes+i)
			_, _, err := c.Create(t.Context(), path, nil, core.CreateOptions{})
			require.NoError(t, err)
			_, err = c.Set(t.Context(), path, data, 0)
			require.NoError(t, err)
		}
		stop()
	}
}

func TestASessionThatBeginsWithAMultiIsKeptOverARestart(t *testing.T) {
	dir := t.TempDir()
	n, stop := run(t, dir)
	op := core.CreateOp{Path: "/a", Data: []byte("one"), Options: core.CreateOptions{Mode: core.Ephemeral}}
	c, results, zxid, err := n.OpenMulti(t.Context(), core.SessionOptions{Timeout: time.Minute}, op)
	require.NoError(t, err)
	require.Equal(t, "/a", results[0].Path)
	info := c.Session()
	stop()
	_, _, _, err = n.OpenMulti(context.Background(), core.SessionOptions{Timeout: time.Minute}, op)
	require.ErrorIs(t, err, core.ErrClosed)

	n, _ = run(t, dir)
	c, err = n.Resume(t.Context(), info.ID, info.Password)
	require.NoError(t, err)
	_, st, err := c.Get(t.Context(), "/a")
	require.NoError(t, err)
	require.Equal(t, zxid, st.Czxid)
	require.Equal(t, info.ID, st.EphemeralOwner)
	require.NoError(t, c.Close())

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, _, err = n.OpenMulti(ended, core.SessionOptions{Timeout: time.Minute}, op)
	require.ErrorIs(t, err, context.Canceled)
	big := core.CreateOp{Path: "/b", Data: make([]byte, 64<<20)}
	_, _, _, err = n.OpenMulti(t.Context(), core.SessionOptions{Timeout: time.Minute}, big)
	require.ErrorIs(t, err, core.BadArguments)
}

func TestWatchInProcessCarriesTheZnodeAndProgress(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n, _ := run(t, t.TempDir())
	c, err := n.Open(ctx, core.SessionOptions{Timeout: time.Minute})
	require.NoError(t, err)
	w, err := c.Watch(ctx, "/a", core.WatchTree)
	require.NoError(t, err)
	_, _, err = c.Create(ctx, "/a", nil, core.CreateOptions{})
	require.NoError(t, err)
	_, st, err := c.Create(ctx, "/a/b", []byte("x"), core.CreateOptions{})
	require.NoError(t, err)
	var changes []core.Event
	var progress core.Zxid
	for progress < st.Czxid {
		events, err := w.Next(ctx)
		require.NoError(t, err)
		for _, e := range events {
			if e.Type == core.Progress {
				progress = e.Zxid
				continue
			}
			changes = append(changes, e)
		}
	}
	require.Len(t, changes, 2)
	require.Equal(t, "/a/b", changes[1].Path)
	require.Equal(t, core.NodeCreated, changes[1].Type)
	require.True(t, changes[1].HasNode)
	require.Equal(t, "x", string(changes[1].Data))
	require.Equal(t, st, changes[1].Stat)
	require.NoError(t, w.Close())
	_, err = w.Next(ctx)
	require.ErrorIs(t, err, core.ErrClosed)
}

func TestSessionThatNobodyTouchesEnds(t *testing.T) {
	ctx := context.Background()
	n, _ := run(t, t.TempDir())
	kept, err := n.Open(ctx, core.SessionOptions{Timeout: 100 * time.Millisecond, KeepAlive: true})
	require.NoError(t, err)
	c, err := n.Open(ctx, core.SessionOptions{Timeout: 100 * time.Millisecond})
	require.NoError(t, err)
	_, _, err = c.Create(ctx, "/e", nil, core.CreateOptions{Mode: core.Ephemeral})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := kept.Exists(ctx, "/e")
		return err != nil
	}, patience, 20*time.Millisecond)
	_, _, err = c.Get(ctx, "/")
	require.True(t, core.IsSessionOver(err), "%v", err)
}

func TestProgressWaitsForTheEventsBehindALongRead(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n, _ := run(t, t.TempDir())
	c, err := n.Open(ctx, core.SessionOptions{Timeout: time.Minute})
	require.NoError(t, err)
	_, _, err = c.Create(ctx, "/many", nil, core.CreateOptions{})
	require.NoError(t, err)
	for from := 0; from < 5000; from += 500 {
		var ops []core.Op
		for i := range 500 {
			ops = append(ops, core.CreateOp{Path: fmt.Sprintf("/many/%05d", from+i)})
		}
		_, _, err := c.Multi(ctx, ops...)
		require.NoError(t, err)
	}
	w, err := c.Watch(ctx, "/seen", core.WatchTree)
	require.NoError(t, err)
	other, err := n.Open(ctx, core.SessionOptions{Timeout: time.Minute})
	require.NoError(t, err)
	for i := range 50 {
		read := make(chan error, 1)
		go func() { // long enough to be made away from the loop
			_, _, err := c.Children(ctx, "/many")
			read <- err
		}()
		path := fmt.Sprintf("/seen%03d", i)
		if i == 0 {
			path = "/seen"
		}
		if i > 0 {
			path = "/seen/" + path[1:]
		}
		_, st, err := other.Create(ctx, path, nil, core.CreateOptions{})
		require.NoError(t, err)
		for told, progress := false, core.Zxid(0); progress < st.Czxid; {
			events, err := w.Next(ctx)
			require.NoError(t, err)
			for _, e := range events {
				told = told || e.Path == path
				if e.Type == core.Progress {
					progress = e.Zxid
				}
			}
			require.True(t, told || progress < st.Czxid, "progress came before the event that it covers")
		}
		require.NoError(t, <-read)
	}
}

func TestANodeThatIsNotToServeDoesNotBegin(t *testing.T) {
	dir := t.TempDir()
	endsAtOnce := func() core.Zxid {
		t.Helper()
		n, err := node.New(node.Config{
			Replica: replica.Config{Zab: zab.Config{Self: 1, Voters: []core.PeerID{1}}, Secret: []byte("a secret of this test")},
			Storage: storage.Options{Dir: dir, SegmentBytes: 1 << 20, BallastBytes: -1, LowWaterBytes: -1},
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, n.Run(ctx))
		select {
		case <-n.Serving():
			t.Fatal("it served")
		default:
		}
		_, err = n.Open(t.Context(), core.SessionOptions{Timeout: time.Minute})
		require.ErrorIs(t, err, core.ErrClosed)
		return n.Durable()
	}
	require.Zero(t, endsAtOnce())
	n, stop := run(t, dir) // the directory is free, and as it was
	c, err := n.Open(t.Context(), core.SessionOptions{Timeout: time.Minute})
	require.NoError(t, err)
	_, st, err := c.Create(t.Context(), "/a", nil, core.CreateOptions{})
	require.NoError(t, err)
	stop()
	require.GreaterOrEqual(t, endsAtOnce(), st.Czxid, "it has not looked at what it holds, and knows of it")
}

// The mirrors begin with it. A client over TCP asks for it too.
func TestManyZnodesAreReadWithOneRequest(t *testing.T) {
	n, stop := run(t, t.TempDir())
	defer stop()
	c, err := n.Open(t.Context(), core.SessionOptions{Timeout: 10 * time.Second})
	require.NoError(t, err)
	for path, data := range map[string]string{"/a": "1", "/b": "", "/big1": strings.Repeat("x", 9<<20/10), "/c": "3"} {
		_, _, err := c.Create(t.Context(), path, []byte(data), core.CreateOptions{})
		require.NoError(t, err)
	}
	many := c.(core.ManyReader)
	found, err := many.GetMany(t.Context(), []string{"/a", "/none", "/b", "/c"})
	require.NoError(t, err)
	require.Len(t, found, 4)
	require.Equal(t, "1", string(found[0].Data))
	require.ErrorIs(t, found[1].Err, core.NoNode)
	require.NotNil(t, found[2].Data)
	require.Empty(t, found[2].Data)
	_, st, err := c.Get(t.Context(), "/c")
	require.NoError(t, err)
	require.Equal(t, st, found[3].Stat)

	found, err = many.GetMany(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, found)
	_, err = many.GetMany(t.Context(), slices.Repeat([]string{"/big1"}, 20))
	require.ErrorIs(t, err, core.MarshallingError, "more than a reply may hold")
}
