package catalog

import (
	"cmp"
	"slices"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/store"
)

// Entry is one instance znode. It never changes.
type Entry struct {
	Path  string
	Czxid core.Zxid
	Owner core.SessionID // 0 for persistent instances
	store.Record
}

// Overlay says that, for one local client in one service, its wishes are what
// counts and not the znodes of its session.
type Overlay struct {
	// Session holds the client's znodes; 0 if it has none at the moment.
	Session core.SessionID
	// Wants is everything that the client wants in this service; empty if it has
	// withdrawn all of it.
	Wants []Want
	// Without are znodes, by path, that are not shown whoever owns them: they are to be
	// gone, and still there.
	Without []string
}

// Want is an instance that a local client wants to be registered.
type Want struct {
	store.Record
	// Rank takes the place of a czxid among the znodes of the same key.
	Rank core.Zxid
}

// slot is what is known of one instance key.
type slot struct {
	entries []*Entry  // newest first; at least one
	room    [1]*Entry // for entries, which are hardly ever more
	showing *showing  // nil until somebody asks
}

func newSlot(e *Entry) *slot {
	s := &slot{room: [1]*Entry{e}}
	s.entries = s.room[:]
	return s
}

// showing is what a slot shows without overlays.
type showing struct {
	instance registry.Instance
	encoded  []byte // made when first needed
}

func (s *slot) key() registry.InstanceKey { return s.entries[0].Instance.Key() }

// add keeps entries in order. An entry of the same path is replaced.
func (s *slot) add(e *Entry) {
	s.remove(e.Path)
	at, _ := slices.BinarySearchFunc(s.entries, e, func(a, b *Entry) int {
		return cmp.Or(cmp.Compare(b.Czxid, a.Czxid), cmp.Compare(b.Path, a.Path))
	})
	s.entries = slices.Insert(s.entries, at, e)
	if len(s.entries) > len(s.room) {
		clear(s.room[:]) // they are elsewhere
	}
	s.reset()
}

func (s *slot) remove(path string) *Entry {
	for n, e := range s.entries {
		if e.Path == path {
			s.entries = slices.Delete(s.entries, n, n+1)
			s.reset()
			return e
		}
	}
	return nil
}

func (s *slot) reset() { s.showing = nil }

// service is what is known of one service.
type service struct {
	key registry.ServiceKey

	exists bool // the service's own znode is there
	value  registry.Service
	stat   core.Stat // as last seen
	empty  core.Zxid // since when there is no instance; 0 if there is one

	slots     []*slot // in the order of their keys
	sized     int     // how many of them were counted
	overrides map[registry.InstanceKey]registry.Override
	overlays  map[string]Overlay // by client

	gen   uint64 // counts changes of anything above
	ref   int64  // lastRefTime of that gen
	shown int64  // the highest that was handed out
	views map[string]*View
}

func (s *service) find(k registry.InstanceKey) (int, bool) {
	return slices.BinarySearchFunc(s.slots, k, func(s *slot, k registry.InstanceKey) int { return s.key().Compare(k) })
}

// put takes an entry in, and is where it lies.
func (s *service) put(e *Entry) *slot {
	at, ok := s.find(e.Instance.Key())
	if ok {
		s.slots[at].add(e)
	} else {
		s.slots = slices.Insert(s.slots, at, newSlot(e))
	}
	return s.slots[at]
}

func (s *service) drop(k registry.InstanceKey, path string) *Entry {
	at, ok := s.find(k)
	if !ok {
		return nil
	}
	e := s.slots[at].remove(path)
	if len(s.slots[at].entries) == 0 {
		s.slots = slices.Delete(s.slots, at, at+1)
	}
	return e
}

// covered are the znodes of a key of which another session has a newer one.
func (s *slot) covered(k registry.ServiceKey) (found []Covered) {
	for _, e := range s.entries[1:] {
		if e.Owner != 0 && e.Owner != s.entries[0].Owner {
			found = append(found, Covered{Service: k, Entry: e, By: s.entries[0]})
		}
	}
	return found
}

// see takes over a newer Stat of the service's znode.
func (s *service) see(st core.Stat) {
	if !s.exists || st.Czxid > s.stat.Czxid || st.Mzxid > s.stat.Mzxid || st.Pzxid > s.stat.Pzxid {
		s.stat = st
	}
}

// revision is store.Revision of the newest state that is known. A service that
// only local clients want so far lies between its being unknown and its creation.
func (s *service) revision() int64 {
	if !s.exists {
		return time.Now().Add(-unknownAge / 2).UnixMilli()
	}
	return store.Revision(s.stat)
}

// bump begins a new generation. In the normal case its number is the revision,
// so that all nodes agree on it; where something local changed it still rises
// above what anybody has seen.
func (s *service) bump() {
	s.gen++
	s.ref = max(s.shown+1, s.revision())
}

// override is what the instance looks like with what an operator set on it.
func (s *service) override(i registry.Instance) registry.Instance {
	if o, ok := s.overrides[i.Key()]; ok {
		return o.Apply(i)
	}
	return i
}

// instances are those that the service shows, in the order of their keys.
func (s *service) instances() []registry.Instance {
	if len(s.overlays) > 0 {
		return s.overlaid()
	}
	all := make([]registry.Instance, 0, len(s.slots))
	for _, sl := range s.slots {
		if sl.showing == nil {
			sl.showing = &showing{instance: s.override(sl.entries[0].Instance)}
		}
		all = append(all, sl.showing.instance)
	}
	return all
}

// overlaid is the same with the wishes of local clients in place of their znodes.
func (s *service) overlaid() []registry.Instance {
	type candidate struct {
		rank core.Zxid
		i    *registry.Instance
	}
	best := make(map[registry.InstanceKey]candidate, len(s.slots))
	hidden := make(map[core.SessionID]bool, len(s.overlays))
	without := make(map[string]bool)
	for _, o := range s.overlays {
		if o.Session != 0 {
			hidden[o.Session] = true
		}
		for _, path := range o.Without {
			without[path] = true
		}
	}
	for _, sl := range s.slots {
		for _, e := range sl.entries {
			if !hidden[e.Owner] && !without[e.Path] {
				best[sl.key()] = candidate{e.Czxid, &e.Instance}
				break
			}
		}
	}
	for _, o := range s.overlays {
		for n := range o.Wants {
			w := &o.Wants[n]
			if c, ok := best[w.Instance.Key()]; !ok || w.Rank >= c.rank {
				best[w.Instance.Key()] = candidate{w.Rank, &w.Instance}
			}
		}
	}
	all := make([]registry.Instance, 0, len(best))
	for _, c := range best {
		all = append(all, s.override(*c.i))
	}
	slices.SortFunc(all, func(a, b registry.Instance) int { return a.Key().Compare(b.Key()) })
	return all
}
