package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

const (
	checkPatience = 3 * time.Second // for a server check or a health check
	ackPatience   = 5 * time.Second // for the server's acknowledgement of the setup
	idleMax       = 5 * time.Second // without traffic before the server is asked
	callPatience  = 5 * time.Second // for a call whose context has no end
	settlePause   = 100 * time.Millisecond
)

// Conn is one connection that has been set up. It is safe for concurrent use.
type Conn struct {
	// Gen numbers the connections of a Link from 1.
	Gen uint64
	// Server is the address it goes to.
	Server string
	// ID is what the server calls the connection.
	ID string
	// Abilities are what the server said it can do; nil if it did not say.
	Abilities map[string]bool

	link   *Link
	cc     *grpc.ClientConn
	stream grpc.ClientStream
	acked  chan wire.Abilities // capacity 1: the setup's acknowledgement
	heard  atomic.Int64        // nanoseconds since 1970: the last message from the server

	sending sync.Mutex // SendMsg is for one at a time

	over     chan struct{}
	overOnce sync.Once
	cause    error // of its end; readable once over is closed
}

// Over is closed when the connection is over.
func (c *Conn) Over() <-chan struct{} { return c.over }

func (c *Conn) fail(err error) {
	c.overOnce.Do(func() {
		c.cause = err
		close(c.over)
	})
}

// open makes a connection to a server and sets it up. The streams of the
// connection live until ctx ends or the connection is over.
func (l *Link) open(ctx context.Context, server string, gen uint64) (*Conn, error) {
	c := &Conn{Gen: gen, Server: server, link: l, acked: make(chan wire.Abilities, 1), over: make(chan struct{})}
	var local atomic.Pointer[string]
	var dialled atomic.Bool
	dial := func(ctx context.Context, addr string) (net.Conn, error) {
		if dialled.Swap(true) {
			c.fail(errOver)
			return nil, errOver // one Conn, one TCP connection
		}
		conn, err := l.cfg.dial(ctx, "tcp", addr)
		if err == nil {
			if host, _, err := net.SplitHostPort(conn.LocalAddr().String()); err == nil {
				local.Store(&host)
			}
		}
		return conn, err
	}
	cc, err := grpc.NewClient("passthrough:///"+server,
		grpc.WithTransportCredentials(transportCredentials(l.cfg.TLS)),
		grpc.WithContextDialer(dial),
		grpc.WithIdleTimeout(0),
		grpc.WithDisableServiceConfig(),
		grpc.WithStaticStreamWindowSize(wire.WindowBytes), grpc.WithStaticConnWindowSize(wire.WindowBytes),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageBytes), grpc.MaxCallSendMsgSize(wire.MaxMessageBytes)),
	)
	if err != nil {
		return nil, err
	}
	c.cc = cc
	if err := c.setUp(ctx, &local); err != nil {
		c.fail(err)
		_ = cc.Close() // of no use to anybody any more
		return nil, fmt.Errorf("%s: %w", server, err)
	}
	return c, nil
}

func transportCredentials(c *tls.Config) credentials.TransportCredentials {
	if c == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(c)
}

func (c *Conn) setUp(ctx context.Context, local *atomic.Pointer[string]) error {
	var check wire.ServerCheckResponse
	checkCtx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	if err := c.Call(checkCtx, &wire.ServerCheckRequest{}, &check); err != nil {
		return fmt.Errorf("server check: %w", err)
	}
	c.ID = check.ConnectionID
	stream, err := c.cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, wire.BiStreamMethod)
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	c.stream = stream
	cfg := &c.link.cfg
	labels := map[string]string{"source": "sdk", "module": cfg.Module, "zensus": "1"}
	if cfg.AppName != "" {
		labels["AppName"] = cfg.AppName
	}
	// Only a client with an ability table is told when its setup is done.
	setup, err := wire.Encode(&wire.ConnectionSetupRequest{
		ClientVersion: cfg.Version, Tenant: cfg.Namespace, Labels: labels,
		AbilityTable: map[string]bool{"supportPersistentInstanceByGrpc": true},
	}, nil)
	if err != nil {
		return err
	}
	if ip := local.Load(); ip != nil {
		setup.Metadata.ClientIp = *ip
	}
	if err := stream.SendMsg(setup); err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	c.link.tasks.Go(c.receive)
	if !check.SupportAbilityNegotiation {
		return wait(ctx, settlePause) // nobody will say when the setup is done
	}
	timer := time.NewTimer(ackPatience)
	defer timer.Stop()
	select {
	case c.Abilities = <-c.acked:
		return nil
	case <-timer.C:
		return errors.New("setup is not acknowledged")
	case <-c.over:
		return c.cause
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Call makes one request on this connection. It returns an *Error for a refusal, and that
// of Config.Token where nothing was sent for want of one; everything else leaves the
// outcome open, and says so (ErrUnknownOutcome).
func (c *Conn) Call(ctx context.Context, request wire.Body, reply wire.Reply) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callPatience)
		defer cancel()
	}
	headers, err := c.link.headers(ctx)
	if err != nil {
		return err
	}
	err = c.call(ctx, request, reply, headers)
	if Forbidden(err) && c.link.cfg.Token != nil {
		// The token may have run out, or the server that made it have forgotten it.
		c.link.dropToken(headers["accessToken"])
		if headers, err = c.link.headers(ctx); err != nil {
			return err
		}
		err = c.call(ctx, request, reply, headers)
	}
	return err
}

func (c *Conn) call(ctx context.Context, request wire.Body, reply wire.Reply, headers map[string]string) error {
	in, err := wire.Encode(request, headers)
	if err != nil {
		return err
	}
	out := new(wire.Payload)
	var header metadata.MD
	if err := c.cc.Invoke(ctx, wire.RequestMethod, in, out, grpc.Header(&header)); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w: %w", request.PayloadType(), ErrUnknownOutcome, context.Cause(ctx))
		}
		switch status.Code(err) {
		case codes.DeadlineExceeded: // ctx's, which is about to end
			err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
		case codes.ResourceExhausted: // too long a message: its own fault
		default:
			c.fail(err)
		}
		return fmt.Errorf("%s: %w: %w", request.PayloadType(), ErrUnknownOutcome, err)
	}
	c.hear()
	switch got := out.GetMetadata().GetType(); got {
	case reply.PayloadType():
		if err := wire.DecodeInto(out, reply); err != nil {
			return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
		err := refusal(reply.Base())
		if err != nil && slices.Contains(header.Get(wire.HeaderOutcome), "unknown") { // our own servers say so
			err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
		return err
	case "ErrorResponse":
		var e wire.ErrorResponse
		if err := wire.DecodeInto(out, &e); err != nil {
			return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
		if e.ErrorCode == codeUnregistered {
			c.fail(errors.New("the server does not know this connection"))
		}
		return &Error{Code: e.ErrorCode, Message: e.Message, untyped: true}
	default:
		return fmt.Errorf("%s: %w: answered by a %q", request.PayloadType(), ErrUnknownOutcome, got)
	}
}

func (c *Conn) hear() { c.heard.Store(time.Now().UnixNano()) }

// receive serves the server's pushes until the connection is over.
func (c *Conn) receive() {
	for {
		p := new(wire.Payload)
		if err := c.stream.RecvMsg(p); err != nil {
			c.fail(fmt.Errorf("stream: %w", err))
			return
		}
		c.hear()
		body, err := wire.Decode(p)
		if err != nil {
			c.link.cfg.Log.Debug("push cannot be read", "server", c.Server, "type", p.GetMetadata().GetType(), "err", err)
			continue
		}
		c.serve(body)
	}
}

func (c *Conn) serve(body wire.Body) {
	switch b := body.(type) {
	case *wire.SetupAckRequest:
		select {
		case c.acked <- b.AbilityTable:
		default: // a second one says nothing new
		}
	case *wire.ClientDetectionRequest:
		c.acknowledge(&wire.ClientDetectionResponse{Response: wire.Succeeded()}, b.RequestID)
	case *wire.ConnectResetRequest:
		c.acknowledge(&wire.ConnectResetResponse{Response: wire.Succeeded()}, b.RequestID)
		c.link.prefer(b.ServerIP, b.ServerPort)
		c.fail(errors.New("the server asked to go elsewhere"))
	default:
		// The acknowledgement follows the hand-over: what is acknowledged will be seen.
		if c.link.cfg.OnPush == nil {
			return
		}
		if reply, id := c.link.cfg.OnPush(c, body); reply != nil {
			c.acknowledge(reply, id)
		}
	}
}

func (c *Conn) acknowledge(reply wire.Reply, requestID string) {
	reply.Base().RequestID = requestID
	p, err := wire.Encode(reply, nil)
	if err != nil {
		c.link.cfg.Log.Error("acknowledgement cannot be encoded", "type", reply.PayloadType(), "err", err)
		return
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	if err := c.stream.SendMsg(p); err != nil {
		c.fail(fmt.Errorf("stream: %w", err))
	}
}

// watch returns when the connection is over, and closes it. It asks an idle
// server for a sign of life.
func (c *Conn) watch(ctx context.Context) error {
	defer func() { _ = c.cc.Close() }()
	ticker := time.NewTicker(idleMax / 5)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			c.fail(ErrClosed)
		case <-c.over:
		case <-ticker.C:
			if time.Since(time.Unix(0, c.heard.Load())) >= idleMax && !c.healthy(ctx) {
				c.fail(errors.New("the server gives no sign of life"))
			}
		}
		select {
		case <-c.over:
			return c.cause
		default:
		}
	}
}

// healthy asks twice: one lost answer is no reason to leave.
func (c *Conn) healthy(ctx context.Context) bool {
	for range 2 {
		ctx, cancel := context.WithTimeout(ctx, checkPatience)
		err := c.Call(ctx, &wire.HealthCheckRequest{}, &wire.HealthCheckResponse{})
		cancel()
		var refused *Error
		if err == nil || errors.As(err, &refused) && refused.Code != codeUnregistered {
			return true
		}
		select {
		case <-c.over:
			return false
		default:
		}
	}
	return false
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
