package lease

import (
	"cmp"
	"iter"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/store"
)

// A node has as many wishes as its clients have registrations, and nearly all are of one
// instance: slices hold them in a tenth of what maps take.

// wanted are the instances of a wish, in the order of their keys. The records never
// change.
type wanted []*store.Record

// find is the record of a key, nil if it is not wanted.
func (w wanted) find(k registry.InstanceKey) *store.Record {
	if at, ok := w.search(k); ok {
		return w[at]
	}
	return nil
}

func (w wanted) search(k registry.InstanceKey) (int, bool) {
	return slices.BinarySearchFunc(w, k, func(r *store.Record, k registry.InstanceKey) int { return r.Instance.Key().Compare(k) })
}

// newWanted puts records in order. Of those with one key the last one counts.
func newWanted(records []*store.Record) wanted {
	slices.Reverse(records)
	slices.SortStableFunc(records, func(a, b *store.Record) int { return a.Instance.Key().Compare(b.Instance.Key()) })
	records = slices.CompactFunc(records, func(a, b *store.Record) bool { return a.Instance.Key() == b.Instance.Key() })
	return slices.Clip(records)
}

// without is w without a key. w itself stays as it is.
func (w wanted) without(k registry.InstanceKey) wanted {
	return slices.DeleteFunc(slices.Clone(w), func(r *store.Record) bool { return r.Instance.Key() == k })
}

// wishes are those of a client, by service. The zero value has none.
type wishes struct {
	service registry.ServiceKey
	only    *wish                         // in service; nil where there is none, or where more is
	more    map[registry.ServiceKey]*wish // all, where there have been several
}

// in is the wish in a service, nil if there is none.
func (w *wishes) in(k registry.ServiceKey) *wish {
	if w.more != nil {
		return w.more[k]
	}
	if w.only != nil && w.service == k {
		return w.only
	}
	return nil
}

// add puts in a wish in a service where there is none.
func (w *wishes) add(k registry.ServiceKey, one *wish) {
	switch {
	case w.more != nil:
		w.more[k] = one
	case w.only == nil:
		w.service, w.only = k, one
	default:
		w.more = map[registry.ServiceKey]*wish{w.service: w.only, k: one}
		w.service, w.only = registry.ServiceKey{}, nil
	}
}

func (w *wishes) remove(k registry.ServiceKey) {
	if w.more != nil {
		delete(w.more, k)
	} else if w.only != nil && w.service == k {
		w.service, w.only = registry.ServiceKey{}, nil
	}
}

func (w *wishes) count() int {
	if w.only != nil {
		return 1
	}
	return len(w.more)
}

// all goes through the wishes. None may be added or removed meanwhile.
func (w *wishes) all() iter.Seq2[registry.ServiceKey, *wish] {
	return func(yield func(registry.ServiceKey, *wish) bool) {
		if w.only != nil {
			yield(w.service, w.only)
			return
		}
		for k, one := range w.more {
			if !yield(k, one) {
				return
			}
		}
	}
}

// services are those in which there are wishes.
func (w *wishes) services() []registry.ServiceKey {
	all := make([]registry.ServiceKey, 0, w.count())
	for k := range w.all() {
		all = append(all, k)
	}
	return all
}

// held is a znode of a client's session.
type held struct {
	*catalog.Entry
	// covered is the czxid of the newest znode of another session that was seen to count
	// in its place, 0 if none was.
	covered core.Zxid
	unseen  bool // the picture has not been seen to show it
}

// holdings are the znodes of a session in one service, in the order of their paths.
type holdings []held

// find is the znode at a path, nil if there is none. It is good until the next change.
func (h holdings) find(path string) *held {
	at, ok := slices.BinarySearchFunc(h, path, func(e held, path string) int { return cmp.Compare(e.Path, path) })
	if !ok {
		return nil
	}
	return &h[at]
}

// with is h without the znodes at some paths, in order, and with others.
func (h holdings) with(drop []string, add ...held) holdings {
	all := make(holdings, 0, max(len(h)-len(drop), 0)+len(add))
	for _, e := range h {
		if _, gone := slices.BinarySearch(drop, e.Path); !gone {
			all = append(all, e)
		}
	}
	all = append(all, add...)
	slices.SortFunc(all, func(a, b held) int { return cmp.Compare(a.Path, b.Path) })
	return all
}
