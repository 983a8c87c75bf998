package node

import (
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
)

const (
	// outageAfter is how long a node that has served may be without a quorum before that
	// is told: an election, or a hand-over, is over by then. outageStart is how long one
	// may be that was started.
	outageAfter = time.Second
	outageStart = 10 * time.Second
	// outageEvery is the pause between two warnings, however often the quorum comes and
	// goes.
	outageEvery = 10 * time.Second
)

// outage follows whether a node has a part in a quorum. It tells once that it has none,
// and that it has one again if that was told.
type outage struct {
	since  time.Time // when it served last, or was started
	served bool      // ever
	told   bool
	last   time.Time // when it was told of the last time
}

// stand takes how the node stands, again and again. lost is to be told, or that the quorum
// is back, and after how long.
func (o *outage) stand(now time.Time, serving bool) (lost, back bool, after time.Duration) {
	if o.since.IsZero() {
		o.since = now
	}
	after = now.Sub(o.since)
	if serving {
		back = o.told
		o.since, o.served, o.told = now, true, false
		return false, back, after
	}
	patience := outageStart
	if o.served {
		patience = outageAfter
	}
	if o.told || after < patience || !o.last.IsZero() && now.Sub(o.last) < outageEvery {
		return false, false, after
	}
	o.told, o.last = true, now
	return true, false, after
}

// tellOutage warns of a quorum that is lost, and tells that it is back.
func (n *Node) tellOutage(now time.Time) {
	lost, back, after := n.outage.stand(now, n.replica.Serving() || !n.needsOthers())
	switch {
	case lost:
		voters, unreached := n.replica.Unreached()
		n.log.Warn("no quorum: nothing can be written here", "for_ms", after.Milliseconds(), "voters", numbers(voters), "unreached", numbers(unreached))
	case back:
		n.log.Info("the quorum is back", "after_ms", after.Milliseconds())
	}
}

// needsOthers reports whether there is a quorum for this server to lose: there is none for
// one that is on its own, nor for one that was removed. The observers of a configuration
// are not among its members.
func (n *Node) needsOthers() bool {
	m, self := n.replica.Members(), n.cfg.Replica.Zab.Self
	removed := m.Version > 0 && !m.Has(self)
	return !removed && m.Voters != quorum.Of(self)
}

// numbers are ids as a log can show them: in JSON a list of bytes would be a text in base64.
func numbers(ids []core.PeerID) []int {
	list := make([]int, len(ids))
	for i, id := range ids {
		list[i] = int(id)
	}
	return list
}
