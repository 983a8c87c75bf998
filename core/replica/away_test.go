package replica

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

const longRead = 50

// fill makes n children below path.
func (p *peer) fill(path string, n int) {
	p.t.Helper()
	p.create(path, "", core.Persistent)
	for i := range n {
		p.create(fmt.Sprintf("%s/%05d", path, i), "", core.Persistent)
	}
}

func TestLongReadLeavesTheLoopAndKeepsItsPlaceInTheOrder(t *testing.T) {
	s := startServer(t, Config{LongRead: longRead})
	p, q := s.open(10_000), s.open(10_000)
	p.fill("/many", longRead+1)
	s.manualViews = true
	p.send(p.request(wire.OpGetChildren2, wire.AppendPathWatch(nil, "/many", true)))
	p.send(p.request(wire.OpExists, wire.AppendPathWatch(nil, "/many", false)))
	p.noFrame()
	q.create("/many/late", "", core.Persistent) // others go on, and the watch was armed
	require.Len(t, s.away, 1)
	s.bringViews()
	h, r := p.reply()
	require.Equal(t, core.OK, h.Err)
	names, ok := wire.DecodeStrings(&r)
	require.True(t, ok)
	require.Len(t, names, longRead+1, "as it was when it was asked for")
	st := wire.DecodeStat(&r)
	require.EqualValues(t, longRead+1, st.NumChildren)
	require.Less(t, st.Pzxid, s.r.Status().Applied)
	h, r = p.reply()
	require.Equal(t, wire.XidNotification, h.Xid, "the event comes behind the reply that it follows")
	require.Equal(t, core.NodeChildrenChanged, wire.DecodeWatcherEvent(&r).Type)
	h, _ = p.reply()
	require.Equal(t, p.xid, h.Xid)
	p.noFrame()
}

func TestLongCountIsWhatWasThere(t *testing.T) {
	s := startServer(t, Config{LongRead: longRead})
	p := s.open(10_000)
	p.fill("/many", longRead+10)
	h, r := p.do(wire.OpGetAllChildrenNumber, wire.AppendString(nil, "/many"))
	require.Equal(t, core.OK, h.Err)
	require.EqualValues(t, longRead+10, r.Int())
}

func TestWritesGoOnBehindALongRead(t *testing.T) {
	s := startServer(t, Config{LongRead: longRead})
	p := s.open(10_000)
	p.fill("/many", longRead+1)
	s.manual, s.manualViews = true, true
	list := wire.AppendPathWatch(nil, "/many", false)
	set := wire.AppendSetData(nil, "/many", []byte("x"), -1)
	p.send(p.request(wire.OpSetData, set), p.request(wire.OpGetChildren, list), p.request(wire.OpSetData, set))
	s.syncNow() // both writes: the read between them is away when the second is answered
	h, _ := p.reply()
	require.Equal(t, p.xid-2, h.Xid)
	p.noFrame()
	s.bringViews()
	h, _ = p.reply()
	require.Equal(t, p.xid-1, h.Xid)
	h, _ = p.reply()
	require.Equal(t, p.xid, h.Xid)
}

func TestConnectionThatEndsWithItsLongReadAwayIsForgotten(t *testing.T) {
	s := startServer(t, Config{LongRead: longRead})
	p := s.open(10_000)
	p.fill("/many", longRead+1)
	s.manualViews = true
	p.send(p.request(wire.OpGetChildren, wire.AppendPathWatch(nil, "/many", false)))
	s.step(Gone{Conn: p.id})
	s.bringViews()
	p.noFrame()
}

func TestReadsThatAClientLeavesUnreadDoNotLoseTheWriteBehindThem(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(10_000)
	p.create("/big", string(make([]byte, 700<<10)), core.Persistent)
	s.manual, s.drainLate = true, true
	get := wire.AppendPathWatch(nil, "/big", false)
	set := wire.AppendSetData(nil, "/", nil, -1)
	frames := [][]byte{p.request(wire.OpSetData, set)}
	for range 2 * readsBehindMax {
		frames = append(frames, p.request(wire.OpGetData, get))
	}
	frames = append(frames, p.request(wire.OpSetData, set), p.request(wire.OpGetData, get))
	p.send(frames...)
	for range 100 {
		s.syncNow()
		s.drain(p.id)
	}
	for i, want := range frames {
		h, _ := p.reply()
		r := wire.NewReader(want)
		require.Equal(t, wire.DecodeRequestHeader(&r).Xid, h.Xid, "reply %d", i)
		require.Equal(t, core.OK, h.Err)
	}
	p.noFrame()
}

func TestClosingBehindALongReadAnswersEverything(t *testing.T) {
	s := startServer(t, Config{LongRead: longRead})
	p := s.open(10_000)
	p.fill("/many", longRead+1)
	s.manualViews = true
	p.send(p.request(wire.OpSetData, wire.AppendSetData(nil, "/", nil, -1)),
		p.request(wire.OpGetChildren, wire.AppendPathWatch(nil, "/many", false)),
		p.request(wire.OpCloseSession, nil))
	s.bringViews()
	for i := int32(2); i >= 0; i-- {
		h, _ := p.reply()
		require.Equal(t, p.xid-i, h.Xid)
		require.Equal(t, core.OK, h.Err)
	}
	require.True(t, p.closed)
}

func TestLongReadsOfManyConnectionsTakeTurns(t *testing.T) {
	s := startServer(t, Config{LongRead: longRead})
	p := s.open(30_000)
	p.fill("/many", longRead+1)
	s.manualViews = true
	peers := make([]*peer, 3*awaysMax)
	for i := range peers {
		peers[i] = s.open(30_000)
		peers[i].send(peers[i].request(wire.OpGetChildren, wire.AppendPathWatch(nil, "/many", false)))
	}
	require.Len(t, s.away, awaysMax)
	for range 3 {
		s.bringViews()
	}
	for _, q := range peers {
		h, _ := q.reply()
		require.Equal(t, core.OK, h.Err)
	}
}

func TestExpiryDoesNotAnswerWhatAClientLeftUnread(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(4000)
	p.create("/big", string(make([]byte, 700<<10)), core.Persistent)
	s.manual, s.drainLate = true, true
	frames := [][]byte{p.request(wire.OpSetData, wire.AppendSetData(nil, "/", nil, -1))}
	for range 200 {
		frames = append(frames, p.request(wire.OpGetData, wire.AppendPathWatch(nil, "/big", false)))
	}
	p.send(frames...)
	s.syncNow()
	s.manual = false
	s.advance(10_000)
	require.True(t, p.closed)
	require.Less(t, len(p.in), 4<<20)
}

func TestLongBacklogWaitsInTheSocketAndIsWorkedOff(t *testing.T) {
	s := startServer(t, Config{LongRead: longRead})
	p := s.open(30_000)
	p.fill("/many", longRead+1)
	s.manualViews = true
	p.send(p.request(wire.OpGetChildren, wire.AppendPathWatch(nil, "/many", false)))
	big := wire.AppendSetData(nil, "/many", make([]byte, 900<<10), -1)
	for range 6 {
		p.send(p.request(wire.OpSetData, big))
	}
	require.True(t, s.holds[p.id])
	require.False(t, p.closed)
	s.bringViews()
	require.False(t, s.holds[p.id])
	for i := int32(6); i >= 0; i-- {
		h, _ := p.reply()
		require.Equal(t, p.xid-i, h.Xid)
	}
}

func TestIdentitiesOfAConnectionAreBounded(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(30_000)
	for i := range identitiesMax - 1 {
		require.Equal(t, core.OK, p.code(wire.OpAuth, wire.AppendAuth(nil, "digest", fmt.Appendf(nil, "u%d:p", i))))
	}
	require.Equal(t, core.AuthFailed, p.code(wire.OpAuth, wire.AppendAuth(nil, "digest", []byte("one:more"))))
	require.True(t, p.closed)
	p = s.open(30_000)
	require.Equal(t, core.AuthFailed, p.code(wire.OpAuth, wire.AppendAuth(nil, "digest", append(make([]byte, identityBytesMax), ":p"...))))
}
