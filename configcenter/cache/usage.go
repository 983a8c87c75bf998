package cache

import "github.com/zensus-io/zensus/configcenter"

// Usage is how much there is somewhere.
type Usage struct {
	Configs int   // also those of which there are gray versions only
	Items   int   // without these
	Bytes   int64 // of all contents, gray versions included
}

// place is a namespace, with a blank one a group of the public namespace, with two blank
// names everything.
type place struct{ namespace, group string }

// Usage is how much there is in a namespace; where that is blank in a group of the public
// one, and where both are in all.
func (c *Cache) Usage(namespace, group string) Usage {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.usage[place{namespace, group}]
}

// tallyLocked counts what came or, below 0, went.
func (c *Cache) tallyLocked(k configcenter.Key, by Usage) {
	places := [...]place{{}, {namespace: k.Namespace}, {group: k.Group}}
	n := len(places)
	if k.Namespace != configcenter.Namespace("") {
		n--
	}
	for _, p := range places[:n] {
		u := c.mu.usage[p]
		u.Configs += by.Configs
		u.Items += by.Items
		u.Bytes += by.Bytes
		if u == (Usage{}) {
			delete(c.mu.usage, p)
		} else {
			c.mu.usage[p] = u
		}
	}
}

// usageOf is how much there is of one config.
func usageOf(it *configcenter.Item, grays []*configcenter.Gray) (u Usage) {
	if it != nil || len(grays) > 0 {
		u.Configs = 1
	}
	u.Bytes = grayBytes(grays)
	if it != nil {
		u.Items = 1
		u.Bytes += int64(len(it.Content))
	}
	return u
}

// less is what u has more than v.
func (u Usage) less(v Usage) Usage {
	return Usage{u.Configs - v.Configs, u.Items - v.Items, u.Bytes - v.Bytes}
}

func grayBytes(grays []*configcenter.Gray) (n int64) {
	for _, g := range grays {
		n += int64(len(g.Item.Content))
	}
	return n
}
