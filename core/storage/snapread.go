package storage

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"runtime"

	"github.com/zensus-io/zensus/core/vfs"
)

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
	if err != nil && (!errors.Is(err, io.EOF) || got < n) {
		if errors.Is(err, io.EOF) {
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
// It lets others go first after each chunk: Purge runs beside those who serve.
func verifySnapshot(fs vfs.FS, dir string, p place) (SnapshotInfo, error) {
	return restoreSnapshot(fs, dir, p, nil)
}

// restoreSnapshot hands a snapshot to whoever restores it, if somebody does, and reads
// it to its end: what it returns is whole.
func restoreSnapshot(fs vfs.FS, dir string, p place, restore func(SnapshotInfo, func() ([]byte, error)) error) (SnapshotInfo, error) {
	r, err := openSnapshot(fs, dir, p)
	if err != nil {
		return SnapshotInfo{}, err
	}
	defer r.Close()
	if restore != nil {
		if err := restore(r.info, r.Next); err != nil {
			return SnapshotInfo{}, err
		}
	}
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			return r.info, nil
		} else if err != nil {
			return SnapshotInfo{}, err
		}
		runtime.Gosched()
	}
}
