package durability

import (
	"fmt"
	"maps"
	"sync"

	"github.com/go-zookeeper/zk"
)

// found is what an audit read of a lane's subtree.
type found struct {
	counter zk.Stat
	value   int64
	entries map[string]int64
}

// read reads a lane's whole subtree.
func (l *lane) read(c *zk.Conn) (found, error) {
	data, stat, err := c.Get(l.path + "/counter")
	if err != nil {
		return found{}, fmt.Errorf("%s: counter: %w", l.path, err)
	}
	f := found{counter: *stat, entries: map[string]int64{}}
	if f.value, err = l.numberOf(data); err != nil {
		return found{}, fmt.Errorf("%s: counter: %w", l.path, err)
	}
	names, _, err := c.Children(l.path + "/entries")
	if err != nil {
		return found{}, fmt.Errorf("%s: entries: %w", l.path, err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, name := range names {
		all.Go(func() {
			data, _, e := c.Get(l.path + "/entries/" + name)
			mu.Lock()
			defer mu.Unlock()
			if e == nil {
				f.entries[name], e = l.numberOf(data)
			}
			if e != nil && err == nil {
				err = fmt.Errorf("%s: entry %s: %w", l.path, name, e)
			}
		})
	}
	all.Wait()
	return f, err
}

// audit demands that the server knows what the lane knows, and settles the request
// whose outcome was unknown.
func (l *lane) audit(c *zk.Conn) error {
	f, err := l.read(c)
	if err != nil {
		return err
	}
	if int64(f.counter.Version) != f.value {
		return fmt.Errorf("%s: the counter has value %d at version %d", l.path, f.value, f.counter.Version)
	}
	before := l.known.differs(f)
	w := l.unknown
	l.unknown = nil
	if before == nil {
		if f.counter.Mzxid < l.zxid {
			return fmt.Errorf("%s: zxid %#x went back to %#x", l.path, l.zxid, f.counter.Mzxid)
		}
		if w != nil {
			l.dropped++
		}
		return nil
	}
	if w == nil {
		return fmt.Errorf("%s: %w, and no request was open", l.path, before)
	}
	after := l.known.clone()
	if err := after.apply(*w, l.newName(f, w.number)); err != nil {
		return fmt.Errorf("%s: %w, and request %+v cannot explain it: %w", l.path, before, *w, err)
	}
	if err := after.differs(f); err != nil {
		return fmt.Errorf("%s: %w without request %+v, %w with it", l.path, before, *w, err)
	}
	l.known = after
	l.zxid = max(l.zxid, f.counter.Mzxid)
	l.applied++
	return nil
}

// newName is the name of the entry that a write made, if it is there.
func (l *lane) newName(f found, number int64) string {
	for name, n := range f.entries {
		if n == number {
			return name
		}
	}
	return ""
}

// differs says how the state is not what was found, or nil.
func (s state) differs(f found) error {
	if f.counter.Version != s.counter {
		return fmt.Errorf("the counter is %d, not %d", f.counter.Version, s.counter)
	}
	if !maps.Equal(s.entries, f.entries) {
		for name := range s.entries {
			if _, there := f.entries[name]; !there {
				return fmt.Errorf("entry %s is lost", name)
			}
		}
		return fmt.Errorf("%d entries, not %d", len(f.entries), len(s.entries))
	}
	return nil
}
