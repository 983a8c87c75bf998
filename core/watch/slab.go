package watch

// chunkLen is the number of slots by which a slab grows: it never moves what it
// holds, so that growing costs the same at every size.
const chunkLen = 1024

// slab hands out slots by number and takes them back. Number 0 is never handed
// out, so that it can stand for none.
type slab[T any] struct {
	chunks [][]T
	used   uint32 // slots ever handed out
	free   []uint32
}

// take returns a zero slot.
func (s *slab[T]) take() uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	if int(s.used) == len(s.chunks)*chunkLen {
		s.chunks = append(s.chunks, make([]T, chunkLen))
	}
	s.used++
	return s.used
}

// give takes a slot back and zeroes it.
func (s *slab[T]) give(i uint32) {
	var zero T
	*s.at(i) = zero
	s.free = append(s.free, i)
}

// at is the slot with a number that take has returned.
func (s *slab[T]) at(i uint32) *T { return &s.chunks[(i-1)/chunkLen][(i-1)%chunkLen] }

// live is the number of slots that are out.
func (s *slab[T]) live() int { return int(s.used) - len(s.free) }
