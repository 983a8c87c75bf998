package replica

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/session"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// readOnlyMillis is how long a server looks for a leader, at least a tick, before it
// serves reads to those who ask for no more (as ZooKeeper does).
const readOnlyMillis = 2000

// readOnlyRole is what a server keeps while it finds no quorum and serves reads to
// those who ask for no more (Z-59). It touches nothing that is replicated: its sessions
// are known to this server alone, and what it shows is committed, if perhaps not new.
type readOnlyRole struct {
	generation uint64    // of the protocol's role, which has none
	upTo       core.Zxid // what is known to be committed, and is read from the log first
	serving    bool
	ids        *session.IDs
	tracker    *session.Tracker
	conns      map[core.SessionID]*conn
}

// followReadOnly follows the protocol at the end of a Step: read-only mode ends when
// there is somebody to follow, or to be led.
func (r *Replica) followReadOnly() {
	if !r.cfg.ReadOnlyMode || r.decidesAlone() {
		return
	}
	switch {
	case r.zab.Role() != zab.Looking, !r.begun():
		r.lookingSince = 0
	case r.lookingSince == 0:
		r.lookingSince = r.now.Mono
	}
	if r.readOnly != nil && (r.lookingSince == 0 || r.readOnly.generation != r.zab.Generation()) {
		r.endReadOnly()
	}
}

// readOnlyTick begins read-only mode when it is time, and ends its sessions.
func (r *Replica) readOnlyTick() {
	if ro := r.readOnly; ro != nil {
		ro.tracker.Expired(r.now.Mono, expiriesPerTick, func(id core.SessionID) {
			r.stats.Expired++
			if c := ro.conns[id]; c != nil {
				r.hangUp(c)
			}
		})
		return
	}
	grace := max(readOnlyMillis, int64(r.cfg.TickMillis))
	// Who was kept from an earlier role is waited for, and one whose history has holes
	// shows nothing of it.
	if r.lookingSince == 0 || r.now.Mono-r.lookingSince < grace || r.keptSince != 0 || !r.zab.Settled() || !r.zab.Epochs().Voteable {
		return
	}
	r.readOnly = &readOnlyRole{
		generation: r.zab.Generation(), upTo: min(max(r.zab.Committed(), r.commitHint), r.zab.Durable()),
		ids:     session.NewIDs(r.cfg.Zab.Self, r.now.Wall, 0),
		tracker: session.NewTracker(int64(r.cfg.TickMillis)), conns: make(map[core.SessionID]*conn),
	}
	if r.readOnly.upTo > r.state.Applied() {
		r.readLog(r.readOnly.upTo)
		return
	}
	r.serveReadOnly()
}

// readForReadOnly takes over what is committed of the log.
func (r *Replica) readForReadOnly(in LogRead) {
	r.takeOver(in.Records)
	if in.Done {
		r.serveReadOnly()
	}
}

func (r *Replica) serveReadOnly() {
	r.readOnly.serving = true
	r.note(NoteReadOnly, "", r.state.Applied())
	for _, c := range r.connsByID() {
		r.workOff(c)
	}
}

// endReadOnly hangs up on the clients, who come again; their sessions are gone.
func (r *Replica) endReadOnly() {
	served := r.readOnly.serving
	r.readOnly = nil
	if !served {
		return
	}
	r.note(NoteReadOnlyEnds, "", r.state.Applied())
	for _, c := range r.connsByID() {
		if c.readOnly {
			r.hangUp(c)
		}
	}
}

// mayComeReadOnly reports whether what a connection begins with is looked at although
// there is no quorum.
func (r *Replica) mayComeReadOnly(c *conn) bool {
	return r.readOnly != nil && r.readOnly.serving && !c.local && c.phase == awaitsConnect
}

// connectReadOnly lets a client in that has asked for reads only. Others are closed
// without a word: what they want is elsewhere, or nowhere.
func (r *Replica) connectReadOnly(c *conn, q *wire.ConnectRequest) {
	ro := r.readOnly
	id := q.SessionID
	if !q.ReadOnly || id != 0 && !session.SamePassword(session.ReadOnlyPassword(r.cfg.Secret, id), q.Password) {
		// A session of the ensemble: nobody here knows what has become of it.
		r.hangUp(c)
		return
	}
	r.stats.Connects++
	c.timeout = r.negotiate(c, q.TimeoutMillis)
	if id == 0 {
		id = ro.ids.Next()
		ro.tracker.Add(id, c.timeout, r.now.Mono)
	} else if _, alive := ro.tracker.Deadline(id); !alive {
		r.refuseSession(c) // it was known here alone, and is no more
		return
	}
	ro.tracker.SetTimeout(id, c.timeout, r.now.Mono)
	if old := ro.conns[id]; old != nil {
		r.hangUp(old)
	}
	c.readOnly, c.asker.Session = true, id
	ro.conns[id] = c
	r.accept(c)
}

// requestReadOnly says how a request is answered that a read-only server does not do:
// writes and syncs are refused, and the end of a session is the end of what this server
// alone knows.
func (r *Replica) requestReadOnly(c *conn, w *waiting) {
	if w.op != wire.OpCloseSession {
		w.kind, w.code = waitReply, core.NotReadOnly
		return
	}
	r.readOnly.tracker.Remove(c.asker.Session)
	c.ending = true
	w.kind = waitFatal
}
