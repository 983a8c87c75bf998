// Package backlog bounds what a server holds for clients who have asked for large answers
// and have not taken them yet.
//
// Such an answer waits for room before it is made. A client, by its address, has a quarter
// of the room at most, so that one who does not read keeps nobody out but himself. A text
// that goes to many is encoded once and counted once, however many are about to take it.
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

// text is one that several may be about to take.
type text struct {
	of      string        // keeps it where it lies
	made    chan struct{} // closed when what follows is there
	encoded []byte
	hold    *Hold
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
	c := b.client(who)
	waiting, cancel := context.WithTimeoutCause(ctx, patience, ErrFull)
	defer cancel()
	// The share before the room: who waits for his own holds up nobody else.
	if c.share.Acquire(waiting, bytes) != nil {
		b.left(who, 0)
		return nil, context.Cause(waiting)
	}
	if b.all.Acquire(waiting, bytes) != nil {
		c.share.Release(bytes)
		b.left(who, 0)
		return nil, context.Cause(waiting)
	}
	b.mu.Lock()
	b.mu.held += bytes
	b.mu.Unlock()
	return &Hold{free: func() {
		b.left(who, bytes) // before the next one is counted
		b.all.Release(bytes)
		c.share.Release(bytes)
	}}, nil
}

func (b *Backlog) client(who string) *client {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.mu.of[who]
	if c == nil {
		c = &client{share: semaphore.NewWeighted(b.eachMax)}
		b.mu.of[who] = c
	}
	c.users++
	return c
}

func (b *Backlog) left(who string, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.held -= bytes
	if c := b.mu.of[who]; c.users == 1 {
		delete(b.mu.of, who)
	} else {
		c.users--
	}
}

// Encoding is how a text travels: how many bytes that are, and what they are.
type Encoding struct {
	Bytes func(s string) int64
	Of    func(s string) []byte
}

// Share is Enter for a text that others may be about to take as well: the same one, where
// it lies. Only the first of them waits for room, and encodes it; what it is then is shared
// by all who use the same Encoding, and not to be modified.
func (b *Backlog) Share(ctx context.Context, who, s string, e *Encoding) ([]byte, *Hold, error) {
	k := textKey{unsafe.StringData(s), len(s), e}
	for {
		b.mu.Lock()
		t := b.mu.texts[k]
		first := t == nil
		if first {
			t = &text{of: s, made: make(chan struct{})}
			b.mu.texts[k] = t
		}
		t.users++
		b.mu.Unlock()
		if first {
			if t.hold, t.err = b.Enter(ctx, who, e.Bytes(s)); t.err == nil {
				t.encoded = e.Of(s)
			}
			close(t.made)
		} else {
			select {
			case <-t.made:
			case <-ctx.Done():
				b.drop(k, t)
				return nil, nil, context.Cause(ctx)
			}
		}
		if t.err == nil {
			return t.encoded, &Hold{free: func() { b.drop(k, t) }}, nil
		}
		b.drop(k, t)
		if first || ctx.Err() != nil {
			return nil, nil, t.err
		}
		// The first one has gone away, or has waited in vain: now it is somebody else's turn.
	}
}

// drop lets go of a text. Who was in vain is told by all, and the next one tries anew.
func (b *Backlog) drop(k textKey, t *text) {
	b.mu.Lock()
	t.users--
	last, made := t.users == 0, false
	select {
	case <-t.made:
		made = true
	default:
	}
	if b.mu.texts[k] == t && made && (last || t.err != nil) {
		delete(b.mu.texts, k)
	}
	b.mu.Unlock()
	if last && made && t.hold != nil {
		t.hold.Done()
	}
}

// Done gives the room back, once.
func (h *Hold) Done() { h.once.Do(h.free) }
