package peer

import (
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
)

// The link of one that was removed while its handshake was under way stayed for ever.
func TestNoLinkBeginsWithOneThatIsNoPeerAnyMore(t *testing.T) {
	tr := New(Config{Self: 1, Peers: map[core.PeerID][]string{2: {"127.0.0.1:1"}, 3: {"127.0.0.1:1"}}, Handler: newLog()})
	tr.SetPeers(map[core.PeerID][]string{3: {"127.0.0.1:1"}})
	here, there := net.Pipe()
	require.ErrorIs(t, tr.serve(2, life{}, here), net.ErrClosed)
	_, err := there.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.NotNil(t, tr.begin(3, here))
}

func TestLinksFollowThePeers(t *testing.T) {
	la, lb, lc := listen(t), listen(t), listen(t)
	a := run(t, 1, la, map[core.PeerID][]string{}, "secret")
	b := run(t, 2, lb, map[core.PeerID][]string{1: {la.Addr().String()}}, "secret")
	eventually(t, "an attempt that is refused", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return !a.mu.refused.last.IsZero()
	})
	require.Zero(t, a.log.gen(2))
	a.SetPeers(map[core.PeerID][]string{2: {lb.Addr().String()}})
	eventually(t, "a link with one that came", func() bool { return a.log.gen(2) != 0 && b.log.gen(1) != 0 })
	gen := b.log.gen(1)
	c := run(t, 3, lc, map[core.PeerID][]string{1: {la.Addr().String()}, 2: {lb.Addr().String()}}, "secret")
	a.SetPeers(map[core.PeerID][]string{2: {lb.Addr().String()}, 3: {lc.Addr().String()}})
	b.SetPeers(map[core.PeerID][]string{1: {la.Addr().String()}, 3: {lc.Addr().String()}})
	eventually(t, "links with another", func() bool { return c.log.gen(1) != 0 && c.log.gen(2) != 0 && b.log.gen(3) != 0 })
	require.Equal(t, gen, b.log.gen(1), "a link that stays is left alone")

	b.SetPeers(map[core.PeerID][]string{3: {lc.Addr().String()}})
	b.partFrom(1) // as a few seconds later
	eventually(t, "no link with one that has left", func() bool { return b.log.gen(1) == 0 })
	require.NotZero(t, b.log.gen(3))
	b.partFrom(3)
	require.NotZero(t, b.log.gen(3), "one that is back is a peer")
	b.mu.Lock()
	dialed := b.mu.dialers[1]
	b.mu.Unlock()
	require.Nil(t, dialed, "nobody reaches for it")
}

func TestWhoStartsKnocks(t *testing.T) {
	l := listen(t)
	b := New(Config{Self: 2, Listener: l, Peers: map[core.PeerID][]string{1: {"127.0.0.1:1"}}, Secret: []byte("secret"), Handler: newLog()})
	waits := &dialer{knocked: make(chan struct{}, 1)}
	b.mu.dialers[1] = waits
	accepting := make(chan struct{})
	go func() { defer close(accepting); b.accept(t.Context()) }()
	peers := map[core.PeerID][]string{2: {"127.0.0.1:1", l.Addr().String()}}
	run(t, 1, listen(t), peers, "guess")
	eventually(t, "one who does not know the secret is refused", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return !b.mu.refused.last.IsZero()
	})
	require.Empty(t, waits.knocked)
	run(t, 1, listen(t), peers, "secret")
	select {
	case <-waits.knocked:
	case <-time.After(time.Minute):
		t.Error("nobody has knocked")
	}
	require.NoError(t, l.Close())
	<-accepting
	b.wg.Wait()
	require.Empty(t, b.mu.links, "a knock is no link")
}

// A server that was removed and goes on filled the logs of all others, a line a second.
func TestWhoIsRefusedAgainAndAgainIsToldOfOnceAMinute(t *testing.T) {
	var r refusals
	told := map[string]int{}
	for now := time.Unix(1000, 0); now.Before(time.Unix(1000+180, 0)); now = now.Add(500 * time.Millisecond) {
		for _, reason := range []string{"removed", "another secret"} {
			if r.loud(now, reason) {
				told[reason]++
			}
		}
	}
	require.Equal(t, map[string]int{"removed": 3, "another secret": 3}, told)

	loud, now := 0, time.Unix(2000, 0)
	for i := range 10_000 { // each for a reason of its own, in ten seconds
		if r.loud(now.Add(time.Duration(i)*time.Millisecond), strconv.Itoa(i)) {
			loud++
		}
	}
	require.Equal(t, 10, loud, "as many as there are seconds")
	require.LessOrEqual(t, len(r.reasons), 10)
}
