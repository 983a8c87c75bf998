package node

import (
	"sync"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
)

// restoring makes the state with which a node starts, while storage.Open reads what it is
// made of: of the newest snapshot, or, where there is none yet, of what the log knows to
// be committed, applied beside the reading of what follows. Whatever is not as plain as
// that is left to the replica, which reads the rest of the log.
type restoring struct {
	cfg     state.Config
	loaded  *state.State     // the snapshot's
	applied replica.Restored // what was made of the log instead

	// Owned by the goroutine that reads the log.
	last    core.Zxid // of the record that was taken last
	chain   uint64    // after it
	hint    core.Zxid // what is known to be committed
	enough  bool
	batch   batch
	batches chan batch // nil before the first record

	applying sync.WaitGroup
}

// batch is records in a row, and what is known to be committed of all until then.
type batch struct {
	records  []wire.Record
	payloads []byte // theirs
	hint     core.Zxid
}

const (
	// restoreAhead is how many batches of readBytes wait to be applied: then the log is
	// read no faster.
	restoreAhead = 16
	// restoreOpenMax is how many bytes of records are kept that are not known to be
	// committed: where there are more, the rest of the log is read again.
	restoreOpenMax = 16 << 20
)

// snapshot is storage's Restore.
func (r *restoring) snapshot(_ storage.SnapshotInfo, next func() ([]byte, error)) (err error) {
	r.loaded, err = state.Load(r.cfg, next)
	return err
}

// logged is storage's Logged.
func (r *restoring) logged(rec *wire.Record) {
	switch {
	case r.enough, rec.Zxid <= r.last: // told again
		return
	case rec.PrevChain != r.chain, rec.Kind == wire.RecordConfig:
		// It begins elsewhere, or the members change: that is the replica's.
		r.enough = true
		return
	case r.batches == nil:
		r.batches = make(chan batch, restoreAhead)
		r.applying.Go(func() { r.apply() })
	}
	kept := *rec
	mark := len(r.batch.payloads)
	// append may move the bytes; what was taken before keeps the old array.
	r.batch.payloads = append(r.batch.payloads, rec.Payload...)
	kept.Payload = r.batch.payloads[mark:len(r.batch.payloads):len(r.batch.payloads)]
	r.batch.records = append(r.batch.records, kept)
	r.last, r.hint = rec.Zxid, max(r.hint, rec.CommitHint)
	r.chain, _ = kept.CarriedChain()
	if len(r.batch.payloads) >= readBytes {
		r.pass()
	}
}

func (r *restoring) pass() {
	r.batch.hint = r.hint
	r.batches <- r.batch
	r.batch = batch{
		records:  make([]wire.Record, 0, len(r.batch.records)+len(r.batch.records)/4),
		payloads: make([]byte, 0, readBytes+readBytes/4),
	}
}

// apply applies what is known to be committed, until all has been read. It sets applied.
func (r *restoring) apply() {
	st := replica.Restored{State: state.New(r.cfg)}
	var open []wire.Record
	bytes := 0 // of the open ones
	for b := range r.batches {
		open = append(open, b.records...)
		bytes += len(b.payloads) + len(b.records)*wire.RecordHeadBytes
		n := 0
		for ; n < len(open) && open[n].Zxid <= b.hint; n++ {
			st.Take(&open[n])
			bytes -= len(open[n].Payload) + wire.RecordHeadBytes
		}
		open = append(open[:0], open[n:]...)
		if bytes > restoreOpenMax {
			break
		}
	}
	for range r.batches { // nobody is to wait
	}
	r.applied = st
}

// end ends the reading and returns what is to be loaded, without a State if that is nothing:
// the replica then begins with an empty one. Call it once when Open has returned, with what that
// returned, nil for an error.
func (r *restoring) end(rec *storage.Recovered) (none replica.Restored) {
	if r.batches != nil {
		r.pass()
		close(r.batches)
		r.applying.Wait()
	}
	switch {
	case rec == nil:
		return none
	case rec.Snapshot != nil:
		return replica.Restored{State: r.loaded, Chain: rec.Snapshot.Chain}
	case r.applied.State == nil, rec.Lost, len(rec.Damage) > 0,
		r.applied.State.Applied() == 0, r.applied.State.Applied() > min(rec.CommitHint, rec.LastLogged):
		return none
	}
	return r.applied
}
