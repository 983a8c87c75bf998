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
		for _, p := range w.pairs {
			if side[p.ends[0]] != side[p.ends[1]] {
				p.cut = [2]bool{true, true}
				if oneIn(r, 2) { // they notice at once
					p.end()
				}
			}
		}
	}
	w.after(long, func() {
		w.cover.hit("network healed")
		for _, p := range w.pairs {
			p.cut = [2]bool{}
		}
	})
}

// mayLose reports whether the disk of a server may lose something: all others are
// there, whole and up to date.
func (w *World) mayLose(lost *server) bool {
	if w.voters() < 3 {
		return false
	}
	for _, s := range w.servers {
		if s == lost || s.observer {
			continue
		}
		if !s.up || !s.serving || !s.store.Meta().Voteable || s.store.Damaged() {
			return false
		}
		if n := len(w.oracle.agreed); n > 0 && s.synced < w.oracle.agreed[n-1].Zxid {
			return false
		}
	}
	return true
}

// wipe puts an empty disk in the place of the server's, which is down.
func (s *server) wipe() {
	s.mem = vfs.NewMem()
	s.log, s.base, s.synced, s.lastEpochs = nil, position{}, 0, zeroEpochs
	s.gone, s.installing = nil, nil
	s.forgetState()
}
