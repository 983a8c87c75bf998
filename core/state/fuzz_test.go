package state

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// FuzzPrepare gives Prepare any bodies. Nothing panics; whatever is refused is an
// error transaction that Apply takes and that changes nothing; whatever is not is
// found in the tree; nothing stays outstanding.
func FuzzPrepare(f *testing.F) {
	for _, op := range []wire.OpCode{wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL} {
		f.Add(int32(op), wire.AppendCreate(nil, op, "/p/new", []byte("x"), core.OpenACL(), 3, 5), true)
	}
	f.Add(int32(wire.OpDelete), wire.AppendPathVersion(nil, "/p/there", -1), true)
	f.Add(int32(wire.OpSetData), wire.AppendSetData(nil, "/p", []byte("x"), 0), false)
	f.Add(int32(wire.OpSetACL), wire.AppendSetACL(nil, "/p", []core.ACL{{Perms: 31, Scheme: "auth"}}, -1), true)
	f.Add(int32(wire.OpMulti), multiBody(createPart(wire.OpCreate, "/p/s", 2, 0), setPart("/p", 0), deletePart("/p/there", -1)), true)
	f.Add(int32(wire.OpMulti), multiBody(setPart("/p", 0), setPart("/p", 0)), true)
	q := wire.Reconfig{}
	f.Add(int32(wire.OpReconfig), q.Append(nil), true)
	f.Add(int32(wire.OpCloseSession), []byte{}, true)
	f.Add(int32(wire.OpDeleteContainer), wire.AppendBuffer(nil, []byte("/p/there")), false)
	f.Fuzz(func(t *testing.T, op int32, body []byte, named bool) {
		m := newMachine(t, Config{TTLNodes: true, EnforceQuota: true})
		m.create("/p", core.Persistent, core.OpenACL())
		m.create("/p/there", core.Persistent, core.OpenACL())
		var ids []core.Identity
		if named {
			ids = []core.Identity{user("alice"), user("bob"), {Scheme: "ip", ID: "127.0.0.1"}}
		}
		req := &Request{Session: alice, Cxid: 1, Op: wire.OpCode(op), Body: body, IDs: ids}
		before := m.tree.Digest()
		for range 2 { // the second meets what the first will leave
			m.prepare(req)
		}
		for range 2 {
			res := m.applyNext()
			if res.Err != core.OK {
				require.Equal(t, before, m.tree.Digest(), "refused with %d, and changed something", res.Err)
				require.Empty(t, res.Effects)
			}
			for _, e := range res.Effects {
				if e.Type != core.NodeDeleted && res.Op != wire.OpMulti {
					require.NotZero(t, m.tree.Find(e.Path), e.Path)
				}
			}
			if op := res.Op; op == wire.OpCreate || op == wire.OpCreate2 || op == wire.OpCreateContainer || op == wire.OpCreateTTL {
				require.NotZero(t, res.Stat.Czxid, "answered as created, and not in the tree")
			}
			before = m.tree.Digest()
			body, code := AppendReply(nil, req.Op, res)
			require.Equal(t, res.Err, code)
			if code != core.OK {
				require.Empty(t, body)
			}
		}
		m.settled()
	})
}

// FuzzRead gives Read and SetWatches any bodies: they answer or refuse, and with
// a refusal append nothing.
func FuzzRead(f *testing.F) {
	for _, op := range []wire.OpCode{wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2} {
		f.Add(int32(op), wire.AppendPathWatch(nil, "/p", true))
	}
	f.Add(int32(wire.OpGetACL), wire.AppendString(nil, "/p"))
	f.Add(int32(wire.OpGetEphemerals), wire.AppendString(nil, "/"))
	f.Add(int32(wire.OpMultiRead), multiBody(readPart(wire.OpGetData, "/p"), readPart(wire.OpGetChildren, "/none")))
	f.Add(int32(wire.OpAddWatch), wire.AppendPathMode(nil, "/p", 1))
	f.Add(int32(wire.OpRemoveWatches), wire.AppendPathMode(nil, "/p", 3))
	q := wire.SetWatches{Data: []string{"/p"}, Exist: []string{"/none"}, Child: []string{"/"}, Persistent: []string{"/x"}, PersistentRecurs: []string{"/y"}}
	f.Add(int32(wire.OpSetWatches2), q.Append(nil, wire.OpSetWatches2))
	f.Fuzz(func(t *testing.T, op int32, body []byte) {
		m := newMachine(t, Config{})
		m.create("/p", core.Ephemeral, core.OpenACL())
		a := &Asker{Conn: 7, Session: alice}
		digest := m.tree.Digest()
		if op := wire.OpCode(op); op == wire.OpSetWatches || op == wire.OpSetWatches2 {
			m.SetWatches(a, op, body, func(core.EventType, string) {})
		} else if dst, code := m.Read(a, op, body, []byte("before")); code != core.OK {
			require.Equal(t, "before", string(dst))
		}
		m.watches.Drop(7)
		require.Zero(t, m.watches.Len())
		require.Equal(t, digest, m.tree.Digest())
	})
}
