package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
