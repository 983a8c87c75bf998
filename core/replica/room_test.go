package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// dialInProcess begins a connection of the process itself.
func (s *server) dialInProcess() *peer {
	s.nextID++
	p := &peer{t: s.t, s: s, id: s.nextID}
	s.conns[p.id] = p
	s.step(Connected{Conn: p.id, Local: true, IDs: []core.Identity{{Scheme: core.NodeScheme, ID: "node"}}})
	return p
}

// inProcess opens a session of the process itself.
func (s *server) inProcess() *peer {
	s.t.Helper()
	p := s.dialInProcess()
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

// TestScarceDiskGrowsByLittle: what is small is many.
func TestScarceDiskGrowsByLittle(t *testing.T) {
	s := startServer(t, Config{})
	p := s.inProcess()
	p.create("/config", "0123456789", core.Persistent)
	p.create("/old", "0123456789", core.Persistent)
	s.step(DiskLow{On: true, Scarce: true})
	add := func(path string, data []byte, mode core.CreateMode) []byte {
		return wire.AppendCreate(nil, wire.OpCreate, path, data, core.OpenACL(), int32(mode), 0)
	}
	set := func(data string) []byte { return wire.AppendSetData(nil, "/config", []byte(data), -1) }
	taken := 0
	for p.code(wire.OpCreate, add("/claim", nil, core.EphemeralSequential)) == core.OK {
		taken += noteBytes
		require.Less(t, taken, scarceBytes)
	}
	require.Greater(t, taken, scarceBytes*9/10, "servers can claim what is to be tidied up")
	require.Equal(t, core.SystemError, p.code(wire.OpCreate, add("/small", nil, core.Persistent)))
	require.Equal(t, core.SystemError, p.code(wire.OpCreate, add("/e", nil, core.Ephemeral)), "a registration")
	require.Equal(t, core.SystemError, p.code(wire.OpSetData, set("0123456789+")))
	require.Equal(t, core.OK, p.code(wire.OpSetData, set("9876543210")), "what is renewed")
	noted := wire.AppendPathVersion(wire.AppendMultiHeader(nil, wire.OpDelete, false, -1), "/old", -1)
	noted = append(wire.AppendMultiHeader(noted, wire.OpCreate, false, -1), add("/note", make([]byte, 2000), core.Persistent)...)
	require.Equal(t, core.OK, p.code(wire.OpMulti, wire.AppendMultiEnd(noted)), "a deletion that is noted")
	require.Equal(t, core.OK, p.code(wire.OpDelete, wire.AppendPathVersion(nil, "/note", -1)))
	s.step(DiskLow{On: true})
	require.Equal(t, core.OK, p.code(wire.OpCreate, add("/small", nil, core.Persistent)))
	require.Equal(t, core.OK, p.code(wire.OpCloseSession, nil))
}

// TestNearlyFullDiskOfTheLeaderKnowsWhoseAWriteIs: what servers themselves write is taken as
// at the leader, and what their clients do is not, however small.
func TestNearlyFullDiskOfTheLeaderKnowsWhoseAWriteIs(t *testing.T) {
	n := three(t)
	p := n.come(n.leader(), wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
	h, _ := n.ask(p, wire.OpCreate, create("/there", core.Persistent))
	require.Equal(t, core.OK, h.Err)
	for _, s := range n.servers {
		s.step(DiskLow{On: true}) // so nobody is better off
	}
	n.pass(5000) // who leads hands over, once
	add := func(path string, bytes int) []byte {
		return wire.AppendCreate(nil, wire.OpCreate, path, make([]byte, bytes), core.OpenACL(), 0, 0)
	}
	multi := func(op wire.OpCode, body []byte) []byte {
		return wire.AppendMultiEnd(append(wire.AppendMultiHeader(nil, op, false, -1), body...))
	}
	remove := func(path string) []byte { return wire.AppendPathVersion(nil, path, -1) }
	for id, s := range n.servers {
		own, of := s.dialInProcess(), string(rune('0'+id))
		own.send((&wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true}).Append(nil))
		n.settle()
		own.welcome()
		client := n.come(id, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
		for _, c := range []struct {
			what string
			by   *peer
			op   wire.OpCode
			body []byte
			want core.Code
		}{
			{"a registration", own, wire.OpCreate, create("/of"+of, core.Ephemeral), core.OK},
			{"its end", own, wire.OpMulti, multi(wire.OpDelete, remove("/of"+of)), core.OK},
			{"a note", own, wire.OpCreate, add("/note"+of, 100), core.OK},
			{"a config", own, wire.OpCreate, add("/large", 1000), core.SystemError},
			{"a client's small znode", client, wire.OpCreate, add("/small", 100), core.SystemError},
			{"an empty one", client, wire.OpCreate, add("/empty", 0), core.SystemError},
			{"an ephemeral one", client, wire.OpCreate, create("/e", core.Ephemeral), core.SystemError},
			{"a client's multi", client, wire.OpMulti, multi(wire.OpCreate, add("/small", 0)), core.SystemError},
			{"what is as large as before", client, wire.OpSetData, wire.AppendSetData(nil, "/there", []byte("atad"), -1), core.SystemError},
			{"a client that is no super user and changes the members", client, wire.OpReconfig, (&wire.Reconfig{CurConfigID: -1}).Append(nil), core.SystemError},
			{"what a client deletes", client, wire.OpDelete, remove("/note" + of), core.OK},
			{"the end of its session", client, wire.OpCloseSession, nil, core.OK},
		} {
			h, _ := n.ask(c.by, c.op, c.body)
			require.Equal(t, c.want, h.Err, "%s, at %d", c.what, id)
		}
	}
	for _, s := range n.servers {
		s.step(DiskLow{})
	}
	for id := range n.servers {
		p := n.come(id, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true})
		h, _ := n.ask(p, wire.OpCreate, add("/again"+string(rune('0'+id)), 100))
		require.Equal(t, core.OK, h.Err)
	}
}

// TestWhatCameAndWentAfterASnapshotGivesRoom: the log behind the snapshot that was written
// holds what came and went, though the tree is larger than it was then.
func TestWhatCameAndWentAfterASnapshotGivesRoom(t *testing.T) {
	w := &writer{server: startServer(t, Config{})}
	w.p = w.inProcess()
	w.p.create("/small", "", core.Persistent)
	w.step(SnapshotNow{})
	w.written(1, false)
	for _, path := range []string{"/stays", "/goes", "/goes too"} {
		w.p.create(path, string(make([]byte, 900_000)), core.Persistent)
	}
	w.step(SnapshotNow{})
	w.written(1, true)
	made := len(w.snaps)
	w.step(DiskLow{On: true})
	for _, path := range []string{"/goes", "/goes too"} {
		require.Equal(t, core.OK, w.p.code(wire.OpDelete, wire.AppendPathVersion(nil, path, -1)))
	}
	for range 4 {
		w.pass(500)
		w.step(Tick{})
	}
	require.Len(t, w.snaps, made+1)
	w.written(1, false)
}

// TestWhatWasDeletedGivesRoomAfterSnapshotsThatFailed: one that did not come to be has not
// taken the place of one with what was deleted.
func TestWhatWasDeletedGivesRoomAfterSnapshotsThatFailed(t *testing.T) {
	w := &writer{server: startServer(t, Config{})}
	w.p = w.inProcess()
	for _, path := range []string{"/a", "/b", "/c", "/d"} {
		w.p.create(path, string(make([]byte, 900_000)), core.Persistent)
	}
	for range 2 {
		w.p.create("/next", "", core.PersistentSequential)
		w.step(SnapshotNow{})
		w.written(1, false)
	}
	made := len(w.snaps)
	w.step(DiskLow{On: true})
	// idle has time pass in which nobody writes, until there are so many snapshots.
	idle := func(millis int64, until int) {
		for end := w.now.Mono + millis; w.now.Mono < end && len(w.snaps) < until; {
			w.pass(500)
			w.step(Tick{})
		}
	}
	for _, paths := range [][]string{{"/a", "/b"}, {"/c", "/d"}} {
		for _, path := range paths {
			require.Equal(t, core.OK, w.p.code(wire.OpDelete, wire.AppendPathVersion(nil, path, -1)))
		}
		idle(2000, made+1)
		made++
		require.Len(t, w.snaps, made, "so much is gone that there may be room for it")
		w.written(1, true)
	}
	for _, failed := range []bool{true, true, false, false} {
		idle(failedRestMillis+1000, made+1)
		made++
		require.Len(t, w.snaps, made)
		w.written(1, failed)
		if failed {
			idle(failedRestMillis-1000, made+1)
			require.Len(t, w.snaps, made, "there would be no room for it just now either")
		}
	}
	idle(2*failedRestMillis, made+1)
	require.Len(t, w.snaps, made)
}

// TestTheLogGivesRoomAfterASnapshotThatFailed: nothing was deleted, and nobody may write;
// yet the log is there that would go by a snapshot, if there is room for one meanwhile.
func TestTheLogGivesRoomAfterASnapshotThatFailed(t *testing.T) {
	w := &writer{server: startServer(t, Config{})}
	w.p = w.inProcess()
	w.p.create("/config", "", core.Persistent)
	w.step(SnapshotNow{})
	w.written(1, false)
	for range 3 {
		require.Equal(t, core.OK, w.p.code(wire.OpSetData, wire.AppendSetData(nil, "/config", make([]byte, 900_000), -1)))
	}
	made := len(w.snaps)
	w.step(DiskLow{On: true})
	idle := func(millis int64) {
		for end := w.now.Mono + millis; w.now.Mono < end; {
			w.pass(500)
			w.step(Tick{})
		}
	}
	for _, failed := range []bool{true, true, false} {
		idle(1000)
		made++
		require.Len(t, w.snaps, made)
		w.written(1, failed)
		idle(failedRestMillis - 1000)
		require.Len(t, w.snaps, made)
	}
	idle(2 * failedRestMillis)
	require.Len(t, w.snaps, made, "there is nothing left that would go")
}
