package zab

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// follower is one that follows in step, and its leader.
func follower(t *testing.T) (p, leader *peer) {
	e := newEnsemble(t, 1, 1, 2, 3)
	e.startAll()
	e.pass(1000)
	leader = e.leader()
	require.NotNil(t, leader)
	leader.propose("a")
	e.pass(100)
	for _, id := range e.ids() {
		if id != leader.id {
			p = e.peers[id]
		}
	}
	require.Equal(t, Broadcast, p.m.Phase())
	return p, leader
}

// TestAGapEndsTheLink sends a follower a record that does not follow its last one, and
// one that does in its zxid only (Z-44).
func TestAGapEndsTheLink(t *testing.T) {
	for name, change := range map[string]func(*wire.Record){
		"zxid":  func(r *wire.Record) { r.Zxid++ },
		"chain": func(r *wire.Record) { r.PrevChain++ },
	} {
		p, leader := follower(t)
		last := p.m.Logged()
		r := wire.Record{Zxid: last + 1, Kind: wire.RecordTxn, Payload: []byte("txn"), PrevChain: p.m.Chain()}
		change(&r)
		p.act(func(out *Output) {
			p.m.Receive(leader.id, Propose{Stream: p.m.following.stream, Records: []wire.Record{r}}, out)
		})
		require.Equal(t, Looking, p.m.Role(), name)
		require.Equal(t, last, p.m.Logged(), "nothing of it is logged")
		p.e.pass(2000)
		require.Equal(t, leader.id, p.m.Leader(), "it comes again")
	}
}

// TestACommitOfWhatWasNeverSentEndsTheLink (Z-49).
func TestACommitOfWhatWasNeverSentEndsTheLink(t *testing.T) {
	p, leader := follower(t)
	committed := p.m.Committed()
	p.act(func(out *Output) {
		p.m.Receive(leader.id, Propose{Stream: p.m.following.stream, Committed: p.m.Logged() + 1}, out)
	})
	require.Equal(t, Looking, p.m.Role())
	require.Equal(t, committed, p.m.Committed())
	p.e.pass(2000)
	require.Equal(t, leader.id, p.m.Leader(), "it comes again")
}

// TestAVoterThatPromisedALaterEpochIsTakenIn has a server come that has promised an
// epoch that never came to be: the leader begins a later one, soon after its start as
// well as later (Z-29).
func TestAVoterThatPromisedALaterEpochIsTakenIn(t *testing.T) {
	p, leader := follower(t)
	e, epoch := p.e, leader.m.Epoch()
	e.kill(p.id)
	p.meta.Accepted = epoch + 5
	e.start(p.id)
	e.pass(5000)
	now := e.leader()
	require.NotNil(t, now)
	require.Greater(t, now.m.Epoch(), epoch+core.Epoch(5))
	require.Equal(t, now.id, p.m.Leader())
	require.Equal(t, Broadcast, p.m.Phase())
}

// TestALearnerThatALeaderLacksComesBackAtOnce breaks the link of a leader with the one
// server that its quorum needs, while it brings it to its history.
func TestALearnerThatALeaderLacksComesBackAtOnce(t *testing.T) {
	for seed := range uint64(20) {
		e := newEnsemble(t, seed, 1, 2, 3)
		e.start(2)
		e.start(3)
		var leader *peer
		for leader == nil {
			if !e.step() {
				e.pass(50)
			}
			for _, id := range []core.PeerID{2, 3} {
				if p := e.peers[id]; p.m.Role() == Leading && p.m.Phase() == Synchronization {
					leader = p
				}
			}
		}
		e.part(2, 3)
		e.join(2, 3)
		e.pass(2000)
		require.NotNil(t, e.leader(), "seed %d: %s", seed, e.dump())
	}
}
