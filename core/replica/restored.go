package replica

import (
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
)

// Restored is a state that is made of the log before there is a replica: what SnapshotLoaded
// is to bring, and the chain hash that New is to have. Begin with a State that stands in
// front of the log.
type Restored struct {
	State *state.State
	Chain uint64 // at State.Applied()
	Txns  int    // that were taken, and their bytes
	Bytes int64
}

// Take applies the next record, of which the log knows that it is committed.
func (s *Restored) Take(rec *wire.Record) {
	check.That(rec.PrevChain == s.Chain, "replica: chain breaks at %v", rec.Zxid)
	chain, intact := rec.CarriedChain()
	check.That(intact, "replica: %v has changed since it was read", rec.Zxid)
	verifyDigest(s.State, rec.CommitHint, rec.DigestVersion, rec.TreeDigest)
	if rec.Kind == wire.RecordEpoch {
		s.State.Skip(rec.Zxid)
	} else {
		s.State.Apply(rec.Zxid, rec.Payload)
		s.Txns++
		s.Bytes += int64(len(rec.Payload))
	}
	s.Chain = chain
}
