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
	q := wire.SetWatches{RelativeZxid: ^core.Zxid(0), Data: []string{"/a"}, Child: []string{"/zookeeper"}}
	var heard []core.EventType
	code := m.SetWatches(&Asker{Conn: 1, Session: alice}, wire.OpSetWatches, q.Append(nil, wire.OpSetWatches), func(e core.EventType, _ string) {
		heard = append(heard, e)
	})
	require.Equal(t, core.OK, code)
	require.Equal(t, []core.EventType{core.NodeDataChanged, core.NodeChildrenChanged}, heard)
}

func TestNobodyWatchesANullPath(t *testing.T) {
	m := newMachine(t, Config{})
	a := &Asker{Conn: 1, Session: alice}
	require.Equal(t, core.OK, second(m.Read(a, wire.OpAddWatch, wire.AppendPathMode(nil, "", 0), nil)))
	null := func(mode int32) []byte { return wire.AppendInt(wire.AppendBuffer(nil, nil), mode) }
	require.Equal(t, core.MarshallingError, second(m.Read(a, wire.OpAddWatch, null(0), nil)))
	for _, op := range []wire.OpCode{wire.OpCheckWatches, wire.OpRemoveWatches} {
		require.Equal(t, core.NoWatcher, second(m.Read(a, op, null(3), nil)))
		require.Equal(t, core.MarshallingError, second(m.Read(a, op, null(6), nil)), "an unknown type")
	}
}

func second(_ []byte, code core.Code) core.Code { return code }

func TestCreationOfAStatsNodeTellsTheLengthThatTheClientGave(t *testing.T) {
	m := newMachine(t, Config{})
	for _, path := range []string{"/q", "/zookeeper/quota/q", "/zookeeper/quota/q/zookeeper_limits"} {
		m.create(path, core.Persistent, core.OpenACL())
	}
	body := wire.AppendCreate(nil, wire.OpCreate2, "/zookeeper/quota/q/zookeeper_stats", []byte("12345"), core.OpenACL(), 0, 0)
	res := m.do(&Request{Session: alice, Op: wire.OpCreate2, Body: body})
	require.Equal(t, core.OK, res.Err)
	require.EqualValues(t, 5, res.Stat.DataLength)
	require.NotEqual(t, "12345", string(m.tree.Data(m.tree.Find("/zookeeper/quota/q/zookeeper_stats"))))
}

func TestFlagsAreLookedAtBeforeANullPath(t *testing.T) {
	m := newMachine(t, Config{})
	create := func(flags int32) *Request {
		b := wire.AppendACLs(wire.AppendBuffer(wire.AppendBuffer(nil, nil), nil), core.OpenACL())
		return &Request{Session: alice, Op: wire.OpCreate, Body: wire.AppendInt(b, flags)}
	}
	require.Equal(t, core.BadArguments, m.do(create(-1)).Err)
	require.Equal(t, core.MarshallingError, m.do(create(0)).Err)
}

func TestNullPathOfSetDataAndSetACLIsInvalid(t *testing.T) {
	m := newMachine(t, Config{})
	null := wire.AppendBuffer(nil, nil)
	set := wire.AppendInt(wire.AppendBuffer(null, nil), -1)
	require.Equal(t, core.BadArguments, m.do(&Request{Session: alice, Op: wire.OpSetData, Body: set}).Err)
	acl := wire.AppendInt(wire.AppendACLs(null[:4:4], core.OpenACL()), -1)
	require.Equal(t, core.BadArguments, m.do(&Request{Session: alice, Op: wire.OpSetACL, Body: acl}).Err)
	del := wire.AppendInt(null[:4:4], -1)
	require.Equal(t, core.MarshallingError, m.do(&Request{Session: alice, Op: wire.OpDelete, Body: del}).Err)
}
