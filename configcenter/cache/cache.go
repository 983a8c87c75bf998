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
	// Children are the names of its children, in no order.
	Children(path string) []string
}

// Change says that some readers of a config read another md5 than before.
type Change struct {
	Key    configcenter.Key
	Config *configcenter.Config // nil for one that is gone
	Zxid   core.Zxid
	// Named says that there is a config now and was none before, or the other way
	// round. Gray versions of it do not count.
	Named bool
}

// Cache is every config of the picture, decoded. The zero value is not usable.
type Cache struct {
	picture Picture
	bad     func(k configcenter.Key, err error)

	mu struct {
		sync.RWMutex
		items  map[configcenter.Key]*configcenter.Item
		grays  map[configcenter.Key][]*configcenter.Gray // in order; of most there are none
		ids    map[core.Zxid]configcenter.Key
		usage  map[place]Usage
		sorted *btree.BTreeG[*configcenter.Item]
	}
}

// New makes an empty Cache. bad hears of every item that cannot be decoded.
func New(picture Picture, bad func(k configcenter.Key, err error)) *Cache {
	c := &Cache{picture: picture, bad: bad}
	c.mu.items = make(map[configcenter.Key]*configcenter.Item)
	c.mu.grays = make(map[configcenter.Key][]*configcenter.Gray)
	c.mu.ids = make(map[core.Zxid]configcenter.Key)
	c.mu.usage = make(map[place]Usage)
	c.mu.sorted = btree.NewBTreeGOptions(byKey, btree.Options{NoLocks: true})
	return c
}

func byKey(a, b *configcenter.Item) bool { return a.Key.Compare(b.Key) < 0 }

// Refresh decodes the items at and above the given paths again, and returns what
// changed; zxid is that of the batch of events. Readers see the changes before
// Refresh returns.
func (c *Cache) Refresh(paths []string, zxid core.Zxid) []Change {
	var changes []Change
	var order []configcenter.Key
	below := make(map[configcenter.Key]bool, len(paths)) // whether something below the item changed
	for _, path := range paths {
		k, _, depth, ok := store.ParsePath(path)
		if !ok || depth < 3 {
			continue
		}
		before, known := below[k]
		if !known {
			order = append(order, k)
		}
		below[k] = before || depth > 3
	}
	for _, k := range order {
		if change, ok := c.refresh(k, below[k], zxid); ok {
			changes = append(changes, change)
		}
	}
	return changes
}

// refresh decodes a config again, with its gray versions if something below its znode has
// changed, and reports whether somebody reads something else now.
func (c *Cache) refresh(k configcenter.Key, below bool, zxid core.Zxid) (Change, bool) {
	before := c.Config(k)
	upTo := c.refreshItem(k)
	if below {
		upTo = max(upTo, c.refreshGrays(k))
	}
	now := c.Config(k)
	if upTo == 0 {
		upTo = zxid
	}
	return Change{Key: k, Config: now, Zxid: upTo, Named: before.There() != now.There()}, !before.SameToAll(now)
}

// refreshGrays decodes the gray versions of a config, and returns the zxid of the latest
// one that is new.
func (c *Cache) refreshGrays(k configcenter.Key) (latest core.Zxid) {
	path := store.ItemPath(k)
	old := c.Config(k)
	var grays []*configcenter.Gray
	for _, child := range c.picture.Children(path) {
		name, ok := store.GrayChild(child)
		if !ok {
			continue
		}
		value, st, ok := c.picture.Get(core.JoinPath(path, child))
		if !ok {
			continue
		}
		had := old.Gray(name)
		if had != nil && had.Item.Revision == st.Mzxid && had.Item.ID == st.Czxid {
			grays = append(grays, had)
			continue
		}
		g, err := store.AssembleGray(k, name, value, st, func(piece string) []byte {
			data, _, _ := c.picture.Get(core.JoinPath(path, piece))
			return data
		})
		switch {
		case err == nil:
			grays, latest = append(grays, g), max(latest, g.Item.Revision)
		case had != nil: // until it can be read
			grays = append(grays, had)
		}
		if err != nil && !errors.Is(err, store.ErrTorn) {
			c.bad(k, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	it := c.mu.items[k]
	c.tallyLocked(k, usageOf(it, grays).less(usageOf(it, c.mu.grays[k])))
	if len(grays) == 0 {
		delete(c.mu.grays, k)
	} else {
		c.mu.grays[k] = configcenter.NewConfig(nil, grays).Grays
	}
	return latest
}

// refreshItem decodes a config itself, and returns its revision; 0 if it is gone or the
// same as before.
func (c *Cache) refreshItem(k configcenter.Key) core.Zxid {
	path := store.ItemPath(k)
	value, st, ok := c.picture.Get(path)
	if !ok {
		c.put(k, nil)
		return 0
	}
	old := c.Get(k)
	if old != nil && old.Revision == st.Mzxid && old.ID == st.Czxid {
		return 0 // only a child of it, or a second event of one change
	}
	it, err := store.Assemble(k, value, st, func(name string) []byte {
		data, _, _ := c.picture.Get(core.JoinPath(path, name))
		return data
	})
	switch {
	case errors.Is(err, configcenter.ErrNotFound):
		c.put(k, nil)
		return 0
	case errors.Is(err, store.ErrTorn):
		return 0
	case err != nil:
		c.bad(k, err)
		return 0
	}
	c.put(k, it)
	return it.Revision
}

// put replaces the item of k, nil for none.
func (c *Cache) put(k configcenter.Key, it *configcenter.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, grays := c.mu.items[k], c.mu.grays[k]
	c.tallyLocked(k, usageOf(it, grays).less(usageOf(old, grays)))
	if old != nil {
		delete(c.mu.ids, old.ID)
		if it == nil {
			delete(c.mu.items, k)
			c.mu.sorted.Delete(old)
		}
	}
	if it != nil {
		c.mu.items[k] = it
		c.mu.ids[it.ID] = k
		c.mu.sorted.Set(it)
	}
}

// Get is the config named k, nil if there is none.
func (c *Cache) Get(k configcenter.Key) *configcenter.Item {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.items[k]
}

// Config is all that there is of the config named k, nil for nothing.
func (c *Cache) Config(k configcenter.Key) *configcenter.Config {
	c.mu.RLock()
	defer c.mu.RUnlock()
	it, grays := c.mu.items[k], c.mu.grays[k]
	if it == nil && len(grays) == 0 {
		return nil
	}
	return &configcenter.Config{Formal: it, Grays: grays}
}

// MD5 is the md5 of what somebody reads as the config named k, "" for nothing.
func (c *Cache) MD5(k configcenter.Key, who *configcenter.Reader) string {
	c.mu.RLock()
	it, grays := c.mu.items[k], c.mu.grays[k]
	c.mu.RUnlock()
	if who != nil && (len(grays) > 0 || who.Asked) {
		cfg := configcenter.Config{Formal: it, Grays: grays}
		return cfg.MD5(who)
	}
	if it == nil {
		return ""
	}
	return it.MD5
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
func (c *Cache) Count(namespace string) int { return c.Usage(namespace, "").Items }

// Len is the number of configs in all namespaces.
func (c *Cache) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.mu.items)
}
