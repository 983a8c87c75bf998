package node

import (
	"context"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// still makes a node whose loop does not run: the test takes its turns.
func still(t *testing.T) *Node {
	t.Helper()
	n, err := New(Config{
		Replica: replica.Config{
			Zab:    zab.Config{Self: 1, Voters: []core.PeerID{1}},
			Secret: []byte("a secret of this test"),
		},
		Storage: storage.Options{Dir: t.TempDir(), SegmentBytes: 1 << 20, BallastBytes: -1, LowWaterBytes: -1},
	})
	require.NoError(t, err)
	return n
}

// running makes a node and runs it.
func running(t *testing.T) *Node {
	t.Helper()
	n := still(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	<-n.Serving()
	return n
}

// stepped is still with the workers at work.
func stepped(t *testing.T) *Node {
	t.Helper()
	n := still(t)
	n.over = true // nobody makes a turn but the test
	var workers sync.WaitGroup
	workers.Go(n.disk.run)
	workers.Go(n.flusher.run)
	t.Cleanup(func() {
		n.flusher.close()
		n.disk.close()
		workers.Wait()
		require.NoError(t, n.disk.store.Close())
	})
	return n
}

// turnByHand is a turn at a time that the test chooses.
func (n *Node) turnByHand(now replica.Now, tick bool) {
	n.owner.Lock()
	n.turn(now, tick)
	n.letGo()
}

func TestOnlyATurnThatAnswersTakesAnOutputBuffer(t *testing.T) {
	n := stepped(t)
	taken := 0
	n.out.Buffer = func() []byte { taken++; return takeOutput() }
	n.step(n.Now(), replica.Start{})
	n.perform()
	for begin := time.Now(); !n.replica.Serving(); time.Sleep(time.Millisecond) {
		require.Less(t, time.Since(begin), time.Minute)
		n.turnByHand(n.Now(), false)
	}
	const conns = 10
	var ids []replica.ConnID
	for range conns {
		ids = append(ids, n.Connect(netip.MustParseAddrPort("127.0.0.1:1"), sink{}))
	}
	n.turnByHand(n.Now(), true)
	require.Zero(t, taken, "nobody was answered")
	for _, id := range ids { // session 1 is not there: they are refused, each in one turn
		b := GetBuffer()
		b.B = wire.ConnectRequest{SessionID: 1, TimeoutMillis: 1000, Password: make([]byte, wire.PasswordBytes)}.Append(append(b.B, 0, 0, 0, 0))
		wire.PutInt(b.B, int32(len(b.B)-4))
		require.True(t, n.Submit(id, b))
	}
	n.turnByHand(n.Now(), true)
	require.Equal(t, conns, taken)
	n.turnByHand(n.Now(), true)
	require.Equal(t, conns, taken, "a turn without answers took buffers")
}

// sink is the port of a client that reads everything.
type sink struct{}

func (sink) Send(d Delivery) { Recycle(d.Bytes) }
func (sink) Hold(bool)       {}

func TestSignOfLifeThatWaitsForTheLoopIsNotTooLate(t *testing.T) {
	n := stepped(t)
	now := n.Now()
	n.step(now, replica.Start{})
	n.perform()
	pump := func(until func() bool) {
		for begin := time.Now(); !until(); time.Sleep(time.Millisecond) {
			require.Less(t, time.Since(begin), time.Minute)
			n.turnByHand(now, false)
		}
	}
	pump(n.replica.Serving)
	opened := make(chan core.Client, 1)
	go func() {
		c, _ := n.Open(context.Background(), core.SessionOptions{Timeout: 200 * time.Millisecond})
		opened <- c
	}()
	pump(func() bool { return len(opened) == 1 })
	c := (<-opened).(*client)
	pass := func(until int64) { // time that the loop has looked at
		for now.Mono < until {
			by := min(50, until-now.Mono)
			now.Mono, now.Wall = now.Mono+by, now.Wall+by
			n.turnByHand(now, true)
		}
	}
	for range 3 {
		var deadline int64
		n.replica.SessionBuckets(func(d int64, _ []core.SessionID) bool { deadline = d; return true })
		pass(deadline - 1)
		p, _, _, err := c.start(wire.OpExists, func(b []byte) []byte { return wire.AppendPathWatch(b, "/", false) })
		require.NoError(t, err)
		now.Mono, now.Wall = now.Mono+2, now.Wall+2
		n.turnByHand(now, true)
		pump(func() bool {
			select {
			case <-p.done:
				return true
			default:
				return false
			}
		})
		require.NoError(t, p.err)
		require.Equal(t, core.OK, p.hdr.Err)
	}
}

func TestWhatDoHasGivenUpNeverRuns(t *testing.T) {
	n := still(t)
	defer n.disk.store.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ran := false
	require.ErrorIs(t, n.Do(ctx, func(*replica.Replica) { ran = true }), context.Canceled)
	<-n.inbox.wake
	items := n.inbox.take(nil)
	require.Len(t, items, 1)
	n.handle(n.Now(), &items[0])
	require.False(t, ran)

	// And what runs already is waited for, or its variables would be written to
	// after Do has returned.
	ctx, cancel = context.WithCancel(context.Background())
	go func() {
		<-n.inbox.wake
		for _, it := range n.inbox.take(nil) {
			n.handle(n.Now(), &it)
		}
	}()
	err := n.Do(ctx, func(*replica.Replica) { cancel(); time.Sleep(20 * time.Millisecond); ran = true })
	require.True(t, ran)
	require.NoError(t, err)
}

func TestClientThatIsOverIsNotKeptAlive(t *testing.T) {
	n := still(t)
	defer n.disk.store.Close()
	resp := wire.ConnectResponse{SessionID: 7, TimeoutMillis: 1000}.Append(nil)
	for name, play := range map[string]func(c *client){
		"over before it is welcome": func(c *client) { c.end(core.ErrClosed); c.frame(resp) },
		"over after it is welcome":  func(c *client) { c.frame(resp); c.Send(Delivery{Close: true}) },
	} {
		c := &client{node: n, keep: true, welcome: make(chan wire.ConnectResponse, 1)}
		play(c)
		require.Empty(t, n.local.keptAlive(replica.Now{Mono: 1 << 40}), name)
	}
	c := &client{node: n, keep: true, welcome: make(chan wire.ConnectResponse, 1)}
	c.frame(resp)
	require.Len(t, n.local.keptAlive(replica.Now{Mono: 1 << 41}), 1)
}

func TestCloseIsTheReasonHoweverFastItsReplyComes(t *testing.T) {
	n := still(t)
	defer n.disk.store.Close()
	for range 20_000 {
		c := &client{node: n, welcome: make(chan wire.ConnectResponse, 1), greeted: true}
		closed := make(chan struct{})
		go func() { _ = c.Close(); close(closed) }()
		for len(n.inbox.take(nil)) == 0 {
			runtime.Gosched()
		}
		reply := wire.AppendReplyHeader(wire.AppendInt(nil, wire.ReplyHeaderBytes), 1, 1, core.OK)
		c.Send(Delivery{Bytes: reply, Close: true})
		<-closed
		_, _, err := c.Get(context.Background(), "/")
		require.ErrorIs(t, err, core.ErrClosed)
	}
}

func TestWatchIsNotArmedBeforeTheRemovalOfItsLike(t *testing.T) {
	n := still(t)
	defer n.disk.store.Close()
	for range 20_000 {
		c := &client{node: n}
		arm := func() *watch {
			w := &watch{client: c, path: "/a", mode: core.WatchNode, more: make(chan struct{}, 1)}
			c.mu.Lock()
			defer c.mu.Unlock()
			_, err := c.armLocked(w)
			require.NoError(t, err)
			return w
		}
		old := arm()
		closed := make(chan struct{})
		go func() { _ = old.Close(); close(closed) }()
		runtime.Gosched()
		arm()
		<-closed
		var last wire.OpCode
		for _, it := range n.inbox.take(nil) {
			if it.buf != nil {
				r := wire.NewReader(it.buf.B[4:])
				last = wire.DecodeRequestHeader(&r).Op
				it.buf.Release()
			}
		}
		require.Equal(t, wire.OpAddWatch, last)
	}
}

func TestWatchMadeWhileItsLikeIsClosedHears(t *testing.T) {
	n := running(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := n.Open(ctx, core.SessionOptions{Timeout: time.Minute})
	require.NoError(t, err)
	_, _, err = c.Create(ctx, "/a", nil, core.CreateOptions{})
	require.NoError(t, err)
	for range 300 {
		old, err := c.Watch(ctx, "/a", core.WatchNode)
		require.NoError(t, err)
		closed := make(chan struct{})
		go func() { _ = old.Close(); close(closed) }()
		w, err := c.Watch(ctx, "/a", core.WatchNode)
		require.NoError(t, err)
		<-closed
		st, err := c.Set(ctx, "/a", nil, -1)
		require.NoError(t, err)
		heard := false
		for !heard {
			events, err := w.Next(ctx)
			require.NoError(t, err)
			for _, e := range events {
				heard = heard || e.Type == core.NodeDataChanged && e.Zxid == st.Mzxid
				require.False(t, e.Type == core.Progress && e.Zxid >= st.Mzxid && !heard, "the watch is not told what happened")
			}
		}
		require.NoError(t, w.Close())
	}
}

func TestClientWithoutWatchesIsNotToldOfProgress(t *testing.T) {
	n := running(t)
	ctx := context.Background()
	followed := func() (count int) {
		require.NoError(t, n.Do(ctx, func(*replica.Replica) { count = len(n.watchers) }))
		return count
	}
	c, err := n.Open(ctx, core.SessionOptions{Timeout: time.Minute})
	require.NoError(t, err)
	a, err := c.Watch(ctx, "/a", core.WatchNode)
	require.NoError(t, err)
	b, err := c.Watch(ctx, "/b", core.WatchTree)
	require.NoError(t, err)
	require.Equal(t, 1, followed())
	require.NoError(t, a.Close())
	require.Equal(t, 1, followed())
	require.NoError(t, b.Close())
	require.Equal(t, 0, followed())
	_, err = c.Watch(ctx, "/a", core.WatchMode(9))
	require.Error(t, err)
	require.Equal(t, 0, followed())
	_, err = c.Watch(ctx, "/a", core.WatchNode)
	require.NoError(t, err)
	require.Equal(t, 1, followed())
	require.NoError(t, c.Close())
	require.Equal(t, 0, followed())
}

func TestTimeDoesNotPassWhileAHelperWaitsForTheDisk(t *testing.T) {
	n := still(t)
	defer func() { require.NoError(t, n.disk.store.Close()) }()
	d := n.disk
	require.False(t, d.holdsUp(1000), "nobody helps")
	d.helping.Store(1000)
	require.False(t, d.holdsUp(1000+heldUpMillis), "a quick sync holds up nobody")
	require.True(t, d.holdsUp(1500))
	d.helping.Store(0)
	require.True(t, d.holdsUp(1550), "what waits in the sockets is not read yet")
	require.False(t, d.holdsUp(1700))
}

func TestWhoComesOneByOneIsAlone(t *testing.T) {
	var d disk
	oneByOne := func(n int) {
		for range n {
			d.noteBatch(1)
		}
	}
	oneByOne(aloneStreak - 1)
	require.False(t, d.alone(), "too early to tell")
	oneByOne(1)
	require.True(t, d.alone())
	d.noteBatch(2)
	require.False(t, d.alone(), "two at a time")
	oneByOne(aloneStreak)
	require.True(t, d.alone())
	d.mu.work.appends = make([]wire.Record, 1)
	d.noteBatch(1)
	require.False(t, d.alone(), "one came before the other was durable")
}

func TestALoneClientInProcessCarriesItsWritesThrough(t *testing.T) {
	n := running(t)
	ctx := context.Background()
	one, err := n.Open(ctx, core.SessionOptions{Timeout: time.Minute})
	require.NoError(t, err)
	_, _, err = one.Create(ctx, "/a", nil, core.CreateOptions{})
	require.NoError(t, err)
	set := func(c core.Client, path, data string) {
		_, err := c.Set(ctx, path, []byte(data), core.AnyVersion)
		require.NoError(t, err)
		got, _, err := c.Get(ctx, path)
		require.NoError(t, err)
		require.Equal(t, data, string(got))
	}
	for i := range 3 * aloneStreak {
		set(one, "/a", string(rune('a'+i%26)))
	}
	require.True(t, n.disk.alone(), "nobody else has written")
	var group sync.WaitGroup
	for i := range 4 { // and whoever comes beside it is served as well
		group.Go(func() {
			path := "/" + string(rune('w'+i))
			c, err := n.Open(ctx, core.SessionOptions{Timeout: time.Minute})
			require.NoError(t, err)
			_, _, err = c.Create(ctx, path, nil, core.CreateOptions{})
			require.NoError(t, err)
			for k := range 50 {
				set(c, path, string(rune('a'+k%26)))
				set(one, "/a", "x")
			}
			require.NoError(t, c.Close())
		})
	}
	group.Wait()
	require.NoError(t, one.Close())
}
