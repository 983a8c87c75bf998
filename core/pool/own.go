package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
)

// What makes an ensemble useless. Run returns errors that wrap them.
var (
	// ErrOld: it knows no persistent watches.
	ErrOld = errors.New("the ensemble is older than ZooKeeper 3.6")
	// ErrStranger: what is below the root belongs to somebody else.
	ErrStranger = errors.New("the ensemble does not let us in")
)

const (
	dialPatience  = 3 * time.Second
	dialPauseMax  = 2 * time.Second
	complainEvery = time.Minute

	// contactPatience is how long a call waits for contact that is not there: another
	// server of the ensemble is found in less.
	contactPatience = 2 * time.Second
	lookForContact  = 20 * time.Millisecond

	// lookForRefusal is how often a session without contact is looked at, resumePatience
	// how long it has to find an ensemble that others have found.
	lookForRefusal = time.Second
	resumePatience = 5 * time.Second
)

// own is the process's own session, and the next one when it has expired.
type own struct {
	pool *Pool

	mu struct {
		sync.Mutex
		client  *zkclient.Client // nil while there is none
		changed chan struct{}    // closed when client becomes another
		ended   bool
	}
}

var (
	_ core.Client = (*own)(nil)
	_ core.Admin  = (*own)(nil)
)

func newOwn(p *Pool) *own {
	o := &own{pool: p}
	o.mu.changed = make(chan struct{})
	return o
}

// run keeps a session until ctx ends or the ensemble is found useless.
func (o *own) run(ctx context.Context) error {
	for first := true; ; first = false {
		c, err := o.dial(ctx)
		if err != nil {
			o.put(nil, true)
			return err
		}
		o.put(c, false)
		if first {
			close(o.pool.ready)
		}
		o.watch(ctx, c)
		select {
		case <-c.Done():
			o.put(nil, false)
			o.pool.log.Warn("the ensemble has ended this node's own session; another is opened", "session", c.Session().ID.String())
		case <-ctx.Done():
			o.put(nil, true)
			o.pool.farewell(c)
			return context.Cause(ctx)
		}
	}
}

// watch returns when a session is over, or ctx is.
func (o *own) watch(ctx context.Context, c *zkclient.Client) {
	var r refusal
	look := time.NewTicker(lookForRefusal)
	defer look.Stop()
	for {
		select {
		case <-c.Done():
			return
		case <-ctx.Done():
			return
		case <-look.C:
			r.look(ctx, o.pool, c)
		}
	}
}

// refusal finds out that an ensemble which is there will never take a session back:
// one that has lost its data hangs up on whoever has seen more than it has, without a
// word of the session.
type refusal struct{ since time.Time } // when there was no contact first; zero while there is

// look gives a session up that has been out of contact for its timeout while others
// can be opened.
func (r *refusal) look(ctx context.Context, p *Pool, c *zkclient.Client) {
	now := time.Now()
	switch {
	case c.Connected():
		r.since = time.Time{}
		return
	case r.since.IsZero():
		r.since = now
		return
	case now.Sub(r.since) < c.Session().Timeout:
		return
	}
	r.since = now // the next look is as far away
	try, cancel := context.WithTimeout(ctx, dialPatience)
	other, err := zkclient.Dial(try, p.cfg.Servers, p.options("look"))
	cancel()
	if err != nil {
		return
	}
	_ = other.Close() // or its timeout ends it
	// The ensemble may be back just now. Then this one finds it within its pause.
	for end := now.Add(dialPatience + resumePatience); !c.Connected(); {
		if time.Now().After(end) {
			p.log.Warn("the ensemble takes sessions, but not one that it had: it is given up", "session", c.Session().ID.String())
			c.Detach()
			return
		}
		select {
		case <-time.After(lookForContact):
		case <-c.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// farewell ends a session that owns nothing. Without contact its timeout does that.
func (p *Pool) farewell(c *zkclient.Client) {
	if !c.Connected() {
		c.Detach()
		return
	}
	if err := c.Close(); err != nil {
		p.log.Debug("session not ended", "session", c.Session().ID.String(), "err", err)
	}
}

func (o *own) put(c *zkclient.Client, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.client = c
	o.mu.ended = o.mu.ended || ended
	close(o.mu.changed)
	o.mu.changed = make(chan struct{})
}

// dial opens a session and looks whether the ensemble can be used, until it has one
// that can.
func (o *own) dial(ctx context.Context) (*zkclient.Client, error) {
	p := o.pool
	pause := retryMin
	var told time.Time
	for {
		try, cancel := context.WithTimeout(ctx, dialPatience)
		c, err := zkclient.Dial(try, p.cfg.Servers, p.options("node"))
		if err == nil {
			if err = p.check(try, c); err != nil {
				_ = c.Close()
			}
		}
		cancel()
		switch {
		case err == nil:
			if !told.IsZero() {
				p.log.Info("the ensemble is reached", "servers", strings.Join(p.cfg.Servers, ","))
			}
			return c, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, ErrOld), errors.Is(err, ErrStranger):
			return nil, err
		case errors.Is(err, core.AuthFailed), errors.Is(err, core.SessionClosedRequireSASL):
			return nil, fmt.Errorf("%w: it takes no digest: %w", ErrStranger, err)
		}
		if now := time.Now(); now.Sub(told) >= complainEvery {
			told = now
			p.log.Warn("waiting for the ensemble", "servers", strings.Join(p.cfg.Servers, ","), "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, dialPauseMax)
	}
}

// check makes the root and looks whether the ensemble can do what is needed of it.
func (p *Pool) check(ctx context.Context, c *zkclient.Client) error {
	root := p.cfg.Root
	w, err := c.Watch(ctx, root, core.WatchTree)
	if errors.Is(err, core.Unimplemented) {
		return fmt.Errorf("%w: it has no persistent watches", ErrOld)
	}
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if p.cfg.Chroot != "" {
		if err := p.makeChroot(ctx, c); err != nil {
			return err
		}
	}
	_, _, err = c.Create(ctx, root, nil, core.CreateOptions{})
	switch {
	case errors.Is(err, core.NoAuth):
		return fmt.Errorf("%w: we may not create %s", ErrStranger, root)
	case err != nil && !errors.Is(err, core.NodeExists):
		return err
	}
	if _, _, err = c.Get(ctx, root); errors.Is(err, core.NoAuth) {
		return fmt.Errorf("%w: %s is of nodes that have another secret", ErrStranger, root)
	}
	return err
}

// makeChroot makes the znode that everything is below, which is nobody's of its own.
func (p *Pool) makeChroot(ctx context.Context, c *zkclient.Client) error {
	_, err := c.Exists(ctx, "/")
	if !errors.Is(err, core.NoNode) {
		return err
	}
	_, _, err = c.Create(ctx, "/", nil, core.CreateOptions{ACL: core.OpenACL()})
	switch {
	case errors.Is(err, core.NodeExists):
		return nil
	case errors.Is(err, core.NoNode), errors.Is(err, core.NoAuth):
		return fmt.Errorf("%w: we cannot create %s: %w", ErrStranger, p.cfg.Chroot, err)
	}
	return err
}

// Connected reports whether the ensemble is in contact.
func (o *own) Connected() bool {
	c, _, _ := o.current()
	return c != nil && c.Connected()
}

func (o *own) current() (c *zkclient.Client, changed <-chan struct{}, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.client, o.mu.changed, o.mu.ended
}

// do runs a request. One that a session has not done because it was over is done by
// the next one. Without contact it waits a little, at the start for as long as it takes.
func (o *own) do(ctx context.Context, op, path string, fn func(ctx context.Context, c *zkclient.Client) error) error {
	select {
	case <-o.pool.ready:
	default:
		select {
		case <-o.pool.ready:
		case <-o.pool.ended:
		case <-ctx.Done():
			return outcome(named(op, path, ctx.Err()))
		}
	}
	for began := time.Now(); ; {
		c, changed, ended := o.current()
		if ended {
			return named(op, path, core.ErrClosed)
		}
		if c != nil && c.Connected() {
			limited, cancel := context.WithTimeout(ctx, callTime)
			err := fn(limited, c)
			cancel()
			if !core.IsSessionOver(err) {
				return outcome(err)
			}
		}
		if time.Since(began) >= contactPatience {
			return named(op, path, core.NotReadOnly) // nothing of it is done later
		}
		select {
		case <-changed:
		case <-time.After(lookForContact):
		case <-ctx.Done():
			return outcome(named(op, path, ctx.Err()))
		}
	}
}

// Session describes the present session; without one only the timeout is known.
func (o *own) Session() core.SessionInfo {
	if c, _, _ := o.current(); c != nil {
		return c.Session()
	}
	return core.SessionInfo{Timeout: o.pool.cfg.Timeout}
}

// Close lets nobody call any more. The session ends with the Pool's Run.
func (o *own) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.ended = true
	return nil
}

// Create adds a znode. An ephemeral one ends with the present session.
func (o *own) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (actual string, st core.Stat, err error) {
	opt.ACL = ours(opt.ACL)
	err = o.do(ctx, "create", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		actual, st, err = c.Create(ctx, path, data, opt)
		return err
	})
	return actual, st, err
}

// Get reads a znode's data.
func (o *own) Get(ctx context.Context, path string) (data []byte, st core.Stat, err error) {
	err = o.do(ctx, "getData", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		data, st, err = c.Get(ctx, path)
		return err
	})
	return open(data, &st), st, err
}

// Set replaces a znode's data.
func (o *own) Set(ctx context.Context, path string, data []byte, version int32) (st core.Stat, err error) {
	data, id := o.pool.sealed(path, data)
	err = o.do(ctx, "setData", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		st, err = c.Set(ctx, path, data, version)
		return err
	})
	if id != 0 {
		shown(&st, id)
	}
	return st, err
}

// Delete removes a znode.
func (o *own) Delete(ctx context.Context, path string, version int32) (z core.Zxid, err error) {
	err = o.do(ctx, "delete", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		z, err = c.Delete(ctx, path, version)
		return err
	})
	if err == nil {
		o.deleted(path)
	}
	return z, err
}

// deleted notes what was deleted of what sessions here own.
func (o *own) deleted(paths ...string) {
	o.pool.mu.Lock()
	defer o.pool.mu.Unlock()
	o.pool.forgetPathsLocked(paths...)
}

// Exists returns the Stat of a znode.
func (o *own) Exists(ctx context.Context, path string) (st core.Stat, err error) {
	err = o.do(ctx, "exists", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		st, err = exists(ctx, c, path)
		return err
	})
	return st, err
}

// Children returns the names of a znode's children.
func (o *own) Children(ctx context.Context, path string) (names []string, st core.Stat, err error) {
	err = o.do(ctx, "getChildren2", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		names, st, err = c.Children(ctx, path)
		return err
	})
	return names, st, err
}

// Multi does all of ops or none.
func (o *own) Multi(ctx context.Context, ops ...core.Op) (results []core.OpResult, z core.Zxid, err error) {
	sent := make([]core.Op, len(ops))
	var deleted []string
	for n, op := range ops {
		switch op := op.(type) {
		case core.SetOp:
			op.Data, _ = o.pool.sealed(op.Path, op.Data)
			sent[n] = op
		case core.DeleteOp:
			deleted = append(deleted, op.Path)
			sent[n] = op
		default:
			sent[n] = oursOp(op)
		}
	}
	err = o.do(ctx, "multi", "", func(ctx context.Context, c *zkclient.Client) (err error) {
		results, z, err = c.Multi(ctx, sent...)
		return err
	})
	if err == nil {
		o.deleted(deleted...)
		completed(results, sent, z)
	}
	return results, z, err
}

// Sync waits until the session sees what was committed.
func (o *own) Sync(ctx context.Context, path string) (z core.Zxid, err error) {
	err = o.do(ctx, "sync", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		z, err = c.Sync(ctx, path)
		return err
	})
	return z, err
}

// ACL returns a znode's access list.
func (o *own) ACL(ctx context.Context, path string) (acl []core.ACL, st core.Stat, err error) {
	err = o.do(ctx, "getACL", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		acl, st, err = c.ACL(ctx, path)
		return err
	})
	return acl, st, err
}

// SetACL replaces a znode's access list.
func (o *own) SetACL(ctx context.Context, path string, acl []core.ACL, aversion int32) (st core.Stat, err error) {
	err = o.do(ctx, "setACL", path, func(ctx context.Context, c *zkclient.Client) (err error) {
		st, err = c.SetACL(ctx, path, ours(acl), aversion)
		return err
	})
	return st, err
}

// AddAuth is not for a node: who it is to the ensemble is said by the Config.
func (o *own) AddAuth(context.Context, string, []byte) error {
	return &core.OpError{Op: "auth", Err: core.Unimplemented}
}

// Watch hears of changes for as long as the present session lives. After that it
// fails with ConnectionLoss, and another one is to be armed.
func (o *own) Watch(ctx context.Context, path string, mode core.WatchMode) (core.Watch, error) {
	var w *ownWatch
	err := o.do(ctx, "addWatch", path, func(ctx context.Context, c *zkclient.Client) error {
		inner, err := c.Watch(ctx, path, mode)
		w = &ownWatch{Watch: inner, own: o, client: c, path: path}
		return err
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// ownWatch is a watch of one of the process's own sessions.
type ownWatch struct {
	core.Watch
	own    *own
	client *zkclient.Client
	path   string
	closed atomic.Bool
}

// Close ends the watch.
func (w *ownWatch) Close() error {
	w.closed.Store(true)
	return w.Watch.Close()
}

// Next waits for events. What a session heard that is over is not all that happened
// until another one was asked something: so it is not given.
func (w *ownWatch) Next(ctx context.Context) ([]core.Event, error) {
	lost := &core.OpError{Op: "watch", Path: w.path, Err: core.ConnectionLoss}
	c, _, ended := w.own.current()
	if c != w.client && !ended && !w.closed.Load() {
		return nil, lost
	}
	events, err := w.Watch.Next(ctx)
	if core.IsSessionOver(err) && !w.closed.Load() {
		if _, _, ended := w.own.current(); !ended {
			return nil, lost // however the session ended
		}
	}
	return events, err
}
