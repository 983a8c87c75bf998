package state

// chunk hands out byte slices for transaction payloads: one allocation serves
// many. What was handed out is never touched again and is freed by the collector
// when nothing refers to its chunk any more.
type chunk struct{ free []byte }

const chunkBytes = 64 << 10

// reserve returns an empty slice with room for n bytes.
func (c *chunk) reserve(n int) []byte {
	if n > chunkBytes/4 {
		return make([]byte, 0, n)
	}
	if len(c.free) < n {
		c.free = make([]byte, chunkBytes)
	}
	return c.free[:0:n]
}

// commit keeps what was written into the slice of the last reserve.
func (c *chunk) commit(b []byte) []byte {
	if cap(b) <= chunkBytes/4 && len(c.free) > 0 && len(b) > 0 && &b[0] == &c.free[0] {
		c.free = c.free[len(b):]
	}
	return b[:len(b):len(b)]
}
