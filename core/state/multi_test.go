package state

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// part appends one operation of a multi.
type part func([]byte) []byte

func createPart(op wire.OpCode, path string, flags int32, ttl int64) part {
	return func(b []byte) []byte {
		b = wire.AppendMultiHeader(b, op, false, -1)
		return wire.AppendCreate(b, op, path, []byte("x"), core.OpenACL(), flags, ttl)
	}
}

func setPart(path string, version int32) part {
	return func(b []byte) []byte {
		return wire.AppendSetData(wire.AppendMultiHeader(b, wire.OpSetData, false, -1), path, []byte("y"), version)
	}
}

func deletePart(path string, version int32) part {
	return func(b []byte) []byte {
		return wire.AppendPathVersion(wire.AppendMultiHeader(b, wire.OpDelete, false, -1), path, version)
	}
}

func readPart(op wire.OpCode, path string) part {
	return func(b []byte) []byte {
		return wire.AppendPathWatch(wire.AppendMultiHeader(b, op, false, -1), path, false)
	}
}

func multiBody(parts ...part) []byte {
	var b []byte
	for _, p := range parts {
		b = p(b)
	}
	return wire.AppendMultiEnd(b)
}

func (m *machine) multiDo(parts ...part) *Result {
	m.t.Helper()
	return m.do(&Request{Session: alice, Cxid: 3, Op: wire.OpMulti, Body: multiBody(parts...)})
}

func TestFlagsDecideWhatACreateOfAMultiIs(t *testing.T) {
	for _, c := range []struct {
		name  string
		op    wire.OpCode
		flags int32
		ttl   int64
		want  wire.OpCode // of the transaction; 0: the whole multi is malformed
	}{
		{"create", wire.OpCreate, 0, 0, wire.OpCreate},
		{"create2", wire.OpCreate2, 1, 0, wire.OpCreate2},
		{"create with the container flag", wire.OpCreate, 4, 0, wire.OpCreateContainer},
		{"create2 with the container flag", wire.OpCreate2, 4, 0, wire.OpCreateContainer},
		{"createContainer", wire.OpCreateContainer, 4, 0, wire.OpCreateContainer},
		{"createTTL", wire.OpCreateTTL, 5, 9, wire.OpCreateTTL},
		{"createTTL with a plain flag", wire.OpCreateTTL, 0, 9, wire.OpCreate},
		{"createTTL with a sequential flag", wire.OpCreateTTL, 2, -1, wire.OpCreate},
		{"create with a TTL flag", wire.OpCreate, 5, 0, 0},
		{"create2 with a TTL flag", wire.OpCreate2, 6, 0, 0},
		{"unknown flags", wire.OpCreate, 7, 0, 0},
		{"negative flags", wire.OpCreateTTL, -1, 5, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, Config{TTLNodes: true})
			res := m.multiDo(createPart(c.op, "/n", c.flags, c.ttl))
			if c.want == 0 {
				require.Equal(t, core.MarshallingError, res.Err)
				return
			}
			require.Equal(t, core.OK, res.Err)
			require.Equal(t, c.want, res.Multi[0].Op)
			require.Equal(t, core.OK, res.Multi[0].Err)
			m.settled()
		})
	}
}

// A create with a TTL flag has no TTL: ZooKeeper finds that out when it comes to it.
func TestOperationThatFailsBeforeATTLFlagWithoutTTLIsWhatTheMultiSays(t *testing.T) {
	m := newMachine(t, Config{TTLNodes: true})
	res := m.multiDo(deletePart("/none", -1), createPart(wire.OpCreate2, "/n", 6, 0))
	require.Equal(t, core.OK, res.Err)
	require.Equal(t, core.NoNode, res.Multi[0].Err)
	require.Equal(t, core.RuntimeInconsistency, res.Multi[1].Err)

	before := m.tree.Digest()
	res = m.multiDo(createPart(wire.OpCreate, "/m", 0, 0), createPart(wire.OpCreate2, "/n", 6, 0))
	require.Equal(t, core.MarshallingError, res.Err)
	require.Equal(t, before, m.tree.Digest())
	m.settled()
}

func TestMultiIsMalformedAsAWhole(t *testing.T) {
	good := createPart(wire.OpCreate, "/n", 0, 0)
	cut := multiBody(good)
	for name, body := range map[string][]byte{
		"a read": multiBody(good, readPart(wire.OpGetData, "/")),
		"setACL": multiBody(good, func(b []byte) []byte {
			return wire.AppendSetACL(wire.AppendMultiHeader(b, wire.OpSetACL, false, -1), "/", core.OpenACL(), -1)
		}),
		"no end":                   cut[:len(cut)-wire.MultiHeaderBytes],
		"an end that is cut":       cut[:len(cut)-1],
		"an operation that is cut": cut[:20],
		"nothing at all":           {},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, Config{})
			before := m.tree.Digest()
			res := m.do(&Request{Session: alice, Op: wire.OpMulti, Body: body})
			require.Equal(t, core.MarshallingError, res.Err)
			require.Equal(t, before, m.tree.Digest())
			m.settled()
		})
	}
}

func TestEmptyMultiTakesAZxidAndDoesNothing(t *testing.T) {
	m := newMachine(t, Config{})
	before := m.tree.Digest()
	res := m.multiDo()
	require.Equal(t, core.OK, res.Err)
	require.Empty(t, res.Multi)
	require.Equal(t, m.z, m.Applied())
	require.Equal(t, before, m.tree.Digest())
	body, code := AppendReply(nil, wire.OpMulti, res)
	require.Equal(t, core.OK, code)
	require.Equal(t, wire.AppendMultiEnd(nil), body)
}

func TestOperationsOfAMultiSeeThoseBefore(t *testing.T) {
	m := newMachine(t, Config{})
	res := m.multiDo(
		createPart(wire.OpCreate2, "/d", 0, 0),
		createPart(wire.OpCreate, "/d/s", 2, 0),
		createPart(wire.OpCreate, "/d/s", 2, 0),
		setPart("/d", 0),
		setPart("/d", 1),
		deletePart("/d/s0000000000", 0),
		deletePart("/d/s0000000001", 0),
		deletePart("/d", 2),
		createPart(wire.OpCreate, "/d", 1, 0),
	)
	for i, o := range res.Multi {
		require.Equal(t, core.OK, o.Err, i)
	}
	require.Equal(t, "/d/s0000000001", res.Multi[2].Path)
	require.EqualValues(t, 2, res.Multi[4].Stat.Version)
	st := m.stat("/d")
	require.Equal(t, alice, st.EphemeralOwner)
	require.Equal(t, res.Header.Zxid, st.Czxid)
	m.settled()
}

func TestMultiOfASessionThatIsOverIsRefusedInItsHeader(t *testing.T) {
	m := newMachine(t, Config{})
	res := m.do(&Request{Session: nobody, Op: wire.OpMulti, Body: multiBody(setPart("/", -1))})
	require.Equal(t, core.SessionExpired, res.Err)
}

// A multi whose transaction outgrows the room that was reserved by the size of
// its request used to leave names that pointed into memory that was used again.
func TestManySequentialCreatesInOneMultiStayOutstanding(t *testing.T) {
	m := newMachine(t, Config{})
	m.create("/q", core.Persistent, core.OpenACL())
	var parts []part
	for range 40 {
		parts = append(parts, createPart(wire.OpCreate, "/q/s", int32(core.EphemeralSequential), 0))
	}
	for range 3 {
		m.prepare(&Request{Session: alice, Op: wire.OpMulti, Body: multiBody(parts...)})
	}
	m.prepare(&Request{Session: alice, Op: wire.OpCreate, Body: wire.AppendCreate(nil, wire.OpCreate, "/q/s", nil, core.OpenACL(), 2, 0)})
	for range 3 {
		for i, o := range m.applyNext().Multi {
			require.Equal(t, core.OK, o.Err, i)
		}
	}
	require.Equal(t, "/q/s0000000120", m.applyNext().Path)
	require.EqualValues(t, 121, m.stat("/q").NumChildren)
	m.settled()
}

// A multi that fails gives back what it had put over outstanding changes. Their
// names used to point into the multi's own transaction from then on.
func TestFailedMultiLeavesOutstandingChangesAsTheyWere(t *testing.T) {
	m := newMachine(t, Config{})
	m.create("/a", core.Persistent, core.OpenACL())
	m.prepare(&Request{Session: alice, Op: wire.OpSetData, Body: wire.AppendSetData(nil, "/a", nil, 0)})
	m.prepare(&Request{Session: alice, Op: wire.OpMulti, Body: multiBody(setPart("/a", 1), deletePart("/none", 0))})
	for range 50 { // what comes later writes over the multi's buffer
		m.prepare(&Request{Session: bob, Op: wire.OpSetData, Body: wire.AppendSetData(nil, "/none", []byte("xxxxxxxxxxxx"), 0)})
	}
	m.prepare(&Request{Session: alice, Op: wire.OpSetData, Body: wire.AppendSetData(nil, "/a", nil, 1)})
	require.Equal(t, core.OK, m.applyNext().Err)
	require.Equal(t, core.NoNode, m.applyNext().Multi[1].Err)
	for range 50 {
		require.Equal(t, core.NoNode, m.applyNext().Err)
	}
	require.Equal(t, core.OK, m.applyNext().Err, "the version that is outstanding is 1")
	m.settled()
}
