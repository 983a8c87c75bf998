package catalog

import (
	"cmp"
	"slices"
	"sync"

	"github.com/tidwall/btree"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/store"
)

// Listener hears of changes, on the mirror's goroutine. It must not block.
type Listener interface {
	// Going hears of instance znodes that have disappeared from the tree while the
	// catalog still shows them: an overlay that is set now leaves no gap.
	Going(removed []Removed)
	// Gone hears of them when they are not shown any more, before anybody is told of
	// the lists that result.
	Gone(removed []Removed)
	// Covered hears of znodes that have just been shown to be older than one that another
	// session has of the same instance key.
	Covered(covered []Covered)
	// Named hears of services that have come into being, or ceased to be: Service says
	// which.
	Named(keys []registry.ServiceKey)
	// Changed hears which services may look different.
	Changed(keys []registry.ServiceKey)
}

// Removed is an instance znode that is gone.
type Removed struct {
	Service registry.ServiceKey
	*Entry
}

// Covered is an instance znode that does not count, because there is a newer one of
// another session.
type Covered struct {
	Service registry.ServiceKey
	*Entry
	By *Entry
}

// Catalog is the picture of all services.
type Catalog struct {
	listener Listener
	form     Form

	mu struct {
		sync.RWMutex
		services map[registry.ServiceKey]*service
		names    btree.Map[string, *service]      // those whose znode exists, by sortName
		counts   map[string]int                   // those, by groupName
		bad      int                              // values that could not be decoded
		ahead    map[registry.ServiceKey]struct{} // those with overlays
		sizes    map[string]int                   // instances, by namespace; "" for all
		cache    int64                            // CacheMillis of lists
		decoder  store.Decoder
	}
}

// DefaultCacheMillis is how long lists say that clients may rest on them, unless
// SetCacheMillis says otherwise.
const DefaultCacheMillis = 10_000

// New makes an empty catalog, which keeps its lists in a form.
func New(listener Listener, form Form) *Catalog {
	c := &Catalog{listener: listener, form: form}
	c.mu.services = make(map[registry.ServiceKey]*service)
	c.mu.counts = make(map[string]int)
	c.mu.sizes = make(map[string]int)
	c.mu.ahead = make(map[registry.ServiceKey]struct{})
	c.mu.cache = DefaultCacheMillis
	return c
}

// SetCacheMillis changes how long lists say that clients may rest on them. It costs as
// much as there are services, unless it says nothing new.
func (c *Catalog) SetCacheMillis(millis int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.cache == millis {
		return
	}
	c.mu.cache = millis
	for _, s := range c.mu.services {
		s.views = nil
	}
}

// Undecodable counts the znodes whose value this version cannot read. They are
// passed over.
func (c *Catalog) Undecodable() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.bad
}

// ApplyNaming takes in changes below store.NamingRoot. lookup gives the znode at
// a path as the mirror shows it, with a Stat that counts every change of its children.
func (c *Catalog) ApplyNaming(changes []mirror.Change, lookup func(path string) (*mirror.Node, bool)) {
	places := make([]place, len(changes))
	for i := range changes {
		places[i].Place, places[i].known = store.ParseNaming(changes[i].Path)
	}
	if going := c.going(changes, places); len(going) > 0 {
		c.listener.Going(going)
	}
	touched := make(map[registry.ServiceKey]*service)
	var removed []Removed
	var covered []Covered
	var named []registry.ServiceKey
	c.mu.Lock()
	for i := range changes {
		ch := &changes[i]
		p := &places[i]
		if !p.known {
			continue
		}
		s := touched[p.Service]
		if s == nil {
			s = c.serviceLocked(p.Service)
			touched[p.Service] = s
		}
		if !p.HasInstance {
			if c.applyServiceLocked(s, ch) {
				named = append(named, s.key)
			}
			continue
		}
		if ch.Old != nil {
			if e := s.drop(p.Instance, ch.Path); e != nil {
				removed = append(removed, Removed{Service: p.Service, Entry: e})
			}
		}
		if ch.New != nil {
			covered = append(covered, c.addLocked(s, p.Place, ch.New)...)
		}
		s.empty = 0
		if len(s.slots) == 0 {
			s.empty = ch.Zxid
		}
	}
	for k, s := range touched {
		if n, ok := lookup(store.ServicePath(k)); ok && s.exists {
			s.see(n.Stat)
		}
	}
	keys := c.finishLocked(touched)
	c.mu.Unlock()
	if len(covered) > 0 {
		c.listener.Covered(covered)
	}
	if len(named) > 0 {
		c.listener.Named(named)
	}
	c.tell(removed, keys)
}

// place is where a change is. It is not known of what stands for nothing.
type place struct {
	store.Place
	known bool
}

// going are the entries that changes at those places will remove.
func (c *Catalog) going(changes []mirror.Change, places []place) []Removed {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []Removed
	for i := range changes {
		if changes[i].New != nil || changes[i].Old == nil {
			continue
		}
		p := &places[i]
		if !p.known || !p.HasInstance {
			continue
		}
		s := c.mu.services[p.Service]
		if s == nil {
			continue
		}
		if at, ok := s.find(p.Instance); ok {
			for _, e := range s.slots[at].entries {
				if e.Path == changes[i].Path {
					found = append(found, Removed{Service: p.Service, Entry: e})
				}
			}
		}
	}
	return found
}

// addLocked takes an instance znode in and returns those that do not count beside it, or
// it itself.
func (c *Catalog) addLocked(s *service, p store.Place, n *mirror.Node) []Covered {
	r, err := c.mu.decoder.Record(p, n.Data)
	if err != nil {
		c.mu.bad++
		return nil
	}
	return s.put(&Entry{Path: n.Path, Czxid: n.Stat.Czxid, Owner: n.Stat.EphemeralOwner, Record: r}).covered(s.key)
}

// applyServiceLocked takes the service's own znode in, and reports whether there is one now
// and was none before, or the other way round.
func (c *Catalog) applyServiceLocked(s *service, ch *mirror.Change) (named bool) {
	if ch.New == nil {
		if s.exists {
			s.exists = false
			c.mu.names.Delete(sortName(s.key))
			c.countLocked(s.key, -1)
			return true
		}
		return false
	}
	value, err := store.DecodeService(s.key, ch.New.Data)
	if err != nil {
		c.mu.bad++
		value = registry.Service{Key: s.key, Ephemeral: true}
	}
	s.value = value
	s.see(ch.New.Stat)
	if !s.exists {
		s.exists = true
		if len(s.slots) == 0 {
			s.empty = ch.Zxid
		}
		c.mu.names.Set(sortName(s.key), s)
		c.countLocked(s.key, 1)
		return true
	}
	return false
}

// ApplyOverrides takes in changes below store.OverridesRoot.
func (c *Catalog) ApplyOverrides(changes []mirror.Change) {
	touched := make(map[registry.ServiceKey]*service)
	c.mu.Lock()
	for i := range changes {
		ch := &changes[i]
		p, ok := store.ParseOverride(ch.Path)
		if !ok || !p.HasInstance {
			continue
		}
		s := c.serviceLocked(p.Service)
		touched[p.Service] = s
		delete(s.overrides, p.Instance)
		if ch.New != nil {
			if o, err := store.DecodeOverride(ch.New.Data); err != nil {
				c.mu.bad++
			} else {
				if s.overrides == nil {
					s.overrides = make(map[registry.InstanceKey]registry.Override)
				}
				s.overrides[p.Instance] = o
			}
		}
		if at, ok := s.find(p.Instance); ok {
			s.slots[at].reset()
		}
	}
	keys := c.finishLocked(touched)
	c.mu.Unlock()
	c.tell(nil, keys)
}

// SetOverlay makes o what counts for a local client in one service.
func (c *Catalog) SetOverlay(k registry.ServiceKey, client string, o Overlay) {
	c.mu.Lock()
	s := c.serviceLocked(k)
	if s.overlays == nil {
		s.overlays = make(map[string]Overlay)
	}
	s.overlays[client] = o
	keys := c.finishLocked(map[registry.ServiceKey]*service{k: s})
	c.mu.Unlock()
	c.tell(nil, keys)
}

// ClearOverlay makes the tree what counts again.
func (c *Catalog) ClearOverlay(k registry.ServiceKey, client string) {
	c.mu.Lock()
	s := c.mu.services[k]
	if s == nil {
		c.mu.Unlock()
		return
	}
	if _, ok := s.overlays[client]; !ok {
		c.mu.Unlock()
		return
	}
	if delete(s.overlays, client); len(s.overlays) == 0 {
		s.overlays = nil // a map keeps its room, and most services have none
	}
	keys := c.finishLocked(map[registry.ServiceKey]*service{k: s})
	c.mu.Unlock()
	c.tell(nil, keys)
}

// Key is the key as the catalog keeps it, of a service that it knows, and k otherwise:
// who keeps many keys for long keeps their names once with it.
func (c *Catalog) Key(k registry.ServiceKey) registry.ServiceKey {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s := c.mu.services[k]; s != nil {
		return s.key
	}
	return k
}

// serviceLocked is the service with that key, made if it is new.
func (c *Catalog) serviceLocked(k registry.ServiceKey) *service {
	s := c.mu.services[k]
	if s == nil {
		s = &service{key: k, value: registry.Service{Key: k, Ephemeral: true}}
		c.mu.services[k] = s
	}
	return s
}

// finishLocked begins a new generation of each service and forgets those of
// which nothing is left.
func (c *Catalog) finishLocked(touched map[registry.ServiceKey]*service) []registry.ServiceKey {
	keys := make([]registry.ServiceKey, 0, len(touched))
	for k, s := range touched {
		s.bump()
		keys = append(keys, k)
		c.sizeLocked(s)
		if len(s.overlays) > 0 {
			c.mu.ahead[k] = struct{}{}
		} else {
			delete(c.mu.ahead, k)
		}
		if !s.exists && len(s.slots) == 0 && len(s.overlays) == 0 && len(s.overrides) == 0 {
			delete(c.mu.services, k)
		}
	}
	slices.SortFunc(keys, registry.ServiceKey.Compare)
	return keys
}

func (c *Catalog) tell(removed []Removed, keys []registry.ServiceKey) {
	if len(removed) > 0 {
		c.listener.Gone(removed)
	}
	if len(keys) > 0 {
		c.listener.Changed(keys)
	}
}

func (c *Catalog) countLocked(k registry.ServiceKey, by int) {
	for _, name := range []string{"", k.Namespace, groupName(k.Namespace, k.Group)} {
		if c.mu.counts[name] += by; c.mu.counts[name] == 0 {
			delete(c.mu.counts, name)
		}
	}
}

// sizeLocked counts the instances that s has more, or less, than when it was last counted.
func (c *Catalog) sizeLocked(s *service) {
	by := len(s.slots) - s.sized
	if by == 0 {
		return
	}
	s.sized = len(s.slots)
	for _, name := range []string{"", s.key.Namespace} {
		if c.mu.sizes[name] += by; c.mu.sizes[name] == 0 {
			delete(c.mu.sizes, name)
		}
	}
}

func groupName(namespace, group string) string { return namespace + "\x00" + group + "\x00" }

func sortName(k registry.ServiceKey) string { return groupName(k.Namespace, k.Group) + k.Name }

// Owned are the znodes of a service that one session owns, oldest first.
func (c *Catalog) Owned(k registry.ServiceKey, owner core.SessionID) []*Entry {
	return c.entries(k, func(e *Entry) bool { return e.Owner == owner })
}

// Entries are the znodes of one instance key, oldest first.
func (c *Catalog) Entries(k registry.ServiceKey, i registry.InstanceKey) []*Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := c.mu.services[k]
	if s == nil {
		return nil
	}
	at, ok := s.find(i)
	if !ok {
		return nil
	}
	found := slices.Clone(s.slots[at].entries)
	slices.Reverse(found)
	return found
}

// Older are the znodes of one instance key that were created before a zxid, newest first.
func (c *Catalog) Older(k registry.ServiceKey, i registry.InstanceKey, than core.Zxid) []*Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s := c.mu.services[k]; s != nil {
		if at, ok := s.find(i); ok {
			all := s.slots[at].entries
			for n, e := range all {
				if e.Czxid < than {
					return slices.Clone(all[n:])
				}
			}
		}
	}
	return nil
}

// Newest is the znode that counts for an instance key; nil if there is none.
func (c *Catalog) Newest(k registry.ServiceKey, i registry.InstanceKey) *Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s := c.mu.services[k]; s != nil {
		if at, ok := s.find(i); ok {
			return s.slots[at].entries[0]
		}
	}
	return nil
}

// Entry is the znode of that key at a path, nil if it is not in the picture, and the one
// that counts for the key. alone says that there is no other.
func (c *Catalog) Entry(k registry.ServiceKey, i registry.InstanceKey, path string) (at, newest *Entry, alone bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := c.mu.services[k]
	if s == nil {
		return nil, nil, false
	}
	if n, ok := s.find(i); ok {
		all := s.slots[n].entries
		for _, e := range all {
			if e.Path == path {
				return e, all[0], len(all) == 1
			}
		}
	}
	return nil, nil, false
}

// All are the znodes of a service, oldest first.
func (c *Catalog) All(k registry.ServiceKey) []*Entry {
	return c.entries(k, func(*Entry) bool { return true })
}

func (c *Catalog) entries(k registry.ServiceKey, want func(*Entry) bool) []*Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := c.mu.services[k]
	if s == nil {
		return nil
	}
	var found []*Entry
	for _, sl := range s.slots {
		for _, e := range sl.entries {
			if want(e) {
				found = append(found, e)
			}
		}
	}
	slices.SortFunc(found, func(a, b *Entry) int { return cmp.Or(cmp.Compare(a.Czxid, b.Czxid), cmp.Compare(a.Path, b.Path)) })
	return found
}
