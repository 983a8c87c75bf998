package rpc

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"google.golang.org/grpc/mem"

	"github.com/zensus-io/zensus/internal/backlog"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

const (
	// answerBytesFree are not counted of an answer: a request costs as much without one.
	answerBytesFree = 16 << 10
	// pieceBytes is how much of an answer a client must have taken within
	// Timing.StuckWrite, and as much again each time; other streams do not count.
	pieceBytes = 64 << 10
)

// message encodes a reply: a large one when there is room for it.
func (s *Server) message(ctx context.Context, t *transport, name string, reply wire.Reply) (any, error) {
	var holds []*backlog.Hold
	busy := func(err error) (any, error) {
		for _, h := range holds {
			h.Done()
		}
		if ctx.Err() != nil {
			return nil, err // nobody waits for it any more
		}
		failed := wire.Failed(wire.Busy.RPCCode(), "too many large answers are under way, please try again later")
		if h, ok := s.handlers[name]; ok {
			return wire.NewMessage(h.failed(failed), "")
		}
		return wire.NewMessage(&wire.ErrorResponse{Response: failed}, "")
	}
	if q, ok := reply.(*wire.ConfigQueryResponse); ok && len(q.Content) > answerBytesFree {
		content, hold, err := s.backlog.Share(ctx, t.ip, q.Content, quoted)
		if err != nil {
			return busy(err)
		}
		holds = append(holds, hold)
		m, err := wire.NewMessage(wire.Quoted{ConfigQueryResponse: q, Content: content}, "")
		if err != nil {
			hold.Done()
			return nil, err
		}
		return t.answers.add(m, holds)
	}
	m, err := wire.NewMessage(reply, "")
	if err != nil || len(m.Head)+len(m.Shared) <= answerBytesFree {
		return m, err
	}
	if len(m.Shared) > 0 { // it is somebody's, and as often as there are answers with it
		_, hold, err := s.backlog.Share(ctx, t.ip, unsafe.String(unsafe.SliceData(m.Shared), len(m.Shared)), lying)
		if err != nil {
			return busy(err)
		}
		holds = append(holds, hold)
	}
	if len(m.Head) > answerBytesFree {
		hold, err := s.backlog.Enter(ctx, t.ip, int64(len(m.Head)))
		if err != nil {
			return busy(err)
		}
		holds = append(holds, hold)
	}
	return t.answers.add(m, holds)
}

var (
	quoted = &backlog.Encoding{
		Bytes: wire.QuotedBytes,
		Of:    func(s string) []byte { return wire.AppendQuoted(make([]byte, 0, wire.QuotedBytes(s)), s) },
	}
	lying = &backlog.Encoding{
		Bytes: func(s string) int64 { return int64(len(s)) },
		Of:    func(string) []byte { return nil },
	}
)

// answers are the large ones of a connection that are not taken yet.
type answers struct {
	mu   sync.Mutex
	all  map[*untaken]struct{}
	over bool
}

// untaken is one of them. gRPC is given it in pieces, and gives each back when that is
// written or of no use any more.
type untaken struct {
	*wire.Message
	in    *answers
	holds []*backlog.Hold
	made  time.Time
	bytes int64
	left  atomic.Int64
	moved atomic.Int64 // nanoseconds since made, when a piece was given back
}

func (a *answers) add(m *wire.Message, holds []*backlog.Hold) (*untaken, error) {
	u := &untaken{Message: m, in: a, holds: holds, made: time.Now(), bytes: int64(len(m.Head) + len(m.Shared))}
	a.mu.Lock()
	over := a.over
	if !over {
		if a.all == nil {
			a.all = map[*untaken]struct{}{}
		}
		a.all[u] = struct{}{}
	}
	a.mu.Unlock()
	if over {
		u.done()
		return nil, ErrClosed
	}
	return u, nil
}

// stuck reports whether nothing of an answer was taken for a while, or too little of it.
func (a *answers) stuck(now time.Time, patience time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for u := range a.all {
		since := now.Sub(u.made)
		if since-time.Duration(u.moved.Load()) > patience || since > patience*time.Duration(1+u.bytes>>20) {
			return true
		}
	}
	return false
}

// close lets go of all: gRPC gives nothing back that lies there when a connection ends.
func (a *answers) close() {
	a.mu.Lock()
	all := a.all
	a.all, a.over = nil, true
	a.mu.Unlock()
	for u := range all {
		u.done()
	}
}

func (u *untaken) done() {
	for _, h := range u.holds {
		h.Done()
	}
}

// pieces are all of it. What is short goes with the piece before: gRPC gives nothing back
// that is.
func (u *untaken) pieces() mem.BufferSlice {
	out := make(mem.BufferSlice, 0, 4+u.bytes/pieceBytes)
	for _, part := range [][]byte{u.Head, u.Shared} {
		for len(part) > 0 {
			n := len(part)
			if n >= 2*pieceBytes {
				n = pieceBytes
			}
			piece := part[:n:n]
			part = part[n:]
			if !mem.IsBelowBufferPoolingThreshold(n) {
				u.left.Add(int64(n))
				out = append(out, mem.NewBuffer(&piece, u))
			} else {
				out = append(out, mem.SliceBuffer(piece))
			}
		}
	}
	if len(u.Tail) > 0 {
		out = append(out, mem.SliceBuffer(u.Tail))
	}
	return out
}

// Get implements mem.BufferPool. Nobody calls it.
func (*untaken) Get(n int) *[]byte {
	b := make([]byte, n)
	return &b
}

// Put implements mem.BufferPool: a piece was written, or is of no use.
func (u *untaken) Put(b *[]byte) {
	u.moved.Store(int64(time.Since(u.made)))
	if u.left.Add(-int64(len(*b))) > 0 {
		return
	}
	u.in.mu.Lock()
	delete(u.in.all, u)
	u.in.mu.Unlock()
	u.done()
}
