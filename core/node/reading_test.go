package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// unrun is a node that nobody runs, with a log of so many records of so many bytes.
func unrun(t *testing.T, records, size int) *Node {
	t.Helper()
	o := storage.Options{Dir: t.TempDir(), BallastBytes: -1, LowWaterBytes: -1}
	store, _, err := storage.Open(o)
	require.NoError(t, err)
	m := store.Meta()
	m.Voteable = true
	require.NoError(t, store.WriteMeta(m))
	r := wire.Record{Kind: wire.RecordTxn, Payload: make([]byte, size)}
	for z := range core.Zxid(records) {
		r.Zxid = z + 1
		require.NoError(t, store.Append([]wire.Record{r}))
		r.PrevChain = r.Chain()
	}
	require.NoError(t, store.Close())
	n, err := New(Config{
		Replica: replica.Config{Zab: zab.Config{Self: 1, Voters: []core.PeerID{1}}, Secret: []byte("a secret of this test")},
		Storage: o,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		n.inbox.close()
		n.beside.Wait()
		require.NoError(t, n.Abandon())
	})
	return n
}

// reads takes what is in the inbox, until all of a part of the log has come, and says how
// many records there were for each role.
func (n *Node) reads(t *testing.T, last uint64) map[uint64]int {
	t.Helper()
	found := map[uint64]int{}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, it := range n.inbox.take(nil) {
			in := it.in.(replica.LogRead)
			require.False(t, in.Gone)
			found[in.Generation] += len(in.Records)
			if in.Done && in.Generation == last {
				return found
			}
			require.False(t, in.Done, "of role %d", in.Generation)
		}
	}
	require.Fail(t, "it never comes")
	return nil
}

// waits waits until the inbox is full, and some more for what should not come then.
func (n *Node) waits(t *testing.T) (bytes int) {
	t.Helper()
	look := func() int {
		n.inbox.mu.Lock()
		defer n.inbox.mu.Unlock()
		return n.inbox.mu.bytes
	}
	require.Eventually(t, func() bool { return look() > inboxBytesMax }, time.Minute, time.Millisecond, "nobody fills it")
	time.Sleep(200 * time.Millisecond)
	return look()
}

func TestWhoReadsTheLogWaitsForTheLoop(t *testing.T) {
	const records, size = 400, 50 << 10 // twice as much as may wait, and more
	n := unrun(t, records, size)
	n.readLog(replica.LogRange{Generation: 1, UpTo: records})
	require.LessOrEqual(t, n.waits(t), inboxBytesMax+readBytes+size+wire.RecordHeadBytes)
	require.Equal(t, map[uint64]int{1: records}, n.reads(t, 1))
}

func TestAReadingThatNobodyTakesEnds(t *testing.T) {
	const records, size = 400, 50 << 10
	n := unrun(t, records, size)
	n.readLog(replica.LogRange{Generation: 1, UpTo: records})
	n.waits(t)
	n.readLog(replica.LogRange{Generation: 2, After: 100, UpTo: records - 1})
	found := n.reads(t, 2)
	require.Equal(t, records-1-100, found[2])
	require.Less(t, found[1], records/2+10, "that of an earlier role goes on")
}
