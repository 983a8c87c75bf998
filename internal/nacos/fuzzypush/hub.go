// Package fuzzypush tells the clients of gRPC what matches the patterns that they watch.
//
// A Hub is the shell around a fuzzy.Table: registry/nacosapi has one for services,
// configcenter/nacosapi one for configs. It is told of each key that appears or goes, finds
// the keys of a new pattern, and pushes what is owed: to one client one message at a time,
// the next when that one was acknowledged. A message that was not is made again after a
// second, of what is so then. So a slow client costs one goroutine, and that only while it
// is owed something.
//
// Whether a client may read what it is told is asked again for each key of each message. A
// key that it may not read is, to it, not there.
package fuzzypush

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/internal/nacos/fuzzy"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

const (
	// retryAfter is the pause after a push that failed.
	retryAfter = time.Second
	// attemptsMax is how many pushes in a row may fail before the connection is cut, so
	// that the client begins afresh: five minutes.
	attemptsMax = 50
)

// Nacos's limits. They hold for each connection; Nacos counts the patterns of all.
const (
	patternsMax = 20
	matchesMax  = 500
)

// Conn is a client's connection.
type Conn interface {
	comparable
	ID() string
	// Push sends body and returns when it is acknowledged.
	Push(ctx context.Context, body wire.Body) error
	Done() <-chan struct{}
	Closed() bool
	// Close cuts the connection. The client is expected to come back.
	Close()
}

// Kind is what sets services and configs apart.
type Kind struct {
	Form    fuzzy.Form
	Lengths fuzzy.Lengths
	Batch   int // keys of one message
	// Body is a message as clients read it.
	Body func(m fuzzy.Message) wire.Body
	// Find looks for keys that match, as many as limit. It must find those of which
	// Changed has been told.
	Find func(p fuzzy.Pattern, limit int) []fuzzy.Key
}

// SyncOf is what a message that is no Change says beside its keys. What numbers a Finish
// has is the business of its kind.
func SyncOf(m fuzzy.Message) wire.FuzzyWatchSync {
	sync := wire.FuzzyWatchSync{
		GroupKeyPattern: m.Pattern, SyncType: wire.FuzzyDiffSyncNotify, TotalBatch: m.Batches, CurrentBatch: m.Batch,
	}
	switch m.Kind {
	case fuzzy.Initial:
		sync.SyncType = wire.FuzzyInitNotify
	case fuzzy.Finish:
		sync.SyncType, sync.TotalBatch, sync.CurrentBatch = wire.FuzzyFinishInitNotify, 0, 0
	}
	return sync
}

// ChangeOf is a key's change in the words of its kind.
func ChangeOf(d fuzzy.Difference, come, gone string) string {
	if d.Gone {
		return gone
	}
	return come
}

// Finding is Kind.Find by what lists the things of a namespace that match, limit at most,
// where key is the key of one.
func Finding[T any](
	matching func(namespace string, match func(T) bool, limit int) []T, key func(T) fuzzy.Key,
) func(fuzzy.Pattern, int) []fuzzy.Key {
	return func(p fuzzy.Pattern, limit int) []fuzzy.Key {
		found := matching(p.Namespace(), func(t T) bool { return p.Matches(key(t)) }, limit)
		keys := make([]fuzzy.Key, len(found))
		for i, t := range found {
			keys[i] = key(t)
		}
		return keys
	}
}

// Hub tells clients what matches their patterns. It is safe for concurrent use.
type Hub[C Conn] struct {
	kind  Kind
	log   hclog.Logger
	tasks sync.WaitGroup // deliveries

	mu struct {
		sync.Mutex
		table   *fuzzy.Table
		clients map[C]*client[C]
		of      map[*fuzzy.Client]*client[C]
	}
}

// client is one connection that watches something. The hub's lock guards what changes.
type client[C Conn] struct {
	conn     C
	state    *fuzzy.Client
	readable func(fuzzy.Key) bool // of whoever watched last
	pushing  bool                 // a goroutine delivers
}

// New makes a Hub. log may be nil.
func New[C Conn](kind Kind, log hclog.Logger) *Hub[C] {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	h := &Hub[C]{kind: kind, log: log}
	h.mu.table = fuzzy.NewTable(fuzzy.Limits{Patterns: patternsMax, Matches: matchesMax, Batch: kind.Batch})
	h.mu.clients = make(map[C]*client[C])
	h.mu.of = make(map[*fuzzy.Client]*client[C])
	return h
}

// Wait returns when nothing is delivered any more. Call it when all connections are over.
func (h *Hub[C]) Wait() { h.tasks.Wait() }

// Watch is what a client asks for.
type Watch struct {
	Pattern  string
	Received []string // the keys that it has been told of
	Initial  bool     // it waits to hear when that was all
	// Readable reports whether it may read a key now.
	Readable func(fuzzy.Key) bool
}

// ErrType is returned by Serve for a type of watch that is none.
var ErrType = errors.New("there is no such type of watch")

// Serve does what a client asks for by a type of watch: it begins w, once ready returns, or
// ends that on w.Pattern. It returns ErrType, the error of ready, or what Watch does.
func (h *Hub[C]) Serve(c C, watchType string, w Watch, ready func() error) error {
	switch watchType {
	case wire.FuzzyWatch:
	case wire.FuzzyCancelWatch:
		h.Cancel(c, w.Pattern)
		return nil
	default:
		return ErrType
	}
	if err := ready(); err != nil {
		return err
	}
	return h.Watch(c, w)
}

// Watch has a client told of the keys that match a pattern and that it has not, of those
// that it has and that are gone, and of what comes and goes from now on. It returns
// fuzzy.ErrPattern, ErrTooManyPatterns or ErrTooManyMatches; with the last it watches all
// the same.
func (h *Hub[C]) Watch(c C, w Watch) error {
	p, err := fuzzy.Parse(w.Pattern, h.kind.Lengths)
	if err != nil {
		return err
	}
	cl := h.client(c)
	if cl == nil {
		return nil // it is over, nobody reads the answer
	}
	// From here on what comes and goes is noted; what is found afterwards may know of it.
	h.mu.Lock()
	scan, err := cl.state.Watch(p)
	limit := h.mu.table.ScanMax()
	if err == nil {
		cl.readable = w.Readable
	}
	h.mu.Unlock()
	if err != nil {
		return err
	}
	if scan != nil {
		found := h.kind.Find(p, limit)
		h.mu.Lock()
		h.wakeLocked(h.mu.table.Fill(scan, found))
		h.mu.Unlock()
	}
	h.mu.Lock()
	keys, complete, over := cl.state.Matches(p)
	h.mu.Unlock()
	diff := fuzzy.Compare(h.kind.Form, keys, complete, w.Received, w.Readable, matchesMax)
	h.mu.Lock()
	defer h.mu.Unlock()
	cl.state.Begin(p, diff, w.Initial)
	h.wakeLocked([]*fuzzy.Client{cl.state})
	return over
}

// client is that of a connection, made if it is new; nil if the connection is over.
func (h *Hub[C]) client(c C) *client[C] {
	h.mu.Lock()
	defer h.mu.Unlock()
	cl := h.mu.clients[c]
	switch {
	case cl == nil && c.Closed(): // Drop was called, or will find nothing
		return nil
	case cl == nil:
		cl = &client[C]{conn: c, state: h.mu.table.Open()}
		h.mu.clients[c] = cl
		h.mu.of[cl.state] = cl
	}
	return cl
}

// Cancel ends a client's watch on a pattern; there need be none.
func (h *Hub[C]) Cancel(c C, pattern string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cl := h.mu.clients[c]; cl != nil {
		cl.state.Cancel(pattern)
	}
}

// Drop ends all watches of a connection that is over.
func (h *Hub[C]) Drop(c C) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cl := h.mu.clients[c]; cl != nil {
		cl.state.Close()
		delete(h.mu.clients, c)
		delete(h.mu.of, cl.state)
	}
}

// Watching is the number of connections that watch, or have watched, a pattern.
func (h *Hub[C]) Watching() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.mu.clients)
}

// Changed tells that a key is there now, or is there no more. It must be called in the
// order in which that happened. It never blocks for long.
func (h *Hub[C]) Changed(k fuzzy.Key, there bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakeLocked(h.mu.table.Changed(k, there))
}

// wakeLocked sees to it that a goroutine delivers to each of these who is owed something.
func (h *Hub[C]) wakeLocked(owed []*fuzzy.Client) {
	for _, state := range owed {
		if cl := h.mu.of[state]; cl != nil && !cl.pushing && state.Owes() {
			cl.pushing = true
			h.tasks.Go(func() { h.deliver(cl) })
		}
	}
}

// deliver pushes until the client is owed nothing, or is gone.
func (h *Hub[C]) deliver(cl *client[C]) {
	failed := 0
	for {
		h.mu.Lock()
		m, ok := cl.state.Take()
		readable := cl.readable
		if !ok {
			cl.pushing = false
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
		// No request stands behind a push. It ends with its connection.
		err := h.push(context.Background(), cl.conn, m, readable)
		if cl.conn.Closed() {
			return
		}
		h.mu.Lock()
		cl.state.Done(m, err == nil)
		h.mu.Unlock()
		if err == nil {
			failed = 0
			continue
		}
		if failed++; failed == attemptsMax {
			h.log.Warn("client does not take what it watches, closing its connection", "client", cl.conn.ID(), "err", err)
			cl.conn.Close()
			return
		}
		h.log.Debug("fuzzy watch is not acknowledged", "client", cl.conn.ID(), "err", err)
		if !rest(cl.conn) {
			return
		}
	}
}

// push sends what the client may read of a message, unless nothing is left of it.
func (h *Hub[C]) push(ctx context.Context, c C, m fuzzy.Message, readable func(fuzzy.Key) bool) error {
	var keys []fuzzy.Difference
	for _, d := range m.Keys {
		may := readable(d.Key)
		if d.Gone && m.Kind != fuzzy.Change {
			may = !d.There || !may // it has named the key itself, and is to forget it
		}
		if may {
			if d.Text == "" {
				d.Text = h.kind.Form.Write(d.Key)
			}
			keys = append(keys, d)
		}
	}
	if m.Keys = keys; len(keys) == 0 && m.Kind != fuzzy.Finish {
		return nil
	}
	return c.Push(ctx, h.kind.Body(m))
}

// rest reports whether the connection is there after a pause.
func rest[C Conn](c C) bool {
	timer := time.NewTimer(retryAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.Done():
		return false
	}
}
