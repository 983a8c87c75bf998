package lease

import (
	"cmp"
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
