package link

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Config says how to connect.
type Config struct {
	Servers    []string // host:port of gRPC
	PortOffset int      // of these ports from those of HTTP
	InOrder    bool     // begin with the first of them, not with any
	Module     string   // "naming" or "config"; a stock server keeps naming state for the former only
	Namespace  string
	AppName    string
	Version    string
	TLS        *tls.Config
	// Token yields the access token; nil for none. It is asked again when the
	// server refuses the one it gave, and when that has run out.
	Token func(ctx context.Context) (token string, until time.Time, err error)
	Log   *slog.Logger // never nil
	// Dial is how TCP connections are made; nil is a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// OnPush is given every push that is not of the life-cycle. It must not
	// block. What it returns is sent as the acknowledgement of the push with the
	// id; nil for none.
	OnPush func(c *Conn, body wire.Body) (reply wire.Reply, requestID string)
	// OnConn is told of every new connection. It must not block.
	OnConn func(c *Conn)
}

func (c *Config) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial(ctx, network, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// Link is a connection that is made again when it is lost.
type Link struct {
	cfg   Config
	tasks sync.WaitGroup // goroutines of connections

	mu struct {
		sync.Mutex
		conn    *Conn         // nil while there is none
		changed chan struct{} // closed and replaced when conn changes
		next    int           // index of the server to try next
		closed  bool
		lastErr error // why there is no connection
	}

	login chan struct{} // capacity 1; held while a token is fetched: one login for all who wait
	// Guarded by login.
	token string
	until time.Time
}

// New makes a Link; Run connects it.
func New(cfg Config) (*Link, error) {
	if len(cfg.Servers) == 0 {
		return nil, errors.New("zensus: no server address")
	}
	l := &Link{cfg: cfg, login: make(chan struct{}, 1)}
	l.mu.changed = make(chan struct{})
	if !cfg.InOrder {
		l.mu.next = rand.N(len(cfg.Servers)) // clients spread over the servers
	}
	return l, nil
}

const (
	pauseMin = 100 * time.Millisecond
	pauseMax = 5 * time.Second
	// steady is how long a connection must have lived to count as a good one: a
	// server that takes clients and drops them is not tried without a pause.
	steady = 5 * time.Second
)

// Run keeps a connection until ctx ends. It returns after every goroutine of the
// Link has.
func (l *Link) Run(ctx context.Context) {
	defer l.tasks.Wait()
	defer l.end()
	failures := 0
	for gen := uint64(1); ctx.Err() == nil; gen++ {
		server := l.server()
		conn, err := l.connect(ctx, server, gen)
		if err == nil {
			began := time.Now()
			err = conn.watch(ctx)
			l.put(nil, err)
			if time.Since(began) >= steady {
				failures = 0
			}
		} else {
			l.put(nil, err)
		}
		if ctx.Err() != nil {
			return
		}
		l.cfg.Log.Info("connection lost", "module", l.cfg.Module, "server", server, "err", err)
		if failures++; failures > 1 || len(l.cfg.Servers) == 1 {
			_ = wait(ctx, pause(failures)) // its error is ctx's, which the loop sees
		}
	}
}

// pause grows with the failures, and is random so that the clients of a server
// that died do not come back in one moment.
func pause(failures int) time.Duration {
	d := min(pauseMin<<min(failures, 10), pauseMax)
	return d/2 + rand.N(d/2)
}

func (l *Link) connect(ctx context.Context, server string, gen uint64) (*Conn, error) {
	conn, err := l.open(ctx, server, gen)
	if err != nil {
		return nil, err
	}
	l.put(conn, nil)
	l.cfg.Log.Info("connected", "module", l.cfg.Module, "server", server, "connection", conn.ID)
	if l.cfg.OnConn != nil {
		l.cfg.OnConn(conn)
	}
	return conn, nil
}

// server is the next address to try.
func (l *Link) server() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.cfg.Servers[l.mu.next%len(l.cfg.Servers)]
	l.mu.next = (l.mu.next + 1) % len(l.cfg.Servers)
	return s
}

// prefer makes the server that has its HTTP port at this address the next one, if we
// know it: else another one on that host. The caller's connection must be about to end.
func (l *Link) prefer(host, port string) {
	if host == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	number, _ := strconv.Atoi(port) // 0 where it was not told
	near := -1
	for i, s := range l.cfg.Servers {
		h, p, err := net.SplitHostPort(s)
		if err != nil || h != host {
			continue
		}
		if p == strconv.Itoa(number+l.cfg.PortOffset) {
			l.mu.next = i
			return
		}
		if near < 0 {
			near = i
		}
	}
	if near >= 0 {
		l.mu.next = near
	}
}

func (l *Link) put(c *Conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.conn = c
	if err != nil {
		l.mu.lastErr = err
	}
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
}

func (l *Link) end() {
	l.put(nil, nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.closed = true
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
}

// Conn is a live connection; it waits for one until ctx ends. It returns
// ErrClosed after the end of Run.
func (l *Link) Conn(ctx context.Context) (*Conn, error) {
	for {
		l.mu.Lock()
		c, changed, closed, last := l.mu.conn, l.mu.changed, l.mu.closed, l.mu.lastErr
		l.mu.Unlock()
		switch {
		case closed:
			return nil, ErrClosed
		case c != nil:
			select {
			case <-c.over: // about to be replaced
			default:
				return c, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if last != nil {
				return nil, errors.Join(context.Cause(ctx), last)
			}
			return nil, context.Cause(ctx)
		}
	}
}

// Current is the connection that there is, nil if there is none.
func (l *Link) Current() *Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.conn
}

// Connected reports whether there is a connection.
func (l *Link) Connected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.conn != nil
}

const (
	retryPause = 200 * time.Millisecond
	retryMax   = 3 * time.Second
)

// Call makes one request on whatever connection there is. What certainly took no
// effect and may pass (the server starts, is busy, does not know the connection)
// is repeated until ctx ends. An idempotent request is repeated also where the
// outcome is unknown.
func (l *Link) Call(ctx context.Context, request wire.Body, reply wire.Reply, idempotent bool) error {
	for d := retryPause; ; d = min(2*d, retryMax) {
		c, err := l.Conn(ctx)
		if err != nil {
			return err
		}
		if idempotent { // one server that does not answer must not use up all the time
			attempt, cancel := context.WithTimeout(ctx, callPatience)
			err = c.Call(attempt, request, reply)
			cancel()
		} else {
			err = c.Call(ctx, request, reply)
		}
		if err == nil || !passes(err, idempotent) || ctx.Err() != nil {
			return err
		}
		*reply.Base() = wire.Response{}
		if wait(ctx, d/2+rand.N(d/2)) != nil {
			return err
		}
	}
}

func passes(err error, idempotent bool) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.untyped && (e.Code == codeStarting || e.Code == codeUnregistered) || e.Code == codeBusy
	}
	return idempotent && errors.Is(err, ErrUnknownOutcome)
}

// headers are those of every request.
func (l *Link) headers(ctx context.Context) (map[string]string, error) {
	h := map[string]string{}
	if l.cfg.AppName != "" {
		h["app"] = l.cfg.AppName
		h["Client-AppName"] = l.cfg.AppName
	}
	if l.cfg.Token == nil {
		return h, nil
	}
	select {
	case l.login <- struct{}{}:
		defer func() { <-l.login }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l.token == "" || !l.until.IsZero() && time.Now().After(l.until) {
		token, until, err := l.cfg.Token(ctx)
		if err != nil {
			return nil, err
		}
		l.token, l.until = token, until
	}
	h["accessToken"] = l.token
	return h, nil
}

// dropToken forgets a token that was refused.
func (l *Link) dropToken(token string) {
	l.login <- struct{}{}
	defer func() { <-l.login }()
	if l.token == token {
		l.token = ""
	}
}
