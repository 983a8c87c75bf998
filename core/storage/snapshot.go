package storage

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"path/filepath"

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
}

// NewSnapshot begins a snapshot of the committed and durable state at info.Zxid.
// It does not exist before its Commit has returned. Safe to use from another
// goroutine while the owner goes on.
func (s *Store) NewSnapshot(info SnapshotInfo) (*SnapshotWriter, error) {
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
	return s.beginSnapshot(info)
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
	return s.beginSnapshot(info)
}

func (s *Store) beginSnapshot(info SnapshotInfo) (*SnapshotWriter, error) {
	info.Bytes, info.Chunks, info.Hash = 0, 0, [sha256.Size]byte{}
	w := &SnapshotWriter{s: s, info: info, hash: sha256.New()}
	w.temp = filepath.Join(s.snapDir(), place{info.Lineage, info.Zxid}.name(tempSuffix))
	f, err := s.fs.Create(w.temp)
	if err != nil {
		return nil, w.fail("create snapshot", err)
	}
	w.f = f
	w.buf = appendSnapshotHead(w.buf, info)
	return w, w.flush()
}

// fail keeps the first error. Running out of space ends the snapshot only; every
// other error is fatal to the store.
func (w *SnapshotWriter) fail(op string, err error) error {
	if isNoSpace(err) {
		w.err = fmt.Errorf("%w: %s: %w", ErrDiskLow, op, err)
	} else {
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
	if _, err := w.f.WriteAt(w.buf, w.off); err != nil {
		return w.fail("write snapshot", err)
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

// Commit makes the snapshot exist, durably, and describes it (zab Z-09).
func (w *SnapshotWriter) Commit() (SnapshotInfo, error) {
	if w.err != nil {
		return SnapshotInfo{}, w.err
	}
	if w.done {
		return SnapshotInfo{}, ErrClosed
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
	f := w.f
	w.f = nil
	if err := f.Close(); err != nil {
		return SnapshotInfo{}, w.fail("close snapshot", err)
	}
	name := filepath.Join(w.s.snapDir(), place{w.info.Lineage, w.info.Zxid}.name(snapshotSuffix))
	if err := w.s.fs.Rename(w.temp, name); err != nil {
		return SnapshotInfo{}, w.fail("rename snapshot", err)
	}
	if err := w.s.fs.SyncDir(w.s.snapDir()); err != nil {
		return SnapshotInfo{}, w.fail("sync snapshot directory", err)
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
	if w.f != nil {
		if err := w.f.Close(); err != nil {
			return err
		}
		w.f = nil
	}
	return w.s.fs.Remove(w.temp)
}

// SnapshotReader reads a snapshot and checks it on the way.
type SnapshotReader struct {
	f    vfs.File
	info SnapshotInfo // of the header; the sums as far as read
	size int64
	off  int64
	hash hash.Hash
	buf  []byte
	done bool
}

// OpenSnapshot opens a snapshot of the present lineage, or the one that was
// written for an installation. Safe for concurrent use.
func (s *Store) OpenSnapshot(info SnapshotInfo) (*SnapshotReader, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	return openSnapshot(s.fs, s.snapDir(), place{info.Lineage, info.Zxid})
}

func openSnapshot(fs vfs.FS, dir string, p place) (*SnapshotReader, error) {
	f, err := fs.Open(filepath.Join(dir, p.name(snapshotSuffix)))
	if err != nil {
		return nil, err
	}
	r := &SnapshotReader{f: f, hash: sha256.New()}
	if r.size, err = f.Size(); err == nil {
		var b []byte
		if b, err = r.read(snapshotHeadBytes); err == nil {
			r.hash.Write(b)
			r.info, err = decodeSnapshotHead(b)
		}
	}
	if err == nil && (r.info.Lineage != p.lineage || r.info.Zxid != p.zxid) {
		err = fmt.Errorf("%w: header is of snapshot %s", ErrBadSnapshot, place{r.info.Lineage, r.info.Zxid}.name(""))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// read reads n bytes and moves on.
func (r *SnapshotReader) read(n int) ([]byte, error) {
	if r.off+int64(n) > r.size {
		return nil, fmt.Errorf("%w: it ends at byte %d", ErrBadSnapshot, r.size)
	}
	if cap(r.buf) < n {
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	got, err := r.f.ReadAt(b, r.off)
	if err != nil && (err != io.EOF || got < n) {
		if err == io.EOF {
			return nil, fmt.Errorf("%w: it ends at byte %d", ErrBadSnapshot, r.off+int64(got))
		}
		return nil, err
	}
	r.off += int64(n)
	return b, nil
}

// Info is what the header says; Bytes, Chunks and Hash are set once Next has
// returned io.EOF.
func (r *SnapshotReader) Info() SnapshotInfo { return r.info }

// Next returns the next chunk, valid until the next call. io.EOF means that the
// snapshot was read to its end and is whole; until then it may turn out not to be.
// ErrBadSnapshot means that it is damaged.
func (r *SnapshotReader) Next() ([]byte, error) {
	if r.done {
		return nil, io.EOF
	}
	head, err := r.read(4)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head)
	if length == snapshotEnd {
		return nil, r.finish()
	}
	if length == 0 || length > ChunkBytesMax {
		return nil, fmt.Errorf("%w: chunk %d has length %d", ErrBadSnapshot, r.info.Chunks, length)
	}
	r.hash.Write(head)
	b, err := r.read(4 + int(length))
	if err != nil {
		return nil, err
	}
	r.hash.Write(b)
	chunk := b[4:]
	if binary.BigEndian.Uint32(b) != chunkSum(&r.info, r.info.Chunks, chunk) {
		return nil, fmt.Errorf("%w: chunk %d: checksum differs", ErrBadSnapshot, r.info.Chunks)
	}
	r.info.Chunks++
	r.info.Bytes += int64(length)
	return chunk, nil
}

// finish checks the trailer; it returns io.EOF if all is well.
func (r *SnapshotReader) finish() error {
	b, err := r.read(snapshotTrailBytes - 4)
	if err != nil {
		return err
	}
	be := binary.BigEndian
	whole := be.AppendUint32(nil, snapshotEnd)
	whole = append(whole, b[:len(b)-4]...)
	r.hash.Sum(r.info.Hash[:0])
	switch {
	case be.Uint32(b[len(b)-4:]) != chunkSum(&r.info, snapshotEnd, whole):
		return fmt.Errorf("%w: trailer: checksum differs", ErrBadSnapshot)
	case be.Uint64(b) != r.info.Chunks || int64(be.Uint64(b[8:])) != r.info.Bytes:
		return fmt.Errorf("%w: it holds %d chunks, but was written with %d", ErrBadSnapshot, r.info.Chunks, be.Uint64(b))
	case [sha256.Size]byte(b[16:]) != r.info.Hash:
		return fmt.Errorf("%w: hash of the file differs", ErrBadSnapshot)
	case r.off != r.size:
		return fmt.Errorf("%w: bytes follow the trailer", ErrBadSnapshot)
	}
	r.done = true
	return io.EOF
}

// Close releases the file.
func (r *SnapshotReader) Close() error { return r.f.Close() }

// verifySnapshot reads a snapshot to its end. A damaged one gives ErrBadSnapshot.
func verifySnapshot(fs vfs.FS, dir string, p place) (SnapshotInfo, error) {
	r, err := openSnapshot(fs, dir, p)
	if err != nil {
		return SnapshotInfo{}, err
	}
	defer r.Close()
	for {
		if _, err := r.Next(); err == io.EOF {
			return r.info, nil
		} else if err != nil {
			return SnapshotInfo{}, err
		}
	}
}
