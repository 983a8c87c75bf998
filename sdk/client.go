package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zensus-io/zensus/sdk/internal/link"
)

// Version is what the client calls itself in the setup of a connection.
const Version = "Zensus-Go-Client:v1.0.0"

// Error is a refusal by the server: the request took no effect.
type Error = link.Error

var (
	// ErrClosed is returned by everything after Close.
	ErrClosed = link.ErrClosed
	// ErrUnknownOutcome is in the chain of an error that leaves open whether the
	// server did what was asked.
	ErrUnknownOutcome = link.ErrUnknownOutcome
)

// Forbidden reports whether err says that the credentials do not do.
func Forbidden(err error) bool { return link.Forbidden(err) }

// defaultPort is what an address without a port means; gRPC is 1000 above it.
const (
	defaultPort   = 8848
	defaultOffset = 1000
)

// Client is a program's access to a Zensus cluster. It is safe for concurrent
// use; one for a program is enough.
type Client struct {
	opt     options
	servers []string
	cancel  context.CancelFunc
	ctx     context.Context // of the goroutines; ends with Close
	tasks   sync.WaitGroup

	mu struct {
		sync.Mutex
		closed bool
		parts  []Part
	}
}

// Dial makes a client for the servers at the addresses given, each a host with or
// without a port of HTTP (8848), and makes sure that one of them answers: it
// tries them until ctx ends. With Lazy it does not.
func Dial(ctx context.Context, addresses []string, opts ...Option) (*Client, error) {
	opt := options{offset: defaultOffset, log: slog.New(slog.DiscardHandler), closePatience: 3 * time.Second}
	for _, o := range opts {
		o(&opt)
	}
	servers := make([]string, len(addresses))
	for i, address := range addresses {
		var err error
		if servers[i], err = grpcAddress(address, opt.offset); err != nil {
			return nil, err
		}
	}
	if len(servers) == 0 {
		return nil, errors.New("zensus: no server address")
	}
	c := &Client{opt: opt, servers: servers}
	// The client outlives the context that it is dialled with.
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if opt.lazy {
		return c, nil
	}
	if err := c.probe(ctx); err != nil {
		c.cancel()
		return nil, fmt.Errorf("zensus: dial: %w", err)
	}
	return c, nil
}

// probe waits until a server takes a connection.
func (c *Client) probe(ctx context.Context) error {
	l, err := link.New(c.linkConfig("config"))
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { l.Run(running) })
	defer done.Wait()
	defer stop()
	_, err = l.Conn(ctx)
	return err
}

func (c *Client) linkConfig(module string) link.Config {
	return link.Config{
		Servers: c.servers, PortOffset: c.opt.offset, Module: module, Namespace: c.opt.namespace, AppName: c.opt.appName, Version: Version,
		TLS: c.opt.tls, Token: c.opt.token, Log: c.opt.log, Dial: c.opt.dial, InOrder: c.opt.inOrder,
	}
}

// grpcAddress is where a server's gRPC is.
func grpcAddress(address string, offset int) (string, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil { // no port
		host, portText = strings.Trim(address, "[]"), strconv.Itoa(defaultPort)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || host == "" || port <= 0 || port+offset <= 0 || port+offset > 65535 {
		return "", fmt.Errorf("zensus: bad server address %q", address)
	}
	return net.JoinHostPort(host, strconv.Itoa(port+offset)), nil
}

// Logger is where the client tells what happens. It exists for the packages of
// the SDK.
func (c *Client) Logger() *slog.Logger { return c.opt.log }

// Namespace is the namespace that the client works in; "" is public.
func (c *Client) Namespace() string { return c.opt.namespace }

// Part is a side of the client: naming, config. It exists for the packages of
// the SDK.
type Part interface {
	// Run works until ctx ends.
	Run(ctx context.Context)
	// Withdraw takes back what the part has registered.
	Withdraw(ctx context.Context)
}

// Attach runs a part until Close; make is given how to connect. It exists for
// the packages of the SDK. On a closed client the part is not run.
func (c *Client) Attach(module string, make func(link.Config) Part) {
	part := make(c.linkConfig(module))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return
	}
	c.mu.parts = append(c.mu.parts, part)
	c.tasks.Go(func() { part.Run(c.ctx) })
}

// Done is closed when Close is called. It exists for the packages of the SDK.
func (c *Client) Done() <-chan struct{} { return c.ctx.Done() }

// Close withdraws what was registered, as far as that is possible within three
// seconds (see CloseTimeout), and ends the client. It returns when every
// goroutine of the client has ended.
func (c *Client) Close() error {
	c.mu.Lock()
	parts := c.mu.parts
	c.mu.parts = nil
	first := !c.mu.closed
	c.mu.closed = true
	c.mu.Unlock()
	if first {
		ctx, cancel := context.WithTimeout(c.ctx, c.opt.closePatience)
		var withdrawals sync.WaitGroup
		for _, p := range parts {
			withdrawals.Go(func() { p.Withdraw(ctx) })
		}
		withdrawals.Wait()
		cancel()
	}
	c.cancel()
	c.tasks.Wait()
	return nil
}
