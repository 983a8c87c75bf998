package peer

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/core"
)

// Handler is told what happens on the links. Calls for one peer come one at a time and
// in order: LinkUp, Receive any number of times, LinkDown.
type Handler interface {
	LinkUp(p core.PeerID, gen uint64)
	// Receive takes a message, whose bytes are the handler's. It may wait.
	Receive(p core.PeerID, gen uint64, body []byte)
	LinkDown(p core.PeerID, gen uint64)
}

// Config says who is linked.
type Config struct {
	Self     core.PeerID
	Listener net.Listener // where those with higher ids dial; closed when Run returns
	// Peers are the addresses of the others; several lead to the same peer.
	Peers map[core.PeerID][]string
	// Secret is known to every member and to nobody else.
	Secret  []byte
	Handler Handler
	Logger  hclog.Logger // nil is nowhere
}

// Transport is a node's links with the others.
type Transport struct {
	cfg Config
	log hclog.Logger

	mu struct {
		sync.Mutex
		links map[core.PeerID]*link
		gen   uint64
		ended bool
	}
	wg sync.WaitGroup // of links and of those who dial
}

// Pauses between two attempts to reach a peer, and how long one may take.
const (
	dialPauseMin  = 20 * time.Millisecond
	dialPauseMax  = 500 * time.Millisecond
	dialTime      = 5 * time.Second
	handshakeTime = 5 * time.Second
	// strangersMax bounds connections that have not proved anything yet.
	strangersMax = 64
)

// New makes a transport that does nothing yet.
func New(cfg Config) *Transport {
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	t := &Transport{cfg: cfg, log: cfg.Logger}
	t.mu.links = make(map[core.PeerID]*link)
	return t
}

// Run keeps the links until ctx ends. It returns after every goroutine that it
// started has returned, and LinkDown was called for every link.
func (t *Transport) Run(ctx context.Context) error {
	for p, addrs := range t.cfg.Peers {
		if p < t.cfg.Self {
			t.wg.Go(func() { t.dial(ctx, p, addrs) })
		}
	}
	accepting := make(chan struct{})
	go func() { defer close(accepting); t.accept() }()
	<-ctx.Done()
	_ = t.cfg.Listener.Close()
	<-accepting
	t.mu.Lock()
	t.mu.ended = true
	for _, l := range t.mu.links {
		l.close()
	}
	t.mu.Unlock()
	t.wg.Wait()
	return nil
}

// Send queues a message for a peer, if the link of that generation is still there. It
// never waits.
func (t *Transport) Send(p core.PeerID, gen uint64, appendTo func([]byte) []byte) {
	if l := t.link(p, gen); l != nil && !l.send(appendTo) {
		t.log.Debug("message for a link that is over", "peer", int(p))
	}
}

// SendSlowly is Send for who has much to send and can wait. It reports false when the
// link is over.
func (t *Transport) SendSlowly(p core.PeerID, gen uint64, appendTo func([]byte) []byte) bool {
	l := t.link(p, gen)
	return l != nil && l.wait() && l.send(appendTo)
}

func (t *Transport) link(p core.PeerID, gen uint64) *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.mu.links[p]; l != nil && l.gen == gen {
		return l
	}
	return nil
}

// dial reaches for a peer with a lower id, again and again.
func (t *Transport) dial(ctx context.Context, p core.PeerID, addrs []string) {
	pause := dialPauseMin
	for i := 0; ctx.Err() == nil; i++ {
		addr := addrs[i%len(addrs)]
		began := time.Now()
		err := t.reach(ctx, p, addr)
		if time.Since(began) > dialPauseMax {
			pause = dialPauseMin // it was there
		}
		if err != nil && ctx.Err() == nil {
			t.log.Debug("no link", "peer", int(p), "addr", addr, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, dialPauseMax)
	}
}

func (t *Transport) reach(ctx context.Context, p core.PeerID, addr string) error {
	d := net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	_ = c.SetDeadline(time.Now().Add(handshakeTime))
	if err := greet(c, t.cfg.Secret, t.cfg.Self, p); err != nil {
		return errors.Join(err, c.Close())
	}
	return t.serve(p, c)
}

// accept takes in those with higher ids.
func (t *Transport) accept() {
	strangers := make(chan struct{}, strangersMax)
	for {
		c, err := t.cfg.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			t.log.Warn("accept", "err", err)
			time.Sleep(dialPauseMin)
			continue
		}
		select {
		case strangers <- struct{}{}:
		default: // too many at once
			_ = c.Close()
			continue
		}
		t.wg.Go(func() {
			_ = c.SetDeadline(time.Now().Add(handshakeTime))
			p, err := welcome(c, t.cfg.Secret, t.cfg.Self, t.mayDial)
			<-strangers
			if err != nil {
				t.log.Warn("refused a connection", "from", c.RemoteAddr().String(), "err", err)
				_ = c.Close()
				return
			}
			if err := t.serve(p, c); err != nil {
				t.log.Debug("link ended", "peer", int(p), "err", err)
			}
		})
	}
}

// mayDial reports whether a peer is one that dials this one.
func (t *Transport) mayDial(p core.PeerID) bool {
	_, known := t.cfg.Peers[p]
	return known && p > t.cfg.Self
}

// serve is the life of a link whose handshake is done. An earlier one of the same
// peer ends first: its other end has given it up.
func (t *Transport) serve(p core.PeerID, c net.Conn) error {
	_ = c.SetDeadline(time.Time{})
	l := t.begin(p, c)
	if l == nil {
		return errors.Join(net.ErrClosed, c.Close())
	}
	t.cfg.Handler.LinkUp(p, l.gen)
	var workers sync.WaitGroup
	workers.Go(l.write)
	workers.Go(l.keepAlive)
	err := l.read(func(b []byte) { t.cfg.Handler.Receive(p, l.gen, b) })
	l.close()
	t.cfg.Handler.LinkDown(p, l.gen)
	t.end(l)
	workers.Wait()
	return err
}

// begin registers a link when no other one of its peer is there any more.
func (t *Transport) begin(p core.PeerID, c net.Conn) *link {
	for {
		t.mu.Lock()
		old := t.mu.links[p]
		if t.mu.ended {
			t.mu.Unlock()
			return nil
		}
		if old == nil {
			t.mu.gen++
			l := newLink(p, t.mu.gen, c)
			t.mu.links[p] = l
			t.mu.Unlock()
			return l
		}
		t.mu.Unlock()
		old.close()
		<-old.done
	}
}

func (t *Transport) end(l *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.links[l.peer] == l {
		delete(t.mu.links, l.peer)
	}
	close(l.done)
}
