package rpc

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/zensus-io/zensus/internal/backlog"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Config configures a Server. The zero value of a member is its default.
type Config struct {
	Log        hclog.Logger          // default: none
	Registerer prometheus.Registerer // default: metrics are kept and not shown
	// Abilities are announced to clients; name only what has a handler.
	Abilities wire.Abilities
	// Ready reports whether requests can be answered at all. Until then clients
	// hear "server is starting". Default: always.
	Ready func() bool
	// Admits reports whether new clients are taken; those that are here are served
	// either way. Default: always.
	Admits func() bool
	// Authorize decides on a request before its handler. The context it returns
	// goes to the handler. An error is answered as a typed failure. Default: all
	// may do everything.
	Authorize func(ctx context.Context, c *Conn, headers map[string]string, request wire.Body) (context.Context, error)
	// Begin, if set, hears of every request that could be read before Authorize does. It
	// gives the context with which the request is served and, unless it is nil, what hears
	// of its end before the answer is sent: with the context of Authorize, and why it was
	// refused, nil if it was not.
	Begin  func(ctx context.Context, c *Conn, request wire.Body) (context.Context, func(context.Context, error))
	Limits Limits
	Timing Timing
	// Backlog bounds what large answers take until their clients have taken them, together
	// with those of others. Default: one of its own.
	Backlog *backlog.Backlog
	// Options are added to gRPC's, such as credentials for TLS.
	Options []grpc.ServerOption
}

// Limits bound what clients can make the server keep.
type Limits struct {
	Connections       int     // TCP connections in all; default 50,000
	ConnectionsPerIP  int     // from one address; default 10,000
	Streams           uint32  // requests under way on a connection; default 128
	QueuedPushes      int     // pushes not yet written, a connection; default 1,024
	PendingPushes     int     // pushes not yet acknowledged, a connection; default 4,096
	RequestsPerSecond float64 // a connection; default 5,000, with a burst of one second's worth
}

// Timing is how long the server waits for what. The defaults are Nacos's.
type Timing struct {
	Check         time.Duration // how often connections are looked at; 3 s
	Idle          time.Duration // silence before the client is asked if it lives; 20 s
	Detect        time.Duration // how long it has to answer; 5 s
	SetupFrame    time.Duration // how long a request waits for the setup of its connection; 2.5 s
	SetupDeadline time.Duration // a connection that is never set up is cut; 60 s
	StreamLost    time.Duration // a connection whose stream ended is cut; 10 s
	StuckWrite    time.Duration // a client that does not read, or nothing of a large answer, is cut; 60 s
	Request       time.Duration // the longest that a handler may take; 10 s
	Drain         time.Duration // how long clients have to leave at shutdown; 1 s
}

func (c *Config) fill() {
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if c.Ready == nil {
		c.Ready = func() bool { return true }
	}
	if c.Admits == nil {
		c.Admits = func() bool { return true }
	}
	if c.Backlog == nil {
		c.Backlog = backlog.New(backlog.BytesMax)
	}
	orInt(&c.Limits.Connections, 50_000)
	orInt(&c.Limits.ConnectionsPerIP, 10_000)
	orInt(&c.Limits.QueuedPushes, 1_024)
	orInt(&c.Limits.PendingPushes, 4_096)
	if c.Limits.Streams == 0 {
		c.Limits.Streams = 128
	}
	if c.Limits.RequestsPerSecond == 0 {
		c.Limits.RequestsPerSecond = 5_000
	}
	t := &c.Timing
	orDuration(&t.Check, 3*time.Second)
	orDuration(&t.Idle, 20*time.Second)
	orDuration(&t.Detect, 5*time.Second)
	orDuration(&t.SetupFrame, 2500*time.Millisecond)
	orDuration(&t.SetupDeadline, time.Minute)
	orDuration(&t.StreamLost, 10*time.Second)
	orDuration(&t.StuckWrite, time.Minute)
	orDuration(&t.Request, 10*time.Second)
	orDuration(&t.Drain, time.Second)
}

func orInt(v *int, otherwise int) {
	if *v == 0 {
		*v = otherwise
	}
}

func orDuration(v *time.Duration, otherwise time.Duration) {
	if *v == 0 {
		*v = otherwise
	}
}

// Server serves Nacos clients over gRPC. Handlers and hooks are set before the
// first Serve; everything else is safe for concurrent use.
type Server struct {
	cfg     Config
	log     hclog.Logger
	metrics *metrics
	grpc    *grpc.Server

	handlers map[string]handler
	onOpen   []func(*Conn)
	onAlive  []func(*Conn)
	onClose  []func(*Conn, Reason)

	pushIDs  atomic.Int64
	draining atomic.Bool
	arriving *arriving
	room     *room
	backlog  *backlog.Backlog
	// complaints bounds the warnings of setups that are refused, of which one connection can
	// have any number. The others are for debugging.
	complaints *rate.Limiter
	stopping   chan struct{}  // closed when the service ends
	tasks      sync.WaitGroup // goroutines of connections

	mu struct {
		sync.Mutex
		transports map[*transport]struct{}
		perIP      map[string]int
		conns      map[string]*Conn
		sdk        int // of conns
	}
}

// New makes a server. It starts nothing.
func New(cfg Config) (*Server, error) {
	cfg.fill()
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cfg.Log, metrics: m, handlers: map[string]handler{}, stopping: make(chan struct{}), arriving: newArriving(), room: newRoom(), backlog: cfg.Backlog}
	s.complaints = rate.NewLimiter(1, 10)
	s.mu.transports = map[*transport]struct{}{}
	s.mu.perIP = map[string]int{}
	s.mu.conns = map[string]*Conn{}
	options := append([]grpc.ServerOption{
		grpc.MaxRecvMsgSize(wire.MaxMessageBytes),
		grpc.MaxSendMsgSize(64 << 20),
		grpc.MaxConcurrentStreams(cfg.Limits.Streams),
		grpc.ConnectionTimeout(20 * time.Second),
		grpc.MaxHeaderListSize(64 << 10),
		grpc.WaitForHandlers(true),
		grpc.ForceServerCodecV2(codec{}),
		// Most connections are idle: they keep a small buffer to read into. Large
		// bodies are read past it.
		grpc.ReadBufferSize(8 << 10),
		grpc.StaticStreamWindowSize(wire.WindowBytes),
		grpc.StaticConnWindowSize(wire.WindowBytes),
		// Go and Python clients ping every 60 s, also without a stream; gRPC's own
		// policy would send them away for it.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(s.markForeignUnary),
		grpc.ChainStreamInterceptor(s.markForeignStream),
	}, cfg.Options...)
	s.grpc = grpc.NewServer(options...)
	s.grpc.RegisterService(&requestService, s)
	s.grpc.RegisterService(&streamService, s)
	Register(s, func(context.Context, *Conn, *wire.HealthCheckRequest) (*wire.HealthCheckResponse, error) {
		return &wire.HealthCheckResponse{}, nil
	})
	return s, nil
}

// Types are the types of requests that are served, sorted.
func (s *Server) Types() []string {
	types := slices.Collect(maps.Keys(s.handlers))
	slices.Sort(types)
	return types
}

// GRPC is the server underneath, for further services on the same port.
func (s *Server) GRPC() *grpc.Server { return s.grpc }

// OnOpen adds a hook that runs when a connection has been set up, before any of
// its requests. It must not block.
func (s *Server) OnOpen(f func(*Conn)) { s.onOpen = append(s.onOpen, f) }

// OnAlive adds a hook that runs for every message received on a connection. It
// must not block; it is called often.
func (s *Server) OnAlive(f func(*Conn)) { s.onAlive = append(s.onAlive, f) }

// OnClose adds a hook that runs once when a connection that was set up is over,
// after its OnOpen, on a goroutine of its own. Requests of the connection may
// still be under way then: what a handler adds to a Conn it must not add after
// the hook.
func (s *Server) OnClose(f func(*Conn, Reason)) { s.onClose = append(s.onClose, f) }

// Serve accepts connections from l until l fails or the server stops; the latter
// gives nil. It closes l. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error {
	err := s.grpc.Serve(&listener{Listener: l, server: s})
	if errors.Is(err, grpc.ErrServerStopped) || s.draining.Load() {
		return nil
	}
	return err
}

// Run looks after idle connections until ctx ends. Then it asks the clients to
// leave, closes all connections and listeners, and returns when every goroutine
// of this server has returned.
func (s *Server) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.cfg.Timing.Check)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-ticker.C:
			s.check(now)
		}
	}
	s.drain()
	return context.Cause(ctx)
}

// drain ends the service.
func (s *Server) drain() {
	s.draining.Store(true)
	close(s.stopping)
	for _, t := range s.allTransports() {
		t.destine(Shutdown)
	}
	conns := s.Conns()
	left := make(chan struct{})
	go func() {
		defer close(left)
		var wg sync.WaitGroup
		for _, c := range conns {
			wg.Go(func() {
				// Only the bytes matter here: the client may act on them or not.
				c.askToLeave(s.cfg.Timing.Drain, "", "")
			})
		}
		wg.Wait()
	}()
	select {
	case <-left:
	case <-time.After(s.cfg.Timing.Drain):
	}
	for _, t := range s.allTransports() {
		t.shut(Shutdown)
	}
	s.grpc.Stop()
	<-left
	s.tasks.Wait()
}

// Conn is the connection with this id, or nil.
func (s *Server) Conn(id string) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.conns[id]
}

// Conns are the connections that are set up, in no order.
func (s *Server) Conns() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Conn, 0, len(s.mu.conns))
	for _, c := range s.mu.conns {
		all = append(all, c)
	}
	return all
}

// Count is the number of connections that are set up.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.conns)
}

// Load is the number of connections that are set up, and of those among them that an
// application is behind.
func (s *Server) Load() (all, sdk int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.conns), s.mu.sdk
}

func (s *Server) allTransports() []*transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*transport, 0, len(s.mu.transports))
	for t := range s.mu.transports {
		all = append(all, t)
	}
	return all
}
