package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// threeReadOnly starts an ensemble of three with read-only mode.
func threeReadOnly(t *testing.T) *network {
	t.Helper()
	n := three(t)
	for _, s := range n.servers {
		s.cfg.ReadOnlyMode, s.r.cfg.ReadOnlyMode = true, true
	}
	return n
}

// alone takes down all servers but one, which has the given time without a quorum.
func (n *network) alone(id core.PeerID, millis int64) *server {
	n.t.Helper()
	for o := range n.servers {
		if o != id {
			n.kill(o)
		}
	}
	n.pass(millis)
	return n.servers[id]
}

// bringBack starts a server on what its disk holds, and links it with those that run.
func (n *network) bringBack(id core.PeerID) { n.start(id, Start{}) }

// start does so with an input of its choice.
func (n *network) start(id core.PeerID, in Start) {
	n.t.Helper()
	s := n.servers[id]
	s.begin(false)
	n.down[id] = false
	s.step(in)
	for o, other := range n.servers {
		if o != id && !n.down[o] {
			s.step(LinkUp{Peer: o})
			other.step(LinkUp{Peer: id})
		}
	}
	n.settle()
}

func readOnly(timeout int32) wire.ConnectRequest {
	return wire.ConnectRequest{TimeoutMillis: timeout, HasReadOnly: true, ReadOnly: true}
}

func TestReadsAreServedWithoutAQuorumToThoseWhoAskForNoMore(t *testing.T) {
	n := threeReadOnly(t)
	before := n.come(1, readOnly(10_000))
	require.False(t, before.resp.ReadOnly, "there is a quorum")
	h, _ := n.ask(before, wire.OpCreate, create("/a", core.Persistent))
	require.Equal(t, core.OK, h.Err)
	h, _ = n.ask(before, wire.OpCreate, create("/mine", core.Ephemeral))
	require.Equal(t, core.OK, h.Err)

	s := n.alone(1, readOnlyMillis-100)
	require.True(t, before.closed, "a server that loses its quorum hangs up on its clients")
	early := n.come(1, readOnly(10_000))
	require.Zero(t, early.resp.SessionID, "it still looks for a leader")
	require.False(t, early.closed)
	require.False(t, s.r.ServingReadOnly())
	n.pass(200)
	require.True(t, s.r.ServingReadOnly())
	require.False(t, s.r.Serving())
	early.welcome()
	require.NotZero(t, early.resp.SessionID, "who has come before it began is let in")
	require.True(t, early.resp.ReadOnly)
	require.EqualValues(t, 10_000, early.resp.TimeoutMillis)

	for what, q := range map[string]wire.ConnectRequest{
		"no flag":    {TimeoutMillis: 10_000, HasReadOnly: true},
		"an old one": {TimeoutMillis: 10_000},
		"a session of the ensemble": {
			TimeoutMillis: 10_000, HasReadOnly: true, ReadOnly: true, SessionID: before.resp.SessionID, Password: before.resp.Password[:],
		},
		"one that nobody knows": {TimeoutMillis: 10_000, HasReadOnly: true, ReadOnly: true, SessionID: 77, Password: make([]byte, 16)},
		"one that has seen more": {
			TimeoutMillis: 10_000, HasReadOnly: true, ReadOnly: true, LastZxidSeen: s.r.state.Applied() + 1,
		},
	} {
		p := s.dial()
		p.send(q.Append(nil))
		require.True(t, p.closed, what)
		p.noFrame()
	}

	c := n.come(1, readOnly(10_000))
	require.True(t, c.resp.ReadOnly)
	h, r := n.ask(c, wire.OpGetData, wire.AppendPathWatch(nil, "/a", true))
	require.Equal(t, core.OK, h.Err)
	require.Equal(t, "data", r.String())
	at := h.Zxid
	for op, body := range map[wire.OpCode][]byte{
		wire.OpCreate: create("/b", core.Persistent), wire.OpSetData: wire.AppendSetData(nil, "/a", nil, -1),
		wire.OpDelete: wire.AppendInt(wire.AppendString(nil, "/a"), -1), wire.OpSync: wire.AppendString(nil, "/a"),
		wire.OpMulti: wire.AppendMultiEnd(nil), wire.OpReconfig: nil,
	} {
		h, _ := n.ask(c, op, body)
		require.Equal(t, core.NotReadOnly, h.Err, "%v", op)
		require.Equal(t, at, h.Zxid)
		require.False(t, c.closed)
	}
	h, _ = n.ask(c, wire.OpExists, wire.AppendPathWatch(nil, "/mine", false))
	require.Equal(t, core.OK, h.Err, "nobody is expired by one who has no say in it")

	// The session is this server's alone: it can be come back to, and ends by its end.
	back := readOnly(8000)
	back.SessionID, back.Password = c.resp.SessionID, c.resp.Password[:]
	again := n.come(1, back)
	require.Equal(t, c.resp.SessionID, again.resp.SessionID)
	require.EqualValues(t, 8000, again.resp.TimeoutMillis)
	require.True(t, c.closed, "the connection that was left is hung up on")
	h, _ = n.ask(again, wire.OpCloseSession, nil)
	require.Equal(t, core.OK, h.Err)
	require.True(t, again.closed)
	again = n.come(1, back)
	require.Zero(t, again.resp.SessionID, "it is over, and here is who knows that")
	require.True(t, again.closed)

	idle := n.come(1, readOnly(4000))
	for range 5 {
		n.pass(3000)
		early.send(wire.AppendRequestHeader(nil, wire.XidPing, wire.OpPing))
		_, ok := early.frame()
		require.True(t, ok)
	}
	require.True(t, idle.closed, "it has said nothing for long")
	require.False(t, early.closed)

	// The quorum returns: all come again, and what was asked of the ensemble goes on.
	n.bringBack(2)
	n.pass(1000)
	require.True(t, s.r.Serving())
	require.False(t, s.r.ServingReadOnly())
	require.True(t, early.closed)
	back.SessionID, back.Password = early.resp.SessionID, early.resp.Password[:]
	gone := n.come(1, back)
	require.True(t, gone.closed)
	require.Zero(t, gone.resp.SessionID, "the ensemble knows nothing of it")
	home := n.come(1, wire.ConnectRequest{
		TimeoutMillis: 10_000, HasReadOnly: true, ReadOnly: true, SessionID: before.resp.SessionID, Password: before.resp.Password[:],
	})
	require.Equal(t, before.resp.SessionID, home.resp.SessionID, "that of the ensemble lives")
	require.False(t, home.resp.ReadOnly)
	h, _ = n.ask(home, wire.OpSetData, wire.AppendSetData(nil, "/a", []byte("new"), -1))
	require.Equal(t, core.OK, h.Err)
	n.bringBack(3)
	n.pass(1000)
	require.Equal(t, n.servers[1].r.state.Tree().Digest(), n.servers[2].r.state.Tree().Digest())
	require.Equal(t, n.servers[1].r.state.Tree().Digest(), n.servers[3].r.state.Tree().Digest())
}

// A server that starts without a quorum shows what its log knows to be committed, and
// never what may be cut off.
func TestAStartWithoutAQuorumShowsWhatIsCommitted(t *testing.T) {
	n := threeReadOnly(t)
	c := n.come(3, readOnly(10_000)) // the leader
	for _, path := range []string{"/a", "/b", "/c"} {
		h, _ := n.ask(c, wire.OpCreate, create(path, core.Persistent))
		require.Equal(t, core.OK, h.Err)
	}
	n.down[1], n.down[2] = true, true // they hear nothing of what comes
	c.send(c.request(wire.OpCreate, create("/lost", core.Persistent)))
	n.settle()
	require.Len(t, n.servers[3].log, len(n.servers[1].log)+1, "it is on the leader's disk alone")

	n.kill(3)
	n.bringBack(3)
	n.pass(readOnlyMillis + 100)
	s := n.servers[3]
	require.True(t, s.r.ServingReadOnly())
	c = n.come(3, readOnly(10_000))
	require.True(t, c.resp.ReadOnly)
	for path, want := range map[string]core.Code{"/a": core.OK, "/b": core.OK, "/c": core.OK, "/lost": core.NoNode} {
		h, _ := n.ask(c, wire.OpExists, wire.AppendPathWatch(nil, path, false))
		require.Equal(t, want, h.Err, path)
	}
	for _, id := range []core.PeerID{1, 2} {
		n.bringBack(id)
	}
	n.pass(2000)
	for _, s := range n.servers {
		require.True(t, s.r.Serving(), "server %d: %v %v", s.cfg.Zab.Self, s.r.zab.Role(), s.r.zab.Phase())
		require.Equal(t, n.servers[1].r.state.Tree().Digest(), s.r.state.Tree().Digest())
	}
}

func TestReadOnlyModeMustBeAskedFor(t *testing.T) {
	n := three(t)
	s := n.alone(1, 4*readOnlyMillis)
	c := n.come(1, readOnly(10_000))
	require.Zero(t, c.resp.SessionID)
	require.False(t, s.r.ServingReadOnly())

	single := startServer(t, Config{ReadOnlyMode: true})
	single.advance(4 * readOnlyMillis)
	p := single.dial()
	p.connect(readOnly(10_000))
	require.False(t, p.resp.ReadOnly)
	require.Equal(t, core.OK, p.code(wire.OpCreate, create("/a", core.Persistent)))
}

// Who has an empty disk among others whose are not shows nothing of his nothing.
func TestAnEmptyDiskIsNotShown(t *testing.T) {
	n := threeReadOnly(t)
	n.kill(1)
	s := n.servers[1]
	s.log, s.epochs = nil, zab.Epochs{}
	n.alone(1, 0)
	n.bringBack(1)
	n.pass(4 * readOnlyMillis)
	require.False(t, s.r.ServingReadOnly())
}

// A long read is made elsewhere; what comes behind it waits for it as always.
func TestLongReadsWithoutAQuorum(t *testing.T) {
	n := threeReadOnly(t)
	for _, s := range n.servers {
		s.r.cfg.LongRead = 2
	}
	c := n.come(1, readOnly(10_000))
	for _, path := range []string{"/a", "/b", "/c"} {
		h, _ := n.ask(c, wire.OpCreate, create(path, core.Persistent))
		require.Equal(t, core.OK, h.Err)
	}
	s := n.alone(1, readOnlyMillis+100)
	s.manualViews = true
	c = n.come(1, readOnly(10_000))
	c.send(c.request(wire.OpGetChildren, wire.AppendPathWatch(nil, "/", false)), c.request(wire.OpSetData, wire.AppendSetData(nil, "/a", nil, -1)),
		c.request(wire.OpExists, wire.AppendPathWatch(nil, "/a", false)), c.request(wire.OpCloseSession, nil))
	c.noFrame()
	s.bringViews()
	for i, want := range []core.Code{core.OK, core.NotReadOnly, core.OK, core.OK} {
		h, _ := c.reply()
		require.Equal(t, want, h.Err)
		require.EqualValues(t, i+1, h.Xid)
	}
	require.True(t, c.closed)
}
