package node_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/vfs"
	records "github.com/zensus-io/zensus/core/wire"
)

// TestALogThatContradictsItselfKeepsNobodyFromTheOthers: its records are as they were
// written, but another state comes of them than they quote. The server ended at its start,
// before anybody could send it what the others have.
func TestALogThatContradictsItselfKeepsNobodyFromTheOthers(t *testing.T) {
	for name, change := range map[string]func(*records.Record){
		"records that the others do not have": func(r *records.Record) {
			r.Payload = bytes.Replace(r.Payload, []byte("them"), []byte("none"), 1)
		},
		"theirs": func(r *records.Record) { r.TreeDigest++ },
	} {
		t.Run(name, func(t *testing.T) { startsWithOthers(t, change) })
	}
}

func startsWithOthers(t *testing.T, change func(*records.Record)) {
	e := newEnsemble(t, 3)
	disks := map[core.PeerID]*vfs.Mem{1: vfs.NewMem(), 2: vfs.NewMem(), 3: vfs.NewMem()}
	var told strings.Builder
	e.configure = func(c *node.Config) {
		id := c.Replica.Zab.Self
		c.Storage.FS = disks[id]
		if id == 3 {
			c.Logger = hclog.New(&hclog.LoggerOptions{Output: &told})
		}
	}
	e.startAll()
	ctx := context.Background()
	c := e.open(1)
	_, _, err := c.Create(ctx, "/of", []byte("all"), core.CreateOptions{})
	require.NoError(t, err)
	for range 5 {
		_, err := c.Set(ctx, "/of", []byte("them"), core.AnyVersion)
		require.NoError(t, err)
		e.alike() // so the next record quotes the state with this one
	}
	e.stop(3)
	disks[3] = rewritten(t, disks[3], e.dirs[3], change)
	e.start(3)
	e.await(3)
	e.alike()
	e.stop(3)
	require.Contains(t, told.String(), "the log does not make the state that it says")
}

// rewritten is a directory with a log that has been changed, and is whole again.
func rewritten(t *testing.T, from *vfs.Mem, dir string, change func(*records.Record)) *vfs.Mem {
	t.Helper()
	var log []records.Record
	opt := storage.Options{
		FS: from, Dir: dir, SegmentBytes: 1 << 20, BallastBytes: -1, LowWaterBytes: -1,
		Logged: func(r *records.Record) {
			rec := records.Record{
				Zxid: r.Zxid, Kind: r.Kind, CommitHint: r.CommitHint, Time: r.Time, Payload: bytes.Clone(r.Payload),
				DigestVersion: r.DigestVersion, TreeDigest: r.TreeDigest,
			}
			change(&rec)
			log = append(log, rec)
		},
	}
	s, _, err := storage.Open(opt)
	require.NoError(t, err)
	was := s.Meta()
	require.NoError(t, s.Close())
	chain := uint64(0)
	for i := range log {
		log[i].PrevChain = chain
		chain = log[i].Seal()
	}
	opt.FS, opt.Logged = vfs.NewMem(), nil
	s, _, err = storage.Open(opt)
	require.NoError(t, err)
	require.NoError(t, s.Append(log))
	require.NoError(t, s.Sync())
	m := s.Meta()
	m.AcceptedEpoch, m.CurrentEpoch, m.Voteable, m.Fresh = was.AcceptedEpoch, was.CurrentEpoch, was.Voteable, was.Fresh
	require.NoError(t, s.WriteMeta(m))
	require.NoError(t, s.Close())
	return opt.FS.(*vfs.Mem)
}
