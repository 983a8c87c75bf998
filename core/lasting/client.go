package lasting

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
)

// Interfaces that a Client implements.
var (
	_ core.Client = (*Client)(nil)
	_ core.Admin  = (*Client)(nil)
)

// Config says what a Client stands on. Zero values stand for the defaults named.
type Config struct {
	// Open opens a session with the engine. It is called again when one has ended.
	Open func(ctx context.Context) (core.Client, error)
	// Probe has Run ask the quorum every second, on a session of its own, whether it is
	// there. An engine whose only voter is this process needs none.
	Probe bool
	// Patience is how long a call waits for contact that was lost a moment ago, as it
	// is when a new leader is elected. 0 is 2 s.
	Patience time.Duration
	// CallTime is how long a call may take that the engine has been sent. 0 is 4 s.
	CallTime time.Duration
	// OnTrouble, if set, hears that contact was lost or found, or a session replaced. It
	// must not block.
	OnTrouble func()
	Logger    *slog.Logger // nil is silent
}

const (
	probeEvery = time.Second
	probeTime  = time.Second
	// lookEvery is how often who waits looks whether contact is back.
	lookEvery = 20 * time.Millisecond
)

// Client is a session that is opened again when it ends. It is safe for concurrent use.
type Client struct {
	cfg    Config
	log    *slog.Logger
	silent atomic.Bool // the quorum did not answer the last probe

	mu struct {
		sync.Mutex
		session core.Client
		lostAt  time.Time // since when there is no contact; zero while there is
		closed  bool
	}
	opening chan struct{} // capacity 1; held by whoever opens a session
}

// New opens the first session.
func New(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Patience == 0 {
		cfg.Patience = 2 * time.Second
	}
	if cfg.CallTime == 0 {
		cfg.CallTime = 4 * time.Second
	}
	if cfg.OnTrouble == nil {
		cfg.OnTrouble = func() {}
	}
	c := &Client{cfg: cfg, log: cfg.Logger, opening: make(chan struct{}, 1)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	var err error
	c.mu.session, err = cfg.Open(ctx)
	return c, err
}

// Run looks after contact until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var probe core.Client
	for {
		select {
		case <-ctx.Done():
			if probe != nil {
				_ = probe.Close() // or it ends with its timeout
			}
			return context.Cause(ctx)
		case <-tick.C:
		}
		if c.cfg.Probe {
			probe = c.ask(ctx, probe)
		}
		c.inContact()
	}
}

// ask finds out whether the quorum answers. It returns the session to ask with next.
func (c *Client) ask(ctx context.Context, probe core.Client) core.Client {
	limited, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var err error
	if probe == nil {
		if probe, err = c.cfg.Open(limited); err != nil {
			probe = nil
		}
	} else if _, err = probe.Sync(limited, "/"); core.IsSessionOver(err) {
		return nil // the next one says
	}
	c.silent.Store(err != nil && ctx.Err() == nil)
	return probe
}

// Connected reports whether there is contact with a quorum, as far as is known.
func (c *Client) Connected() bool {
	c.mu.Lock()
	s := c.mu.session
	c.mu.Unlock()
	if c.silent.Load() {
		return false
	}
	e, ok := s.(interface{ Connected() bool })
	return !ok || e.Connected()
}

// inContact is Connected, and notes when that changes. lostAt is zero if there is contact.
func (c *Client) inContact() (lostAt time.Time) {
	connected := c.Connected()
	c.mu.Lock()
	was := c.mu.lostAt
	switch {
	case connected:
		c.mu.lostAt = time.Time{}
	case was.IsZero():
		c.mu.lostAt = time.Now()
	}
	lostAt = c.mu.lostAt
	c.mu.Unlock()
	if was.IsZero() != lostAt.IsZero() {
		c.log.Info("contact with a quorum", "there", connected)
		c.cfg.OnTrouble()
	}
	return lostAt
}

// act is what a call does. A needy one needs a quorum; the others are answered from what
// the engine has, if it does so.
type act struct {
	op, path string
	needy    bool
}

// fail is the error of an act that the engine was not even asked for.
func (a act) fail(err error) error { return &core.OpError{Op: a.op, Path: a.path, Err: err} }

// call does something on the session.
func (c *Client) call(ctx context.Context, what act, do func(context.Context, core.Client) error) error {
	for began := time.Now(); ; {
		s, err := c.current()
		if err != nil {
			return what.fail(err)
		}
		if what.needy && !c.await(ctx) {
			return what.fail(core.NotReadOnly)
		}
		limited, cancel := context.WithTimeout(ctx, c.cfg.CallTime)
		err = do(limited, s)
		cancel()
		switch {
		case errors.Is(err, core.NotReadOnly):
			// Nothing was done: it can be tried again when contact is back.
			if !c.patient(ctx, began) {
				return err
			}
		case core.IsSessionOver(err):
			if err := c.renew(ctx, s); err != nil {
				return what.fail(err)
			}
		default:
			return err
		}
	}
}

// await waits for contact that was lost a moment ago, and reports whether it is there.
func (c *Client) await(ctx context.Context) bool {
	for {
		lostAt := c.inContact()
		if lostAt.IsZero() {
			return true
		}
		if !c.patient(ctx, lostAt) {
			return false
		}
	}
}

// patient pauses, and reports whether it is worth to look again, for who has waited
// since then or for longer.
func (c *Client) patient(ctx context.Context, since time.Time) bool {
	if lostAt := c.inContact(); !lostAt.IsZero() && lostAt.Before(since) {
		since = lostAt
	}
	if time.Since(since) >= c.cfg.Patience {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(lookEvery):
		return true
	}
}

func (c *Client) current() (core.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil, core.ErrClosed
	}
	return c.mu.session, nil
}

// renew opens a session in the place of one that has ended, unless somebody has. The
// error is NotReadOnly if that is not possible yet, or ErrClosed.
func (c *Client) renew(ctx context.Context, old core.Client) error {
	select {
	case c.opening <- struct{}{}:
		defer func() { <-c.opening }()
	case <-ctx.Done():
		return core.NotReadOnly
	}
	for began := time.Now(); ; {
		s, err := c.current()
		if err != nil || s != old {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, c.cfg.CallTime)
		s, err = c.cfg.Open(limited)
		cancel()
		if err == nil {
			return c.replace(s)
		}
		c.log.Debug("no new session yet", "err", err)
		if !c.patient(ctx, began) {
			return core.NotReadOnly
		}
	}
}

func (c *Client) replace(s core.Client) error {
	c.mu.Lock()
	closed := c.mu.closed
	if !closed {
		c.mu.session = s
	}
	c.mu.Unlock()
	if closed {
		_ = s.Close() // or it ends with its timeout
		return core.ErrClosed
	}
	c.log.Warn("this server's own session had ended, another one goes on", "session", s.Session().ID.String())
	c.cfg.OnTrouble()
	return nil
}

// Session describes the session of the moment.
func (c *Client) Session() core.SessionInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.session.Session()
}

// Close ends the session for good.
func (c *Client) Close() error {
	c.mu.Lock()
	s := c.mu.session
	c.mu.closed = true
	c.mu.Unlock()
	return s.Close()
}
