package state

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Sessions of the tests.
const (
	alice  core.SessionID = 0x100000000000001
	bob    core.SessionID = 0x100000000000002
	nobody core.SessionID = 0x1000000000000ff // was never opened
)

// user is an identity that the tests' connections may have.
func user(name string) core.Identity { return core.Identity{Scheme: "digest", ID: name + ":hash"} }

// machine prepares and applies one after another.
type machine struct {
	t testing.TB
	*State
	z   core.Zxid
	now int64
	// log holds what was prepared, in order; applied is how much of it was applied.
	log     []txn
	applied int
}

type txn struct {
	zxid    core.Zxid
	payload []byte
	copied  []byte // to show that it is never changed
}

func newMachine(t testing.TB, cfg Config) *machine {
	m := &machine{t: t, State: New(cfg), z: core.MakeZxid(1, 0), now: 1_800_000_000_000}
	for _, id := range []core.SessionID{alice, bob} {
		m.prepare(&Request{Session: id, Op: wire.OpCreateSession, Body: wire.AppendInt(nil, 10_000), Internal: true})
	}
	m.applyAll()
	return m
}

// prepare puts a request into the log. Its body is spoilt afterwards: it is not
// the state's to keep.
func (m *machine) prepare(req *Request) core.Zxid {
	m.z++
	m.now++
	body := append([]byte(nil), req.Body...)
	mine := *req
	mine.Body = body
	payload := m.Prepare(&mine, m.z, m.now)
	for i := range body {
		body[i] = 0xee
	}
	m.log = append(m.log, txn{m.z, payload, append([]byte(nil), payload...)})
	return m.z
}

// applyNext applies the oldest transaction that is not.
func (m *machine) applyNext() *Result {
	m.t.Helper()
	x := m.log[m.applied]
	require.Equal(m.t, x.copied, x.payload, "a transaction was changed after it was prepared")
	m.applied++
	return m.Apply(x.zxid, x.payload)
}

func (m *machine) applyAll() {
	m.t.Helper()
	for m.applied < len(m.log) {
		m.applyNext()
	}
}

// do prepares and applies one request.
func (m *machine) do(req *Request) *Result {
	m.t.Helper()
	m.applyAll()
	m.prepare(req)
	return m.applyNext()
}

func (m *machine) code(op wire.OpCode, body []byte, ids ...core.Identity) core.Code {
	m.t.Helper()
	return m.do(&Request{Session: alice, Cxid: 1, Op: op, Body: body, IDs: ids}).Err
}

func (m *machine) create(path string, mode core.CreateMode, list []core.ACL) {
	m.t.Helper()
	body := wire.AppendCreate(nil, wire.OpCreate, path, []byte("data"), list, int32(mode), 0)
	require.Equal(m.t, core.OK, m.code(wire.OpCreate, body, user("alice")), path)
}

func (m *machine) stat(path string) core.Stat {
	m.t.Helper()
	r := m.tree.Find(path)
	require.NotZero(m.t, r, path)
	return m.tree.Stat(r)
}

// at is what look finds.
func (m *machine) at(path string) (at place) {
	m.look(&at, path)
	return at
}

// settled requires that nothing is outstanding when all is applied.
func (m *machine) settled() {
	m.t.Helper()
	require.Equal(m.t, len(m.log), m.applied)
	p := &m.pending
	require.Zero(m.t, p.changes.count)
	require.Empty(m.t, p.queue[p.head:])
	require.Empty(m.t, p.undo)
	require.Empty(m.t, p.ephemerals)
	require.Empty(m.t, p.closing)
	require.Empty(m.t, p.opening)
}

// only lets only the owner of a name in.
func only(name string, perms core.Perms) []core.ACL {
	return []core.ACL{{Perms: perms, Scheme: "digest", ID: user(name).ID}}
}
