package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// A read that waits for a write was answered with the identities of an auth
// packet that came behind it.
func TestWaitingReadIsMadeAsWhoAskedForIt(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(10_000)
	p.send(
		p.request(wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, "/a", nil, core.OpenACL(), 0, 0)),
		p.request(wire.OpWhoAmI, nil),
		p.request(wire.OpAuth, wire.AppendAuth(nil, "digest", []byte("u:1"))),
		p.request(wire.OpWhoAmI, nil),
	)
	identities := func() int32 {
		h, r := p.reply()
		require.Equal(t, core.OK, h.Err)
		return r.Int()
	}
	h, _ := p.reply()
	require.Equal(t, core.OK, h.Err)
	require.EqualValues(t, 1, identities(), "before the auth packet")
	h, _ = p.reply()
	require.Equal(t, core.OK, h.Err)
	require.EqualValues(t, 2, identities(), "behind it")
}

func TestMalformedAuthAndSASLPacketsEndTheConnectionWithoutAnAnswer(t *testing.T) {
	auth := wire.AppendAuth(nil, "digest", []byte("u:1"))
	for name, c := range map[string]struct {
		op   wire.OpCode
		body []byte
	}{
		"an auth packet that is cut": {wire.OpAuth, auth[:len(auth)-1]},
		"an empty auth packet":       {wire.OpAuth, nil},
		"a null token":               {wire.OpSASL, wire.AppendBuffer(nil, nil)},
		"an empty sasl packet":       {wire.OpSASL, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, Config{})
			p := s.open(10_000)
			p.send(p.request(wire.OpPing, nil), p.request(c.op, c.body))
			h, _ := p.reply()
			require.Equal(t, wire.XidPing, h.Xid)
			p.noFrame()
			require.True(t, p.closed)
		})
	}
}

func TestNegativeLastZxidIsNotAhead(t *testing.T) {
	s := startServer(t, Config{})
	p := s.dial()
	p.connect(wire.ConnectRequest{TimeoutMillis: 10_000, LastZxidSeen: ^core.Zxid(0)})
	require.NotZero(t, p.resp.SessionID)
}

// A read that waited for the client to read its output was made only when the
// write behind it had been applied, and saw it.
func TestReadHeldUpByOutputDoesNotSeeTheWriteBehindIt(t *testing.T) {
	s := startServer(t, Config{})
	s.drainLate = true
	p := s.open(10_000)
	large := make([]byte, outputBytesMax)
	create := func(path string, data []byte) []byte {
		return p.request(wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, path, data, core.OpenACL(), 0, 0))
	}
	p.send(create("/large", large))
	h, _ := p.reply()
	require.Equal(t, core.OK, h.Err)
	p.send(
		create("/before", nil),
		p.request(wire.OpGetData, wire.AppendPathWatch(nil, "/large", false)),
		p.request(wire.OpExists, wire.AppendPathWatch(nil, "/behind", false)),
		create("/behind", nil),
	)
	s.drain(p.id)
	var codes []core.Code
	var last core.Zxid
	for range 4 {
		h, _ := p.reply()
		codes = append(codes, h.Err)
		require.GreaterOrEqual(t, h.Zxid, last)
		last = h.Zxid
	}
	require.Equal(t, []core.Code{core.OK, core.OK, core.NoNode, core.OK}, codes)
}
