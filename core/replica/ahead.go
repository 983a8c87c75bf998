package replica

import "github.com/zensus-io/zensus/core/zab"

// ahead is how a learner that still comes to its leader's history applies what of it is
// known to be committed: once it is in step, little is left to be read again, and long
// before it can write snapshots, so that a log that grows has a beginning that may go.
type ahead struct {
	generation uint64 // of the role that the rest is about
	reading    bool   // the disk brings what lies further back than memory does
}

// aheadBytes is about how much is applied in one Step: what comes in some milliseconds.
const aheadBytes = 4 << 20

// getAhead applies what is durable here and known to be committed, from memory or,
// where that does not reach back as far, from the disk.
func (r *Replica) getAhead() {
	if gen := r.zab.Generation(); r.ahead.generation != gen {
		r.ahead = ahead{generation: gen}
	}
	if r.ahead.reading || r.zab.Phase() != zab.Synchronization {
		return
	}
	upTo := r.zab.Known()
	if upTo <= r.state.Applied() {
		return
	}
	records, ok := r.zab.Recent(r.state.Applied(), upTo, aheadBytes)
	if !ok {
		r.ahead.reading = true
		r.readLog(upTo)
		return
	}
	r.takeOver(records)
	r.snapshot()
}

// readAhead takes what the disk has brought.
func (r *Replica) readAhead(in LogRead) {
	r.takeOver(in.Records)
	r.ahead.reading = !in.Done
	r.snapshot()
}
