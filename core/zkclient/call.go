package zkclient

import (
	"context"
	"errors"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// call is one request whose caller waits. What the reply holds is decoded on the
// reading goroutine, straight out of its buffer.
type call struct {
	body   []byte // of the request
	done   chan struct{}
	decode func(c *call, r *wire.Reader)
	onOK   func(h wire.ReplyHeader) // on the reading goroutine, before the caller knows

	header wire.ReplyHeader
	err    error // why there is no reply
	data   []byte
	stat   core.Stat
	path   string
	names  []string
	acl    []core.ACL
	number int32
	multi  []core.OpResult
	reads  []ReadResult
	ids    []core.Identity
}

// newCall takes a call that is not in use. The pool is the client's own: a
// channel must not wander between the bubbles of testing/synctest.
func (c *Client) newCall() *call {
	if k, ok := c.calls.Get().(*call); ok {
		return k
	}
	return &call{done: make(chan struct{}, 1)}
}

// release makes the call ready for another use. Nobody may hold it any more.
func (c *Client) release(k *call) {
	body := k.body[:0]
	if cap(body) > 64<<10 {
		body = nil
	}
	*k = call{done: k.done, body: body}
	c.calls.Put(k)
}

func (k *call) reply(h wire.ReplyHeader, body []byte, err error) {
	k.header, k.err = h, err
	if err == nil && h.Err == core.OK {
		if k.decode != nil {
			r := wire.NewReader(body)
			k.decode(k, &r)
			if r.Err() != nil {
				k.err = r.Err()
			}
		}
		if k.onOK != nil && k.err == nil {
			k.onOK(h)
		}
	}
	k.done <- struct{}{}
}

// failure is what went wrong, if anything.
func (k *call) failure() error {
	switch {
	case k.err != nil:
		return k.err
	case k.header.Err != core.OK:
		return k.header.Err
	}
	return nil
}

// roundTrip sends k and waits for its reply. If it returns without one, k must
// not be released: the reply may still be written into it.
func (c *Client) roundTrip(ctx context.Context, op wire.OpCode, k *call) (answered bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	seq, err := c.send(op, k.body, k)
	if err != nil {
		return false, err
	}
	select {
	case <-k.done:
		return true, k.failure()
	default:
	}
	select {
	case <-k.done:
		return true, k.failure()
	case <-ctx.Done():
	}
	c.mu.Lock()
	found, sent := c.mu.forget(seq)
	c.mu.Unlock()
	switch {
	case !found: // the reply is on its way to us
		<-k.done
		return true, k.failure()
	case sent:
		return false, errors.Join(ctx.Err(), core.OperationTimeout)
	}
	return false, ctx.Err()
}

// invoke is roundTrip with the error named after the operation. use reads the
// results; it is called if there was no error.
func (c *Client) invoke(ctx context.Context, op wire.OpCode, path string, k *call, use func(k *call)) error {
	answered, err := c.roundTrip(ctx, op, k)
	if err == nil && use != nil {
		use(k)
	}
	if answered {
		c.release(k)
	}
	if err != nil {
		return &core.OpError{Op: op.String(), Path: path, Err: err}
	}
	return nil
}

// Do sends any request and waits for its reply. The error says only why there
// is no reply; what the server made of the request is the header's. No chroot is
// applied.
func (c *Client) Do(ctx context.Context, op wire.OpCode, body []byte) (h wire.ReplyHeader, reply []byte, err error) {
	k := c.newCall()
	k.body = append(k.body, body...)
	k.decode = func(k *call, r *wire.Reader) { k.data = slices.Clone(r.Rest()) }
	answered, err := c.roundTrip(ctx, op, k)
	if answered {
		h, reply = k.header, k.data
		if err = k.err; err == nil && reply == nil && h.Err == core.OK {
			reply = []byte{}
		}
		c.release(k)
	}
	if err != nil {
		err = &core.OpError{Op: op.String(), Err: err}
	}
	return h, reply, err
}

// Start sends any request and returns at once. fn is called with the reply, or
// with the reason why there is none, on the reading goroutine: it must be quick,
// may Start further requests, and must not wait for any. The body is good only
// during the call. If Start returns an error fn is not called. body may be used
// again when Start returns. No chroot is applied.
func (c *Client) Start(op wire.OpCode, body []byte, fn func(h wire.ReplyHeader, body []byte, err error)) error {
	_, err := c.send(op, body, receiverFunc(fn))
	return err
}

type receiverFunc func(h wire.ReplyHeader, body []byte, err error)

func (fn receiverFunc) reply(h wire.ReplyHeader, body []byte, err error) { fn(h, body, err) }
