package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// network carries the messages of some servers, in order on each link.
type network struct {
	t       *testing.T
	servers map[core.PeerID]*server
	down    map[core.PeerID]bool
	queue   []delivery
}

type delivery struct {
	from, to core.PeerID
	body     []byte
}

func (n *network) send(from core.PeerID, e *Envelope) {
	n.queue = append(n.queue, delivery{from, e.To, e.Append(nil)})
}

// settle delivers until nobody says anything more.
func (n *network) settle() {
	n.t.Helper()
	for i := 0; len(n.queue) > 0; i++ {
		require.Less(n.t, i, 100_000, "they never stop")
		d := n.queue[0]
		n.queue = n.queue[1:]
		if !n.down[d.to] && !n.down[d.from] {
			n.servers[d.to].step(Message{From: d.from, Body: d.body})
		}
	}
}

func (n *network) pass(millis int64) {
	n.t.Helper()
	for range millis / 50 {
		for _, id := range []core.PeerID{1, 2, 3} {
			if s := n.servers[id]; s != nil && !n.down[id] {
				s.now.Mono += 50
				s.now.Wall += 50
				s.step(Tick{})
			}
		}
		n.settle()
	}
}

// kill takes a server down; the others notice.
func (n *network) kill(id core.PeerID) {
	n.down[id] = true
	for o, s := range n.servers {
		if o != id && !n.down[o] {
			s.step(LinkDown{Peer: id})
		}
	}
	n.settle()
}

// three starts an ensemble of three.
func three(t *testing.T) *network { return threeWith(t, state.Config{}) }

func threeWith(t *testing.T, cfg state.Config) *network {
	n := &network{t: t, servers: map[core.PeerID]*server{}, down: map[core.PeerID]bool{}}
	voters := []core.PeerID{1, 2, 3}
	for _, id := range voters {
		s := &server{
			t: t, network: n, now: Now{Mono: 1000, Wall: 1_800_000_000_000},
			cfg:   Config{Zab: zab.Config{Self: id, Voters: voters}, State: cfg, Secret: []byte("a secret of this test")},
			conns: map[ConnID]*peer{}, holds: map[ConnID]bool{},
		}
		r, err := New(s.cfg, zab.Durable{Voteable: true}, false, 0)
		require.NoError(t, err)
		s.r = r
		n.servers[id] = s
		s.step(Start{})
	}
	for _, a := range voters {
		for _, b := range voters {
			if a != b {
				n.servers[a].step(LinkUp{Peer: b})
			}
		}
	}
	n.settle()
	n.pass(500)
	return n
}

// come connects a client to a server.
func (n *network) come(id core.PeerID, q wire.ConnectRequest) *peer {
	n.t.Helper()
	p := n.servers[id].dial()
	p.send(q.Append(nil))
	n.settle()
	p.welcome()
	return p
}

// ask sends a request and reads its reply.
func (n *network) ask(p *peer, op wire.OpCode, body []byte) (wire.ReplyHeader, wire.Reader) {
	n.t.Helper()
	p.send(p.request(op, body))
	n.settle()
	h, r := p.reply()
	require.Equal(n.t, p.xid, h.Xid)
	return h, r
}

func create(path string, mode core.CreateMode) []byte {
	return wire.AppendCreate(nil, wire.OpCreate, path, []byte("data"), core.OpenACL(), int32(mode), 0)
}

func TestClientsOfAnyServerSeeOneTree(t *testing.T) {
	n := three(t)
	for id, s := range n.servers {
		require.True(t, s.r.Serving(), "server %d", id)
	}
	at1 := n.come(1, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
	at2 := n.come(2, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
	at3 := n.come(3, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
	for _, p := range []*peer{at1, at2, at3} {
		require.NotZero(t, p.resp.SessionID)
	}
	h, _ := n.ask(at1, wire.OpExists, wire.AppendPathWatch(nil, "/a", true))
	require.Equal(t, core.NoNode, h.Err)
	h, _ = n.ask(at2, wire.OpCreate, create("/a", core.Persistent))
	require.Equal(t, core.OK, h.Err)
	event, ok := at1.frame()
	require.True(t, ok, "a client of another server is told")
	r := wire.NewReader(event)
	require.Equal(t, wire.XidNotification, wire.DecodeReplyHeader(&r).Xid)
	h, _ = n.ask(at3, wire.OpCreate, create("/a", core.Persistent))
	require.Equal(t, core.NodeExists, h.Err)
	for _, p := range []*peer{at1, at2, at3} {
		h, _ = n.ask(p, wire.OpSync, wire.AppendString(nil, "/a"))
		require.Equal(t, core.OK, h.Err)
		h, _ = n.ask(p, wire.OpGetData, wire.AppendPathWatch(nil, "/a", false))
		require.Equal(t, core.OK, h.Err)
	}
}

func TestSessionsMoveAndOutliveTheirServer(t *testing.T) {
	n := three(t)
	at1 := n.come(1, wire.ConnectRequest{TimeoutMillis: 4000, HasReadOnly: true})
	h, _ := n.ask(at1, wire.OpCreate, create("/mine", core.Ephemeral))
	require.Equal(t, core.OK, h.Err)
	back := wire.ConnectRequest{TimeoutMillis: 4000, SessionID: at1.resp.SessionID, Password: at1.resp.Password[:], HasReadOnly: true}
	at2 := n.come(2, back)
	require.Equal(t, at1.resp.SessionID, at2.resp.SessionID)
	h, _ = n.ask(at2, wire.OpSetData, wire.AppendSetData(nil, "/mine", nil, core.AnyVersion))
	require.Equal(t, core.OK, h.Err)
	at1.send(at1.request(wire.OpSetData, wire.AppendSetData(nil, "/mine", nil, core.AnyVersion)))
	n.settle()
	require.True(t, at1.closed, "the connection that was left is hung up on")

	n.kill(3) // the leader
	n.pass(2000)
	require.True(t, at2.closed)
	at1 = n.come(1, back)
	require.Equal(t, back.SessionID, at1.resp.SessionID, "the session lives on")
	h, _ = n.ask(at1, wire.OpExists, wire.AppendPathWatch(nil, "/mine", false))
	require.Equal(t, core.OK, h.Err)
	for range 10 { // signs of life reach the leader, whoever that is
		n.pass(1000)
		at1.send(wire.AppendRequestHeader(nil, wire.XidPing, wire.OpPing))
		n.settle()
		_, ok := at1.frame()
		require.True(t, ok)
	}
	h, _ = n.ask(at1, wire.OpExists, wire.AppendPathWatch(nil, "/mine", false))
	require.Equal(t, core.OK, h.Err)
	n.pass(8000) // and then none come
	other := n.come(2, wire.ConnectRequest{TimeoutMillis: 4000, HasReadOnly: true})
	h, _ = n.ask(other, wire.OpExists, wire.AppendPathWatch(nil, "/mine", false))
	require.Equal(t, core.NoNode, h.Err, "the session has expired, and what it owned went with it")
}

// TestAnIdIsNotGivenToTwoSessions has a server, whose clock went back, give out an id
// that it had given out before it crashed and that was still under way when it came back.
func TestAnIdIsNotGivenToTwoSessions(t *testing.T) {
	n := three(t)
	at1 := n.come(1, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
	id := at1.resp.SessionID
	leader := n.servers[3]
	require.Equal(t, zab.Leading, leader.r.Role())
	logged := leader.r.Status().Logged
	again := forward{
		epoch: leader.r.Status().Epochs.Current, session: id, op: wire.OpCreateSession, body: wire.AppendInt(nil, 30_000),
	}
	leader.step(Message{From: 1, Body: appendPeer(nil, again)})
	n.settle()
	require.Equal(t, logged, leader.r.Status().Logged, "it is not proposed")
	timeout, _ := leader.r.State().SessionTimeout(id)
	require.EqualValues(t, 10_000, timeout)
}
