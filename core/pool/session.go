package pool

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
)

const (
	// idMark is the top byte of our sessions' ids. In those that an ensemble gives it
	// is the id of a server.
	idMark = 0x7a
	// closePatience is how long Close waits until the znodes are gone.
	closePatience = 3 * time.Second
	// callTime is how long a request may take: one that contact was lost of before it
	// was sent would wait for the next.
	callTime = 5 * time.Second
)

// session is one session of the pool.
type session struct {
	pool    *Pool
	info    core.SessionInfo
	acl     []core.ACL
	keep    bool
	touched atomic.Int64  // last sign of life, by Pool.now
	turn    chan struct{} // capacity 1: held by who enters

	// Guarded by the pool's mu.
	holder  *handle // who may speak for it; nil while detached
	over    bool
	at      *carrier // where its requests go
	been    map[*carrier]struct{}
	busy    int           // requests under way
	idle    chan struct{} // closed when there are none, if somebody waits for that
	znodes  map[string]*znode
	cleared chan struct{} // of a session that is over: closed when it owns nothing any more
}

// Open creates a session (core.Sessions). It fails with ConnectionLoss if there is no
// connection to the ensemble yet and none can be made soon.
func (p *Pool) Open(ctx context.Context, opt core.SessionOptions) (core.Client, error) {
	fail := func(err error) (core.Client, error) {
		return nil, &core.OpError{Op: "createSession", Err: err}
	}
	if opt.Timeout < time.Millisecond {
		return fail(core.BadArguments)
	}
	s := &session{
		pool: p, acl: ours(opt.ACL), keep: opt.KeepAlive, turn: make(chan struct{}, 1),
		been: make(map[*carrier]struct{}), znodes: make(map[string]*znode),
	}
	if s.acl == nil {
		s.acl = core.OpenACL()
	}
	s.info = core.SessionInfo{Password: make([]byte, 16), Timeout: opt.Timeout}
	if _, err := rand.Read(s.info.Password); err != nil {
		return fail(err)
	}
	for {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		p.mu.Lock()
		switch at := p.pickLocked(0, s.lasting()); {
		case p.mu.ended:
			p.mu.Unlock()
			return fail(core.ErrClosed)
		case at != nil:
			s.info.ID = p.freshIDLocked()
			s.touched.Store(int64(p.now()))
			s.moveLocked(at)
			s.holder = &handle{session: s}
			p.mu.sessions[s.info.ID] = s
			h := s.holder
			p.mu.Unlock()
			return h, nil
		}
		p.mu.Unlock()
		if err := p.grow(ctx, 0, s.lasting()); err != nil {
			return fail(err)
		}
	}
}

// lasting reports whether the session is to outlive the process for longer than others.
func (s *session) lasting() bool { return s.info.Timeout > s.pool.cfg.Timeout }

func (p *Pool) freshIDLocked() core.SessionID {
	for {
		var b [8]byte
		rand.Read(b[:]) // it never fails
		b[0] = idMark
		id := core.SessionID(binary.BigEndian.Uint64(b[:]))
		if p.mu.sessions[id] == nil {
			return id
		}
	}
}

// Resume attaches to a living session of this process (core.Sessions).
func (p *Pool) Resume(ctx context.Context, id core.SessionID, password []byte) (core.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, &core.OpError{Op: "createSession", Err: err}
	}
	p.mu.Lock()
	s := p.mu.sessions[id]
	if s == nil || subtle.ConstantTimeCompare(s.info.Password, password) != 1 {
		p.mu.Unlock()
		return nil, &core.OpError{Op: "createSession", Err: core.SessionExpired}
	}
	former := p.releaseLocked(s, core.SessionExpired)
	h := &handle{session: s}
	s.holder = h
	s.touched.Store(int64(p.now()))
	p.mu.Unlock()
	closeAll(former)
	return h, nil
}

// Touch counts as a sign of life of sessions (core.Sessions).
func (p *Pool) Touch(ids ...core.SessionID) {
	now := int64(p.now())
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		if s := p.mu.sessions[id]; s != nil {
			s.touched.Store(now)
		}
	}
}

// Detach lets go of a session without ending it (core.Sessions).
func (p *Pool) Detach(id core.SessionID) {
	p.mu.Lock()
	var over []*watch
	if s := p.mu.sessions[id]; s != nil {
		over = p.releaseLocked(s, core.ErrClosed)
	}
	p.mu.Unlock()
	closeAll(over)
}

// releaseLocked takes a session from its holder, whose calls fail with err from now
// on. The watches that it returns are to be closed.
func (p *Pool) releaseLocked(s *session, err error) []*watch {
	h := s.holder
	if h == nil {
		return nil
	}
	s.holder = nil
	h.ended = err
	watches := make([]*watch, 0, len(h.watches))
	for w := range h.watches {
		watches = append(watches, w)
	}
	h.watches = nil
	return watches
}

// endLocked ends a session: what it owns is doomed.
func (p *Pool) endLocked(s *session, err error) []*watch {
	if s.over {
		return nil
	}
	s.over = true
	delete(p.mu.sessions, s.info.ID)
	s.moveLocked(nil)
	if len(s.znodes) > 0 {
		s.cleared = make(chan struct{})
	}
	for _, z := range s.znodes {
		p.doomLocked(z)
	}
	return p.releaseLocked(s, err)
}

// moveLocked makes c the carrier to which the session's requests go.
func (s *session) moveLocked(c *carrier) {
	if s.at != nil {
		s.at.users--
	}
	if s.at = c; c != nil {
		c.users++
		s.been[c] = struct{}{}
	}
}

// handle is what a holder of a session has of it.
type handle struct {
	session *session

	// Guarded by the pool's mu.
	ended   error
	watches map[*watch]struct{}
}

var _ core.Client = (*handle)(nil)

// enter begins a request that creates ephemeral znodes with so many bytes of paths,
// and returns the carrier that is to take it. The session stays with a carrier, so
// that its requests take effect in their order; where that has no room it goes to
// another one once nothing is under way. leave follows.
func (h *handle) enter(ctx context.Context, need int) (*carrier, error) {
	s := h.session
	p := s.pool
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p.mu.Lock()
		switch {
		case h.ended != nil:
			p.mu.Unlock()
			return nil, h.ended
		case !s.at.client.Connected(): // nothing of it is done later
			p.mu.Unlock()
			return nil, core.NotReadOnly
		case need == 0 || s.at.hasRoomLocked(need):
			c := s.at
			c.reserved += need
			s.busy++
			p.mu.Unlock()
			return c, nil
		case s.busy > 0:
			if s.idle == nil {
				s.idle = make(chan struct{})
			}
			idle := s.idle
			p.mu.Unlock()
			select {
			case <-idle:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			continue
		}
		c := p.pickLocked(need, s.lasting())
		if c != nil {
			s.moveLocked(c)
		}
		p.mu.Unlock()
		if c == nil {
			if err := p.grow(ctx, need, s.lasting()); err != nil {
				return nil, err
			}
		}
	}
}

// leave ends a request. created are the ephemeral znodes that it made, deleted what
// it deleted.
func (h *handle) leave(c *carrier, need int, err error, created, deleted []string) {
	s := h.session
	p := s.pool
	p.mu.Lock()
	if s.busy--; s.busy == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
	c.reserved -= need
	switch {
	case err == nil:
		p.forgetPathsLocked(deleted...)
		for _, path := range created {
			p.noteLocked(path, s, c)
		}
	case need > 0 && core.IsUnknownOutcome(err):
		c.limbo += need
		c.wakeUp()
	}
	p.mu.Unlock()
	if core.IsSessionOver(err) {
		p.lost(c)
	}
}

// Session describes the session.
func (h *handle) Session() core.SessionInfo { return h.session.info }

// Close ends the session and waits, not for long, until its znodes are gone. If it
// returns ConnectionLoss they will be as soon as the ensemble is in reach.
func (h *handle) Close() error {
	s := h.session
	p := s.pool
	p.mu.Lock()
	if h.ended != nil {
		p.mu.Unlock()
		return nil
	}
	watches := p.endLocked(s, core.ErrClosed)
	cleared := s.cleared
	contact := true
	for _, z := range s.znodes {
		contact = contact && z.carrier.client.Connected()
	}
	p.mu.Unlock()
	closeAll(watches)
	switch {
	case cleared == nil:
		return nil
	case !contact:
		return &core.OpError{Op: "closeSession", Err: core.ConnectionLoss}
	}
	late := time.NewTimer(closePatience)
	defer late.Stop()
	select {
	case <-cleared:
		return nil
	case <-p.ended:
	case <-late.C:
	}
	return &core.OpError{Op: "closeSession", Err: core.ConnectionLoss}
}

// named puts operation and path to an error that may have them already.
func named(op, path string, err error) error {
	var had *core.OpError
	if errors.As(err, &had) {
		return err
	}
	return &core.OpError{Op: op, Path: path, Err: err}
}

// outcome is err as an engine in process says it: there a request counts as sent
// from its beginning, so that whoever stops to wait for it cannot know.
func outcome(err error) error {
	if err == nil || core.IsUnknownOutcome(err) {
		return err
	}
	var had *core.OpError
	if errors.As(err, &had) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return &core.OpError{Op: had.Op, Path: had.Path, Err: errors.Join(core.OperationTimeout, had.Err)}
	}
	return err
}
