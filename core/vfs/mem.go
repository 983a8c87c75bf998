package vfs

import (
	"io"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

const (
	// pageBytes is the unit in which Mem keeps content.
	pageBytes = 4096
	// sectorBytes is the unit that a power loss keeps or loses as a whole.
	sectorBytes = 512
)

// Mem is a file system in memory that forgets as strictly as a disk may. The
// zero value is not usable; see NewMem.
//
// Each file has durable content and a list of changes since its last Sync; each
// directory has durable entries and a list of changes since its last SyncDir.
// Everybody sees all changes; Crash decides which of the unsynced survive.
type Mem struct {
	mu struct {
		sync.Mutex
		root  *memNode
		nodes []*memNode // every node, in order of creation: what Crash walks
		locks map[string]bool
		era   int   // grows with each crash; files of an older one are dead
		quota int64 // bytes that may be allocated; < 0: no limit
	}
}

// memNode is a file or a directory.
type memNode struct {
	dir bool

	// A file: what everybody sees, what a power loss leaves, what lies between.
	now, durable content
	writes       []fileOp

	// A directory, likewise.
	entries, durableEntries map[string]*memNode
	changes                 []dirOp
}

// content is the bytes of a file. A page that is missing reads as zeros. Pages
// are never changed in place once shared; see write.
type content struct {
	size  int64
	pages map[int64][]byte
}

// fileOp is an unsynced change: a write within one page, or a new size.
type fileOp struct {
	truncate bool
	size     int64 // truncate: the new size; otherwise the end of the write
	off      int64
	data     []byte
}

// dirOp is an unsynced change of a directory: name appears as node and old, if
// any, goes, in one step. A removal has no node.
type dirOp struct {
	name, old string
	node      *memNode
}

// NewMem is an empty file system without a limit of space.
func NewMem() *Mem {
	m := &Mem{}
	m.mu.root = newDir()
	m.mu.nodes = []*memNode{m.mu.root}
	m.mu.locks = map[string]bool{}
	m.mu.quota = -1
	return m
}

func newDir() *memNode {
	return &memNode{dir: true, entries: map[string]*memNode{}, durableEntries: map[string]*memNode{}}
}

// SetQuota bounds the bytes that files may take from now on: writes beyond it
// are short and fail with ENOSPC. A negative quota lifts the bound.
func (m *Mem) SetQuota(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.quota = bytes
}

// Used is the number of bytes that files take, each rounded up to whole pages.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usedLocked()
}

func (m *Mem) usedLocked() int64 {
	var n int64
	m.walkLocked(m.mu.root, "/", func(_ string, node *memNode) {
		if !node.dir {
			n += pagesOf(node.now.size) * pageBytes
		}
	})
	return n
}

func (m *Mem) walkLocked(node *memNode, name string, visit func(string, *memNode)) {
	visit(name, node)
	for _, child := range sortedNames(node.entries) {
		m.walkLocked(node.entries[child], path.Join(name, child), visit)
	}
}

func sortedNames(entries map[string]*memNode) []string {
	names := make([]string, 0, len(entries))
	for n := range entries {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func pagesOf(size int64) int64 { return (size + pageBytes - 1) / pageBytes }

func clean(name string) string { return path.Clean("/" + filepath.ToSlash(name)) }

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// findLocked is the node of that name, or nil.
func (m *Mem) findLocked(name string) *memNode {
	node := m.mu.root
	for _, part := range splitPath(clean(name)) {
		if node == nil || !node.dir {
			return nil
		}
		node = node.entries[part]
	}
	return node
}

func splitPath(name string) []string {
	var parts []string
	for name != "/" {
		parts = append(parts, path.Base(name))
		name = path.Dir(name)
	}
	slices.Reverse(parts)
	return parts
}

func (m *Mem) dirLocked(op, name string) (*memNode, error) {
	d := m.findLocked(name)
	if d == nil {
		return nil, pathError(op, name, fs.ErrNotExist)
	}
	if !d.dir {
		return nil, pathError(op, name, syscall.ENOTDIR)
	}
	return d, nil
}

func (d *memNode) set(op dirOp) {
	d.changes = append(d.changes, op)
	op.apply(d.entries)
}

func (op dirOp) apply(entries map[string]*memNode) {
	if op.old != "" {
		delete(entries, op.old)
	}
	if op.node != nil {
		entries[op.name] = op.node
	} else {
		delete(entries, op.name)
	}
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dirLocked("create", filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	base := path.Base(clean(name))
	node := d.entries[base]
	switch {
	case node == nil:
		node = &memNode{}
		m.mu.nodes = append(m.mu.nodes, node)
		d.set(dirOp{name: base, node: node})
	case node.dir:
		return nil, pathError("create", name, syscall.EISDIR)
	default:
		node.truncate(0)
	}
	return &memFile{m: m, node: node, name: name, era: m.mu.era, writable: true}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// OpenRW implements FS.
func (m *Mem) OpenRW(name string) (File, error) { return m.open(name, true) }

func (m *Mem) open(name string, writable bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.findLocked(name)
	if node == nil {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	if node.dir {
		return nil, pathError("open", name, syscall.EISDIR)
	}
	return &memFile{m: m, node: node, name: name, era: m.mu.era, writable: writable}, nil
}

// Rename implements FS.
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, to := clean(oldName), clean(newName)
	if path.Dir(from) != path.Dir(to) {
		return pathError("rename", oldName, syscall.EXDEV)
	}
	d, err := m.dirLocked("rename", path.Dir(from))
	if err != nil {
		return err
	}
	node := d.entries[path.Base(from)]
	if node == nil {
		return pathError("rename", oldName, fs.ErrNotExist)
	}
	if from != to {
		d.set(dirOp{name: path.Base(to), old: path.Base(from), node: node})
	}
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dirLocked("remove", filepath.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(clean(name))
	node := d.entries[base]
	if node == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	if node.dir && len(node.entries) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	d.set(dirOp{name: base})
	return nil
}

// ReadDir implements FS.
func (m *Mem) ReadDir(name string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dirLocked("readdir", name)
	if err != nil {
		return nil, err
	}
	return sortedNames(d.entries), nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.mu.root
	for _, part := range splitPath(clean(name)) {
		child := node.entries[part]
		if child == nil {
			child = newDir()
			m.mu.nodes = append(m.mu.nodes, child)
			node.set(dirOp{name: part, node: child})
		}
		if !child.dir {
			return pathError("mkdir", name, syscall.ENOTDIR)
		}
		node = child
	}
	return nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dirLocked("syncdir", name)
	if err != nil {
		return err
	}
	d.syncEntries()
	return nil
}

func (d *memNode) syncEntries() {
	for _, op := range d.changes {
		op.apply(d.durableEntries)
	}
	d.changes = nil
}

// Size implements FS.
func (m *Mem) Size(name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.findLocked(name)
	if node == nil || node.dir {
		return 0, pathError("stat", name, fs.ErrNotExist)
	}
	return node.now.size, nil
}

// FreeBytes implements FS.
func (m *Mem) FreeBytes(string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.freeLocked(), nil
}

func (m *Mem) freeLocked() int64 {
	if m.mu.quota < 0 {
		return math.MaxInt64
	}
	return max(0, m.mu.quota-m.usedLocked())
}

// Lock implements FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.dirLocked("lock", filepath.Dir(name)); err != nil {
		return nil, err
	}
	key := clean(name)
	if m.mu.locks[key] {
		return nil, &LockedError{Name: name}
	}
	m.mu.locks[key] = true
	return &memLock{m: m, key: key, era: m.mu.era}, nil
}

type memLock struct {
	m   *Mem
	key string
	era int
}

func (l *memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.era != l.m.mu.era {
		return ErrCrashed
	}
	delete(l.m.mu.locks, l.key)
	return nil
}
