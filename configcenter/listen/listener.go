package listen

import (
	"slices"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// Listener is the set of keys that one client listens to. It is safe for
// concurrent use.
type Listener struct {
	table  *Table
	client string
	reader *configcenter.Reader
	wake   func()

	// Guarded by the table's lock.
	entries map[name]*entry
	pending map[name]core.Zxid // told of these at the next Take
	closed  bool
}

// Open makes a Listener without keys. client is its address, for ListenedBy, and who
// what gray versions are chosen by; nil reads none.
// wake is called, from any goroutine and without blocking it for long, when the
// first change comes that Take has not taken.
func (t *Table) Open(client string, who *configcenter.Reader, wake func()) *Listener {
	return &Listener{
		table: t, client: client, reader: who, wake: wake,
		entries: make(map[name]*entry), pending: make(map[name]core.Zxid),
	}
}

// Listen adds keys, or replaces what the client has of them, and returns those
// that differ now. It returns ErrTooMany, and then adds nothing, if that passes a
// limit; on a closed Listener it does nothing.
func (l *Listener) Listen(watched []Watched) (changed []Watched, err error) {
	if err := l.register(watched); err != nil {
		return nil, err
	}
	changed = l.table.compare(l.reader, watched)
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	for _, w := range changed {
		if e := l.entries[name{w.Key, w.Tenant}]; e != nil {
			e.watched.Unknown = true // the client is about to fetch we cannot know what
		}
	}
	return changed, nil
}

func (l *Listener) register(watched []Watched) error {
	t := l.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.closed {
		return nil
	}
	fresh := make(map[name]struct{}) // a request may name one twice
	for _, w := range watched {
		if n := (name{w.Key, w.Tenant}); l.entries[n] == nil {
			fresh[n] = struct{}{}
		}
	}
	if len(l.entries)+len(fresh) > t.limits.PerListener || t.mu.entries+len(fresh) > t.limits.Total {
		return ErrTooMany
	}
	if len(l.entries) == 0 && len(fresh) > 0 {
		add(t.mu.clients, l.client, l)
	}
	for _, w := range watched {
		n := name{w.Key, w.Tenant}
		e := l.entries[n]
		if e == nil {
			e = &entry{listener: l}
			l.entries[n] = e
			k := w.Key
			if t.mu.keys[k] == nil {
				k = k.Clone() // it is there for others when this one is over
			}
			add(t.mu.keys, k, e)
			t.mu.entries++
		}
		e.watched = w
		delete(l.pending, n) // the comparison that follows covers it
	}
	return nil
}

// Unlisten removes keys; those that are not listened to are passed over.
func (l *Listener) Unlisten(watched []Watched) {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	for _, w := range watched {
		l.removeLocked(name{w.Key, w.Tenant})
	}
}

func (l *Listener) removeLocked(n name) {
	e := l.entries[n]
	if e == nil {
		return
	}
	t := l.table
	delete(l.entries, n)
	delete(l.pending, n)
	remove(t.mu.keys, n.key, e)
	if len(l.entries) == 0 {
		remove(t.mu.clients, l.client, l)
	}
	t.mu.entries--
}

// add and remove keep sets by their keys; a set that is empty is none.
func add[K, V comparable](sets map[K]map[V]struct{}, k K, v V) {
	if sets[k] == nil {
		sets[k] = make(map[V]struct{})
	}
	sets[k][v] = struct{}{}
}

func remove[K, V comparable](sets map[K]map[V]struct{}, k K, v V) {
	delete(sets[k], v)
	if len(sets[k]) == 0 {
		delete(sets, k)
	}
}

// Take takes up to limit of the changes that the client has not been told of,
// ordered by key. A change that could not be delivered is given back with Again.
func (l *Listener) Take(limit int) []Change {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	changes := l.pendingLocked()
	sortChanges(changes)
	changes = changes[:min(len(changes), max(limit, 0))]
	for _, c := range changes {
		delete(l.pending, name{c.Key, c.Tenant})
	}
	return changes
}

// pendingLocked is what Take would give, in no order.
func (l *Listener) pendingLocked() []Change {
	changes := make([]Change, 0, len(l.pending))
	for n, zxid := range l.pending {
		changes = append(changes, Change{Watched: l.entries[n].watched, Zxid: zxid})
	}
	return changes
}

func sortChanges(changes []Change) {
	slices.SortFunc(changes, func(a, b Change) int {
		if c := a.Key.Compare(b.Key); c != 0 {
			return c
		}
		return strings.Compare(a.Tenant, b.Tenant)
	})
}

// Again says that the client could not be told of c. If the client still listens
// to the key, and has not said since what it has of it, it is owed the change
// again. It reports whether that is so. The listener is not woken.
func (l *Listener) Again(c Change) bool {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	n := name{c.Key, c.Tenant}
	e := l.entries[n]
	if e == nil || !e.watched.Unknown {
		return false
	}
	l.pending[n] = max(l.pending[n], c.Zxid)
	return true
}

// Pending reports whether there is something to take.
func (l *Listener) Pending() bool {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	return len(l.pending) > 0
}

// Len is the number of keys.
func (l *Listener) Len() int {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	return len(l.entries)
}

// Keys are the configs that the client listens to, ordered.
func (l *Listener) Keys() []configcenter.Key {
	l.table.mu.Lock()
	keys := make([]configcenter.Key, 0, len(l.entries))
	for n := range l.entries {
		keys = append(keys, n.key)
	}
	l.table.mu.Unlock()
	slices.SortFunc(keys, configcenter.Key.Compare)
	return slices.Compact(keys)
}

// Close removes all keys. No wake begins after it has returned but those that
// had already begun.
func (l *Listener) Close() {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	l.closeLocked()
}

func (l *Listener) closeLocked() {
	l.closed = true
	for n := range l.entries {
		l.removeLocked(n)
	}
}
