package node

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/peer"
	"github.com/zensus-io/zensus/core/replica"
)

// Links is how messages go to the other nodes (core/peer.Transport).
type Links interface {
	// Send queues a message if the link of that generation is still there, and never
	// waits.
	Send(p core.PeerID, gen uint64, appendTo func([]byte) []byte)
	// Flush sees to it that what was queued goes out, to one peer before the others, on
	// the caller's goroutine where that is quick.
	Flush(first core.PeerID)
	// SendSlowly waits while much is queued. It reports false when the link is over.
	SendSlowly(p core.PeerID, gen uint64, appendTo func([]byte) []byte) bool
}

// noLinks are those of a single server.
type noLinks struct{}

func (noLinks) Send(core.PeerID, uint64, func([]byte) []byte)            {}
func (noLinks) Flush(core.PeerID)                                        {}
func (noLinks) SendSlowly(core.PeerID, uint64, func([]byte) []byte) bool { return false }

// Link gives the node its links. It must be called before Run.
func (n *Node) Link(l Links) { n.links = l }

// LinkUp implements peer.Handler.
func (n *Node) LinkUp(p core.PeerID, gen uint64, relieve func()) peer.Receiver {
	n.inbox.put(item{in: replica.LinkUp{Peer: p, Gen: gen}}, false)
	return &receiver{peer: p, intake: n.NewIntake(relieve)}
}

// LinkDown implements peer.Handler.
func (n *Node) LinkDown(p core.PeerID, gen uint64) {
	n.inbox.put(item{in: replica.LinkDown{Peer: p, Gen: gen}}, false)
}

// receiver brings what comes over a link.
type receiver struct {
	peer   core.PeerID
	intake *Intake
}

// Receive implements peer.Receiver. It waits while much waits for the loop.
func (r *receiver) Receive(body []byte, more bool) (relieved bool) {
	n := r.intake.node
	it := item{in: replica.Message{From: r.peer, Body: body}, bytes: len(body)}
	if more {
		n.inbox.put(it, true)
		return false
	}
	r.intake.bring(it)
	return r.intake.Done(n.disk.alone())
}
