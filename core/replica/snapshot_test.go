package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
)

// writer is a server whose client writes, and that takes its time for snapshots.
type writer struct {
	*server
	p *peer
}

func startWriter(t *testing.T, cfg Config) *writer {
	t.Helper()
	s := startServer(t, cfg)
	return &writer{s, s.open(40_000)}
}

// write makes n transactions and returns how many snapshots were asked for so far.
func (w *writer) write(n int) int {
	w.t.Helper()
	for range n {
		require.Equal(w.t, core.OK, w.p.code(wire.OpSetData, wire.AppendSetData(nil, "/", []byte("some data"), -1)))
	}
	return len(w.snaps)
}

// pass lets time pass.
func (w *writer) pass(millis int64) { w.now.Mono += millis }

// written ends the snapshot that was asked for last, after so many milliseconds.
func (w *writer) written(millis int64, failed bool) {
	w.t.Helper()
	w.pass(millis)
	job := w.snaps[len(w.snaps)-1]
	job.View.Close()
	w.step(SnapshotWritten{Zxid: job.View.Zxid, Failed: failed})
}

func TestAfterASnapshotTheServerRestsThreeTimesAsLong(t *testing.T) {
	for name, failed := range map[string]bool{"written": false, "failed": true} {
		t.Run(name, func(t *testing.T) {
			w := startWriter(t, Config{SnapshotTxns: 10})
			require.Equal(t, 1, w.write(20))
			w.written(400, failed)
			require.Equal(t, 1, w.write(40))
			w.pass(1199)
			require.Equal(t, 1, w.write(1))
			w.pass(1)
			require.Equal(t, 2, w.write(1), "with the first transaction after the rest")
		})
	}
}

func TestSmallTreeIsWrittenOnceASecondAtMost(t *testing.T) {
	w := startWriter(t, Config{SnapshotTxns: 10})
	for n := range 5 {
		require.Equal(t, n+1, w.write(20))
		w.written(2, false)
		w.pass(999)
		require.Equal(t, n+1, w.write(20))
		w.pass(1)
	}
}

func TestRestDoesNotMakeASnapshotDue(t *testing.T) {
	w := startWriter(t, Config{SnapshotTxns: 1000})
	require.Equal(t, 1, w.write(1000))
	w.written(2, false)
	w.pass(3_600_000)
	require.Equal(t, 1, w.write(400))
}

func TestALogThatGrowsTooLongEndsTheRest(t *testing.T) {
	w := startWriter(t, Config{SnapshotTxns: 10, SnapshotBytes: 4000})
	require.Equal(t, 1, w.write(20))
	w.written(1000, false)
	require.Equal(t, 1, w.write(10))
	require.Equal(t, 2, w.write(100))
}

func TestAnOperatorEndsTheRest(t *testing.T) {
	w := startWriter(t, Config{SnapshotTxns: 10})
	require.Equal(t, 1, w.write(20))
	w.written(1000, false)
	w.step(SnapshotNow{})
	require.Len(t, w.snaps, 2)
	w.written(2, false)
	require.Equal(t, 2, w.write(20), "the snapshot that was asked for is followed by a rest too")
}

func TestWithoutARestOneSnapshotFollowsTheOther(t *testing.T) {
	w := startWriter(t, Config{SnapshotTxns: 10, SnapshotRestMillis: -1})
	for n := range 5 {
		require.Equal(t, n+1, w.write(20))
		w.written(1000, false)
	}
}

func TestAShortDiskGetsASnapshotBeforeAnythingElse(t *testing.T) {
	s := startWriter(t, Config{})
	s.write(20)
	s.begin(false)
	known := s.log[len(s.log)-1].CommitHint
	s.step(Start{Short: true})
	require.Len(t, s.snaps, 1)
	require.Equal(t, known, s.snaps[0].View.Zxid, "all that is known to be committed")
	require.False(t, s.r.Serving())
	logged := len(s.log)
	s.step(Tick{})
	require.Len(t, s.log, logged, "nothing is added before")
	s.written(2, true)
	require.True(t, s.r.Serving(), "also where it did not fit")
	require.Greater(t, len(s.log), logged)
}

// What is read of the log to make room would have been read for that too, at once.
func TestNobodyIsServedReadsBeforeThereIsRoom(t *testing.T) {
	s := startWriter(t, Config{})
	s.write(20)
	s.cfg.Zab.Voters, s.cfg.ReadOnlyMode, s.network = []core.PeerID{1, 2, 3}, true, &network{}
	s.begin(false)
	s.step(Start{Short: true})
	s.advance(10_000)
	require.Len(t, s.reads, 1)
	require.False(t, s.r.ServingReadOnly())
	s.written(2, false)
	s.advance(10_000)
	require.True(t, s.r.ServingReadOnly(), "nobody is there to be followed")
}

// It and one that looks for a leader would have answered each other without a pause.
func TestWhoMakesRoomAnswersNobody(t *testing.T) {
	n := three(t)
	p := n.come(1, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
	h, _ := n.ask(p, wire.OpCreate, create("/a", core.Persistent))
	require.Equal(t, core.OK, h.Err)
	for id := range n.servers {
		n.kill(id)
	}
	n.bringBack(1)
	n.start(2, Start{Short: true})
	s := n.servers[2]
	require.Len(t, s.snaps, 1)
	n.pass(3000)
	require.False(t, s.r.Serving())
	s.snaps[0].View.Close()
	s.step(SnapshotWritten{Zxid: s.snaps[0].View.Zxid})
	n.pass(3000)
	require.True(t, s.r.Serving(), "the two find each other")
}

func TestASnapshotThatIsAskedForAtAStartIsOneOfSomething(t *testing.T) {
	s := startWriter(t, Config{})
	s.write(20)
	s.begin(true)
	s.step(Start{Short: true})
	s.step(SnapshotNow{})
	require.Empty(t, s.snaps, "the state has not been loaded yet")
	s.step(SnapshotLoaded{State: state.New(state.Config{})})
	require.Len(t, s.snaps, 1)
	require.Equal(t, s.log[len(s.log)-1].CommitHint, s.snaps[0].View.Zxid)
	s.written(2, false)
	require.True(t, s.r.Serving())
	require.Len(t, s.snaps, 1)
}

func TestAShortDiskGetsASnapshotOfWhatTheStateCameWith(t *testing.T) {
	s := startWriter(t, Config{})
	s.write(20)
	known := s.log[len(s.log)-1].CommitHint
	from := Restored{State: state.New(state.Config{})}
	for i := range s.log {
		if s.log[i].Zxid <= known {
			from.Take(&s.log[i])
		}
	}
	s.begin(true)
	s.r.chain = from.Chain
	s.step(Start{Short: true})
	s.step(SnapshotLoaded{State: from.State, Txns: from.Txns, Bytes: from.Bytes})
	require.Len(t, s.snaps, 1, "there is none of it on the disk yet")
	require.Equal(t, known, s.snaps[0].View.Zxid)
	s.written(2, false)
	require.True(t, s.r.Serving())
}

func TestALeaderWithLittleRoomHandsOverOnce(t *testing.T) {
	n := three(t)
	first := n.leader()
	n.servers[first].step(DiskLow{On: true})
	n.pass(1000)
	second := n.leader()
	require.NotEqual(t, first, second)
	p := n.come(first, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
	h, _ := n.ask(p, wire.OpCreate, create("/a", core.Persistent))
	require.Equal(t, core.OK, h.Err, "the new leader has room")
	for _, s := range n.servers { // now nobody has
		s.step(DiskLow{On: true})
	}
	n.pass(5000)
	handed := uint64(0)
	for _, s := range n.servers {
		handed += s.r.Status().Zab.Handed
	}
	n.pass(5000)
	for _, s := range n.servers {
		handed -= s.r.Status().Zab.Handed
	}
	require.Zero(t, handed, "they do not hand it round for ever")
	h, _ = n.ask(p, wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, "/b", make([]byte, 2*noteBytes), core.OpenACL(), 0, 0))
	require.Equal(t, core.SystemError, h.Err)
}
