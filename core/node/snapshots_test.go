package node_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/peer"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/zab"
)

// wire lies between two nodes and reads what they say: it counts the parts of
// snapshots, and cuts the link when it is told to.
type wire struct {
	t      *testing.T
	addr   string
	target string

	mu struct {
		sync.Mutex
		parts []zab.Snap // that have passed, without their data
		cutAt int        // in front of which part, counted from the first of all, the link is cut; -1 none
		shut  bool       // nobody gets through
		// shutThen: nor when the link was cut.
		shutThen bool
		conns    []net.Conn
	}
	cut chan struct{} // told of every cut
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{t: t, addr: l.Addr().String(), target: target, cut: make(chan struct{}, 1000)}
	w.mu.cutAt = -1
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", target)
			if err != nil {
				_ = c.Close()
				continue
			}
			w.mu.Lock()
			w.mu.conns = append(w.mu.conns, c, s)
			if w.mu.shut {
				w.hangUpLocked()
			}
			w.mu.Unlock()
			all.Go(func() { w.pass(c, s) })
			all.Go(func() { w.pass(s, c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		w.mu.shut = true
		w.hangUpLocked()
		w.mu.Unlock()
		all.Wait()
	})
	return w
}

func (w *wire) hangUpLocked() {
	for _, c := range w.mu.conns {
		_ = c.Close()
	}
	w.mu.conns = nil
}

// pass passes frames on, and looks at those that bring a snapshot.
func (w *wire) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	for {
		var head [8]byte
		if _, err := io.ReadFull(from, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		if msg, err := zab.DecodeMessage(body); err == nil {
			if part, ok := msg.(zab.Snap); ok && w.stops(part) {
				return
			}
		}
		if _, err := to.Write(append(head[:], body...)); err != nil {
			return
		}
	}
}

// stops counts a part, or cuts the link in front of it.
func (w *wire) stops(part zab.Snap) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.mu.parts) == w.mu.cutAt {
		w.mu.cutAt, w.mu.shut = -1, w.mu.shutThen
		w.hangUpLocked()
		w.cut <- struct{}{}
		return true
	}
	part.Data = nil
	w.mu.parts = append(w.mu.parts, part)
	return false
}

// cutNext cuts the link when so many parts more have passed.
func (w *wire) cutNext(after int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.cutAt, w.mu.shutThen = len(w.mu.parts)+after, false
}

// shutNext likewise, and lets nobody through any more.
func (w *wire) shutNext(after int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.cutAt, w.mu.shutThen = len(w.mu.parts)+after, true
}

// close keeps everybody out, or lets them through again.
func (w *wire) close(shut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.shut = shut; shut {
		w.hangUpLocked()
	}
}

func (w *wire) passed() []zab.Snap {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]zab.Snap(nil), w.mu.parts...)
}

func (w *wire) awaitCut() {
	w.t.Helper()
	select {
	case <-w.cut:
	case <-time.After(patience):
		w.t.Fatal("no part of a snapshot came")
	}
}

// lagging is an ensemble of three of which the third, which is away, lacks so much that
// it needs a snapshot. It dials the others, over wires.
type lagging struct {
	*ensemble
	wires map[core.PeerID]*wire
	fs    vfs.FS // of the third; nil is the machine's
	ended chan error
}

// third is the one that is away.
const third core.PeerID = 3

// newLagging has the third use fs, if that is not nil, and changes what the others are
// started with.
func newLagging(t *testing.T, fs vfs.FS, change ...func(*node.Config)) *lagging {
	t.Helper()
	l := &lagging{ensemble: newEnsemble(t, 3), wires: map[core.PeerID]*wire{}, fs: fs}
	l.configure = func(c *node.Config) {
		c.Replica.SnapshotTxns, c.Replica.SnapshotRestMillis = 200, -1
		c.Replica.Zab.RecentBytes = 1
		c.Storage.SegmentBytes, c.Storage.WindowBytes, c.Storage.Retain = 64<<10, 1, 1
		for _, f := range change {
			f(c)
		}
	}
	for id := range third - 1 {
		l.wires[id+1] = newWire(t, l.addrs[id+1][0])
		l.start(id + 1)
	}
	l.startThird()
	for id := range l.nodes {
		l.await(id)
	}
	// It has something, which must not come to harm.
	ctx := context.Background()
	c := l.open(1)
	_, _, err := c.Create(ctx, "/n", []byte("old"), core.CreateOptions{})
	require.NoError(t, err)
	_, err = c.Sync(ctx, "/")
	require.NoError(t, err)
	require.NoError(t, c.Close())
	l.alike()
	l.stopThird()
	l.leader()
	c = l.open(1)
	for i := range 1000 {
		_, _, err := c.Create(ctx, fmt.Sprintf("/n/%d", i), bytes.Repeat([]byte{byte(i)}, 2000), core.CreateOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, c.Close())
	l.alike()
	return l
}

// startThird starts the third on what its disk holds.
func (l *lagging) startThird() {
	l.t.Helper()
	cfg := node.Config{
		Replica: replica.Config{
			Zab:        zab.Config{Self: third, Voters: []core.PeerID{1, 2, third}, TickMillis: 500, SyncTicks: silence, RecentBytes: 1},
			TickMillis: 500, Secret: []byte("a secret of this test"), SnapshotTxns: 200, SnapshotRestMillis: -1,
		},
		Storage: storage.Options{
			Dir: l.dirs[third], FS: l.fs, SegmentBytes: 64 << 10, WindowBytes: 1, Retain: 1, BallastBytes: -1, LowWaterBytes: -1,
		},
	}
	n, err := node.New(cfg)
	require.NoError(l.t, err)
	listener, err := net.Listen("tcp", l.addrs[third][0])
	require.NoError(l.t, err)
	t := peer.New(peer.Config{
		Self: third, Listener: listener, Secret: []byte("of the nodes"), Handler: n,
		Peers: map[core.PeerID][]string{1: {l.wires[1].addr}, 2: {l.wires[2].addr}},
	})
	n.Link(t)
	ctx, cancel := context.WithCancel(context.Background())
	ran, linked := make(chan error, 1), make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	go func() { linked <- t.Run(ctx) }()
	l.ended = make(chan error, 1)
	m := &member{Node: n, stop: sync.OnceFunc(func() {
		cancel()
		require.NoError(l.t, <-linked)
		l.ended <- <-ran
	})}
	l.nodes[third] = m
	l.t.Cleanup(m.stop)
}

func (l *lagging) stopThird() {
	l.t.Helper()
	l.nodes[third].stop()
	require.NoError(l.t, <-l.ended)
	delete(l.nodes, third)
}

// fails waits until the third ends by itself, and returns why.
func (l *lagging) fails() error {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		return errors.Is(l.nodes[third].Do(context.Background(), func(*replica.Replica) {}), core.ErrClosed)
	}, patience, time.Millisecond, "it goes on")
	l.nodes[third].stop()
	delete(l.nodes, third)
	return <-l.ended
}

// wire is that from the leader.
func (l *lagging) wire() *wire { return l.wires[l.leader()] }

// whole demands that the third serves, has everything, and began with a snapshot.
func (l *lagging) whole() {
	l.t.Helper()
	l.await(third)
	l.alike()
	ctx := context.Background()
	c := l.open(third)
	names, _, err := c.Children(ctx, "/n")
	require.NoError(l.t, err)
	require.Len(l.t, names, 1000)
	require.NoError(l.t, c.Close())
	// A snapshot of its own may be under way.
	require.Eventually(l.t, func() bool { return len(l.temporary()) == 0 }, patience, time.Millisecond, "nothing is left lying about")
}

// temporary are the files of the third that are not what they are to be yet.
func (l *lagging) temporary() (names []string) {
	if l.fs != nil {
		return nil
	}
	found, err := filepath.Glob(filepath.Join(l.dirs[third], "snap", "*.tmp"))
	require.NoError(l.t, err)
	return found
}

// TestASnapshotGoesOnWhereItsLinkBroke cuts the link in front of every part, the last
// included, while nothing is written: the snapshot that is begun anew would be at the
// same place.
func TestASnapshotGoesOnWhereItsLinkBroke(t *testing.T) {
	l := newLagging(t, nil)
	w := l.wires[l.leader()]
	l.startThird()
	l.whole()
	parts := w.passed()
	count := len(parts)
	require.Greater(t, count, 6)
	require.True(t, parts[count-1].Last)
	require.EqualValues(t, count-1, parts[count-1].Part)
	for after := range count {
		t.Run(fmt.Sprintf("in front of part %d", after), func(t *testing.T) {
			l.t = t
			l.stopThird()
			l.dirs[third] = t.TempDir()
			before := len(w.passed())
			w.cutNext(after)
			l.startThird()
			w.awaitCut()
			l.whole()
			l.t = t
			all := w.passed()[before:]
			first, rest := all[:after], all[after:]
			require.Len(t, first, after)
			if after == 0 {
				require.Zero(t, rest[0].Part)
				return
			}
			// It had what was passed, or that but for what lay in the wire still.
			require.NotZero(t, rest[0].Part, "it began anew")
			require.LessOrEqual(t, rest[0].Part, uint32(after))
			require.Equal(t, first[0].ID, rest[0].ID)
			require.True(t, rest[len(rest)-1].Last)
		})
	}
}

// TestASnapshotBegunAnewIsNotPutBehindTheFirst: the leader keeps the first no longer,
// and as nothing was written the next one is at the same place.
func TestASnapshotBegunAnewIsNotPutBehindTheFirst(t *testing.T) {
	l := newLagging(t, nil)
	w := l.wire()
	w.shutNext(5)
	l.startThird()
	w.awaitCut()
	require.Eventually(t, func() bool { return len(l.temporary()) == 1 }, patience, time.Millisecond)
	time.Sleep(100 * time.Millisecond) // the sender notices
	l.nodes[1].ForgetSendings()
	l.nodes[2].ForgetSendings()
	w.close(false)
	l.whole()
	parts := w.passed()
	require.Equal(t, parts[0].At, parts[5].At)
	require.NotEqual(t, parts[0].ID, parts[5].ID)
	require.Zero(t, parts[5].Part)
}

// TestWritesGoOnWhileASnapshotIsSentInPieces: a snapshot that goes on is of what the
// leader had when it began, and the rest comes from the log; one whose log is gone by
// then, or that was kept too long, is followed by another.
func TestWritesGoOnWhileASnapshotIsSentInPieces(t *testing.T) {
	l := newLagging(t, nil)
	ctx := context.Background()
	c := l.open(l.leader())
	w := l.wire()
	writes := 0
	write := func(n int) {
		for range n {
			writes++
			_, err := c.Set(ctx, "/n", fmt.Append(nil, writes), core.AnyVersion)
			require.NoError(t, err)
		}
	}
	w.shutNext(3)
	l.startThird()
	for i := range 5 {
		w.awaitCut()
		if write(10); i < 4 {
			w.shutNext(1)
		}
		w.close(false)
	}
	l.whole()
	parts := w.passed()
	require.Equal(t, parts[0].ID, parts[len(parts)-1].ID, "all pieces are of one")
	c2 := l.open(third)
	data, _, err := c2.Get(ctx, "/n")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(writes), string(data))
	require.NoError(t, c2.Close())

	// So much is written in between that the leader's log does not reach back to it.
	l.stopThird()
	l.dirs[third] = t.TempDir()
	w.shutNext(3)
	l.startThird()
	w.awaitCut()
	write(1000)
	w.close(false)
	l.whole()
	require.NoError(t, c.Close())
}

// TestAnotherLeaderBeginsAnew: what one leader has begun, another does not go on with.
func TestAnotherLeaderBeginsAnew(t *testing.T) {
	for _, after := range []int{1, 5} {
		l := newLagging(t, nil)
		first := l.leader()
		w := l.wires[first]
		w.shutNext(after)
		l.startThird()
		w.awaitCut()
		for _, wire := range l.wires {
			wire.close(true)
		}
		l.stop(first) // which has more than the third, as the other one has: that one leads
		other := 3 - first
		l.wires[other].close(false)
		l.await(third)
		require.Equal(t, other, l.leader())
		l.whole()
		st := l.status(other).Zab
		require.Zero(t, st.Diff+st.Trunc, "it knows what its log has no more, and does not find out by feeding from it")
		parts := l.wires[other].passed()
		require.Zero(t, parts[0].Part)
		require.NotEqual(t, w.passed()[0].ID, parts[0].ID)
		for i, part := range parts {
			require.EqualValues(t, i, part.Part)
		}
	}
}

// TestABeginningThatIsOfNoUseIsRemoved: the leader that began to send a snapshot goes,
// and the next one has all of the log.
func TestABeginningThatIsOfNoUseIsRemoved(t *testing.T) {
	l := newLagging(t, nil, func(c *node.Config) {
		if c.Replica.Zab.Self == 1 {
			c.Replica.SnapshotTxns = 1 << 30
		}
	})
	if l.leader() == 1 {
		_, err := l.nodes[1].Transfer(context.Background(), 2)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return l.leader() == 2 }, patience, time.Millisecond)
	}
	l.wires[2].shutNext(4)
	l.startThird()
	l.wires[2].awaitCut()
	for _, wire := range l.wires {
		wire.close(true)
	}
	require.Eventually(t, func() bool { return len(l.temporary()) == 1 }, patience, time.Millisecond)
	l.stop(2)
	l.wires[1].close(false)
	l.whole()
	require.Empty(t, l.wires[1].passed())
	require.NotZero(t, l.status(1).Zab.Diff)
}

// TestADamagedBeginningIsNotInstalled: a bit of what has come falls over on the disk
// before the rest comes. The server says so and ends, what it had is as it was, and the
// next start begins anew.
func TestADamagedBeginningIsNotInstalled(t *testing.T) {
	l := newLagging(t, nil)
	before := files(t, l.dirs[third])
	w := l.wire()
	w.shutNext(5)
	l.startThird()
	w.awaitCut()
	for _, wire := range l.wires {
		wire.close(true)
	}
	var temp string
	require.Eventually(t, func() bool {
		names := l.temporary()
		if len(names) == 0 {
			return false
		}
		st, err := os.Stat(names[0])
		temp = names[0]
		return err == nil && st.Size() > 500<<10
	}, patience, time.Millisecond)
	f, err := os.OpenFile(temp, os.O_RDWR, 0)
	require.NoError(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], 100_000)
	require.NoError(t, err)
	b[0] ^= 4
	_, err = f.WriteAt(b[:], 100_000)
	require.NoError(t, errors.Join(err, f.Close()))
	for _, wire := range l.wires {
		wire.close(false)
	}
	err = l.fails()
	require.ErrorIs(t, err, storage.ErrBadSnapshot)
	require.ErrorContains(t, err, "the snapshot of the leader")
	l.holds(before)
	l.startThird()
	l.whole()
}

// files are the names and contents of a directory's log and snapshots.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	}))
	return all
}

// holds demands that what the third had is still there, to the byte where it may not
// have changed.
func (l *lagging) holds(before map[string]string) {
	l.t.Helper()
	after := files(l.t, l.dirs[third])
	for path, text := range before {
		if ext := filepath.Ext(path); ext == ".snap" || ext == ".log" {
			require.Contains(l.t, after, path)
			require.Equal(l.t, text, after[path][:len(text)], path)
		}
	}
}

// TestAKilledLearnerBeginsAnew: what kill -9 leaves of a beginning is removed, whatever
// had come.
func TestAKilledLearnerBeginsAnew(t *testing.T) {
	l := newLagging(t, nil)
	w := l.wires[l.leader()]
	total := 0
	for after := 1; total == 0 || after < total; after += 3 {
		w.shutNext(after)
		l.startThird()
		w.awaitCut()
		for _, wire := range l.wires {
			wire.close(true)
		}
		require.Eventually(t, func() bool { return len(l.temporary()) == 1 }, patience, time.Millisecond)
		killed := t.TempDir() // as it was when it was killed
		require.NoError(t, os.CopyFS(killed, os.DirFS(l.dirs[third])))
		l.stopThird()
		l.dirs[third] = killed
		require.Len(t, l.temporary(), 1)
		for _, wire := range l.wires {
			wire.close(false)
		}
		before := len(w.passed())
		l.startThird()
		l.whole()
		parts := w.passed()[before:]
		require.Zero(t, parts[0].Part)
		total = len(parts)
		l.stopThird()
		l.dirs[third] = t.TempDir()
	}
}

// TestAFullDiskIsToldAndHarmsNothing: there is no room for what the leader sends. The
// server says so and ends; what it had is as it was, and with room again it comes back.
func TestAFullDiskIsToldAndHarmsNothing(t *testing.T) {
	mem := vfs.NewMem()
	l := newLagging(t, mem)
	used := mem.Used()
	for _, room := range []int64{4 << 10, 300 << 10, 1 << 20} {
		mem.SetQuota(used + room)
		l.startThird()
		err := l.fails()
		require.ErrorIs(t, err, storage.ErrDiskLow)
		require.ErrorContains(t, err, "no space left on device")
		// Where there is no room even for what is there, it starts, and fails again.
		store, rec, err := storage.Open(storage.Options{Dir: l.dirs[third], FS: mem, BallastBytes: -1, LowWaterBytes: -1})
		require.NoError(t, err)
		require.False(t, rec.Lost)
		require.NotZero(t, rec.LastLogged)
		require.Empty(t, rec.Damage)
		require.NoError(t, store.Close())
		require.LessOrEqual(t, mem.Used(), used+room)
	}
	mem.SetQuota(1 << 40)
	l.startThird()
	l.whole()
}
