package replica

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// TestALongReadIsAnsweredWhenTheRoleEnds has a session in process wait for a long read,
// and be told of an event behind it, when its server loses its leader: neither may be
// lost, for the session and its watches go on.
func TestALongReadIsAnsweredWhenTheRoleEnds(t *testing.T) {
	n := three(t)
	s := n.servers[1]
	s.r.cfg.LongRead, s.manualViews = 2, true
	at3 := n.come(3, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
	for i := range 5 {
		h, _ := n.ask(at3, wire.OpCreate, create(fmt.Sprint("/a", i), core.Persistent))
		require.Equal(t, core.OK, h.Err)
	}
	s.nextID++
	local := &peer{t: t, s: s, id: s.nextID}
	s.conns[local.id] = local
	s.step(Connected{Conn: local.id, Local: true, IDs: []core.Identity{{Scheme: core.NodeScheme, ID: "node"}}})
	local.send((&wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true}).Append(nil))
	n.settle()
	local.welcome()
	require.NotZero(t, local.resp.SessionID)

	local.send(local.request(wire.OpGetChildren2, wire.AppendPathWatch(nil, "/", true)))
	require.Len(t, s.away, 1, "it is made elsewhere")
	h, _ := n.ask(at3, wire.OpCreate, create("/b", core.Persistent))
	require.Equal(t, core.OK, h.Err)
	local.noFrame()

	n.kill(3)
	n.kill(2)
	n.pass(500)
	require.False(t, s.r.Serving())
	h, _ = local.reply()
	require.Equal(t, local.xid, h.Xid)
	require.Equal(t, core.ConnectionLoss, h.Err)
	h, r := local.reply()
	require.Equal(t, wire.XidNotification, h.Xid, "the event that waited behind it")
	require.Equal(t, "/", wire.DecodeWatcherEvent(&r).Path)
	require.False(t, local.closed)
	s.bringViews() // what comes back late belongs to nothing
	local.noFrame()
}
