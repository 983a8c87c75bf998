package rpc

import (
	"context"
	"errors"
	"fmt"
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
	s := c.transport.server
	began := time.Now()
	id := strconv.FormatInt(s.pushIDs.Add(1), 10)
	reply, err := c.outbox.put(body, id)
	if err == nil {
		defer c.outbox.forget(id)
		timer := time.NewTimer(patience)
		defer timer.Stop()
		var p *wire.Payload
		select {
		case p = <-reply:
			if p == nil {
				err = ErrClosed
			} else {
				err = judge(p)
			}
		case <-timer.C:
			err = ErrNoAck
		case <-ctx.Done():
			err = ctx.Err()
		case <-c.transport.closed:
			err = ErrClosed
		}
		if err == nil {
			s.metrics.pushed(body.PayloadType(), nil, time.Since(began))
			return p, nil
		}
	}
	s.metrics.pushed(body.PayloadType(), err, 0)
	return nil, fmt.Errorf("push %s to %s: %w", body.PayloadType(), c.id, err)
}

// judge reads the verdict of an acknowledgement. Only its result code counts.
func judge(p *wire.Payload) error {
	ack, err := wire.DecodeAck(p)
	if err != nil {
		return err
	}
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
		pending     map[string]chan *wire.Payload
		writing     bool
		sendingFrom time.Time // zero while no Send is under way
		closed      bool
	}
}

type message struct {
	body      wire.Body
	requestID string
}

func (o *outbox) open(c *Conn, stream grpc.ServerStream) {
	o.conn = c
	o.mu.stream = stream
	o.mu.pending = map[string]chan *wire.Payload{}
}

// put queues a push and returns the channel of its acknowledgement.
func (o *outbox) put(body wire.Body, requestID string) (<-chan *wire.Payload, error) {
	limits := &o.conn.transport.server.cfg.Limits
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.mu.pending) >= limits.PendingPushes {
		return nil, ErrBacklog
	}
	if err := o.enqueueLocked(message{body, requestID}); err != nil {
		return nil, err
	}
	reply := make(chan *wire.Payload, 1)
	o.mu.pending[requestID] = reply
	return reply, nil
}

// send queues a message that nobody acknowledges.
func (o *outbox) send(body wire.Body) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.enqueueLocked(message{body: body})
}

func (o *outbox) enqueueLocked(m message) error {
	switch {
	case o.mu.closed || o.mu.stream == nil:
		return ErrClosed
	case len(o.mu.queue) >= o.conn.transport.server.cfg.Limits.QueuedPushes:
		return ErrBacklog
	}
	o.mu.queue = append(o.mu.queue, m)
	if !o.mu.writing {
		o.mu.writing = true
		o.conn.transport.server.tasks.Go(o.write)
	}
	return nil
}

func (o *outbox) forget(requestID string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.mu.pending, requestID)
}

// acknowledged hands a reply to whoever waits for it; nobody may.
func (o *outbox) acknowledged(requestID string, p *wire.Payload) {
	o.mu.Lock()
	reply := o.mu.pending[requestID]
	delete(o.mu.pending, requestID)
	o.mu.Unlock()
	if reply != nil {
		reply <- p // buffered, and sent to once: the entry is gone
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
	defer o.mu.Unlock()
	if o.mu.stream != stream {
		return
	}
	o.mu.stream = nil
	o.mu.lostSince = time.Now()
	for id, reply := range o.mu.pending {
		delete(o.mu.pending, id)
		close(reply)
	}
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
	defer o.mu.Unlock()
	o.mu.closed = true
	o.mu.queue = nil
}
