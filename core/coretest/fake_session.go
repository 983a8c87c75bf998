package coretest

import (
	"context"

	"github.com/zensus-io/zensus/core"
)

// Session is the core.Client and core.Admin of one session of a Fake.
type Session struct {
	fake  *Fake
	state *session
	ended error // guarded by fake.mu; nil while it holds the session
}

var (
	_ core.Sessions = (*Fake)(nil)
	_ core.Client   = (*Session)(nil)
	_ core.Admin    = (*Session)(nil)
)

// dataBytesMax is what one write may carry, as with the default jute.maxbuffer.
const dataBytesMax = 1_048_500

// do runs fn at one instant, if the session can be reached, and names what went wrong.
func (s *Session) do(ctx context.Context, op, path string, fn func(f *Fake) core.Code) error {
	if err := ctx.Err(); err != nil {
		return &core.OpError{Op: op, Path: path, Err: err}
	}
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	if s.ended != nil {
		return &core.OpError{Op: op, Path: path, Err: s.ended}
	}
	if s.state.cut {
		return &core.OpError{Op: op, Path: path, Err: core.ConnectionLoss}
	}
	if code := fn(s.fake); code != core.OK {
		return &core.OpError{Op: op, Path: path, Err: code}
	}
	return nil
}

// write runs fn as a transaction of one operation.
func (s *Session) write(ctx context.Context, op, path string, size int, fn func(f *Fake, tx *txn) core.Code) error {
	return s.do(ctx, op, path, func(f *Fake) core.Code {
		if size > dataBytesMax {
			return core.BadArguments
		}
		tx := &txn{zxid: f.zxid + 1}
		code := fn(f, tx)
		if code != core.OK {
			tx.rollback()
		}
		f.commitLocked(tx)
		return code
	})
}

// Create adds a znode.
func (s *Session) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (actual string, st core.Stat, err error) {
	err = s.write(ctx, createOpName(opt.Mode), path, len(data), func(f *Fake, tx *txn) (code core.Code) {
		actual, st, code = f.createLocked(tx, s.state, core.CreateOp{Path: path, Data: data, Options: opt})
		return code
	})
	return actual, st, err
}

// Get reads a znode's data.
func (s *Session) Get(ctx context.Context, path string) (data []byte, st core.Stat, err error) {
	err = s.do(ctx, "getData", path, func(f *Fake) core.Code {
		n, code := f.readableLocked(s.state, path)
		if code == core.OK {
			data, st = n.data, n.stat
		}
		return code
	})
	return data, st, err
}

// Set replaces a znode's data.
func (s *Session) Set(ctx context.Context, path string, data []byte, version int32) (st core.Stat, err error) {
	err = s.write(ctx, "setData", path, len(data), func(f *Fake, tx *txn) (code core.Code) {
		st, code = f.setLocked(tx, s.state, core.SetOp{Path: path, Data: data, Version: version})
		return code
	})
	return st, err
}

// Delete removes a znode without children.
func (s *Session) Delete(ctx context.Context, path string, version int32) (zxid core.Zxid, err error) {
	err = s.write(ctx, "delete", path, 0, func(f *Fake, tx *txn) core.Code {
		zxid = tx.zxid
		return f.deleteLocked(tx, s.state, core.DeleteOp{Path: path, Version: version})
	})
	if err != nil {
		return 0, err
	}
	return zxid, nil
}

// Exists returns the Stat of a znode.
func (s *Session) Exists(ctx context.Context, path string) (st core.Stat, err error) {
	err = s.do(ctx, "exists", path, func(f *Fake) core.Code {
		n, code := f.readableLocked(s.state, path)
		if code == core.OK {
			st = n.stat
		}
		return code
	})
	return st, err
}

// Children returns the names of a znode's children.
func (s *Session) Children(ctx context.Context, path string) (names []string, st core.Stat, err error) {
	err = s.do(ctx, "getChildren2", path, func(f *Fake) core.Code {
		n, code := f.readableLocked(s.state, path)
		if code == core.OK {
			names, st = sortedKeys(n.children), n.stat
		}
		return code
	})
	return names, st, err
}

// Multi does all of ops or none.
func (s *Session) Multi(ctx context.Context, ops ...core.Op) (results []core.OpResult, zxid core.Zxid, err error) {
	var failed error
	err = s.do(ctx, "multi", "", func(f *Fake) core.Code {
		tx := &txn{zxid: f.zxid + 1}
		zxid = tx.zxid
		results, failed = f.multiLocked(tx, s.state, ops)
		f.commitLocked(tx)
		return core.OK
	})
	if err != nil {
		return nil, 0, err
	}
	return results, zxid, failed
}

// Sync returns the last zxid.
func (s *Session) Sync(ctx context.Context, path string) (zxid core.Zxid, err error) {
	err = s.do(ctx, "sync", path, func(f *Fake) core.Code {
		zxid = f.zxid
		return core.OK
	})
	return zxid, err
}

// Watch hears of every change at path, or at and below it.
func (s *Session) Watch(ctx context.Context, path string, mode core.WatchMode) (core.Watch, error) {
	var w *watch
	err := s.do(ctx, "addWatch", path, func(f *Fake) core.Code {
		if mode != core.WatchNode && mode != core.WatchTree {
			return core.MarshallingError
		}
		w = newWatch(f, s.state, path, mode)
		f.watches = append(f.watches, w)
		return core.OK
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Session describes the session.
func (s *Session) Session() core.SessionInfo {
	return core.SessionInfo{ID: s.state.id, Password: append([]byte(nil), s.state.password...), Timeout: s.state.timeout}
}

// Connected reports whether the session can be reached.
func (s *Session) Connected() bool {
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	return s.ended == nil && !s.state.cut
}

// Close ends the session and its ephemerals. While it is cut off the session
// stays, as it would with a server that never hears of the Close.
func (s *Session) Close() error {
	f := s.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case s.ended != nil:
		s.ended = core.ErrClosed
		return nil
	case s.state.cut:
		f.releaseLocked(s.state, core.ErrClosed)
		return &core.OpError{Op: "closeSession", Err: core.ConnectionLoss}
	}
	f.endLocked(s.state, core.ErrClosed)
	return nil
}

// ACL returns a znode's access list, masked for those who may not administer it.
func (s *Session) ACL(ctx context.Context, path string) (acl []core.ACL, st core.Stat, err error) {
	err = s.do(ctx, "getACL", path, func(f *Fake) core.Code {
		n := f.nodes[readPath(path)]
		if n == nil {
			return core.NoNode
		}
		admin := s.state.may(n.acl, core.PermAdmin)
		if !admin && !s.state.may(n.acl, core.PermRead) {
			return core.NoAuth
		}
		acl, st = maskACL(n.acl, admin), n.stat
		return core.OK
	})
	return acl, st, err
}

// SetACL replaces a znode's access list.
func (s *Session) SetACL(ctx context.Context, path string, acl []core.ACL, aversion int32) (st core.Stat, err error) {
	err = s.write(ctx, "setACL", path, 0, func(f *Fake, tx *txn) (code core.Code) {
		st, code = f.setACLLocked(tx, s.state, path, acl, aversion)
		return code
	})
	return st, err
}

// AddAuth adds an identity. A refusal costs the connection, not the session:
// the watches get a Resync, as after any reconnect.
func (s *Session) AddAuth(ctx context.Context, scheme string, auth []byte) error {
	return s.do(ctx, "auth", "", func(f *Fake) core.Code {
		id, ok := authenticate(scheme, auth)
		if !ok {
			for _, w := range f.watches {
				if w.owner == s.state {
					w.push(core.Event{Type: core.Resync, Path: w.path, Zxid: f.zxid})
				}
			}
			return core.AuthFailed
		}
		for _, have := range s.state.ids {
			if have == id {
				return core.OK
			}
		}
		if id.Scheme != "ip" { // a session in process has no address
			s.state.ids = append(s.state.ids, id)
		}
		return core.OK
	})
}

func createOpName(m core.CreateMode) string {
	switch {
	case m == core.Container:
		return "createContainer"
	case m.IsTTL():
		return "createTTL"
	}
	return "create"
}
