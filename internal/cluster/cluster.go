package cluster

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
)

// Root is where the nodes are.
const Root = "/zensus/cluster"

const (
	live  = Root + "/nodes"
	known = Root + "/known"
)

// Times.
const (
	// PingEvery is how often every node asks every other one whether it is there.
	PingEvery = 5 * time.Second
	// KnownTime is how long a node that is down is remembered.
	KnownTime = 7 * 24 * time.Hour

	pingTime = 2 * time.Second
	// retryEvery is how soon a write that failed is tried again.
	retryEvery = time.Second
	// tidyEvery is how often nodes that are down are looked at.
	tidyEvery = time.Hour
	// windowsMax bounds the lives of other nodes whose calls are remembered.
	windowsMax = 1024
	// downAfter pings that failed in a row a node counts as down.
	downAfter = 3
)

// Config says who this node is. Zero values stand for what is named.
type Config struct {
	// Client is the node's own session, which is opened again when it ends. Nil is a
	// server that is alone for good: then nothing is written and nobody is called.
	Client core.Client
	// Self is this node; Life and Started are filled in.
	Self About
	// Former reports whether an id is one that this node had before, as under another
	// address: it is not remembered any more. Nil is none.
	Former func(id string) bool
	// Key is what only the nodes know, 32 bytes.
	Key []byte
	// Role and Load are told to others. They must not block. Nil tells nothing.
	Role func() string
	Load func() Load
	// Options are added to those of connections to other nodes, such as credentials
	// for TLS. Without credentials among them there is no encryption.
	Options []grpc.DialOption
	Logger  *slog.Logger // nil is silent

	pingEvery time.Duration // of tests
}

// Cluster is the nodes. It is safe for concurrent use.
type Cluster struct {
	cfg      Config
	log      *slog.Logger
	mirror   *mirror.Mirror
	handlers map[string]handler // not changed after the first Serve
	changed  chan struct{}      // capacity 1: Run looks at its own znode
	numbers  atomic.Uint64      // of calls from here
	draining atomic.Bool
	forged   rate.Sometimes // warns of calls that no node made, which may be many

	// refreshing orders those who make the table: the last one has seen the newest. It is
	// taken before mu.
	refreshing sync.Mutex

	mu struct {
		sync.Mutex
		nodes   []Node // by id; replaced, not modified
		heard   map[string]*heard
		links   map[string]*grpc.ClientConn // by address
		windows map[string]*window          // by the life of the caller
		closed  bool
		watch   []func()
	}
}

// heard is what the pings of a node's life have brought.
type heard struct {
	life     string
	failures int
	role     string
	load     Load
	at       time.Time
}

// New makes a Cluster of which only this node is known. Run finds the others.
func New(cfg Config) (*Cluster, error) {
	if cfg.Role == nil {
		cfg.Role = func() string { return "" }
	}
	if cfg.Load == nil {
		cfg.Load = func() Load { return Load{CPU: -1, Average: -1} }
	}
	if cfg.Former == nil {
		cfg.Former = func(string) bool { return false }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.pingEvery = cmp.Or(cfg.pingEvery, PingEvery)
	if cfg.Self.ID == "" || cfg.Client != nil && len(cfg.Key) < 32 {
		return nil, errors.New("cluster: a node needs an id, and among others a key")
	}
	var life [16]byte
	_, _ = rand.Read(life[:]) // it never fails
	cfg.Self.Life, cfg.Self.Started = hex.EncodeToString(life[:]), time.Now().UTC().Truncate(time.Millisecond)
	c := &Cluster{
		cfg: cfg, log: cfg.Logger, handlers: map[string]handler{}, changed: make(chan struct{}, 1),
		forged: rate.Sometimes{Interval: time.Second},
	}
	c.mu.heard = map[string]*heard{}
	c.mu.links = map[string]*grpc.ClientConn{}
	c.mu.windows = map[string]*window{}
	if cfg.Client != nil {
		var err error
		c.mirror, err = mirror.New(mirror.Config{
			Client: cfg.Client, Root: Root, Logger: cfg.Logger, OnChange: func([]mirror.Change, core.Zxid) { c.refresh() },
		})
		if err != nil {
			return nil, err
		}
		Handle(c, "ping", c.ping)
	}
	c.refresh()
	return c, nil
}

// self is what this node tells of itself now.
func (c *Cluster) self() About {
	a := c.cfg.Self
	a.Draining = c.draining.Load()
	return a
}

// Self is this node. What is asked for its role and load is asked now.
func (c *Cluster) Self() Node {
	return Node{About: c.self(), Self: true, Live: true, Role: c.cfg.Role(), Load: c.cfg.Load(), Heard: time.Now()}
}

// ID is this node's.
func (c *Cluster) ID() string { return c.cfg.Self.ID }

// Nodes are all that are live or known, this one included, by id. The caller may
// modify the slice.
func (c *Cluster) Nodes() []Node {
	c.mu.Lock()
	nodes := slices.Clone(c.mu.nodes)
	c.mu.Unlock()
	for i := range nodes {
		if nodes[i].Self {
			nodes[i] = c.Self()
		}
	}
	return nodes
}

// Node is the one with this id.
func (c *Cluster) Node(id string) (Node, bool) {
	if id == c.cfg.Self.ID {
		return c.Self(), true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i, ok := slices.BinarySearchFunc(c.mu.nodes, id, func(n Node, id string) int { return cmp.Compare(n.ID, id) })
	if !ok {
		return Node{}, false
	}
	return c.mu.nodes[i], true
}

// Live are the ids of the nodes that have a znode, this one included, sorted. It is
// what work is shared out by.
func (c *Cluster) Live() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for i := range c.mu.nodes {
		if c.mu.nodes[i].Live || c.mu.nodes[i].Self {
			ids = append(ids, c.mu.nodes[i].ID)
		}
	}
	return ids
}

// OnChange adds a hook that runs when nodes come, go or change what they tell of
// themselves; load and pings do not count. It must not block. Call it before Run.
func (c *Cluster) OnChange(f func()) { c.mu.watch = append(c.mu.watch, f) }

// Ready is closed when the nodes are known for the first time; nil, which never is,
// for a server alone.
func (c *Cluster) Ready() <-chan struct{} {
	if c.mirror == nil {
		return nil
	}
	return c.mirror.Ready()
}

// refresh makes the table anew from the picture, and tells of it.
func (c *Cluster) refresh() {
	gone, watch := c.tabulate()
	for _, link := range gone {
		_ = link.Close()
	}
	for _, f := range watch {
		f()
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// tabulate makes the table anew, and returns the links that nobody needs any more and
// whom to tell.
func (c *Cluster) tabulate() (gone []*grpc.ClientConn, watch []func()) {
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	byID := map[string]*Node{}
	if c.mirror != nil {
		for _, dir := range []string{known, live} {
			for _, name := range c.mirror.Children(dir) {
				z, ok := c.mirror.Get(core.JoinPath(dir, name))
				if !ok {
					continue
				}
				a, err := decodeAbout(z.Data)
				if err != nil || a.ID == "" {
					c.log.Debug("what a node tells of itself cannot be read", "path", z.Path, "err", err)
					continue
				}
				n := &Node{About: a, Live: dir == live, State: Down, Hidden: a.dial() == c.cfg.Self.dial()}
				if n.Live {
					n.State = Up
				}
				byID[a.ID] = n
			}
		}
	}
	byID[c.cfg.Self.ID] = &Node{About: c.self(), Self: true, Live: true}
	nodes := make([]Node, 0, len(byID))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		nodes = append(nodes, *byID[id])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.nodes = nodes
	for i := range nodes {
		c.judgeLocked(&nodes[i])
	}
	return c.forgetGoneLocked(), c.mu.watch
}

// judgeLocked gives a node of the table the state that its pings show.
func (c *Cluster) judgeLocked(n *Node) {
	h := c.mu.heard[n.ID]
	if n.Self || !n.Live || h == nil || h.life != n.Life {
		return
	}
	n.Failures, n.Role, n.Load, n.Heard = h.failures, h.role, h.load, h.at
	switch {
	case h.failures == 0:
		n.State = Up
	case h.failures <= downAfter:
		n.State = Suspicious
	default:
		n.State = Down
	}
}

// forgetGoneLocked drops what is kept of nodes that are not live any more, and
// returns their links, to be closed.
func (c *Cluster) forgetGoneLocked() (links []*grpc.ClientConn) {
	addrs, lives, ids := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range c.mu.nodes {
		if n := &c.mu.nodes[i]; n.Live {
			addrs[n.dial()], lives[n.Life], ids[n.ID] = true, true, true
		}
	}
	for addr, link := range c.mu.links {
		if !addrs[addr] {
			links = append(links, link)
			delete(c.mu.links, addr)
		}
	}
	// A node that has lost its session comes back in the same life, and what it sent
	// before must not count again then: windows are kept, and there are few.
	if len(c.mu.windows) > windowsMax {
		maps.DeleteFunc(c.mu.windows, func(life string, _ *window) bool { return !lives[life] })
	}
	maps.DeleteFunc(c.mu.heard, func(id string, _ *heard) bool { return !ids[id] })
	return links
}

// Drain tells the others whether this node sends its clients away. It is written as
// soon as there is a quorum for it.
func (c *Cluster) Drain(on bool) {
	c.draining.Store(on)
	c.refresh()
}
