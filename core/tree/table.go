package tree

import (
	"slices"
	"unsafe"
)

const (
	pageBits = 8
	pageSize = 1 << pageBits // records
	pageMask = pageSize - 1
)

// linked is a record that can stand in a table's list of free slots.
type linked[T any] interface {
	*T
	next() uint32
	setNext(uint32)
}

// table keeps records of one kind in pages. Slot 0 stands for none. Records are
// read through get and written through mut, which first copies a page that an
// open view sees; so a pointer from get is stale after a mut of the same page.
type table[T any, P linked[T]] struct {
	pages []*[pageSize]T
	born  []uint64 // epoch in which the page was made; nil in a view
	top   uint32   // first slot that was never used
	free  uint32   // list of freed slots
	live  int
}

func (t *table[T, P]) get(i uint32) *T { return &t.pages[i>>pageBits][i&pageMask] }

func (t *table[T, P]) mut(c *epochs, i uint32) *T {
	p := i >> pageBits
	if t.born[p] <= c.newest {
		t.detach(c, p)
	}
	return &t.pages[p][i&pageMask]
}

// detach gives the tree a page of its own, unless the views that see the page
// were closed meanwhile.
func (t *table[T, P]) detach(c *epochs, p uint32) {
	c.poll()
	if t.born[p] > c.newest {
		return
	}
	page := *t.pages[p]
	t.pages[p] = &page
	t.born[p] = c.now
}

// alloc returns a zeroed slot.
func (t *table[T, P]) alloc(c *epochs) uint32 {
	t.live++
	if i := t.free; i != 0 {
		rec := P(t.mut(c, i))
		t.free = rec.next()
		rec.setNext(0)
		return i
	}
	t.top = max(t.top, 1)
	i := t.top
	if i == ^uint32(0) {
		panic("tree: no slots left: 4,294,967,294 records")
	}
	if int(i>>pageBits) == len(t.pages) {
		t.pages = append(t.pages, new([pageSize]T))
		t.born = append(t.born, c.now)
	}
	t.top++
	return i
}

// release zeroes the slot and makes it free for the next alloc.
func (t *table[T, P]) release(c *epochs, i uint32) {
	var zero T
	rec := t.mut(c, i)
	*rec = zero
	P(rec).setNext(t.free)
	t.free = i
	t.live--
}

// frozen is the table as a view keeps it.
func (t *table[T, P]) frozen() table[T, P] {
	return table[T, P]{pages: slices.Clone(t.pages), top: t.top, live: t.live}
}

// epochs tells which pages an open view may see: those born at or before newest.
type epochs struct {
	now    uint64 // counts views; starts at 1
	newest uint64 // epoch of the newest open view, 0 if none is open
	views  []*View
}

// poll forgets the views that were closed.
func (c *epochs) poll() {
	if len(c.views) == 0 {
		return
	}
	c.views = slices.DeleteFunc(c.views, func(v *View) bool { return v.closed.Load() })
	c.newest = 0
	for _, v := range c.views {
		c.newest = max(c.newest, v.epoch)
	}
}

// open reports whether some view is still in use.
func (c *epochs) open() bool {
	if len(c.views) == 0 {
		return false
	}
	c.poll()
	return len(c.views) > 0
}

func (t *table[T, P]) bytes() int64 {
	var rec T
	return int64(len(t.pages)) * pageSize * int64(unsafe.Sizeof(rec))
}
