package differential

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/zensus-io/zensus/core/wire"
)

// body builds a request's body and remembers where its lengths stand, so that
// they can be falsified.
type body struct {
	b       []byte
	lengths []int
}

func (b *body) int(v int32) *body  { b.b = wire.AppendInt(b.b, v); return b }
func (b *body) long(v int64) *body { b.b = wire.AppendLong(b.b, v); return b }
func (b *body) bool(v bool) *body  { b.b = wire.AppendBool(b.b, v); return b }

// length appends the length of a string or the count of a vector.
func (b *body) length(n int) *body {
	b.lengths = append(b.lengths, len(b.b))
	return b.int(int32(n))
}

// buffer appends a buffer or string; nil is null.
func (b *body) buffer(v []byte) *body {
	if v == nil {
		return b.length(-1)
	}
	b.length(len(v))
	b.b = append(b.b, v...)
	return b
}

// rawACL is an entry in which strings may be null.
type rawACL struct {
	perms      int32
	scheme, id []byte
}

// acl appends a list; nil is null.
func (b *body) acl(list []rawACL) *body {
	if list == nil {
		return b.length(-1)
	}
	b.length(len(list))
	for _, a := range list {
		b.int(a.perms).buffer(a.scheme).buffer(a.id)
	}
	return b
}

// strings appends a vector; nil is null.
func (b *body) strings(list [][]byte) *body {
	if list == nil {
		return b.length(-1)
	}
	b.length(len(list))
	for _, s := range list {
		b.buffer(s)
	}
	return b
}

// damage makes the body one that a client would not send.
func (b *body) damage(rng *rand.Rand) []byte {
	out := b.b
	switch k := rng.IntN(10); {
	case k < 5 && len(out) > 0: // cut, at every place
		return out[:rng.IntN(len(out))]
	case k < 9 && len(b.lengths) > 0:
		at := b.lengths[rng.IntN(len(b.lengths))]
		was := int32(binary.BigEndian.Uint32(out[at:]))
		lies := []int32{-1, -2, -2147483648, 2147483647, 1 << 20, 1<<21 + 7, 3 << 20, was + 1, was - 1, 0}
		binary.BigEndian.PutUint32(out[at:], uint32(lies[rng.IntN(len(lies))]))
		return out
	case len(out) > 0: // any byte
		out[rng.IntN(len(out))] = byte(rng.IntN(256))
	}
	return out
}
