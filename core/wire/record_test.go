package wire

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
)

func record(payload int) Record {
	p := make([]byte, payload)
	for i := range p {
		p[i] = byte(i * 7)
	}
	return Record{
		Zxid: core.MakeZxid(3, 8), Kind: RecordTxn, CommitHint: core.MakeZxid(3, 7), Time: 1234, PrevChain: 99,
		Payload: p, DigestVersion: 2, TreeDigest: 77,
	}
}

func TestSealedRecordCarriesTheHashThatItHas(t *testing.T) {
	for _, kind := range []RecordKind{RecordTxn, RecordEpoch, RecordConfig} {
		for _, n := range []int{0, 1, 15, 16, 17, 164, 495, 497, 5000} {
			r := record(n)
			r.Kind = kind
			want := r.Chain()
			require.Equal(t, want, r.Seal())
			r.Payload = slices.Clone(r.Payload) // it may be elsewhere
			chain, intact := r.CarriedChain()
			require.True(t, intact)
			require.Equal(t, want, chain)
			require.Equal(t, want, r.Chain())
		}
	}
}

func TestRecordThatIsNotWhatWasSealedIsNotIntact(t *testing.T) {
	for name, change := range map[string]func(*Record){
		"another zxid":           func(r *Record) { r.Zxid++ },
		"another kind":           func(r *Record) { r.Kind = RecordEpoch },
		"another hash before it": func(r *Record) { r.PrevChain ^= 1 },
		"a shorter payload":      func(r *Record) { r.Payload = r.Payload[:len(r.Payload)-1] },
		"a longer payload":       func(r *Record) { r.Payload = append(r.Payload, 0) },
		"no payload":             func(r *Record) { r.Payload = nil },
		"another one's payload":  func(r *Record) { r.Payload = record(200).Payload },
	} {
		r := record(164)
		r.Seal()
		change(&r)
		_, intact := r.CarriedChain()
		require.False(t, intact, name)
	}
	for _, n := range []int{1, 15, 16, 17, 164} {
		r := record(n)
		r.Seal()
		for i := range r.Payload {
			for bit := range 8 {
				r.Payload[i] ^= 1 << bit
				_, intact := r.CarriedChain()
				require.False(t, intact, "bit %d of byte %d of %d", bit, i, n)
				r.Payload[i] ^= 1 << bit
			}
		}
	}
}

// What comes from a disk or from a peer is hashed by whoever reads it.
func TestSealIsNotWrittenAndNotRead(t *testing.T) {
	plain, sealed := record(164), record(164)
	sealed.Seal()
	bytes := sealed.Append(nil)
	require.Equal(t, plain.Append(nil), bytes)
	bytes[len(bytes)-1] ^= 1
	reader := NewReader(bytes)
	got := DecodeRecord(&reader)
	chain, intact := got.CarriedChain()
	require.True(t, intact)
	require.Equal(t, got.Chain(), chain)
	require.NotEqual(t, sealed.Chain(), chain)
}

func BenchmarkSeal(b *testing.B) {
	r := record(164)
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			r.Seal()
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			r.CarriedChain()
		}
	})
	b.Run("hash", func(b *testing.B) {
		for b.Loop() {
			r.Chain()
		}
	})
}
