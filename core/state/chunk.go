package state

// chunk hands out byte slices for transaction payloads: one allocation serves
// many. What was handed out is never touched again and is freed by the collector
// when nothing refers to its chunk any more.
type chunk struct {
	free     []byte
	reserved int // of free, by the reserve that is not committed yet; 0 for a slice of its own
}

const chunkBytes = 64 << 10

// reserve returns an empty slice with room for n bytes.
func (c *chunk) reserve(n int) []byte {
	c.reserved = 0
	if n > chunkBytes/4 {
		return make([]byte, 0, n)
	}
	if len(c.free) < n {
		c.free = make([]byte, chunkBytes)
	}
	c.reserved = n
	return c.free[:0:n]
}

// commit keeps what was written into the slice of the last reserve. If that was
// outgrown, b is elsewhere, and the room that was reserved is given up: names may
// still point to what was written there.
func (c *chunk) commit(b []byte) []byte {
	if c.reserved > 0 {
		used := c.reserved
		if len(b) > 0 && &b[0] == &c.free[0] {
			used = len(b)
		}
		c.free = c.free[used:]
		c.reserved = 0
	}
	return b[:len(b):len(b)]
}
