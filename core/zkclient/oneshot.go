package zkclient

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// oneShots is the one-shot watches that the server holds for this connection, as
// far as they were set by requests that went through the client. They are armed
// again after a reconnect, where the server tells at once what changed meanwhile.
type oneShots struct {
	data, exist, child map[string]struct{}
}

func (o *oneShots) init() {
	o.data = make(map[string]struct{})
	o.exist = make(map[string]struct{})
	o.child = make(map[string]struct{})
}

// fired removes what an event consumed.
func (o *oneShots) fired(t core.EventType, path string) {
	if t == core.NodeChildrenChanged || t == core.NodeDeleted {
		delete(o.child, path)
	}
	if t != core.NodeChildrenChanged {
		delete(o.data, path)
		delete(o.exist, path)
	}
}

// removed forgets what removeWatches took away.
func (o *oneShots) removed(kind WatcherType, path string) {
	switch kind {
	case WatcherChildren:
		o.fired(core.NodeChildrenChanged, path)
	case WatcherData:
		o.fired(core.NodeDataChanged, path)
	case WatcherAny:
		o.fired(core.NodeDeleted, path)
	}
}

// oneShot is a read that sets a watch, on its way.
type oneShot struct {
	client *Client
	op     wire.OpCode
	path   string
	to     receiver
}

// watching wraps the receiver of a read that sets a watch, so that the watch is
// remembered. Without OnEvent nobody would hear of it.
func (c *Client) watching(op wire.OpCode, body []byte, to receiver) receiver {
	if c.opt.OnEvent == nil {
		return to
	}
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
	default:
		return to
	}
	r := wire.NewReader(body)
	q := wire.DecodePathWatch(&r)
	if r.Err() != nil || !q.Watch {
		return to
	}
	path := string(q.Path)
	if path == "" {
		path = "/"
	}
	return &oneShot{client: c, op: op, path: path, to: to}
}

func (o *oneShot) reply(h wire.ReplyHeader, body []byte, err error) {
	if err == nil {
		o.client.watches.set(o.op, o.path, h.Err)
	}
	o.to.reply(h, body, err)
}

// set remembers the watch of a read that was answered with code.
func (g *registry) set(op wire.OpCode, path string, code core.Code) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case code == core.NoNode && op == wire.OpExists:
		g.once.exist[path] = struct{}{}
	case code != core.OK:
	case op == wire.OpExists || op == wire.OpGetData:
		g.once.data[path] = struct{}{}
	default:
		g.once.child[path] = struct{}{}
	}
}

// unset forgets what removeWatches took away.
func (g *registry) unset(kind WatcherType, path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.once.removed(kind, path)
}
