package interop

import (
	"io"
	"net"
	"sync"
	"testing"
)

// gate is a way to a server that can be shut: every connection through it breaks
// and none is made until it is opened.
type gate struct {
	addr   string
	target string

	mu struct {
		sync.Mutex
		shut  bool
		conns map[net.Conn]bool
	}
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{addr: l.Addr().String(), target: target}
	g.mu.conns = map[net.Conn]bool{}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { g.pass(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		g.shut()
		all.Wait()
	})
	return g
}

func (g *gate) pass(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", g.target)
	if err != nil {
		return
	}
	defer s.Close()
	if !g.admit(c, s) {
		return
	}
	defer g.forget(c, s)
	var both sync.WaitGroup
	copyAndEnd := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
		_ = from.Close()
	}
	both.Go(func() { copyAndEnd(s, c) })
	both.Go(func() { copyAndEnd(c, s) })
	both.Wait()
}

func (g *gate) admit(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.shut {
		return false
	}
	for _, c := range conns {
		g.mu.conns[c] = true
	}
	return true
}

func (g *gate) forget(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		delete(g.mu.conns, c)
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.shut = true
	for c := range g.mu.conns {
		_ = c.Close()
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.shut = false
}
