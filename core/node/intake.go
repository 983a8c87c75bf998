package node

import "github.com/zensus-io/zensus/core/replica"

// Intake brings what one look at many sockets has found. If it is little and
// nobody has the loop in his hands, whoever has looked carries it through himself
// (help). He must not hold what a Port needs. It belongs to one goroutine.
type Intake struct {
	node  *Node
	bytes int
	first bool // the loop has not been woken for what was brought
}

// NewIntake makes one that is used again and again.
func (n *Node) NewIntake() *Intake { return &Intake{node: n} }

// helpBytes is how much is little enough to be carried by whoever has read it.
const helpBytes = 4 << 10

// Submit is Node.Submit; the loop may hear of it with Done only.
func (in *Intake) Submit(id replica.ConnID, b *Buffer) bool {
	if in.bytes += len(b.B); in.bytes > helpBytes {
		in.wake() // and only then wait for room
		return in.node.Submit(id, b)
	}
	first, ok := in.node.inbox.add(item{in: replica.Requests{Conn: id, Frames: b.B}, buf: b}, false)
	in.first = in.first || first
	return ok
}

func (in *Intake) wake() {
	if in.first {
		in.first = false
		in.node.inbox.signal()
	}
}

// Done says that this is all for now. lone says that it came from a connection
// that has been the only one to say anything for some time: then the log is synced
// on the way, too, where that is quick.
func (in *Intake) Done(lone bool) {
	if in.first {
		in.first = false
		in.node.help(lone && in.node.disk.quick.Load())
	}
	in.bytes = 0
}
