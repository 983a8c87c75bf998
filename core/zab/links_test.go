package zab

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
)

// reaches reports whether a server dials, or lets in, another: one of those that it knows
// to be members, or any as long as no reconfiguration has told it.
func (p *peer) reaches(o core.PeerID) bool {
	m := p.m.Members()
	return m.Version == 0 || m.Has(o)
}

// relink has the links follow what the servers at both ends know of the members; without
// all, some of them, as what was removed keeps its link for a while.
func (e *ensemble) relink(all bool) {
	ids := e.ids()
	for i, a := range ids {
		for _, b := range ids[i+1:] {
			one, two := e.peers[a], e.peers[b]
			if one.m == nil || two.m == nil || !all && e.rng.IntN(4) > 0 {
				continue
			}
			switch may := one.reaches(b) && two.reaches(a) && !e.cut[pair(a, b)]; {
			case may && !one.m.linked(b):
				e.join(a, b)
			case !may && one.m.linked(b):
				e.part(a, b)
			}
		}
	}
}

// TestMembersFindOneAnother changes the members of ensembles whose servers are linked with
// those only whom they know to be members, as core/peer does it, under other faults. In the
// end all members must have found their leader.
func TestMembersFindOneAnother(t *testing.T) {
	changes := uint64(0)
	for seed := range uint64(8) {
		ids := []core.PeerID{1, 2, 3, 4, 5}
		e := newEnsemble(t, seed, ids[:3]...)
		e.observe(4)
		e.observe(5)
		e.startAll()
		e.pass(2000)
		for range 400 {
			id, other := ids[e.rng.IntN(len(ids))], ids[e.rng.IntN(len(ids))]
			p, began := e.peers[id], false
			switch e.rng.IntN(10) {
			case 0:
				e.kill(id)
			case 1, 2, 3:
				if began = p.m == nil; began {
					e.start(id)
				}
			case 4:
				if id != other && e.rng.IntN(3) == 0 {
					e.cut[pair(id, other)] = true
					e.part(id, other)
				}
			case 5, 6:
				delete(e.cut, pair(id, other))
			default:
				if p.m != nil && e.rng.IntN(10) == 0 && p.m.Role() == Leading {
					p.act(func(out *Output) { p.m.Transfer(other, out) })
				}
				e.reconfigureAtRandom(p, ids)
				if p.m != nil && p.m.Ready() {
					p.propose(fmt.Sprint(id, " at ", e.now))
				}
			}
			e.relink(began) // nobody hears what he is not to hear
			for range e.rng.IntN(100) {
				e.step()
			}
			if e.rng.IntN(2) == 0 {
				e.now += int64(e.rng.IntN(1500))
				for _, id := range ids {
					if p := e.peers[id]; p.m != nil {
						p.act(p.m.Tick)
					}
				}
			}
		}
		clear(e.cut)
		for _, id := range ids {
			if e.peers[id].m == nil {
				e.start(id)
			}
		}
		for range 80 {
			e.relink(true)
			e.pass(500)
		}
		l := e.leader()
		require.NotNil(t, l, "seed %d: nobody leads\n%s", seed, e.dump())
		members := l.m.Members()
		for _, id := range ids {
			if p := e.peers[id]; members.Has(id) {
				require.Equal(t, l.m.Committed(), p.m.Committed(), "seed %d: server %d is behind\n%s", seed, id, e.dump())
			}
			changes += e.peers[id].m.Stats().Reconfigured
		}
	}
	require.NotZero(t, changes)
}

// TestAWipedVoterDoesNotHelpALeaderThatWasLeftBehind: the others have begun another epoch,
// and the one that helped them has lost its disk and comes to the leader that they left,
// which does not know yet. They commit nothing together, nor do they begin an epoch.
func TestAWipedVoterDoesNotHelpALeaderThatWasLeftBehind(t *testing.T) {
	e := newEnsemble(t, 1, 1, 2, 3)
	e.startAll()
	e.pass(3000)
	left := e.leader()
	require.NotNil(t, left)
	for _, o := range e.ids() {
		if o != left.id {
			e.cut[pair(left.id, o)] = true
			e.part(left.id, o)
		}
	}
	e.pass(400)
	require.Equal(t, Leading, left.m.Role(), "it does not know yet")
	var next, lost *peer
	for _, o := range e.ids() {
		switch p := e.peers[o]; {
		case p == left:
		case p.m.Role() == Leading:
			next = p
		default:
			lost = p
		}
	}
	require.NotNil(t, next)
	next.propose("what is")
	e.pass(100)
	begun := next.m.Epoch()
	e.kill(lost.id)
	lost.wipe()
	e.cut[pair(next.id, lost.id)] = true
	delete(e.cut, pair(left.id, lost.id))
	stale := left.propose("what never was")
	e.start(lost.id)
	e.pass(400)
	require.Equal(t, Leading, left.m.Role(), "it still does not know")
	require.GreaterOrEqual(t, lost.m.Durable(), stale, "it has brought up to date who came")
	require.Less(t, left.m.Committed(), stale)
	e.pass(20_000)
	require.Less(t, left.m.Committed(), stale)
	require.LessOrEqual(t, left.m.Epochs().Current, begun, "the two have begun an epoch without a quorum")
	require.NotEqual(t, Broadcast, lost.m.Phase(), "it serves what a quorum does not have")
	clear(e.cut)
	e.relink(true)
	e.pass(10_000)
	require.Equal(t, left.m.Committed(), next.m.Committed())
	require.Equal(t, lost.m.Committed(), next.m.Committed())
}

// TestNobodyHandsOverToWhoHangs: all would wait for it.
func TestNobodyHandsOverToWhoHangs(t *testing.T) {
	e := newEnsemble(t, 1, 1, 2, 3)
	e.startAll()
	e.pass(3000)
	l := e.leader()
	var hangs core.PeerID
	for _, id := range e.ids() {
		if id != l.id {
			hangs = id
		}
	}
	for _, id := range e.ids() {
		e.cut[pair(hangs, id)] = true // without anybody noticing
	}
	e.pass(l.m.cfg.TickMillis + 100)
	require.Equal(t, l, e.leader())
	transfer := func(to core.PeerID) (begun bool) {
		l.act(func(out *Output) { begun = l.m.Transfer(to, out) })
		return begun
	}
	require.False(t, transfer(hangs))
	require.True(t, transfer(0))
	e.pass(500)
	require.NotNil(t, e.leader())
	require.NotContains(t, []core.PeerID{l.id, hangs}, e.leader().id)
}
