package tree

import "math/bits"

const (
	chunkMin     = 16 << 10 // bytes; chunks grow with the arena
	chunkMax     = 1 << 20
	sharedMax    = 64 << 10 // a larger block has a chunk of its own
	ownClass     = 255      // class of such a block: its capacity is the chunk's
	pooledChunks = 4        // empty chunks kept for the next need
)

// block names the bytes of one znode in the arena: its chunk, the offset in units
// of 8 bytes, and the class of its capacity. Zero is no block. With 32 bits for
// the chunk there is no bound on the arena but memory.
type block uint64

func makeBlock(chunk uint32, offset int, class uint8) block {
	return block(chunk)<<32 | block(offset/8)<<8 | block(class)
}

func (b block) chunk() uint32 { return uint32(b >> 32) }
func (b block) offset() int   { return int(b>>8&0xffffff) * 8 }
func (b block) class() uint8  { return uint8(b) }

// chunk is a piece of the arena. Blocks are cut from it one after the other and
// never given back singly: what was freed is garbage until the whole chunk is.
type chunk struct {
	buf    []byte
	used   int  // bytes cut so far
	live   int  // bytes of blocks in use
	victim bool // being emptied
}

// chunks is what a view needs of the arena.
type chunks []*chunk

// bytes is the whole capacity of a block.
func (c chunks) bytes(b block) []byte {
	if b == 0 {
		return nil
	}
	buf := c[b.chunk()].buf
	if b.class() == ownClass {
		return buf
	}
	off := b.offset()
	return buf[off : off+classBytes(b.class())]
}

// classOf is the smallest class that holds size bytes, 1 <= size <= sharedMax:
// steps of 8 bytes up to 128, then eight steps for each doubling.
func classOf(size int) uint8 {
	if size <= 128 {
		return uint8((size + 7) / 8)
	}
	shift := bits.Len(uint(size-1)) - 4 // the top four bits count the step
	return uint8(16 + (shift-4)*8 + ((size-1)>>shift - 7))
}

// classBytes is the capacity of a class.
func classBytes(class uint8) int {
	if class <= 16 {
		return int(class) * 8
	}
	step := int(class) - 17
	return (9 + step%8) << (4 + step/8)
}

// arena hands out blocks.
type arena struct {
	current  uint32   // chunk from which blocks are cut
	freeIDs  []uint32 // numbers of chunks that were given back
	pool     [][]byte // their bytes, of chunkMax each
	used     int64    // bytes cut from all chunks, and tails that were too short
	live     int64
	released int64 // bytes given back since the start
}

// allocBlock returns a block of at least size bytes with undefined content.
func (t *Tree) allocBlock(size int) block {
	if size == 0 {
		return 0
	}
	a := &t.arena
	if size > sharedMax {
		id := t.addChunk(make([]byte, size))
		c := t.chunks[id]
		c.used, c.live = size, size
		a.used += int64(size)
		a.live += int64(size)
		return makeBlock(id, 0, ownClass)
	}
	class := classOf(size)
	size = classBytes(class)
	if len(t.chunks) == 0 || t.chunks[a.current].used+size > len(t.chunks[a.current].buf) {
		t.nextChunk(size)
	}
	c := t.chunks[a.current]
	b := makeBlock(a.current, c.used, class)
	c.used += size
	c.live += size
	a.used += int64(size)
	a.live += int64(size)
	return b
}

// nextChunk makes a fresh chunk the current one.
func (t *Tree) nextChunk(need int) {
	a := &t.arena
	if len(t.chunks) > 0 {
		old := t.chunks[a.current]
		a.used += int64(len(old.buf) - old.used)
		old.used = len(old.buf)
		if old.live == 0 {
			t.dropChunk(a.current)
		}
	}
	size := chunkMin
	for size < need || int64(size)*8 < a.used && size < chunkMax {
		size *= 2
	}
	var buf []byte
	if n := len(a.pool); n > 0 && size == chunkMax {
		buf, a.pool = a.pool[n-1], a.pool[:n-1]
	} else {
		buf = make([]byte, size)
	}
	a.current = t.addChunk(buf)
}

func (t *Tree) addChunk(buf []byte) uint32 {
	a := &t.arena
	c := &chunk{buf: buf}
	if n := len(a.freeIDs); n > 0 {
		id := a.freeIDs[n-1]
		a.freeIDs = a.freeIDs[:n-1]
		t.chunks[id] = c
		return id
	}
	t.chunks = append(t.chunks, c)
	return uint32(len(t.chunks) - 1)
}

// freeBlock turns a block into garbage.
func (t *Tree) freeBlock(b block) {
	if b == 0 {
		return
	}
	size := len(t.chunks.bytes(b))
	c := t.chunks[b.chunk()]
	c.live -= size
	t.arena.live -= int64(size)
	if c.live == 0 && (b.chunk() != t.arena.current || b.class() == ownClass) {
		t.dropChunk(b.chunk())
	}
}

// dropChunk gives back a chunk without a living block. A view that still reads
// it holds it by its own pointer, so its bytes are only reused if there is none.
func (t *Tree) dropChunk(id uint32) {
	a := &t.arena
	c := t.chunks[id]
	a.used -= int64(c.used)
	a.released += int64(c.used)
	if len(c.buf) == chunkMax && len(a.pool) < pooledChunks && !t.epochs.open() {
		a.pool = append(a.pool, c.buf)
	}
	t.chunks[id] = nil
	a.freeIDs = append(a.freeIDs, id)
}
