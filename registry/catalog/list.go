package catalog

import (
	"math"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
)

// Service is what is known of a service beside its instances.
func (c *Catalog) Service(k registry.ServiceKey) (s registry.Service, version int32, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found := c.mu.services[k]
	if found == nil || !found.exists {
		return registry.Service{}, 0, false
	}
	return found.value, found.stat.Version, true
}

// Override is what an operator set on an instance.
func (c *Catalog) Override(k registry.ServiceKey, i registry.InstanceKey) (registry.Override, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s := c.mu.services[k]; s != nil {
		o, ok := s.overrides[i]
		return o, ok
	}
	return registry.Override{}, false
}

// Overrides are all of a service.
func (c *Catalog) Overrides(k registry.ServiceKey) map[registry.InstanceKey]registry.Override {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := c.mu.services[k]
	if s == nil {
		return nil
	}
	found := make(map[registry.InstanceKey]registry.Override, len(s.overrides))
	for i, o := range s.overrides {
		found[i] = o
	}
	return found
}

// Waiting is on how many instances of a service something is set that are not there.
func (c *Catalog) Waiting(k registry.ServiceKey) (n int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := c.mu.services[k]
	if s == nil {
		return 0
	}
	for i := range s.overrides {
		if _, there := s.find(i); !there {
			n++
		}
	}
	return n
}

// Count is the number of services of a namespace, or of all if it is empty.
func (c *Catalog) Count(namespace string) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.counts[namespace]
}

// Names are the services of one group, in order: those from offset on, limit at
// most, and how many there are in all.
func (c *Catalog) Names(namespace, group string, offset, limit int) (names []string, total int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	prefix := groupName(namespace, group)
	total = c.mu.counts[prefix]
	if offset >= total || limit <= 0 {
		return nil, total
	}
	c.mu.names.Ascend(prefix, func(_ string, s *service) bool {
		if s.key.Namespace != namespace || s.key.Group != group {
			return false
		}
		if offset > 0 {
			offset--
			return true
		}
		names = append(names, s.key.Name)
		return len(names) < limit
	})
	return names, total
}

// Matching are the services of a namespace that match, in order, limit at most. It
// looks at a view of the names, so that a long search holds up nobody.
func (c *Catalog) Matching(namespace string, match func(registry.ServiceKey) bool, limit int) (found []registry.ServiceKey) {
	c.mu.Lock() // a copy marks the original too
	names := c.mu.names.Copy()
	c.mu.Unlock()
	names.Ascend(namespace+"\x00", func(_ string, s *service) bool {
		if s.key.Namespace != namespace || len(found) == limit {
			return false
		}
		if match(s.key) {
			found = append(found, s.key)
		}
		return true
	})
	return found
}

// Namespaces are those that have services, in order. It looks at all services.
func (c *Catalog) Namespaces() (found []string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.mu.names.Scan(func(_ string, s *service) bool {
		if n := len(found); n == 0 || found[n-1] != s.key.Namespace {
			found = append(found, s.key.Namespace)
		}
		return true
	})
	return found
}

// Services are the keys of all services of a namespace, or of all if it is empty, in
// order.
func (c *Catalog) Services(namespace string) (keys []registry.ServiceKey) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	first := ""
	if namespace != "" {
		first = namespace + "\x00"
	}
	c.mu.names.Ascend(first, func(_ string, s *service) bool {
		if namespace != "" && s.key.Namespace != namespace {
			return false
		}
		keys = append(keys, s.key)
		return true
	})
	return keys
}

// Query says which services a list of them is to hold.
type Query struct {
	Namespace string
	// Pattern, if set, must match the grouped name. It may take its time: nobody waits
	// for it.
	Pattern func(grouped string) bool
	// Group and Name match where they occur, or exactly if Exact is set; empty
	// ones match all.
	Group, Name string
	Exact       bool
	// WithInstances leaves out services that have none.
	WithInstances bool
	Offset, Limit int
}

// Summary is a line of a list of services.
type Summary struct {
	registry.Service
	Instances, Healthy, Clusters int
	// Protected says that the protect threshold lets sick instances through.
	Protected bool
}

// Search lists services in the order of group and name, and says how many match.
func (c *Catalog) Search(q Query) (found []Summary, total int) {
	page, total := c.search(&q)
	c.mu.Lock() // summaries may fill caches
	defer c.mu.Unlock()
	for _, s := range page {
		found = append(found, s.summary())
	}
	return found, total
}

func (c *Catalog) search(q *Query) (page []*service, total int) {
	if q.Pattern != nil {
		return c.searchPattern(q)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.mu.names.Ascend(q.Namespace+"\x00", func(_ string, s *service) bool {
		if s.key.Namespace != q.Namespace {
			return false
		}
		if !q.matches(s) {
			return true
		}
		if total++; total > q.Offset && len(page) < q.Limit {
			page = append(page, s)
		}
		return true
	})
	return page, total
}

// searchPattern is search with a pattern, which is asked without the lock: a regular
// expression of somebody's may take seconds for all names.
func (c *Catalog) searchPattern(q *Query) (page []*service, total int) {
	all := *q
	all.Pattern, all.Offset, all.Limit = nil, 0, math.MaxInt
	candidates, _ := c.search(&all)
	for _, s := range candidates {
		if !q.Pattern(s.key.Grouped()) {
			continue
		}
		if total++; total > q.Offset && len(page) < q.Limit {
			page = append(page, s)
		}
	}
	return page, total
}

func (q *Query) matches(s *service) bool {
	if q.WithInstances && len(s.slots) == 0 {
		return false
	}
	if q.Exact {
		return (q.Group == "" || s.key.Group == q.Group) && (q.Name == "" || s.key.Name == q.Name)
	}
	return strings.Contains(s.key.Group, q.Group) && strings.Contains(s.key.Name, q.Name)
}

func (s *service) summary() Summary {
	sum := Summary{Service: s.value}
	clusters := make(map[string]bool)
	for _, i := range s.instances() {
		sum.Instances++
		if i.Healthy {
			sum.Healthy++
		}
		clusters[i.Cluster] = true
	}
	sum.Clusters = len(clusters)
	sum.Protected = registry.Protects(s.value.ProtectThreshold, sum.Healthy, sum.Instances)
	return sum
}

// Instances are all instances of a service, disabled and sick ones too, with
// their real health, in the order of their keys.
func (c *Catalog) Instances(k registry.ServiceKey) []registry.Instance {
	c.mu.Lock() // may fill caches
	defer c.mu.Unlock()
	if s := c.mu.services[k]; s != nil {
		return s.instances()
	}
	return nil
}

// Publication is an instance, and the client that registered it.
type Publication struct {
	Service  registry.ServiceKey
	Client   string
	Instance registry.Instance
}

// Publishers are those of a service, in the order of the instances' keys: all of them,
// also where two clients have registered the same.
func (c *Catalog) Publishers(k registry.ServiceKey) []Publication {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s := c.mu.services[k]; s != nil {
		return s.publications("")
	}
	return nil
}

// Published is what a client has registered, in the order
// of services and keys. It looks at all services.
func (c *Catalog) Published(client string) (found []Publication) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.mu.names.Scan(func(_ string, s *service) bool {
		found = append(found, s.publications(client)...)
		return true
	})
	return found
}

// clientsStep is how many instances are looked at before whoever waits gets his turn.
const clientsStep = 10_000

// Clients are those that have registered something. It looks at all services, and lets
// changes in meanwhile.
func (c *Catalog) Clients() map[string]struct{} {
	found := make(map[string]struct{})
	for from, more := "", true; more; {
		more = false
		seen := 0
		c.mu.RLock()
		c.mu.names.Ascend(from, func(name string, s *service) bool {
			if seen >= clientsStep {
				from, more = name, true
				return false
			}
			for _, sl := range s.slots {
				for _, e := range sl.entries {
					found[e.Client] = struct{}{}
				}
			}
			seen += 1 + len(s.slots)
			return true
		})
		c.mu.RUnlock()
	}
	return found
}

func (s *service) publications(client string) (found []Publication) {
	for _, sl := range s.slots {
		for _, e := range sl.entries {
			if client == "" || e.Client == client {
				found = append(found, Publication{Service: s.key, Client: e.Client, Instance: e.Instance})
			}
		}
	}
	return found
}

// Size is how many instances a service has in the tree.
func (c *Catalog) Size(k registry.ServiceKey) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s := c.mu.services[k]; s != nil {
		return len(s.slots)
	}
	return 0
}

// Ahead is how many services show what clients of this node want and the tree does
// not have yet.
func (c *Catalog) Ahead() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.mu.ahead)
}

// CountInstances is the number of instances in the tree of a namespace, or of all if it is
// empty.
func (c *Catalog) CountInstances(namespace string) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.sizes[namespace]
}

// Totals are for metrics.
func (c *Catalog) Totals() (services, instances int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.counts[""], c.mu.sizes[""]
}

// Empty is a service without instances.
type Empty struct {
	Key     registry.ServiceKey
	Since   core.Zxid
	Version int32 // of its znode
}

// Empties are the services that nobody made explicitly and that have no
// instances, at most limit of them.
func (c *Catalog) Empties(limit int) []Empty {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []Empty
	c.mu.names.Scan(func(_ string, s *service) bool {
		if len(s.slots) == 0 && len(s.overlays) == 0 && !s.value.Explicit {
			found = append(found, Empty{Key: s.key, Since: s.empty, Version: s.stat.Version})
		}
		return len(found) < limit
	})
	return found
}

// Named is an override and the instance that it is for.
type Named struct {
	Service  registry.ServiceKey
	Instance registry.InstanceKey
	registry.Override
}

// Stray are overrides whose instance is not there, and those whose instance is there again
// although they are marked as gone; limit of each at most.
func (c *Catalog) Stray(limit int) (orphans, back []Named) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for k, s := range c.mu.services {
		for i, o := range s.overrides {
			_, there := s.find(i)
			switch {
			case !there && len(orphans) < limit:
				orphans = append(orphans, Named{k, i, o})
			case there && !o.Gone.IsZero() && len(back) < limit:
				back = append(back, Named{k, i, o})
			}
		}
	}
	return orphans, back
}
