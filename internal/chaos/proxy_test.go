package chaos

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy stands between a server and the port of another: it can be cut, or swallow
// what goes one way.
type proxy struct {
	l  net.Listener
	to string
	wg sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	hole  [2]bool // swallow what the one who dialed says, or the other
	conns map[net.Conn]bool
	ended bool
}

func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{l: l, to: to, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) accept() {
	for {
		a, err := p.l.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(a) })
	}
}

// hold keeps a connection, or reports that none may be there.
func (p *proxy) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut || p.ended {
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

func (p *proxy) serve(a net.Conn) {
	defer p.drop(a)
	if !p.hold(a) {
		return
	}
	b, err := net.DialTimeout("tcp", p.to, time.Second)
	if err != nil {
		return
	}
	defer p.drop(b)
	if !p.hold(b) {
		return
	}
	done := make(chan struct{}, 2)
	carry := func(to, from net.Conn, way int) {
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if err != nil {
				break
			}
			p.mu.Lock()
			swallow := p.hole[way]
			p.mu.Unlock()
			if swallow {
				continue
			}
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		done <- struct{}{}
	}
	p.wg.Go(func() { carry(b, a, 0) })
	p.wg.Go(func() { carry(a, b, 1) })
	<-done // one end is enough: drop closes both
}

// set changes what the proxy does. A cut ends what is there; a hole does not, so that
// both sides believe in the connection.
func (p *proxy) set(cut bool, hole [2]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	healed := p.hole != [2]bool{} && hole == [2]bool{}
	p.hole = hole
	if cut || healed { // behind a hole the streams are spoilt
		for c := range p.conns {
			_ = c.Close()
		}
	}
}

func (p *proxy) close() {
	_ = p.l.Close()
	p.mu.Lock()
	p.ended = true
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
