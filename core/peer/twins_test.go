package peer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
)

func TestTwoProcessesThatSayTheyAreOneServerAreToldOf(t *testing.T) {
	const told = "two processes say that they are this server"
	var out notes
	l := listen(t)
	a := runConfig(t, Config{
		Self: 1, Listener: l, Peers: map[core.PeerID][]string{2: {"127.0.0.1:1"}}, Secret: []byte("s"),
		Logger: out.logger(),
	})
	twin := func() *node {
		return run(t, 2, listen(t), map[core.PeerID][]string{1: {l.Addr().String()}}, "s")
	}
	first := twin()
	eventually(t, "a link", func() bool { return a.log.gen(2) != 0 })
	gen := a.log.gen(2)
	first.stop()
	twin()
	eventually(t, "a link after a restart", func() bool { return a.log.gen(2) > gen })
	gen = a.log.gen(2)
	a.cut(2)
	eventually(t, "the link again", func() bool { return a.log.gen(2) > gen })
	require.Zero(t, out.count(told), "who is started anew, or comes again, is one")
	twin()
	eventually(t, "the warning", func() bool { return out.count(told) == 1 })
	gen = a.log.gen(2)
	eventually(t, "further links", func() bool { return a.log.gen(2) > gen+3 })
	require.Equal(t, 1, out.count(told), "once a minute")
}

func TestLives(t *testing.T) {
	now := time.Unix(1000, 0)
	var l lives
	for _, step := range []struct {
		who   byte
		after time.Duration
		twins bool
	}{
		{who: 1},
		{who: 1},
		{who: 2},
		{who: 2},
		{who: 3},
		{who: 2, twins: true},
		{who: 3},
		{who: 3, after: 2 * warnAgain},
		{who: 2, twins: true},
		{who: 4},
		{who: 1, after: 2 * warnAgain, twins: true},
	} {
		now = now.Add(step.after)
		require.Equal(t, step.twins, l.met(now, life{step.who}), step)
	}
	for i := range byte(100) {
		require.False(t, l.met(now, life{200, i}))
	}
	require.Len(t, l.seen, livesMax)
}
