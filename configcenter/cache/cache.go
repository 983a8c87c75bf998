// Package cache holds all configs as this node sees them.
//
// A Cache stands on a local picture of the tree (core/mirror). Whoever feeds the
// picture tells the Cache which paths changed; it decodes those items again and
// says which configs have another md5 than before. An item of which a piece is
// missing keeps its former state until the piece comes.
//
// Items are immutable: readers share them. Lists are read from a copy-on-write
// view, so a long search holds up nobody.
//
// The package starts no goroutines. Refresh is called by one goroutine at a time,
// everything else by any.
package cache

import (
	"errors"
	"sync"

	"github.com/tidwall/btree"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/store"
	"github.com/zensus-io/zensus/core"
)

// Picture is the local picture of the tree that a Cache decodes.
type Picture interface {
	// Get returns a znode as the picture has it; ok is false if it has none.
	Get(path string) (data []byte, st core.Stat, ok bool)
}

// Change says that a config has another md5 than before.
type Change struct {
	Key  configcenter.Key
	MD5  string // "" for a config that is gone
	Zxid core.Zxid
}

// Cache is every config of the picture, decoded. The zero value is not usable.
type Cache struct {
	picture Picture
	bad     func(k configcenter.Key, err error)

	mu struct {
		sync.RWMutex
		items  map[configcenter.Key]*configcenter.Item
		ids    map[core.Zxid]configcenter.Key
		counts map[string]int // by namespace
		sorted *btree.BTreeG[*configcenter.Item]
	}
}

// New makes an empty Cache. bad hears of every item that cannot be decoded.
func New(picture Picture, bad func(k configcenter.Key, err error)) *Cache {
	c := &Cache{picture: picture, bad: bad}
	c.mu.items = make(map[configcenter.Key]*configcenter.Item)
	c.mu.ids = make(map[core.Zxid]configcenter.Key)
	c.mu.counts = make(map[string]int)
	c.mu.sorted = btree.NewBTreeGOptions(byKey, btree.Options{NoLocks: true})
	return c
}

func byKey(a, b *configcenter.Item) bool { return a.Key.Compare(b.Key) < 0 }

// Refresh decodes the items at and above the given paths again, and returns what
// changed; zxid is that of the batch of events. Readers see the changes before
// Refresh returns.
func (c *Cache) Refresh(paths []string, zxid core.Zxid) []Change {
	var changes []Change
	done := make(map[configcenter.Key]struct{}, len(paths))
	for _, path := range paths {
		k, _, depth, ok := store.ParsePath(path)
		if !ok || depth < 3 {
			continue
		}
		if _, again := done[k]; again {
			continue
		}
		done[k] = struct{}{}
		if change, ok := c.refresh(k, zxid); ok {
			changes = append(changes, change)
		}
	}
	return changes
}

func (c *Cache) refresh(k configcenter.Key, zxid core.Zxid) (Change, bool) {
	path := store.ItemPath(k)
	value, st, ok := c.picture.Get(path)
	if !ok {
		return c.put(k, nil, zxid)
	}
	old := c.Get(k)
	if old != nil && old.Revision == st.Mzxid && old.ID == st.Czxid {
		return Change{}, false // only a child of it, or a second event of one change
	}
	it, err := store.Assemble(k, value, st, func(name string) []byte {
		data, _, _ := c.picture.Get(core.JoinPath(path, name))
		return data
	})
	switch {
	case errors.Is(err, configcenter.ErrNotFound):
		return c.put(k, nil, zxid)
	case errors.Is(err, store.ErrTorn):
		return Change{}, false
	case err != nil:
		c.bad(k, err)
		return Change{}, false
	}
	return c.put(k, it, it.Revision)
}

// put replaces the item of k, nil for none, and reports whether its md5 changed.
func (c *Cache) put(k configcenter.Key, it *configcenter.Item, zxid core.Zxid) (Change, bool) {
	change := Change{Key: k, Zxid: zxid}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := ""
	if old := c.mu.items[k]; old != nil {
		before = old.MD5
		delete(c.mu.ids, old.ID)
		if it == nil {
			delete(c.mu.items, k)
			c.mu.sorted.Delete(old)
			c.countLocked(k.Namespace, -1)
		}
	} else if it != nil {
		c.countLocked(k.Namespace, 1)
	}
	if it != nil {
		change.MD5 = it.MD5
		c.mu.items[k] = it
		c.mu.ids[it.ID] = k
		c.mu.sorted.Set(it)
	}
	return change, before != change.MD5
}

func (c *Cache) countLocked(namespace string, by int) {
	c.mu.counts[namespace] += by
	if c.mu.counts[namespace] == 0 {
		delete(c.mu.counts, namespace)
	}
}

// Get is the config named k, nil if there is none.
func (c *Cache) Get(k configcenter.Key) *configcenter.Item {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.items[k]
}

// MD5 is the md5 of the config named k, "" if there is none.
func (c *Cache) MD5(k configcenter.Key) string {
	if it := c.Get(k); it != nil {
		return it.MD5
	}
	return ""
}

// ByID is the config whose ID is id, nil if there is none.
func (c *Cache) ByID(id core.Zxid) *configcenter.Item {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.mu.ids[id]
	if !ok {
		return nil
	}
	return c.mu.items[k]
}

// Count is the number of configs in a namespace.
func (c *Cache) Count(namespace string) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.counts[namespace]
}

// Len is the number of configs in all namespaces.
func (c *Cache) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.mu.items)
}
