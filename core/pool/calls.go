package pool

import (
	"context"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
)

// do runs a request that creates nothing ephemeral.
func (h *handle) do(ctx context.Context, op, path string, fn func(ctx context.Context, c *zkclient.Client) error) error {
	return h.change(ctx, op, path, 0, func(ctx context.Context, c *zkclient.Client) (created, deleted []string, err error) {
		return nil, nil, fn(ctx, c)
	})
}

// change runs a request that creates ephemeral znodes with so many bytes of paths.
func (h *handle) change(ctx context.Context, op, path string, need int, fn func(ctx context.Context, c *zkclient.Client) (created, deleted []string, err error)) error {
	c, err := h.enter(ctx, need)
	if err != nil {
		return outcome(named(op, path, err))
	}
	limited, cancel := context.WithTimeout(ctx, callTime)
	created, deleted, err := fn(limited, c.client)
	cancel()
	h.leave(c, need, err, created, deleted)
	if core.IsSessionOver(err) {
		return named(op, path, h.over())
	}
	return outcome(err)
}

// over is why the session is.
func (h *handle) over() error {
	h.session.pool.mu.Lock()
	defer h.session.pool.mu.Unlock()
	if h.ended != nil {
		return h.ended
	}
	return core.SessionExpired
}

// options are those of a creation, and need the bytes that it takes of its carrier.
func (s *session) options(path string, opt core.CreateOptions) (_ core.CreateOptions, need int) {
	if opt.ACL == nil {
		opt.ACL = s.acl
	}
	opt.ACL = ours(opt.ACL)
	if opt.Mode.IsEphemeral() {
		need = s.pool.pathBytes(path)
	}
	if opt.Mode == core.EphemeralSequential {
		need += sequenceBytes
	}
	return opt, need
}

// Create adds a znode.
func (h *handle) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (actual string, st core.Stat, err error) {
	opt, need := h.session.options(path, opt)
	if need > 0 {
		data = seal(data, h.session.info.ID)
	}
	err = h.change(ctx, "create", path, need, func(ctx context.Context, c *zkclient.Client) (created, deleted []string, err error) {
		actual, st, err = c.Create(ctx, path, data, opt)
		if need > 0 {
			created = []string{actual}
		}
		return created, nil, err
	})
	shown(&st, h.session.info.ID)
	return actual, st, err
}

// Get reads a znode's data.
func (h *handle) Get(ctx context.Context, path string) (data []byte, st core.Stat, err error) {
	err = h.do(ctx, "getData", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		data, st, err = c.Get(ctx, path)
		return err
	})
	return open(data, &st), st, err
}

// Set replaces a znode's data.
func (h *handle) Set(ctx context.Context, path string, data []byte, version int32) (st core.Stat, err error) {
	p := h.session.pool
	data, id := p.sealed(path, data)
	err = h.do(ctx, "setData", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		st, err = c.Set(ctx, path, data, version)
		return err
	})
	if id != 0 {
		shown(&st, id)
	}
	return st, err
}

// sealed is what is to be written to a znode that may be of a session here, and
// which that is.
func (p *Pool) sealed(path string, data []byte) ([]byte, core.SessionID) {
	p.mu.Lock()
	z := p.mu.znodes[path]
	p.mu.Unlock()
	if z == nil || z.session == nil {
		return data, 0
	}
	id := z.session.info.ID
	return seal(data, id), id
}

// Delete removes a znode.
func (h *handle) Delete(ctx context.Context, path string, version int32) (z core.Zxid, err error) {
	err = h.change(ctx, "delete", path, 0, func(ctx context.Context, c *zkclient.Client) (created, deleted []string, err error) {
		z, err = c.Delete(ctx, path, version)
		return nil, []string{path}, err
	})
	return z, err
}

// Exists returns the Stat of a znode.
func (h *handle) Exists(ctx context.Context, path string) (st core.Stat, err error) {
	err = h.do(ctx, "exists", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		st, err = exists(ctx, c, path)
		return err
	})
	return st, err
}

// exists reads an ephemeral znode to see of which session it is.
func exists(ctx context.Context, c *zkclient.Client, path string) (core.Stat, error) {
	st, err := c.Exists(ctx, path)
	if err != nil || st.EphemeralOwner == 0 {
		return st, err
	}
	data, read, err := c.Get(ctx, path)
	switch core.CodeOf(err) {
	case core.OK:
		open(data, &read)
		return read, nil
	case core.NoAuth: // it is nobody's of ours
		return st, nil
	}
	return core.Stat{}, err
}

// Children returns the names of a znode's children.
func (h *handle) Children(ctx context.Context, path string) (names []string, st core.Stat, err error) {
	err = h.do(ctx, "getChildren2", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		names, st, err = c.Children(ctx, path)
		return err
	})
	return names, st, err
}

// Multi does all of ops or none.
func (h *handle) Multi(ctx context.Context, ops ...core.Op) (results []core.OpResult, z core.Zxid, err error) {
	s := h.session
	sent := make([]core.Op, len(ops))
	whose := make([]core.SessionID, len(ops)) // of sealed znodes
	need := 0
	fresh := make(map[string]bool) // created by this very Multi
	for n, op := range ops {
		switch op := op.(type) {
		case core.CreateOp:
			opt, bytes := s.options(op.Path, op.Options)
			op.Options = opt
			if bytes > 0 {
				op.Data, whose[n] = seal(op.Data, s.info.ID), s.info.ID
				fresh[op.Path] = true
			}
			need += bytes
			sent[n] = op
		case core.SetOp:
			if fresh[op.Path] {
				op.Data, whose[n] = seal(op.Data, s.info.ID), s.info.ID
			} else {
				op.Data, whose[n] = s.pool.sealed(op.Path, op.Data)
			}
			sent[n] = op
		default:
			sent[n] = op
		}
	}
	err = h.change(ctx, "multi", "", need, func(ctx context.Context, c *zkclient.Client) (created, deleted []string, err error) {
		if results, z, err = c.Multi(ctx, sent...); err != nil {
			return nil, nil, err
		}
		for n, op := range sent {
			switch op := op.(type) {
			case core.CreateOp:
				if op.Options.Mode.IsEphemeral() {
					created = append(created, results[n].Path)
				}
			case core.DeleteOp:
				deleted = append(deleted, op.Path)
			}
		}
		return created, deleted, nil
	})
	if err != nil {
		return results, z, err
	}
	completed(results, sent, z)
	for n := range results {
		if st := &results[n].Stat; whose[n] != 0 {
			st.EphemeralOwner = whose[n]
			st.DataLength -= sealBytes
		}
	}
	return results, z, nil
}

// Sync waits until this session sees what was committed. It comes behind every
// request of the session, whichever carrier took it.
func (h *handle) Sync(ctx context.Context, path string) (z core.Zxid, err error) {
	p := h.session.pool
	p.mu.Lock()
	var been []*carrier
	for c := range h.session.been {
		if c != h.session.at && !c.over {
			been = append(been, c)
		}
	}
	p.mu.Unlock()
	for _, c := range been {
		if _, err := c.client.Sync(ctx, path); err != nil && !core.IsSessionOver(err) {
			return 0, outcome(err)
		}
	}
	err = h.do(ctx, "sync", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		z, err = c.Sync(ctx, path)
		return err
	})
	return z, err
}

// Watch hears of changes.
func (h *handle) Watch(ctx context.Context, path string, mode core.WatchMode) (core.Watch, error) {
	var inner core.Watch
	err := h.do(ctx, "addWatch", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		inner, err = c.Watch(ctx, path, mode)
		return err
	})
	if err != nil {
		return nil, err
	}
	w := &watch{Watch: inner, of: h}
	p := h.session.pool
	p.mu.Lock()
	ended := h.ended
	if ended == nil {
		if h.watches == nil {
			h.watches = make(map[*watch]struct{})
		}
		h.watches[w] = struct{}{}
	}
	p.mu.Unlock()
	if ended != nil {
		_ = inner.Close()
		return nil, named("addWatch", path, ended)
	}
	return w, nil
}

// watch is a watch of a session.
type watch struct {
	core.Watch
	of *handle
}

// Close ends the watch.
func (w *watch) Close() error {
	p := w.of.session.pool
	p.mu.Lock()
	delete(w.of.watches, w)
	p.mu.Unlock()
	return w.Watch.Close()
}

// closeAll closes the watches of sessions that are over here.
func closeAll(watches []*watch) {
	for _, w := range watches {
		_ = w.Watch.Close()
	}
}

// ACL returns a znode's access list.
func (h *handle) ACL(ctx context.Context, path string) (acl []core.ACL, st core.Stat, err error) {
	err = h.do(ctx, "getACL", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		acl, st, err = c.ACL(ctx, path)
		return err
	})
	return acl, st, err
}
