package sim

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zab"
)

// Faults in several steps, each of which waits for what the one before was to bring about:
// chance alone hardly ever leads there.

// three are the leader of three voters, and the other two in a random order, when all are
// there and nothing is between them.
func (w *World) three() (leader, a, b *server, ok bool) {
	if leader = w.leader(); leader == nil || w.voters() != 3 || w.opt.Changing {
		return nil, nil, nil, false
	}
	for _, p := range w.pairs {
		if !p.up || p.cut != [2]bool{} || p.lost != [2]bool{} {
			return nil, nil, nil, false
		}
	}
	for _, s := range w.servers {
		switch {
		case s.observer:
		case !s.up || !s.serving:
			return nil, nil, nil, false
		case s == leader:
		case a == nil:
			a = s
		default:
			b = s
		}
	}
	if oneIn(w.faults, 2) {
		a, b = b, a
	}
	return leader, a, b, true
}

// cutPair cuts what is between two servers, or joins them again.
func (w *World) cutPair(a, b *server, cut bool) {
	if p, _ := w.pairOf(a, b.id); p != nil {
		p.cut = [2]bool{cut, cut}
		p.end()
	}
}

// leaveBehind cuts a server off, in a way that the others notice at once, and it not.
func (w *World) leaveBehind(s *server) {
	for _, p := range w.pairs {
		for i := range p.ends {
			if p.ends[i] == s {
				p.cut = [2]bool{true, true}
				p.halfOpen(1 - i)
			}
		}
	}
}

// joinAll takes away what is between servers.
func (w *World) joinAll() {
	for _, p := range w.pairs {
		p.cut = [2]bool{}
	}
}

// when does something once a condition holds, if it soon does.
func (w *World) when(condition func() bool, tries int, do func()) {
	w.after(100, func() {
		switch {
		case w.quiet || tries == 0:
			w.joinAll()
		case condition():
			do()
		default:
			w.when(condition, tries-1, do)
		}
	})
}

// whenOneLeads does something once one of two has come so far as the leader of a later
// epoch, if one soon does.
func (w *World) whenOneLeads(a, b *server, phase zab.Phase, behind core.Epoch, do func(leads, other *server)) {
	w.when(func() bool { return a.leadsIn(phase, behind) || b.leadsIn(phase, behind) }, 10_000, func() {
		if b.leadsIn(phase, behind) {
			a, b = b, a
		}
		do(a, b)
	})
}

// leadsIn reports whether a server has come so far as the leader of a later epoch.
func (s *server) leadsIn(phase zab.Phase, behind core.Epoch) bool {
	z := s.rep.Status()
	return s.up && z.Role == zab.Leading && z.Phase >= phase && z.Epochs.Accepted > behind
}

// wipeHelper has two of three begin another epoch without their leader, which does not
// know, and then takes the disk of the one that helped the other, and leads it to the old
// leader, while the new one is away: the two must not go on without what was written.
func (w *World) wipeHelper() {
	old, a, b, ok := w.three()
	if !ok {
		return
	}
	soon, later := between(w.faults, 10*millisecond, 500*millisecond), between(w.faults, 3*second, 8*second)
	wait := between(w.faults, 100*millisecond, 500*millisecond)
	epoch := old.rep.Status().Epochs.Accepted
	w.leaveBehind(old)
	w.whenOneLeads(a, b, zab.Broadcast, epoch, func(next, helper *server) {
		w.after(wait, func() {
			if !old.up || !old.leads() || !next.up || !next.leads() || !helper.up || w.quiet || !w.mayLose(helper) {
				w.joinAll()
				return
			}
			w.cover.hit("disk lost of who helped another leader")
			helper.loseDisk(soon)
			next.restart(later)
			w.joinAll()
		})
	})
}

// overtake has one of two elect the other, and go back to the leader that both had left,
// before it has promised anything; what is written there is committed. Then that leader
// ends, and who was elected meets one that has more than it has.
func (w *World) overtake() {
	old, a, b, ok := w.three()
	if !ok {
		return
	}
	wait, later := between(w.faults, 100*millisecond, 600*millisecond), between(w.faults, 3*second, 6*second)
	epoch := old.rep.Status().Epochs.Accepted
	w.leaveBehind(old)
	w.whenOneLeads(a, b, zab.Discovery, epoch, func(elected, other *server) {
		w.cutPair(elected, other, true)
		w.cutPair(old, other, false)
		w.when(func() bool { return other.up && other.serving }, 10_000, func() {
			w.after(wait, func() {
				if !old.up || !old.leads() || !other.up || !elected.leadsIn(zab.Discovery, epoch) || w.quiet {
					w.joinAll()
					return
				}
				if other.synced > elected.synced {
					w.cover.hit("leader elected and overtaken")
				}
				old.restart(later)
				w.joinAll()
			})
		})
	})
}

// wipeBehind leaves one of three behind for a while, and then takes the disk of another,
// and the leader for some seconds: who is left has not all that is committed, and must
// not be helped to lead by the one that has nothing.
func (w *World) wipeBehind() {
	leader, behind, lost, ok := w.three()
	if !ok {
		return
	}
	cut := func(on bool) {
		w.cutPair(behind, leader, on)
		w.cutPair(behind, lost, on)
	}
	cut(true)
	soon, later := between(w.faults, 10*millisecond, second), between(w.faults, 3*second, 8*second)
	w.after(between(w.faults, 500*millisecond, 2*second), func() {
		cut(false)
		if !leader.up || !leader.leads() || !behind.up || !lost.up || !w.mayLose(lost) || w.quiet {
			return
		}
		w.cover.hit("disk lost while another is behind")
		lost.loseDisk(soon)
		leader.restart(later)
	})
}
