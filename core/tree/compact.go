package tree

const (
	garbageMin  = 1 << 20 // bytes; less is left alone
	sweepMin    = 4 << 20 // living bytes that one sweep may move at least
	unitRecords = 128     // records that cost one unit to look at
	unitMoves   = 8       // blocks that cost one unit to move
	unitBytes   = 8 << 10 // bytes that cost one unit to copy
)

// sweep is one pass over all znodes that moves the blocks of the chosen chunks
// elsewhere. At its end these chunks are empty, and given back.
type sweep struct {
	on     bool
	cursor uint32 // next znode
	debt   int    // cost that was not charged yet, in 1/unitRecords of a unit
}

// Maintain does up to budget units of upkeep, a unit being about a microsecond,
// and reports whether there is more to do. It gives back the arena's garbage once
// that is a quarter of the arena. While a view is open there is nothing to gain:
// the view holds on to the chunks.
//
// Call it often, with a budget of 100 or less between requests and more when idle.
func (t *Tree) Maintain(budget int) (more bool) {
	if t.epochs.open() {
		return false
	}
	w := &t.sweep
	if !w.on && !t.chooseVictims() {
		return false
	}
	for w.cursor < t.nodes.top {
		if budget <= 0 {
			return true
		}
		w.debt++
		r := Ref(w.cursor)
		w.cursor++
		// A free record has no block.
		if b := t.node(r).block; b != 0 && t.chunks[b.chunk()].victim {
			size := t.move(r)
			w.debt += unitRecords/unitMoves + size*unitRecords/unitBytes
		}
		if w.debt >= unitRecords {
			budget -= w.debt / unitRecords
			w.debt %= unitRecords
		}
	}
	w.on = false
	return t.chooseVictims()
}

// wasteful reports whether a sweep is worth its while.
func (t *Tree) wasteful() bool {
	garbage := t.arena.used - t.arena.live
	return garbage >= garbageMin && garbage >= t.arena.used/4
}

// chooseVictims begins a sweep: it picks the emptiest chunks, as many as can be
// emptied by moving an eighth of the arena, for the copies need room first.
func (t *Tree) chooseVictims() bool {
	if !t.wasteful() {
		return false
	}
	room := max(sweepMin, int(t.arena.live/8))
	chosen := false
	for quarters := 1; quarters <= 3 && room > 0; quarters++ {
		for id, c := range t.chunks {
			if c == nil || c.victim || uint32(id) == t.arena.current || c.live*4 > c.used*quarters {
				continue
			}
			c.victim = true
			chosen = true
			room -= c.live
			if room <= 0 {
				break
			}
		}
	}
	if chosen {
		t.sweep = sweep{on: true, cursor: uint32(Root)}
	}
	return chosen
}

// move copies the block of r to a chunk that stays, and returns its size.
func (t *Tree) move(r Ref) int {
	n := t.mutNode(r)
	size := n.nameLen() + n.dataBytes()
	b := t.allocBlock(size)
	copy(t.chunks.bytes(b), t.chunks.bytes(n.block)[:size])
	t.freeBlock(n.block)
	n.block = b
	return size
}
