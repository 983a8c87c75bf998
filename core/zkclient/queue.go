package zkclient

import (
	"math"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// receiver gets the reply to one request, or the reason why there is none. It is
// called once, on the reading goroutine or where the session ends, and must not
// wait. The body is good only during the call.
type receiver interface {
	reply(h wire.ReplyHeader, body []byte, err error)
}

// entry is a request that has no reply yet.
type entry struct {
	to   receiver // nil: nobody waits any more
	seq  uint64
	xid  int32
	at   int // where its frame stands in out, while it is not sent
	size int
}

func (e *entry) fail(err error) {
	if e.to != nil {
		e.to.reply(wire.ReplyHeader{Xid: e.xid}, nil, err)
	}
}

// queue is the requests in the order in which they were made: those sent on the
// present connection, then those whose frames still stand in out. Replies come
// in the same order. Auth requests stand apart, because their replies may overtake.
type queue struct {
	out      []byte
	waiting  []entry // from head on
	head     int
	sent     int // how many of waiting[head:] are sent
	auth     []entry
	authSent int
	lastXid  int32
	lastSeq  uint64
	idle     bool // the writer sleeps and must be woken
}

func (q *queue) len() int { return len(q.waiting) - q.head }

// add appends a request's frame to out. An auth request goes under the xid that
// is the protocol's for it.
func (q *queue) add(op wire.OpCode, body []byte, to receiver) (seq uint64) {
	q.lastSeq++
	e := entry{to: to, seq: q.lastSeq, at: len(q.out), size: 4 + 8 + len(body)}
	if op == wire.OpAuth {
		e.xid = wire.XidAuth
		q.auth = append(q.auth, e)
	} else {
		if q.lastXid == math.MaxInt32 {
			q.lastXid = 0
		}
		q.lastXid++
		e.xid = q.lastXid
		q.push(e)
	}
	q.out = wire.AppendInt(q.out, int32(8+len(body)))
	q.out = wire.AppendRequestHeader(q.out, e.xid, op)
	q.out = append(q.out, body...)
	return e.seq
}

func (q *queue) push(e entry) {
	if len(q.waiting) == cap(q.waiting) && q.head > len(q.waiting)/2 {
		n := copy(q.waiting, q.waiting[q.head:])
		clear(q.waiting[n:])
		q.waiting, q.head = q.waiting[:n], 0
	}
	q.waiting = append(q.waiting, e)
}

// pop moves the first n sent requests to dst. ok is false if there are fewer.
func (q *queue) pop(dst []entry, n int) (_ []entry, ok bool) {
	if n > q.sent {
		return dst, false
	}
	taken := q.waiting[q.head : q.head+n]
	dst = append(dst, taken...)
	clear(taken)
	q.head += n
	q.sent -= n
	if q.head == len(q.waiting) {
		q.waiting, q.head = q.waiting[:0], 0
	}
	return dst, true
}

// popAuth takes the first sent auth request.
func (q *queue) popAuth() (entry, bool) {
	if q.authSent == 0 {
		return entry{}, false
	}
	e := q.auth[0]
	q.auth = slices.Delete(q.auth, 0, 1)
	q.authSent--
	return e, true
}

// take hands out what is to be written; from then on it counts as sent.
func (q *queue) take(spare []byte) []byte {
	buf := q.out
	q.out = spare[:0]
	q.sent = q.len()
	q.authSent = len(q.auth)
	return buf
}

// takeSent removes and returns every request that was sent.
func (q *queue) takeSent() []entry {
	lost := slices.Clone(q.waiting[q.head : q.head+q.sent])
	clear(q.waiting[q.head : q.head+q.sent])
	q.head += q.sent
	q.sent = 0
	lost = append(lost, q.auth[:q.authSent]...)
	q.auth = slices.Delete(q.auth, 0, q.authSent)
	q.authSent = 0
	return lost
}

// takeAll empties the queue.
func (q *queue) takeAll() (sent, unsent []entry) {
	sent = q.takeSent()
	unsent = append(slices.Clone(q.waiting[q.head:]), q.auth...)
	q.out, q.waiting, q.head, q.auth = nil, nil, 0, nil
	return sent, unsent
}

// forget makes sure that nobody is told of request seq. A request that was not
// sent is taken back. found is false if its reply is being delivered already.
func (q *queue) forget(seq uint64) (found, wasSent bool) {
	if i, ok := find(q.auth, seq); ok {
		q.auth[i].to = nil
		if i < q.authSent {
			return true, true
		}
		q.cut(q.auth[i].at, q.auth[i].size)
		q.auth = slices.Delete(q.auth, i, i+1)
		return true, false
	}
	i, ok := find(q.waiting[q.head:], seq)
	if !ok {
		return false, true
	}
	i += q.head
	q.waiting[i].to = nil
	if i < q.head+q.sent {
		return true, true
	}
	q.cut(q.waiting[i].at, q.waiting[i].size)
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true, false
}

func find(list []entry, seq uint64) (int, bool) {
	return slices.BinarySearchFunc(list, seq, func(e entry, seq uint64) int {
		switch {
		case e.seq < seq:
			return -1
		case e.seq > seq:
			return 1
		}
		return 0
	})
}

// cut takes one frame out of out.
func (q *queue) cut(at, size int) {
	q.out = slices.Delete(q.out, at, at+size)
	for _, list := range [][]entry{q.waiting[q.head+q.sent:], q.auth[q.authSent:]} {
		for i := range list {
			if list[i].at > at {
				list[i].at -= size
			}
		}
	}
}

// enqueueLocked adds a request and wakes the writer.
func (c *Client) enqueueLocked(op wire.OpCode, body []byte, to receiver) uint64 {
	seq := c.mu.add(op, body, to)
	if c.mu.idle {
		c.mu.idle = false
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return seq
}

// send puts a request into the queue, behind all earlier ones. If it returns an
// error the receiver is not called.
func (c *Client) send(op wire.OpCode, body []byte, to receiver) (seq uint64, err error) {
	if 8+len(body) > c.opt.FrameBytesMax {
		return 0, core.BadArguments // a server would break the connection
	}
	to = c.watching(op, body, to)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.mu.ended != nil:
		return 0, c.mu.ended
	case c.mu.closing:
		return 0, core.ErrClosed
	case c.mu.len()+len(c.mu.auth) >= requestsMax || len(c.mu.out)+len(body) > outBytesMax:
		return 0, ErrQueueFull
	}
	return c.enqueueLocked(op, body, to), nil
}
