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
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

const (
	// pushWindow is how many changes are on their way to one client at once.
	pushWindow = 16
	// pushAttemptsMax is how often a change is pushed to a client that never
	// acknowledges it, before its connection is cut so that it begins afresh.
	pushAttemptsMax = 50
	// pushPause grows with every attempt.
	pushPause = 2 * time.Second
)

// LabelZensus is a label of the connection setup. To a client that sets it, a
// change is pushed with its zxid.
const LabelZensus = "zensus"

// subscriber is what one connection listens to.
type subscriber struct {
	api      *API
	conn     *rpc.Conn
	listener *listen.Listener
	settled  atomic.Bool // its first request has seen the current state
	pushing  atomic.Bool // a goroutine looks after its changes

	mu       sync.Mutex
	attempts map[attempt]int // pushes in vain, by config
}

type attempt struct {
	key    configcenter.Key
	tenant string
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
	s = &subscriber{api: a, conn: c, attempts: map[attempt]int{}}
	s.listener = a.center.Listeners().Open(c.ClientIP(), s.wake)
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
// From then on the node itself is the measure.
func (a *API) settle(ctx context.Context, c *rpc.Conn) {
	s := a.subscriber(c, true)
	if s == nil || s.settled.Load() {
		return
	}
	if a.center.Fresh(ctx) {
		s.settled.Store(true)
	}
}

func (s *subscriber) unlisten(watched []listen.Watched) {
	s.listener.Unlisten(watched)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range watched {
		delete(s.attempts, attempt{w.Key, w.Tenant})
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
	slots := make(chan struct{}, pushWindow)
	for {
		for _, change := range s.listener.Take(pushWindow) {
			select {
			case slots <- struct{}{}:
			case <-s.conn.Done():
				return
			}
			s.api.tasks.Go(func() {
				defer func() { <-slots }()
				s.deliver(change)
			})
		}
		if s.listener.Pending() {
			continue
		}
		s.pushing.Store(false)
		// A change that came before the line above woke nobody.
		if !s.listener.Pending() || !s.pushing.CompareAndSwap(false, true) {
			return
		}
	}
}

func (s *subscriber) deliver(change listen.Change) {
	a := attempt{change.Key, change.Tenant}
	// No request stands behind a push. It ends with its connection.
	err := s.conn.Push(context.Background(), s.notification(change))
	if err == nil || errors.Is(err, rpc.ErrClosed) {
		s.mu.Lock()
		delete(s.attempts, a)
		s.mu.Unlock()
		return
	}
	s.mu.Lock()
	s.attempts[a]++
	n := s.attempts[a]
	s.mu.Unlock()
	if n >= pushAttemptsMax {
		s.api.log.Warn("client does not take a change, closing its connection",
			"client", s.conn.ID(), "version", s.conn.Version(), "data_id", change.Key.DataID, "err", err)
		s.conn.Close()
		return
	}
	time.AfterFunc(time.Duration(n)*pushPause, func() {
		if s.listener.Again(change) {
			s.wake()
		}
	})
}

// notification says that a config changed, with the tenant as the listener wrote
// it: by that it finds its listeners.
func (s *subscriber) notification(change listen.Change) wire.Body {
	body := &wire.ConfigChangeNotifyRequest{
		ConfigKey: wire.ConfigKey{DataID: change.Key.DataID, Group: change.Key.Group, Tenant: change.Tenant},
	}
	if s.conn.Label(LabelZensus) == "" {
		return body
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
