package vfs

import (
	"io"
	"io/fs"
	"syscall"
)

// memFile is an open file of a Mem.
type memFile struct {
	m        *Mem
	node     *memNode
	name     string
	era      int
	writable bool
	closed   bool
}

func (f *memFile) checkLocked(op string, write bool) error {
	switch {
	case f.era != f.m.mu.era:
		return pathError(op, f.name, ErrCrashed)
	case f.closed:
		return pathError(op, f.name, fs.ErrClosed)
	case write && !f.writable:
		return pathError(op, f.name, syscall.EBADF)
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.checkLocked("read", false); err != nil {
		return 0, err
	}
	c := &f.node.now
	if off >= c.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.size-off))
	c.read(p[:n], off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.checkLocked("write", true); err != nil {
		return 0, err
	}
	var full error
	if end := off + int64(len(p)); f.m.mu.quota >= 0 && end > f.node.now.size {
		room := pagesOf(f.node.now.size)*pageBytes + f.m.freeLocked()/pageBytes*pageBytes
		if end > room {
			p = p[:max(0, min(int64(len(p)), room-off))]
			full = pathError("write", f.name, syscall.ENOSPC)
		}
	}
	f.node.write(p, off)
	return len(p), full
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.checkLocked("sync", false); err != nil {
		return err
	}
	f.node.sync()
	return nil
}

func (f *memFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.checkLocked("truncate", true); err != nil {
		return err
	}
	f.node.truncate(size)
	return nil
}

func (f *memFile) Allocate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.checkLocked("allocate", true); err != nil {
		return err
	}
	if size <= f.node.now.size {
		return nil
	}
	if more := (pagesOf(size) - pagesOf(f.node.now.size)) * pageBytes; more > f.m.freeLocked() {
		return pathError("allocate", f.name, syscall.ENOSPC)
	}
	f.node.truncate(size)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.checkLocked("stat", false); err != nil {
		return 0, err
	}
	return f.node.now.size, nil
}

func (f *memFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.checkLocked("close", false); err != nil {
		return err
	}
	f.closed = true
	return nil
}

// write applies a write and notes it, page by page, as unsynced.
func (n *memNode) write(p []byte, off int64) {
	for len(p) > 0 {
		k := int(min(int64(len(p)), pageBytes-off%pageBytes))
		op := fileOp{off: off, size: off + int64(k), data: append([]byte(nil), p[:k]...)}
		n.writes = append(n.writes, op)
		op.apply(&n.now)
		p, off = p[k:], off+int64(k)
	}
}

func (n *memNode) truncate(size int64) {
	op := fileOp{truncate: true, size: size}
	n.writes = append(n.writes, op)
	op.apply(&n.now)
}

// sync applies what is unsynced to the durable content.
func (n *memNode) sync() {
	for _, op := range n.writes {
		op.apply(&n.durable)
	}
	n.writes = nil
}

func (op fileOp) apply(c *content) {
	if op.truncate {
		c.truncate(op.size)
		return
	}
	c.write(op.data, op.off)
}

func (c *content) read(p []byte, off int64) {
	for len(p) > 0 {
		in := off % pageBytes
		k := int(min(int64(len(p)), pageBytes-in))
		if page := c.pages[off/pageBytes]; page != nil {
			copy(p[:k], page[in:])
		} else {
			clear(p[:k])
		}
		p, off = p[k:], off+int64(k)
	}
}

// write writes within one page. Zeros on a missing page leave it missing, so
// that zero-filled files cost nothing.
func (c *content) write(p []byte, off int64) {
	c.size = max(c.size, off+int64(len(p)))
	page := c.pages[off/pageBytes]
	if page == nil {
		if allZero(p) {
			return
		}
		if c.pages == nil {
			c.pages = map[int64][]byte{}
		}
		page = make([]byte, pageBytes)
		c.pages[off/pageBytes] = page
	}
	copy(page[off%pageBytes:], p)
}

func (c *content) truncate(size int64) {
	if size < c.size {
		for i := range c.pages {
			if i*pageBytes >= size {
				delete(c.pages, i)
			}
		}
		if page := c.pages[size/pageBytes]; page != nil {
			clear(page[size%pageBytes:])
		}
	}
	c.size = size
}

func (c *content) clone() content {
	d := content{size: c.size, pages: make(map[int64][]byte, len(c.pages))}
	for i, page := range c.pages {
		d.pages[i] = append([]byte(nil), page...)
	}
	return d
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
