package lease

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/store"
)

// client is one Nacos client with registrations.
type client struct {
	id     string
	name   string // in records
	serial uint64 // tells it from those with the same id, before and after it
	beat   bool

	settled atomic.Int64 // since the epoch, in nanoseconds, of one that has moved here; see Config.Settle
	timeout atomic.Int64 // nanoseconds; see Options. It never gets less
	alive   atomic.Int64 // last sign of life, nanoseconds since 1970
	touched atomic.Int64 // last touch of the session, likewise
	seen    atomic.Uint64
	owing   atomic.Bool // something was not created again because of the client's silence
	// listening says that the session is to be claimed when the client is heard of.
	listening atomic.Bool
	kick      chan struct{}

	// showing orders the overlays of one client. It is taken before mu, and held
	// while the catalog takes an overlay in.
	showing sync.Mutex

	mu struct {
		sync.Mutex
		wishes    wishes
		dirty     []registry.ServiceKey // whose wishes the tree may not agree with, in the order in which they became so
		instances int                   // wanted in all services
		working   bool
		ending    ending
		session   core.Client    // nil before the first registration and after the session's end
		former    core.SessionID // of the session before
		// hiding is a session that could not be ended; its znodes are not shown here.
		hiding core.SessionID
		claim  claim // of session
	}
}

type ending int

const (
	staying  ending = iota
	closing         // the client is gone: end the session
	released        // the client may be elsewhere: leave the session to its timeout
)

// wish is what a client wants in one service, and what its session has there.
// Guarded by the client's mu.
type wish struct {
	want wanted
	// have are the znodes of the session; exact if sure.
	have holdings
	// version rises with every cause to compare; agreed is the one that the tree
	// was last found, or made, to agree with: agreed <= version.
	version, agreed uint64
	zxid            core.Zxid // of the last write
	// dropping are the znodes that are being deleted.
	dropping map[string]bool
	waiters  []waiter

	queued bool // it is among the client's dirty ones
	// requested says that the client itself asked since the last agreement. What is
	// created then does not yield to others.
	requested bool
	sure      bool
	overlaid  bool // the catalog is to show the wish rather than the znodes
	// deleted says that a znode was deleted though the session lives.
	deleted bool
}

type waiter struct {
	version uint64
	done    chan result // capacity 1
}

type result struct {
	zxid    core.Zxid
	pending bool // of a withdrawal: not yet
	err     error
}

func newClient(id string, serial uint64, opt Options) *client {
	c := &client{id: id, name: cmp.Or(opt.Name, id), serial: serial, beat: opt.Beat, kick: make(chan struct{}, 1)}
	c.timeout.Store(int64(opt.Timeout))
	return c
}

// lasts is how long the client may be silent.
func (c *client) lasts() time.Duration { return time.Duration(c.timeout.Load()) }

// outlast lets the client be silent for longer, if that is longer.
func (c *client) outlast(timeout time.Duration) {
	for {
		old := c.timeout.Load()
		if int64(timeout) <= old || c.timeout.CompareAndSwap(old, int64(timeout)) {
			return
		}
	}
}

// overlay names the client's overlays; it is never used again.
func (c *client) overlay() string { return c.id + "/" + strconv.FormatUint(c.serial, 10) }

// wakeUp ends the worker's pause, if it is pausing.
func (c *client) wakeUp() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// changedLocked has a wish compared with the tree.
func (c *client) changedLocked(k registry.ServiceKey, w *wish) {
	w.version++
	c.queueLocked(k, w)
}

func (c *client) queueLocked(k registry.ServiceKey, w *wish) {
	if !w.queued {
		w.queued = true
		c.mu.dirty = append(c.mu.dirty, k)
	}
}

// dirty is a wish that the tree may not agree with.
type dirty struct {
	service registry.ServiceKey
	wish    *wish
}

// dirtyLocked takes such wishes out of the queue, at most n, the oldest first.
func (c *client) dirtyLocked(n int) (list []dirty) {
	for len(c.mu.dirty) > 0 && len(list) < n {
		k := c.mu.dirty[0]
		c.mu.dirty = c.mu.dirty[1:]
		// A wish that was given up and made anew stands twice.
		if w := c.mu.wishes.in(k); w != nil && w.queued {
			w.queued = false
			if w.agreed < w.version {
				list = append(list, dirty{k, w})
			}
		}
	}
	if len(c.mu.dirty) == 0 {
		c.mu.dirty = nil
	}
	return list
}

// sessionIDLocked is 0 without a session.
func (c *client) sessionIDLocked() core.SessionID {
	if c.mu.session == nil {
		return 0
	}
	return c.mu.session.Session().ID
}

// overlayLocked is what the catalog is to show for a wish.
func (c *client) overlayLocked(w *wish) catalog.Overlay {
	rank := core.Zxid(c.seen.Load())
	if w.requested {
		rank = ^core.Zxid(0)
	}
	o := catalog.Overlay{Session: c.sessionIDLocked()}
	for _, r := range w.want {
		o.Wants = append(o.Wants, catalog.Want{Record: *r, Rank: rank})
	}
	return o
}

// finishLocked answers the waiters of versions up to the one given.
func (w *wish) finishLocked(version uint64, r result) {
	w.waiters = slices.DeleteFunc(w.waiters, func(x waiter) bool {
		if x.version > version {
			return false
		}
		x.done <- r
		return true
	})
	if len(w.waiters) == 0 {
		w.waiters = nil
	}
}

// lostSessionLocked forgets what stood in a session that has ended.
func (c *client) lostSessionLocked() {
	c.mu.former = c.sessionIDLocked()
	c.mu.session, c.mu.claim = nil, unclaimed
	for k, w := range c.mu.wishes.all() {
		w.have, w.sure, w.dropping, w.deleted = nil, true, nil, false
		if len(w.want) > 0 {
			c.changedLocked(k, w)
		}
	}
}

func recordEqual(a, b *store.Record) bool {
	return a.Client == b.Client && a.Node == b.Node && a.Beat == b.Beat && a.Instance.Equal(&b.Instance)
}
