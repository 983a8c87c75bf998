package node_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/peer"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/zab"
	"github.com/zensus-io/zensus/internal/testkit"
)

// ensemble is some nodes on this machine, each with a directory and a port.
type ensemble struct {
	t     *testing.T
	addrs map[core.PeerID][]string
	dirs  map[core.PeerID]string
	nodes map[core.PeerID]*member
	// configure, if not nil, changes what a node is started with.
	configure func(*node.Config)
}

type member struct {
	*node.Node
	stop      func()
	cut, mend func() // its links
}

func newEnsemble(t *testing.T, n int) *ensemble {
	e := &ensemble{
		t: t, addrs: map[core.PeerID][]string{}, dirs: map[core.PeerID]string{}, nodes: map[core.PeerID]*member{},
	}
	for i := range n {
		id := core.PeerID(i + 1)
		// One that stays free while the node is down: it listens there again.
		e.addrs[id], e.dirs[id] = []string{fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t))}, t.TempDir()
	}
	return e
}

// start starts a node, which need not serve yet.
func (e *ensemble) start(id core.PeerID) {
	t := e.t
	t.Helper()
	cfg := node.Config{
		Replica: replica.Config{
			Zab: zab.Config{Self: id, TickMillis: 500, SyncTicks: silence}, TickMillis: 500, MaxTimeoutMillis: 60_000, Secret: []byte("a secret of this test"),
		},
		Storage: storage.Options{Dir: e.dirs[id], SegmentBytes: 1 << 20, BallastBytes: -1, LowWaterBytes: -1},
	}
	others := map[core.PeerID][]string{}
	for p, addr := range e.addrs {
		cfg.Replica.Zab.Voters = append(cfg.Replica.Zab.Voters, p)
		if p != id {
			others[p] = addr
		}
	}
	if e.configure != nil {
		e.configure(&cfg)
	}
	n, err := node.New(cfg)
	require.NoError(t, err)
	links := &links{}
	n.Link(links)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	m := &member{Node: n}
	m.mend = func() {
		l, err := net.Listen("tcp", e.addrs[id][0])
		require.NoError(t, err)
		now := peer.New(peer.Config{Self: id, Listener: l, Peers: others, Secret: []byte("of the nodes"), Handler: n})
		links.Store(now)
		linked, unlink := context.WithCancel(context.Background())
		gone := make(chan error, 1)
		go func() { gone <- now.Run(linked) }()
		m.cut = sync.OnceFunc(func() {
			unlink()
			require.NoError(t, <-gone)
		})
	}
	m.mend()
	m.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
		m.cut()
	})
	t.Cleanup(m.stop)
	e.nodes[id] = m
}

// links are those of a node, which can be cut.
type links struct {
	atomic.Pointer[peer.Transport]
}

func (l *links) Send(p core.PeerID, gen uint64, appendTo func([]byte) []byte) {
	l.Load().Send(p, gen, appendTo)
}

func (l *links) Flush(first core.PeerID) { l.Load().Flush(first) }

func (l *links) SendSlowly(p core.PeerID, gen uint64, appendTo func([]byte) []byte) bool {
	return l.Load().SendSlowly(p, gen, appendTo)
}

func (e *ensemble) startAll() {
	e.t.Helper()
	for id := range e.addrs {
		e.start(id)
	}
	for id := range e.addrs {
		e.await(id)
	}
}

// patience is how long a test waits for what comes in a moment, unless something else
// has the machine.
const patience = time.Minute

// silence is for how many ticks servers bear it from each other. Those of a test that go are
// missed at once, for their links break: what else is silent is slow.
const silence = 20

// await waits until a node serves in a role.
func (e *ensemble) await(id core.PeerID) replica.Status {
	e.t.Helper()
	var st replica.Status
	require.Eventually(e.t, func() bool {
		st = e.status(id)
		return st.Serving
	}, patience, time.Millisecond, "server %d does not serve", id)
	return st
}

func (e *ensemble) status(id core.PeerID) (st replica.Status) {
	require.NoError(e.t, e.nodes[id].Do(context.Background(), func(r *replica.Replica) { st = r.Status() }))
	return st
}

func (e *ensemble) stop(id core.PeerID) {
	e.nodes[id].stop()
	delete(e.nodes, id)
}

// leader waits until one of those that run leads, and the others follow it.
func (e *ensemble) leader() (leader core.PeerID) {
	e.t.Helper()
	require.Eventually(e.t, func() bool {
		leader = 0
		for id := range e.nodes {
			st := e.status(id)
			if !st.Serving || leader != 0 && st.Leader != leader {
				return false
			}
			leader = st.Leader
		}
		return e.nodes[leader] != nil
	}, patience, time.Millisecond, "nobody leads")
	return leader
}

// follower is one that is not the leader.
func (e *ensemble) follower() core.PeerID {
	leader := e.leader()
	for id := range e.nodes {
		if id != leader {
			return id
		}
	}
	e.t.Fatal("nobody follows")
	return 0
}

// alike waits until all that run have applied the same, and compares the digests.
func (e *ensemble) alike() {
	e.t.Helper()
	require.Eventually(e.t, func() bool {
		var first replica.Status
		for id := range e.nodes {
			st := e.status(id)
			if first.Applied == 0 {
				first = st
			}
			if st.Applied != first.Applied {
				return false
			}
			require.Equal(e.t, first.Digest, st.Digest, "the trees differ at %v", st.Applied)
		}
		return true
	}, patience, 5*time.Millisecond)
}

func (e *ensemble) open(id core.PeerID) core.Client {
	e.t.Helper()
	c, err := e.nodes[id].Open(context.Background(), core.SessionOptions{Timeout: time.Minute})
	require.NoError(e.t, err)
	return c
}

// insist does what may fail while a leader is looked for.
func (e *ensemble) insist(do func() error) {
	e.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = do(); err == nil {
			return
		}
	}
	e.t.Fatalf("still: %v", err)
}

func TestThreeNodesServeOneTreeAndOutliveOne(t *testing.T) {
	ctx := context.Background()
	e := newEnsemble(t, 3)
	e.startAll()
	for id := range e.nodes {
		c := e.open(id)
		_, _, err := c.Create(ctx, fmt.Sprintf("/from-%d", id), []byte{byte(id)}, core.CreateOptions{})
		require.NoError(t, err)
		_, err = c.Sync(ctx, "/")
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	e.alike()
	first := e.leader()
	e.stop(first)
	second := e.leader()
	require.NotEqual(t, first, second)
	for id := range e.nodes {
		c := e.open(id)
		for i := range 50 {
			_, _, err := c.Create(ctx, fmt.Sprintf("/%d-%d", id, i), nil, core.CreateOptions{})
			require.NoError(t, err)
		}
		require.NoError(t, c.Close())
	}
	e.start(first)
	st := e.await(first)
	require.Equal(t, second, st.Leader, "who comes back follows")
	e.alike()
	c := e.open(first)
	names, _, err := c.Children(ctx, "/")
	require.NoError(t, err)
	require.Len(t, names, 3+2*50+1)
}

// Sessions of the process itself, with what they own and watch, outlive a leader.
func TestSessionsInProcessOutliveALeader(t *testing.T) {
	ctx := context.Background()
	e := newEnsemble(t, 3)
	e.startAll()
	at := e.follower()
	c := e.open(at)
	_, _, err := c.Create(ctx, "/mine", nil, core.CreateOptions{Mode: core.Ephemeral})
	require.NoError(t, err)
	w, err := c.Watch(ctx, "/", core.WatchTree)
	require.NoError(t, err)
	e.stop(e.leader())
	e.insist(func() error {
		_, _, err := c.Create(ctx, "/later", nil, core.CreateOptions{})
		if errors.Is(err, core.NodeExists) { // it was done, and nobody could say so
			err = nil
		}
		return err
	})
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for seen := false; !seen; {
		events, err := w.Next(soon)
		require.NoError(t, err, "the watch is lost")
		seen = slices.ContainsFunc(events, func(ev core.Event) bool { return ev.Path == "/later" })
	}
	st, err := c.Exists(ctx, "/mine")
	require.NoError(t, err)
	require.NotNil(t, st)
	require.NoError(t, c.Close())
	for id := range e.nodes {
		other := e.open(id)
		_, err := other.Sync(ctx, "/")
		require.NoError(t, err)
		_, err = other.Exists(ctx, "/mine")
		require.ErrorIs(t, err, core.NoNode)
	}
}

// One that lacks more than the leader's log still has is sent a snapshot, and one
// whose disk is lost likewise.
func TestSnapshotsBringBackWhoLacksTooMuch(t *testing.T) {
	ctx := context.Background()
	e := newEnsemble(t, 3)
	e.configure = func(c *node.Config) {
		c.Replica.SnapshotTxns, c.Replica.SnapshotRestMillis = 200, -1
		c.Replica.Zab.RecentBytes = 1
		c.Storage.SegmentBytes, c.Storage.WindowBytes, c.Storage.Retain = 64<<10, 1, 1
	}
	e.startAll()
	away := e.follower()
	e.stop(away)
	c := e.open(e.leader())
	_, _, err := c.Create(ctx, "/n", nil, core.CreateOptions{})
	require.NoError(t, err)
	for i := range 1500 {
		_, _, err := c.Create(ctx, fmt.Sprintf("/n/%d", i), make([]byte, 200), core.CreateOptions{})
		require.NoError(t, err)
	}
	e.start(away)
	e.await(away)
	e.alike()
	require.NotZero(t, e.status(e.leader()).Zab.Snap)
	there := e.open(away)
	names, _, err := there.Children(ctx, "/n")
	require.NoError(t, err)
	require.Len(t, names, 1500)
	_, err = there.Set(ctx, "/n/7", []byte("from there"), core.AnyVersion)
	require.NoError(t, err)

	e.stop(away)
	e.dirs[away] = t.TempDir() // its disk is lost
	e.start(away)
	e.await(away)
	e.alike()
	e.stop(away) // and it starts from what it was sent
	e.start(away)
	e.await(away)
	e.alike()
}
