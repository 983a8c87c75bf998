package lease

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/store"
)

const (
	// overlayAfter is how long a registration may take before this node shows it
	// without the tree.
	overlayAfter = 100 * time.Millisecond
	// patience is how long a registration waits for the tree: clients give up after
	// 3 s, and a failed answer can lose a registration for good. Where it is known that
	// there is no quorum it waits for overlayAfter only.
	patience = 2 * time.Second
	// touchEvery bounds how often a session is touched, however chatty its client.
	touchEvery = time.Second

	retryMin = 20 * time.Millisecond
	retryMax = 2 * time.Second
)

// Picture is the mirror that feeds the catalog.
type Picture interface {
	Zxid() core.Zxid
	Wait(ctx context.Context, z core.Zxid) error
	Stale() bool
}

// Config is what a Manager needs.
type Config struct {
	Sessions core.Sessions
	Store    *store.Store
	Catalog  *catalog.Catalog
	Picture  Picture
	// Node names this node in the records that it writes.
	Node   string
	Limits registry.Limits
	// Settle is how long a client that has moved here, from a node that is gone, may still be
	// on its way; zero is 10 s. Clients may take a second step behind the first: where a
	// request and a health check tell one in Java or Python of the same dead node, it connects
	// to one node and then to the next, up to five seconds later, and closes the connection
	// between. It registers there 3 s or 30 s later.
	Settle time.Duration
	Logger hclog.Logger // nil is silent
}

// Options describe a client at its first registration; of later ones Timeout counts alone,
// if it is longer.
type Options struct {
	// Name is what the records call the client; empty is its id.
	Name string
	// Timeout is how long the client's session outlives its last sign of life. One that was
	// opened for a shorter time needs Sustain for it.
	Timeout time.Duration
	// Beat says that the client has no connection and sends heartbeats. Its znodes
	// are not created again if somebody deletes them: the next heartbeat does it.
	Beat bool
}

// Manager holds the wishes of this node's clients. It is safe for concurrent use.
type Manager struct {
	cfg      Config
	log      hclog.Logger
	founding core.Founding // nil: sessions are opened first, and begin then

	serial   atomic.Uint64 // of clients
	troubled atomic.Int64  // when a write last did not get through, nanoseconds since 1970; 0 after one that did

	mu struct {
		sync.RWMutex
		clients  map[string]*client
		sessions map[core.SessionID]*client
		ended    map[core.SessionID]*farewell
		// withdrawals are instances of others that are to be removed, by overlay.
		withdrawals map[string]*withdrawal
		withdrawn   map[string]int    // how many of them, and of doubts, a znode is in, by path
		doubted     map[string]*doubt // by path
	}

	queue struct {
		sync.Mutex
		clients     []*client
		withdrawals []*withdrawal
		doubts      []*doubt
	}
	queued chan struct{} // capacity 1: queue may hold something

	hands   chan *client // to the workers that rest
	resting atomic.Int64 // so many do
}

// farewell remembers a session that this node has ended, or found to have ended,
// until its znodes are gone.
type farewell struct {
	found    bool
	client   *client
	services []registry.ServiceKey
	until    time.Time
}

// New makes a Manager; Run makes it work.
func New(cfg Config) (*Manager, error) {
	if cfg.Sessions == nil || cfg.Store == nil || cfg.Catalog == nil || cfg.Picture == nil {
		return nil, errors.New("lease: sessions, store, catalog and picture are needed")
	}
	cfg.Settle = cmp.Or(cfg.Settle, 10*time.Second)
	m := &Manager{cfg: cfg, log: cfg.Logger, queued: make(chan struct{}, 1), hands: make(chan *client)}
	m.founding, _ = cfg.Sessions.(core.Founding)
	if m.log == nil {
		m.log = hclog.NewNullLogger()
	}
	m.mu.clients = make(map[string]*client)
	m.mu.sessions = make(map[core.SessionID]*client)
	m.mu.ended = make(map[core.SessionID]*farewell)
	m.mu.withdrawals = make(map[string]*withdrawal)
	m.mu.withdrawn = make(map[string]int)
	m.mu.doubted = make(map[string]*doubt)
	return m, nil
}

// Run works until ctx ends. The sessions of clients are then let go, not ended:
// the end of a node is not the end of its clients.
func (m *Manager) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer func() {
		workers.Wait()
		m.detachAll()
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-tick.C:
			m.forgetEnded(now)
		case <-m.queued:
			m.queue.Lock()
			clients, withdrawals, doubts := m.queue.clients, m.queue.withdrawals, m.queue.doubts
			m.queue.clients, m.queue.withdrawals, m.queue.doubts = nil, nil, nil
			m.queue.Unlock()
			for _, c := range clients {
				workers.Go(func() { m.workOn(ctx, c) })
			}
			for _, w := range withdrawals {
				workers.Go(func() { m.withdraw(ctx, w) })
			}
			for _, d := range doubts {
				workers.Go(func() { m.resolve(ctx, d) })
			}
		}
	}
}

// enqueue gives a client whose working was set to a worker.
func (m *Manager) enqueue(c *client) {
	select {
	case m.hands <- c:
		return
	default:
	}
	m.queue.Lock()
	m.queue.clients = append(m.queue.clients, c)
	m.queue.Unlock()
	m.wakeRun()
}

// wakeRun has Run look at the queue.
func (m *Manager) wakeRun() {
	select {
	case m.queued <- struct{}{}:
	default:
	}
}

// startLocked sees to it that a worker looks at the client's wishes.
func (m *Manager) startLocked(c *client) {
	if c.mu.working {
		c.wakeUp()
		return
	}
	c.mu.working = true
	m.enqueue(c)
}

func (m *Manager) detachAll() {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for id := range m.mu.sessions {
		m.cfg.Sessions.Detach(id)
	}
}

// Set makes instances everything that a client wants in one service; none
// withdraws what it had. It returns when the tree agrees, with the zxid of the
// write (0 if there was nothing to write), or when the tree could not be reached
// in time: then pending is true, this node shows the wish all the same, and the
// tree will when it can.
//
// It returns ErrLimit, a KindError, or what the engine refuses for good, and
// ErrClientGone if the client ends meanwhile. The wish is then dropped, and what
// the client had before stays.
func (m *Manager) Set(ctx context.Context, id string, opt Options, k registry.ServiceKey, instances []registry.Instance) (zxid core.Zxid, pending bool, err error) {
	if svc, _, ok := m.cfg.Catalog.Service(k); ok && !svc.Ephemeral && len(instances) > 0 {
		return 0, false, registry.KindError("register", k, false)
	}
	c, err := m.client(id, opt, len(instances) > 0)
	if err != nil || c == nil {
		return 0, false, err
	}
	c.outlast(opt.Timeout)
	m.sign(c)
	return m.set(ctx, c, k, instances)
}

// Amend notes a change of what a client here wants, at somebody else's instance:
// it is no sign of life of the client, and it yields to what the client has done at
// another node since it was last heard of here. It does not wait for the tree.
func (m *Manager) Amend(id string, k registry.ServiceKey, instances []registry.Instance) error {
	c, err := m.client(id, Options{}, false)
	if err != nil || c == nil {
		return err
	}
	_, _, err = m.note(c, k, instances, false)
	return err
}

func (m *Manager) set(ctx context.Context, c *client, k registry.ServiceKey, instances []registry.Instance) (zxid core.Zxid, pending bool, err error) {
	w, done, err := m.note(c, k, instances, true)
	if err != nil || done == nil {
		return 0, false, err
	}
	if m.Pending() || m.cfg.Picture.Stale() {
		m.overlay(c, k, w)
	}
	// Nearly all are written before the timer goes off, so that it is the only one. A
	// caller that leaves earlier is not heard until then.
	timer := time.NewTimer(overlayAfter)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.zxid, false, r.err
	case <-timer.C:
	}
	if m.overlay(c, k, w) && m.cfg.Picture.Stale() {
		return 0, true, nil
	}
	timer.Reset(patience - overlayAfter)
	select {
	case r := <-done:
		return r.zxid, false, r.err
	case <-timer.C:
	case <-ctx.Done(): // the wish is noted; the caller is not there to hear more
	}
	return 0, true, nil
}

// client finds a client, or makes it if create is set.
func (m *Manager) client(id string, opt Options, create bool) (*client, error) {
	m.mu.RLock()
	c := m.mu.clients[id]
	m.mu.RUnlock()
	if c != nil || !create {
		return c, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.mu.clients[id]; c != nil {
		return c, nil
	}
	if len(m.mu.clients) >= m.cfg.Limits.Clients {
		return nil, registry.Errorf(registry.ErrLimit, "clients: this node has %d already.", len(m.mu.clients))
	}
	c = newClient(id, m.serial.Add(1), opt)
	m.mu.clients[id] = c
	return c, nil
}

// note writes a wish down and starts a worker. done is nil if the tree agrees already.
// requested says that the client itself asks.
func (m *Manager) note(c *client, k registry.ServiceKey, instances []registry.Instance, requested bool) (*wish, chan result, error) {
	records := make([]*store.Record, len(instances))
	for n := range instances {
		records[n] = &store.Record{Instance: instances[n].Clone(), Client: c.name, Node: m.cfg.Node, Beat: c.beat}
	}
	want := newWanted(records)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.ending != staying {
		return nil, nil, goneError(c.id)
	}
	w := c.mu.wishes.in(k)
	if w == nil {
		if len(want) == 0 {
			return nil, nil, nil
		}
		if c.mu.wishes.count() >= m.cfg.Limits.ServicesPerClient {
			return nil, nil, registry.Errorf(registry.ErrLimit, "services: client %s is registered in %d already.", c.id, c.mu.wishes.count())
		}
		w = &wish{sure: true}
		k = m.cfg.Catalog.Key(k)
		c.mu.wishes.add(k, w)
	}
	total := c.mu.instances - len(w.want) + len(want)
	if total > m.cfg.Limits.InstancesPerClient && len(want) > len(w.want) {
		if len(w.want) == 0 && w.version == w.agreed {
			c.mu.wishes.remove(k)
		}
		return nil, nil, registry.Errorf(registry.ErrLimit, "instances: client %s would have %d, %d are allowed.", c.id, total, m.cfg.Limits.InstancesPerClient)
	}
	c.mu.instances = total
	w.want = want
	w.requested = w.requested || requested
	c.changedLocked(k, w)
	done := make(chan result, 1)
	w.waiters = append(w.waiters, waiter{w.version, done})
	m.startLocked(c)
	return w, done, nil
}

// overlay makes this node show a wish while the tree does not agree with it, and reports
// whether that is so.
func (m *Manager) overlay(c *client, k registry.ServiceKey, w *wish) bool {
	c.mu.Lock()
	if w.agreed == w.version {
		c.mu.Unlock()
		return false
	}
	w.overlaid = true
	c.mu.Unlock()
	m.show(c, k)
	return true
}

// show makes the catalog's overlay of a client in one service what it should be.
func (m *Manager) show(c *client, k registry.ServiceKey) {
	c.showing.Lock()
	defer c.showing.Unlock()
	c.mu.Lock()
	w := c.mu.wishes.in(k)
	var o *catalog.Overlay
	switch {
	case c.mu.hiding != 0:
		o = &catalog.Overlay{Session: c.mu.hiding}
	case c.mu.ending == staying && w != nil && w.overlaid:
		made := c.overlayLocked(w)
		o = &made
	}
	c.mu.Unlock()
	if o != nil {
		m.cfg.Catalog.SetOverlay(k, c.overlay(), *o)
	} else {
		m.cfg.Catalog.ClearOverlay(k, c.overlay())
	}
}

// Alive tells of a sign of life of a client. It never blocks. It reports whether
// the client has registrations here.
func (m *Manager) Alive(id string) bool {
	c, _ := m.client(id, Options{}, false)
	if c == nil {
		return false
	}
	m.sign(c)
	return true
}

// Sustain keeps the session of a silent client up which would end before the client's
// timeout does, and reports whether it is one of that kind: it was opened when that was
// shorter, or the engine has bounds of its own; or whether that is not known yet, as it has
// not been opened. It is no sign of life. It never blocks.
func (m *Manager) Sustain(id string) bool {
	c, _ := m.client(id, Options{}, false)
	if c == nil {
		return false
	}
	c.mu.Lock()
	var info core.SessionInfo
	if c.mu.session != nil {
		info = c.mu.session.Session()
	}
	c.mu.Unlock()
	if info.ID == 0 {
		return true
	}
	if info.Timeout >= c.lasts() {
		return false
	}
	m.cfg.Sessions.Touch(info.ID)
	return true
}

func (m *Manager) sign(c *client) {
	now := time.Now().UnixNano()
	c.alive.Store(now)
	if last := c.touched.Load(); now-last >= int64(min(touchEvery, c.lasts()/4)) && c.touched.CompareAndSwap(last, now) {
		c.seen.Store(uint64(m.cfg.Picture.Zxid()))
		c.mu.Lock()
		id := c.sessionIDLocked()
		c.mu.Unlock()
		if id != 0 {
			m.cfg.Sessions.Touch(id)
		}
	}
	if c.listening.CompareAndSwap(true, false) {
		c.mu.Lock()
		if c.mu.claim == heard {
			m.claimLocked(c)
		}
		c.mu.Unlock()
	}
	if c.owing.CompareAndSwap(true, false) {
		c.seen.Store(uint64(m.cfg.Picture.Zxid()))
		c.mu.Lock()
		for k, w := range c.mu.wishes.all() {
			c.changedLocked(k, w)
		}
		m.startLocked(c)
		c.mu.Unlock()
	}
}

// Holds reports whether a client wants anything in a service.
func (m *Manager) Holds(id string, k registry.ServiceKey) bool {
	c, _ := m.client(id, Options{}, false)
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.mu.wishes.in(k)
	return w != nil && len(w.want) > 0
}

// Wanted is what a client wants in a service.
func (m *Manager) Wanted(id string, k registry.ServiceKey) (found []registry.Instance) {
	c, _ := m.client(id, Options{}, false)
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.mu.wishes.in(k); w != nil {
		for _, r := range w.want {
			found = append(found, r.Instance)
		}
	}
	return found
}

// Services are those in which a client has registrations, and what it wants there.
func (m *Manager) Services(id string) map[registry.ServiceKey][]registry.Instance {
	c, _ := m.client(id, Options{}, false)
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	found := make(map[registry.ServiceKey][]registry.Instance, c.mu.wishes.count())
	for k, w := range c.mu.wishes.all() {
		for _, r := range w.want {
			found[k] = append(found[k], r.Instance)
		}
	}
	return found
}

// Clients is how many clients have registrations here.
func (m *Manager) Clients() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.mu.clients)
}

// Pending reports whether some client's wishes could not be written lately, so
// that what this node shows is not what the tree holds.
func (m *Manager) Pending() bool {
	at := m.troubled.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < 2*retryMax
}

// Wake has what could not be written tried again at once: there may be a quorum again.
func (m *Manager) Wake() {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, c := range m.mu.clients {
		c.wakeUp()
	}
	for _, bye := range m.mu.ended {
		bye.client.wakeUp()
	}
	for _, w := range m.mu.withdrawals {
		w.wakeUp()
	}
	for _, d := range m.mu.doubted {
		d.wakeUp()
	}
}

// Sessions are those that this node holds for its clients.
func (m *Manager) Sessions() []core.SessionID {
	m.mu.RLock()
	defer m.mu.RUnlock()
	ids := make([]core.SessionID, 0, len(m.mu.sessions))
	for id := range m.mu.sessions {
		ids = append(ids, id)
	}
	return ids
}
