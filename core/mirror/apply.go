package mirror

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
)

// batch collects the changes of one round, one per path.
type batch struct {
	m       *Mirror
	changes []Change
	at      map[string]int // path to index in changes
}

// apply brings the picture forward by events of w. Events that carry no znode are
// read here, all together: the replies show at least what the events told.
func (m *Mirror) apply(ctx context.Context, w core.Watch, events []core.Event) error {
	g := gathered{m: m}
	if whole, err := g.gather(ctx, w, events); err != nil {
		return err
	} else if !whole {
		// Older events of the batch are covered by the listing, and so are the
		// newer ones: all of them were here before the listing began.
		m.complete.Store(false)
		m.log.Debug("mirror missed events and lists again", "path", m.cfg.Root)
		return m.relist(ctx)
	}
	events, found, parents := g.events, g.found, g.parents
	var upTo core.Zxid
	for i := range events {
		switch e := &events[i]; {
		case e.Type == core.Progress:
			m.progress.Store(true)
			upTo = e.Zxid
		case e.Zxid > 0:
			// More events of this zxid may follow in the next batch.
			upTo = max(upTo, e.Zxid-1)
		}
	}

	b := batch{m: m}
	m.picture.mu.Lock()
	for path, st := range parents {
		m.picture.restatLocked(path, st)
	}
	for i := range events {
		e := &events[i]
		if e.Zxid > 0 && e.Path != m.cfg.Root {
			switch e.Type {
			case core.NodeCreated:
				m.picture.countLocked(e.Path, e.Zxid, 1)
			case core.NodeDeleted:
				m.picture.countLocked(e.Path, e.Zxid, -1)
			}
		}
		switch e.Type {
		case core.NodeCreated, core.NodeDataChanged:
			if e.HasNode {
				b.put(&Node{Path: e.Path, Data: e.Data, Stat: e.Stat}, e.Zxid)
			} else {
				b.settle(e.Path, found[e.Path], e.Zxid)
			}
		case core.NodeDeleted:
			if _, read := found[e.Path]; read {
				b.settle(e.Path, found[e.Path], e.Zxid)
			} else if old := m.picture.lookupLocked(e.Path); old == nil || old.Stat.Czxid <= e.Zxid {
				b.drop(e.Path, e.Zxid)
			}
		}
	}
	m.picture.mu.Unlock()
	b.report(upTo)
	return nil
}

// settle makes path what reading it showed: n, or nothing.
func (b *batch) settle(path string, n *Node, z core.Zxid) {
	if n == nil {
		b.drop(path, z)
	} else {
		b.put(n, max(z, n.Stat.Mzxid))
	}
}

// put shows n unless the picture has something as new.
func (b *batch) put(n *Node, z core.Zxid) {
	p := &b.m.picture
	old := p.lookupLocked(n.Path)
	if old != nil && !newer(&n.Stat, &old.Stat) {
		return
	}
	p.putLocked(n.Path, n)
	b.note(n.Path, old, n, z)
}

// newer reports whether a is a later state of a znode than b. Within one multi
// only the version tells.
func newer(a, b *core.Stat) bool {
	if a.Mzxid != b.Mzxid {
		return a.Mzxid > b.Mzxid
	}
	return a.Czxid > b.Czxid || a.Czxid == b.Czxid && a.Version-b.Version > 0
}

func (b *batch) drop(path string, z core.Zxid) {
	if old := b.m.picture.putLocked(path, nil); old != nil || b.m.cfg.Passing {
		b.note(path, old, nil, z)
	}
}

// note merges what happened to one path into one change, at its last place.
func (b *batch) note(path string, old, now *Node, z core.Zxid) {
	if i, ok := b.at[path]; ok {
		old = b.changes[i].Old
		b.changes[i].Path = "" // superseded
	}
	if b.at == nil {
		b.at = make(map[string]int)
	}
	b.at[path] = len(b.changes)
	b.changes = append(b.changes, Change{Path: path, Old: old, New: now, Zxid: z})
}

// report calls OnChange with what differs, in the order of zxids, and then makes
// the progress known. upTo 0 says that nothing is known of the progress.
func (b *batch) report(upTo core.Zxid) {
	changes := slices.DeleteFunc(b.changes, func(c Change) bool {
		return c.Path == "" || c.Old == nil && c.New == nil && !b.m.cfg.Passing
	})
	for i := range changes {
		if c := &changes[i]; c.Zxid == 0 {
			c.Zxid = max(upTo, b.m.Zxid())
		}
	}
	slices.SortStableFunc(changes, byZxid)
	if len(changes) > 0 && b.m.cfg.OnChange != nil {
		b.m.cfg.OnChange(changes, max(upTo, b.m.Zxid()))
	}
	b.m.advance(upTo)
}

// byZxid orders changes by zxid; within one, what is gone comes first and
// children before parents, then what is new with parents before children.
func byZxid(a, b Change) int {
	if c := cmp.Compare(a.Zxid, b.Zxid); c != 0 {
		return c
	}
	aGone, bGone := a.New == nil, b.New == nil
	switch {
	case aGone && bGone:
		return strings.Compare(b.Path, a.Path)
	case aGone:
		return -1
	case bGone:
		return 1
	}
	return strings.Compare(a.Path, b.Path)
}

// isAbsent reports whether err says that a path is not for this picture: not
// there, or not ours to read.
func isAbsent(err error) bool { return errors.Is(err, core.NoNode) || errors.Is(err, core.NoAuth) }
