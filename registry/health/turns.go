package health

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/zensus-io/zensus/registry"
)

// turns shares the places of checks out: first among namespaces, then among the services of
// one. The next place is for who has the fewest checks under way, and of those with equally
// many for who has waited longest since its last. Thousands of instances that let each check
// wait for its end so delay those of another namespace by no more than the end of one check.
//
// It is owned by one goroutine. What is neither due nor under way is forgotten.
type turns struct {
	taken uint64 // turns
	// holders are those who wait for a place or have one. That of a namespace has a key
	// without a group and a name.
	holders map[registry.ServiceKey]*holder
}

type holder struct {
	under   int    // checks under way
	last    uint64 // its last turn; at first that at which it began to wait
	waiting bool
}

func newTurns() *turns { return &turns{holders: make(map[registry.ServiceKey]*holder)} }

func spaceOf(k registry.ServiceKey) registry.ServiceKey {
	return registry.ServiceKey{Namespace: k.Namespace}
}

// end says that a check of a service has ended.
func (s *turns) end(k registry.ServiceKey) {
	for _, k := range []registry.ServiceKey{k, spaceOf(k)} {
		s.holders[k].under--
	}
}

// heir is a namespace or a service with targets that are due.
type heir struct {
	*holder
	key      registry.ServiceKey
	services heirs     // of a namespace
	due      []*target // of a service, in the order in which they are asked
}

// heirs is a heap: the first is whose turn it is.
type heirs []*heir

func (s heirs) Len() int      { return len(s) }
func (s heirs) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s *heirs) Push(h any)   { *s = append(*s, h.(*heir)) }

func (s *heirs) Pop() any {
	last := len(*s) - 1
	h := (*s)[last]
	*s = (*s)[:last]
	return h
}

func (s heirs) Less(i, j int) bool {
	a, b := s[i], s[j]
	return cmp.Or(cmp.Compare(a.under, b.under), cmp.Compare(a.last, b.last), a.key.Compare(b.key)) < 0
}

// took puts the first, which has had its turn, where it belongs. One that has nothing more
// to ask is gone.
func (s *heirs) took(turn uint64, more bool) {
	first := (*s)[0]
	first.under++
	first.last = turn
	if more {
		heap.Fix(s, 0)
	} else {
		heap.Pop(s)
	}
}

// next takes limit targets at most of those that are due, as their turns come. Each of due
// is all of a service, or as many of it as limit.
func (s *turns) next(due map[registry.ServiceKey][]*target, limit int) []*target {
	spaces := s.heirs(due)
	var picked []*target
	for len(picked) < limit && len(spaces) > 0 {
		space := spaces[0]
		service := space.services[0]
		picked = append(picked, service.due[0])
		service.due = service.due[1:]
		s.taken++
		space.services.took(s.taken, len(service.due) > 0)
		spaces.took(s.taken, len(space.services) > 0)
	}
	return picked
}

// heirs returns the namespaces that wait, and remembers who does.
func (s *turns) heirs(due map[registry.ServiceKey][]*target) heirs {
	for _, h := range s.holders {
		h.waiting = false
	}
	wait := func(k registry.ServiceKey) *holder {
		h := s.holders[k]
		if h == nil {
			h = &holder{last: s.taken}
			s.holders[k] = h
		}
		h.waiting = true
		return h
	}
	spaces := make(map[string]*heir)
	var list heirs
	for k, targets := range due {
		if len(targets) == 0 {
			continue
		}
		space := spaces[k.Namespace]
		if space == nil {
			space = &heir{holder: wait(spaceOf(k)), key: spaceOf(k)}
			spaces[k.Namespace] = space
			list = append(list, space)
		}
		space.services = append(space.services, &heir{holder: wait(k), key: k, due: targets})
	}
	for k, h := range s.holders {
		if !h.waiting && h.under == 0 {
			delete(s.holders, k)
		}
	}
	for _, space := range list {
		heap.Init(&space.services)
	}
	heap.Init(&list)
	return list
}

// queue keeps those targets of a service that have been due for longest, limit at most, in
// their order.
func queue(due []*target, t *target, limit int) []*target {
	before := func(a, b *target) int {
		return cmp.Or(a.next.Compare(b.next), a.instance.Key().Compare(b.instance.Key()))
	}
	if len(due) >= limit {
		if limit == 0 || before(t, due[limit-1]) > 0 {
			return due
		}
		due = due[:limit-1]
	}
	at, _ := slices.BinarySearchFunc(due, t, before)
	return slices.Insert(due, at, t)
}
