package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Errors of Push and Call.
var (
	// ErrClosed: the connection is over or its stream has ended.
	ErrClosed = errors.New("connection closed")
	// ErrBacklog: too many pushes are waiting for this client already.
	ErrBacklog = errors.New("too many pushes under way")
	// ErrNoAck: the client did not acknowledge in time. It may have the push.
	ErrNoAck = errors.New("no acknowledgement")
)

// AckError is an acknowledgement that says no.
type AckError struct {
	ResultCode, ErrorCode int
	Message               string
}

// Refused tells it from a client that does not answer.
func (e *AckError) Refused() bool { return true }

func (e *AckError) Error() string {
	return fmt.Sprintf("refused by the client: result %d, error %d: %s", e.ResultCode, e.ErrorCode, e.Message)
}

// ackTimeout is how long a client has to acknowledge a push.
func ackTimeout(payloadType string) time.Duration {
	switch payloadType {
	case "ConfigChangeNotifyRequest", "ConnectResetRequest":
		return 3 * time.Second
	}
	return 5 * time.Second
}

// Push sends body on the client's stream and waits for the acknowledgement, at
// most as long as Nacos does for this type or ctx lasts. The body may be shared
// between connections (wire.Encoded); it is not modified. Errors are ErrClosed,
// ErrBacklog, ErrNoAck, an AckError, or the context's.
func (c *Conn) Push(ctx context.Context, body wire.Body) error {
	_, err := c.Call(ctx, body)
	return err
}

// Call is Push and returns the acknowledgement.
func (c *Conn) Call(ctx context.Context, body wire.Body) (*wire.Payload, error) {
	return c.call(ctx, body, ackTimeout(body.PayloadType()))
}

func (c *Conn) call(ctx context.Context, body wire.Body, patience time.Duration) (*wire.Payload, error) {
	type outcome struct {
		reply *wire.Payload
		err   error
	}
	ended := make(chan outcome, 1) // told of once
	id := c.start(body, patience, false, func(reply *wire.Payload, err error) { ended <- outcome{reply, err} })
	select {
	case o := <-ended:
		return o.reply, o.err
	case <-ctx.Done():
		c.outbox.end(id, nil, ctx.Err())
	}
	o := <-ended // the context's, or what came just before
	return o.reply, o.err
}

// Start is Push without the wait: done is told of the outcome, once. It is called on a
// goroutine of the connection or on that of the caller, and must not block. Start itself
// may block for as long as the client does not read.
func (c *Conn) Start(body wire.Body, done func(error)) {
	c.start(body, ackTimeout(body.PayloadType()), true, func(_ *wire.Payload, err error) { done(err) })
}

// start sends body and returns the id by which the outcome may be brought about. The
// message is written by the caller if here says so, and nobody else is at it.
func (c *Conn) start(body wire.Body, patience time.Duration, here bool, done func(*wire.Payload, error)) (id string) {
	s := c.transport.server
	began := time.Now()
	id = strconv.FormatInt(s.pushIDs.Add(1), 10)
	c.outbox.put(body, id, patience, here, func(reply *wire.Payload, err error) {
		if err == nil {
			s.metrics.pushed(body.PayloadType(), nil, time.Since(began))
		} else {
			s.metrics.pushed(body.PayloadType(), err, 0)
			reply, err = nil, fmt.Errorf("push %s to %s: %w", body.PayloadType(), c.id, err)
		}
		done(reply, err)
	})
	return id
}

// judge reads the verdict of an acknowledgement. Only its result code counts.
func judge(ack *wire.Response) error {
	if !ack.OK() {
		return &AckError{ack.ResultCode, ack.ErrorCode, ack.Message}
	}
	return nil
}

// askToLeave pushes a ConnectResetRequest. The Python client cannot decode one;
// it only understands the end of the connection.
func (c *Conn) askToLeave(patience time.Duration, serverIP, serverPort string) {
	if c.IsPython() {
		return
	}
	reset := &wire.ConnectResetRequest{ServerIP: serverIP, ServerPort: serverPort}
	if serverIP != "" {
		reset.ConnectionID = c.id // as Nacos has it
	}
	_, err := c.call(context.Background(), reset, patience)
	if err != nil && c.transport.server.log.IsDebug() {
		c.transport.server.log.Debug("client did not confirm that it leaves", "client", c.id, "err", err)
	}
}

// outbox is what is on its way to one client: messages that are not written yet,
// and pushes whose acknowledgement is awaited. It has a goroutine only while
// there is something to write. A client that does not read fills it and is cut
// off after Timing.StuckWrite.
type outbox struct {
	conn *Conn
	mu   struct {
		sync.Mutex
		stream      grpc.ServerStream // nil once it has ended
		lostSince   time.Time         // when stream became nil
		queue       []message
		pending     map[string]*pendingPush
		writing     bool
		sendingFrom time.Time // zero while no Send is under way
		closed      bool
	}
}

type message struct {
	body      wire.Body
	requestID string
}

// pendingPush is a push whose outcome is awaited. Whoever takes it out of the outbox calls
// done, without the lock.
type pendingPush struct {
	done func(reply *wire.Payload, err error)
	late *time.Timer
}

func (p *pendingPush) end(reply *wire.Payload, err error) {
	p.late.Stop()
	p.done(reply, err)
}

func (o *outbox) open(c *Conn, stream grpc.ServerStream) {
	o.conn = c
	o.mu.stream = stream
	o.mu.pending = map[string]*pendingPush{}
}

// put queues a push, of whose outcome done is told.
func (o *outbox) put(body wire.Body, requestID string, patience time.Duration, here bool, done func(*wire.Payload, error)) {
	write, err := o.enter(message{body, requestID}, patience, done)
	switch {
	case err != nil:
		done(nil, err)
	case !write:
	case here:
		o.write()
	default:
		o.conn.transport.server.tasks.Go(o.write)
	}
}

// enter queues a push, and reports whether the caller has to see to it that it is written.
func (o *outbox) enter(m message, patience time.Duration, done func(*wire.Payload, error)) (write bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.mu.pending) >= o.conn.transport.server.cfg.Limits.PendingPushes {
		return false, ErrBacklog
	}
	if write, err = o.enqueueLocked(m); err != nil {
		return false, err
	}
	late := time.AfterFunc(patience, func() { o.end(m.requestID, nil, ErrNoAck) })
	o.mu.pending[m.requestID] = &pendingPush{done, late}
	return write, nil
}

// send queues a message that nobody acknowledges.
func (o *outbox) send(body wire.Body) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	write, err := o.enqueueLocked(message{body: body})
	if write {
		o.conn.transport.server.tasks.Go(o.write)
	}
	return err
}

func (o *outbox) enqueueLocked(m message) (write bool, err error) {
	switch {
	case o.mu.closed || o.mu.stream == nil:
		return false, ErrClosed
	case len(o.mu.queue) >= o.conn.transport.server.cfg.Limits.QueuedPushes:
		return false, ErrBacklog
	}
	o.mu.queue = append(o.mu.queue, m)
	write = !o.mu.writing
	o.mu.writing = true
	return write, nil
}

// end tells the one who waits for a push of its outcome, unless it was told before. What
// nobody waits for any more is not written: whoever pushed it does so anew if it matters,
// and it would keep what comes after it from the client.
func (o *outbox) end(requestID string, reply *wire.Payload, err error) {
	o.mu.Lock()
	p := o.mu.pending[requestID]
	delete(o.mu.pending, requestID)
	if p != nil && reply == nil {
		o.mu.queue = slices.DeleteFunc(o.mu.queue, func(m message) bool { return m.requestID == requestID })
	}
	o.mu.Unlock()
	if p != nil {
		p.end(reply, err)
	}
}

// write empties the queue and ends.
func (o *outbox) write() {
	for {
		o.mu.Lock()
		o.mu.sendingFrom = time.Time{}
		stream := o.mu.stream
		if len(o.mu.queue) == 0 || stream == nil || o.mu.closed {
			o.mu.queue = nil
			o.mu.writing = false
			o.mu.Unlock()
			return
		}
		m := o.mu.queue[0]
		o.mu.queue[0] = message{}
		o.mu.queue = o.mu.queue[1:]
		o.mu.sendingFrom = time.Now()
		o.mu.Unlock()

		p, err := wire.NewMessage(m.body, m.requestID)
		if err != nil {
			o.conn.transport.server.log.Error("push cannot be encoded", "client", o.conn.id, "type", m.body.PayloadType(), "err", err)
			continue
		}
		if err := stream.SendMsg(p); err != nil {
			o.lost(stream)
		}
	}
}

// lost notes that a stream has ended. No acknowledgement comes any more, so
// whoever waits for one hears it now.
func (o *outbox) lost(stream grpc.ServerStream) {
	o.mu.Lock()
	if o.mu.stream != stream {
		o.mu.Unlock()
		return
	}
	o.mu.stream = nil
	o.mu.lostSince = time.Now()
	pending := o.takeLocked()
	o.mu.Unlock()
	for _, p := range pending {
		p.end(nil, ErrClosed)
	}
}

// takeLocked takes out all pushes whose outcome is awaited.
func (o *outbox) takeLocked() map[string]*pendingPush {
	pending := o.mu.pending
	o.mu.pending = map[string]*pendingPush{}
	return pending
}

// replace puts a new stream in the place of one that has ended. It reports
// whether there was room for it.
func (o *outbox) replace(stream grpc.ServerStream) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.closed || (o.mu.stream != nil && o.mu.stream.Context().Err() == nil) {
		return false
	}
	o.mu.stream = stream
	return true
}

// trouble is what is wrong with the client's reading, and since when.
func (o *outbox) trouble() (stuckSince, lostSince time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.stream == nil {
		lostSince = o.mu.lostSince
	}
	return o.mu.sendingFrom, lostSince
}

func (o *outbox) close() {
	o.mu.Lock()
	o.mu.closed = true
	o.mu.queue = nil
	pending := o.takeLocked()
	o.mu.Unlock()
	for _, p := range pending {
		p.end(nil, ErrClosed)
	}
}
