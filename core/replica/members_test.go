package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

const threeMembers = "server.1=a:1:1:participant\nserver.2=a:2:2:participant\nserver.3=a:3:3:participant\nversion=0"

// operator comes to a server as one who may do everything.
func (n *network) operator(id core.PeerID) *peer {
	n.t.Helper()
	s := n.servers[id]
	s.nextID++
	p := &peer{t: n.t, s: s, id: s.nextID}
	s.conns[p.id] = p
	s.step(Connected{Conn: p.id, Local: true, IDs: []core.Identity{{Scheme: core.SuperScheme}}})
	p.send((&wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true}).Append(nil))
	n.settle()
	p.welcome()
	require.NotZero(n.t, p.resp.SessionID)
	return p
}

func joining(line string) []byte {
	q := wire.Reconfig{Joining: []byte(line), CurConfigID: -1}
	return q.Append(nil)
}

// A leader whose own disk is slow knows a reconfiguration to be committed before it has
// applied it. The next one was made from the members before, and took the first back.
func TestReconfigurationIsMadeFromTheMembersThatAreCommitted(t *testing.T) {
	n := threeWith(t, state.Config{ReconfigEnabled: true, Ensemble: threeMembers})
	leader := n.servers[3]
	require.Equal(t, zab.Leading, leader.r.Role())
	first, second := n.operator(3), n.operator(3)
	leader.manual = true
	first.send(first.request(wire.OpReconfig, joining("server.4=a:4:4:observer")))
	n.settle()
	committed := leader.r.Members()
	require.True(t, committed.Has(4), "the others have it")
	require.Nil(t, leader.r.State().Members())
	second.send(second.request(wire.OpReconfig, joining("server.5=a:5:5:observer")))
	n.settle()
	leader.manual = false
	leader.syncNow()
	n.settle()
	h, _ := first.reply()
	require.Equal(t, core.OK, h.Err)
	h, _ = second.reply()
	require.Equal(t, core.ReconfigInProgress, h.Err)
	h, _ = n.ask(second, wire.OpReconfig, joining("server.5=a:5:5:observer"))
	require.Equal(t, core.OK, h.Err)
	for id, s := range n.servers {
		members := s.r.Members()
		require.True(t, members.Has(4) && members.Has(5), "server %d", id)
	}
}

// Who was told at another server that the members have changed is not told that the change is
// under way still.
func TestReconfigurationThroughAFollowerWaitsForTheLeadersDisk(t *testing.T) {
	n := threeWith(t, state.Config{ReconfigEnabled: true, Ensemble: threeMembers})
	leader := n.servers[3]
	require.Equal(t, zab.Leading, leader.r.Role())
	p := n.operator(1)
	leader.manual = true
	h, _ := n.ask(p, wire.OpReconfig, joining("server.4=a:4:4:observer"))
	require.Equal(t, core.OK, h.Err)
	require.Nil(t, leader.r.State().Members())
	p.send(p.request(wire.OpReconfig, joining("server.5=a:5:5:observer")))
	n.settle()
	require.Len(t, leader.r.waitingRequests, 1)
	leader.manual = false
	leader.syncNow()
	n.settle()
	h, _ = p.reply()
	require.Equal(t, core.OK, h.Err)
	members := leader.r.Members()
	require.True(t, members.Has(4) && members.Has(5))
}
