package replica

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// deliverSome delivers messages, of links in any order.
func (n *network) deliverSome(r *rand.Rand, most int) {
	n.t.Helper()
	for range most {
		if len(n.queue) == 0 {
			return
		}
		at := r.IntN(len(n.queue))
		for i, d := range n.queue { // the first of that link
			if d.from == n.queue[at].from && d.to == n.queue[at].to {
				at = i
				break
			}
		}
		d := n.queue[at]
		n.queue = append(n.queue[:at:at], n.queue[at+1:]...)
		n.servers[d.to].step(Message{From: d.from, Body: d.body})
	}
}

func (n *network) leader() core.PeerID {
	for id := range core.PeerID(3) {
		if s := n.servers[id+1]; s.r.leads(s.r.zab.Epoch()) {
			return id + 1
		}
	}
	return 0
}

// rider is a client that lives through hand-overs.
type rider struct {
	*peer
	node    string
	asked   map[int32]wire.OpCode
	next    int32 // the xid that is answered next
	version int32 // of its node, as last seen
	events  int
}

// take reads what has come and checks it.
func (c *rider) take() {
	t := c.t
	t.Helper()
	for {
		f, ok := c.frame()
		if !ok {
			return
		}
		r := wire.NewReader(f)
		h := wire.DecodeReplyHeader(&r)
		if h.Xid == wire.XidNotification {
			c.events++
			continue
		}
		require.Equal(t, c.next, h.Xid, "replies come in order, each once")
		require.Equal(t, core.OK, h.Err, "%v", c.asked[h.Xid])
		c.next++
		switch c.asked[h.Xid] {
		case wire.OpSetData:
			require.Equal(t, c.version+1, wire.DecodeStat(&r).Version, "each write counts once")
			c.version++
		case wire.OpGetData:
			r.Bytes()
			require.Equal(t, c.version, wire.DecodeStat(&r).Version, "a read sees what its session wrote before")
		}
	}
}

// TestHandOverIsNoticedByNoClient hands the leadership over again and again while
// clients of all servers write, read and sync with much under way.
func TestHandOverIsNoticedByNoClient(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { rideThrough(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func rideThrough(t *testing.T, r *rand.Rand) {
	n := three(t)
	watcher := n.come(2, wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true})
	h, _ := n.ask(watcher, wire.OpAddWatch, wire.AppendInt(wire.AppendString(nil, "/"), 1))
	require.Equal(t, core.OK, h.Err)
	var riders []*rider
	for i := range 6 {
		c := &rider{peer: n.come(core.PeerID(i%3+1), wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true}), asked: map[int32]wire.OpCode{}}
		if i >= 3 { // it has moved
			c.peer = n.come(core.PeerID((i+1)%3+1), wire.ConnectRequest{
				TimeoutMillis: 30_000, SessionID: c.resp.SessionID, Password: c.resp.Password[:], HasReadOnly: true,
			})
		}
		c.node = fmt.Sprintf("/%d", i)
		h, _ := n.ask(c.peer, wire.OpCreate, create(c.node, core.Ephemeral))
		require.Equal(t, core.OK, h.Err)
		c.next = c.xid + 1
		riders = append(riders, c)
	}
	newcomers, founders, writes := 0, 0, 0
	for range 2000 {
		for id := range core.PeerID(3) {
			s := n.servers[id+1]
			s.manual = r.IntN(4) > 0
			if r.IntN(3) == 0 {
				s.syncNow()
			}
			if r.IntN(8) == 0 {
				s.now.Mono += 50
				s.step(Tick{})
			}
		}
		n.deliverSome(r, r.IntN(8))
		switch c := riders[r.IntN(len(riders))]; r.IntN(8) {
		case 0, 1, 2:
			writes++
			c.ask(wire.OpSetData, wire.AppendSetData(nil, c.node, []byte("x"), core.AnyVersion))
		case 3:
			c.ask(wire.OpGetData, wire.AppendPathWatch(nil, c.node, false))
		case 4:
			c.ask(wire.OpSync, wire.AppendString(nil, c.node))
		case 5:
			if id := n.leader(); id != 0 && r.IntN(3) == 0 {
				n.servers[id].step(Transfer{To: core.PeerID(r.IntN(4))})
			}
		case 6:
			if newcomers < 40 && r.IntN(4) == 0 {
				newcomers++
				if r.IntN(2) == 0 {
					founders++
					n.servers[core.PeerID(r.IntN(3)+1)].found(fmt.Sprint("/new", newcomers))
					continue
				}
				n.servers[core.PeerID(r.IntN(3)+1)].dial().send((&wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true}).Append(nil))
			}
		}
		for _, c := range riders {
			c.take()
		}
	}
	for range 40 {
		n.pass(500)
		for _, s := range n.servers {
			s.manual = false
			s.syncNow()
		}
		n.settle()
	}
	total := uint64(0)
	for _, s := range n.servers {
		total += s.r.zab.Stats().Handed
		for _, p := range s.conns {
			require.False(t, p.closed && p.resp.SessionID != 0 && !moved(riders, p), "a client is hung up on")
		}
	}
	require.Positive(t, total, "nothing was handed over")
	for _, c := range riders {
		c.take()
		require.False(t, c.closed)
		require.Equal(t, c.xid+1, c.next, "everything is answered")
	}
	events := 0
	for {
		if _, ok := watcher.frame(); !ok {
			break
		}
		events++
	}
	require.Equal(t, writes+founders+len(riders), events, "a watcher hears of each change once")
	for id, s := range n.servers {
		require.Equal(t, n.servers[1].r.state.Tree().Digest(), s.r.state.Tree().Digest(), "server %d", id)
		require.Zero(t, s.r.inflight, "server %d", id)
		opened := 0
		for _, p := range s.conns {
			if f, ok := p.frame(); ok && p.resp.SessionID == 0 {
				resp, err := wire.DecodeConnectResponse(f)
				require.NoError(t, err)
				require.NotZero(t, resp.SessionID)
				opened++
				if p.xid > 0 { // it began with a write
					h, _ := p.reply()
					require.Equal(t, core.OK, h.Err)
				}
			}
		}
		newcomers -= opened
	}
	require.Zero(t, newcomers, "who came during a hand-over got a session")
}

func (c *rider) ask(op wire.OpCode, body []byte) {
	frame := c.request(op, body)
	c.asked[c.xid] = op
	c.send(frame)
}

// moved reports whether a connection was left by a rider that has moved elsewhere.
func moved(riders []*rider, p *peer) bool {
	for _, c := range riders {
		if c.peer != p && c.resp.SessionID == p.resp.SessionID {
			return true
		}
	}
	return false
}

// A write that a learner had forwarded and submitted again as the leader counted as
// waiting for ever: at a megabyte of them the connection was not listened to any more.
func TestWritesSubmittedAgainByALeaderDoNotCountForEver(t *testing.T) {
	n := three(t)
	p := n.come(1, wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true})
	h, _ := n.ask(p, wire.OpCreate, create("/a", core.Persistent))
	require.Equal(t, core.OK, h.Err)
	data := make([]byte, 600<<10)
	for to := range core.PeerID(4) {
		p.send(p.request(wire.OpSetData, wire.AppendSetData(nil, "/a", data, core.AnyVersion)))
		n.servers[n.leader()].step(Transfer{To: []core.PeerID{1, 3, 1, 3}[to]})
		n.settle()
		n.pass(500)
		h, _ := p.reply()
		require.Equal(t, core.OK, h.Err)
		require.Equal(t, p.xid, h.Xid)
		require.Zero(t, n.servers[1].r.conns[p.id].waits)
	}
}

// A connection whose client has gone elsewhere without its server noticing was kept
// through a hand-over, and took the session back; what came late on it was done, behind
// what the client had asked for since.
func TestHandOverKeepsNoConnectionThatWasLeft(t *testing.T) {
	for _, way := range []struct {
		name         string
		left, leader core.PeerID // the server that was left, and the next leader
	}{
		{"its home leads next", 2, 2}, {"its home follows", 2, 1}, {"another server leads next", 1, 1}, {"another server follows", 1, 2},
	} {
		t.Run(way.name, func(t *testing.T) {
			n := three(t)
			require.EqualValues(t, 3, n.leader())
			p := n.come(2, wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true})
			h, _ := n.ask(p, wire.OpCreate, create("/a", core.Persistent))
			require.Equal(t, core.OK, h.Err)
			back := wire.ConnectRequest{TimeoutMillis: 40_000, SessionID: p.resp.SessionID, Password: p.resp.Password[:], HasReadOnly: true}
			left := p
			if way.left == 1 {
				left = n.come(1, back)
			}
			at := n.come(3-way.left, back)
			require.NotZero(t, at.resp.SessionID)
			n.servers[3].step(Transfer{To: way.leader})
			late := left.request(wire.OpSetData, wire.AppendSetData(nil, "/a", []byte("late"), core.AnyVersion))
			left.send(late)
			n.settle()
			n.pass(500)
			require.Equal(t, way.leader, n.leader())
			h, _ = n.ask(at, wire.OpSetData, wire.AppendSetData(nil, "/a", []byte("new"), 0))
			require.Equal(t, core.OK, h.Err, "nothing was done before it")
			require.True(t, left.closed)
			require.False(t, at.closed)
		})
	}
}

// Likewise, of a client that comes elsewhere before its server serves again.
func TestHandOverKeepsNoConnectionThatIsLeftMeanwhile(t *testing.T) {
	n := three(t)
	home := n.come(2, wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true})
	h, _ := n.ask(home, wire.OpCreate, create("/a", core.Persistent))
	require.Equal(t, core.OK, h.Err)
	back := wire.ConnectRequest{TimeoutMillis: 40_000, SessionID: home.resp.SessionID, Password: home.resp.Password[:], HasReadOnly: true}
	left := n.come(1, back)
	slow := n.servers[1]
	slow.manual = true
	n.servers[3].step(Transfer{To: 2})
	n.settle()
	n.pass(500)
	require.EqualValues(t, 2, n.leader())
	require.False(t, slow.r.Serving())
	left.send(left.request(wire.OpSetData, wire.AppendSetData(nil, "/a", []byte("late"), core.AnyVersion)))
	at := n.come(2, back)
	slow.manual = false
	slow.syncNow()
	n.settle()
	n.pass(500)
	require.True(t, slow.r.Serving())
	require.True(t, left.closed)
	h, _ = n.ask(at, wire.OpSetData, wire.AppendSetData(nil, "/a", []byte("new"), 0))
	require.Equal(t, core.OK, h.Err, "what came late was not done")
	require.False(t, at.closed)
}

// Who asked for a hand-over asks again after a while. A server that was still on its way
// to the new leader asked that one, which handed over in its turn.
func TestHandOverIsNotAskedOfItsSuccessor(t *testing.T) {
	n := three(t)
	require.EqualValues(t, 3, n.leader())
	old := n.servers[3]
	old.step(Transfer{To: 2})
	old.manual = true
	n.settle()
	n.pass(500)
	require.EqualValues(t, 2, n.leader())
	require.False(t, old.r.Serving())
	old.step(Transfer{})
	n.settle()
	n.pass(500)
	require.EqualValues(t, 2, n.leader())
	old.manual = false
	old.syncNow()
	n.settle()
	require.True(t, old.r.Serving())
	old.step(Transfer{To: 3})
	n.settle()
	n.pass(500)
	require.EqualValues(t, 3, n.leader(), "it passes on what it is asked when it serves")
}

// Two of three servers that are drained handed the leadership to one another for ever.
func TestDrainedServersFindOneThatIsNot(t *testing.T) {
	n := three(t)
	require.EqualValues(t, 3, n.leader())
	n.servers[1].step(Drain{On: true})
	n.servers[2].step(Drain{On: true})
	n.servers[3].step(Transfer{To: 1})
	n.settle()
	n.pass(1000)
	require.EqualValues(t, 3, n.leader())
	handed := func() (total uint64) {
		for _, s := range n.servers {
			total += s.r.zab.Stats().Handed
		}
		return total
	}
	require.EqualValues(t, 3, handed())
	n.servers[3].step(Drain{On: true})
	n.settle()
	n.pass(10_000)
	require.LessOrEqual(t, handed(), uint64(6), "where all are, they do not do it all the time")
}

// A hand-over that was given up left the connections of the leader with what they had
// asked for meanwhile, and with all that they asked for later.
func TestClientsGoOnAfterAHandOverThatIsGivenUp(t *testing.T) {
	n := three(t)
	require.EqualValues(t, 3, n.leader())
	at3 := n.come(3, wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true})
	at2 := n.come(2, wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true})
	slow := n.servers[1]
	slow.manual = true
	h, _ := n.ask(at3, wire.OpCreate, create("/a", core.Persistent))
	require.Equal(t, core.OK, h.Err)
	n.servers[3].step(Transfer{To: 1})
	n.settle()
	at3.send(at3.request(wire.OpGetData, wire.AppendPathWatch(nil, "/a", false)))
	at3.send(at3.request(wire.OpCreate, create("/b", core.Persistent)))
	at2.send(at2.request(wire.OpCreate, create("/c", core.Persistent)))
	newcomer := n.servers[3].dial()
	newcomer.send((&wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true}).Append(nil))
	n.pass(6000)
	require.EqualValues(t, 3, n.leader())
	require.Zero(t, n.servers[3].r.zab.Stats().Handed)
	for _, p := range []*peer{at3, at3, at2} {
		h, _ := p.reply()
		require.Equal(t, core.OK, h.Err)
	}
	newcomer.welcome()
	require.NotZero(t, newcomer.resp.SessionID)
}
