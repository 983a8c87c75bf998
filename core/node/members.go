package node

import (
	"context"
	"errors"
	"fmt"
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

// Unused reports whether the data directory holds nothing yet: nothing was logged, and no
// epoch was promised. Call it before Run.
func (n *Node) Unused() bool {
	s := n.replica.Status()
	return s.Logged == 0 && s.Epochs.Accepted == 0
}

// superIdentity is who may do everything.
var superIdentity = []core.Identity{{Scheme: core.SuperScheme}}

// reconfigureTimeout is the timeout of the session that a reconfiguration is made in.
const reconfigureTimeout = 10 * time.Second

// Reconfigure changes the members of the ensemble, whatever server leads, and returns
// the text of those that are the members then. Its errors are those of ZooKeeper's
// reconfig: core.BadArguments for what makes no sense, core.BadVersion if q.CurConfigID
// is not the present one, core.ReconfigInProgress, core.NewConfigNoQuorum if no quorum
// of the new voters serves, core.ReconfigDisabled; ErrNoLeader if nothing was done as
// nobody could be asked. Where core.IsUnknownOutcome holds, the change may have been made.
func (n *Node) Reconfigure(ctx context.Context, q *wire.Reconfig) (string, error) {
	c, err := n.attachAs(ctx, superIdentity, wire.ConnectRequest{TimeoutMillis: int32(reconfigureTimeout.Milliseconds())}, core.SessionOptions{})
	if err != nil {
		return "", fmt.Errorf("%w, and nothing was done: %s", ErrNoLeader, err.Error()) // what is unknown is a session's outcome
	}
	defer c.Close()
	p, err := c.do(ctx, wire.OpReconfig, q.Append)
	if err != nil {
		return "", fail("reconfig", "", err)
	}
	r := wire.NewReader(p.body)
	return string(r.Bytes()), nil
}

// ErrNoLeader is returned where there is no leader to ask.
var ErrNoLeader = errors.New("node: there is no leader at the moment")

// ErrNotInStep is returned for a successor that does not follow in step.
var ErrNotInStep = errors.New("node: that server does not follow in step, or does not vote")

// transferTime is how long a hand-over is waited for, and transferAgain how long until
// it is asked for again.
const (
	transferTime  = 10 * time.Second
	transferAgain = 500 * time.Millisecond
	// leaderTime is how long somebody who could lead is waited for before that.
	leaderTime = 3 * time.Second
)

// Transfer has the leadership handed over to another voter, 0 for the one that has
// most, and returns who leads when this server serves under it. Clients notice nothing.
func (n *Node) Transfer(ctx context.Context, to core.PeerID) (leader core.PeerID, err error) {
	status := func() (s replica.Status, err error) {
		err = n.Do(ctx, func(r *replica.Replica) { s = r.Status() })
		return s, err
	}
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	before, err := status()
	for began := time.Now(); err == nil && !before.Serving && time.Since(began) < leaderTime; before, err = status() {
		select { // one is about to lead, mostly
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-pause.C:
		}
	}
	switch {
	case err != nil:
		return 0, err
	case !before.Serving:
		return 0, ErrNoLeader
	case to == before.Leader:
		return to, nil
	}
	asked := time.Time{}
	for began := time.Now(); time.Since(began) < transferTime; {
		now, err := status()
		if err != nil {
			return 0, err
		}
		if now.Serving && now.Epochs.Current > before.Epochs.Current {
			if to != 0 && now.Leader != to {
				return now.Leader, ErrNotInStep
			}
			return now.Leader, nil
		}
		if now.Serving && time.Since(asked) > transferAgain { // the successor may come into step
			asked = time.Now()
			n.inbox.put(item{in: replica.Transfer{To: to}}, false)
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-pause.C:
		}
	}
	return before.Leader, ErrNotInStep
}

// recoverMembers puts together what the data directory says of the members, and
// reports whether this server is the only voter by all of it. since is the version of
// those of which the owner was told last (Config.MembersSince): where the log has that
// very reconfiguration, all up to it is committed, though no later record says so.
func recoverMembers(cfg *zab.Config, d *zab.Durable, restored *state.State, rec *storage.Recovered, since core.Zxid) (alone bool, err error) {
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
		if m.Version == since {
			d.CommitHint = max(d.CommitHint, since)
		}
		voters = voters.Union(m.Voters)
	}
	return voters == quorum.Of(cfg.Self), nil
}

// surveyTime is how long Survey waits for those who are linked and say nothing.
const surveyTime = time.Second

// Survey asks the servers of the ensemble how they stand. Those that are not linked, or
// did not answer within a second, are not in what it returns; this server is.
func (n *Node) Survey(ctx context.Context) (map[core.PeerID]replica.Report, error) {
	n.inbox.put(item{in: replica.Survey{}}, false)
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for began := time.Now(); ; {
		var reports map[core.PeerID]replica.Report
		missing := 0
		if err := n.Do(ctx, func(r *replica.Replica) { reports, missing = r.Reports() }); err != nil {
			return nil, err
		}
		if missing == 0 || time.Since(began) > surveyTime {
			return reports, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-pause.C:
		}
	}
}

// Drain sends the clients of this node to others, and the leadership with them, until it
// is called with false.
func (n *Node) Drain(on bool) { n.inbox.put(item{in: replica.Drain{On: on}}, false) }

// Resign hands the leadership over if this server has it, so that its end is noticed by
// nobody. It returns when another serves, when there is nobody to hand over to, or when
// ctx ends.
func (n *Node) Resign(ctx context.Context) error {
	leads := false
	if err := n.Do(ctx, func(r *replica.Replica) { leads = r.Serving() && r.Role() == zab.Leading && r.CanHandOver() }); err != nil || !leads {
		return err
	}
	_, err := n.Transfer(ctx, 0)
	return err
}
