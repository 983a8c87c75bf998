package cache

import "github.com/zensus-io/zensus/configcenter"

// Usage is how much there is somewhere.
type Usage struct {
	Configs int
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

// tallyLocked counts configs, and bytes of their contents, that came or, below 0, went.
func (c *Cache) tallyLocked(k configcenter.Key, configs int, bytes int64) {
	places := [...]place{{}, {namespace: k.Namespace}, {group: k.Group}}
	n := len(places)
	if k.Namespace != configcenter.Namespace("") {
		n--
	}
	for _, p := range places[:n] {
		u := c.mu.usage[p]
		u.Configs += configs
		u.Bytes += bytes
		if u == (Usage{}) {
			delete(c.mu.usage, p)
		} else {
			c.mu.usage[p] = u
		}
	}
}

func grayBytes(grays []*configcenter.Gray) (n int64) {
	for _, g := range grays {
		n += int64(len(g.Item.Content))
	}
	return n
}
