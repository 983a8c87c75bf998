package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

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

	// What Seal found; it is not written anywhere.
	sealed bool
	sum    uint32
	chain  uint64
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

// Seal computes the chain hash after r and lets r, and its copies, carry it. What
// enters the hash must not change any more.
func (r *Record) Seal() uint64 {
	r.chain, r.sum, r.sealed = r.Chain(), r.checksum(), true
	return r.chain
}

// CarriedChain is the chain hash after r, as Seal has found it, or computed if r was
// not sealed; what was decoded never is. intact is false if r is not what was sealed.
func (r *Record) CarriedChain() (chain uint64, intact bool) {
	if !r.sealed {
		return r.Chain(), true
	}
	return r.chain, r.sum == r.checksum()
}

// checksum is over all that enters the chain hash. It is to find out mistakes, such
// as memory that was used again too early, for a tenth of the price of the hash.
func (r *Record) checksum() uint32 {
	const odd1, odd2 = 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03
	mix := func(a, b uint64) uint64 {
		hi, lo := bits.Mul64(a^odd1, b^odd2)
		return hi ^ lo
	}
	h := mix(uint64(r.Zxid), r.PrevChain)
	h = mix(h, uint64(r.Kind)<<32|uint64(len(r.Payload)))
	b := r.Payload
	for ; len(b) >= 16; b = b[16:] {
		h = mix(h^binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]))
	}
	var rest [16]byte
	copy(rest[:], b)
	h = mix(h^binary.LittleEndian.Uint64(rest[:]), binary.LittleEndian.Uint64(rest[8:]))
	return uint32(h) ^ uint32(h>>32)
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
