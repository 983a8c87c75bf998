package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

func TestNothingIsAnsweredBeforeItIsDurable(t *testing.T) {
	s := startServer(t, Config{})
	p, other := s.open(10_000), s.open(10_000)
	s.manual = true
	p.send(p.request(wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, "/a", []byte("x"), core.OpenACL(), 0, 0)),
		p.request(wire.OpGetData, wire.AppendPathWatch(nil, "/a", false)))
	p.noFrame()
	require.Equal(t, core.NoNode, other.code(wire.OpExists, wire.AppendPathWatch(nil, "/a", false)), "others do not see it either")
	s.syncNow()
	h, r := p.reply()
	require.Equal(t, core.OK, h.Err)
	require.Equal(t, "/a", r.String())
	h, r = p.reply()
	require.Equal(t, core.OK, h.Err, "the read behind the write sees it")
	require.Equal(t, "x", string(r.Bytes()))
}

func TestEventComesBeforeTheReplyThatShowsIt(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(10_000)
	p.create("/a", "1", core.Persistent)
	h, _ := p.do(wire.OpGetData, wire.AppendPathWatch(nil, "/a", true))
	require.Equal(t, core.OK, h.Err)
	p.send(p.request(wire.OpSetData, wire.AppendSetData(nil, "/a", []byte("2"), -1)))
	h, r := p.reply()
	require.Equal(t, wire.XidNotification, h.Xid)
	ev := wire.DecodeWatcherEvent(&r)
	require.Equal(t, core.NodeDataChanged, ev.Type)
	event := h.Zxid
	h, _ = p.reply()
	require.Equal(t, p.xid, h.Xid)
	require.Equal(t, event, h.Zxid)
}

func TestSequentialNamesCountEveryCreation(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(10_000)
	p.create("/q", "", core.Persistent)
	require.Equal(t, "/q/n0000000000", p.create("/q/n", "", core.PersistentSequential))
	p.create("/q/plain", "", core.Persistent)
	require.Equal(t, "/q/n0000000002", p.create("/q/n", "", core.EphemeralSequential))
	require.Equal(t, "/q/0000000003", p.create("/q/", "", core.PersistentSequential))
}

func TestSessionExpiresOnATickAfterItsTimeout(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(4000)
	p.create("/e", "", core.Ephemeral)
	w := s.open(40_000)
	h, _ := w.do(wire.OpExists, wire.AppendPathWatch(nil, "/e", true))
	require.Equal(t, core.OK, h.Err)
	s.advance(3900)
	w.noFrame()
	require.False(t, p.closed)
	s.advance(2200)
	h, r := w.reply()
	require.Equal(t, wire.XidNotification, h.Xid)
	require.Equal(t, core.NodeDeleted, wire.DecodeWatcherEvent(&r).Type)
	require.True(t, p.closed)

	again := s.dial()
	again.connect(wire.ConnectRequest{SessionID: p.resp.SessionID, Password: p.resp.Password[:], HasReadOnly: true})
	require.Zero(t, again.resp.SessionID, "an expired session is refused")
	require.True(t, again.closed)
}

func TestSessionMovesToItsNewConnection(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(10_000)
	p.create("/e", "", core.Ephemeral)
	wrong := s.dial()
	wrong.connect(wire.ConnectRequest{SessionID: p.resp.SessionID, Password: make([]byte, 16), HasReadOnly: true})
	require.Zero(t, wrong.resp.SessionID)
	require.False(t, p.closed)

	q := s.dial()
	q.connect(wire.ConnectRequest{SessionID: p.resp.SessionID, Password: p.resp.Password[:], TimeoutMillis: 8000, HasReadOnly: true})
	require.Equal(t, p.resp.SessionID, q.resp.SessionID)
	require.EqualValues(t, 8000, q.resp.TimeoutMillis)
	require.True(t, p.closed)
	h, r := q.do(wire.OpGetEphemerals, wire.AppendString(nil, "/"))
	require.Equal(t, core.OK, h.Err)
	names, _ := wire.DecodeStrings(&r)
	require.Equal(t, []string{"/e"}, names)
}

func TestCloseSessionTellsItsOwnEphemeralsThenAnswersThenEnds(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(10_000)
	p.create("/e", "", core.Ephemeral)
	p.do(wire.OpExists, wire.AppendPathWatch(nil, "/e", true))
	p.send(p.request(wire.OpCloseSession, nil), p.request(wire.OpExists, wire.AppendPathWatch(nil, "/", false)))
	h, _ := p.reply()
	require.Equal(t, wire.XidNotification, h.Xid)
	h, r := p.reply()
	require.Equal(t, core.OK, h.Err)
	require.Zero(t, r.Len())
	p.noFrame()
	require.True(t, p.closed)
	require.Zero(t, s.r.Status().Ephemerals)
}

func TestFailedMultiSaysWhatFailedAndLeavesNoTrace(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(10_000)
	p.create("/g", "", core.Persistent)
	before := s.r.Status().Nodes
	var b []byte
	b = wire.AppendPathVersion(wire.AppendMultiHeader(b, wire.OpCheck, false, -1), "/g", -1)
	b = wire.AppendCreate(wire.AppendMultiHeader(b, wire.OpCreate, false, -1), wire.OpCreate, "/g/x", nil, core.OpenACL(), 3, 0)
	b = wire.AppendPathVersion(wire.AppendMultiHeader(b, wire.OpDelete, false, -1), "/nope", -1)
	b = wire.AppendPathVersion(wire.AppendMultiHeader(b, wire.OpDelete, false, -1), "/g", -1)
	b = wire.AppendMultiEnd(b)
	h, r := p.do(wire.OpMulti, b)
	require.Equal(t, core.OK, h.Err)
	for _, want := range []core.Code{core.OK, core.OK, core.NoNode, core.RuntimeInconsistency} {
		mh := wire.DecodeMultiHeader(&r)
		require.Equal(t, wire.OpError, mh.Op)
		require.Equal(t, want, core.Code(r.Int()))
	}
	require.True(t, wire.DecodeMultiHeader(&r).Done)
	require.Equal(t, before, s.r.Status().Nodes)
	require.Equal(t, "/g/s0000000000", p.create("/g/s", "", core.PersistentSequential), "the counter was not advanced")
}

func TestUnknownOperationIsAnsweredAndTheConnectionClosed(t *testing.T) {
	s := startServer(t, Config{})
	for _, op := range []wire.OpCode{0, 10, 13, 20, 23, -1, -10, 50, 99} {
		p := s.open(10_000)
		h, _ := p.do(op, nil)
		require.Equal(t, core.Unimplemented, h.Err)
		require.Equal(t, ^core.Zxid(0), h.Zxid)
		require.True(t, p.closed)
	}
}

func TestRequestsBeforeTheSessionAreHeld(t *testing.T) {
	s := startServer(t, Config{})
	s.manual = true
	p := s.dial()
	p.send(wire.ConnectRequest{TimeoutMillis: 10_000}.Append(nil),
		p.request(wire.OpPing, nil), p.request(wire.OpExists, wire.AppendPathWatch(nil, "/", false)))
	p.noFrame()
	s.syncNow()
	p.welcome()
	require.NotZero(t, p.resp.SessionID)
	h, _ := p.reply()
	require.Equal(t, wire.XidPing, h.Xid)
	h, _ = p.reply()
	require.Equal(t, core.OK, h.Err)
}

func TestRestartServesWhatWasAcknowledged(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(10_000)
	p.create("/a", "kept", core.Persistent)
	p.create("/e", "mine", core.Ephemeral)
	digest, applied := s.r.Status().Digest, s.r.Status().Applied
	sess := p.resp
	s.boot()
	require.Equal(t, digest, s.r.Status().Digest)
	require.Greater(t, s.r.Status().Applied, applied)
	require.Equal(t, applied.Epoch()+1, s.r.Status().Applied.Epoch())
	q := s.dial()
	q.connect(wire.ConnectRequest{SessionID: sess.SessionID, Password: sess.Password[:], TimeoutMillis: 10_000})
	require.Equal(t, sess.SessionID, q.resp.SessionID)
	h, r := q.do(wire.OpGetData, wire.AppendPathWatch(nil, "/a", false))
	require.Equal(t, core.OK, h.Err)
	require.Equal(t, "kept", string(r.Bytes()))
}

func TestCounterNearItsEndBeginsANewEpochInPlace(t *testing.T) {
	cfg := Config{}
	cfg.Zab.CounterMax = 10
	s := startServer(t, cfg)
	p := s.open(10_000)
	epoch := s.r.Status().Applied.Epoch()
	for range 30 {
		p.create("/n", "", core.PersistentSequential)
	}
	require.Greater(t, s.r.Status().Applied.Epoch(), epoch+1)
	require.False(t, p.closed)
	require.EqualValues(t, 5+30, s.r.Status().Nodes)
}

func TestEphemeralUnderWayGoesWithItsClosingSession(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(10_000)
	s.manual = true
	p.send(p.request(wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, "/e", nil, core.OpenACL(), 1, 0)),
		p.request(wire.OpCloseSession, nil))
	s.syncNow()
	require.True(t, p.closed)
	require.Zero(t, s.r.Status().Ephemerals)
	require.EqualValues(t, 5, s.r.Status().Nodes)
}

func TestNearlyFullDiskTakesOnlyWhatFreesSomething(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(10_000)
	p.create("/a", "", core.Persistent)
	s.step(DiskLow{On: true})
	require.Equal(t, core.SystemError, p.code(wire.OpSetData, wire.AppendSetData(nil, "/a", nil, -1)))
	require.Equal(t, core.OK, p.code(wire.OpGetData, wire.AppendPathWatch(nil, "/a", false)))
	require.Equal(t, core.OK, p.code(wire.OpDelete, wire.AppendPathVersion(nil, "/a", -1)))
	require.Equal(t, core.SystemError, p.code(wire.OpDelete, wire.AppendPathVersion(nil, "/a", -1)), "nothing is there to be freed")
	q := s.open(10_000) // or nobody could come to delete anything
	require.Equal(t, core.SystemError, q.code(wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, "/b", nil, core.OpenACL(), 0, 0)))
	s.step(DiskLow{})
	p.create("/a", "", core.Persistent)
}
