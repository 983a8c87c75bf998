package wire

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/zensus-io/zensus/core"
)

// RecordKind says what a log record carries.
type RecordKind uint8

const (
	// RecordTxn carries a transaction.
	RecordTxn RecordKind = 1
	// RecordEpoch marks the beginning of an epoch; its zxid has counter 0 (zab D-3).
	RecordEpoch RecordKind = 2
	// RecordConfig carries a reconfiguration.
	RecordConfig RecordKind = 3
)

// Record is one entry of the replicated log. Its payload is made once, by the
// leader that proposes it, and copied verbatim ever after.
type Record struct {
	Zxid       core.Zxid
	Kind       RecordKind
	Flags      uint8
	CommitHint core.Zxid // the leader's last committed zxid when it proposed this
	Time       int64     // wall time in milliseconds; local, not part of the chain
	PrevChain  uint64    // chain hash up to and including the previous record
	Payload    []byte
	// TreeDigest is the tree's digest at CommitHint, where the leader knew it when
	// it proposed; DigestVersion is 0 where it did not.
	DigestVersion uint32
	TreeDigest    uint64
}

// RecordHeadBytes is the size of a record without its payload, as storage lays
// it out: the fields above, fixed width, in order, and the payload's length.
const RecordHeadBytes = 8 + 1 + 1 + 8 + 8 + 8 + 4 + 8 + 4

// Chain is the chain hash after r: equal hashes at equal zxids mean equal
// histories (zab D-2). Epoch markers leave it unchanged. It is SHA-256 over the
// previous hash, the zxid and the payload, cut to 64 bits.
func (r *Record) Chain() uint64 {
	if r.Kind == RecordEpoch {
		return r.PrevChain
	}
	return ChainHash(r.PrevChain, r.Zxid, r.Payload)
}

// ChainHash is the hash of a chain that goes on with payload at zxid.
func ChainHash(prev uint64, zxid core.Zxid, payload []byte) uint64 {
	var stack [512]byte
	b := binary.BigEndian.AppendUint64(stack[:0], prev)
	b = binary.BigEndian.AppendUint64(b, uint64(zxid))
	if len(payload) <= len(stack)-16 {
		sum := sha256.Sum256(append(b, payload...))
		return binary.BigEndian.Uint64(sum[:])
	}
	h := sha256.New()
	h.Write(b)
	h.Write(payload)
	var sum [sha256.Size]byte
	return binary.BigEndian.Uint64(h.Sum(sum[:0]))
}

// Append appends the record as storage and peers lay it out.
func (r *Record) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Zxid))
	dst = append(dst, byte(r.Kind), r.Flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.CommitHint))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Time))
	dst = binary.BigEndian.AppendUint64(dst, r.PrevChain)
	dst = binary.BigEndian.AppendUint32(dst, r.DigestVersion)
	dst = binary.BigEndian.AppendUint64(dst, r.TreeDigest)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.Payload)))
	return append(dst, r.Payload...)
}

// DecodeRecord reads one record. The payload aliases the input.
func DecodeRecord(r *Reader) Record {
	rec := Record{
		Zxid: core.Zxid(r.Long()), Kind: RecordKind(r.Byte()), Flags: r.Byte(),
		CommitHint: core.Zxid(r.Long()), Time: r.Long(), PrevChain: uint64(r.Long()),
		DigestVersion: uint32(r.Int()), TreeDigest: uint64(r.Long()), Payload: r.Bytes(),
	}
	if r.Err() == nil && (rec.Payload == nil || rec.Kind < RecordTxn || rec.Kind > RecordConfig) {
		r.Fail()
	}
	if r.Err() != nil {
		return Record{}
	}
	return rec
}
