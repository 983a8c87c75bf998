package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Who reads the log while its end is removed may find it gone, and that of the role that
// asks is never to be.
func TestTheLogIsNotReadWhileItIsCut(t *testing.T) {
	n := three(t)
	former := n.leader()
	s := n.servers[former]
	p := n.come(former, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
	for _, path := range []string{"/a", "/b", "/c"} {
		h, _ := n.ask(p, wire.OpCreate, create(path, core.Persistent))
		require.Equal(t, core.OK, h.Err)
	}
	n.kill(former)
	p.send(p.request(wire.OpCreate, create("/lost", core.Persistent))) // nobody else has it
	n.settle()
	n.pass(2000)
	other := n.come(n.leader(), wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
	h, _ := n.ask(other, wire.OpCreate, create("/d", core.Persistent))
	require.Equal(t, core.OK, h.Err)

	s.lateCut, s.manual = true, true
	n.bringBack(former)
	n.pass(200)
	require.Zero(t, s.r.zab.Known())
	require.Empty(t, s.reads)

	s.lateCut, s.manual = false, false
	s.step(Truncated{})
	s.syncNow()
	n.settle()
	n.pass(200)
	require.NotEmpty(t, s.reads)
	require.True(t, s.r.Serving())
	require.Equal(t, n.servers[n.leader()].r.Status().Digest, s.r.Status().Digest)
	require.Zero(t, s.r.State().Tree().Find("/lost"))
	require.NotZero(t, s.r.State().Tree().Find("/d"))
}
