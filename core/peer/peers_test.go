package peer

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
)

// The link of one that was removed while its handshake was under way stayed for ever.
func TestNoLinkBeginsWithOneThatIsNoPeerAnyMore(t *testing.T) {
	tr := New(Config{Self: 1, Peers: map[core.PeerID][]string{2: {"127.0.0.1:1"}, 3: {"127.0.0.1:1"}}, Handler: newLog()})
	tr.SetPeers(map[core.PeerID][]string{3: {"127.0.0.1:1"}})
	here, there := net.Pipe()
	require.ErrorIs(t, tr.serve(2, here), net.ErrClosed)
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
		return !a.mu.warned.IsZero()
	})
	require.Zero(t, a.log.gen(2))
	a.SetPeers(map[core.PeerID][]string{2: {lb.Addr().String()}})
	eventually(t, "a link with one that came", func() bool { return a.log.gen(2) != 0 && b.log.gen(1) != 0 })
	gen := b.log.gen(1)
	c := run(t, 3, lc, map[core.PeerID][]string{1: {la.Addr().String()}, 2: {lb.Addr().String()}}, "secret")
	a.SetPeers(map[core.PeerID][]string{2: {lb.Addr().String()}, 3: {lc.Addr().String()}})
	b.SetPeers(map[core.PeerID][]string{1: {la.Addr().String()}, 3: {lc.Addr().String()}})
	eventually(t, "links with another", func() bool { return c.log.gen(1) != 0 && c.log.gen(2) != 0 })
	require.Equal(t, gen, b.log.gen(1), "a link that stays is left alone")

	b.SetPeers(map[core.PeerID][]string{3: {lc.Addr().String()}})
	b.partFrom(1) // as a few seconds later
	eventually(t, "no link with one that has left", func() bool { return b.log.gen(1) == 0 })
	require.NotZero(t, b.log.gen(3))
	b.partFrom(3)
	require.NotZero(t, b.log.gen(3), "one that is back is a peer")
	b.mu.Lock()
	dialed := len(b.mu.dialers)
	b.mu.Unlock()
	require.Zero(t, dialed, "nobody reaches for it")
}
