package sim

import "github.com/zensus-io/zensus/core/vfs"

// cutNetwork breaks links for a while: those between two groups, one direction of
// one, or one that comes back at once.
func (w *World) cutNetwork(kind FaultKind) {
	r := w.faults
	long := between(r, 100*millisecond, 20*second)
	p := w.pairs[r.IntN(len(w.pairs))]
	switch kind {
	case FaultLink:
		p.end()
		return
	case FaultOneWay:
		p.cut[r.IntN(2)] = true
	case FaultPartition:
		side := map[*server]bool{}
		for _, s := range w.servers {
			side[s] = oneIn(r, 2)
		}
		notice := r.IntN(4)
		for _, p := range w.pairs {
			if side[p.ends[0]] == side[p.ends[1]] {
				continue
			}
			p.cut = [2]bool{true, true}
			switch {
			case notice == 0 && oneIn(r, 2): // they notice at once
				p.end()
			case notice > 1: // one side does, and the other goes on waiting
				for i := range p.ends {
					if side[p.ends[i]] == (notice == 2) {
						p.halfOpen(i)
					}
				}
			}
		}
	}
	w.after(long, func() {
		w.cover.hit("network healed")
		w.healedAt = w.now
		w.joinAll()
	})
}

// leaveLeader takes the leader's links away in a way that the others notice at once,
// and it not: they have another soon, and it goes on as the leader for a while.
func (w *World) leaveLeader() {
	r := w.faults
	long := between(r, second, 12*second)
	for _, s := range w.servers {
		if !s.up || !s.leads() {
			continue
		}
		w.leaveBehind(s)
		w.askOperator(s)
		if oneIn(r, 2) { // and what it logs meanwhile takes long
			s.slowUntil = w.now + long + between(r, 0, 4*second)
		}
	}
	w.after(long, w.joinAll)
}

// mayLose reports whether the disk of a server may lose something: all others have a
// vote, and so many of them have all that it may have acknowledged that every quorum
// without it has one of these.
func (w *World) mayLose(lost *server) bool {
	voters := w.voters()
	if voters < 3 || w.opt.Changing {
		return false
	}
	least := lost.synced
	if n := len(w.oracle.agreed); n > 0 {
		least = max(least, w.oracle.agreed[n-1].Zxid)
	}
	whole := 0
	for _, s := range w.servers {
		switch {
		case s == lost || s.observer:
		case !s.up || !s.store.Meta().Voteable || s.store.Damaged():
			return false
		case s.synced >= least && s.serving:
			whole++
		}
	}
	return whole > voters-1-(voters/2+1)
}

// loseDisk ends the process, which comes again after a while with an empty disk.
func (s *server) loseDisk(d int64) {
	s.crash(vfs.CrashProcess)
	s.wipe()
	s.restartLater(d)
}

// wipe puts an empty disk in the place of the server's, which is down.
func (s *server) wipe() {
	s.had = max(s.had, s.synced)
	s.mem = vfs.NewMem()
	s.log, s.base, s.synced, s.lastEpochs = nil, position{}, 0, zeroEpochs
	s.gone, s.installing, s.said = nil, nil, saidState{}
	s.forgetState()
}
