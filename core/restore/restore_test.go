package restore

import (
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/state"
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
	// with begins a log with an epoch and a transaction, of which others quote the digest.
	with := func(payload []byte, digest uint64) []wire.Record {
		txn := wire.Record{Zxid: at(1) + 1, Kind: wire.RecordTxn, CommitHint: at(1), Payload: payload}
		quotes := record(2, 1)
		quotes.CommitHint, quotes.PrevChain, quotes.DigestVersion, quotes.TreeDigest = at(1)+1, txn.Chain(), 2, digest
		last := record(3, 2)
		last.PrevChain = txn.Chain()
		return []wire.Record{record(1, 0), txn, quotes, last}
	}
	st := state.New(state.Config{})
	session := st.Prepare(&state.Request{Session: 1, Op: wire.OpCreateSession, Body: wire.AppendInt(nil, 1000), Internal: true}, at(1)+1, 1)
	st.Apply(at(1)+1, session)
	right := st.Tree().Digest()
	quoted := storage.Recovered{LastLogged: at(3), CommitHint: at(2)}
	whole := storage.Recovered{LastLogged: at(4), CommitHint: at(2)}
	for _, c := range []struct {
		name  string
		log   []wire.Record
		rec   *storage.Recovered
		want  int // the epoch up to which it is applied; 0 is nothing
		doubt bool
	}{
		{"what the log knows to be committed is applied", plain, &whole, 2, false},
		{"what is told again is applied once", append(slices.Clone(plain), plain...), &whole, 2, false},
		{"what does not follow ends it", elsewhere, &whole, 0, false},
		{"a change of the members ends it", members, &whole, 0, false},
		{"what is cut off counts for nothing", plain, &storage.Recovered{LastLogged: at(1), CommitHint: at(1)}, 0, false},
		{"what is open for too long is read again", long, &storage.Recovered{LastLogged: at(103), CommitHint: at(102)}, 1, false},
		{"damage leaves it to the replica", plain, &storage.Recovered{LastLogged: at(4), CommitHint: at(2), Damage: []storage.Damage{{}}}, 0, false},
		{"a log that quotes the state that it makes is applied", with(session, right), &quoted, 2, false},
		{"one that quotes another is left to the replica, and told", with(session, right+1), &quoted, 0, true},
		{"likewise one that makes none", with([]byte("no transaction"), right), &quoted, 0, true},
		{"loss leaves it to the replica", plain, &storage.Recovered{LastLogged: at(4), CommitHint: at(2), Lost: true}, 0, false},
		{"a directory that cannot be opened leaves nothing", plain, nil, 0, false},
		{"an empty log leaves nothing", nil, &storage.Recovered{}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(Config{})
			for i := range c.log {
				rec := c.log[i]
				rec.Seal()
				r.Logged(&rec)
			}
			got, doubt := r.End(c.rec)
			if (doubt != nil) != c.doubt {
				t.Errorf("doubt: %v", doubt)
			}
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

func TestASnapshotOfAnotherTreeThanItSaysIsDamaged(t *testing.T) {
	st := state.New(state.Config{})
	view := st.View()
	defer view.Close()
	var chunks [][]byte
	require.NoError(t, view.Encode(func(c []byte) error {
		chunks = append(chunks, slices.Clone(c))
		return nil
	}))
	next := func() func() ([]byte, error) {
		rest := chunks
		return func() ([]byte, error) {
			if len(rest) == 0 {
				return nil, io.EOF
			}
			c := rest[0]
			rest = rest[1:]
			return c, nil
		}
	}
	require.NoError(t, New(Config{}).Snapshot(storage.SnapshotInfo{}, next()))
	chunks[0][4+8]++ // the digest, behind the version and the zxid
	require.ErrorIs(t, New(Config{}).Snapshot(storage.SnapshotInfo{}, next()), storage.ErrBadSnapshot)
}
