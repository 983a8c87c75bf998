package node

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
)

// Contact is how a node stands with its ensemble.
type Contact struct {
	// Serving says that the node has a part in a quorum, as far as it knows; Since is
	// when that began, or ended.
	Serving bool
	Since   time.Time
	// Troubles counts what may make sessions end through no fault of their clients: a
	// quorum lost or found, another leader, a link to another node that broke, a stall
	// of this node.
	Troubles uint64
}

// contact is kept by the loop and read by anybody.
type contact struct {
	serving atomic.Bool
	mu      struct {
		sync.Mutex
		now     Contact
		changed chan struct{} // closed with the next change
	}

	epoch core.Epoch // owned by the loop
}

func newContact() *contact {
	c := new(contact)
	c.mu.now.Since = time.Now()
	c.mu.changed = make(chan struct{})
	return c
}

// stand notes whether the node serves, and in which epoch. It is for the loop alone.
func (c *contact) stand(serving bool, epoch core.Epoch) {
	was := c.serving.Load()
	if was == serving && (!serving || c.epoch == epoch) {
		return
	}
	c.epoch = epoch
	c.mu.Lock()
	defer c.mu.Unlock()
	if was != serving {
		c.mu.now.Serving, c.mu.now.Since = serving, time.Now()
		c.serving.Store(serving) // under the lock: whoever has seen it is told the same by Contact
	}
	c.troubleLocked()
}

// trouble counts one.
func (c *contact) trouble() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.troubleLocked()
}

func (c *contact) troubleLocked() {
	c.mu.now.Troubles++
	close(c.mu.changed)
	c.mu.changed = make(chan struct{})
}

// Contact says how the node stands with its ensemble. The channel is closed when that
// is no longer all.
func (n *Node) Contact() (Contact, <-chan struct{}) {
	c := n.contact
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.now, c.mu.changed
}

// Connected reports whether the node that the session is with has a part in a quorum, as
// far as it knows. Without it the session can read what is applied here, as it is
// after a stall too; writes and syncs are refused with core.NotReadOnly, and nothing
// of them is done.
func (c *client) Connected() bool { return c.node.contact.serving.Load() }
