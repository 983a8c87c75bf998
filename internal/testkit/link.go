package testkit

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Way is one of the two directions of a Link.
type Way int

// The ways of a Link.
const (
	There Way = iota // from who connects
	Back
)

// Link stands between a member of an ensemble and the port of another (see
// Options.Between), and can be cut, or hold back what goes one way.
type Link struct {
	l  net.Listener
	to string
	wg sync.WaitGroup

	mu struct {
		sync.Mutex
		cut   bool
		conns map[net.Conn]struct{}
		held  [2]chan struct{} // by way; nil while nothing is held back
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
		k.Mend() // what is held waits
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

// Hold lets nothing through one way until the link is mended, and then all that has come
// meanwhile: so it is where the packets of one direction are lost, but that connections can
// be made.
func (k *Link) Hold(w Way) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mu.held[w] == nil {
		k.mu.held[w] = make(chan struct{})
	}
}

// Mend lets everything through again.
func (k *Link) Mend() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.cut = false
	for w, held := range k.mu.held {
		if held != nil {
			close(held)
			k.mu.held[w] = nil
		}
	}
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
	over := make(chan struct{})
	defer close(over)
	done := make(chan struct{}, 2)
	for w, ends := range [2][2]net.Conn{There: {a, b}, Back: {b, a}} {
		k.wg.Go(func() {
			_, _ = io.Copy(gate{ends[1], k, Way(w), over}, ends[0])
			done <- struct{}{}
		})
	}
	<-done // one end is enough: drop closes both
}

// gate is the end of a way, which may be held.
type gate struct {
	to   io.Writer
	link *Link
	way  Way
	over <-chan struct{} // closed when the connection is
}

func (g gate) Write(b []byte) (int, error) {
	g.link.mu.Lock()
	held := g.link.mu.held[g.way]
	g.link.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-g.over:
			return 0, net.ErrClosed
		}
	}
	return g.to.Write(b)
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
