package storage

import (
	"fmt"
	"hash/crc32"
	"path/filepath"

	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// Append writes records behind the log as one batch; they are durable after Sync.
// An earlier batch that is not synced yet is synced first: two unsynced batches
// could be lost in either order, and recovery would take that for corruption.
//
// It returns ErrNotContiguous, ErrTooLarge or ErrDamaged before anything is
// written; every other error is fatal. The records may be reused on return.
func (s *Store) Append(records []wire.Record) error {
	if err := s.usable(); err != nil {
		return err
	}
	if s.damaged {
		return ErrDamaged
	}
	if len(records) == 0 {
		return nil
	}
	last, err := s.checkRecords(records)
	if err != nil {
		return err
	}
	if s.meta.Fresh {
		m := s.meta
		m.Fresh = false
		if err := s.putMeta(m); err != nil {
			return err
		}
	}
	for len(records) > 0 {
		n, bytes := 0, int64(trailerBytes)
		for n < len(records) {
			size := frameBytes(&records[n])
			if n > 0 && bytes+size > batchBytesMax {
				break
			}
			bytes += size
			n++
		}
		end := last
		if n < len(records) {
			end = position{records[n-1].Zxid, records[n].PrevChain}
		}
		if err := s.appendBatch(records[:n], bytes, end); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func frameBytes(r *wire.Record) int64 {
	return int64(frameHeadBytes + padded(recordBytesMin+len(r.Payload)))
}

// checkRecords asserts that records go on where the log ends (I5) and returns the
// position after them. It does not hash what its maker has hashed, as long as that is
// what is here.
func (s *Store) checkRecords(records []wire.Record) (position, error) {
	last := s.last
	for i := range records {
		r := &records[i]
		if !follows(last.zxid, r.Zxid) || r.PrevChain != last.chain {
			return last, fmt.Errorf("%w: %v with previous chain %x after %v with chain %x",
				ErrNotContiguous, r.Zxid, r.PrevChain, last.zxid, last.chain)
		}
		if r.Kind < wire.RecordTxn || r.Kind > wire.RecordConfig {
			return last, fmt.Errorf("%w: %v is of kind %d", ErrNotContiguous, r.Zxid, r.Kind)
		}
		if recordBytesMin+len(r.Payload) > RecordBytesMax {
			return last, fmt.Errorf("%w: %v has %d bytes", ErrTooLarge, r.Zxid, len(r.Payload))
		}
		chain, intact := r.CarriedChain()
		if !intact {
			return last, fmt.Errorf("%w: %v has changed since it was made", ErrNotContiguous, r.Zxid)
		}
		last = position{r.Zxid, chain}
	}
	return last, nil
}

// appendBatch writes one batch of bytes bytes, trailer included, which ends at last.
func (s *Store) appendBatch(records []wire.Record, bytes int64, last position) error {
	if s.unsynced {
		if err := s.Sync(); err != nil {
			return err
		}
	}
	if err := s.claimRoom(bytes); err != nil {
		return err
	}
	defer s.claimed.Store(0)
	if s.active.end+bytes > s.opt.SegmentBytes && s.active.end > headerBytes {
		if err := s.roll(); err != nil {
			return err
		}
	}
	g := s.active
	start := g.end
	buf := s.buf[:0]
	for i := range records {
		buf = g.seal.appendRecord(buf, start+int64(len(buf)), &records[i])
	}
	t := trailer{
		first: records[0].Zxid, last: last.zxid, start: start, count: uint32(len(records)),
		crc: crc32.Update(g.seal.batchSum(start), castagnoli, buf),
	}
	buf = g.seal.appendTrailer(buf, start+int64(len(buf)), t)
	s.buf = buf
	if cap(buf) > 4<<20 {
		s.buf = nil // one huge batch does not hold memory for ever
	}
	if _, err := s.activeFile.WriteAt(buf, start); err != nil {
		return s.poison("append", err)
	}
	before := s.last.zxid
	s.last = last
	s.noteEpochs(records)
	s.unsynced = true
	s.batchesSinceHint++

	s.mu.Lock()
	defer s.mu.Unlock()
	g.mark(before, start)
	g.end = start + int64(len(buf))
	g.last = s.last
	s.activeSize = max(s.activeSize, g.end)
	return nil
}

// noteEpochs notes where the epochs of a batch end: those before the last one
// with the position in front of the marker that follows.
func (s *Store) noteEpochs(records []wire.Record) {
	for i := 1; i < len(records); i++ {
		if prev := &records[i-1]; prev.Zxid.Epoch() != records[i].Zxid.Epoch() {
			s.epochs = noteEpoch(s.epochs, position{prev.Zxid, records[i].PrevChain})
		}
	}
	s.epochs = noteEpoch(s.epochs, s.last)
}

// Sync returns once all that was appended is durable. Its error is fatal.
func (s *Store) Sync() error {
	if err := s.usable(); err != nil {
		return err
	}
	if !s.unsynced {
		return nil
	}
	if err := s.activeFile.Sync(); err != nil {
		return s.poison("sync log", err)
	}
	s.unsynced = false
	s.setDurable()
	return nil
}

// setDurable notes that everything appended is durable.
func (s *Store) setDurable() {
	s.durable = s.last
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.durable = s.last.zxid
	s.mu.synced = s.active.end
}

// roll goes on in a new segment. What was appended is synced: the existence of a
// segment says so of all before it.
func (s *Store) roll() error {
	f, g, size, err := s.newSegmentFile(s.meta.Lineage, s.last)
	if err != nil {
		return s.poison("roll segment", err)
	}
	if err := s.activeFile.Close(); err != nil {
		f.Close()
		return s.poison("close segment", err)
	}
	s.activate(f, g, size, false)
	return s.refreshHint()
}

// activate makes g the segment that is appended to; alone: it is the only one.
func (s *Store) activate(f vfs.File, g *segment, size int64, alone bool) {
	s.active, s.activeFile, s.activeSize = g, f, size
	s.mu.Lock()
	defer s.mu.Unlock()
	if alone {
		s.mu.segments = nil
	}
	s.mu.segments = append(s.mu.segments, g)
	s.mu.synced = g.end
}

// newSegmentFile begins a new life, in a spare file if there is one. The header is
// durable before the file has its name, and the name before anything is written
// (zab Z-03): a named segment without a header is damage, never a crash.
func (s *Store) newSegmentFile(lineage uint64, base position) (vfs.File, *segment, int64, error) {
	h := segmentHeader{
		dataDirID: s.meta.DataDirID, lineage: lineage, base: base,
		salt: s.opt.Random(), recycled: true,
	}
	f, name, err := s.takeSpare()
	if err != nil {
		return nil, nil, 0, err
	}
	if f == nil {
		// Nothing is prepared: the file grows with its appends, or as Prepare fills it.
		name = s.freshSpareName()
		h.recycled = false
		if f, err = s.fs.Create(name); err != nil {
			return nil, nil, 0, err
		}
	}
	fail := func(err error) (vfs.File, *segment, int64, error) {
		f.Close()
		return nil, nil, 0, err
	}
	block := make([]byte, headerBytes)
	appendSegmentHeader(block[:0], h)
	if _, err := f.WriteAt(block, 0); err != nil {
		return fail(err)
	}
	if err := f.Sync(); err != nil {
		return fail(err)
	}
	g := newSegment(h)
	if err := s.fs.Rename(name, s.segmentPath(g.place)); err != nil {
		return fail(err)
	}
	if err := s.fs.SyncDir(s.logDir()); err != nil {
		return fail(err)
	}
	size, err := f.Size()
	if err != nil {
		return fail(err)
	}
	return f, g, size, nil
}

// takeSpare opens a spare that is ready; a nil file means that there is none.
func (s *Store) takeSpare() (vfs.File, string, error) {
	s.mu.Lock()
	var name string
	if n := len(s.mu.spares); n > 0 {
		name = s.mu.spares[n-1]
		s.mu.spares = s.mu.spares[:n-1]
	}
	s.mu.Unlock()
	if name == "" {
		return nil, "", nil
	}
	path := filepath.Join(s.logDir(), name)
	f, err := s.fs.OpenRW(path)
	return f, path, err
}

func (s *Store) freshSpareName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.freshSpareNameLocked()
}

func (s *Store) freshSpareNameLocked() string {
	s.nextSpare++
	return filepath.Join(s.logDir(), spareName(s.nextSpare))
}
