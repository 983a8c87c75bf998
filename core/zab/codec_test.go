package zab

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/wire"
)

func record(z core.Zxid, kind wire.RecordKind, payload string) wire.Record {
	return wire.Record{
		Zxid: z, Kind: kind, CommitHint: 5, Time: 6, PrevChain: 7, Payload: []byte(payload), DigestVersion: 2, TreeDigest: 8,
	}
}

// one of each kind.
var messages = []Message{
	Notification{State: Following, Vote: Vote{Leader: 3, Epoch: 1 << 31, Zxid: 1<<63 | 9, Named: true}, Round: 12},
	Notification{Vote: Vote{Leader: 1}, Round: 1, Fresh: true},
	Notification{Vote: Vote{Leader: 2}, Members: &Members{Version: 7, Voters: quorum.Of(1, 2, 254), Observers: quorum.Of(9), Text: "who"}},
	FollowerInfo{Stream: 1, Accepted: 2, Observer: true},
	LeaderInfo{Stream: 1, Epoch: 3},
	AckEpoch{Stream: 1, Counted: true, Current: 2, Last: 3, Chain: 4, Base: 5, Epochs: []EpochEnd{{6, 7}, {8, 9}}},
	Diff{Stream: 1, After: 2},
	Trunc{Stream: 1, Keep: 2, Chain: 3},
	Snap{Stream: 1, At: Position{2, 3}, Digest: 4, ID: 5, Part: 6, Data: []byte("part"), Last: true},
	Installed{Stream: 1, Zxid: 2},
	NewLeader{Stream: 1, Marker: record(core.MakeZxid(4, 0), wire.RecordEpoch, "who")},
	Propose{Stream: 1, Committed: 2, Records: []wire.Record{record(9, wire.RecordTxn, "a"), record(10, wire.RecordTxn, "")}},
	Progress{Stream: 1, Zxid: 2},
	Ack{Stream: 1, Zxid: 2},
	UpToDate{Stream: 1, Committed: 2},
	Ping{Stream: 1, Nonce: 2},
	Pong{Stream: 1, Nonce: 2, Durable: 3},
	Elect{Stream: 1, Vote: Vote{Leader: 2, Epoch: 3, Zxid: 4, Named: true}},
	Leave{Stream: 1},
	Vouch{Stream: 4},
}

func TestMessagesSurviveTheLink(t *testing.T) {
	kinds := map[reflect.Type]bool{}
	for _, msg := range messages {
		kinds[reflect.TypeOf(msg)] = true
		b := AppendMessage(nil, msg)
		got, err := DecodeMessage(b)
		require.NoError(t, err, "%T", msg)
		require.Equal(t, msg, got)
		for n := range b {
			_, err := DecodeMessage(b[:n])
			require.ErrorIs(t, err, ErrMessage, "%T cut at %d of %d", msg, n, len(b))
		}
		_, err = DecodeMessage(append(b, 0))
		require.ErrorIs(t, err, ErrMessage, "%T with a byte more", msg)
	}
	require.Len(t, kinds, int(kindVouch), "one of each kind")
}

func FuzzDecodeMessage(f *testing.F) {
	for _, msg := range messages {
		f.Add(AppendMessage(nil, msg))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		msg, err := DecodeMessage(bytes.Clone(b))
		if err != nil {
			return
		}
		again, err := DecodeMessage(AppendMessage(nil, msg))
		require.NoError(t, err)
		require.Equal(t, msg, again)
	})
}
