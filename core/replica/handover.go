package replica

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/session"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
)

// What becomes of clients between two roles: after a hand-over they are kept, and what
// they asked for goes on in the next role (docs/decisions/0028); else they are let down.

// letDown hangs up on all clients: this server cannot tell what became of what they
// asked for, or has no role to tell it in.
func (r *Replica) letDown() {
	r.keptSince, r.alone = 0, true
	for _, c := range r.connsByID() {
		if c.local && c.phase == opening && c.pending.writes > 1 {
			r.acceptUnknown(c)
		}
		if c.local && c.phase == ready && !c.ending {
			r.lose(c)
		} else {
			r.hangUp(c)
		}
	}
	r.inflight = 0
	r.syncing = nil
	r.syncReady = r.syncs
}

// acceptUnknown answers a connection of the process itself whose session may never be
// there, as it has asked for more behind its opening that may be done: whoever is told
// that the outcome is unknown needs the session to find it out.
func (r *Replica) acceptUnknown(c *conn) {
	check.That(c.pending.front().op == wire.OpCreateSession, "replica: connection %d has something before its session", c.id)
	c.pending.pop()
	c.pending.writes--
	r.accept(c)
}

// lose answers what a session of the process itself waits for: what became of it is
// unknown. What was not looked at yet has not been done, and is refused (onlyReads). The
// session itself, which lives with this server, goes on in the next role, and so do its
// watches: the tree goes on from where it stands.
func (r *Replica) lose(c *conn) {
	if away, late := c.away, c.late; away != nil {
		c.away, c.late = nil, nil
		r.reply(c, &away.w, r.state.Applied(), core.ConnectionLoss)
		o := r.output(c)
		o.Bytes = append(o.Bytes, late.Bytes...)
		o.WantDrained = o.WantDrained || late.WantDrained
	}
	for c.pending.len() > 0 {
		w := *c.pending.front()
		c.pending.pop()
		r.reply(c, &w, r.state.Applied(), core.ConnectionLoss)
	}
	c.pending = queue[waiting]{}
	c.reads, c.waits, c.unsent = 0, 0, false
	r.workOff(c)
}

// keepTicks is how long clients are kept without a role after a hand-over.
const keepTicks = 4

// giveUp lets clients go to another server that were kept in vain.
func (r *Replica) giveUp() {
	if r.keptSince != 0 && !r.serving && !r.decidesAlone() && r.now.Mono-r.keptSince > keepTicks*int64(r.cfg.TickMillis) {
		r.letDown()
	}
}

// keepOn takes over the clients that were kept from an earlier role: this one has all
// that was proposed for them, and what was not is to be submitted again.
func (r *Replica) keepOn() {
	if r.keptSince == 0 {
		return
	}
	r.keptSince = 0
	for _, c := range r.connsByID() {
		c.unsent = c.phase == opening || c.pending.writes > 0
		r.unsent = r.unsent || c.unsent
		if c.phase == ready {
			r.keepSession(c)
		}
	}
	if len(r.syncing) > 0 {
		r.askForSyncs()
	}
}

// keepSession tells the leader what it cannot know of a session of a kept client: that
// it has moved here, and what timeout was agreed on then.
func (r *Replica) keepSession(c *conn) {
	id := c.asker.Session
	opened, _ := r.state.SessionTimeout(id)
	if session.PeerOf(id) == r.cfg.Zab.Self && opened == c.timeout {
		return
	}
	if r.learner == nil {
		r.own(id, r.cfg.Zab.Self)
		r.tracker.SetTimeout(id, c.timeout, r.now.Mono)
		return
	}
	r.send(r.zab.Leader(), revalidate{epoch: r.zab.Epoch(), session: id, timeout: c.timeout})
}

// submitAgain submits what kept clients had asked for and no leader had proposed, each
// one's in its order.
func (r *Replica) submitAgain() {
	if !r.unsent {
		return
	}
	for _, c := range r.connsByID() {
		if c.unsent && !r.submitAllOf(c) {
			return // the epoch is used up; the next one goes on
		}
		r.advance(c)
		r.workOff(c)
	}
	r.unsent = false
}

func (r *Replica) submitAllOf(c *conn) bool {
	for i := c.pending.head; i < len(c.pending.items); i++ {
		w := &c.pending.items[i]
		if w.kind != waitWrite || w.zxid != 0 {
			continue
		}
		if !r.takesWrites() {
			return false
		}
		if r.learner == nil && r.tooMuch(w.op, wire.NewReader(w.body), w.ids) {
			r.refuse(c, w, core.SystemError)
			continue
		}
		w.zxid = r.submit(&state.Request{
			Session: c.asker.Session, Cxid: w.xid, Op: w.op, Body: w.body, IDs: w.ids, Internal: w.op == wire.OpCreateSession,
		})
		if w.zxid != 0 {
			c.forgetBody(w)
		}
	}
	c.unsent = false
	if c.phase == opening && c.pending.writes == 0 {
		r.revive(c)
	}
	return true
}

// goOn looks at what clients have asked for while a leader took no writes, when it takes
// some again: the hand-over that it was about to make was given up.
func (r *Replica) goOn() {
	paused := r.paused
	if r.paused = !r.takesWrites(); r.paused || !paused {
		return
	}
	for _, c := range r.connsByID() {
		r.advance(c)
		r.workOff(c)
	}
}
