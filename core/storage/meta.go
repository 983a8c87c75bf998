package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
)

// Meta is the record of what this node has promised and of where its log begins.
// It changes as a whole, with one durable write (zab D-1).
type Meta struct {
	ClusterID [16]byte // zero until the node knows its ensemble
	DataDirID [16]byte // drawn when the directory was made
	Sid       core.PeerID

	AcceptedEpoch, CurrentEpoch core.Epoch

	// The position from which the log goes on: 0 and 0, or that of the snapshot
	// that was installed last. Lineage counts the installations.
	BaseSnapshotZxid core.Zxid
	BaseChain        uint64
	Lineage          uint64

	// DurableHint is a zxid that was durable when the record was written. The
	// store keeps it up itself, lazily; a log that ends before it was damaged.
	DurableHint core.Zxid
	// LogTail is the base of the newest segment, kept up by the store. A log
	// without that segment has lost a file.
	LogTail core.Zxid

	// Voteable: this node may vote and be counted. Open clears it on damage.
	Voteable bool
	// Fresh: nobody has ever written to this directory (zab Z-14).
	Fresh bool
}

const (
	metaFormat    = 1
	metaSlotBytes = 4096 // a slot of its own block: a torn write cannot reach the other
	metaBodyBytes = 8 + 4 + 8 + 16 + 16 + 1 + 4 + 4 + 8 + 8 + 8 + 8 + 8 + 1
)

var metaMagic = [8]byte{'Z', 'N', 'S', 'M', 'E', 'T', 'A', '1'}

const (
	metaFlagVoteable = 1 << iota
	metaFlagFresh
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendMeta appends a slot without its padding.
func appendMeta(dst []byte, seq uint64, m Meta) []byte {
	start := len(dst)
	be := binary.BigEndian
	dst = append(dst, metaMagic[:]...)
	dst = be.AppendUint32(dst, metaFormat)
	dst = be.AppendUint64(dst, seq)
	dst = append(dst, m.ClusterID[:]...)
	dst = append(dst, m.DataDirID[:]...)
	dst = append(dst, byte(m.Sid))
	dst = be.AppendUint32(dst, uint32(m.AcceptedEpoch))
	dst = be.AppendUint32(dst, uint32(m.CurrentEpoch))
	dst = be.AppendUint64(dst, uint64(m.BaseSnapshotZxid))
	dst = be.AppendUint64(dst, m.BaseChain)
	dst = be.AppendUint64(dst, m.Lineage)
	dst = be.AppendUint64(dst, uint64(m.DurableHint))
	dst = be.AppendUint64(dst, uint64(m.LogTail))
	var flags byte
	if m.Voteable {
		flags |= metaFlagVoteable
	}
	if m.Fresh {
		flags |= metaFlagFresh
	}
	dst = append(dst, flags)
	return be.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// decodeMeta reads a slot.
func decodeMeta(b []byte) (seq uint64, m Meta, err error) {
	if len(b) < metaBodyBytes+4 || [8]byte(b) != metaMagic {
		return 0, Meta{}, fmt.Errorf("not a meta record")
	}
	be := binary.BigEndian
	if crc32.Checksum(b[:metaBodyBytes], castagnoli) != be.Uint32(b[metaBodyBytes:]) {
		return 0, Meta{}, fmt.Errorf("checksum differs")
	}
	if v := be.Uint32(b[8:]); v != metaFormat {
		return 0, Meta{}, fmt.Errorf("format %d is not known to this version", v)
	}
	seq = be.Uint64(b[12:])
	copy(m.ClusterID[:], b[20:])
	copy(m.DataDirID[:], b[36:])
	m.Sid = core.PeerID(b[52])
	m.AcceptedEpoch = core.Epoch(be.Uint32(b[53:]))
	m.CurrentEpoch = core.Epoch(be.Uint32(b[57:]))
	m.BaseSnapshotZxid = core.Zxid(be.Uint64(b[61:]))
	m.BaseChain = be.Uint64(b[69:])
	m.Lineage = be.Uint64(b[77:])
	m.DurableHint = core.Zxid(be.Uint64(b[85:]))
	m.LogTail = core.Zxid(be.Uint64(b[93:]))
	m.Voteable = b[101]&metaFlagVoteable != 0
	m.Fresh = b[101]&metaFlagFresh != 0
	return seq, m, nil
}

// metaSlots is what a meta file holds.
type metaSlots struct {
	meta  Meta
	seq   uint64
	valid [2]bool
	alike bool // both slots say the same
	why   [2]error
}

// readMeta reads both slots. Only I/O errors are errors.
func readMeta(f vfs.File) (metaSlots, error) {
	var s metaSlots
	var both [2]Meta
	var seqs [2]uint64
	for i := range s.valid {
		b := make([]byte, metaSlotBytes)
		n, err := f.ReadAt(b, int64(i)*metaSlotBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return s, err
		}
		seqs[i], both[i], s.why[i] = decodeMeta(b[:n])
		s.valid[i] = s.why[i] == nil
		if s.valid[i] && (i == 0 || !s.valid[0] || seqs[1] > seqs[0]) {
			s.meta, s.seq = both[i], seqs[i]
		}
	}
	s.alike = s.valid[0] && s.valid[1] && both[0] == both[1]
	return s, nil
}

// writeMetaSlots writes m to both slots, one after the other, each durable before
// the next is touched. So whatever WriteMeta has returned for is there twice: a
// torn write leaves the other slot, and one that rots later does not bring back
// an older promise.
func writeMetaSlots(f vfs.File, seq uint64, m Meta) error {
	for i := range uint64(2) {
		slot := make([]byte, metaSlotBytes)
		appendMeta(slot[:0], seq+i, m)
		if _, err := f.WriteAt(slot, int64((seq+i)%2)*metaSlotBytes); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// createMeta makes the meta file of a new directory; its rename is the birth.
func createMeta(fs vfs.FS, dir string, m Meta) error {
	temp := filepath.Join(dir, metaName+tempSuffix)
	f, err := fs.Create(temp)
	if err != nil {
		return err
	}
	if err := writeMetaSlots(f, 2, m); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := fs.Rename(temp, filepath.Join(dir, metaName)); err != nil {
		return err
	}
	return fs.SyncDir(dir)
}

// Meta is the record as it was last written.
func (s *Store) Meta() Meta { return s.meta }

// WriteMeta replaces the meta record; it is durable on return. The fields that
// are the store's own (DataDirID, BaseSnapshotZxid, BaseChain, Lineage,
// DurableHint, LogTail) keep their values whatever m says. Epochs never go back.
func (s *Store) WriteMeta(m Meta) error {
	if err := s.usable(); err != nil {
		return err
	}
	if m.AcceptedEpoch < s.meta.AcceptedEpoch || m.CurrentEpoch < s.meta.CurrentEpoch {
		return fmt.Errorf("storage: write meta: epochs (%d, %d) are behind (%d, %d)",
			m.AcceptedEpoch, m.CurrentEpoch, s.meta.AcceptedEpoch, s.meta.CurrentEpoch)
	}
	m.DataDirID = s.meta.DataDirID
	m.BaseSnapshotZxid, m.BaseChain, m.Lineage = s.meta.BaseSnapshotZxid, s.meta.BaseChain, s.meta.Lineage
	m.DurableHint, m.LogTail = s.hint()
	return s.putMeta(m)
}

// hint is the DurableHint and LogTail to write now. While damage is unrepaired the
// old ones stay: they are part of the evidence.
func (s *Store) hint() (durable, tail core.Zxid) {
	if s.damaged || s.active == nil {
		return s.meta.DurableHint, s.meta.LogTail
	}
	return s.durable.zxid, s.active.zxid
}

func (s *Store) putMeta(m Meta) error {
	if m == s.meta {
		return nil
	}
	if err := writeMetaSlots(s.metaFile, s.metaSeq+1, m); err != nil {
		return s.poison("write meta", err)
	}
	s.metaSeq += 2
	s.meta = m
	s.batchesSinceHint = 0
	return nil
}
