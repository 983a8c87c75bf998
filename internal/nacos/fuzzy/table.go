package fuzzy

import (
	"container/list"
	"errors"
	"maps"
	"slices"
)

// Errors of Watch.
var (
	// ErrTooManyPatterns: the client watches as many as it may.
	ErrTooManyPatterns = errors.New("fuzzy watch pattern over limit")
	// ErrTooManyMatches: as many keys match as are kept for a pattern, or more. The
	// pattern is watched all the same, as far as it is kept.
	ErrTooManyMatches = errors.New("fuzzy watch pattern matched count over limit")
)

// Limits bound what clients can make a Table hold.
type Limits struct {
	Patterns int // of one client
	Matches  int // of one pattern
	Batch    int // keys in one message of a sync
}

// goneBytesMax bounds what is kept for one client of the keys that it has named and is to
// forget. What is more comes with a later comparison.
const goneBytesMax = 64 << 10

// Table is who watches what. It is not safe for concurrent use.
type Table struct {
	limits Limits
	kept   map[Key]*kept                // the keys of all topics, each once: many patterns match the same
	topics map[string]map[string]*topic // by namespace and text of the pattern
	events uint64                       // counts calls of Changed
}

// topic is one pattern that somebody watches.
type topic struct {
	pattern  Pattern
	watchers map[*Client]struct{}

	keys   []*kept // which match, in order, up to the limit; empty until filled
	filled bool
	missed bool // some match and are not in keys

	// While somebody looks for the keys:
	scans   int
	touched map[Key]bool // what changed meanwhile, and whether it is there
	over    bool         // one was missed meanwhile
}

// kept is a key that some topics keep, as a difference of those who have it not.
type kept struct {
	Difference
	topics int
}

// Client is what one connection watches.
type Client struct {
	table   *Table
	watches []*watch              // in the order in which they began
	news    map[Key]*list.Element // of *item
	queue   *list.List            // the same, oldest first
	event   uint64                // the last that was seen to
	closed  bool
}

// watch is one client's interest in one pattern.
type watch struct {
	topic *topic
	due   *comparison // nil when nothing is owed
}

// comparison is what is left to be told of one.
type comparison struct {
	initial        bool
	diff           []*Difference // not modified
	batch, batches int           // the number of the next one, of how many
}

// item is one key that came or went.
type item struct {
	key    Key
	knows  bool // what the client was told of it last: that it is there
	unsure bool // or was it: a message was not acknowledged
	taken  bool // one is under way
}

// NewTable makes a Table in which nobody watches anything.
func NewTable(limits Limits) *Table {
	return &Table{limits: limits, kept: make(map[Key]*kept), topics: make(map[string]map[string]*topic)}
}

// Open makes a Client that watches nothing yet.
func (t *Table) Open() *Client {
	return &Client{table: t, news: make(map[Key]*list.Element), queue: list.New()}
}

// Close ends all that a client watches.
func (c *Client) Close() {
	for _, w := range c.watches {
		c.leave(w.topic)
	}
	c.closed, c.watches = true, nil
	clear(c.news)
	c.queue.Init()
}

// Watching is the number of patterns that a client watches.
func (c *Client) Watching() int { return len(c.watches) }

// Scan is a search for the keys of a pattern.
type Scan struct {
	topic *topic
	by    *Client
}

// Watch has the client told of what comes and goes from now on. If it returns a Scan, the
// keys that match are to be found and given to Fill. Begin is the second step. It returns
// ErrTooManyPatterns.
func (c *Client) Watch(p Pattern) (*Scan, error) {
	tp := c.table.topics[p.namespace][p.text]
	if c.find(p) == nil && !c.closed {
		if len(c.watches) >= c.table.limits.Patterns {
			return nil, ErrTooManyPatterns
		}
		if tp == nil {
			tp = c.table.add(p)
		}
		tp.watchers[c] = struct{}{}
		c.watches = append(c.watches, &watch{topic: tp})
	}
	if tp == nil || tp.filled && !(tp.missed && len(tp.keys) < c.table.limits.Matches) {
		return nil, nil
	}
	if tp.scans++; tp.touched == nil {
		tp.touched = make(map[Key]bool) // for the moment of the scan
	}
	return &Scan{tp, c}, nil
}

func (t *Table) add(p Pattern) *topic {
	tp := &topic{pattern: p, watchers: make(map[*Client]struct{})}
	if t.topics[p.namespace] == nil {
		t.topics[p.namespace] = make(map[string]*topic)
	}
	t.topics[p.namespace][p.text] = tp
	return tp
}

// leave ends a client's part in a topic, which ends with its last watcher.
func (c *Client) leave(tp *topic) {
	delete(tp.watchers, c)
	if len(tp.watchers) > 0 {
		return
	}
	for _, k := range tp.keys {
		c.table.release(k)
	}
	tp.keys = nil // a scan may be under way
	namespace := c.table.topics[tp.pattern.namespace]
	delete(namespace, tp.pattern.text)
	if len(namespace) == 0 {
		delete(c.table.topics, tp.pattern.namespace)
	}
}

// release ends a topic's part in a key.
func (t *Table) release(k *kept) {
	if k.topics--; k.topics == 0 {
		delete(t.kept, k.Key)
	}
}

func (tp *topic) find(k Key) (int, bool) {
	return slices.BinarySearchFunc(tp.keys, k, func(a *kept, k Key) int { return a.Key.Compare(k) })
}

// keep adds a key to those of a topic.
func (t *Table) keep(tp *topic, k Key) {
	at, there := tp.find(k)
	if there {
		return
	}
	one := t.kept[k]
	if one == nil {
		one = &kept{Difference: Difference{Key: k}}
		t.kept[k] = one
	}
	one.topics++
	tp.keys = slices.Insert(tp.keys, at, one)
}

// drop takes a key from those of a topic.
func (t *Table) drop(tp *topic, k Key) {
	if at, there := tp.find(k); there {
		t.release(tp.keys[at])
		tp.keys = slices.Delete(tp.keys, at, at+1)
	}
}

// ScanMax is how many keys a scan should look for: one more than are kept, which tells
// that there are more.
func (t *Table) ScanMax() int { return t.limits.Matches + 1 }

// Fill ends a scan with the keys that it found. It returns the clients that are owed
// something by that: those who watched the pattern before, and were not told of all. For
// whom it was made, Begin comes next.
func (t *Table) Fill(s *Scan, found []Key) []*Client {
	tp := s.topic
	first, missed := !tp.filled, tp.over
	if len(tp.watchers) == 0 {
		return nil // it has ended meanwhile
	}
	tp.keys = slices.Grow(tp.keys, max(0, min(len(found), t.limits.Matches)-len(tp.keys)))
	var added []Key
	for _, k := range found {
		if tp.has(k) {
			continue
		}
		if _, changed := tp.touched[k]; changed {
			continue // what was heard of it since is newer
		}
		if len(tp.keys) >= t.limits.Matches {
			missed = true
			break
		}
		t.keep(tp, k)
		added = append(added, k)
	}
	if first {
		for _, k := range slices.SortedFunc(maps.Keys(tp.touched), Key.Compare) {
			switch {
			case !tp.touched[k]:
			case len(tp.keys) < t.limits.Matches:
				t.keep(tp, k)
			default:
				missed = true
			}
		}
	}
	tp.filled, tp.missed = true, missed
	if tp.scans--; tp.scans == 0 {
		tp.touched, tp.over = nil, false
	}
	if first || len(added) == 0 {
		return nil
	}
	var owed []*Client
	for c := range tp.watchers {
		if c == s.by {
			continue
		}
		for _, k := range added {
			c.changed(k, true)
		}
		owed = append(owed, c)
	}
	return owed
}

// Matches are the keys that match a pattern which the client watches, in order, to be
// compared with those that it has. complete says that these are all. The error is
// ErrTooManyMatches or nil.
func (c *Client) Matches(p Pattern) (keys []Key, complete bool, err error) {
	w := c.find(p)
	if w == nil {
		return nil, false, nil
	}
	// What was news to it until now it has been told, or will be, by the comparison; or it
	// had it already.
	for k, el := range c.news {
		if p.Matches(k) {
			el.Value.(*item).unsure = true
		}
	}
	keys = make([]Key, 0, len(w.topic.keys))
	for _, k := range w.topic.keys {
		keys = append(keys, k.Key)
	}
	if len(keys) >= c.table.limits.Matches {
		err = ErrTooManyMatches
	}
	return keys, w.topic.filled && !w.topic.missed, err
}

// Begin makes the differences that the client told of, or was found to have, what it is
// owed. initial says that it wants to hear when that was all. What was left of an earlier
// comparison is forgotten.
func (c *Client) Begin(p Pattern, diff []Difference, initial bool) {
	w := c.find(p)
	if w == nil {
		return // it was cancelled meanwhile
	}
	w.due = nil
	due := c.lasting(diff)
	if len(due) == 0 && !initial {
		return
	}
	n := c.table.limits.Batch
	w.due = &comparison{initial: initial, diff: due, batch: 1, batches: (len(due) + n - 1) / n}
}

// lasting are differences as they are kept until the client has been told of them: those
// that others have too are there once.
func (c *Client) lasting(diff []Difference) []*Difference {
	left := goneBytesMax
	for _, w := range c.watches {
		if w.due == nil {
			continue
		}
		for _, d := range w.due.diff {
			left -= len(d.Text)
		}
	}
	due := make([]*Difference, 0, len(diff))
	for i := range diff {
		d := &diff[i]
		switch k := c.table.kept[d.Key]; {
		case !d.Gone && k != nil:
			due = append(due, &k.Difference)
		case !d.Gone:
			due = append(due, &Difference{Key: d.Key})
		case len(d.Text) <= left:
			left -= len(d.Text)
			one := *d
			due = append(due, &one)
		}
	}
	return due
}

// Cancel ends the watch on a pattern, if there is one.
func (c *Client) Cancel(text string) {
	at := slices.IndexFunc(c.watches, func(w *watch) bool { return w.topic.pattern.text == text })
	if at < 0 {
		return
	}
	p := c.watches[at].topic.pattern
	c.leave(c.watches[at].topic)
	c.watches = slices.Delete(c.watches, at, at+1)
	for k, el := range c.news {
		if p.Matches(k) && !c.concerns(k) {
			c.drop(el)
		}
	}
}

func (c *Client) find(p Pattern) *watch {
	for _, w := range c.watches {
		if w.topic.pattern.text == p.text {
			return w
		}
	}
	return nil
}

// Changed tells that a key is there now, or is there no more, and returns the clients that
// are owed something by that.
func (t *Table) Changed(k Key, there bool) []*Client {
	var owed []*Client
	t.events++
	for _, tp := range t.topics[k.Namespace] {
		if !tp.pattern.Matches(k) || !t.note(tp, k, there) {
			continue
		}
		for c := range tp.watchers {
			if c.event != t.events {
				c.event = t.events
				c.changed(k, there)
				owed = append(owed, c)
			}
		}
	}
	return owed
}

// note reports whether the change is one of the keys that a topic keeps. What changes
// before it has any is news to nobody: all its watchers have yet to be compared.
func (t *Table) note(tp *topic, k Key, there bool) bool {
	if tp.scans > 0 {
		tp.touched[k] = there
	}
	if !tp.filled {
		return false
	}
	switch {
	case tp.has(k) == there:
		return false
	case !there:
		t.drop(tp, k)
	case len(tp.keys) >= t.limits.Matches:
		tp.missed, tp.over = true, true
		return false
	default:
		t.keep(tp, k)
	}
	return true
}

// there reports whether a key is one that the client can be told of.
func (c *Client) there(k Key) bool {
	for _, w := range c.watches {
		if w.topic.has(k) {
			return true
		}
	}
	return false
}

func (tp *topic) has(k Key) bool {
	_, ok := tp.find(k)
	return ok
}

// concerns reports whether a key matches something that the client watches, and that has
// been looked for.
func (c *Client) concerns(k Key) bool {
	return slices.ContainsFunc(c.watches, func(w *watch) bool { return w.topic.filled && w.topic.pattern.Matches(k) })
}

// changed notes a key that came or went. Whoever has it as it was before need not hear
// of what comes to nothing. A client that takes nothing and yet compares again and again
// would be owed more and more: what is too much comes with a later comparison.
func (c *Client) changed(k Key, there bool) {
	el := c.news[k]
	if el == nil {
		if c.queue.Len() >= c.table.limits.Patterns*c.table.limits.Matches {
			c.drop(c.queue.Front())
		}
		c.news[k] = c.queue.PushBack(&item{key: k, knows: !there})
		return
	}
	if n := el.Value.(*item); n.knows == there && !n.unsure && !n.taken {
		c.drop(el)
	}
}

func (c *Client) drop(el *list.Element) {
	c.queue.Remove(el)
	delete(c.news, el.Value.(*item).key)
}
