package state

import "github.com/zensus-io/zensus/core"

// change is a znode with a change under way: as the transaction zxid, the latest
// one that touches it, will leave it.
type change struct {
	node
	zxid core.Zxid
	path string // a transaction's copy
	hash uint64 // of path
	next *change
}

// changes finds what is under way by path. It is a hash table over the tree's own
// hashes, which its user has already, so that nothing is hashed twice; two paths
// may share one. Its records are used again, and it shrinks as it grew.
type changes struct {
	buckets []*change // a power of two
	count   int
	free    *change
	spare   int // length of free, at most as many as there are buckets
}

// The table begins with bucketsMin buckets and does not shrink below bucketsKept,
// so that a burst like the one before finds its room made: some 600 KB.
const (
	bucketsMin  = 256
	bucketsKept = 4096
)

func (t *changes) init() { *t = changes{buckets: make([]*change, bucketsMin)} }

func (t *changes) bucket(hash uint64) **change { return &t.buckets[hash&uint64(len(t.buckets)-1)] }

// find is the change of path, or nil.
func (t *changes) find(hash uint64, path string) *change {
	for c := *t.bucket(hash); c != nil; c = c.next {
		if c.hash == hash && c.path == path {
			return c
		}
	}
	return nil
}

// add makes a change of a path that has none.
func (t *changes) add(hash uint64, path string) *change {
	if t.count == len(t.buckets) {
		t.resize(2 * len(t.buckets))
	}
	c := t.free
	if c != nil {
		t.free = c.next
		t.spare--
	} else {
		c = new(change)
	}
	head := t.bucket(hash)
	c.hash, c.path, c.next = hash, path, *head
	*head = c
	t.count++
	return c
}

// remove takes c out; it must not be used afterwards.
func (t *changes) remove(c *change) {
	at := t.bucket(c.hash)
	for *at != c {
		at = &(*at).next
	}
	*at = c.next
	t.count--
	*c = change{next: t.free}
	t.free = c
	t.spare++
	if t.count < len(t.buckets)/8 && len(t.buckets) > bucketsKept {
		t.resize(len(t.buckets) / 2)
	}
	for t.spare > len(t.buckets) {
		t.free = t.free.next
		t.spare--
	}
}

func (t *changes) resize(n int) {
	old := t.buckets
	t.buckets = make([]*change, n)
	for _, c := range old {
		for c != nil {
			next := c.next
			head := t.bucket(c.hash)
			c.next = *head
			*head = c
			c = next
		}
	}
}
