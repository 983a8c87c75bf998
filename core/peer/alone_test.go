package peer

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/testkit"
)

// claims are what a server that is on its own is told.
type claims struct {
	atomic.Bool // whether it is
	told        chan string
}

// runAlone runs one that knows nobody.
func runAlone(t *testing.T, self core.PeerID, l net.Listener, secret string) (*node, *claims) {
	t.Helper()
	c := &claims{told: make(chan string, 64)}
	c.Store(true)
	return runConfig(t, Config{
		Self: self, Listener: l, Secret: []byte(secret), Alone: c.Load,
		Claimed: func(p core.PeerID, claim []byte) { c.told <- string(append([]byte{'0' + byte(p), ' '}, claim...)) },
	}), c
}

func claiming(t *testing.T, self core.PeerID, peers map[core.PeerID][]string, secret string, claim func() []byte) *node {
	t.Helper()
	cfg := Config{Self: self, Listener: listen(t), Peers: peers, Secret: []byte(secret)}
	if claim != nil {
		cfg.Claim = func(context.Context) []byte { return claim() }
	}
	return runConfig(t, cfg)
}

func TestOneThatIsAloneIsToldWhoseItIs(t *testing.T) {
	la := listen(t)
	a, told := runAlone(t, 2, la, "secret")
	to := map[core.PeerID][]string{2: {la.Addr().String()}}
	low := claiming(t, 1, to, "secret", func() []byte { return []byte("from below") })
	high := claiming(t, 3, to, "secret", func() []byte { return []byte("from above") })
	claiming(t, 4, to, "secret", nil)
	heard := map[string]bool{}
	eventually(t, "both claims", func() bool {
		select {
		case c := <-told.told:
			heard[c] = true
		default:
		}
		return heard["1 from below"] && heard["3 from above"] && heard["4 "]
	})
	require.Len(t, heard, 3)
	for _, n := range []*node{a, low, high} {
		require.Empty(t, n.log.events, "there is no link")
	}

	// One that comes to know them is linked with them, and told nothing more.
	told.Store(false)
	a.SetPeers(map[core.PeerID][]string{1: {low.cfg.Listener.Addr().String()}, 3: {high.cfg.Listener.Addr().String()}})
	eventually(t, "links", func() bool { return a.log.gen(1) != 0 && a.log.gen(3) != 0 })
}

func TestAClaimNeedsTheSecret(t *testing.T) {
	la := listen(t)
	a, told := runAlone(t, 2, la, "secret")
	to := map[core.PeerID][]string{2: {la.Addr().String()}}
	asked := atomic.Bool{}
	for _, id := range []core.PeerID{1, 3} {
		claiming(t, id, to, "another secret", func() []byte { asked.Store(true); return []byte("mine") })
	}
	dialed, err := net.Dial("tcp", la.Addr().String())
	require.NoError(t, err)
	defer dialed.Close()
	h := hello{from: 7, to: 2}
	require.NoError(t, sendFrame(dialed, h.encode()))
	_, err = readFrame(dialed, helloMax)
	require.NoError(t, err)
	require.NoError(t, sendFrame(dialed, append(make([]byte, 32), "mine"...)))
	eventually(t, "a refusal", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return !a.mu.refused.last.IsZero()
	})
	time.Sleep(1500 * time.Millisecond) // two calls from below
	require.Empty(t, told.told)
	require.False(t, asked.Load(), "one that does not know the secret is told nothing")
}

// pipe makes one side of the handshake meet the other.
func pipe(t *testing.T, alone bool, claim []byte) (g guest, greeted, welcomed error) {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := greet(here, []byte("s"), life{}, 3, 2, func() []byte { return claim })
		done <- err
		_ = here.Close()
	}()
	g, welcomed = welcome(there, []byte("s"), life{}, 2, func(core.PeerID) (bool, error) { return alone, nil })
	_ = there.Close()
	return g, <-done, welcomed
}

func TestClaimsInTheHandshake(t *testing.T) {
	most := bytes.Repeat([]byte{'x'}, claimBytesMax)
	for name, c := range map[string]struct {
		alone bool
		claim []byte
		want  []byte
	}{
		"who is known tells nothing":         {false, []byte("c"), nil},
		"one that is alone is told":          {true, []byte("c"), []byte("c")},
		"there may be nothing to tell":       {true, nil, nil},
		"the longest":                        {true, most, most},
		"what is too long is not told":       {true, append(most, 'x'), nil},
		"a claim may look like a greeting's": {true, []byte(strings.Repeat("p", 32)), []byte(strings.Repeat("p", 32))},
	} {
		t.Run(name, func(t *testing.T) {
			g, greeted, welcomed := pipe(t, c.alone, c.claim)
			require.NoError(t, welcomed)
			require.Equal(t, guest{peer: 3, claims: c.alone, claim: c.want}, g)
			if c.alone {
				require.ErrorIs(t, greeted, errAlone)
			} else {
				require.NoError(t, greeted)
			}
		})
	}
}

// Within TLS a claim needs a certificate, as a link does, and the secret.
func TestClaimsWithinTLS(t *testing.T) {
	ca, other := testkit.NewAuthority(t, "ca"), testkit.NewAuthority(t, "other")
	certificates := func(ca *testkit.Authority) *Certificates {
		c, err := OpenCertificates(newFolder(t, ca, soon(), "127.0.0.1").tls(TLSRequire), nil)
		require.NoError(t, err)
		return c
	}
	la := listen(t)
	told := make(chan string, 64)
	runConfig(t, Config{
		Self: 2, Listener: la, Secret: []byte("secret"), Certificates: certificates(ca), Alone: func() bool { return true },
		Claimed: func(_ core.PeerID, claim []byte) { told <- string(claim) },
	})
	claim := func(self core.PeerID, c *Certificates, text string) *node {
		return runConfig(t, Config{
			Self: self, Listener: listen(t), Secret: []byte("secret"), Certificates: c, Peers: map[core.PeerID][]string{2: {la.Addr().String()}},
			Claim: func(context.Context) []byte { return []byte(text) },
		})
	}
	claim(1, certificates(other), "of another authority")
	claim(3, nil, "in plain text")
	claim(4, certificates(ca), "within TLS")
	require.Equal(t, "within TLS", <-told)
	time.Sleep(1500 * time.Millisecond)
	for len(told) > 0 {
		require.Equal(t, "within TLS", <-told)
	}
}
