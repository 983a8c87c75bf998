package nacosapi

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

const (
	// pushWindow is how many changes are on their way to one client at once.
	pushWindow = 16
	// pushAttemptsMax is how often a change is pushed to a client that never
	// acknowledges it, before its connection is cut so that it begins afresh.
	pushAttemptsMax = 50
	// confirmAttemptsMax is how often a change is pushed again to a client that
	// acknowledges it and does not listen again.
	confirmAttemptsMax = 5
)

// askAgainAfter is how long after somebody might not hear of a change it is looked once more
// whether he may.
const askAgainAfter = 5 * time.Second

// pauses are the times between pushes of one change. They grow with every attempt.
type pauses struct {
	push time.Duration // after one that was not acknowledged
	// confirm is how long a client has, after it acknowledged a change, to listen
	// again with what it has then.
	confirm time.Duration
	// young is how old a connection is before its client is told that nothing has changed of
	// what it listens to.
	young time.Duration
}

var defaultPauses = pauses{push: 2 * time.Second, confirm: time.Second, young: 500 * time.Millisecond}

// youngMax is how many answers wait at once for their connections to come of age.
const youngMax = 1024

// LabelZensus is a label of the connection setup. To a client that sets it, a
// change is pushed with its zxid.
const LabelZensus = "zensus"

// subscriber is what one connection listens to.
type subscriber struct {
	api      *API
	conn     *rpc.Conn
	listener *listen.Listener
	settled  atomic.Bool                  // its first request has seen the current state
	pushing  atomic.Bool                  // a goroutine looks after its changes
	underWay atomic.Int32                 // pushes whose outcome is not known yet
	who      atomic.Pointer[auth.Subject] // who listened last; nil before anybody did

	mu       sync.Mutex
	attempts map[watchedName]*attempts
}

// watchedName is one config as the client names it.
type watchedName struct {
	key    configcenter.Key
	tenant string
}

// attempts are the pushes about one config since the client listened to it last, also those
// that were not allowed.
type attempts struct {
	zxid   core.Zxid // of the latest change that was pushed
	failed int       // pushes without acknowledgement
	acked  int       // acknowledged pushes of that change
}

// subscriber finds what a connection listens to. It is nil where there is none
// and none is to be made, or when the connection is over.
func (a *API) subscriber(c *rpc.Conn, create bool) *subscriber {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.mu.subscribers[c]
	if s != nil || !create || c.Closed() {
		return s
	}
	s = &subscriber{api: a, conn: c, attempts: map[watchedName]*attempts{}}
	s.listener = a.center.Listeners().Open(c.ClientIP(), readerRPC(c, ""), s.wake)
	a.mu.subscribers[c] = s
	return s
}

// forget drops what a connection that is over listened to.
func (a *API) forget(c *rpc.Conn) {
	a.mu.Lock()
	s := a.mu.subscribers[c]
	delete(a.mu.subscribers, c)
	a.mu.Unlock()
	if s != nil {
		s.listener.Close()
	}
}

// settle lets the first config request of a connection see everything that was
// committed before: its client may come from a node that was ahead of this one.
// From then on the node itself is the measure. It reports whether that was made sure of.
func (a *API) settle(ctx context.Context, c *rpc.Conn) bool {
	s := a.subscriber(c, true)
	if s == nil || s.settled.Load() {
		return true
	}
	if !a.center.Fresh(ctx) {
		return false
	}
	s.settled.Store(true)
	return true
}

// freshenFor lets a read see what was committed before: where other nodes write too, its
// client may have written there or have heard of it.
func (a *API) freshenFor(ctx context.Context, c *rpc.Conn) {
	var fresh bool
	if a.center.Shared() {
		fresh = a.center.Fresh(ctx)
	} else {
		fresh = a.settle(ctx, c)
	}
	a.markStale(ctx, !fresh || a.center.Stale())
}

// markStale marks the answer to a request over gRPC.
func (*API) markStale(ctx context.Context, stale bool) {
	if stale {
		rpc.Reply(ctx, wire.HeaderStale, "true")
	}
}

// comeOfAge waits until a connection is old enough for an answer that makes its client rely on
// it (decision 0042). Too many at once do not wait.
func (a *API) comeOfAge(ctx context.Context, c *rpc.Conn) {
	left := a.pauses.young - time.Since(c.Since())
	if left <= 0 || c.Label(LabelZensus) != "" {
		return
	}
	defer a.young.Add(-1)
	if a.young.Add(1) > youngMax {
		return
	}
	late := time.NewTimer(left)
	defer late.Stop()
	select {
	case <-late.C:
	case <-ctx.Done():
	}
}

// heard forgets the attempts to tell the client of what it spoke of itself.
func (s *subscriber) heard(watched []listen.Watched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range watched {
		delete(s.attempts, watchedName{w.Key, w.Tenant})
	}
}

// wake sees to it that a goroutine delivers the changes. It runs only while
// there are any.
func (s *subscriber) wake() {
	if s.pushing.CompareAndSwap(false, true) {
		s.api.tasks.Go(s.push)
	}
}

func (s *subscriber) push() {
	for {
		// An outcome that is still to come wakes again.
		if room := pushWindow - int(s.underWay.Load()); room > 0 {
			for _, change := range s.listener.Take(room) {
				if !s.mayHear(change.Key) {
					s.mu.Lock()
					s.attemptsLocked(change)
					s.mu.Unlock()
					s.againAfter(askAgainAfter, change) // he may have the right back then
					continue
				}
				s.underWay.Add(1)
				s.api.pending.Add(1)
				s.conn.Start(s.notification(change), func(err error) { s.delivered(change, err) })
			}
		}
		if s.due() {
			continue
		}
		s.pushing.Store(false)
		// What came before the line above woke nobody.
		if !s.due() || !s.pushing.CompareAndSwap(false, true) {
			return
		}
	}
}

// mayHear reports whether who listens may still read a config: rights are those of the
// moment.
func (s *subscriber) mayHear(k configcenter.Key) bool {
	who := s.who.Load()
	return who == nil || s.api.guard.Allows(*who, auth.Need{Action: auth.Read, Resource: auth.ConfigResource(k.Namespace, k.Group, k.DataID)})
}

// due reports whether there is a change that may be pushed now.
func (s *subscriber) due() bool {
	return s.underWay.Load() < pushWindow && s.listener.Pending()
}

// delivered is told of the outcome of a push. It does not block.
func (s *subscriber) delivered(change listen.Change, err error) {
	s.api.pending.Add(-1)
	s.underWay.Add(-1)
	defer func() {
		if s.due() && !s.conn.Closed() {
			s.wake()
		}
	}()
	if errors.Is(err, rpc.ErrClosed) {
		return
	}
	pause := s.note(change, err == nil)
	switch {
	case pause > 0:
		s.againAfter(pause, change)
	case err != nil:
		s.api.log.Warn("client does not take a change, closing its connection",
			"client", s.conn.ID(), "version", s.conn.Version(), "data_id", change.Key.DataID, "err", err)
		s.conn.Close()
	}
}

// againAfter has a change pushed after a pause, if there was no later one meanwhile and the
// client has not said what it has.
func (s *subscriber) againAfter(pause time.Duration, change listen.Change) {
	time.AfterFunc(pause, func() {
		switch {
		case !s.latest(change):
		case s.listener.Again(change):
			s.wake()
		default: // it does not listen any more
			s.heard([]listen.Watched{{Key: change.Key, Tenant: change.Tenant}})
		}
	})
}

// note counts a push and says after what time it is to be repeated if the client
// still owes an answer; 0 for never. An acknowledgement is not the whole answer:
// nacos-sdk-go acknowledges, and then may overwrite its own note that something
// changed. Whoever took a change listens again with what he has then.
func (s *subscriber) note(change listen.Change, acked bool) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.attemptsLocked(change)
	if !acked {
		if a.failed++; a.failed >= pushAttemptsMax {
			return 0
		}
		return time.Duration(a.failed) * s.api.pauses.push
	}
	a.failed = 0
	if a.acked++; a.acked > confirmAttemptsMax {
		return 0
	}
	return time.Duration(a.acked) * s.api.pauses.confirm
}

// attemptsLocked are those about the config of a change, which counts as the latest one.
func (s *subscriber) attemptsLocked(change listen.Change) *attempts {
	n := watchedName{change.Key, change.Tenant}
	a := s.attempts[n]
	if a == nil {
		a = &attempts{}
		s.attempts[n] = a
	}
	if change.Zxid > a.zxid {
		a.zxid, a.acked = change.Zxid, 0
	}
	return a
}

// latest reports whether no later change of the same config was pushed.
func (s *subscriber) latest(change listen.Change) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.attempts[watchedName{change.Key, change.Tenant}]
	return a != nil && a.zxid == change.Zxid
}

// notification says that a config changed, with the tenant as the listener wrote
// it: by that it finds its listeners.
func (s *subscriber) notification(change listen.Change) wire.Body {
	body := &wire.ConfigChangeNotifyRequest{
		ConfigKey: wire.ConfigKey{DataID: change.Key.DataID, Group: change.Key.Group, Tenant: change.Tenant},
	}
	if s.conn.Label(LabelZensus) == "" {
		return s.api.notice(watchedName{change.Key, change.Tenant}, body)
	}
	value, err := json.Marshal(struct {
		*wire.ConfigChangeNotifyRequest
		Zxid core.Zxid `json:"zxid"`
	}{body, change.Zxid})
	if err != nil {
		return body
	}
	return wire.Encoded{Type: body.PayloadType(), JSON: value}
}

// notice is a notification that was made.
type notice struct {
	of   watchedName
	body wire.Encoded
}

// notice encodes a notification, once for all who are told of one change.
func (a *API) notice(of watchedName, body wire.Body) wire.Body {
	if last := a.noticed.Load(); last != nil && last.of == of {
		return last.body
	}
	encoded, err := wire.Preencode(body)
	if err != nil {
		return body
	}
	a.noticed.Store(&notice{of, encoded})
	return encoded
}
