package peer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/core"
)

// Handler is told what happens on the links. Calls for one peer come one at a time and
// in order: LinkUp, what its Receiver is told, LinkDown.
type Handler interface {
	// LinkUp returns who takes what comes over the link.
	LinkUp(p core.PeerID, gen uint64, relieve func()) Receiver
	LinkDown(p core.PeerID, gen uint64)
}

// Receiver takes what comes over one link.
type Receiver interface {
	// Receive takes a message, whose bytes are the receiver's; with more another one has
	// come already. It may wait. A receiver that has taken a message and has other work
	// to do before it returns may let itself be relieved of reading, on another
	// goroutine, by calling what LinkUp was given: Receive is then called for the next
	// message while it works, and must report this when it returns.
	Receive(body []byte, more bool) (relieved bool)
}

// Config says who is linked.
type Config struct {
	Self     core.PeerID
	Listener net.Listener // where those with higher ids dial; closed when Run returns
	// Peers are the addresses of the others; several lead to the same peer. SetPeers
	// changes them.
	Peers map[core.PeerID][]string
	// Secret is known to every member and to nobody else.
	Secret []byte
	// Certificates encrypt the links; nil is plain text.
	Certificates *Certificates
	Handler      Handler
	// Alone reports whether this server is on its own. Those that it does not know may
	// then prove that they know the secret, and Claimed is told what they say: 64 KiB at
	// most, nothing from one that has nothing to say. Nil is never.
	Alone   func() bool
	Claimed func(p core.PeerID, claim []byte)
	// Claim is what this server tells a peer that turns out to be on its own, at most
	// 64 KiB. With it those with higher ids are knocked at until they come. Nil is nothing.
	Claim  func(context.Context) []byte
	Logger hclog.Logger // nil is nowhere
}

// Transport is a node's links with the others.
type Transport struct {
	cfg  Config
	log  hclog.Logger
	life life

	strangers strangers

	mu struct {
		sync.Mutex
		links   map[core.PeerID]*link
		all     []*link // the same; replaced, never changed
		peers   map[core.PeerID][]string
		dialers map[core.PeerID]*dialer
		run     context.Context // of Run; nil before
		gen     uint64
		ended   bool
		refused refusals
		lives   map[core.PeerID]*lives
	}
	wg sync.WaitGroup // of links and of those who dial
}

// Pauses between two attempts to reach a peer, and how long one may take.
const (
	dialPauseMin  = 20 * time.Millisecond
	dialPauseMax  = 500 * time.Millisecond
	dialTime      = 5 * time.Second
	handshakeTime = 5 * time.Second
	// warnTime is the pause between two warnings of strangers, warnAgain that between two
	// for the same reason: who has been removed, or has another secret, comes twice a
	// second. Of a peer that is not
	// reached one attempt in failuresTold is told of, about one a minute: the first time
	// after absencesMin, and after mistrustsMin where it answers and the handshake fails.
	warnTime     = time.Second
	warnAgain    = time.Minute
	failuresTold = 120
	absencesMin  = 20
	mistrustsMin = 5
)

// New makes a transport that does nothing yet.
func New(cfg Config) *Transport {
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	t := &Transport{cfg: cfg, log: cfg.Logger}
	t.mu.links, t.mu.dialers = make(map[core.PeerID]*link), make(map[core.PeerID]*dialer)
	t.mu.lives = make(map[core.PeerID]*lives)
	t.mu.peers = cfg.Peers
	_, _ = rand.Read(t.life[:]) // it never fails
	return t
}

// Run keeps the links until ctx ends. It returns after every goroutine that it
// started has returned, and LinkDown was called for every link.
func (t *Transport) Run(ctx context.Context) error {
	t.mu.Lock()
	t.mu.run = ctx
	t.dialLocked()
	t.mu.Unlock()
	if t.cfg.Certificates != nil {
		t.wg.Go(func() { t.cfg.Certificates.watch(ctx) })
	}
	accepting := make(chan struct{})
	go func() { defer close(accepting); t.accept(ctx) }()
	<-ctx.Done()
	_ = t.cfg.Listener.Close()
	<-accepting
	t.strangers.end()
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
// never waits. The message goes out with the next Flush, or before.
func (t *Transport) Send(p core.PeerID, gen uint64, appendTo func([]byte) []byte) {
	if l := t.link(p, gen); l != nil && !l.queue(appendTo) {
		t.log.Debug("message for a link that is over", "peer", int(p))
	}
}

// Flush sees to it that what Send has queued goes out, to one peer before the others. It
// never waits, but may write: the caller should hold nothing that others need.
func (t *Transport) Flush(first core.PeerID) {
	t.mu.Lock()
	favoured, links := t.mu.links[first], t.mu.all
	t.mu.Unlock()
	if favoured != nil {
		favoured.flush()
	}
	for _, l := range links {
		l.flush()
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
func (t *Transport) dial(ctx context.Context, p core.PeerID, d *dialer) {
	pause := dialPauseMin
	failures := 0 // one after the other
	for i := 0; ctx.Err() == nil; i++ {
		addr := d.addrs[i%len(d.addrs)]
		began := time.Now()
		linked, err := t.reach(ctx, p, addr)
		if time.Since(began) > dialPauseMax {
			pause = dialPauseMin // it was there
		}
		if failures++; linked {
			failures = 0
		}
		if err != nil && ctx.Err() == nil {
			t.log.Log(howLoud(failures, err), "no link", "peer", int(p), "addr", addr, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-d.knocked:
			pause = dialPauseMin
		case <-time.After(pause/2 + mathrand.N(pause)):
		}
		pause = min(2*pause, dialPauseMax)
	}
}

// howLoud is how an attempt in vain is told of, the nth one after the other.
func howLoud(n int, err error) hclog.Level {
	least := absencesMin
	if failed := new(handshakeError); errors.As(err, &failed) {
		least = mistrustsMin // it does not go away by itself
	}
	if n%failuresTold == least {
		return hclog.Warn
	}
	return hclog.Debug
}

// reach makes a link and is its life. It reports whether there was one.
func (t *Transport) reach(ctx context.Context, p core.PeerID, addr string) (linked bool, err error) {
	d := net.Dialer{Timeout: dialTime}
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, err
	}
	c, who, err := t.introduce(ctx, p, raw, addr)
	if err != nil {
		return false, errors.Join(err, raw.Close())
	}
	return true, t.serve(p, who, c)
}

// handshakeError is why there is no link with one who has answered.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

// introduce is the dialer's handshake.
func (t *Transport) introduce(ctx context.Context, p core.PeerID, raw net.Conn, addr string) (net.Conn, life, error) {
	_ = raw.SetDeadline(time.Now().Add(handshakeTime))
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	c, channel, err := t.secureDialed(ctx, raw, addr)
	if err != nil {
		return nil, life{}, &handshakeError{err}
	}
	who, err := greet(c, bind(t.cfg.Secret, channel), t.life, t.cfg.Self, p, t.claim(ctx))
	if err != nil {
		return nil, life{}, &handshakeError{err}
	}
	return c, who, nil
}

// claim is what a peer that is on its own is told.
func (t *Transport) claim(ctx context.Context) func() []byte {
	if t.cfg.Claim == nil {
		return nil
	}
	return func() []byte {
		ctx, cancel := context.WithTimeout(ctx, handshakeTime)
		defer cancel()
		return t.cfg.Claim(ctx)
	}
}

// accept takes in those with higher ids, and hears of those with lower ones.
func (t *Transport) accept(ctx context.Context) {
	for pause := dialPauseMin; ; {
		raw, err := t.cfg.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			t.log.Warn("accept", "err", err, "retry_ms", pause.Milliseconds())
			time.Sleep(pause)
			pause = min(2*pause, dialPauseMax)
			continue
		}
		pause = dialPauseMin
		t.strangers.add(raw)
		t.wg.Go(func() {
			g, c, err := t.meet(ctx, raw)
			t.strangers.remove(raw)
			if err != nil {
				t.refused(raw, err)
				_ = raw.Close()
				return
			}
			switch {
			case g.claims:
				_ = raw.Close()
				t.cfg.Claimed(g.peer, g.claim)
				return
			case g.peer < t.cfg.Self:
				t.knocked(g.peer)
				_ = raw.Close()
				return
			}
			if err := t.serve(g.peer, g.life, c); err != nil {
				t.log.Debug("link ended", "peer", int(g.peer), "err", err)
			}
		})
	}
}

// meet is the handshake of who was dialed.
func (t *Transport) meet(ctx context.Context, raw net.Conn) (guest, net.Conn, error) {
	_ = raw.SetDeadline(time.Now().Add(handshakeTime))
	c, channel, err := t.secureAccepted(ctx, raw)
	if err != nil {
		return guest{}, nil, err
	}
	g, err := welcome(c, bind(t.cfg.Secret, channel), t.life, t.cfg.Self, func(p core.PeerID) (bool, error) { return t.mayDial(p, c) })
	return g, c, err
}

// refusals are the strangers of whom was warned: when last, and why in this minute, which
// are no more than it has seconds.
type refusals struct {
	last, since time.Time
	reasons     map[string]struct{}
}

// loud reports whether a stranger is to be warned of, who is refused for the reason given.
func (r *refusals) loud(now time.Time, reason string) bool {
	if now.Sub(r.since) > warnAgain {
		r.since, r.reasons = now, make(map[string]struct{})
	}
	if _, told := r.reasons[reason]; told || now.Sub(r.last) <= warnTime {
		return false
	}
	r.last, r.reasons[reason] = now, struct{}{}
	return true
}

// refused warns of a stranger, but not of each where there are many.
func (t *Transport) refused(c net.Conn, err error) {
	t.mu.Lock()
	level := hclog.Debug
	if !t.mu.ended && t.mu.refused.loud(time.Now(), err.Error()) {
		level = hclog.Warn
	}
	t.mu.Unlock()
	t.log.Log(level, "refused a connection", "from", c.RemoteAddr().String(), "err", err)
}

// mayDial returns why somebody is no peer who comes by this connection, or that this
// server, which is on its own, does not know him.
func (t *Transport) mayDial(p core.PeerID, c net.Conn) (alone bool, err error) {
	addrs, known := t.addressesOf(p)
	switch {
	case !known && p != t.cfg.Self && t.cfg.Alone != nil && t.cfg.Alone():
		return true, nil // whatever its host: nobody here knows where it should be
	case p == t.cfg.Self:
		return false, fmt.Errorf("%w: it says that it is server %d, which is this one", errStranger, p)
	case !known:
		return false, fmt.Errorf("%w: server %d is none of those that this one knows (zensus cluster status)", errStranger, p)
	case !t.cfg.Certificates.vouches(c, addrs):
		return false, fmt.Errorf("%w: its certificate is not that of server %d, which is at %v", errStranger, p, addrs)
	}
	return false, nil
}

// serve is the life of a link whose handshake is done. An earlier one of the same
// peer ends first: its other end has given it up.
func (t *Transport) serve(p core.PeerID, who life, c net.Conn) error {
	_ = c.SetDeadline(time.Time{})
	l := t.begin(p, c)
	if l == nil {
		return errors.Join(net.ErrClosed, c.Close())
	}
	if t.met(p, who) {
		t.log.Error("two processes say that they are this server, and take its link from each other: stop one of them", "peer", int(p), "addr", c.RemoteAddr().String())
	}
	_, encrypted := c.(*tls.Conn)
	t.log.Info("linked", "peer", int(p), "tls", encrypted)
	var workers sync.WaitGroup
	over := make(chan error, 1)
	var read func()
	l.receiver = t.cfg.Handler.LinkUp(p, l.gen, func() { workers.Go(read) })
	read = func() {
		if relieved, err := l.read(); !relieved {
			over <- err
		}
	}
	workers.Go(read)
	workers.Go(l.write)
	workers.Go(l.keepAlive)
	err := <-over
	l.close()
	t.cfg.Handler.LinkDown(p, l.gen)
	t.end(l)
	workers.Wait()
	return err
}

// met takes in who is linked as a peer, and reports whether it is to be warned of two.
func (t *Transport) met(p core.PeerID, who life) (twins bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.lives[p] == nil {
		t.mu.lives[p] = new(lives)
	}
	return t.mu.lives[p].met(time.Now(), who)
}

// begin registers a link when no other one of its peer is there any more. Who was a peer
// during the handshake may be none by now.
func (t *Transport) begin(p core.PeerID, c net.Conn) *link {
	for {
		t.mu.Lock()
		old := t.mu.links[p]
		if _, known := t.mu.peers[p]; t.mu.ended || !known {
			t.mu.Unlock()
			return nil
		}
		if old == nil {
			t.mu.gen++
			l := newLink(p, t.mu.gen, c)
			t.mu.links[p] = l
			t.mu.all = append(slices.Clone(t.mu.all), l)
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
		t.mu.all = slices.Collect(maps.Values(t.mu.links))
	}
	close(l.done)
}
