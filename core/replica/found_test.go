package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// What the simulator has found; see docs/bugs.md.

func TestRequestsThatWaitAreSignsOfLife(t *testing.T) {
	s := startServer(t, Config{})
	p := s.open(4000)
	p.create("/big", string(make([]byte, 700<<10)), core.Persistent)
	s.drainLate = true
	get := wire.AppendPathWatch(nil, "/big", false)
	p.send(p.request(wire.OpGetData, get), p.request(wire.OpGetData, get), p.request(wire.OpGetData, get))
	for range 10 { // its output is stuck, it goes on pinging
		s.advance(1500)
		p.send(append(wire.AppendRequestHeader(nil, wire.XidPing, wire.OpPing), []byte{}...))
	}
	require.False(t, p.closed)
	require.Zero(t, s.r.Status().Expired)
	s.drainLate = false
	s.step(Drained{Conn: p.id})
	for range 3 {
		h, _ := p.reply()
		require.Equal(t, core.OK, h.Err)
	}
	for range 10 {
		h, _ := p.reply()
		require.Equal(t, wire.XidPing, h.Xid)
	}
}

func TestManySessionsExpireAcrossTheEndOfAnEpoch(t *testing.T) {
	cfg := Config{}
	cfg.Zab.CounterMax = 8
	s := startServer(t, cfg)
	for range 12 {
		s.open(4000)
	}
	require.Equal(t, 12, s.r.Status().Sessions)
	s.advance(20_000)
	require.Zero(t, s.r.Status().Sessions, "those that an epoch has no room for expire in the next")
	require.EqualValues(t, 12, s.r.Status().Expired)
}

func TestReaperStopsAtTheEndOfAnEpoch(t *testing.T) {
	cfg := Config{ReapEveryMillis: 1000}
	cfg.Zab.CounterMax = 16
	cfg.State.TTLNodes = true
	s := startServer(t, cfg)
	p := s.open(40_000)
	for range 20 {
		body := wire.AppendCreate(nil, wire.OpCreateTTL, "/t", nil, core.OpenACL(), int32(core.PersistentSequentialTTL), 1500)
		require.Equal(t, core.OK, p.code(wire.OpCreateTTL, body))
	}
	s.advance(10_000)
	require.Equal(t, 5, s.r.Status().Nodes)
}

func TestNoSessionIdIsGivenOutTwiceThoughTheClockGoesBack(t *testing.T) {
	s := startServer(t, Config{})
	wall := s.now.Wall
	seen := map[core.SessionID]bool{}
	for range 3 {
		for range 5 {
			p := s.open(10_000)
			require.False(t, seen[p.resp.SessionID], "%v", p.resp.SessionID)
			seen[p.resp.SessionID] = true
			require.Equal(t, core.OK, p.code(wire.OpCloseSession, nil))
		}
		s.now.Wall = wall
		s.boot()
	}
}

func TestConnectionsAreLetGoInTheirOrder(t *testing.T) {
	s := startServer(t, Config{OutstandingMax: 2})
	var peers []*peer
	for range 20 {
		peers = append(peers, s.open(10_000))
	}
	s.manual = true
	for _, p := range peers {
		p.send(p.request(wire.OpSetData, wire.AppendSetData(nil, "/", nil, -1)))
	}
	require.NotEmpty(t, s.r.held)
	s.r.Step(s.now, Synced{Generation: s.r.zab.Generation(), UpTo: s.r.zab.Logged()}, &s.out)
	last := ConnID(0)
	for _, h := range s.out.Holds {
		require.False(t, h.On)
		require.Greater(t, h.Conn, last)
		last = h.Conn
	}
	require.NotZero(t, last)
	require.Equal(t, zab.Broadcast, s.r.zab.Phase())
}
