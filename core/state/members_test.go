package state

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/wire"
)

// What a super user had written into /zookeeper/config, where that is not for
// reconfigurations to do, was taken for the members at the next start from a snapshot.
func TestOnlyAReconfigurationMakesMembers(t *testing.T) {
	const ensemble = "server.1=a:1:1:participant\nversion=0"
	super := core.Identity{Scheme: core.SuperScheme}
	m := newMachine(t, Config{Ensemble: ensemble})
	forged := wire.AppendSetData(nil, tree.ConfigPath, []byte("server.7=b:1:1:participant\nversion=100000001"), core.AnyVersion)
	require.Equal(t, core.OK, m.code(wire.OpSetData, forged, super))
	require.Nil(t, m.Members())

	m = newMachine(t, Config{Ensemble: ensemble, ReconfigEnabled: true})
	q := wire.Reconfig{Joining: []byte("server.2=b:1:1:observer"), CurConfigID: -1}
	require.Equal(t, core.OK, m.code(wire.OpReconfig, q.Append(nil), super))
	members := m.Members()
	require.NotNil(t, members)
	require.Equal(t, m.Applied(), members.Version)
	require.Equal(t, core.BadArguments, m.code(wire.OpSetData, forged, super))
	m.cfg.ReconfigEnabled = false // by a restart
	require.Equal(t, core.BadArguments, m.code(wire.OpSetData, forged, super))
	require.Equal(t, members, m.Members())
	m.settled()
}
