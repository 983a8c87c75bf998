package testkit

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Link stands between a member of an ensemble and the port of another (see
// Options.Between), and can be cut.
type Link struct {
	l  net.Listener
	to string
	wg sync.WaitGroup

	mu struct {
		sync.Mutex
		cut   bool
		conns map[net.Conn]struct{}
	}
}

// NewLink makes a link to an address, which is closed with the test.
func NewLink(t testing.TB, to string) *Link {
	t.Helper()
	l, err := net.Listen("tcp", loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	k := &Link{l: l, to: to}
	k.mu.conns = make(map[net.Conn]struct{})
	k.wg.Go(k.accept)
	t.Cleanup(func() {
		_ = l.Close()
		k.Cut()
		k.wg.Wait()
	})
	return k
}

// Addr is where the link listens.
func (k *Link) Addr() string { return k.l.Addr().String() }

// Cut ends what goes over the link, and lets nothing through until it is mended.
func (k *Link) Cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.cut = true
	for c := range k.mu.conns {
		_ = c.Close()
	}
}

// Mend lets connections through again.
func (k *Link) Mend() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.cut = false
}

func (k *Link) accept() {
	for {
		a, err := k.l.Accept()
		if err != nil {
			return
		}
		k.wg.Go(func() { k.carry(a) })
	}
}

func (k *Link) carry(a net.Conn) {
	defer k.drop(a)
	if !k.hold(a) {
		return
	}
	b, err := net.DialTimeout("tcp", k.to, time.Second)
	if err != nil {
		return
	}
	defer k.drop(b)
	if !k.hold(b) {
		return
	}
	done := make(chan struct{}, 2)
	for _, way := range [2][2]net.Conn{{a, b}, {b, a}} {
		k.wg.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			done <- struct{}{}
		})
	}
	<-done // one end is enough: drop closes both
}

// hold keeps a connection for Cut, or reports that none may be there.
func (k *Link) hold(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.mu.cut {
		k.mu.conns[c] = struct{}{}
	}
	return !k.mu.cut
}

func (k *Link) drop(c net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.mu.conns, c)
	_ = c.Close()
}
