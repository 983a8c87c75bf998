package node

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/zab"
)

// Whoever had seen that a session was out of contact was told by its node for a moment
// that all was as before.
func TestContactIsNotBehindWhatSessionsSay(t *testing.T) {
	rounds := 50_000
	if testing.Short() {
		rounds = 5000
	}
	for range rounds {
		n := &Node{contact: newContact()}
		looks, seen := make(chan struct{}), make(chan Contact)
		go func() {
			close(looks)
			s := &client{node: n}
			for spins := 1; !s.Connected(); spins++ {
				if spins%1000 == 0 {
					runtime.Gosched() // there may be one processor only
				}
			}
			now, _ := n.Contact()
			seen <- now
		}()
		<-looks
		n.contact.stand(true, 1)
		now := <-seen
		require.True(t, now.Serving)
		require.EqualValues(t, 1, now.Troubles)
	}
}

// witness calls itself with every line of a log.
type witness func(line string)

func (w witness) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}

// A node said that it serves, and clients were refused for want of a quorum, a moment
// before it knew that of itself.
func TestContactIsNotedBeforeItIsToldOf(t *testing.T) {
	var n *Node
	told, noted := false, false
	n, err := New(Config{
		Replica: replica.Config{Zab: zab.Config{Self: 1, Voters: []core.PeerID{1}}, Secret: []byte("a secret of this test")},
		Storage: storage.Options{Dir: t.TempDir(), BallastBytes: -1, LowWaterBytes: -1},
		Logger: hclog.New(&hclog.LoggerOptions{Output: witness(func(line string) {
			if !told && strings.Contains(line, "serving: role") {
				now, _ := n.Contact()
				told, noted = true, now.Serving
			}
		})}),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	<-n.Serving()
	cancel()
	require.NoError(t, <-ran)
	require.True(t, told)
	require.True(t, noted)
}
