package catalog

import (
	"bytes"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/store"
)

// Lists are kept for so many filters of one service: for viewsFew however large they are,
// else each who asks would have a large one made anew; and for no more than viewsMax, as
// long as they take no more than viewBytesMax, in bytes of JSON. Of those beyond that it is
// known what they showed. Protocols keep some forms of each besides. The list of all
// instances does not count.
const (
	viewsFew     = 4
	viewsMax     = 32
	viewBytesMax = 4 << 20
)

// unknownAge is how old a list of an unknown service pretends to be: newer than
// what a client kept from another server's life, older than the service's first
// real list even if this node's clock is ahead.
const unknownAge = 10 * time.Second

// View is the list of a service under one filter. It never changes.
type View struct {
	Key registry.ServiceKey
	// LastRefTime rises whenever the list changes, and whenever the tree may have shown
	// another one meanwhile: a client that saw that one at another node has its number.
	LastRefTime int64
	// Protected says that the protect threshold lets all instances through.
	Protected bool
	// Instances are what the list holds. Callers must not modify them.
	Instances []registry.Instance
	// Known says that the service exists.
	Known bool
	// Total is how many instances the service has, whatever the filter.
	Total int
	// Ahead says that the list shows what clients of this node want and the tree does
	// not have yet.
	Ahead bool

	// CacheMillis is how long clients may rest on the list.
	CacheMillis int64

	gen   uint64
	since int64  // LastRefTime of the first of the views in a row that show the same
	tree  int64  // the service's number in the tree, 0 without one
	hosts []byte // Instances as a JSON array of the catalog's Form; nil in an outline
	sum   uint64 // of hosts
	memo  *memo
}

// Shown is what a View shows, in short: who keeps that of many keeps no lists.
type Shown struct {
	since     int64
	protected bool
	sum       uint64
}

// sums are compared within this process only.
var sums = maphash.MakeSeed()

// memo keeps what protocols made of a list.
type memo struct {
	mu   sync.Mutex
	made map[string][]byte
}

// memoMax bounds the forms kept of one list.
const memoMax = 4

// Memo returns what was made of the list under this name, or makes it. It is for
// forms that many callers want; they must not modify it.
func (v *View) Memo(name string, form func() []byte) []byte {
	if v.memo == nil {
		return form()
	}
	v.memo.mu.Lock()
	defer v.memo.mu.Unlock()
	if b, ok := v.memo.made[name]; ok {
		return b
	}
	b := form()
	if v.memo.made == nil || len(v.memo.made) >= memoMax {
		v.memo.made = make(map[string][]byte, 1)
	}
	v.memo.made[name] = b
	return b
}

// SameHosts reports whether both views show the same instances.
func (v *View) SameHosts(o *View) bool {
	return v == o || o != nil && v.Protected == o.Protected && bytes.Equal(v.hosts, o.hosts)
}

// Shown is equal for two views under the same filter if this node has shown nothing else
// between them: who has the older one needs not be told of the newer.
func (v *View) Shown() Shown { return Shown{v.since, v.Protected, v.sum} }

// Lookup returns the list of a service under a filter. An unknown service has an
// empty one.
func (c *Catalog) Lookup(k registry.ServiceKey, f registry.Filter) *View {
	name := filterName(f)
	c.mu.RLock()
	if s := c.mu.services[k]; s != nil {
		if v := s.views[name]; v.current(s) {
			c.mu.RUnlock()
			return v
		}
	} else {
		defer c.mu.RUnlock()
		return c.unknownLocked(k)
	}
	c.mu.RUnlock()

	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.mu.services[k]
	if s == nil {
		return c.unknownLocked(k)
	}
	return s.view(name, f, c.mu.cache, c.form)
}

// unknownLocked is the list of a service that is not there.
func (c *Catalog) unknownLocked(k registry.ServiceKey) *View {
	return &View{Key: k, LastRefTime: time.Now().Add(-unknownAge).UnixMilli(), CacheMillis: c.mu.cache, hosts: []byte("[]")}
}

// current reports whether a view is there, and shows a service as it is now.
func (v *View) current(s *service) bool { return v != nil && v.gen == s.gen && v.hosts != nil }

// outline is what is kept of a view instead of its list: enough to tell whether the next one
// shows the same.
func (v *View) outline() *View {
	return &View{Protected: v.Protected, LastRefTime: v.LastRefTime, Known: v.Known, since: v.since, tree: v.tree, sum: v.sum}
}

// view is made anew only if something changed, or it was not kept, and keeps its number if
// what changed is this node's own and does not show.
func (s *service) view(name string, f registry.Filter, cacheMillis int64, form Form) *View {
	old := s.views[name]
	if old.current(s) {
		return old
	}
	all := s.instances()
	sel := f.Select(&s.value, all)
	v := &View{Key: s.key, LastRefTime: s.ref, Protected: sel.Protected, Instances: sel.Hosts, Known: s.exists, Total: len(all), Ahead: len(s.overlays) > 0, CacheMillis: cacheMillis, gen: s.gen, since: s.ref}
	if s.exists {
		v.tree = store.Revision(s.stat)
	}
	v.hosts = s.encode(sel, form)
	v.sum = maphash.Bytes(sums, v.hosts)
	v.memo = new(memo)
	if old != nil && v.sum == old.sum && v.Protected == old.Protected {
		v.since = old.since
		same := v.Known == old.Known && v.tree == old.tree
		if same {
			v.LastRefTime = old.LastRefTime
		}
		if old.hosts != nil {
			v.hosts = old.hosts
			if same {
				v.memo = old.memo
			}
		}
	}
	s.shown = max(s.shown, v.LastRefTime)
	s.keep(name, v)
	return v
}

// keep has the next one who asks find a list. Where they are too large, there are only the
// outlines of those of other filters then, and nothing where they are too many.
func (s *service) keep(name string, v *View) {
	if s.views == nil {
		s.views = make(map[string]*View)
	}
	others, lists, bytes := 0, 0, len(v.hosts)
	for other, kept := range s.views {
		if other == "" || other == name {
			continue
		}
		others++
		if kept.hosts != nil {
			lists++
			bytes += len(kept.hosts)
		}
	}
	switch {
	case name == "":
	case others >= viewsMax:
		maps.DeleteFunc(s.views, func(other string, _ *View) bool { return other != "" })
	case lists >= viewsFew && bytes > viewBytesMax:
		for other, kept := range s.views {
			if other != "" && kept.hosts != nil {
				s.views[other] = kept.outline()
			}
		}
	}
	s.views[name] = v
}

func (s *service) encode(sel registry.Selection, form Form) []byte {
	size := 2
	plain := !sel.Protected && len(s.overlays) == 0
	if old := s.views[""]; old != nil {
		size = len(old.hosts)*len(sel.Hosts)/max(1, len(old.Instances)) + 512
	}
	b := append(make([]byte, 0, size), '[')
	at := 0
	for n := range sel.Hosts {
		if n > 0 {
			b = append(b, ',')
		}
		i := &sel.Hosts[n]
		if !plain {
			b = form(b, s.key, i)
			continue
		}
		for s.slots[at].key() != i.Key() { // hosts are in the order of slots
			at++
		}
		shown := s.slots[at].showing
		if shown.encoded == nil {
			shown.encoded = form(nil, s.key, i)
		}
		b = append(b, shown.encoded...)
	}
	if b = append(b, ']'); cap(b) > 2*len(b)+512 {
		b = bytes.Clone(b) // these are smaller than the others
	}
	return b
}

func filterName(f registry.Filter) string {
	if len(f.Clusters) == 0 && !f.HealthyOnly {
		return ""
	}
	names := slices.Clone(f.Clusters)
	slices.Sort(names)
	name := strings.Join(names, ",")
	if f.HealthyOnly {
		return "+" + name
	}
	return name
}
