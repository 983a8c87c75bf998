package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/zab"
)

// ForgetSendings lets go of what is kept for learners, as time does.
func (n *Node) ForgetSendings() {
	n.sendings.mu.Lock()
	defer n.sendings.mu.Unlock()
	for _, k := range n.sendings.mu.to {
		n.sendings.letGoLocked(k)
	}
}

func TestWhatIsKeptForLearnersIsBoundedAndTheirs(t *testing.T) {
	st := state.New(state.Config{})
	var s sendings
	stream := zab.Stream(0)
	begin := func(to core.PeerID, have zab.Partial) *sending {
		stream++
		return s.next(&replica.SendSnapshot{Learner: zab.Learner{Peer: to, Stream: stream, Have: have}, View: st.View(), Chain: 2})
	}
	has := func(k *sending) zab.Partial { return zab.Partial{ID: k.id, At: k.at, Parts: 3} }
	keep := func(to core.PeerID, have zab.Partial) (k *sending, from uint32) {
		k = begin(to, have)
		from = k.takeOver()
		s.rest(k)
		return k, from
	}
	there := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.mu.to)
	}
	one, from := keep(1, zab.Partial{})
	require.Zero(t, from, "who has nothing is sent all")
	_, from = keep(2, has(one))
	require.Zero(t, from, "it is another's")
	two, from := keep(1, has(one))
	require.EqualValues(t, 3, from)
	require.Equal(t, one.id, two.id)
	require.Same(t, one.view, two.view)
	three, from := keep(1, zab.Partial{ID: one.id + 2, At: one.at, Parts: 3})
	require.Zero(t, from, "it is of another snapshot at the same place")
	require.NotEqual(t, one.id, three.id)

	// One that is being sent is stopped before it goes on elsewhere.
	one = begin(1, zab.Partial{})
	require.Zero(t, one.takeOver())
	two = begin(1, has(one))
	require.True(t, one.stop.Load())
	took := make(chan uint32)
	go func() { took <- two.takeOver() }()
	select {
	case <-took:
		t.Fatal("it is being sent still")
	case <-time.After(20 * time.Millisecond):
	}
	s.rest(one)
	require.EqualValues(t, 3, <-took)

	// One that has arrived is not kept. One whose stream is over is.
	s.unsent(replica.Unsent{Learner: one.learner, Installed: true})
	require.False(t, two.stop.Load(), "that is said of an earlier stream")
	s.unsent(replica.Unsent{Learner: two.learner})
	require.True(t, two.stop.Load())
	s.rest(two)
	_, from = keep(1, has(two))
	require.EqualValues(t, 3, from)
	before := there()
	one = begin(1, zab.Partial{})
	one.takeOver()
	s.unsent(replica.Unsent{Learner: one.learner, Installed: true})
	s.rest(one)
	require.Equal(t, before-1, there())

	sending := begin(7, zab.Partial{})
	oldest, _ := keep(1, zab.Partial{})
	for id := range core.PeerID(4) {
		keep(id+2, zab.Partial{})
		require.LessOrEqual(t, there(), keptMax+1)
	}
	require.Equal(t, keptMax+1, there(), "who is being sent one does not count")
	_, from = keep(1, has(oldest))
	require.Zero(t, from, "the oldest went")
	s.rest(sending)
	require.Equal(t, keptMax, there())

	one, _ = keep(1, zab.Partial{})
	s.end()
	require.Zero(t, there())
	two = begin(1, has(one))
	require.Zero(t, two.takeOver())
	s.rest(two)
	require.True(t, s.mu.ended)
}
