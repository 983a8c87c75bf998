package node

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
)

// Links is how messages go to the other nodes (core/peer.Transport).
type Links interface {
	// Send queues a message if the link of that generation is still there, and never
	// waits.
	Send(p core.PeerID, gen uint64, appendTo func([]byte) []byte)
	// SendSlowly waits while much is queued. It reports false when the link is over.
	SendSlowly(p core.PeerID, gen uint64, appendTo func([]byte) []byte) bool
}

// noLinks are those of a single server.
type noLinks struct{}

func (noLinks) Send(core.PeerID, uint64, func([]byte) []byte)            {}
func (noLinks) SendSlowly(core.PeerID, uint64, func([]byte) []byte) bool { return false }

// Link gives the node its links. It must be called before Run.
func (n *Node) Link(l Links) { n.links = l }

// LinkUp implements peer.Handler.
func (n *Node) LinkUp(p core.PeerID, gen uint64) {
	n.inbox.put(item{in: replica.LinkUp{Peer: p, Gen: gen}}, false)
}

// LinkDown implements peer.Handler.
func (n *Node) LinkDown(p core.PeerID, gen uint64) {
	n.inbox.put(item{in: replica.LinkDown{Peer: p, Gen: gen}}, false)
}

// Receive implements peer.Handler. It waits while much waits for the loop.
func (n *Node) Receive(p core.PeerID, _ uint64, body []byte) {
	n.inbox.put(item{in: replica.Message{From: p, Body: body}, bytes: len(body)}, true)
}
