package node

import (
	"context"
	"errors"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// Members are the members of the ensemble, as far as a reconfiguration has named them
// (replica.Replica.Members). Call it before Run; later ones go to Config.Members.
func (n *Node) Members() zab.Members { return n.replica.Members() }

// superIdentity is who may do everything.
var superIdentity = []core.Identity{{Scheme: core.SuperScheme}}

// reconfigureTimeout is the timeout of the session that a reconfiguration is made in.
const reconfigureTimeout = 10 * time.Second

// Reconfigure changes the members of the ensemble, whatever server leads, and returns
// the text of those that are the members then. Its errors are those of ZooKeeper's
// reconfig: core.BadArguments for what makes no sense, core.BadVersion if q.CurConfigID
// is not the present one, core.ReconfigInProgress, core.NewConfigNoQuorum if no quorum
// of the new voters serves, core.ReconfigDisabled.
func (n *Node) Reconfigure(ctx context.Context, q *wire.Reconfig) (string, error) {
	c, err := n.attachAs(ctx, superIdentity, wire.ConnectRequest{TimeoutMillis: int32(reconfigureTimeout.Milliseconds())}, core.SessionOptions{})
	if err != nil {
		return "", err
	}
	defer c.Close()
	p, err := c.do(ctx, wire.OpReconfig, q.Append)
	if err != nil {
		return "", fail("reconfig", "", err)
	}
	r := wire.NewReader(p.body)
	return string(r.Bytes()), nil
}

// ErrNotLeading is returned where only a leader can do what is asked.
var ErrNotLeading = errors.New("node: this server does not lead")

// ErrNotInStep is returned for a successor that does not follow in step.
var ErrNotInStep = errors.New("node: that server does not follow in step, or does not vote")

// Transfer hands the leadership over to another voter, 0 for the one that has most, and
// returns when this server leads no more. Clients notice nothing.
func (n *Node) Transfer(ctx context.Context, to core.PeerID) error {
	status := func() (s replica.Status, err error) {
		err = n.Do(ctx, func(r *replica.Replica) { s = r.Status() })
		return s, err
	}
	before, err := status()
	switch {
	case err != nil:
		return err
	case before.Role != zab.Leading || !before.Serving:
		return ErrNotLeading
	case to != 0 && !mayLead(&before, to):
		return ErrNotInStep
	}
	n.inbox.put(item{in: replica.Transfer{To: to}}, false)
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for began := time.Now(); time.Since(began) < 2*time.Duration(n.cfg.Replica.TickMillis)*time.Millisecond+time.Second; {
		now, err := status()
		if err != nil || now.Zab.Handed > before.Zab.Handed || now.Role != zab.Leading {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-pause.C:
		}
	}
	return ErrNotInStep
}

func mayLead(s *replica.Status, p core.PeerID) bool {
	for i := range s.Learners {
		if l := &s.Learners[i]; l.Peer == p {
			return l.Counts && l.UpToDate
		}
	}
	return false
}

// recoverMembers puts together what the data directory says of the members, and
// reports whether this server is the only voter by all of it.
func recoverMembers(cfg *zab.Config, d *zab.Durable, restored *state.State, rec *storage.Recovered) (alone bool, err error) {
	d.CommitHint = rec.CommitHint
	voters := quorum.Of(cfg.Voters...)
	if restored != nil {
		if d.Members = replica.StateMembers(restored); d.Members != nil {
			voters = d.Members.Voters
		}
	}
	for i := range rec.Configs {
		m, err := replica.MembersOf(rec.Configs[i].Payload)
		if err != nil {
			return false, err
		}
		d.Configs = append(d.Configs, m)
		voters = voters.Union(m.Voters)
	}
	return voters == quorum.Of(cfg.Self), nil
}
