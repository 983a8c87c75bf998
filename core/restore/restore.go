package restore

import (
	"errors"
	"fmt"
	"sync"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
)

// Config is what the owner chooses. Zero values stand for the defaults named.
type Config struct {
	State state.Config
	// BatchBytes is how many bytes of payloads are applied together. 0 is 256 KiB.
	BatchBytes int
	// OpenBytesMax is how many bytes of records are kept that are not known to be committed:
	// where there are more, the rest of the log is read again. 0 is 16 MiB.
	OpenBytesMax int
}

// Restoring is the making of one state. Give Snapshot and Logged to one storage.Open, and
// call End when that has returned.
type Restoring struct {
	cfg     Config
	loaded  *state.State     // the snapshot's
	applied replica.Restored // what was made of the log instead
	doubt   error            // why nothing was

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

// ahead is how many batches wait to be applied: then the log is read no faster.
const ahead = 16

// New begins the making of a state.
func New(cfg Config) *Restoring {
	if cfg.BatchBytes == 0 {
		cfg.BatchBytes = 256 << 10
	}
	if cfg.OpenBytesMax == 0 {
		cfg.OpenBytesMax = 16 << 20
	}
	return &Restoring{cfg: cfg}
}

// Snapshot is storage.Options.Restore. One whose tree has another digest than it says is
// damaged, though its file is as it was written.
func (r *Restoring) Snapshot(_ storage.SnapshotInfo, next func() ([]byte, error)) (err error) {
	r.loaded, err = state.Load(r.cfg.State, next)
	if errors.Is(err, state.ErrDigest) {
		return fmt.Errorf("%w: %w", storage.ErrBadSnapshot, err)
	}
	return err
}

// Logged is storage.Options.Logged.
func (r *Restoring) Logged(rec *wire.Record) {
	switch {
	case r.enough, rec.Zxid <= r.last: // told again
		return
	case rec.PrevChain != r.chain, rec.Kind == wire.RecordConfig:
		// It begins elsewhere, or the members change: that is the replica's.
		r.enough = true
		return
	case r.batches == nil:
		r.batches = make(chan batch, ahead)
		r.applying.Go(r.apply)
	}
	kept := *rec
	mark := len(r.batch.payloads)
	// append may move the bytes; what was taken before keeps the old array.
	r.batch.payloads = append(r.batch.payloads, rec.Payload...)
	kept.Payload = r.batch.payloads[mark:len(r.batch.payloads):len(r.batch.payloads)]
	r.batch.records = append(r.batch.records, kept)
	r.last, r.hint = rec.Zxid, max(r.hint, rec.CommitHint)
	r.chain, _ = kept.CarriedChain()
	if len(r.batch.payloads) >= r.cfg.BatchBytes {
		r.pass()
	}
}

func (r *Restoring) pass() {
	r.batch.hint = r.hint
	r.batches <- r.batch
	r.batch = batch{
		records:  make([]wire.Record, 0, len(r.batch.records)+len(r.batch.records)/4),
		payloads: make([]byte, 0, len(r.batch.payloads)+len(r.batch.payloads)/4),
	}
}

// apply applies what is known to be committed, until all has been read. It sets applied, or
// doubt.
func (r *Restoring) apply() {
	made := replica.Restored{State: state.New(r.cfg.State)}
	if r.doubt = r.applyTo(&made); r.doubt == nil {
		r.applied = made
	}
	for range r.batches { // nobody is to wait
	}
}

// applyTo is apply until there is more than is kept. A check that fails is returned; what
// was made is of no use then.
func (r *Restoring) applyTo(made *replica.Restored) (doubt error) {
	defer func() {
		if p := recover(); p != nil {
			v, ok := p.(check.Violation)
			if !ok {
				panic(p)
			}
			doubt = v
		}
	}()
	var open []wire.Record
	bytes := 0 // of the open ones
	for b := range r.batches {
		open = append(open, b.records...)
		bytes += len(b.payloads) + len(b.records)*wire.RecordHeadBytes
		n := 0
		for ; n < len(open) && open[n].Zxid <= b.hint; n++ {
			made.Take(&open[n])
			bytes -= len(open[n].Payload) + wire.RecordHeadBytes
		}
		open = append(open[:0], open[n:]...)
		if bytes > r.cfg.OpenBytesMax {
			break
		}
	}
	return nil
}

// End ends the making and returns what is to be loaded, without a State if that is nothing:
// the replica then begins with an empty one. doubt is why the log is not used that could have
// been; nil as a rule. Call it once when Open has returned, with what that returned, nil for
// an error.
func (r *Restoring) End(rec *storage.Recovered) (made replica.Restored, doubt error) {
	if r.batches != nil {
		r.pass()
		close(r.batches)
		r.applying.Wait()
	}
	switch {
	case rec == nil:
		return made, nil
	case rec.Snapshot != nil:
		return replica.Restored{State: r.loaded, Chain: rec.Snapshot.Chain}, nil
	case r.doubt != nil:
		return made, r.doubt
	case r.applied.State == nil, rec.Lost, len(rec.Damage) > 0,
		r.applied.State.Applied() == 0, r.applied.State.Applied() > min(rec.CommitHint, rec.LastLogged):
		return made, nil
	}
	return r.applied, nil
}
