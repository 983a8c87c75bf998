package storage

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"path/filepath"
	"syscall"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
)

// SnapshotInfo describes a snapshot. The caller of NewSnapshot fills in the first
// five fields; the rest is the store's.
type SnapshotInfo struct {
	Zxid          core.Zxid
	Chain         uint64
	TreeDigest    uint64
	DigestVersion uint32
	Time          int64 // wall time in milliseconds

	Bytes   int64 // of all chunks
	Chunks  uint64
	Lineage uint64
	Hash    [sha256.Size]byte // of the file up to its trailer
}

const (
	snapshotFormat     = 1
	snapshotHeadBytes  = 8 + 4 + 8 + 8 + 8 + 8 + 4 + 8 + 4
	snapshotEnd        = 1<<32 - 1 // in place of a chunk's length
	snapshotTrailBytes = 4 + 8 + 8 + sha256.Size + 4
	chunkHeadBytes     = 8
	snapshotSyncStep   = 16 << 20 // what one sync has to write at most
)

var snapshotMagic = [8]byte{'Z', 'N', 'S', 'S', 'N', 'A', 'P', '1'}

func appendSnapshotHead(dst []byte, i SnapshotInfo) []byte {
	start := len(dst)
	be := binary.BigEndian
	dst = append(dst, snapshotMagic[:]...)
	dst = be.AppendUint32(dst, snapshotFormat)
	dst = be.AppendUint64(dst, i.Lineage)
	dst = be.AppendUint64(dst, uint64(i.Zxid))
	dst = be.AppendUint64(dst, i.Chain)
	dst = be.AppendUint64(dst, i.TreeDigest)
	dst = be.AppendUint32(dst, i.DigestVersion)
	dst = be.AppendUint64(dst, uint64(i.Time))
	return be.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func decodeSnapshotHead(b []byte) (i SnapshotInfo, err error) {
	be := binary.BigEndian
	if len(b) < snapshotHeadBytes || [8]byte(b) != snapshotMagic {
		return i, fmt.Errorf("%w: not a snapshot", ErrBadSnapshot)
	}
	if crc32.Checksum(b[:snapshotHeadBytes-4], castagnoli) != be.Uint32(b[snapshotHeadBytes-4:]) {
		return i, fmt.Errorf("%w: header: checksum differs", ErrBadSnapshot)
	}
	if v := be.Uint32(b[8:]); v != snapshotFormat {
		return i, fmt.Errorf("%w: format %d is not known to this version", ErrBadSnapshot, v)
	}
	return SnapshotInfo{
		Lineage: be.Uint64(b[12:]), Zxid: core.Zxid(be.Uint64(b[20:])), Chain: be.Uint64(b[28:]),
		TreeDigest: be.Uint64(b[36:]), DigestVersion: be.Uint32(b[44:]), Time: int64(be.Uint64(b[48:])),
	}, nil
}

// chunkSum is the checksum of a chunk: which one of which snapshot it is enters it.
func chunkSum(i *SnapshotInfo, n uint64, chunk []byte) uint32 {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], i.Lineage)
	binary.BigEndian.PutUint64(b[8:], uint64(i.Zxid))
	binary.BigEndian.PutUint64(b[16:], n)
	return crc32.Update(crc32.Checksum(b[:], castagnoli), castagnoli, chunk)
}

func isBadSnapshot(err error) bool { return errors.Is(err, ErrBadSnapshot) }

// SnapshotWriter writes one snapshot. It may be used on another goroutine than the
// owner's, one call at a time. It ends with Commit or Abort.
type SnapshotWriter struct {
	s        *Store
	info     SnapshotInfo
	f        vfs.File
	temp     string
	off      int64
	unsynced int64
	hash     hash.Hash
	buf      []byte
	err      error // the first error; nothing goes on after it
	done     bool
	beside   bool  // the log is appended to meanwhile
	leaves   int64 // bytes that have to remain free then
	yielded  bool  // the log has taken the room; guarded by the store's space
}

// NewSnapshot begins a snapshot of the committed and durable state at info.Zxid.
// It does not exist before its Commit has returned. Safe to use from another
// goroutine while the owner goes on: where there is little room the log comes first, and
// the snapshot fails with ErrDiskLow.
func (s *Store) NewSnapshot(info SnapshotInfo) (*SnapshotWriter, error) {
	return s.newSnapshot(info, s.reserve())
}

// NewSnapshotAtStart is NewSnapshot where nothing is appended before it has ended, and it
// is hoped that log goes by it: it may use all the room there is.
func (s *Store) NewSnapshotAtStart(info SnapshotInfo) (*SnapshotWriter, error) {
	return s.newSnapshot(info, 0)
}

func (s *Store) newSnapshot(info SnapshotInfo, leaves int64) (*SnapshotWriter, error) {
	s.mu.Lock()
	err := s.usableLocked()
	durable := s.mu.durable
	info.Lineage = s.mu.lineage
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if info.Zxid > durable {
		return nil, fmt.Errorf("storage: snapshot at %v: the log is durable only up to %v", info.Zxid, durable)
	}
	return s.beginSnapshot(info, leaves, true)
}

// NewInstall begins to write a snapshot that a leader sends, at whatever zxid. The
// present state stays valid until InstallSnapshot. Safe to use from another
// goroutine.
func (s *Store) NewInstall(info SnapshotInfo) (*SnapshotWriter, error) {
	s.mu.Lock()
	err := s.usableLocked()
	info.Lineage = s.mu.lineage + 1
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.beginSnapshot(info, 0, false)
}

func (s *Store) beginSnapshot(info SnapshotInfo, leaves int64, beside bool) (*SnapshotWriter, error) {
	info.Bytes, info.Chunks, info.Hash = 0, 0, [sha256.Size]byte{}
	w := &SnapshotWriter{s: s, info: info, hash: sha256.New(), beside: beside, leaves: leaves}
	w.temp = filepath.Join(s.snapDir(), place{info.Lineage, info.Zxid}.name(tempSuffix))
	f, err := s.fs.Create(w.temp)
	if err != nil {
		return nil, w.fail("create snapshot", err)
	}
	w.f = f
	if beside {
		s.space.Lock()
		s.beside.Store(w)
		s.space.Unlock()
	}
	w.buf = appendSnapshotHead(w.buf, info)
	if err := w.flush(); err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	return w, nil
}

// fail keeps the first error. Running out of space or of descriptors ends the
// snapshot only; every other error is fatal to the store.
func (w *SnapshotWriter) fail(op string, err error) error {
	switch {
	case isNoSpace(err):
		w.err = fmt.Errorf("%w: %s: %w", ErrDiskLow, op, err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		w.err = fmt.Errorf("storage: %s: %w", op, err)
	default:
		w.err = w.s.poison(op, err)
	}
	return w.err
}

// Write adds a chunk of at most ChunkBytesMax bytes; it comes back as one chunk.
func (w *SnapshotWriter) Write(chunk []byte) error {
	switch {
	case w.err != nil:
		return w.err
	case w.done:
		return ErrClosed
	case len(chunk) == 0 || len(chunk) > ChunkBytesMax:
		return fmt.Errorf("%w: chunk of %d bytes", ErrTooLarge, len(chunk))
	}
	if err := w.s.usable(); err != nil {
		w.err = err
		return err
	}
	w.buf = binary.BigEndian.AppendUint32(w.buf[:0], uint32(len(chunk)))
	w.buf = binary.BigEndian.AppendUint32(w.buf, chunkSum(&w.info, w.info.Chunks, chunk))
	w.buf = append(w.buf, chunk...)
	w.info.Chunks++
	w.info.Bytes += int64(len(chunk))
	return w.flush()
}

func (w *SnapshotWriter) flush() error {
	w.hash.Write(w.buf)
	return w.put()
}

func (w *SnapshotWriter) put() error {
	if err := w.write(); err != nil {
		return err
	}
	w.off += int64(len(w.buf))
	w.unsynced += int64(len(w.buf))
	if w.unsynced >= snapshotSyncStep {
		// Small steps: one great sync at the end would hold up those of the log.
		if err := w.f.Sync(); err != nil {
			return w.fail("sync snapshot", err)
		}
		w.unsynced = 0
	}
	return nil
}

// Commit makes the snapshot exist, durably, and describes it (zab Z-09). On an
// error there is no snapshot, and nothing is left to be aborted.
func (w *SnapshotWriter) Commit() (SnapshotInfo, error) {
	if w.done {
		return SnapshotInfo{}, ErrClosed
	}
	info, err := w.commit()
	if err != nil {
		return SnapshotInfo{}, errors.Join(err, w.Abort())
	}
	return info, nil
}

func (w *SnapshotWriter) commit() (SnapshotInfo, error) {
	if w.err != nil {
		return SnapshotInfo{}, w.err
	}
	w.hash.Sum(w.info.Hash[:0])
	be := binary.BigEndian
	b := be.AppendUint32(w.buf[:0], snapshotEnd)
	b = be.AppendUint64(b, w.info.Chunks)
	b = be.AppendUint64(b, uint64(w.info.Bytes))
	b = append(b, w.info.Hash[:]...)
	w.buf = be.AppendUint32(b, chunkSum(&w.info, snapshotEnd, b))
	if err := w.put(); err != nil {
		return SnapshotInfo{}, err
	}
	if err := w.f.Sync(); err != nil {
		return SnapshotInfo{}, w.fail("sync snapshot", err)
	}
	if err := w.keep(); err != nil {
		return SnapshotInfo{}, err
	}
	f := w.f
	w.f = nil
	if err := f.Close(); err != nil {
		return SnapshotInfo{}, w.fail("close snapshot", err)
	}
	at := place{w.info.Lineage, w.info.Zxid}
	w.s.mu.Lock()
	delete(w.s.mu.whole, at) // what was read under this name is about to be replaced
	w.s.mu.Unlock()
	name := filepath.Join(w.s.snapDir(), at.name(snapshotSuffix))
	if err := w.s.fs.Rename(w.temp, name); err != nil {
		return SnapshotInfo{}, w.fail("rename snapshot", err)
	}
	if err := w.s.fs.SyncDir(w.s.snapDir()); err != nil {
		// It has its name, but nobody knows for how long: not even a full disk excuses that.
		w.err = w.s.poison("sync snapshot directory", err)
		return SnapshotInfo{}, w.err
	}
	w.done = true
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.info.Lineage == w.s.mu.lineage {
		w.s.mu.newest = max(w.s.mu.newest, w.info.Zxid)
	}
	return w.info, nil
}

// Abort gives the snapshot up and removes what was written of it. It does nothing
// after Commit. What it cannot remove the next start removes.
func (w *SnapshotWriter) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	w.s.space.Lock()
	w.s.beside.CompareAndSwap(w, nil)
	w.s.space.Unlock()
	var err error
	if w.f != nil {
		err = w.f.Close()
		w.f = nil
	}
	if w.s.usable() != nil {
		return err // after a fatal error nothing is touched any more
	}
	return errors.Join(err, w.s.fs.Remove(w.temp))
}
