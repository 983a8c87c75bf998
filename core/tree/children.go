package tree

import "encoding/binary"

const (
	listMin      = 16      // children; shorter lists are encoded anew
	listSlots    = 1024    // lists kept
	listBytesMax = 1 << 20 // of one list that is kept
	listsMax     = 16 << 20
)

// lists keeps encoded lists of children for the next reader: one for all znodes
// whose Refs agree in the lower bits. A list is forgotten when a child comes or
// goes, and not when a counter looks different: counters can repeat.
type lists struct {
	slots []list // made with the first list
	bytes int    // capacity of all
	hand  int    // where to make room next
}

type list struct {
	of   Ref
	text []byte
}

func (l *lists) forget(r Ref) {
	if len(l.slots) == 0 {
		return
	}
	if s := &l.slots[r%listSlots]; s.of == r {
		s.of = None
	}
}

// AppendChildren appends the names of the children of r as the protocol lists
// them: an int32 count, then each name behind its int32 length.
func (t *Tree) AppendChildren(dst []byte, r Ref) []byte {
	if t.NumChildren(r) < listMin {
		return t.space.AppendChildren(dst, r)
	}
	l := &t.lists
	if len(l.slots) == 0 {
		l.slots = make([]list, listSlots)
	}
	s := &l.slots[r%listSlots]
	if s.of == r {
		return append(dst, s.text...)
	}
	start := len(dst)
	dst = t.space.AppendChildren(dst, r)
	if size := len(dst) - start; size <= listBytesMax {
		l.keep(s, r, dst[start:])
	}
	return dst
}

// keep puts text into s and makes room elsewhere if that is too much.
func (l *lists) keep(s *list, r Ref, text []byte) {
	l.bytes -= cap(s.text)
	s.of, s.text = r, append(s.text[:0], text...)
	l.bytes += cap(s.text)
	for l.bytes > listsMax {
		old := &l.slots[l.hand]
		l.hand = (l.hand + 1) % listSlots
		if old != s {
			l.bytes -= cap(old.text)
			*old = list{}
		}
	}
}

// AppendChildren appends the names of the children of r as the protocol lists
// them: an int32 count, then each name behind its int32 length.
func (s *space) AppendChildren(dst []byte, r Ref) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(s.NumChildren(r)))
	for c := s.first(s.node(r)); c != None; {
		n := s.node(c)
		dst = binary.BigEndian.AppendUint32(dst, uint32(n.nameLen()))
		dst = append(dst, s.name(n)...)
		c = n.after
	}
	return dst
}
