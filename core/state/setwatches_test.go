package state

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

func TestNegativeRelativeZxidOfSetWatchesIsBeforeEveryChange(t *testing.T) {
	m := newMachine(t, Config{})
	m.do(&Request{Session: alice, Op: wire.OpCreate, Body: wire.AppendCreate(nil, wire.OpCreate, "/a", nil, core.OpenACL(), 0, 0)})
	q := wire.SetWatches{RelativeZxid: ^core.Zxid(0), Data: []string{"/a"}, Child: []string{"/a"}}
	var heard []core.EventType
	code := m.SetWatches(&Asker{Conn: 1, Session: alice}, wire.OpSetWatches, q.Append(nil, wire.OpSetWatches), func(e core.EventType, _ string) {
		heard = append(heard, e)
	})
	require.Equal(t, core.OK, code)
	require.Equal(t, []core.EventType{core.NodeDataChanged, core.NodeChildrenChanged}, heard)
}
