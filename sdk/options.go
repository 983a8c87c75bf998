package sdk

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"
)

type options struct {
	namespace     string
	appName       string
	offset        int
	lazy          bool
	inOrder       bool
	tls           *tls.Config
	token         TokenFunc
	log           *slog.Logger
	dial          func(ctx context.Context, network, addr string) (net.Conn, error)
	closePatience time.Duration
}

// Option sets one thing about a Client.
type Option func(*options)

// Namespace is the id of the namespace to work in; without it, public.
func Namespace(id string) Option { return func(o *options) { o.namespace = id } }

// AppName is what the program is called in the server's lists.
func AppName(name string) Option { return func(o *options) { o.appName = name } }

// PortOffset is what lies between a server's HTTP port and its gRPC port, by
// default 1000. Zensus speaks both on either, so 0 works with it as well.
func PortOffset(n int) Option { return func(o *options) { o.offset = n } }

// Lazy makes Dial return at once; the client connects when it is used.
func Lazy() Option { return func(o *options) { o.lazy = true } }

// InOrder makes the client try the servers in the order of their addresses, from
// the first on, for those that have one nearby. Without it clients begin at any of
// them, so that they spread over the servers.
func InOrder() Option { return func(o *options) { o.inOrder = true } }

// TLS encrypts the connections.
func TLS(c *tls.Config) Option { return func(o *options) { o.tls = c } }

// TokenFunc yields an access token and until when it is good; the zero time is
// for ever. It is called when a token is needed, has run out, or was refused, and
// never twice at once.
type TokenFunc func(ctx context.Context) (token string, until time.Time, err error)

// Credentials are asked for the token of every connection. See also Login.
func Credentials(f TokenFunc) Option { return func(o *options) { o.token = f } }

// Logger hears of connections made and lost. Without it nothing is logged.
func Logger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// Dialer replaces how TCP connections are made.
func Dialer(dial func(ctx context.Context, network, addr string) (net.Conn, error)) Option {
	return func(o *options) { o.dial = dial }
}

// CloseTimeout is how long Close tries to withdraw what was registered.
func CloseTimeout(d time.Duration) Option { return func(o *options) { o.closePatience = d } }
