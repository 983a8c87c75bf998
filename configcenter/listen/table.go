package listen

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// Watched is one key as a client listens to it.
type Watched struct {
	Key configcenter.Key
	// Tenant is the namespace as the client wrote it: answers repeat it, because
	// clients look their listeners up by it.
	Tenant string
	// MD5 is that of the content which the client has, "" if it has none.
	MD5 string
	// Unknown says that the client did not tell: then it always differs.
	Unknown bool
}

// Change is a key that a listener has yet to be told of.
type Change struct {
	Watched
	// Zxid is the transaction of the latest change: whoever then reads the config
	// must see at least that.
	Zxid core.Zxid
}

// Limits bound what clients can make a Table hold. Start from DefaultLimits.
type Limits struct {
	PerListener int // keys of one listener, or of one long-poll
	Total       int // keys of all listeners together
	Polls       int // long-polls held at once
}

// DefaultLimits take 10,000 keys from one client, as Nacos does, and two
// million from all (about 400 MB).
func DefaultLimits() Limits {
	return Limits{PerListener: 10_000, Total: 2_000_000, Polls: 50_000}
}

// ErrTooMany is returned when a limit is reached.
var ErrTooMany = errors.New("too many listeners")

// Table is the register of all listeners of a node. It is safe for concurrent use.
type Table struct {
	current func(configcenter.Key, *configcenter.Reader) string
	limits  Limits

	mu struct {
		sync.Mutex
		keys     map[configcenter.Key]map[*entry]struct{}
		clients  map[string]map[*Listener]struct{} // those that have entries
		entries  int
		polls    int
		draining bool
		held     map[*poll]struct{}
	}
}

// New makes a Table. current is the md5 that a key has for a reader on this node, "" for
// a config that does not exist. It must already give the new md5 when Changed is called.
func New(current func(configcenter.Key, *configcenter.Reader) string, limits Limits) *Table {
	t := &Table{current: current, limits: limits}
	t.mu.keys = make(map[configcenter.Key]map[*entry]struct{})
	t.mu.clients = make(map[string]map[*Listener]struct{})
	t.mu.held = make(map[*poll]struct{})
	return t
}

// name is what a listener's registration is found by: a client may write one
// namespace in two ways.
type name struct {
	key    configcenter.Key
	tenant string
}

// entry is one key of one listener.
type entry struct {
	listener *Listener
	watched  Watched
}

// Changed tells everybody who listens to k, and has another md5 than what he reads since
// transaction zxid, that it changed. cfg is all that there is now, nil for nothing.
func (t *Table) Changed(k configcenter.Key, cfg *configcenter.Config, zxid core.Zxid) {
	var wakes []func()
	t.mu.Lock()
	for e := range t.mu.keys[k] {
		if !e.watched.Unknown && e.watched.MD5 == cfg.MD5(e.listener.reader) {
			continue
		}
		e.watched.Unknown = true
		l := e.listener
		if len(l.pending) == 0 {
			wakes = append(wakes, l.wake)
		}
		l.pending[name{k, e.watched.Tenant}] = zxid
	}
	t.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

// Stats are figures for metrics.
type Stats struct {
	Keys  int // registrations
	Polls int // held long-polls
}

// Stats counts what the table holds.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Stats{Keys: t.mu.entries, Polls: t.mu.polls}
}

// Subscription is what one listener has of one key, for people to look at.
type Subscription struct {
	Client string // as given to Open
	Watched
}

// ListenersOf lists who listens to k, ordered by client.
func (t *Table) ListenersOf(k configcenter.Key) []Subscription {
	t.mu.Lock()
	found := make([]Subscription, 0, len(t.mu.keys[k]))
	for e := range t.mu.keys[k] {
		found = append(found, Subscription{Client: e.listener.client, Watched: e.watched})
	}
	t.mu.Unlock()
	return sorted(found)
}

// ListenedBy lists what the clients at one address listen to, ordered by key.
func (t *Table) ListenedBy(client string) []Subscription {
	var found []Subscription
	t.mu.Lock()
	for l := range t.mu.clients[client] {
		for _, e := range l.entries {
			found = append(found, Subscription{Client: client, Watched: e.watched})
		}
	}
	t.mu.Unlock()
	return sorted(found)
}

func sorted(found []Subscription) []Subscription {
	slices.SortFunc(found, func(a, b Subscription) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), a.Key.Compare(b.Key))
	})
	return found
}

// poll is a long-poll that is held.
type poll struct{ ready chan struct{} }

func (p *poll) wake() {
	select {
	case p.ready <- struct{}{}:
	default: // awake already
	}
}

// Poll answers which of the watched configs differ from what the client has. If
// none does, it waits up to hold for the first that changes, and answers with
// what has changed by then, usually that one. It answers nothing when the time
// is over, and returns ErrTooMany or the context's error.
func (t *Table) Poll(ctx context.Context, client string, who *configcenter.Reader, watched []Watched, hold time.Duration) ([]Watched, error) {
	if hold <= 0 {
		return t.compare(who, watched), nil
	}
	p := &poll{ready: make(chan struct{}, 1)}
	if err := t.hold(p); err != nil {
		return nil, err
	}
	l := t.Open(client, who, p.wake)
	changed, err := l.Listen(watched)
	if err != nil || len(changed) > 0 {
		t.release(p, l)
		return changed, err
	}
	timer := time.NewTimer(hold)
	defer timer.Stop()
	select {
	case <-p.ready:
	case <-timer.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	for _, c := range t.release(p, l) {
		changed = append(changed, c.Watched)
	}
	if err != nil {
		return nil, err
	}
	return changed, nil
}

func (t *Table) hold(p *poll) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.polls >= t.limits.Polls {
		return ErrTooMany
	}
	t.mu.polls++
	t.mu.held[p] = struct{}{}
	if t.mu.draining {
		p.wake()
	}
	return nil
}

// release ends a poll and its listener, and returns what has changed. It takes
// the lock once: a change may release ten thousand polls in one moment.
func (t *Table) release(p *poll, l *Listener) []Change {
	t.mu.Lock()
	t.mu.polls--
	delete(t.mu.held, p)
	changes := l.pendingLocked()
	l.closeLocked()
	t.mu.Unlock()
	sortChanges(changes)
	return changes
}

// Drain answers every long-poll at once, those that are held and those to come,
// so that a server that stops need not wait for them.
func (t *Table) Drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.draining = true
	for p := range t.mu.held {
		p.wake() // never blocks
	}
}

// Wake answers every long-poll that is held, as if its time were over.
func (t *Table) Wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range t.mu.held {
		p.wake() // never blocks
	}
}

// compare is which of the watched configs differ from what the client has.
func (t *Table) compare(who *configcenter.Reader, watched []Watched) (changed []Watched) {
	for _, w := range watched {
		if w.Unknown || t.current(w.Key, who) != w.MD5 {
			changed = append(changed, w)
		}
	}
	return changed
}
