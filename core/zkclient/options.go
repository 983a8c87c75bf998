package zkclient

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// The bounds of a client.
const (
	// TimeoutDefault is the session timeout that is asked for if Options name none.
	TimeoutDefault = 10 * time.Second
	// replyBytesMax bounds one reply. Servers do not limit theirs to
	// jute.maxbuffer: a long list of children is several megabytes.
	replyBytesMax = 64 << 20
	// requestsMax and outBytesMax bound what waits to be sent or answered.
	requestsMax = 1 << 16
	outBytesMax = 64 << 20
	// closePatience is how long Close waits for the server's word.
	closePatience = 3 * time.Second
)

// ErrQueueFull is returned by calls when too many requests, or too many bytes of
// them, wait already. The request was not sent.
var ErrQueueFull = errors.New("request queue is full")

// Options configure a Client. The zero value is usable.
type Options struct {
	// Timeout is the session timeout to ask for. The server has the last word.
	Timeout time.Duration
	// Silence is how long a server may say nothing before another one is tried. Zero, and
	// what is longer, is two thirds of the session's timeout.
	Silence time.Duration
	// ACL is what Create uses where CreateOptions name none. Nil is OpenACL.
	ACL []core.ACL
	// Auth is sent on every connection before anything else.
	Auth []Auth
	// Chroot is put before every path, and taken off again. The znode need not
	// exist when the client connects.
	Chroot string
	// Logger hears of connections and sessions. Nil is silent.
	Logger *slog.Logger
	// Dialer opens connections; nil dials TCP. It is the place for TLS.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)
	// OnEvent hears of every notification, those of one-shot watches that were
	// set by reads through Do or Start among them, with the server's path (no
	// chroot is taken off). One-shot watches outlive a reconnect. It runs on the
	// reading goroutine: it must be quick and must not call what waits for a
	// reply. The zxid is 0 where the server does not tell (up to 3.8).
	OnEvent func(e wire.WatcherEvent, z core.Zxid)
	// Patient keeps the session until a server says that it is over, however long
	// none was heard: for sessions of which nothing is believed that only their
	// holder may believe. After an ensemble without a quorum they go on.
	Patient bool
	// FrameBytesMax is the longest request frame, the servers' jute.maxbuffer.
	// 0 is their default.
	FrameBytesMax int
}

// Auth is a credential, such as "digest" and "user:password".
type Auth struct {
	Scheme string
	Auth   []byte
}

func (o *Options) fill() error {
	if o.Timeout <= 0 {
		o.Timeout = TimeoutDefault
	}
	if o.ACL == nil {
		o.ACL = core.OpenACL()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Dialer == nil {
		o.Dialer = new(net.Dialer).DialContext
	}
	if o.FrameBytesMax <= 0 {
		o.FrameBytesMax = wire.FrameBytesMax
	}
	if o.Chroot == "/" {
		o.Chroot = ""
	}
	if o.Chroot != "" {
		if err := core.ValidatePath(o.Chroot); err != nil {
			return &core.OpError{Op: "chroot", Path: o.Chroot, Err: err}
		}
	}
	return nil
}

// SplitConnect takes a ZooKeeper connect string apart: addresses separated by
// commas, port 2181 where none is given, and an optional chroot behind them.
func SplitConnect(connect string) (addresses []string, chroot string) {
	if i := strings.IndexByte(connect, '/'); i >= 0 {
		connect, chroot = connect[:i], strings.TrimRight(connect[i:], "/")
	}
	for a := range strings.SplitSeq(connect, ",") {
		if a = strings.TrimSpace(a); a == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(a); err != nil {
			a = net.JoinHostPort(strings.Trim(a, "[]"), "2181")
		}
		addresses = append(addresses, a)
	}
	return addresses, chroot
}
