package zab

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
)

// mayLose reports whether the disk of a server may be lost and nothing that is
// agreed with it: every quorum of those who may vote then has one who knows it all.
func (e *ensemble) mayLose(lost core.PeerID) bool {
	voteable, lacking := 0, 0
	for _, id := range e.voters {
		p := e.peers[id]
		if id == lost || !p.meta.Voteable {
			continue
		}
		voteable++
		if len(e.agreed) > 0 && p.last().Zxid < e.agreed[len(e.agreed)-1].Zxid {
			lacking++
		}
	}
	majority := len(e.voters)/2 + 1
	return voteable >= majority && lacking < majority
}

// TestChaos kills, cuts, heals and proposes at random, and demands in the end that
// all agree. What must hold after every event is checked after every event.
func TestChaos(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 30
	}
	var all Stats
	fed := 0
	for seed := range seeds {
		func() {
			defer func() {
				if v := recover(); v != nil {
					t.Fatalf("seed %d: %v", seed, v)
				}
			}()
			ids := []core.PeerID{1, 2, 3}
			if seed%3 == 0 {
				ids = append(ids, 4, 5)
			}
			s, f := chaos(t, seed, ids)
			fed += f
			all.Diff += s.Diff
			all.Trunc += s.Trunc
			all.Snap += s.Snap
			all.Handed += s.Handed
			all.Elections += s.Elections
			all.Reconfigured += s.Reconfigured
		}()
	}
	t.Logf("%+v", all)
	require.NotZero(t, all.Diff)
	require.NotZero(t, all.Trunc)
	require.NotZero(t, all.Snap)
	require.NotZero(t, all.Handed)
	require.NotZero(t, all.Reconfigured)
	require.NotZero(t, fed)
}

// reconfigureAtRandom changes the members at a leader that may: some of the servers
// vote, some observe, and some are none of it.
func (e *ensemble) reconfigureAtRandom(p *peer, ids []core.PeerID) {
	if p.m == nil || !p.m.Ready() || p.m.Reconfiguring() {
		return
	}
	was := p.m.Members()
	voters, observers := was.Voters, was.Observers
	for n := e.rng.IntN(3); n >= 0; n-- {
		id := ids[e.rng.IntN(len(ids))]
		voters.Remove(id)
		observers.Remove(id)
		switch e.rng.IntN(3) {
		case 0, 1:
			voters.Add(id)
		case 2:
			observers.Add(id)
		}
	}
	if voters.Len() > 0 && p.m.InStep(voters) {
		p.reconfigure(voters, observers)
	}
}

func chaos(t *testing.T, seed uint64, ids []core.PeerID) (all Stats, fed int) {
	e := newEnsemble(t, seed, ids...)
	changing := seed%2 == 1 // the members
	if seed%7 < 3 && !changing {
		for _, id := range ids {
			e.peers[id].wipe()
		}
	}
	if seed%4 == 1 {
		ids = append(ids, 9)
		e.observe(9)
	}
	if seed%2 == 0 { // little memory, little room
		for _, id := range ids {
			p := e.peers[id]
			p.cfg.RecentBytes, p.cfg.WindowBytes = 1+e.rng.IntN(500), 1+e.rng.IntN(500)
		}
	}
	if seed%5 == 0 {
		for _, id := range ids {
			e.peers[id].cfg.CounterMax = 8
		}
	}
	e.startAll()
	gather := func(p *peer) {
		if p.m != nil {
			s := p.m.Stats()
			all.Diff += s.Diff
			all.Trunc += s.Trunc
			all.Snap += s.Snap
			all.Handed += s.Handed
			all.Elections += s.Elections
			all.Reconfigured += s.Reconfigured
		}
	}
	for range 400 {
		id := ids[e.rng.IntN(len(ids))]
		p, other := e.peers[id], ids[e.rng.IntN(len(ids))]
		switch e.rng.IntN(12) {
		case 0:
			gather(p)
			e.kill(id)
		case 1, 2:
			if p.m == nil {
				e.start(id)
			}
		case 9:
			if p.m == nil {
				p.purge()
			}
		case 10:
			if p.m == nil && !changing && e.mayLose(id) {
				p.wipe()
			}
		case 11: // several at once, and back
			for _, id := range ids {
				if e.rng.IntN(2) == 0 {
					gather(e.peers[id])
					e.kill(id)
				}
			}
			for _, id := range ids {
				if e.peers[id].m == nil && e.rng.IntN(4) > 0 {
					e.start(id)
				}
			}
		case 3:
			if id != other {
				e.cut[pair(id, other)] = true
				e.part(id, other)
			}
		case 4, 5:
			delete(e.cut, pair(id, other))
			e.join(id, other)
		case 6, 7, 8:
			if p.m != nil && e.rng.IntN(10) == 0 && p.m.Role() == Leading {
				p.act(func(out *Output) { p.m.Transfer(other, out) })
			}
			if changing && e.rng.IntN(3) == 0 {
				e.reconfigureAtRandom(p, ids)
			}
			if p.m != nil && p.m.Ready() {
				for n := 0; n <= e.rng.IntN(4) && p.m.Ready(); n++ {
					p.propose(fmt.Sprint(id, " proposes ", n, " at ", e.now))
				}
			}
		}
		for range e.rng.IntN([]int{1, 4, 30, 100}[e.rng.IntN(4)]) {
			e.step()
		}
		if e.rng.IntN(3) == 0 {
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
	for _, a := range ids {
		for _, b := range ids {
			if a < b {
				e.join(a, b)
			}
		}
	}
	e.pass(40_000)
	l := e.leader()
	require.NotNil(t, l, "seed %d: nobody leads\n%s", seed, e.dump())
	if !l.m.Ready() { // the counter is used up: another epoch
		e.pass(10_000)
		l = e.leader()
	}
	l.propose("the last")
	e.pass(1000)
	for _, id := range ids {
		p := e.peers[id]
		require.Equal(t, l.m.Committed(), p.m.Committed(), "seed %d: server %d is behind", seed, id)
		require.Equal(t, l.m.Chain(), p.m.Chain(), "seed %d: server %d", seed, id)
		gather(p)
	}
	return all, e.fed
}
