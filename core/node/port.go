package node

import (
	"net/netip"
	"sync"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
)

// Port is the node's end of a connection. Its methods are called by whoever
// flushes, one at a time for one Port but beside those of others, and must not block.
type Port interface {
	// Send takes what is to be sent.
	Send(Delivery)
	// Hold asks that no further requests be read, or lets go on.
	Hold(on bool)
}

// Delivery is something for a connection.
type Delivery struct {
	// Bytes are whole frames. They are the port's, which gives them back with
	// Recycle once they have left.
	Bytes []byte
	// Close asks for the connection to be closed once Bytes have left.
	Close bool
	// WantDrained asks for Node.Drained once Bytes have left.
	WantDrained bool
	// Applied, where it is not 0, says that everything up to it has been sent.
	Applied core.Zxid
}

// Buffer is memory for requests on their way to the loop.
type Buffer struct{ B []byte }

// SmallBytes is the memory of a SmallBuffer.
const SmallBytes = 512

const (
	bufferBytes    = 16 << 10
	bufferBytesMax = 256 << 10 // larger ones are left to the collector
)

var (
	buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, bufferBytes)} }}
	smalls  = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, SmallBytes)} }}
)

// GetBuffer returns an empty buffer.
func GetBuffer() *Buffer { return buffers.Get().(*Buffer) }

// SmallBuffer returns an empty buffer for a frame or two, as a ping is.
func SmallBuffer() *Buffer { return smalls.Get().(*Buffer) }

// Release gives a buffer back that was not submitted.
func (b *Buffer) Release() {
	size := cap(b.B)
	b.B = b.B[:0]
	switch {
	case size == SmallBytes:
		smalls.Put(b)
	case size >= bufferBytes && size <= bufferBytesMax:
		buffers.Put(b)
	}
}

// outputBytes is the memory that a connection's output begins with. One that says
// more makes it grow, and it is used again as it is then.
const outputBytes = 512

// outputs recycles the memory of Delivery.Bytes, and heads what points to it:
// a slice's head that were put anew each time would itself be allocated.
var (
	outputs = sync.Pool{New: func() any { b := make([]byte, 0, outputBytes); return &b }}
	heads   = sync.Pool{New: func() any { return new([]byte) }}
)

// takeOutput is memory for the replies to one connection in one turn. One that
// has nothing to be sent has none.
func takeOutput() []byte {
	head := outputs.Get().(*[]byte)
	b := *head
	*head = nil
	heads.Put(head)
	return b
}

// Recycle gives back the bytes of a Delivery.
func Recycle(b []byte) {
	if cap(b) == 0 || cap(b) > bufferBytesMax {
		return
	}
	head := heads.Get().(*[]byte)
	*head = b[:0]
	outputs.Put(head)
}

// Connect announces a connection. Everything that concerns it carries the id.
func (n *Node) Connect(remote netip.AddrPort, p Port) replica.ConnID {
	id := replica.ConnID(n.lastConn.Add(1))
	n.inbox.put(item{in: replica.Connected{Conn: id, Remote: remote}, port: p}, false)
	return id
}

// Submit brings requests of a connection: whole frames, each behind its length.
// The buffer is the node's from now on. It waits while the node has more to do
// than it can, and reports false when the node has ended.
func (n *Node) Submit(id replica.ConnID, b *Buffer) bool {
	return n.inbox.put(item{in: replica.Requests{Conn: id, Frames: b.B}, buf: b}, true)
}

// Disconnect says that a connection is closed.
func (n *Node) Disconnect(id replica.ConnID) {
	n.inbox.put(item{in: replica.Gone{Conn: id}}, false)
}

// Drained says that the delivery that asked for it has left.
func (n *Node) Drained(id replica.ConnID) {
	n.inbox.put(item{in: replica.Drained{Conn: id}}, false)
}
