package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// inProcess opens a session of the process itself.
func (s *server) inProcess() *peer {
	s.t.Helper()
	s.nextID++
	p := &peer{t: s.t, s: s, id: s.nextID}
	s.conns[p.id] = p
	s.step(Connected{Conn: p.id, Local: true, IDs: []core.Identity{{Scheme: core.NodeScheme, ID: "node"}}})
	p.connect(wire.ConnectRequest{TimeoutMillis: 40_000, HasReadOnly: true})
	require.NotZero(s.t, p.resp.SessionID)
	return p
}

// TestNearlyFullDiskGrowsByNothingOfTheProcessEither: registry and config center write in
// process, and could fill the disk, which ends the server. What they need to go on is small.
func TestNearlyFullDiskGrowsByNothingOfTheProcessEither(t *testing.T) {
	s := startServer(t, Config{})
	p := s.inProcess()
	large := make([]byte, 10_000)
	p.create("/config", string(large), core.Persistent)
	p.create("/history", "", core.Persistent)
	s.step(DiskLow{On: true})

	add := func(path string, data []byte, mode core.CreateMode) []byte {
		return wire.AppendCreate(nil, wire.OpCreate, path, data, core.OpenACL(), int32(mode), 0)
	}
	set := func(data []byte) []byte { return wire.AppendSetData(nil, "/config", data, -1) }
	remove := func(path string) []byte { return wire.AppendPathVersion(nil, path, -1) }
	multi := func(ops ...any) (b []byte) { // op, body, op, body...
		for i := 0; i < len(ops); i += 2 {
			b = append(wire.AppendMultiHeader(b, ops[i].(wire.OpCode), false, -1), ops[i+1].([]byte)...)
		}
		return wire.AppendMultiEnd(b)
	}
	for _, refused := range []struct {
		what string
		op   wire.OpCode
		body []byte
	}{
		{"another config", wire.OpCreate, add("/new", large, core.Persistent)},
		{"in a sequence", wire.OpCreate, add("/config", large, core.PersistentSequential)},
		{"a larger one", wire.OpSetData, set(make([]byte, 11_000))},
		{"one with its history", wire.OpMulti, multi(wire.OpSetData, set(large), wire.OpCreate, add("/history/1", large, core.Persistent))},
		{"what an ephemeral does not take", wire.OpCreate, add("/e", large, core.Ephemeral)},
		{"a list of rights", wire.OpSetACL, wire.AppendSetACL(nil, "/config", []core.ACL{{Perms: core.PermAll, Scheme: "world", ID: string(large)}}, -1)},
		{"in the place of what it deletes", wire.OpMulti, multi(wire.OpDelete, remove("/history"), wire.OpCreate, add("/history", large, core.Persistent))},
		{"what it has made itself", wire.OpMulti, multi(wire.OpCreate, add("/new", nil, core.Persistent), wire.OpSetData, wire.AppendSetData(nil, "/new", large, -1))},
		{"a deletion that makes more", wire.OpMulti, multi(wire.OpDelete, remove("/history"), wire.OpCreate, add("/new", large, core.Persistent))},
		{"a deletion of nothing that makes more", wire.OpMulti, multi(wire.OpDelete, remove("/none"), wire.OpCreate, add("/new", large[:1000], core.Persistent))},
	} {
		require.Equal(t, core.SystemError, p.code(refused.op, refused.body), refused.what)
	}
	for _, taken := range []struct {
		what string
		op   wire.OpCode
		body []byte
		want core.Code
	}{
		{"a registration", wire.OpCreate, add("/e", large[:3000], core.Ephemeral), core.OK},
		{"a parent", wire.OpCreate, add("/parent", nil, core.Persistent), core.OK},
		{"what is there", wire.OpCreate, add("/config", large, core.Persistent), core.NodeExists},
		{"as much as before", wire.OpSetData, set(large), core.OK},
		{"a little more", wire.OpSetData, set(make([]byte, 10_100)), core.OK},
		{"a deletion that is noted", wire.OpMulti, multi(wire.OpDelete, remove("/config"), wire.OpCreate, add("/history/1", large, core.Persistent), wire.OpCreate, add("/audit", large[:2000], core.Persistent)), core.OK},
		{"what cannot be read", wire.OpMulti, []byte{1}, core.MarshallingError},
	} {
		require.Equal(t, taken.want, p.code(taken.op, taken.body), taken.what)
	}
	s.step(DiskLow{})
	p.create("/new", string(large), core.Persistent)
}

// TestNearlyFullDiskOfTheLeaderServesThoseOfOthers: of what a learner sends it is not known
// whether it is its own.
func TestNearlyFullDiskOfTheLeaderServesThoseOfOthers(t *testing.T) {
	n := three(t)
	for _, s := range n.servers {
		s.step(DiskLow{On: true}) // so nobody is better off
	}
	n.settle()
	asked := 0
	for id := range n.servers {
		p := n.come(id, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
		if p.resp.SessionID == 0 || n.servers[id].r.learner == nil {
			continue
		}
		asked++
		path := "/of" + string(rune('0'+id))
		h, _ := n.ask(p, wire.OpCreate, create(path, core.Ephemeral))
		require.Equal(t, core.OK, h.Err)
		h, _ = n.ask(p, wire.OpMulti, wire.AppendMultiEnd(wire.AppendPathVersion(wire.AppendMultiHeader(nil, wire.OpDelete, false, -1), path, -1)))
		require.Equal(t, core.OK, h.Err)
		h, _ = n.ask(p, wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, "/large", make([]byte, 1000), core.OpenACL(), 0, 0))
		require.Equal(t, core.SystemError, h.Err)
	}
	require.NotZero(t, asked)
}
