package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// options are small, so that a few records roll a segment.
func options(fs vfs.FS) Options {
	rng := rand.New(rand.NewPCG(7, 7))
	return Options{
		FS: fs, Dir: "/data", SegmentBytes: 16 << 10, Retain: 2, WindowBytes: 1,
		BallastBytes: 8 << 10, LowWaterBytes: -1, Random: rng.Uint64,
	}
}

// history makes records that follow one another; equal seeds make equal ones.
type history struct {
	at position
	// all holds every record made, in order.
	all []wire.Record
}

func (h *history) epoch(e core.Epoch) wire.Record {
	return h.add(wire.Record{Zxid: core.MakeZxid(e, 0), Kind: wire.RecordEpoch, Payload: []byte("epoch marker")})
}

func (h *history) txn(size int) wire.Record {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i) ^ byte(h.at.zxid)
	}
	if size >= 8 {
		binary.BigEndian.PutUint64(p, uint64(h.at.zxid+1))
	}
	return h.add(wire.Record{Zxid: h.at.zxid + 1, Kind: wire.RecordTxn, CommitHint: h.at.zxid, Time: 1234, Payload: p})
}

func (h *history) add(r wire.Record) wire.Record {
	r.PrevChain = h.at.chain
	if r.Zxid%3 > 0 { // some carry their hash, some do not
		r.Seal()
	}
	h.at = position{r.Zxid, r.Chain()}
	h.all = append(h.all, r)
	return r
}

func (h *history) txns(n, size int) []wire.Record {
	out := make([]wire.Record, n)
	for i := range out {
		out[i] = h.txn(size)
	}
	return out
}

// cut forgets what follows z.
func (h *history) cut(t testing.TB, z core.Zxid) {
	t.Helper()
	for i, r := range h.all {
		if r.Zxid == z {
			h.all = h.all[:i+1]
			h.at = position{z, r.Chain()}
			return
		}
	}
	t.Fatalf("no %v in the history", z)
}

func mustOpen(t testing.TB, o Options) (*Store, *Recovered) {
	t.Helper()
	s, rec, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, rec
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write appends and syncs.
func write(t testing.TB, s *Store, records ...wire.Record) {
	t.Helper()
	must(t, s.Append(records))
	must(t, s.Sync())
}

// replayed is everything after z, copied.
func replayed(s *Store, z core.Zxid) ([]wire.Record, error) {
	var out []wire.Record
	err := s.Replay(z, func(r wire.Record) error {
		r.Payload = append([]byte(nil), r.Payload...)
		out = append(out, r)
		return nil
	})
	return out, err
}

// sameRecords reports the first difference.
func sameRecords(got, want []wire.Record) error {
	for i := range min(len(got), len(want)) {
		if g, w := &got[i], &want[i]; !sameRecord(g, w) {
			return fmt.Errorf("record %d is\n%+v\nwant\n%+v", i, g, w)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d records, want %d", len(got), len(want))
	}
	return nil
}

func sameRecord(a, b *wire.Record) bool {
	return a.Zxid == b.Zxid && a.Kind == b.Kind && a.Flags == b.Flags && a.CommitHint == b.CommitHint && a.Time == b.Time &&
		a.PrevChain == b.PrevChain && bytes.Equal(a.Payload, b.Payload) && a.DigestVersion == b.DigestVersion && a.TreeDigest == b.TreeDigest
}

func mustReplay(t testing.TB, s *Store, after core.Zxid, want []wire.Record) {
	t.Helper()
	got, err := replayed(s, after)
	if err == nil {
		err = sameRecords(got, want)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// snapshot writes a snapshot at z.
func snapshot(s *Store, z core.Zxid, chain uint64, install bool) (SnapshotInfo, error) {
	begin := s.NewSnapshot
	if install {
		begin = s.NewInstall
	}
	w, err := begin(SnapshotInfo{Zxid: z, Chain: chain, TreeDigest: 42, DigestVersion: 2, Time: 99})
	if err != nil {
		return SnapshotInfo{}, err
	}
	for i := range 3 {
		if err := w.Write(fmt.Appendf(nil, "chunk %d of the state at %v", i, z)); err != nil {
			return SnapshotInfo{}, errors.Join(err, w.Abort())
		}
	}
	info, err := w.Commit()
	if err != nil {
		return SnapshotInfo{}, errors.Join(err, w.Abort())
	}
	return info, nil
}

var underRaceDetector bool

// alone skips a long test of one goroutine under the race detector, which sees nothing in
// it and makes it several times as long.
func alone(t *testing.T) {
	t.Helper()
	if underRaceDetector {
		t.Skip("one goroutine has no race")
	}
}
