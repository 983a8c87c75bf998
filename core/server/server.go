package server

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/core/member"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/wire"
)

// Config says how the port behaves. Zero values are ZooKeeper's defaults, but
// for the number of connections: 0 is no limit, as in zoo.cfg.
type Config struct {
	// ConnsPerAddress bounds the connections of one client address
	// (maxClientCnxns), ConnsTotal those of all (maxCnxns).
	ConnsPerAddress, ConnsTotal int
	// FrameBytesMax is the longest request frame (jute.maxbuffer).
	FrameBytesMax int
	// Words says what of the four-letter words and the admin commands is answered.
	Words Words
	// About is told by the monitoring commands.
	About About
	// Logger is where connections are told of; nil is nowhere.
	Logger hclog.Logger
}

// Server serves one or several listeners.
type Server struct {
	cfg  Config
	node *node.Node
	log  hclog.Logger

	members   atomic.Pointer[member.Members] // of the ensemble
	rejected  atomic.Int64                   // connections over a limit
	traceMask atomic.Int64
	listing   chan struct{} // of capacity 1: held by the one command that lists everything
	poller    *poller       // from the first connection on; nil where each has a goroutine

	mu struct {
		sync.Mutex
		conns     map[*conn]struct{}
		perAddr   map[netip.Addr]int
		listeners []net.Listener
		warned    time.Time // when it was last told that a connection was over a limit
		started   bool      // the poller was, or could not be
		stopping  bool      // it is to end
		closed    bool
	}
	wg      sync.WaitGroup // of connections
	polling sync.WaitGroup // joined with mu held, and not when stopping
	polled  sync.Once      // stopped
}

// warnEvery is the pause between two warnings of connections that are over a limit.
const warnEvery = 10 * time.Second

// traceMaskDefault is what gtmk tells of a ZooKeeper that nobody has changed.
const traceMaskDefault = 306

// New makes a server in front of a node. It opens nothing.
func New(cfg Config, n *node.Node) *Server {
	if cfg.FrameBytesMax == 0 {
		cfg.FrameBytesMax = wire.FrameBytesMax
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	s := &Server{cfg: cfg, node: n, log: cfg.Logger, listing: make(chan struct{}, 1)}
	s.SetMembers(&member.Members{Servers: cfg.About.Servers})
	s.traceMask.Store(traceMaskDefault)
	s.mu.conns = make(map[*conn]struct{})
	s.mu.perAddr = make(map[netip.Addr]int)
	return s
}

// Serve accepts connections until the listener is closed, by Close or otherwise.
// A failure to accept that may pass, as when descriptors are short, is waited out. If the
// server is closed already the listener is too.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return l.Close()
	}
	s.mu.listeners = append(s.mu.listeners, l)
	s.mu.Unlock()
	wait := time.Duration(0)
	for {
		c, err := l.Accept()
		if err == nil {
			wait = 0
			s.Handle(c, nil)
			continue
		}
		if s.isClosed() || errors.Is(err, net.ErrClosed) {
			return nil
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		s.log.Warn("accept", "err", err, "retry_ms", wait.Milliseconds())
		time.Sleep(wait)
	}
}

// Handle serves a connection that somebody else accepted, of which prefix has
// already been read. It returns at once.
func (s *Server) Handle(nc net.Conn, prefix []byte) {
	c := newConn(s, nc)
	if !s.admit(c) {
		// Over a limit: closed at once and without a word, as ZooKeeper does.
		if t, ok := nc.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		_ = nc.Close()
		return
	}
	go func() {
		if c.serve(prefix) {
			return // the poller's
		}
		s.release(c)
		s.wg.Done()
	}()
}

// admit counts a connection, which is then one of those that Close waits for.
func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := c.remote.Addr()
	switch {
	case s.mu.closed:
		return false
	case s.cfg.ConnsTotal > 0 && len(s.mu.conns) >= s.cfg.ConnsTotal,
		s.cfg.ConnsPerAddress > 0 && s.mu.perAddr[addr] >= s.cfg.ConnsPerAddress:
		all := s.rejected.Add(1)
		if now := time.Now(); now.Sub(s.mu.warned) > warnEvery { // who is refused comes again, and at once
			s.mu.warned = now
			s.log.Warn("too many connections", "client", addr.String(), "refused_so_far", all)
		}
		return false
	}
	s.startPollerLocked()
	s.mu.conns[c] = struct{}{}
	s.mu.perAddr[addr]++
	s.wg.Add(1) // under the lock, so that no Close is waiting yet
	return true
}

func (s *Server) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, c)
	addr := c.remote.Addr()
	if s.mu.perAddr[addr]--; s.mu.perAddr[addr] <= 0 {
		delete(s.mu.perAddr, addr)
	}
}

func (s *Server) startPollerLocked() {
	if s.mu.started {
		return
	}
	s.mu.started = true
	p, err := newPoller(s.node, s.log, s.goPolling)
	if err != nil {
		s.log.Debug("every connection takes a goroutine", "err", err)
		return
	}
	s.poller = p
	s.polling.Go(p.run)
}

// goPolling has another goroutine poll.
func (s *Server) goPolling(run func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mu.stopping {
		s.polling.Go(run)
	}
}

// stopPoller ends it after the last connection.
func (s *Server) stopPoller() {
	s.mu.Lock()
	s.mu.stopping = true
	p := s.poller
	s.mu.Unlock()
	if p == nil {
		return
	}
	s.polled.Do(func() {
		p.close()
		s.polling.Wait()
		p.release()
	})
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.closed
}

// Close stops accepting, closes every connection and waits until all are done.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.mu.closed = true
	listeners := s.mu.listeners
	conns := slices.Collect(maps.Keys(s.mu.conns))
	s.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close()
	}
	for _, c := range conns {
		c.abort()
	}
	done := make(chan struct{})
	go func() { s.wg.Wait(); s.stopPoller(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
