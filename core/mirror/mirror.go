package mirror

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
)

// Config says what to mirror.
type Config struct {
	Client core.Client
	// Root is the path of the subtree; it need not exist.
	Root string
	// Lean says that values and children are not read from the picture: OnChange is
	// given the values of what is new, and they are let go after it. Get then has
	// Nodes without Data, as Change has in Old, and Children and Walk find nothing
	// below a path. Of ephemeral znodes the Stat has no more than their zxids, their
	// version and their owner.
	Lean bool
	// Passing says that OnChange also hears of paths that came and went between two
	// looks: both Old and New are nil then. Freshest of their parent counts them. Where
	// only that shows, after a gap, it is told as a change of the parent.
	Passing bool
	// Logger hears of gaps and retries. Nil is silent.
	Logger *slog.Logger
	// OnChange hears what became different: called on the goroutine of Run, with
	// the changes of one batch in the order of their zxids, one per path, and how
	// far the picture has come with them. The picture already shows the changes.
	// It may read the mirror, but must not call Wait. Nil is allowed.
	OnChange func(changes []Change, upTo core.Zxid)
}

// Node is one znode of the picture. It never changes: a change makes a new Node.
//
// The fields of Stat that speak of children (NumChildren, Cversion, Pzxid) or of
// the ACL are those of the moment at which the znode itself last changed here.
type Node struct {
	Path string
	Data []byte
	Stat core.Stat
}

// Change is what became of one path: Old is nil if it was created, New is nil if
// it was deleted. Both are set, with different Czxid, if it was deleted and
// created again. Zxid is of the transaction that made the difference; after a
// gap, where that is not known of a deletion, of the listing that showed it.
type Change struct {
	Path     string
	Old, New *Node
	Zxid     core.Zxid
}

// Mirror is a subtree in memory. Its methods are safe for concurrent use.
type Mirror struct {
	cfg Config
	log *slog.Logger

	ready     chan struct{}
	readyOnce sync.Once
	complete  atomic.Bool // the picture was listed and no gap is open
	progress  atomic.Bool // the engine sends Progress

	picture picture

	mu struct {
		sync.Mutex
		zxid    core.Zxid
		waiters map[*waiter]struct{}
		wake    context.CancelFunc // interrupts Run's wait for events, while it waits
		ended   error              // set when Run has returned
	}

	// Owned by the Run goroutine.
	listed  core.Zxid    // the last listing showed everything up to here
	pending []core.Event // taken from the watch, and to be applied before what is there
}

type waiter struct {
	zxid  core.Zxid
	since time.Time
	done  chan error // capacity 1
}

// New makes a Mirror; Run fills it.
func New(cfg Config) (*Mirror, error) {
	if cfg.Client == nil {
		return nil, errors.New("mirror: no client")
	}
	if err := core.ValidatePath(cfg.Root); err != nil {
		return nil, &core.OpError{Op: "mirror", Path: cfg.Root, Err: err}
	}
	m := &Mirror{cfg: cfg, log: cfg.Logger, ready: make(chan struct{})}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.picture.init(cfg.Lean)
	m.mu.waiters = make(map[*waiter]struct{})
	return m, nil
}

// Ready is closed when the picture is complete for the first time.
func (m *Mirror) Ready() <-chan struct{} { return m.ready }

// Zxid is how far the picture, and OnChange, have come.
func (m *Mirror) Zxid() core.Zxid {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.zxid
}

// Stale reports whether the picture may be behind: before it is first complete,
// while the client is out of contact, from a gap until what was missed has been
// read, and after Run has returned.
func (m *Mirror) Stale() bool {
	if !m.complete.Load() {
		return true
	}
	c, ok := m.cfg.Client.(interface{ Connected() bool })
	return ok && !c.Connected()
}

// Wait returns when the picture and OnChange have reached zxid z. It fails with
// the context's error, or when Run has returned. Never call it from OnChange.
func (m *Mirror) Wait(ctx context.Context, z core.Zxid) error {
	m.mu.Lock()
	if m.mu.zxid >= z && m.mu.ended == nil {
		m.mu.Unlock()
		return nil
	}
	if err := m.mu.ended; err != nil {
		m.mu.Unlock()
		return err
	}
	w := &waiter{zxid: z, since: time.Now(), done: make(chan error, 1)}
	m.mu.waiters[w] = struct{}{}
	m.mu.Unlock()
	if m.progress.Load() {
		// A Progress is on its way, most likely.
		t := time.AfterFunc(progressPatience, m.poke)
		defer t.Stop()
	} else {
		m.poke()
	}

	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		m.mu.Lock()
		delete(m.mu.waiters, w)
		m.mu.Unlock()
		return ctx.Err()
	}
}

// poke makes Run look at the waiters, if it is waiting for events.
func (m *Mirror) poke() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.wake != nil {
		m.mu.wake()
	}
}

// Get returns a znode of the picture.
func (m *Mirror) Get(path string) (*Node, bool) { return m.picture.get(path) }

// Freshest is Get with the fields of Stat that speak of children as new as they are
// known: they cover every change of a child up to Zxid, also of children that came
// and went so quickly that OnChange heard nothing of them. They are no newer than what
// OnChange was told either, unless children come and go so quickly, where events have no
// zxid (ZooKeeper up to 3.8), that they cannot be read in between. The Node may be one of
// its own.
func (m *Mirror) Freshest(path string) (*Node, bool) { return m.picture.freshest(path) }

// Children returns the names of the children of path, sorted. The caller must
// not modify the slice.
func (m *Mirror) Children(path string) []string { return m.picture.children(path) }

// Walk calls yield for root and everything below it, parents first and siblings
// by name, until yield returns false. It holds no lock meanwhile: what changes
// under way may be seen before or after its change.
func (m *Mirror) Walk(root string, yield func(*Node) bool) {
	if root == "" {
		root = "/"
	}
	m.walk(root, yield)
}

func (m *Mirror) walk(path string, yield func(*Node) bool) bool {
	if n, ok := m.Get(path); ok && !yield(n) {
		return false
	}
	for _, name := range m.Children(path) {
		if !m.walk(core.JoinPath(path, name), yield) {
			return false
		}
	}
	return true
}

// advance makes z known as reached and lets go whoever waited for it.
func (m *Mirror) advance(z core.Zxid) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if z <= m.mu.zxid {
		return
	}
	m.mu.zxid = z
	for w := range m.mu.waiters {
		if w.zxid <= z {
			w.done <- nil
			delete(m.mu.waiters, w)
		}
	}
}

// end lets everybody go with err.
func (m *Mirror) end(err error) {
	m.complete.Store(false)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.ended = err
	for w := range m.mu.waiters {
		w.done <- err
		delete(m.mu.waiters, w)
	}
}
