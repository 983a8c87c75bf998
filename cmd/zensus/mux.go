package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/internal/plainhttp"
)

// mux shares one port among the protocols. The first bytes of a connection tell
// them apart: a ZooKeeper client begins with the length of a short frame, whose
// first byte is 0; a gRPC client with the preface of HTTP/2; TLS with a record of
// type 22; everything else is HTTP/1, or one of ZooKeeper's four-letter words.
type mux struct {
	listener  net.Listener
	zookeeper func(c net.Conn, prefix []byte)
	grpc      *branch
	http      *branch
	plain     *plainhttp.Server // has what it takes of HTTP; nil for nothing
	peeks     crowd             // that are being looked at
	requests  crowd             // that speak HTTP
}

// Bounds of the connections that have not yet shown what they are: the limits of
// the protocols do not count them.
const (
	// peekTime is how long a connection may take to show it.
	peekTime = 10 * time.Second
	// peeksMax is how many there may be, and peeksPerAddress how many from one
	// address, but for this machine's own. More are closed at once.
	peeksMax        = 4096
	peeksPerAddress = 256
)

// crowd counts connections of a kind.
type crowd struct {
	most, perAddress int
	nearToo          bool         // this machine's own are bounded likewise
	refused          atomic.Int64 // so many were too many
	mu               struct {
		sync.Mutex
		total   int
		perAddr map[netip.Addr]int
	}
}

// admit counts a connection unless there are too many. done must follow.
func (p *crowd) admit(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.total >= p.most || p.mu.perAddr[a] >= p.perAddress && (p.nearToo || !a.IsLoopback()) {
		p.refused.Add(1)
		return false
	}
	if p.mu.perAddr == nil {
		p.mu.perAddr = make(map[netip.Addr]int)
	}
	p.mu.total++
	p.mu.perAddr[a]++
	return true
}

func (p *crowd) done(a netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.total--
	if p.mu.perAddr[a]--; p.mu.perAddr[a] == 0 {
		delete(p.mu.perAddr, a)
	}
}

// remoteAddr is the address of a client, the zero one if it has none.
func remoteAddr(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func newMux(l net.Listener, limits httpLimits, zookeeper func(net.Conn, []byte), plain *plainhttp.Server) *mux {
	return &mux{
		listener: l, zookeeper: zookeeper, plain: plain,
		peeks:    crowd{most: peeksMax, perAddress: peeksPerAddress},
		requests: crowd{most: limits.Connections, perAddress: limits.PerAddress, nearToo: true},
		grpc:     newBranch(l.Addr()), http: newBranch(l.Addr()),
	}
}

// Run accepts until ctx ends.
func (m *mux) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = m.listener.Close() })
	defer stop()
	var peeking sync.WaitGroup
	defer peeking.Wait()
	defer m.grpc.Close()
	defer m.http.Close()
	wait := time.Duration(0)
	for {
		c, err := m.listener.Accept()
		if err == nil {
			wait = 0
			from := remoteAddr(c)
			if !m.peeks.admit(from) {
				_ = c.Close()
				continue
			}
			peeking.Go(func() { m.sort(ctx, c, from) })
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// sort looks at the first bytes of a connection and hands it on. It stays with one of
// HTTP as long as plain has it.
func (m *mux) sort(ctx context.Context, c net.Conn, from netip.Addr) {
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Now()) })
	defer stop()
	_ = c.SetReadDeadline(time.Now().Add(peekTime))
	first := make([]byte, 4)
	_, err := io.ReadFull(c, first)
	m.peeks.done(from)
	if err != nil || ctx.Err() != nil {
		_ = c.Close()
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	switch {
	case first[0] == 0 || server.IsWord(string(first)): // no word begins an HTTP request
		m.zookeeper(c, first)
	case string(first) == "PRI ":
		m.grpc.offer(&prefixed{Conn: c, prefix: first})
	case first[0] == 0x16:
		_ = c.Close() // TLS is not spoken yet
	default:
		if !m.requests.admit(from) {
			_ = c.Close()
			return
		}
		gone := sync.OnceFunc(func() { m.requests.done(from) })
		if m.plain != nil {
			stop()
			if first = m.plain.Serve(ctx, c, first); first == nil {
				gone()
				return
			}
		}
		m.http.offer(&counted{prefixed: prefixed{Conn: c, prefix: first}, gone: gone})
	}
}

// httpLimits bound the connections that speak HTTP.
type httpLimits struct{ Connections, PerAddress int }

// counted is a connection that is counted until it is closed.
type counted struct {
	prefixed
	gone func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.gone()
	return c.Conn.Close()
}

// prefixed is a connection of which some bytes were read already.
type prefixed struct {
	net.Conn
	prefix []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.prefix) > 0 {
		n := copy(b, p.prefix)
		if p.prefix = p.prefix[n:]; len(p.prefix) == 0 {
			p.prefix = nil // what it lies in is not needed any more
		}
		return n, nil
	}
	return p.Conn.Read(b)
}

// CloseWrite passes a half close on, where the connection knows one.
func (p *prefixed) CloseWrite() error {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// branch is the listener of one protocol.
type branch struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newBranch(addr net.Addr) *branch {
	return &branch{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// offer waits until the protocol's server takes the connection or is closed.
func (b *branch) offer(c net.Conn) {
	select {
	case b.conns <- c:
	case <-b.closed:
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (b *branch) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		return c, nil
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (b *branch) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// Addr implements net.Listener.
func (b *branch) Addr() net.Addr { return b.addr }
