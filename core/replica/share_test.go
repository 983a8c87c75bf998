package replica

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

func TestCostlyRequestsOfOneLeaveTheLoopToOthers(t *testing.T) {
	s := startServer(t, Config{})
	p, q := s.open(30_000), s.open(30_000)
	for i := range 1000 {
		p.create(fmt.Sprintf("/e%d", i), "", core.Ephemeral)
	}
	s.manualMore = true
	var frames [][]byte
	for range 200 { // each walks through a thousand ephemerals for an answer of nothing
		frames = append(frames, p.request(wire.OpGetEphemerals, wire.AppendString(nil, "/none")))
	}
	p.send(frames...)
	answered := func() (n int) {
		for {
			if _, ok := p.frame(); !ok {
				return n
			}
			n++
		}
	}
	require.Less(t, answered(), 10, "the first turn ends early")
	require.Equal(t, core.OK, q.code(wire.OpExists, wire.AppendPathWatch(nil, "/", false)))
	total := 0
	for range 100 {
		s.bringMore()
		total += answered()
	}
	require.Greater(t, total, 190, "and all are answered in the end")
}

func TestConnectionsThatRestTakeTurns(t *testing.T) {
	s := startServer(t, Config{})
	s.manualMore = true
	var peers []*peer
	for range 3 {
		p := s.open(30_000)
		var frames [][]byte
		for range 3 * stepShare {
			frames = append(frames, p.request(wire.OpPing, nil))
		}
		p.send(frames...)
		peers = append(peers, p)
	}
	for range 30 {
		s.bringMore()
	}
	for _, p := range peers {
		n := 0
		for {
			if _, ok := p.frame(); !ok {
				break
			}
			n++
		}
		require.Equal(t, 3*stepShare, n)
	}
}
