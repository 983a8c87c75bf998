package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// found makes a connection of the process itself whose session begins with a write.
func (s *server) found(path string) *peer {
	s.t.Helper()
	s.nextID++
	p := &peer{t: s.t, s: s, id: s.nextID}
	s.conns[p.id] = p
	s.step(Connected{Conn: p.id, Local: true, IDs: []core.Identity{{Scheme: core.NodeScheme, ID: "node"}}})
	connect := wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true}
	p.send(connect.Append(nil), p.request(wire.OpCreate, create(path, core.Ephemeral)))
	return p
}

func TestASessionThatBeginsWithAWriteWaitsOnce(t *testing.T) {
	s := startServer(t, Config{})
	s.manual = true
	p := s.found("/a")
	require.Len(t, s.unsaved, 2, "both are proposed at once")
	p.noFrame()
	s.syncNow()
	p.welcome()
	require.NotZero(t, p.resp.SessionID)
	h, _ := p.reply()
	require.Equal(t, core.OK, h.Err)
	require.Equal(t, s.log[len(s.log)-1].Zxid, h.Zxid)
	p.noFrame()

	refused := s.found("/missing/a")
	s.syncNow()
	refused.welcome()
	require.NotZero(t, refused.resp.SessionID)
	h, _ = refused.reply()
	require.Equal(t, core.NoNode, h.Err)
	require.True(t, s.r.knows(refused.resp.SessionID), "the session is there all the same")

	// The log says what was always said: a replica that reads it comes to the same.
	s.manual = false
	s.boot()
	require.True(t, s.r.knows(p.resp.SessionID))
	require.True(t, s.r.knows(refused.resp.SessionID))
	require.Positive(t, s.r.state.Tree().EphemeralBytes(p.resp.SessionID))
}

func TestWhatWasLoggedOfASessionThatBeginsWithAWriteIsWhole(t *testing.T) {
	s := startServer(t, Config{})
	s.manual = true
	p := s.found("/a")
	s.log = append(s.log, s.unsaved[0]) // it crashes with the session on the disk, and no more
	s.manual = false
	s.boot()
	require.Len(t, s.r.state.Sessions(), 1)
	p.noFrame()
	s.advance(60_000)
	require.Empty(t, s.r.state.Sessions(), "nobody resumes it")
}

func TestASessionThatBeginsWithAWriteAtALearner(t *testing.T) {
	n := three(t)
	for _, id := range []core.PeerID{1, 2, 3} {
		p := n.servers[id].found("/" + string(rune('0'+id)))
		n.settle()
		p.welcome()
		require.NotZero(t, p.resp.SessionID)
		h, _ := p.reply()
		require.Equal(t, core.OK, h.Err)
		for _, s := range n.servers {
			require.Positive(t, s.r.state.Tree().EphemeralBytes(p.resp.SessionID))
		}
	}
}

// TestTheWriteThatASessionBeganWithIsNotLostWithoutTheSession has a leader lose its
// quorum with such a session under way: whoever asked for it must learn which it is, for
// the write may be done.
func TestTheWriteThatASessionBeganWithIsNotLostWithoutTheSession(t *testing.T) {
	n := three(t)
	lead := n.leader()
	s := n.servers[lead]
	p := s.found("/a") // and nobody hears of it
	n.queue = nil
	for id := range core.PeerID(3) {
		if id+1 != lead {
			n.kill(id + 1)
		}
	}
	n.pass(12_000)
	require.False(t, s.r.Serving())
	p.welcome()
	require.NotZero(t, p.resp.SessionID)
	h, _ := p.reply()
	require.Equal(t, p.xid, h.Xid)
	require.Equal(t, core.ConnectionLoss, h.Err)
	require.False(t, p.closed)

	n.down = map[core.PeerID]bool{}
	for a, s := range n.servers {
		for b := range n.servers {
			if a != b {
				s.step(LinkUp{Peer: b})
			}
		}
	}
	n.settle()
	n.pass(2000)
	h, _ = n.ask(p, wire.OpSync, wire.AppendString(nil, "/a"))
	there := s.r.knows(p.resp.SessionID)
	require.True(t, there, "the leader had logged it, and its log is the longest")
	require.Equal(t, core.OK, h.Err)
	require.Positive(t, s.r.state.Tree().EphemeralBytes(p.resp.SessionID))
}
