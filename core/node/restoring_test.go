package node

import (
	"slices"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
)

func TestWhatIsAppliedWhileTheLogIsReadIsCommitted(t *testing.T) {
	at := func(epoch int) core.Zxid { return core.MakeZxid(core.Epoch(epoch), 0) }
	record := func(epoch, hint int) wire.Record {
		return wire.Record{Zxid: at(epoch), Kind: wire.RecordEpoch, CommitHint: at(hint), Payload: []byte{}}
	}
	plain := []wire.Record{record(1, 0), record(2, 1), record(3, 2), record(4, 2)}
	elsewhere := slices.Clone(plain)
	elsewhere[1].PrevChain = 7
	members := slices.Clone(plain)
	members[1].Kind = wire.RecordConfig
	long := []wire.Record{record(1, 0), record(2, 1)} // then a hundred that nothing is known of, and one that tells
	for n := 3; n <= 102; n++ {
		long = append(long, record(n, 1))
		long[n-1].Payload = make([]byte, 256<<10)
	}
	long = append(long, record(103, 102))
	whole := storage.Recovered{LastLogged: at(4), CommitHint: at(2)}
	for _, c := range []struct {
		name string
		log  []wire.Record
		rec  *storage.Recovered
		want int // the epoch up to which it is applied; 0 is nothing
	}{
		{"what the log knows to be committed is applied", plain, &whole, 2},
		{"what is told again is applied once", append(slices.Clone(plain), plain...), &whole, 2},
		{"what does not follow ends it", elsewhere, &whole, 0},
		{"a change of the members ends it", members, &whole, 0},
		{"what is cut off counts for nothing", plain, &storage.Recovered{LastLogged: at(1), CommitHint: at(1)}, 0},
		{"what is open for too long is read again", long, &storage.Recovered{LastLogged: at(103), CommitHint: at(102)}, 1},
		{"damage leaves it to the replica", plain, &storage.Recovered{LastLogged: at(4), CommitHint: at(2), Damage: []storage.Damage{{}}}, 0},
		{"loss leaves it to the replica", plain, &storage.Recovered{LastLogged: at(4), CommitHint: at(2), Lost: true}, 0},
		{"a directory that cannot be opened leaves nothing", plain, nil, 0},
		{"an empty log leaves nothing", nil, &storage.Recovered{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r restoring
			for i := range c.log {
				rec := c.log[i]
				rec.Seal()
				r.logged(&rec)
			}
			got := r.end(c.rec)
			if c.want == 0 {
				if got.State != nil && got.State.Applied() != 0 {
					t.Errorf("applied up to %v", got.State.Applied())
				}
			} else if got.State == nil || got.State.Applied() != at(c.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}
