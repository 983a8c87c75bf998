package replica

import "github.com/zensus-io/zensus/core/zab"

// A learner that still comes to its leader's history applies what of it is known to be
// committed: once it is in step, little is left to be read again, and long before it can
// write snapshots, so that a log that grows has a beginning that may go.

// aheadBytes is about how much is applied in one Step: what comes in some milliseconds.
const aheadBytes = 4 << 20

// getAhead applies what is durable here and known to be committed, from memory or,
// where that does not reach back as far, from the disk.
func (r *Replica) getAhead() {
	if r.readsAhead() || r.zab.Phase() != zab.Synchronization {
		return
	}
	upTo := r.zab.Known()
	if upTo <= r.state.Applied() {
		return
	}
	records, ok := r.zab.Recent(r.state.Applied(), upTo, aheadBytes)
	if !ok {
		r.aheadIn = r.zab.Generation()
		r.readLog(upTo)
		return
	}
	r.takeOver(records)
	r.snapshot()
}

// readsAhead reports whether the disk brings, for the role that this server has, what
// lies further back than memory does.
func (r *Replica) readsAhead() bool { return r.aheadIn != 0 && r.aheadIn == r.zab.Generation() }

// readAhead takes what the disk has brought.
func (r *Replica) readAhead(in LogRead) {
	r.takeOver(in.Records)
	if in.Done {
		r.aheadIn = 0
	}
	r.snapshot()
}
