package zab

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
)

// hears delivers all that one server has said to another.
func (p *peer) hears(from core.PeerID) {
	for len(p.wire[from]) > 0 {
		msg := p.wire[from][0]
		p.wire[from] = p.wire[from][1:]
		p.act(func(out *Output) { p.m.Receive(from, msg, out) })
	}
}

// flush has the disk do all that it was asked for.
func (p *peer) flush() {
	for len(p.jobs) > 0 {
		p.diskStep()
	}
}

// sever takes two servers apart until cut is cleared.
func (e *ensemble) sever(a core.PeerID, others ...core.PeerID) {
	for _, b := range others {
		e.cut[pair(a, b)] = true
		e.part(a, b)
	}
}

// hearsay has 4 vote for 5 and tell 1, 2 and 3, which do not reach 5. Then 4 and 5 crash.
func (e *ensemble) hearsay() {
	e.peers[4].hears(5)
	for _, id := range []core.PeerID{1, 2, 3} {
		e.peers[id].hears(4)
	}
	e.kill(4)
	e.kill(5)
	for _, id := range []core.PeerID{1, 2, 3} {
		require.EqualValues(e.t, 5, e.peers[id].m.looking.vote.Leader)
	}
}

// TestADamagedServerIsNoLeader: votes for it from before the damage are still about. It has
// forgotten what it had acknowledged, and with those that lack it too it would begin an epoch
// without it.
func TestADamagedServerIsNoLeader(t *testing.T) {
	e := newEnsemble(t, 1, 1, 2, 3, 4, 5)
	e.startAll()
	e.pass(3000)
	five := e.peers[5]
	require.Equal(t, five, e.leader())
	e.sever(1, 3, 4, 5)
	e.sever(2, 3, 4, 5)
	z := five.propose("acknowledged")
	e.pass(100)
	require.Equal(t, z, five.m.Committed())
	for _, id := range e.ids() {
		e.kill(id)
	}
	clear(e.cut)
	e.sever(5, 1, 2, 3)
	e.startAll()
	e.hearsay()
	five.disk = five.disk[:len(five.disk)-1]
	five.meta.Voteable = false // damage
	clear(e.cut)
	e.start(5)
	for _, id := range []core.PeerID{1, 2, 3} {
		five.hears(id)
	}
	require.NotEqual(t, Leading, five.m.Role())
	e.pass(10_000)
	require.NotNil(t, e.leader(), e.dump())
	require.EqualValues(t, 3, e.leader().id)
	for _, id := range []core.PeerID{1, 2, 3, 5} {
		require.GreaterOrEqual(t, e.peers[id].m.Committed(), z)
		require.Contains(t, e.peers[id].disk, e.peers[3].disk[1])
		require.True(t, e.peers[id].meta.Voteable)
	}
}

// TestAWipedVoterCountsOnlyWithTheMembersThatItHadAcknowledged: with a log that ends before a
// reconfiguration, for which its lost acknowledgement counted, it would make a quorum of the
// old members with one that has not heard of it either.
func TestAWipedVoterCountsOnlyWithTheMembersThatItHadAcknowledged(t *testing.T) {
	e := newEnsemble(t, 1, 1, 2, 3)
	e.observe(4)
	for _, id := range e.ids() {
		e.peers[id].cfg.WindowBytes = 1 // what follows a large record waits
	}
	e.startAll()
	e.pass(3000)
	l, behind, lost, joins := e.peers[3], e.peers[1], e.peers[2], e.peers[4]
	require.Equal(t, l, e.leader())
	e.sever(1, 2, 3, 4)
	l.propose(strings.Repeat("large", feedBytes/5))
	e.pass(100)
	require.True(t, l.m.InStep(quorum.Of(2, 3, 4)))
	l.reconfigure(quorum.Of(2, 3, 4), quorum.Set{})
	e.pass(100)
	require.False(t, l.m.Reconfiguring())
	version := l.m.Members().Version

	e.kill(2)
	lost.wipe()
	e.sever(2, 4)
	e.start(2)
	all := func() {
		lost.flush()
		l.hears(2)
		l.flush()
		joins.hears(3)
		joins.flush()
		l.hears(4)
	}
	for lost.m.following == nil || lost.m.following.acked == 0 { // one message after the other
		all()
		if msgs := lost.wire[3]; len(msgs) > 0 {
			lost.wire[3] = msgs[1:]
			lost.act(func(out *Output) { lost.m.Receive(3, msgs[0], out) })
		} else {
			e.now += 50
			lost.act(lost.m.Tick)
		}
	}
	all() // it is welcomed
	lost.hears(3)
	require.True(t, lost.m.following.upToDate)
	lost.flush()
	require.Less(t, lost.m.Durable(), version)
	e.kill(2)
	e.sever(2, 3, 4)
	delete(e.cut, pair(1, 2))
	e.start(2)
	e.pass(10_000)
	for _, p := range []*peer{behind, lost} {
		require.Less(t, p.m.Epoch(), core.Epoch(2), "the old members go on\n%s", e.dump())
	}
	require.Equal(t, l, e.leader())
	clear(e.cut)
	e.relink(true)
	e.pass(10_000)
	require.Equal(t, l.m.Committed(), lost.m.Committed())
	require.True(t, lost.meta.Voteable)
}

// TestNobodyIsMadeAVoterWhoDoesNotCount: if it comes again before it does, it needs a quorum
// without it, which the new members do not have.
func TestNobodyIsMadeAVoterWhoDoesNotCount(t *testing.T) {
	for seed := range uint64(20) {
		e := newEnsemble(t, seed, 1)
		e.observe(2)
		one := e.peers[1]
		both := quorum.Of(1, 2)
		e.startAll()
		for n := 0; !one.m.InStep(both); n++ {
			require.Less(t, n, 100_000)
			if !e.step() {
				e.pass(50)
			}
		}
		one.reconfigure(both, quorum.Set{})
		e.part(1, 2)
		e.kill(2)
		e.start(2)
		e.pass(60_000)
		require.NotNil(t, e.leader(), "seed %d\n%s", seed, e.dump())
		require.Equal(t, both, e.leader().m.Members().Voters)
	}
}

// TestNobodyVotesOnForWhoIsGone: who hears of a server from others only, which is down, and
// does not reach it, does not wait for it.
func TestNobodyVotesOnForWhoIsGone(t *testing.T) {
	e := newEnsemble(t, 1, 1, 2, 3, 4, 5)
	e.sever(5, 1, 2, 3)
	e.startAll()
	e.hearsay()
	e.pass(60_000)
	require.NotNil(t, e.leader(), e.dump())
}

// TestWhoIsReachedByAFewIsNotWaitedFor: all would vote for it, and most could not follow.
func TestWhoIsReachedByAFewIsNotWaitedFor(t *testing.T) {
	for seed := range uint64(5) {
		e := newEnsemble(t, seed, 1, 2, 3, 4, 5)
		e.sever(5, 1, 2, 3)
		e.startAll()
		e.pass(10_000)
		require.NotNil(t, e.leader(), e.dump())
	}
}

// TestADoubtfulServerIsGivenASnapshot: its log is whole, but who has it does not come to the
// state that it quotes. It comes back to a leader that it has promised already, and to one
// that it has not.
func TestADoubtfulServerIsGivenASnapshot(t *testing.T) {
	for _, another := range []bool{false, true} {
		e := newEnsemble(t, 1, 1, 2, 3)
		e.startAll()
		e.pass(3000)
		require.EqualValues(t, 3, e.leader().id)
		e.leader().propose("before")
		e.pass(100)
		e.kill(1)
		if another {
			e.kill(3)
			e.start(3)
			e.pass(3000)
		}
		one := e.peers[1]
		one.doubtful = true
		e.start(1)
		require.False(t, one.m.synced.Voteable)
		e.pass(5000)
		require.False(t, one.doubtful, "a snapshot has come")
		require.NotZero(t, one.base.Zxid)
		require.True(t, one.meta.Voteable, "and it counts again")
	}
}

// TestDoubtfulServersAreLeftAsTheyAre: a mistake of the reader is found by all of them.
func TestDoubtfulServersAreLeftAsTheyAre(t *testing.T) {
	e := newEnsemble(t, 1, 1, 2, 3)
	e.startAll()
	e.pass(3000)
	z := e.leader().propose("acknowledged")
	e.pass(100)
	for _, id := range e.ids() {
		e.kill(id)
		e.peers[id].doubtful = true
	}
	e.startAll()
	e.pass(5000)
	require.Nil(t, e.leader())
	for _, id := range e.ids() {
		e.kill(id)
		p := e.peers[id]
		require.True(t, p.meta.Voteable)
		require.Equal(t, z, p.last().Zxid)
		p.doubtful = false
	}
	e.startAll()
	e.pass(5000)
	require.NotNil(t, e.leader())
}
