package coretest

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
)

// Fake is an engine in memory. It is a core.Sessions whose clients are also
// core.Admin. It has no clock: sessions end by Close or Expire only. It is safe
// for concurrent use; every call takes effect at one instant.
type Fake struct {
	mu       sync.Mutex
	zxid     core.Zxid
	nodes    map[string]*znode
	sessions map[core.SessionID]*session
	watches  []*watch // in the order in which they were armed
	nextID   core.SessionID
	touched  map[core.SessionID]int
	cut      bool // Partition holds for sessions opened from now on too
}

// session is one session. A resumed one goes on in the same value under a new handle.
type session struct {
	id       core.SessionID
	password []byte
	timeout  time.Duration
	acl      []core.ACL
	ids      []core.Identity
	holder   *Session // who may speak for it; nil while detached
	cut      bool     // partitioned
	paths    map[string]struct{}
}

// NewFake makes an engine with the reserved nodes of a fresh server.
func NewFake() *Fake {
	f := &Fake{
		nodes:    make(map[string]*znode),
		sessions: make(map[core.SessionID]*session),
		touched:  make(map[core.SessionID]int),
		nextID:   0x0100_0000_0000_0001,
	}
	f.seedLocked()
	return f
}

// Open creates a session. The Client that it returns is a *Session.
func (f *Fake) Open(ctx context.Context, opt core.SessionOptions) (core.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut {
		return nil, &core.OpError{Op: "createSession", Err: core.ConnectionLoss}
	}
	s := &session{
		id: f.nextID, password: make([]byte, 16), timeout: opt.Timeout, acl: opt.ACL,
		ids:   []core.Identity{{Scheme: core.NodeScheme, ID: "node"}},
		paths: make(map[string]struct{}),
	}
	rand.Read(s.password)
	if s.acl == nil {
		s.acl = core.OpenACL()
	}
	f.nextID++
	f.sessions[s.id] = s
	s.holder = &Session{fake: f, state: s}
	f.commitLocked(&txn{})
	return s.holder, nil
}

// Resume attaches to a living session and takes it from its former holder, whose
// client is then over.
func (f *Fake) Resume(ctx context.Context, id core.SessionID, password []byte) (core.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sessions[id]
	switch {
	case f.cut || s != nil && s.cut:
		return nil, &core.OpError{Op: "createSession", Err: core.ConnectionLoss}
	case s == nil || string(s.password) != string(password):
		return nil, &core.OpError{Op: "createSession", Err: core.SessionExpired}
	}
	f.releaseLocked(s, core.SessionExpired)
	s.holder = &Session{fake: f, state: s}
	f.touched[id]++
	return s.holder, nil
}

// Touch counts a sign of life of each session; see Touched.
func (f *Fake) Touch(ids ...core.SessionID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if f.sessions[id] != nil {
			f.touched[id]++
		}
	}
}

// Touched is how many signs of life of a session were counted, for assertions.
func (f *Fake) Touched(id core.SessionID) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.touched[id]
}

// Detach lets go of a session without ending it. Its former Client answers
// ErrClosed from then on.
func (f *Fake) Detach(id core.SessionID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.sessions[id]; s != nil {
		f.releaseLocked(s, core.ErrClosed)
	}
}

// Expire ends a session as its timeout would: its ephemerals are deleted in one
// transaction and its Client answers SessionExpired.
func (f *Fake) Expire(id core.SessionID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.sessions[id]; s != nil {
		f.endLocked(s, core.SessionExpired)
	}
}

// Alive reports whether a session exists.
func (f *Fake) Alive(id core.SessionID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[id] != nil
}

// SessionIDs are the living sessions, in no particular order.
func (f *Fake) SessionIDs() []core.SessionID {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := make([]core.SessionID, 0, len(f.sessions))
	for id := range f.sessions {
		ids = append(ids, id)
	}
	return ids
}

// Zxid is the last transaction.
func (f *Fake) Zxid() core.Zxid {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.zxid
}

// Partition cuts the sessions named off, or all sessions, present and to come,
// if none is named: their calls give ConnectionLoss without taking effect, and
// their watches hear nothing.
func (f *Fake) Partition(ids ...core.SessionID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(ids) == 0 {
		f.cut = true
		for _, s := range f.sessions {
			s.cut = true
		}
		return
	}
	for _, id := range ids {
		if s := f.sessions[id]; s != nil {
			s.cut = true
		}
	}
}

// Heal ends every Partition. Each watch of a session that was cut off gets a Resync.
func (f *Fake) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = false
	for _, w := range f.watches {
		if w.owner.cut {
			w.push(core.Event{Type: core.Resync, Path: w.path, Zxid: f.zxid})
		}
	}
	for _, s := range f.sessions {
		s.cut = false
	}
}

// releaseLocked takes a session from its holder, whose calls fail with err ever after.
func (f *Fake) releaseLocked(s *session, err error) {
	if s.holder == nil {
		return
	}
	s.holder.ended = err
	s.holder = nil
	f.dropWatchesLocked(s, err)
}

// endLocked ends a session and its ephemerals.
func (f *Fake) endLocked(s *session, err error) {
	delete(f.sessions, s.id)
	tx := &txn{zxid: f.zxid + 1}
	for _, p := range sortedKeys(s.paths) {
		if n := f.nodes[p]; n != nil {
			f.removeLocked(tx, p, n)
		}
	}
	f.commitLocked(tx)
	f.releaseLocked(s, err)
	delete(f.touched, s.id)
}

// Nodes is an engine on which the nodes of a test stand.
type Nodes interface {
	// Node gives one of them its own session, and where to open those of its clients.
	// Both end with the test.
	Node(t testing.TB) (core.Client, core.Sessions)
}

// Node opens a session.
func (f *Fake) Node(t testing.TB) (core.Client, core.Sessions) {
	t.Helper()
	c, err := f.Open(t.Context(), core.SessionOptions{Timeout: 10 * time.Second, ACL: core.NodeACL(), KeepAlive: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // of a Fake that ends with the test
	return c, f
}
