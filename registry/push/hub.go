package push

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

const (
	// retryAfter is the pause after a push that failed, as in Nacos.
	retryAfter = time.Second
	// askAgainAfter is how long after it was not allowed it is asked once more whether a
	// list may be pushed.
	askAgainAfter = 5 * time.Second
	// Pushes to one subscriber keep a pause that doubles from paceMin while changes
	// keep coming, and is forgotten after calm without any. It ends at paceShort for
	// lists that cost little to send to all subscribers, and at no more than
	// paceLong, which is what Nacos makes every change wait, for the dearest.
	paceMin   = 5 * time.Millisecond
	paceShort = 20 * time.Millisecond
	paceLong  = 500 * time.Millisecond
	calm      = 500 * time.Millisecond
	// attemptsMax is how many pushes of a subscription in a row may fail before its
	// connection is cut: who lives and takes nothing would be pushed to for ever.
	attemptsMax = 50
	// listsMax bounds how many lists of clusters of one service a client subscribes to: each
	// makes a list of its own of every change.
	listsMax = 32
	// bytesPerMilli is what a service may send in a burst, to all its subscribers.
	bytesPerMilli = 200_000
)

// ErrNotAllowed is returned by a Target whose client has lost the right to a list. It is
// asked again from time to time: the client may have the right back, and must not keep what
// it had before for good.
var ErrNotAllowed = errors.New("push: the client may not read the list any more")

// Target is where a subscriber's lists go.
type Target interface {
	// Notify hands a list over and returns when the client has acknowledged it, or
	// ErrNotAllowed. clusters is what the client asked for when it subscribed.
	Notify(ctx context.Context, v *catalog.View, clusters string) error
	// Closed reports whether the client is gone for good.
	Closed() bool
	// Close cuts its connection. The client is expected to come back.
	Close()
}

// Config is what a Hub needs.
type Config struct {
	Lookup func(registry.ServiceKey, registry.Filter) *catalog.View
	Guard  *Guard
	// SubscriptionsPerClient bounds what one client subscribes to.
	SubscriptionsPerClient int
	Logger                 hclog.Logger // nil is silent
	// Pushed, if set, hears of each push: its outcome and how long after the change
	// it was acknowledged.
	Pushed func(err error, took time.Duration)
}

// Hub knows who subscribed to what. It is safe for concurrent use.
//
// A subscriber that is owed something has a goroutine, which waits for its acknowledgement
// and for nobody else's: there is no bound that the slow could use up for the others. How
// many there can be follows from the connections and the subscriptions of each.
type Hub struct {
	cfg Config
	log hclog.Logger

	mu struct {
		sync.Mutex
		topics  map[registry.ServiceKey]map[*subscription]struct{}
		clients map[string]map[subscriptionKey]*subscription
		lists   map[clientService]int // of subscriptions that name clusters
		total   int
		off     bool // nothing is pushed
	}
	queue struct {
		sync.Mutex
		changed map[registry.ServiceKey]time.Time // since when
		started []*subscription                   // to be delivered to for the first time
	}
	queued  chan struct{} // capacity 1: queue may hold something
	pending atomic.Int64  // subscribers that something is delivered to
}

type subscriptionKey struct {
	service  registry.ServiceKey
	clusters string
}

type clientService struct {
	client  string
	service registry.ServiceKey
}

// subscription is one client's interest in one service. Guarded by the hub's mu.
type subscription struct {
	client   string
	target   Target
	key      subscriptionKey
	filter   registry.Filter
	gone     bool
	underWay bool      // a delivery goroutine is at work
	dirty    bool      // something changed since it looked
	since    time.Time // of the oldest change not pushed yet

	// Owned by the delivery goroutine.
	failed   int           // pushes since
	last     catalog.Shown // acknowledged
	lastAt   time.Time     // when; zero if nothing was
	pace     time.Duration
	audience int // subscribers of the service
}

// Subscriber describes a subscription.
type Subscriber struct {
	Client   string
	Service  registry.ServiceKey
	Clusters string
	Target   Target
}

// New makes a Hub; Run makes it deliver.
func New(cfg Config) *Hub {
	h := &Hub{cfg: cfg, log: cfg.Logger, queued: make(chan struct{}, 1)}
	if h.log == nil {
		h.log = hclog.NewNullLogger()
	}
	if h.cfg.Pushed == nil {
		h.cfg.Pushed = func(error, time.Duration) {}
	}
	h.mu.topics = make(map[registry.ServiceKey]map[*subscription]struct{})
	h.mu.clients = make(map[string]map[subscriptionKey]*subscription)
	h.mu.lists = make(map[clientService]int)
	h.queue.changed = make(map[registry.ServiceKey]time.Time)
	return h
}

// Run delivers until ctx ends, and returns when no push is under way.
func (h *Hub) Run(ctx context.Context) error {
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var due []*subscription
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-tick.C:
			if free := h.cfg.Guard.Expire(now); len(free) > 0 {
				h.log.Info("lists held back are pushed now", "services", len(free))
				h.Changed(free)
			}
		case <-h.queued:
			due = h.due()
		}
		for _, s := range due {
			deliveries.Go(func() { h.deliver(ctx, s) })
		}
	}
}

// due takes what is queued and returns the subscriptions whose delivery begins.
func (h *Hub) due() []*subscription {
	h.queue.Lock()
	changed, due := h.queue.changed, h.queue.started
	h.queue.changed = make(map[registry.ServiceKey]time.Time)
	h.queue.started = nil
	h.queue.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, since := range changed {
		for s := range h.mu.topics[k] {
			if s.since.IsZero() {
				s.since = since
			}
			if s.underWay {
				s.dirty = true
				continue
			}
			s.underWay = true
			due = append(due, s)
		}
	}
	return due
}

// Changed tells which services may look different. It never blocks.
func (h *Hub) Changed(keys []registry.ServiceKey) {
	now := time.Now()
	h.queue.Lock()
	for _, k := range keys {
		if _, ok := h.queue.changed[k]; !ok {
			h.queue.changed[k] = now
		}
	}
	h.queue.Unlock()
	h.wake()
}

// Enable says whether lists are pushed at all, which they are at first. What changed while
// they were not is pushed when they are again.
func (h *Hub) Enable(on bool) {
	h.mu.Lock()
	was := !h.mu.off
	h.mu.off = !on
	var all []registry.ServiceKey
	if on && !was {
		all = slices.Collect(maps.Keys(h.mu.topics))
	}
	h.mu.Unlock()
	if len(all) > 0 {
		h.Changed(all)
	}
}

func (h *Hub) wake() {
	select {
	case h.queued <- struct{}{}:
	default:
	}
}

// Subscribe adds a subscription. The list of the moment is pushed once if it is
// new. One client may subscribe to the same service with several lists of
// clusters. It returns ErrLimit.
func (h *Hub) Subscribe(client string, target Target, k registry.ServiceKey, clusters string) error {
	key := subscriptionKey{k, clusters}
	h.mu.Lock()
	defer h.mu.Unlock()
	mine := h.mu.clients[client]
	if mine[key] != nil {
		return nil
	}
	if len(mine) >= h.cfg.SubscriptionsPerClient {
		return registry.Errorf(registry.ErrLimit, "subscriptions: client %s has %d already.", client, len(mine))
	}
	if clusters != "" {
		lists := clientService{client, k}
		if h.mu.lists[lists] >= listsMax {
			return registry.Errorf(registry.ErrLimit, "subscriptions: client %s has %d of service %s already.", client, listsMax, k.Grouped())
		}
		h.mu.lists[lists]++
	}
	s := &subscription{client: client, target: target, key: key, filter: registry.Filter{Clusters: registry.ParseClusters(clusters)}, underWay: true, since: time.Now()}
	if mine == nil {
		mine = make(map[subscriptionKey]*subscription)
		h.mu.clients[client] = mine
	}
	mine[key] = s
	if h.mu.topics[k] == nil {
		h.mu.topics[k] = make(map[*subscription]struct{})
	}
	h.mu.topics[k][s] = struct{}{}
	h.mu.total++
	h.queue.Lock() // after mu, here and nowhere else
	h.queue.started = append(h.queue.started, s)
	h.queue.Unlock()
	h.wake()
	return nil
}

// Unsubscribe ends a subscription.
func (h *Hub) Unsubscribe(client string, k registry.ServiceKey, clusters string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.mu.clients[client][subscriptionKey{k, clusters}]; s != nil {
		h.removeLocked(s)
	}
}

// Drop ends all subscriptions of a client.
func (h *Hub) Drop(client string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.mu.clients[client] {
		h.removeLocked(s)
	}
}

func (h *Hub) removeLocked(s *subscription) {
	s.gone = true
	h.mu.total--
	if lists := (clientService{s.client, s.key.service}); s.key.clusters != "" {
		if h.mu.lists[lists]--; h.mu.lists[lists] == 0 {
			delete(h.mu.lists, lists)
		}
	}
	delete(h.mu.clients[s.client], s.key)
	if len(h.mu.clients[s.client]) == 0 {
		delete(h.mu.clients, s.client)
	}
	topic := h.mu.topics[s.key.service]
	delete(topic, s)
	if len(topic) == 0 {
		delete(h.mu.topics, s.key.service)
	}
}

// Subscribers are those of one service, in no order.
func (h *Hub) Subscribers(k registry.ServiceKey) []Subscriber {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []Subscriber
	for s := range h.mu.topics[k] {
		found = append(found, Subscriber{Client: s.client, Service: k, Clusters: s.key.clusters, Target: s.target})
	}
	return found
}

// Subscriptions are those of one client, in no order.
func (h *Hub) Subscriptions(client string) []Subscriber {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []Subscriber
	for _, s := range h.mu.clients[client] {
		found = append(found, Subscriber{Client: s.client, Service: s.key.service, Clusters: s.key.clusters, Target: s.target})
	}
	return found
}

// Total is the number of subscriptions.
func (h *Hub) Total() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.total
}

// Pending is how many subscribers something is being delivered to.
func (h *Hub) Pending() int { return int(h.pending.Load()) }

// deliver pushes until the subscriber has the newest list.
func (h *Hub) deliver(ctx context.Context, s *subscription) {
	h.pending.Add(1)
	defer h.pending.Add(-1)
	for h.step(ctx, s) {
	}
}

// step makes one attempt and reports whether another one is due.
func (h *Hub) step(ctx context.Context, s *subscription) (more bool) {
	if !s.lastAt.IsZero() && !sleep(ctx, time.Until(s.lastAt.Add(s.pace))) {
		return false
	}
	h.mu.Lock()
	since := s.since
	s.since, s.dirty = time.Time{}, false
	gone, off := s.gone, h.mu.off
	s.audience = len(h.mu.topics[s.key.service])
	h.mu.Unlock()
	if gone || s.target.Closed() {
		return false
	}
	var sent bool
	var err error
	if !off {
		sent, err = h.send(ctx, s, h.cfg.Lookup(s.key.service, s.filter))
	}
	if err != nil {
		if ctx.Err() != nil || s.target.Closed() {
			return false
		}
		if errors.Is(err, ErrNotAllowed) {
			s.failed = 0
			h.again(s, time.Now())
			h.pending.Add(-1) // nothing is under way meanwhile
			defer h.pending.Add(1)
			return sleep(ctx, askAgainAfter)
		}
		h.cfg.Pushed(err, 0)
		s.failed++
		var answered interface{ Refused() bool }
		if s.failed >= attemptsMax && errors.As(err, &answered) && answered.Refused() {
			return h.giveUp(s) // the client is there, and does not want this list
		}
		if s.failed >= attemptsMax {
			h.log.Warn("client does not take a list, closing its connection", "client", s.client, "service", s.key.service.String(), "err", err)
			s.target.Close()
			return false
		}
		h.log.Debug("push failed", "client", s.client, "service", s.key.service.String(), "err", err)
		h.again(s, since)
		return sleep(ctx, retryAfter)
	}
	s.failed = 0
	if sent {
		h.cfg.Pushed(nil, time.Since(since))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.dirty && !s.gone {
		return true
	}
	s.underWay = false
	return false
}

// again has another attempt due for what changed at since.
func (h *Hub) again(s *subscription, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.dirty = true
	if s.since.IsZero() {
		s.since = since
	}
}

// giveUp leaves a list that its subscriber refuses until it changes, and reports whether it
// has.
func (h *Hub) giveUp(s *subscription) bool {
	s.failed = 0
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.dirty && !s.gone {
		return true
	}
	s.underWay = false
	return false
}

// send pushes a list unless the subscriber has it, or it is held back.
func (h *Hub) send(ctx context.Context, s *subscription, v *catalog.View) (sent bool, err error) {
	if !s.lastAt.IsZero() && v.Shown() == s.last {
		return false, nil
	}
	if !s.lastAt.IsZero() && h.cfg.Guard.Held(v.Key, v.Total, time.Now()) {
		return false, nil
	}
	if err := s.target.Notify(ctx, v, s.key.clusters); err != nil {
		return false, err
	}
	now := time.Now()
	if now.Sub(s.lastAt) > calm {
		s.pace = 0
	} else {
		s.pace = min(max(2*s.pace, paceMin), paceMax(v.InfoBytes(), s.audience))
	}
	s.last, s.lastAt = v.Shown(), now
	return true, nil
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// paceMax is the longest pause between pushes of a list of that size.
func paceMax(bytes, audience int) time.Duration {
	cost := time.Duration(bytes) * time.Duration(audience) / bytesPerMilli * time.Millisecond
	return min(max(cost, paceShort), paceLong)
}
