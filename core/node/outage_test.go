package node

import (
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/zab"
	"github.com/zensus-io/zensus/internal/testkit"
)

func TestALostQuorumIsToldOnce(t *testing.T) {
	o, now := outage{}, time.Unix(1000, 0)
	tell := func(d time.Duration, serving bool) (lost, back int) { // every 50 ms for a time
		for range d / tickEvery {
			now = now.Add(tickEvery)
			l, b, _ := o.stand(now, serving)
			if l {
				lost++
			}
			if b {
				back++
			}
		}
		return lost, back
	}
	check := func(what string, lost, back, wantLost, wantBack int) {
		t.Helper()
		require.Equal(t, []int{wantLost, wantBack}, []int{lost, back}, what)
	}
	lost, back := tell(9*time.Second, false)
	check("it has been started only now", lost, back, 0, 0)
	lost, back = tell(time.Hour, false)
	check("nobody ever comes", lost, back, 1, 0)
	lost, back = tell(time.Hour, true)
	check("they come", lost, back, 0, 1)
	lost, back = tell(900*time.Millisecond, false)
	check("an election", lost, back, 0, 0)
	lost, back = tell(time.Minute, true)
	check("of which nothing was told", lost, back, 0, 0)
	lost, back = tell(time.Hour, false)
	check("a loss", lost, back, 1, 0)
	lost, back = tell(time.Second, true)
	check("and its end", lost, back, 0, 1)
	lost = 0
	for range 30 { // for a minute and a half
		l, _ := tell(2*time.Second, false)
		lost += l
		tell(time.Second, true)
	}
	require.LessOrEqual(t, lost, 9, "it comes and goes")
	require.Positive(t, lost)
}

// A single server that took long to start said that the quorum was back, and an observer
// said nothing of one that was lost.
func TestOnlyWhoNeedsOthersHasAQuorumToLose(t *testing.T) {
	for name, c := range map[string]struct {
		voters []core.PeerID
		self   core.PeerID
		warns  bool
	}{
		"one on its own":                 {[]core.PeerID{1}, 1, false},
		"one of three":                   {[]core.PeerID{1, 2, 3}, 1, true},
		"an observer of a single server": {[]core.PeerID{1}, 2, true},
		"an observer of three":           {[]core.PeerID{1, 2, 3}, 4, true},
	} {
		t.Run(name, func(t *testing.T) {
			var told testkit.Buffer
			n, err := New(Config{
				Replica: replica.Config{Zab: zab.Config{Self: c.self, Voters: c.voters, Several: true}, Secret: []byte("a secret of this test")},
				Storage: storage.Options{Dir: t.TempDir(), BallastBytes: -1, LowWaterBytes: -1},
				Logger:  hclog.New(&hclog.LoggerOptions{Output: &told}),
			})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, n.Abandon()) })
			for now := time.Unix(1000, 0); now.Before(time.Unix(1060, 0)); now = now.Add(tickEvery) {
				n.tellOutage(now) // it starts
			}
			require.Equal(t, c.warns, n.outage.told)
			if c.warns {
				require.Contains(t, told.String(), "no quorum")
			} else {
				require.Empty(t, told.String())
			}
		})
	}
}
