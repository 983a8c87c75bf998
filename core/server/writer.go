package server

import (
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/zensus-io/zensus/core/node"
)

// Send writes what the node has for this client (node.Port). Calls come one at a
// time: what comes while somebody writes is that writer's, and a Send that writes
// itself looks at no queue.
func (c *conn) Send(d node.Delivery) {
	c.mu.Lock()
	if c.mu.closing || c.mu.dead {
		c.mu.Unlock()
		node.Recycle(d.Bytes)
		return
	}
	if c.mu.writing {
		c.mu.queue = append(c.mu.queue, d)
		c.mu.unsent += len(d.Bytes)
		over := c.mu.unsent > outputBytesMax
		if d.Close {
			c.endLocked() // also of the write that is stuck now
		}
		c.mu.Unlock()
		if over {
			c.server.log.Warn("client does not read", "client", c.remote.String())
			c.abort()
		}
		return
	}
	c.mu.writing = true
	c.mu.Unlock()
	n, blocked := c.tryWrite(d.Bytes)
	if blocked || n < len(d.Bytes) {
		c.mu.Lock()
		c.mu.unsent += len(d.Bytes) - n
		c.giveUpLocked(stuckTime)
		if d.Close {
			c.endLocked()
		}
		c.mu.Unlock()
		go c.write(d, n)
		return
	}
	c.sent(d)
	c.mu.Lock()
	c.writtenLocked()
	c.mu.Unlock()
}

// giveUpLocked gives the client up if that is not put off or called off within a
// time; the last words have lingerTime and no more.
func (c *conn) giveUpLocked(after time.Duration) {
	switch {
	case c.mu.ending || c.mu.dead:
	case c.mu.giveUp == nil:
		c.mu.giveUp = time.AfterFunc(after, c.abort)
	default:
		c.mu.giveUp.Reset(after)
	}
}

func (c *conn) keepLocked() {
	if c.mu.giveUp != nil && !c.mu.ending {
		c.mu.giveUp.Stop()
		c.mu.giveUp = nil
	}
}

// endLocked gives everything that is still to be written lingerTime and no more:
// the node has forgotten this connection, and no session times it out.
func (c *conn) endLocked() {
	c.giveUpLocked(lingerTime)
	c.mu.ending = true
}

// sent is called when all of a delivery has left.
func (c *conn) sent(d node.Delivery) {
	node.Recycle(d.Bytes)
	if d.WantDrained {
		c.server.node.Drained(c.id)
	}
	if d.Close {
		c.finish()
	}
}

// write is the writer: it writes a delivery from offset on, and then what has
// queued behind it.
func (c *conn) write(d node.Delivery, offset int) {
	for {
		if err := c.writeAll(d.Bytes[offset:]); err != nil {
			c.abort()
			c.mu.Lock()
			c.writtenLocked()
			c.mu.Unlock()
			return
		}
		c.sent(d)
		c.mu.Lock()
		if len(c.mu.queue) == 0 || c.mu.dead {
			c.keepLocked()
			c.writtenLocked()
			c.mu.Unlock()
			return
		}
		d, offset = c.mu.queue[0], 0
		c.mu.queue[0] = node.Delivery{}
		c.mu.queue = c.mu.queue[1:]
		c.mu.Unlock()
	}
}

func (c *conn) writeAll(b []byte) error {
	for len(b) > 0 {
		c.mu.Lock()
		c.giveUpLocked(stuckTime)
		c.mu.Unlock()
		n, err := c.writeSome(b[:min(len(b), writeBytes)])
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.mu.unsent -= n
		c.roomLocked()
		c.mu.Unlock()
		b = b[n:]
	}
	return nil
}

// writeSome writes something, waiting if need be.
func (c *conn) writeSome(b []byte) (int, error) {
	if c.net != nil {
		return c.net.Write(b)
	}
	for misses := 0; ; misses++ {
		n, err := writeDescriptor(c.fd, b)
		if !errors.Is(err, syscall.EAGAIN) {
			return n, err
		}
		if misses > 1 { // the socket has room and the system has none
			time.Sleep(missTime)
		}
		if !c.awaitRoom() {
			return 0, net.ErrClosed
		}
	}
}

func (c *conn) writtenLocked() {
	c.mu.writing = false
	c.roomLocked()
}

// finish ends the sending side: the client reads what there is, then the end. What
// it still sends is read for what is left of lingerTime, so that closing the socket
// does not take the last words back. Whoever calls it is writing.
func (c *conn) finish() {
	if c.shutdown() != nil {
		c.abort()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.closing = true
	if c.mu.polled {
		c.endLocked()
	} else {
		_ = c.net.SetReadDeadline(time.Now().Add(lingerTime))
	}
	c.roomLocked()
}

// shutdown says that nothing more is sent.
func (c *conn) shutdown() error {
	if c.net == nil {
		return shutdownDescriptor(c.fd)
	}
	if t, ok := c.net.(interface{ CloseWrite() error }); ok {
		return t.CloseWrite()
	}
	return errors.ErrUnsupported
}

// abort closes the connection at once.
func (c *conn) abort() {
	c.mu.Lock()
	c.mu.dead = true
	for _, d := range c.mu.queue {
		node.Recycle(d.Bytes)
	}
	c.mu.queue = nil
	c.wakeLocked()
	polled, nc := c.mu.polled, c.net
	c.mu.Unlock()
	if polled {
		c.server.poller.wake(c) // who lets go of it before it is closed
	} else {
		_ = nc.Close()
	}
}

// writable is called by the poller when there is room for what the writer has.
func (c *conn) writable() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.choked {
		c.mu.choked = false
		c.armLocked()
		c.wakeLocked()
	}
}

// awaitRoom has the writer wait for room in a socket that the poller knows. It
// reports false when the connection is given up.
func (c *conn) awaitRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.choked = true
	c.armLocked()
	for c.mu.choked && !c.mu.dead {
		c.waitLocked()
	}
	return !c.mu.dead
}
