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
	lean  bool // see Config
	mu    sync.RWMutex
	nodes map[string]*Node
	// leaves are the ephemeral znodes of a lean picture, which are not among nodes.
	leaves map[string]leaf
	kids   map[string]*family
	kin    map[string]kinship // of nodes whose children are newer than they
}

// leaf is what a lean picture keeps of an ephemeral znode, which never has children.
type leaf struct {
	czxid, mzxid core.Zxid
	owner        core.SessionID
	version      int32
}

func (l leaf) node(path string) *Node {
	return &Node{Path: path, Stat: core.Stat{Czxid: l.czxid, Mzxid: l.mzxid, Pzxid: l.czxid, EphemeralOwner: l.owner, Version: l.version}}
}

// family is the children of one path. A child may be known before its parent.
type family struct {
	names  map[string]struct{}
	sorted atomic.Pointer[[]string] // made when first asked for, dropped on change
}

func (p *picture) init(lean bool) {
	p.lean = lean
	p.nodes = make(map[string]*Node)
	p.leaves = make(map[string]leaf)
	p.kids = make(map[string]*family)
	p.kin = make(map[string]kinship)
}

func (p *picture) get(path string) (*Node, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	n := p.lookupLocked(path)
	return n, n != nil
}

func (p *picture) lookupLocked(path string) *Node {
	if n := p.nodes[path]; n != nil || !p.lean {
		return n
	}
	if l, ok := p.leaves[path]; ok {
		return l.node(path)
	}
	return nil
}

func (p *picture) freshest(path string) (*Node, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	n := p.lookupLocked(path)
	if k, newer := p.kin[path]; newer {
		n = &Node{Path: path, Data: n.Data, Stat: k.st}
	}
	return n, n != nil
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
	old := p.lookupLocked(path)
	delete(p.kin, path)
	switch {
	case p.lean:
		p.putLeanLocked(path, n)
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

// putLeanLocked keeps of n what a lean picture does.
func (p *picture) putLeanLocked(path string, n *Node) {
	delete(p.nodes, path) // it may have been of the other kind
	delete(p.leaves, path)
	switch {
	case n == nil:
	case n.Stat.EphemeralOwner > 0: // of containers and such it is negative, and they have children
		p.leaves[path] = leaf{n.Stat.Czxid, n.Stat.Mzxid, n.Stat.EphemeralOwner, n.Stat.Version}
	default:
		p.nodes[path] = &Node{Path: n.Path, Stat: n.Stat}
	}
}

// pathsLocked goes through those of all znodes, which may be deleted meanwhile.
func (p *picture) pathsLocked(yield func(path string) bool) {
	for path := range p.nodes {
		if !yield(path) {
			return
		}
	}
	for path := range p.leaves {
		if !yield(path) {
			return
		}
	}
}

// kinship is what is known of the children of a znode after its Node was told.
type kinship struct {
	st core.Stat
	// covers is up to where st was read; children that came and went after that have
	// been counted.
	covers core.Zxid
}

// pzxidLocked is up to where the children of n are known.
func (p *picture) pzxidLocked(n *Node) core.Zxid {
	if k, ok := p.kin[n.Path]; ok {
		return k.st.Pzxid
	}
	return n.Stat.Pzxid
}

// restatLocked notes a Stat of a znode that has not changed itself, which tells of
// later changes of its children.
func (p *picture) restatLocked(path string, st core.Stat) {
	n := p.nodes[path]
	if n == nil || n.Stat.Czxid != st.Czxid || n.Stat.Mzxid != st.Mzxid || n.Stat.Version != st.Version {
		return
	}
	if st.Pzxid > p.pzxidLocked(n) {
		p.kin[path] = kinship{st, st.Pzxid}
	}
}

// countLocked counts a child that came (+1) or went (-1) at zxid z.
func (p *picture) countLocked(child string, z core.Zxid, by int32) {
	path := core.ParentPath(child)
	n := p.nodes[path]
	if n == nil {
		return
	}
	k, ok := p.kin[path]
	if !ok {
		k = kinship{n.Stat, n.Stat.Pzxid}
	}
	if z > k.covers {
		k.st.Cversion++
		k.st.NumChildren += by
		k.st.Pzxid = z
		p.kin[path] = k
	}
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
