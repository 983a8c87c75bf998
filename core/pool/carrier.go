package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
)

const (
	// openPatience is how long the opening of a carrier may take.
	openPatience = 3 * time.Second
	// tendPatience bounds one piece of a carrier's own work, so that it notices
	// when its session is over.
	tendPatience = 10 * time.Second
	retryMin     = 50 * time.Millisecond
	retryMax     = 2 * time.Second

	// Bounds on one transaction that deletes.
	deletesMax     = 500
	deleteBytesMax = 200 << 10
)

// carrier is a session with the ensemble that owns the znodes of sessions here.
type carrier struct {
	pool    *Pool
	client  *zkclient.Client
	lasting bool          // it is for sessions that outlive the process for longer
	wake    chan struct{} // capacity 1: there is work

	// Guarded by the pool's mu.
	znodes   map[string]*znode
	bytes    int           // of their paths
	reserved int           // of paths that are being created
	limbo    int           // of paths of which nobody knows whether they were
	doomed   []*znode      // to be deleted
	users    int           // sessions whose requests go here
	idle     time.Duration // by the pool's now: since when it is empty and unused; 0 if it is not
	over     bool
}

// znode is an ephemeral znode of a session, on a carrier.
type znode struct {
	path    string
	session *session // nil for one that has been found to be nobody's
	carrier *carrier
	noted   uint64
	doomed  bool
}

// pathBytes is what a path takes in the transaction that ends a session.
func (p *Pool) pathBytes(path string) int { return 4 + len(p.cfg.Chroot) + len(path) }

// sequenceBytes is what the ensemble appends to a sequential name.
const sequenceBytes = 10

func (c *carrier) hasRoomLocked(need int) bool {
	return c.bytes+c.reserved+c.limbo+need <= c.pool.cfg.PathBytesMax
}

// pickLocked is a carrier with room, or nil: the first that has it, so that the last
// ones become empty again. Where there are to be no more of them, any kind will do.
func (p *Pool) pickLocked(need int, lasting bool) *carrier {
	full := len(p.mu.carriers) >= p.cfg.CarriersMax
	var other *carrier
	for _, c := range p.mu.carriers {
		switch {
		case !c.hasRoomLocked(need):
		case c.lasting == lasting:
			return c
		case full && other == nil:
			other = c
		}
	}
	return other
}

// grow opens a carrier, unless there is room meanwhile.
func (p *Pool) grow(ctx context.Context, need int, lasting bool) error {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	select {
	case p.growing <- struct{}{}:
		defer func() { <-p.growing }()
	case <-p.ended:
		return core.ErrClosed
	case <-ctx.Done():
		return errors.Join(core.ConnectionLoss, ctx.Err())
	}
	p.mu.Lock()
	room, count, ended := p.pickLocked(need, lasting) != nil, len(p.mu.carriers), p.mu.ended
	p.mu.Unlock()
	switch {
	case ended:
		return core.ErrClosed
	case room:
		return nil
	case need > p.cfg.PathBytesMax:
		return fmt.Errorf("%w: %d bytes of paths in one request, %d are what one session of the ensemble may own", core.QuotaExceeded, need, p.cfg.PathBytesMax)
	case count >= p.cfg.CarriersMax:
		return fmt.Errorf("%w: %d sessions of the ensemble own all that they may, and there are to be no more", core.QuotaExceeded, count)
	}
	options := p.options("carrier")
	if lasting {
		options.Timeout *= lastingTimes
	}
	client, err := zkclient.Dial(ctx, p.cfg.Servers, options)
	if err != nil {
		return errors.Join(core.ConnectionLoss, err)
	}
	c := &carrier{pool: p, client: client, lasting: lasting, wake: make(chan struct{}, 1), znodes: make(map[string]*znode)}
	select {
	case p.born <- c:
	case <-p.ended:
		_ = client.Close() // it owns nothing
		return core.ErrClosed
	case <-ctx.Done(): // Run does not run
		_ = client.Close()
		return errors.Join(core.ConnectionLoss, ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.ended { // it is tended no more
		client.Detach()
		return core.ErrClosed
	}
	p.mu.carriers = append(p.mu.carriers, c)
	p.log.Info("opened a session for instances", "session", client.Session().ID.String(), "sessions", len(p.mu.carriers), "lasting", lasting)
	return nil
}

// options are those of every connection.
func (p *Pool) options(what string) zkclient.Options {
	return zkclient.Options{
		Chroot: p.cfg.Chroot, Timeout: p.cfg.Timeout, Silence: p.cfg.Timeout * 2 / 3, ACL: ours(core.NodeACL()), Auth: []zkclient.Auth{p.cfg.Auth},
		Logger: p.log.With("for", what), Dialer: p.cfg.Dialer, Patient: true,
	}
}

// tend does the carrier's own work until ctx ends or its session is over.
func (c *carrier) tend(ctx context.Context) {
	list := time.NewTicker(c.pool.cfg.listEvery)
	defer list.Stop()
	var pause time.Duration
	retry := time.NewTimer(0)
	defer retry.Stop()
	look := time.NewTicker(lookForRefusal)
	defer look.Stop()
	var r refusal
	unsure := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.client.Done():
			c.pool.lost(c)
			return
		case <-look.C:
			r.look(ctx, c.pool, c.client)
			continue
		case <-list.C:
			unsure = true
		case <-c.wake:
		case <-retry.C:
		}
		if c.retired() {
			c.pool.farewell(c.client)
			return
		}
		err := c.work(ctx, &unsure)
		if err == nil || ctx.Err() != nil {
			pause = 0
			continue
		}
		c.pool.log.Debug("not tidied yet", "session", c.client.Session().ID.String(), "err", err)
		pause = min(max(2*pause, retryMin), retryMax)
		retry.Reset(pause)
	}
}

func (c *carrier) work(ctx context.Context, unsure *bool) error {
	ctx, cancel := context.WithTimeout(ctx, tendPatience)
	defer cancel()
	if err := c.reap(ctx); err != nil {
		return err
	}
	c.pool.mu.Lock()
	*unsure = *unsure || c.limbo > 0
	c.pool.mu.Unlock()
	if !*unsure {
		return nil
	}
	if err := c.list(ctx); err != nil {
		return err
	}
	*unsure = false
	return c.reap(ctx)
}

func (c *carrier) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// reap deletes what is doomed.
func (c *carrier) reap(ctx context.Context) error {
	for {
		batch := c.pool.doomed(c)
		if len(batch) == 0 {
			return nil
		}
		if err := c.delete(ctx, batch); err != nil {
			return err
		}
	}
}

// doomed are znodes that fit into one transaction, of those that have waited longest.
func (p *Pool) doomed(c *carrier) []*znode {
	p.mu.Lock()
	defer p.mu.Unlock()
	bytes := 0
	for n, z := range c.doomed {
		if bytes += p.pathBytes(z.path); n == deletesMax || n > 0 && bytes > deleteBytesMax {
			return slices.Clone(c.doomed[:n])
		}
	}
	return slices.Clone(c.doomed)
}

// delete deletes znodes in one transaction. One that is not there any more is as good.
func (c *carrier) delete(ctx context.Context, batch []*znode) error {
	for len(batch) > 0 {
		ops := make([]core.Op, len(batch))
		for n, z := range batch {
			ops[n] = core.DeleteOp{Path: z.path, Version: core.AnyVersion}
		}
		results, _, err := c.client.Multi(ctx, ops...)
		if err == nil {
			c.pool.forget(batch...)
			return nil
		}
		gone := slices.IndexFunc(results, func(r core.OpResult) bool { return errors.Is(r.Err, core.NoNode) })
		if gone < 0 {
			return err
		}
		c.pool.forget(batch[gone])
		batch = slices.Delete(batch, gone, gone+1)
	}
	return nil
}

// list compares what is known of the carrier's znodes with what there is.
func (c *carrier) list(ctx context.Context) error {
	p := c.pool
	p.mu.Lock()
	before, limbo := p.mu.noted, c.limbo
	p.mu.Unlock()
	// It comes behind all that was sent so far, so that what was noted by now and is
	// not in it is gone, and what has been in limbo is decided.
	paths, err := c.client.GetEphemerals(ctx, p.cfg.Root)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(paths))
	var strange []string
	p.mu.Lock()
	for _, path := range paths {
		there[path] = true
		if c.znodes[path] == nil {
			strange = append(strange, path)
		}
	}
	for path, z := range c.znodes {
		if z.noted <= before && !there[path] {
			p.forgetLocked(z)
		}
	}
	p.mu.Unlock()
	for _, path := range strange {
		data, _, err := c.client.Get(ctx, path)
		switch {
		case errors.Is(err, core.NoNode):
			continue
		case err != nil:
			return err
		}
		_, id, _ := unseal(data)
		p.mu.Lock()
		p.noteLocked(path, p.mu.sessions[id], c)
		p.mu.Unlock()
	}
	p.mu.Lock()
	c.limbo -= limbo
	p.mu.Unlock()
	return nil
}

// noteLocked notes that a carrier owns a znode of a session. If the session has
// ended, or is nil, the znode is doomed.
func (p *Pool) noteLocked(path string, s *session, c *carrier) {
	if z := p.mu.znodes[path]; z != nil {
		if z.carrier == c && z.session == s {
			return // it was found before its creation was heard of
		}
		p.forgetLocked(z)
	}
	if c.over {
		return
	}
	p.mu.noted++
	z := &znode{path: path, session: s, carrier: c, noted: p.mu.noted}
	p.mu.znodes[path] = z
	c.znodes[path] = z
	c.bytes += p.pathBytes(path)
	if s != nil {
		s.znodes[path] = z
	}
	if s == nil || s.over {
		p.doomLocked(z)
	}
}

func (p *Pool) doomLocked(z *znode) {
	if !z.doomed {
		z.doomed = true
		z.carrier.doomed = append(z.carrier.doomed, z)
		z.carrier.wakeUp()
	}
}

func (p *Pool) forget(list ...*znode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, z := range list {
		p.forgetLocked(z)
	}
}

// forgetPathsLocked notes that znodes were deleted.
func (p *Pool) forgetPathsLocked(paths ...string) {
	for _, path := range paths {
		if z := p.mu.znodes[path]; z != nil {
			p.forgetLocked(z)
		}
	}
}

func (p *Pool) forgetLocked(z *znode) {
	c := z.carrier
	if p.mu.znodes[z.path] != z {
		return
	}
	delete(p.mu.znodes, z.path)
	delete(c.znodes, z.path)
	c.bytes -= p.pathBytes(z.path)
	if z.doomed {
		if at := slices.Index(c.doomed, z); at >= 0 {
			c.doomed = slices.Delete(c.doomed, at, at+1)
		}
	}
	if s := z.session; s != nil {
		delete(s.znodes, z.path)
		if len(s.znodes) == 0 && s.cleared != nil {
			close(s.cleared)
			s.cleared = nil
		}
	}
}

// lost ends every session that a carrier, whose own session is over, was of use to.
func (p *Pool) lost(c *carrier) {
	var over []*watch
	ended := 0
	p.mu.Lock()
	if c.over {
		p.mu.Unlock()
		return
	}
	c.over = true
	p.mu.carriers = slices.DeleteFunc(p.mu.carriers, func(o *carrier) bool { return o == c })
	for _, z := range c.znodes {
		s := z.session
		p.forgetLocked(z)
		if s != nil && !s.over {
			over = append(over, p.endLocked(s, core.SessionExpired)...)
			ended++
		}
	}
	for _, s := range p.mu.sessions {
		if s.at == c {
			over = append(over, p.endLocked(s, core.SessionExpired)...)
			ended++
		}
	}
	shut := p.mu.ended
	p.mu.Unlock()
	closeAll(over)
	if !shut {
		p.log.Warn("a session for instances is over", "session", c.client.Session().ID.String(), "clients", ended)
	}
}

// retireLocked takes away the carriers that have been of no use for long. The first
// one stays.
func (p *Pool) retireLocked(now time.Duration) {
	for n := len(p.mu.carriers) - 1; n > 0; n-- {
		c := p.mu.carriers[n]
		switch {
		case c.users > 0 || len(c.znodes) > 0 || c.reserved+c.limbo > 0:
			c.idle = 0
		case c.idle == 0:
			c.idle = now
		case now-c.idle >= p.cfg.retireAfter:
			c.over = true
			p.mu.carriers = slices.Delete(p.mu.carriers, n, n+1)
			c.wakeUp()
		}
	}
}

func (c *carrier) empty() bool {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	return len(c.znodes) == 0 && c.reserved+c.limbo == 0
}

func (c *carrier) retired() bool {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	return c.over
}
