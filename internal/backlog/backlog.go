// Package backlog bounds what a server holds for clients who have asked for large answers
// and have not taken them yet.
//
// Such an answer waits for room before it is made. A client, by its address, has a quarter
// of the room at most, so that one who does not read keeps nobody out but himself. A text
// that goes to many is encoded once and takes room once, however many are about to take it,
// and its part of the share of each client who is.
// That an answer is given up in the end is for those who send it.
//
// It knows no protocol and starts no goroutine.
package backlog

import (
	"context"
	"errors"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sync/semaphore"
)

// BytesMax is the usual bound of a Backlog.
const BytesMax = 256 << 20

// patience is how long an answer waits for room.
const patience = time.Minute

// ErrFull is returned where there was no room in time.
var ErrFull = errors.New("too many large answers under way")

// Backlog is the room for answers. It is safe for concurrent use.
type Backlog struct {
	bytesMax, eachMax int64
	all               *semaphore.Weighted

	mu struct {
		sync.Mutex
		held  int64
		of    map[string]*client // those that hold something, or wait
		texts map[textKey]*text
	}
}

// client has a share of the room, and is there for as long as somebody uses it.
type client struct {
	share *semaphore.Weighted
	users int
}

// textKey is a text by where it lies, and how it is encoded.
type textKey struct {
	at    *byte
	bytes int
	as    *Encoding
}

// text is one that several are about to take, or wait to.
type text struct {
	of    string       // keeps it where it lies
	bytes func() int64 // that are counted of it
	turns map[turnKey]*turn
	users int
}

// turnKey says what is taken once for all who take a text: the room, or a client's share.
type turnKey struct {
	room bool
	who  string // whose share, blank for the room
}

// turn is one such taking. The first one of the users waits for it, the others for him.
type turn struct {
	over    chan struct{} // closed when what follows is there
	encoded []byte        // of the room's
	free    func()
	err     error

	users int
}

// Hold is the room of one answer.
type Hold struct {
	once sync.Once
	free func()
}

// New makes a Backlog of so many bytes.
func New(bytesMax int64) *Backlog {
	b := &Backlog{bytesMax: bytesMax, eachMax: bytesMax / 4, all: semaphore.NewWeighted(bytesMax)}
	b.mu.of = map[string]*client{}
	b.mu.texts = map[textKey]*text{}
	return b
}

// Held is how many bytes are counted.
func (b *Backlog) Held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.held
}

// Enter waits for room for an answer to a client. One that is larger than a client's share
// takes all of it. The error is ErrFull, or that of ctx.
func (b *Backlog) Enter(ctx context.Context, who string, bytes int64) (*Hold, error) {
	bytes = min(bytes, b.eachMax)
	waiting, cancel := context.WithTimeoutCause(ctx, patience, ErrFull)
	defer cancel()
	// The share before the room: who waits for his own holds up nobody else.
	leave, err := b.enterShare(waiting, who, bytes)
	if err != nil {
		return nil, err
	}
	free, err := b.enterRoom(waiting, bytes)
	if err != nil {
		leave()
		return nil, err
	}
	return &Hold{free: func() { free(); leave() }}, nil
}

// enterShare takes so much of a client's share.
func (b *Backlog) enterShare(ctx context.Context, who string, bytes int64) (free func(), err error) {
	b.mu.Lock()
	c := b.mu.of[who]
	if c == nil {
		c = &client{share: semaphore.NewWeighted(b.eachMax)}
		b.mu.of[who] = c
	}
	c.users++
	b.mu.Unlock()
	left := func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if c.users--; c.users == 0 {
			delete(b.mu.of, who)
		}
	}
	if c.share.Acquire(ctx, bytes) != nil {
		left()
		return nil, context.Cause(ctx)
	}
	return func() { c.share.Release(bytes); left() }, nil
}

// enterRoom takes so much of the room.
func (b *Backlog) enterRoom(ctx context.Context, bytes int64) (free func(), err error) {
	if b.all.Acquire(ctx, bytes) != nil {
		return nil, context.Cause(ctx)
	}
	b.count(bytes)
	return func() {
		b.count(-bytes) // before the next one is counted
		b.all.Release(bytes)
	}, nil
}

func (b *Backlog) count(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.held += bytes
}

// Encoding is how a text travels: how many bytes that are, and what they are.
type Encoding struct {
	Bytes func(s string) int64
	Of    func(s string) []byte
}

// Share is Enter for a text that others may be about to take as well: the same one, where
// it lies. Of a client's share it takes its part once, and once of the room, where the first
// of all encodes it; what it is then is shared by all who use the same Encoding, and not to
// be modified. Nobody waits for another client's share.
func (b *Backlog) Share(ctx context.Context, who, s string, e *Encoding) ([]byte, *Hold, error) {
	waiting, cancel := context.WithTimeoutCause(ctx, patience, ErrFull)
	defer cancel()
	k := textKey{unsafe.StringData(s), len(s), e}
	t := b.use(k, s)
	bytes := t.bytes()
	mine, err := b.take(waiting, t, turnKey{who: who}, func(u *turn) {
		u.free, u.err = b.enterShare(waiting, who, bytes)
	})
	if err != nil {
		b.leave(k, t)
		return nil, nil, err
	}
	its, err := b.take(waiting, t, turnKey{room: true}, func(u *turn) {
		if u.free, u.err = b.enterRoom(waiting, bytes); u.err == nil {
			u.encoded = e.Of(s)
		}
	})
	if err != nil {
		b.drop(t, turnKey{who: who}, mine)
		b.leave(k, t)
		return nil, nil, err
	}
	return its.encoded, &Hold{free: func() {
		b.drop(t, turnKey{room: true}, its)
		b.drop(t, turnKey{who: who}, mine)
		b.leave(k, t)
	}}, nil
}

// use finds a text that others use, or begins with it.
func (b *Backlog) use(k textKey, s string) *text {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.mu.texts[k]
	if t == nil {
		t = &text{of: s, turns: map[turnKey]*turn{}}
		t.bytes = sync.OnceValue(func() int64 { return min(k.as.Bytes(s), b.eachMax) })
		b.mu.texts[k] = t
	}
	t.users++
	return t
}

func (b *Backlog) leave(k textKey, t *text) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(b.mu.texts, k)
	}
}

// take is a turn of a text that has been taken: by enter, for the first one of all, who is
// waited for by the others until ctx ends.
func (b *Backlog) take(ctx context.Context, t *text, k turnKey, enter func(*turn)) (*turn, error) {
	for {
		b.mu.Lock()
		u := t.turns[k]
		first := u == nil
		if first {
			u = &turn{over: make(chan struct{})}
			t.turns[k] = u
		}
		u.users++
		b.mu.Unlock()
		if first {
			enter(u)
			close(u.over)
		} else {
			select {
			case <-u.over:
			case <-ctx.Done():
				b.drop(t, k, u)
				return nil, context.Cause(ctx)
			}
		}
		if u.err == nil {
			return u, nil
		}
		b.drop(t, k, u)
		switch {
		case first:
			return nil, u.err
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		// The first one has gone away, or has waited in vain: now it is somebody else's turn.
	}
}

// drop lets go of a turn. Who was in vain is told by all, and the next one tries anew.
func (b *Backlog) drop(t *text, k turnKey, u *turn) {
	b.mu.Lock()
	u.users--
	last, over := u.users == 0, false
	select {
	case <-u.over:
		over = true
	default:
	}
	if t.turns[k] == u && over && (last || u.err != nil) {
		delete(t.turns, k)
	}
	b.mu.Unlock()
	if last && over && u.free != nil {
		u.free()
	}
}

// Done gives the room back, once.
func (h *Hold) Done() { h.once.Do(h.free) }
