package zkclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Client is a session with a ZooKeeper. It is safe for concurrent use.
type Client struct {
	opt       Options
	addresses []string // in the order in which they are tried
	begun     time.Time
	lastZxid  atomic.Uint64 // the highest zxid of a reply
	lastEvent atomic.Uint64 // and of an event, which may be one of several at its zxid
	contact   atomic.Int64  // when a server was last heard, as time since begun

	ctx    context.Context // ends when the session is over; bounds dialing
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine of run has returned
	first  chan error    // capacity 1: what became of the first connection
	wake   chan struct{} // capacity 1: there may be something to write

	mu struct {
		sync.Mutex
		session core.SessionInfo
		link    *link // nil while out of contact
		auths   []Auth
		closing bool  // Close was called: no further requests
		ended   error // why the session is over
		queue
	}

	watches registry
	calls   sync.Pool // of *call

	// Owned by the goroutine of run.
	server   int   // index of the next address
	attempts int   // since the last connection that was of use
	refused  error // why the last attempt to connect failed
}

var (
	_ core.Client = (*Client)(nil)
	_ core.Admin  = (*Client)(nil)
)

// Dial opens a session with one of the servers and returns once it has it. ctx
// bounds that only; the session lives until Close. It fails with AuthFailed if a
// credential of the options is refused.
func Dial(ctx context.Context, addresses []string, opt Options) (*Client, error) {
	if err := opt.fill(); err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, errors.New("zkclient: no server address")
	}
	c := &Client{
		opt:       opt,
		addresses: slices.Clone(addresses),
		begun:     time.Now(),
		done:      make(chan struct{}),
		first:     make(chan error, 1),
		wake:      make(chan struct{}, 1),
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.mu.auths = slices.Clone(opt.Auth)
	c.watches.init()
	rand.Shuffle(len(c.addresses), func(i, j int) {
		c.addresses[i], c.addresses[j] = c.addresses[j], c.addresses[i]
	})
	go c.run()
	select {
	case err := <-c.first:
		if err == nil {
			return c, nil
		}
		<-c.done
		return nil, &core.OpError{Op: "createSession", Err: err}
	case <-ctx.Done():
		c.end(core.ErrClosed)
		<-c.done
		err := ctx.Err()
		if c.refused != nil {
			err = fmt.Errorf("%w: %w", err, c.refused)
		}
		return nil, &core.OpError{Op: "createSession", Err: err}
	}
}

// Session describes the session. The timeout is the server's.
func (c *Client) Session() core.SessionInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := c.mu.session
	info.Password = slices.Clone(info.Password)
	return info
}

// Connected reports whether the client is in contact with a server.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.link != nil
}

// LastZxid is the highest zxid that a reply has shown.
func (c *Client) LastZxid() core.Zxid { return core.Zxid(c.lastZxid.Load()) }

// Done is closed when the session is over and nothing of the client runs any more.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the session and returns when the server has said so. Without
// contact it waits a little, then gives up with ConnectionLoss: the server then
// ends the session at its timeout. It must not be called from a callback.
func (c *Client) Close() error {
	gone := c.newCall()
	c.mu.Lock()
	if c.mu.ended != nil {
		c.mu.ended = core.ErrClosed
		c.mu.Unlock()
		<-c.done
		return nil
	}
	if c.mu.closing {
		c.mu.Unlock()
		<-c.done
		return nil
	}
	c.mu.closing = true
	c.enqueueLocked(wire.OpCloseSession, nil, gone)
	c.mu.Unlock()

	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	err := error(core.ConnectionLoss)
	select {
	case <-gone.done:
		err = gone.failure()
	case <-patience.C:
	}
	over := core.IsSessionOver(err)
	c.end(core.ErrClosed)
	<-c.done
	if err != nil && !over {
		return &core.OpError{Op: "closeSession", Err: err}
	}
	return nil
}

// Detach lets go of the session without ending it: its ephemeral znodes stay until
// its timeout is over. Calls under way fail with ConnectionLoss, or with ErrClosed
// if they were not sent. It must not be called from a callback.
func (c *Client) Detach() {
	c.end(core.ErrClosed)
	<-c.done
}

// end makes err the reason why the session is over, and lets everybody go.
func (c *Client) end(err error) {
	c.mu.Lock()
	if c.mu.ended != nil {
		c.mu.Unlock()
		return
	}
	c.mu.ended = err
	link := c.mu.link
	c.mu.link = nil
	sent, unsent := c.mu.takeAll()
	c.mu.Unlock()

	c.cancel()
	if link != nil {
		link.conn.Close()
	}
	for _, e := range sent {
		e.fail(core.ConnectionLoss)
	}
	for _, e := range unsent {
		e.fail(err)
	}
	c.watches.end(err)
	select {
	case c.first <- err:
	default:
	}
}

// sinceBegin is the client's own clock.
func (c *Client) sinceBegin() time.Duration { return time.Since(c.begun) }

// sinceContact is how long no server was heard.
func (c *Client) sinceContact() time.Duration {
	return c.sinceBegin() - time.Duration(c.contact.Load())
}

// pace is the timeout by which a server is given up: the session's, or less.
func (c *Client) pace() time.Duration {
	if c.opt.Silence > 0 {
		return min(c.timeout(), c.opt.Silence*3/2)
	}
	return c.timeout()
}

// timeout is the session's, or the one to ask for while there is none.
func (c *Client) timeout() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.session.ID != 0 {
		return c.mu.session.Timeout
	}
	return c.opt.Timeout
}
