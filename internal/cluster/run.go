package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/picture"
	"github.com/zensus-io/zensus/internal/segment"
)

// Run keeps this node known, follows the others and pings them, until ctx ends. The
// znode stays then: it ends with the session.
func (c *Cluster) Run(ctx context.Context) error {
	if c.mirror == nil {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	defer c.close()
	var under sync.WaitGroup
	defer under.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	under.Go(func() { cancel(c.mirror.Run(ctx)) })
	under.Go(func() { c.pings(ctx) })
	retry := time.NewTimer(0)
	defer retry.Stop()
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	whole := c.mirror.Ready()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-whole: // of a tree without nodes no change tells
			whole = nil
		case <-c.changed:
		case <-retry.C:
		case <-tidy.C:
			c.tidy(ctx)
		}
		next := c.cfg.pingEvery // a session may be lost without an event
		if err := c.register(ctx); err != nil && ctx.Err() == nil {
			c.log.Debug("this node is not noted yet", "err", err)
			next = min(next, retryEvery)
		}
		retry.Reset(next)
	}
}

func (c *Cluster) close() {
	c.mu.Lock()
	c.mu.closed = true
	links := c.mu.links
	c.mu.links = nil
	c.mu.Unlock()
	for _, l := range links {
		_ = l.Close()
	}
}

// register makes this node's znodes what they should be. It asks nobody while they
// are.
func (c *Cluster) register(ctx context.Context) error {
	session := c.cfg.Client.Session().ID
	if session == 0 || c.mirror.Stale() {
		return nil // when the picture is whole again Run hears of it, or looks
	}
	about := c.self()
	value, err := about.encode()
	if err != nil {
		return err
	}
	// In one step: who is seen live is known too, however soon it dies, and nobody sees
	// it go when a session is followed by another.
	var ops []core.Op
	name := segment.Escape(about.ID)
	path := core.JoinPath(live, name)
	z, seen := c.mirror.Get(path)
	switch {
	case !seen:
		ops = append(ops, core.CreateOp{Path: path, Data: value, Options: core.CreateOptions{Mode: core.Ephemeral}})
	case z.Stat.EphemeralOwner != session: // of a session that was lost, or of an earlier start
		ops = append(ops, core.DeleteOp{Path: path, Version: z.Stat.Version},
			core.CreateOp{Path: path, Data: value, Options: core.CreateOptions{Mode: core.Ephemeral}})
	case string(z.Data) != string(value):
		ops = append(ops, core.SetOp{Path: path, Data: value, Version: z.Stat.Version})
	}
	path = core.JoinPath(known, name)
	z, remembered := c.mirror.Get(path)
	switch {
	case !remembered:
		ops = append(ops, core.CreateOp{Path: path, Data: value})
	case !about.sameAddresses(z.Data) || time.Since(time.UnixMilli(z.Stat.Mtime)) > KnownTime/2:
		ops = append(ops, core.SetOp{Path: path, Data: value, Version: core.AnyVersion})
	}
	if !seen || !remembered {
		if err := c.makeParents(ctx); err != nil {
			return err
		}
	}
	if len(ops) > 0 {
		_, _, err := c.cfg.Client.Multi(ctx, ops...)
		if errors.Is(err, core.NodeExists) || errors.Is(err, core.NoNode) || errors.Is(err, core.BadVersion) {
			return nil // of what the picture is about to show, and then Run looks again
		}
		if err != nil {
			return err
		}
	}
	for _, n := range c.Nodes() {
		if !n.Live && !n.Self && c.cfg.Former(n.ID) {
			if err := c.Forget(ctx, n.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cluster) makeParents(ctx context.Context) error {
	for _, at := range []string{core.ParentPath(Root), Root, live, known} {
		if _, ok := c.mirror.Get(at); ok {
			continue
		}
		_, _, err := c.cfg.Client.Create(ctx, at, []byte{picture.FormatVersion}, core.CreateOptions{})
		if err != nil && !errors.Is(err, core.NodeExists) {
			return err
		}
	}
	return nil
}

// Errors of Forget.
var (
	// ErrLive is returned for a node that is live.
	ErrLive = errors.New("the node is live")
	// ErrUnknown is returned for a node that is not known, by Call too.
	ErrUnknown = errors.New("no such node")
)

// Forget drops a node that is down from the list. It returns ErrLive or ErrUnknown.
func (c *Cluster) Forget(ctx context.Context, id string) error {
	n, ok := c.Node(id)
	switch {
	case !ok:
		return ErrUnknown
	case n.Live:
		return ErrLive
	}
	_, err := c.cfg.Client.Delete(ctx, core.JoinPath(known, segment.Escape(id)), core.AnyVersion)
	if errors.Is(err, core.NoNode) {
		return nil
	}
	return err
}

// tidy drops nodes that were not seen for KnownTime. Live ones write theirs again
// before.
func (c *Cluster) tidy(ctx context.Context) {
	if c.mirror.Stale() {
		return
	}
	for _, name := range c.mirror.Children(known) {
		path := core.JoinPath(known, name)
		z, ok := c.mirror.Get(path)
		if _, lives := c.mirror.Get(core.JoinPath(live, name)); !ok || lives || time.Since(time.UnixMilli(z.Stat.Mtime)) < KnownTime {
			continue
		}
		if _, err := c.cfg.Client.Delete(ctx, path, z.Stat.Version); err != nil {
			c.log.Debug("a node that was not seen for long is not dropped yet", "path", path, "err", err)
		}
	}
}

// pong is the answer to a ping.
type pong struct {
	Role string `json:"role"`
	Load Load   `json:"load"`
}

func (c *Cluster) ping(context.Context, string, *struct{}) (*pong, error) {
	return &pong{Role: c.cfg.Role(), Load: c.cfg.Load()}, nil
}

// pings asks all live nodes, until ctx ends.
func (c *Cluster) pings(ctx context.Context) {
	tick := time.NewTicker(c.cfg.pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.Ping(ctx)
	}
}

// Ping asks all live nodes now, and returns when each has answered or was not heard of
// in time.
func (c *Cluster) Ping(ctx context.Context) {
	c.mu.Lock()
	nodes := c.mu.nodes
	c.mu.Unlock()
	var under sync.WaitGroup
	for i := range nodes {
		if n := &nodes[i]; n.Live && !n.Self && !n.Hidden {
			under.Go(func() { c.pingOne(ctx, n) })
		}
	}
	under.Wait()
}

func (c *Cluster) pingOne(ctx context.Context, n *Node) {
	limited, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	answer, err := Call[struct{}, pong](limited, c, n.ID, "ping", &struct{}{})
	if ctx.Err() != nil || c.mirror.Stale() && status.Code(err) == codes.PermissionDenied {
		return // one that is not listed any more, which this node cannot know yet, is refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.mu.heard[n.ID]
	if h == nil || h.life != n.Life {
		h = &heard{life: n.Life}
		c.mu.heard[n.ID] = h
	}
	if err != nil {
		if h.failures++; h.failures == 1 {
			c.log.Warn("a node does not answer", "node", n.ID, "err", err)
		}
	} else {
		if h.failures > 0 {
			c.log.Info("a node answers again", "node", n.ID)
		}
		*h = heard{life: n.Life, role: answer.Role, load: answer.Load, at: time.Now()}
	}
	nodes := append([]Node(nil), c.mu.nodes...)
	for i := range nodes {
		if nodes[i].ID == n.ID {
			c.judgeLocked(&nodes[i])
		}
	}
	c.mu.nodes = nodes
}
