package mirror

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/zensus-io/zensus/core"
)

const (
	// readsMax bounds the requests under way at once; the client puts them on the wire
	// together.
	readsMax = 128
	// readTogether is how many znodes are read with one request, where the engine has
	// one for that, and manyAtOnce how many such requests are under way: a reply may be
	// large.
	readTogether = 100
	manyAtOnce   = 4
)

// relist reads the whole subtree and makes the picture what is there. It reports
// only what differs from the old picture. The watch must be armed.
func (m *Mirror) relist(ctx context.Context) error {
	m.pending = nil // the listing covers them
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
		read, err := m.read(ctx, level)
		if err != nil {
			return nil, err
		}
		var parents, next []string
		for path, n := range read {
			if n == nil {
				continue
			}
			found[path] = n
			if n.Stat.NumChildren > 0 {
				parents = append(parents, path)
			}
		}
		err = each(ctx, readsMax, parents, func(ctx context.Context, path string) error {
			names, st, err := m.cfg.Client.Children(ctx, path)
			if err != nil && !isAbsent(err) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if n := found[path]; err == nil && n.Stat.Czxid == st.Czxid && n.Stat.Mzxid == st.Mzxid && n.Stat.Version == st.Version {
				n.Stat = st // which is of these children
			}
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
	note := func(path string, data []byte, st core.Stat, err error) error {
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
	}
	one := func(ctx context.Context, path string) error {
		data, st, err := m.cfg.Client.Get(ctx, path)
		return note(path, data, st, err)
	}
	many, ok := m.cfg.Client.(core.ManyReader)
	if !ok || len(paths) == 1 {
		return found, each(ctx, readsMax, paths, one)
	}
	err := each(ctx, manyAtOnce, slices.Collect(slices.Chunk(paths, readTogether)), func(ctx context.Context, some []string) error {
		results, err := many.GetMany(ctx, some)
		if errors.Is(err, core.Unimplemented) || errors.Is(err, core.MarshallingError) {
			// The engine has no such request, or these are too large together.
			return each(ctx, readsMax/manyAtOnce, some, one)
		}
		if err != nil {
			return err
		}
		for i := range results {
			if err := note(some[i], results[i].Data, results[i].Stat, results[i].Err); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// each calls fn for every item, so many at a time, until one fails.
func each[T any](ctx context.Context, atOnce int, items []T, fn func(context.Context, T) error) error {
	if len(items) == 1 {
		return fn(ctx, items[0])
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan T, len(items))
	for _, item := range items {
		work <- item
	}
	close(work)
	var wg sync.WaitGroup
	for range min(atOnce, len(items)) {
		wg.Go(func() {
			for item := range work {
				if ctx.Err() != nil {
					return
				}
				if err := fn(ctx, item); err != nil {
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
