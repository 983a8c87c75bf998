package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
)

// Reason says why a connection is over.
type Reason int

// The reasons. Only ClientClosed is the client's own doing.
const (
	// ClientClosed: a FIN or RST from the client was seen.
	ClientClosed Reason = iota + 1
	// Silent: the client did not answer, did not read, or its machine is gone.
	Silent
	// AskedToLeave: this server asked it to go elsewhere.
	AskedToLeave
	// StreamLost: the client's stream ended and was not opened again.
	StreamLost
	// Shutdown: this server stops.
	Shutdown
)

var reasonText = map[Reason]string{
	ClientClosed: "client_closed",
	Silent:       "silent",
	AskedToLeave: "asked_to_leave",
	StreamLost:   "stream_lost",
	Shutdown:     "shutdown",
}

// String is the reason in snake case, as metrics show it.
func (r Reason) String() string {
	if s, ok := reasonText[r]; ok {
		return s
	}
	return "unknown"
}

// listener wraps what it accepts, so that each TCP connection can be told apart
// in the handlers and closed on its own; gRPC offers neither.
type listener struct {
	net.Listener
	server *Server
}

// Accept waits for the next connection that the limits allow.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if t := l.server.admit(c); t != nil {
			return t, nil
		}
		_ = c.Close() // nothing was written to it
	}
}

// transport is one accepted TCP connection.
type transport struct {
	net.Conn
	server   *Server
	id       string
	ip       string
	addr     transportAddr
	accepted time.Time

	meter      meter
	ends       ends // of Write's caller
	answers    answers
	forgotten  bool          // of arriving, with its lock
	foreign    atomic.Bool   // it carries other services than Nacos's
	streamOpen chan struct{} // closed when the stream was opened
	setUp      chan struct{} // closed when conn was set
	closed     chan struct{} // closed when the connection is over

	streamOnce sync.Once
	mu         struct {
		sync.Mutex
		conn   *Conn
		reason Reason // of its end; 0 while it lives
		fate   Reason // what the end will be called, once this server has decided
		over   bool
	}
}

// transportAddr is the peer address that gRPC carries from the connection to the
// handlers of its calls; it leads back to the connection.
type transportAddr struct {
	net.Addr
	transport *transport
}

func transportOf(ctx context.Context) *transport {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	a, ok := p.Addr.(*transportAddr)
	if !ok {
		return nil
	}
	return a.transport
}

// admit makes a transport of c, or nil where there are too many.
func (s *Server) admit(c net.Conn) *transport {
	remote := c.RemoteAddr()
	ip, port := splitAddr(remote)
	keepAlive(c)
	now := time.Now()
	t := &transport{
		Conn: c, server: s, ip: ip, accepted: now,
		streamOpen: make(chan struct{}), setUp: make(chan struct{}), closed: make(chan struct{}),
	}
	t.addr = transportAddr{Addr: remote, transport: t}
	t.meter.now, t.meter.count = s.arriving.now, t.holds
	t.id = fmt.Sprintf("%d_%s_%s", now.UnixMilli(), ip, port)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() || len(s.mu.transports) >= s.cfg.Limits.Connections || s.mu.perIP[ip] >= s.cfg.Limits.ConnectionsPerIP {
		s.metrics.refused.Inc()
		return nil
	}
	s.mu.transports[t] = struct{}{}
	s.mu.perIP[ip]++
	return t
}

func splitAddr(a net.Addr) (ip, port string) {
	ip, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String(), "0" // not TCP
	}
	if i := strings.IndexByte(ip, '%'); i >= 0 { // an IPv6 zone
		ip = ip[:i]
	}
	return ip, port
}

// RemoteAddr leads back to t.
func (t *transport) RemoteAddr() net.Addr { return &t.addr }

// Read notes how the client's side ended.
func (t *transport) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.meter.read(b[:n])
	if err != nil {
		t.note(reasonOf(err))
	}
	return n, err
}

// holds is told of what the meter finds.
func (t *transport) holds(bytes int64, since float64) {
	for _, t := range t.server.arriving.add(t, parts{bytes, since}) {
		t.server.metrics.stalled.Inc()
		t.server.log.Warn("client leaves messages unfinished and there are too many, cutting it off", "client", t.id)
		t.shut(Silent)
	}
}

// Write notes it likewise.
func (t *transport) Write(b []byte) (int, error) {
	// Before the client can know of it: it may end the stream as well, or begin another.
	t.ends.write(b, t.meter.serverEnded)
	n, err := t.Conn.Write(b)
	if err != nil {
		t.note(reasonOf(err))
	}
	return n, err
}

// reasonOf reads a socket's error; 0 says nothing about the client.
func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ClientClosed
	case errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Silent // keep-alive or retransmissions gave up
	}
	return 0
}

// note keeps the first reason.
func (t *transport) note(r Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.reason == 0 {
		t.mu.reason = r
	}
}

// destine says what the connection's end will be called, whoever closes first;
// unless the client is gone already.
func (t *transport) destine(r Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.reason == 0 && (t.mu.fate == 0 || r == Shutdown) {
		t.mu.fate = r
	}
}

// shut closes the connection for a reason of this server's.
func (t *transport) shut(r Reason) {
	t.destine(r)
	_ = t.Close() // what was written is of no use to anybody any more
}

// Close is called by gRPC when it is done with the connection, and by shut.
func (t *transport) Close() error {
	t.mu.Lock()
	over := t.mu.over
	t.mu.over = true
	conn, reason := t.mu.conn, t.mu.reason
	if t.mu.fate != 0 {
		reason = t.mu.fate
	}
	t.mu.Unlock()
	err := t.Conn.Close()
	if over {
		return err
	}
	if reason == 0 {
		// gRPC closed it: a protocol error, a keep-alive without an answer. The
		// client may well be alive.
		reason = Silent
	}
	close(t.closed)
	s := t.server
	s.arriving.forget(t)
	t.answers.close()
	s.mu.Lock()
	delete(s.mu.transports, t)
	if s.mu.perIP[t.ip]--; s.mu.perIP[t.ip] <= 0 {
		delete(s.mu.perIP, t.ip)
	}
	if conn != nil {
		delete(s.mu.conns, conn.id)
		if conn.IsSDK() {
			s.mu.sdk--
		}
	}
	s.mu.Unlock()
	if conn != nil {
		conn.finish(reason)
	}
	return err
}

// registered waits for the setup of a transport, as a request that overtook its
// setup frame must. It is nil if there is none.
func (t *transport) registered(ctx context.Context) *Conn {
	select {
	case <-t.setUp:
	default:
		patience := t.server.cfg.Timing.SetupFrame
		stream := time.NewTimer(patience / 8) // a stream that is under way shows soon
		defer stream.Stop()
		all := time.NewTimer(patience)
		defer all.Stop()
		select {
		case <-t.streamOpen:
		case <-t.setUp:
		case <-stream.C:
			return nil
		case <-t.closed:
			return nil
		case <-ctx.Done():
			return nil
		}
		select {
		case <-t.setUp:
		case <-all.C:
			return nil
		case <-t.closed:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.over {
		return nil
	}
	return t.mu.conn
}

func (s *Server) markForeignUnary(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if info.Server != s {
		if t := transportOf(ctx); t != nil {
			t.foreign.Store(true)
		}
	}
	return next(ctx, in)
}

func (s *Server) markForeignStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if srv != s {
		if t := transportOf(stream.Context()); t != nil {
			t.foreign.Store(true)
		}
	}
	return next(srv, stream)
}
