package tree

const (
	segmentSlots = 1024 // of 8 bytes
	depthMax     = 20   // bits of the hash that may choose the segment
)

// slot is one entry of the index. The hash saves looking at the record of
// another znode, and lets a segment be split without reading any.
type slot struct {
	hash uint32
	ref  Ref // None: empty
}

// segment is an open-addressing table of its own. All its hashes agree in their
// upper depth bits.
type segment struct {
	slots []slot // a power of two
	used  int
	depth uint8
}

// index maps the hash of a path to znodes (extendible hashing): the upper bits
// choose a segment, the lower ones a slot in it. A full segment is split in two,
// so growing never touches more than one of them. Two znodes may share a hash;
// callers compare.
type index struct {
	directory []*segment // 1 << depth
	depth     uint8
	segments  int
	slots     int
}

func newIndex() index {
	return index{directory: []*segment{{slots: make([]slot, segmentSlots)}}, segments: 1, slots: segmentSlots}
}

func (x *index) segment(hash uint32) *segment { return x.directory[hash>>(32-x.depth)] }

// insert adds ref under hash.
func (x *index) insert(hash uint32, ref Ref) {
	s := x.segment(hash)
	for s.used >= len(s.slots)/4*3 {
		if s.depth < depthMax {
			x.split(hash, s)
			s = x.segment(hash)
			continue
		}
		x.slots += len(s.slots)
		s.resize(2 * len(s.slots))
	}
	s.insert(slot{hash, ref})
}

func (s *segment) insert(e slot) {
	mask := uint32(len(s.slots) - 1)
	i := e.hash & mask
	for s.slots[i].ref != None {
		i = (i + 1) & mask
	}
	s.slots[i] = e
	s.used++
}

// resize is for hashes that cannot be told apart by splitting.
func (s *segment) resize(n int) {
	old := s.slots
	s.slots, s.used = make([]slot, n), 0
	for _, e := range old {
		if e.ref != None {
			s.insert(e)
		}
	}
}

// split divides the segment of hash by the next bit.
func (x *index) split(hash uint32, s *segment) {
	if s.depth == x.depth {
		x.depth++
		doubled := make([]*segment, 1<<x.depth)
		for i := range doubled {
			doubled[i] = x.directory[i/2]
		}
		x.directory = doubled
	}
	halves := [2]*segment{}
	for i := range halves {
		halves[i] = &segment{slots: make([]slot, segmentSlots), depth: s.depth + 1}
	}
	bit := 31 - s.depth
	for _, e := range s.slots {
		if e.ref != None {
			halves[e.hash>>bit&1].insert(e)
		}
	}
	span := 1 << (x.depth - s.depth) // directory entries that lead to s
	first := int(hash>>(32-x.depth)) &^ (span - 1)
	for i := range span {
		x.directory[first+i] = halves[i/(span/2)]
	}
	x.segments++
	x.slots += segmentSlots
}

// remove takes ref out and closes the gap, so that no tombstones gather.
func (x *index) remove(hash uint32, ref Ref) {
	s := x.segment(hash)
	mask := uint32(len(s.slots) - 1)
	i := hash & mask
	for s.slots[i].ref != ref {
		if s.slots[i].ref == None {
			panic("tree: znode is not in the index")
		}
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; s.slots[j].ref != None; j = (j + 1) & mask {
		home := s.slots[j].hash & mask
		if (j-home)&mask >= (j-i)&mask { // i lies between home and j
			s.slots[i] = s.slots[j]
			i = j
		}
	}
	s.slots[i] = slot{}
	s.used--
}
