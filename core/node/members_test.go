package node

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// A server that was left alone by the last transaction of its log waited for ever for
// those who had been removed, if it was restarted before there was another.
func TestMembersThatWereToldAreCommitted(t *testing.T) {
	z := core.MakeZxid(1, 1)
	s := state.New(state.Config{ReconfigEnabled: true, Ensemble: "server.1=a:1:1:participant\nserver.2=b:2:2:participant\nversion=0"})
	s.Apply(z, s.Prepare(&state.Request{Session: 1, Op: wire.OpCreateSession, Body: wire.AppendInt(nil, 10_000), Internal: true}, z, 1))
	q := wire.Reconfig{Leaving: []byte("2"), CurConfigID: -1}
	payload := s.Prepare(&state.Request{Session: 1, Op: wire.OpReconfig, Body: q.Append(nil), IDs: superIdentity}, z+1, 1)
	rec := &storage.Recovered{CommitHint: z, Configs: []wire.Record{{Zxid: z + 1, Kind: wire.RecordConfig, Payload: payload}}}
	cfg := zab.Config{Self: 1, Voters: []core.PeerID{1, 2}, Several: true, MembersOf: replica.MembersOf}
	for _, c := range []struct {
		name  string
		since core.Zxid
		alone bool
	}{
		{"nobody was told", 0, false},
		{"it was told", z + 1, true},
		{"it was told of members that its log does not lead to", core.MakeZxid(9, 1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := zab.Durable{AcceptedEpoch: 1, CurrentEpoch: 1, Voteable: true, LastLogged: z + 1}
			_, err := recoverMembers(&cfg, &d, nil, rec, c.since)
			require.NoError(t, err)
			m, err := zab.New(cfg, d)
			require.NoError(t, err)
			require.Equal(t, c.alone, m.Alone())
			require.Equal(t, !c.alone, m.Reconfiguring())
		})
	}
}
