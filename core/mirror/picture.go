package mirror

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/zensus-io/zensus/core"
)

// picture is the znodes by path, and the names of each one's children. Only the
// Run goroutine changes it.
type picture struct {
	mu    sync.RWMutex
	nodes map[string]*Node
	kids  map[string]*family
}

// family is the children of one path. A child may be known before its parent.
type family struct {
	names  map[string]struct{}
	sorted atomic.Pointer[[]string] // made when first asked for, dropped on change
}

func (p *picture) init() {
	p.nodes = make(map[string]*Node)
	p.kids = make(map[string]*family)
}

func (p *picture) get(path string) (*Node, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	n, ok := p.nodes[path]
	return n, ok
}

func (p *picture) children(path string) []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	f := p.kids[path]
	if f == nil {
		return nil
	}
	if s := f.sorted.Load(); s != nil {
		return *s
	}
	names := make([]string, 0, len(f.names))
	for name := range f.names {
		names = append(names, name)
	}
	slices.Sort(names)
	f.sorted.Store(&names)
	return names
}

// putLocked makes n what path holds, or nothing if n is nil, and returns what it held.
func (p *picture) putLocked(path string, n *Node) *Node {
	old := p.nodes[path]
	switch {
	case n != nil:
		p.nodes[path] = n
		if old == nil {
			p.linkLocked(path)
		}
	case old != nil:
		delete(p.nodes, path)
		p.unlinkLocked(path)
	}
	return old
}

func (p *picture) linkLocked(path string) {
	parent := core.ParentPath(path)
	if parent == "" {
		return
	}
	f := p.kids[parent]
	if f == nil {
		f = &family{names: make(map[string]struct{})}
		p.kids[parent] = f
	}
	f.names[core.BaseName(path)] = struct{}{}
	f.sorted.Store(nil)
}

func (p *picture) unlinkLocked(path string) {
	parent := core.ParentPath(path)
	f := p.kids[parent]
	if f == nil {
		return
	}
	delete(f.names, core.BaseName(path))
	f.sorted.Store(nil)
	if len(f.names) == 0 {
		delete(p.kids, parent)
	}
}
