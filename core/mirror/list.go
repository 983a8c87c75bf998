package mirror

import (
	"context"
	"sync"

	"github.com/zensus-io/zensus/core"
)

// readsMax bounds the reads under way at once; the client puts them on the wire
// together.
const readsMax = 128

// relist reads the whole subtree and makes the picture what is there. It reports
// only what differs from the old picture. The watch must be armed.
func (m *Mirror) relist(ctx context.Context) error {
	z, err := m.cfg.Client.Sync(ctx, m.cfg.Root)
	if err != nil {
		return err
	}
	found, err := m.list(ctx)
	if err != nil {
		return err
	}
	b := batch{m: m}
	m.picture.mu.Lock()
	for path := range m.picture.pathsLocked {
		if found[path] == nil {
			b.drop(path, z)
		}
	}
	for path, n := range found {
		old := m.picture.lookupLocked(path)
		switch {
		case old == nil:
			m.picture.putLocked(path, n)
			b.note(path, nil, n, n.Stat.Czxid)
		case old.Stat.Mzxid != n.Stat.Mzxid || old.Stat.Czxid != n.Stat.Czxid || old.Stat.Version != n.Stat.Version ||
			m.cfg.Passing && m.picture.pzxidLocked(old) != n.Stat.Pzxid:
			m.picture.putLocked(path, n)
			b.note(path, old, n, n.Stat.Mzxid)
		default: // only children or the ACL may have changed: the Node stays the one that was told
			m.picture.restatLocked(path, n.Stat)
		}
	}
	m.picture.mu.Unlock()
	m.listed = z
	m.complete.Store(true)
	b.report(z)
	m.readyOnce.Do(func() { close(m.ready) })
	return nil
}

// list reads the subtree, each level as wide as readsMax allows.
func (m *Mirror) list(ctx context.Context) (map[string]*Node, error) {
	var mu sync.Mutex
	found := make(map[string]*Node)
	level := []string{m.cfg.Root}
	for len(level) > 0 {
		var next []string
		err := m.each(ctx, level, func(ctx context.Context, path string) error {
			data, st, err := m.cfg.Client.Get(ctx, path)
			if err != nil {
				if isAbsent(err) {
					return nil
				}
				return err
			}
			var names []string
			if st.NumChildren > 0 {
				if names, _, err = m.cfg.Client.Children(ctx, path); err != nil && !isAbsent(err) {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			found[path] = &Node{Path: path, Data: data, Stat: st}
			for _, name := range names {
				next = append(next, core.JoinPath(path, name))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		level = next
	}
	return found, nil
}

// read reads paths; a path that is absent maps to nil.
func (m *Mirror) read(ctx context.Context, paths []string) (map[string]*Node, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	var mu sync.Mutex
	found := make(map[string]*Node, len(paths))
	err := m.each(ctx, paths, func(ctx context.Context, path string) error {
		data, st, err := m.cfg.Client.Get(ctx, path)
		if err != nil && !isAbsent(err) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			found[path] = nil
		} else {
			found[path] = &Node{Path: path, Data: data, Stat: st}
		}
		return nil
	})
	return found, err
}

// each calls fn for every path, readsMax at a time, until one fails.
func (m *Mirror) each(ctx context.Context, paths []string, fn func(context.Context, string) error) error {
	if len(paths) == 1 {
		return fn(ctx, paths[0])
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan string, len(paths))
	for _, p := range paths {
		work <- p
	}
	close(work)
	var wg sync.WaitGroup
	for range min(readsMax, len(paths)) {
		wg.Go(func() {
			for path := range work {
				if ctx.Err() != nil {
					return
				}
				if err := fn(ctx, path); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
