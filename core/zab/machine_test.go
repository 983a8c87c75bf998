package zab

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/wire"
)

// voter is a machine with a disk that does what the test says.
type voter struct {
	t   *testing.T
	m   *Machine
	out Output
}

func config() Config { return Config{Self: 1, Voters: []core.PeerID{1}} }

func start(t *testing.T, cfg Config, d Durable) *voter {
	t.Helper()
	m, err := New(cfg, d)
	require.NoError(t, err)
	v := &voter{t: t, m: m}
	m.Start(&v.out)
	return v
}

// epochs takes the epochs that are to be made durable.
func (v *voter) epochs() Epochs {
	v.t.Helper()
	require.NotNil(v.t, v.out.Epochs)
	e := *v.out.Epochs
	v.out.Epochs = nil
	return e
}

func (v *voter) synced(upTo core.Zxid) { v.m.Synced(v.m.Generation(), upTo, &v.out) }

func (v *voter) epochsSynced() { v.m.EpochsSynced(v.m.Generation(), &v.out) }

// establish goes through the phases up to broadcast.
func (v *voter) establish() {
	v.t.Helper()
	v.epochs()
	v.epochsSynced()
	v.synced(v.m.Logged())
	v.epochs()
	v.epochsSynced()
	require.True(v.t, v.m.Ready())
}

func (v *voter) propose() core.Zxid { return v.m.Propose([]byte("txn"), 1, 0, 0, &v.out) }

func TestPhasesHaveTheirDurableStepsInOrder(t *testing.T) {
	v := start(t, config(), Durable{AcceptedEpoch: 3, CurrentEpoch: 2, LastLogged: core.MakeZxid(2, 7), LastChain: 99, Voteable: true})
	require.Equal(t, Discovery, v.m.Phase())
	require.Equal(t, Epochs{Accepted: 4, Current: 2, Voteable: true}, v.epochs(), "accepted before anybody hears of it (Z-01)")
	require.Empty(t, v.out.Append)
	v.synced(v.m.Logged()) // nothing to do with it
	require.Equal(t, Discovery, v.m.Phase())

	v.epochsSynced()
	require.Equal(t, Synchronization, v.m.Phase())
	require.Len(t, v.out.Append, 1)
	marker := v.out.Append[0]
	require.Equal(t, core.MakeZxid(4, 0), marker.Zxid)
	require.Equal(t, wire.RecordEpoch, marker.Kind)
	require.EqualValues(t, 99, marker.PrevChain)
	require.EqualValues(t, 99, v.m.Chain(), "a marker leaves the chain as it is")
	require.Nil(t, v.out.Epochs, "the current epoch waits for the history it vouches for (Z-02)")

	v.epochsSynced() // a late one
	require.Equal(t, Synchronization, v.m.Phase())
	v.synced(marker.Zxid)
	require.Equal(t, Epochs{Accepted: 4, Current: 4, Voteable: true}, v.epochs())
	require.False(t, v.m.Ready(), "the ack follows the epoch (Z-37)")
	v.epochsSynced()
	require.True(t, v.m.Ready())
	require.Equal(t, marker.Zxid, v.m.Committed())
}

func TestNothingIsCommittedBeforeItIsDurable(t *testing.T) {
	v := start(t, config(), Durable{Voteable: true})
	v.establish()
	first, second := v.propose(), v.propose()
	require.Equal(t, first+1, second)
	_, ok := v.m.TakeCommitted()
	require.False(t, ok)
	v.synced(first)
	require.Equal(t, first, v.m.Committed())
	p, ok := v.m.TakeCommitted()
	require.True(t, ok)
	require.Equal(t, first, p.Zxid)
	_, ok = v.m.TakeCommitted()
	require.False(t, ok)
	v.m.Synced(v.m.Generation()-1, second, &v.out)
	require.Equal(t, first, v.m.Committed(), "a disk job of an earlier role counts for nothing")
	v.synced(first)
	require.Equal(t, first, v.m.Committed(), "nor does a slower one that finished late")
	v.synced(second)
	p, ok = v.m.TakeCommitted()
	require.True(t, ok)
	require.Equal(t, second, p.Zxid)
	require.Panics(t, func() { v.synced(second + 1) }, "what was never logged cannot be durable")
}

func TestChainRunsThroughAllRecords(t *testing.T) {
	v := start(t, config(), Durable{Voteable: true})
	v.establish()
	for range 3000 { // beyond the point at which the queue is compacted
		v.propose()
	}
	v.synced(v.m.Logged())
	for range 3000 {
		_, ok := v.m.TakeCommitted()
		require.True(t, ok)
	}
	last, chain := core.Zxid(0), uint64(0)
	for i, r := range v.out.Append {
		require.True(t, r.Zxid == last+1 || r.Zxid.Counter() == 0 && r.Zxid > last, "record %d", i)
		require.Equal(t, chain, r.PrevChain)
		require.LessOrEqual(t, r.CommitHint, r.Zxid)
		carried, intact := r.CarriedChain()
		require.True(t, intact)
		require.Equal(t, r.Chain(), carried, "record %d", i)
		last, chain = r.Zxid, r.Chain()
	}
	require.Equal(t, chain, v.m.Chain())
}

func TestEpochAdvancesInPlaceWhenTheCounterRunsOut(t *testing.T) {
	cfg := config()
	cfg.CounterMax = 4
	v := start(t, cfg, Durable{Voteable: true})
	v.establish()
	require.Equal(t, 4, v.m.Room())
	for range 4 {
		require.True(t, v.m.Ready())
		v.propose()
	}
	require.False(t, v.m.Ready())
	require.Zero(t, v.m.Room())
	require.PanicsWithValue(t, check.Violation{Message: "zab: proposal in role LEADING, phase broadcast"}, func() { v.propose() })
	gen := v.m.Generation()
	v.synced(v.m.Logged() - 1)
	require.Equal(t, gen, v.m.Generation(), "everything of the old epoch is committed first")
	v.synced(v.m.Logged())
	require.Equal(t, gen+1, v.m.Generation())
	require.Equal(t, Discovery, v.m.Phase())
	for range 4 {
		_, ok := v.m.TakeCommitted()
		require.True(t, ok)
	}
	v.establish()
	require.Equal(t, core.MakeZxid(2, 1), v.propose())
}

func TestWhatCannotRunIsRefused(t *testing.T) {
	whole := Durable{Voteable: true}
	for name, c := range map[string]struct {
		cfg Config
		d   Durable
	}{
		"no voter":                   {Config{Self: 1}, whole},
		"somebody else":              {Config{Self: 1, Voters: []core.PeerID{2}}, whole},
		"a damaged log":              {config(), Durable{AcceptedEpoch: 1, CurrentEpoch: 1}},
		"epochs the wrong way round": {config(), Durable{AcceptedEpoch: 1, CurrentEpoch: 2, Voteable: true}},
		"no epochs left":             {config(), Durable{AcceptedEpoch: math.MaxUint32 - 15, Voteable: true}},
	} {
		_, err := New(c.cfg, c.d)
		require.Error(t, err, name)
	}
}

func TestLogAheadOfTheAcceptedEpochIsGoneOnFrom(t *testing.T) {
	v := start(t, config(), Durable{AcceptedEpoch: 2, CurrentEpoch: 2, LastLogged: core.MakeZxid(5, 0), Voteable: true})
	require.Equal(t, core.Epoch(6), v.epochs().Accepted)
}

func TestALogOfManyEpochsIsToldOfAndRead(t *testing.T) {
	log := Durable{AcceptedEpoch: 200, CurrentEpoch: 200, LastLogged: core.MakeZxid(200, 7), LastChain: 200, Voteable: true}
	for e := core.Epoch(1); e <= 200; e++ {
		log.Epochs = append(log.Epochs, EpochEnd{Last: core.MakeZxid(e, 7), Chain: uint64(e)})
	}
	learner, leader := start(t, config(), log).m, start(t, config(), log).m
	told := AckEpoch{Current: 200, Last: learner.logged, Chain: learner.chain, Epochs: learner.epochTable()}
	msg, err := DecodeMessage(AppendMessage(nil, told))
	require.NoError(t, err, "who cannot be understood never serves again")
	require.Equal(t, told, msg)

	at, keep := leader.common(&told)
	require.Equal(t, &EpochEnd{Last: core.MakeZxid(200, 7), Chain: 200}, at)
	require.True(t, keep)

	long := AckEpoch{Last: core.MakeZxid(3, 7), Chain: 3, Epochs: log.Epochs[:3]}
	at, _ = leader.common(&long)
	require.Nil(t, at, "what it has may be committed, though this server remembers those epochs no more")
	few := log
	few.Epochs, few.LastLogged = log.Epochs[:3], core.MakeZxid(4, 2)
	at, _ = start(t, config(), few).m.common(&AckEpoch{Last: learner.logged, Chain: learner.chain, Epochs: learner.epochTable()})
	require.Nil(t, at, "likewise if it is the other that has forgotten")
}

func TestALeaderToWhomNobodyComesLooksAgainSoon(t *testing.T) {
	cfg := config()
	cfg.Self, cfg.Voters = 3, []core.PeerID{1, 2, 3}
	m, err := New(cfg, Durable{AcceptedEpoch: 2, CurrentEpoch: 2, LastLogged: core.MakeZxid(2, 5), Voteable: true})
	require.NoError(t, err)
	var out Output
	m.At(1000)
	m.Start(&out)
	m.LinkUp(2, &out)
	// It votes for this server, and finds at once that 1 leads.
	m.Receive(2, Notification{State: Looking, Vote: m.candidacy(), Round: m.round}, &out)
	require.Equal(t, Leading, m.Role())
	m.At(1000 + m.cfg.TickMillis/2)
	m.Tick(&out)
	require.Equal(t, Leading, m.Role())
	m.At(1001 + m.cfg.TickMillis/2)
	m.Tick(&out)
	require.Equal(t, Looking, m.Role())
	m.Receive(2, Notification{State: Looking, Vote: m.candidacy(), Round: m.round}, &out)
	m.Receive(2, FollowerInfo{Stream: 1, Accepted: 2, Voteable: true}, &out)
	m.At(m.now + m.cfg.TickMillis)
	m.Tick(&out)
	require.Equal(t, Leading, m.Role(), "one who comes is waited for")
}

// TestALearnerKeepsNothingThatTheLogTellsOf: it was away for much of an epoch that goes on.
func TestALearnerKeepsNothingThatTheLogTellsOf(t *testing.T) {
	m, err := New(Config{Self: 1, Voters: []core.PeerID{1, 2, 3}, RecentBytes: 1}, Durable{})
	require.NoError(t, err)
	v := &voter{t: t, m: m}
	m.Start(&v.out)
	m.LinkUp(2, &v.out)
	m.endRole(&v.out)
	m.follow(2, &v.out)
	stream, chain := m.following.stream, uint64(0)
	receive := func(msg Message) { m.Receive(2, msg, &v.out) }
	record := func(z core.Zxid, kind wire.RecordKind) wire.Record {
		r := wire.Record{Zxid: z, Kind: kind, PrevChain: chain, Payload: make([]byte, 100)}
		if z.Counter() > 10 {
			r.CommitHint = z - 10
		}
		chain = r.Seal()
		return r
	}
	receive(LeaderInfo{Stream: stream, Epoch: 5})
	v.epochs()
	v.epochsSynced()
	receive(Diff{Stream: stream})
	receive(NewLeader{Stream: stream, Marker: record(core.MakeZxid(5, 0), wire.RecordEpoch)})
	v.synced(m.Logged())
	v.epochs()
	v.epochsSynced()
	const all, batch = 20_000, 100
	last := core.MakeZxid(5, all)
	for z := core.MakeZxid(5, 1); z <= last; {
		var records []wire.Record
		for ; len(records) < batch; z++ {
			records = append(records, record(z, wire.RecordTxn))
		}
		receive(Propose{Stream: stream, Records: records})
		require.Equal(t, z-1, m.Logged())
		require.LessOrEqual(t, len(m.queue)-m.head, 2*batch+10)
		require.Less(t, cap(m.queue), all/2)
		v.synced(m.Logged())
	}
	require.Equal(t, Synchronization, m.Phase())
	receive(UpToDate{Stream: stream, Committed: last - 5})
	require.Equal(t, Broadcast, m.Phase())
	require.Equal(t, last-5, m.TakeFromLog())
	receive(Propose{Stream: stream, Committed: last})
	for z := last - 4; z <= last; z++ {
		p, ok := m.TakeCommitted()
		require.True(t, ok)
		require.Equal(t, z, p.Zxid)
	}
	_, ok := m.TakeCommitted()
	require.False(t, ok)
}
