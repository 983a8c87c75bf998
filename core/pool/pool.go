package pool

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
)

const (
	// TimeoutDefault is the session timeout that the ensemble is asked for: how long
	// what a process holds outlives the process.
	TimeoutDefault = 30 * time.Second
	// lastingTimes is how many times as long those outlive the process whose own timeout is
	// above that which the ensemble is asked for.
	lastingTimes = 3
	// PathBytesDefault bounds the paths of one carrier: a fifth of what a record of
	// an ensemble with its defaults holds.
	PathBytesDefault = 200 << 10
	// CarriersDefault leaves some of the 60 connections that a ZooKeeper with its
	// defaults takes from one address (maxClientCnxns).
	CarriersDefault = 40

	// lookEvery is how often deadlines are looked at.
	lookEvery = 250 * time.Millisecond
	// stallAfter is the lateness of a look that counts as this process's own fault.
	stallAfter = time.Second
)

// Config says which ensemble to use, and how.
type Config struct {
	// Servers are the client ports of the ensemble, host:port.
	Servers []string
	// Chroot is put before every path, as with zkclient. It is made if it does not
	// exist, but its parent must. Blank is none.
	Chroot string
	// Root is made, for the nodes alone, if it does not exist.
	Root string
	// Auth is what all nodes show to the ensemble, as of the scheme digest.
	Auth zkclient.Auth
	// Timeout is TimeoutDefault if it is zero. For sessions with a longer one the ensemble
	// is asked for three times as much. It has the last word.
	Timeout time.Duration
	// PathBytesMax and CarriersMax are PathBytesDefault and CarriersDefault if zero.
	PathBytesMax int
	CarriersMax  int
	// Logger hears of connections and sessions. Nil is silent.
	Logger *slog.Logger
	// Dialer opens connections; nil dials TCP.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)

	// listEvery is how often a carrier looks what it really owns: others may have
	// deleted something. retireAfter is how long one is kept that nobody uses. Both are
	// a minute if zero.
	listEvery, retireAfter time.Duration
}

// Pool is the sessions of this process. It is safe for concurrent use.
type Pool struct {
	cfg   Config
	log   *slog.Logger
	begun time.Time

	own     *own
	ready   chan struct{} // closed at the first contact
	ended   chan struct{} // closed when Run is about to return
	growing chan struct{} // capacity 1: held by who opens a carrier
	born    chan *carrier // for Run to tend

	mu struct {
		sync.Mutex
		sessions map[core.SessionID]*session
		carriers []*carrier
		znodes   map[string]*znode // every ephemeral that is known, by path
		noted    uint64            // counts them as they become known
		mercy    time.Duration     // by now: nobody is taken to have been silent since before
		ended    bool
	}
}

var _ core.Sessions = (*Pool)(nil)

// New makes a Pool; Run makes it work.
func New(cfg Config) (*Pool, error) {
	if len(cfg.Servers) == 0 {
		return nil, errors.New("pool: no server address")
	}
	if err := core.ValidatePath(cfg.Root); err != nil {
		return nil, &core.OpError{Op: "pool", Path: cfg.Root, Err: err}
	}
	if cfg.Chroot != "" {
		if err := core.ValidatePath(cfg.Chroot); err != nil {
			return nil, &core.OpError{Op: "chroot", Path: cfg.Chroot, Err: err}
		}
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = TimeoutDefault
	}
	if cfg.PathBytesMax <= 0 {
		cfg.PathBytesMax = PathBytesDefault
	}
	if cfg.CarriersMax <= 0 {
		cfg.CarriersMax = CarriersDefault
	}
	if cfg.listEvery <= 0 {
		cfg.listEvery = time.Minute
	}
	if cfg.retireAfter <= 0 {
		cfg.retireAfter = time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pool{
		cfg: cfg, log: cfg.Logger, begun: time.Now(),
		ready: make(chan struct{}), ended: make(chan struct{}),
		growing: make(chan struct{}, 1), born: make(chan *carrier),
	}
	p.own = newOwn(p)
	p.mu.sessions = make(map[core.SessionID]*session)
	p.mu.znodes = make(map[string]*znode)
	return p, nil
}

// Ready is closed when the ensemble has been reached for the first time and has
// turned out to be usable.
func (p *Pool) Ready() <-chan struct{} { return p.ready }

// Ended is closed when Run is about to return.
func (p *Pool) Ended() <-chan struct{} { return p.ended }

// Client is the process's own session. Until the ensemble is reached its calls wait.
// What it creates without an ACL is the nodes' alone.
func (p *Pool) Client() core.Client { return p.own }

// Stats are numbers to be shown.
type Stats struct {
	Connected bool // the own session is in contact
	Sessions  int
	Carriers  int
	Znodes    int // ephemeral ones of the sessions
	PathBytes int // of these
}

// Stats counts what there is.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Connected: p.own.Connected(), Sessions: len(p.mu.sessions), Carriers: len(p.mu.carriers), Znodes: len(p.mu.znodes)}
	for _, c := range p.mu.carriers {
		s.PathBytes += c.bytes
	}
	return s
}

// Run works until ctx ends, or until the ensemble turns out to be of no use: then it
// returns ErrOld, ErrStranger or core.AuthFailed. Sessions are let go then, not ended:
// what they own stays until the ensemble's timeout.
func (p *Pool) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	all.Go(func() { cancel(p.own.run(ctx)) })
	defer func() {
		close(p.ended)
		cancel(nil)
		all.Wait()
		p.letGo()
	}()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := p.now()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case c := <-p.born:
			all.Go(func() { c.tend(ctx) })
		case <-tick.C:
			now := p.now()
			p.look(now, now-last-lookEvery)
			last = now
		}
	}
}

// now is a clock that nobody sets: what ends sessions must not be a change of the
// machine's time.
func (p *Pool) now() time.Duration { return time.Since(p.begun) }

// look ends the sessions that nobody has touched for their timeout.
func (p *Pool) look(now, late time.Duration) {
	contact := p.own.Connected()
	var over []*watch
	p.mu.Lock()
	if !contact || late > stallAfter {
		p.mu.mercy = now
	}
	for _, s := range p.mu.sessions {
		heard := max(time.Duration(s.touched.Load()), p.mu.mercy)
		if !s.keep && now-heard >= s.info.Timeout {
			over = append(over, p.endLocked(s, core.SessionExpired)...)
		}
	}
	p.retireLocked(now)
	p.mu.Unlock()
	closeAll(over)
}

// letGo ends everything here and nothing there.
func (p *Pool) letGo() {
	var over []*watch
	p.mu.Lock()
	p.mu.ended = true
	for _, s := range p.mu.sessions {
		over = append(over, p.releaseLocked(s, core.ErrClosed)...)
	}
	carriers := p.mu.carriers
	p.mu.carriers = nil
	p.mu.Unlock()
	closeAll(over)
	var all sync.WaitGroup
	for _, c := range carriers {
		all.Go(func() {
			if c.empty() {
				p.farewell(c.client)
			} else {
				c.client.Detach()
			}
		})
	}
	all.Wait()
}
