package node

import "github.com/zensus-io/zensus/core/replica"

// Intake brings what one look at many sockets has found. If it is little and
// nobody has the loop in his hands, whoever has looked carries it through himself
// (help). He must not hold what a Port needs. It belongs to one goroutine.
type Intake struct {
	node    *Node
	relieve func()
	bytes   int
	first   bool // the loop has not been woken for what was brought
}

// NewIntake makes one that is used again and again. relieve is called, on another
// goroutine, when Done does not come back in good time: somebody else should read
// the sockets from then on.
func (n *Node) NewIntake(relieve func()) *Intake { return &Intake{node: n, relieve: relieve} }

// helpBytes is how much is little enough to be carried by whoever has read it.
const helpBytes = 4 << 10

// Submit is Node.Submit; the loop may hear of it with Done only.
func (in *Intake) Submit(id replica.ConnID, b *Buffer) bool {
	if in.bytes += len(b.B); in.bytes > helpBytes {
		in.wake()
		return in.node.Submit(id, b)
	}
	first, ok := in.node.inbox.add(item{in: replica.Requests{Conn: id, Frames: b.B}, buf: b}, true)
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
// on the way, too, where that is quick. It reports whether it took so long that
// somebody else reads now, and the caller is to let be.
func (in *Intake) Done(lone bool) (relieved bool) {
	in.bytes = 0
	if !in.first {
		return false
	}
	in.first = false
	if !lone || !in.node.disk.quick.Load() {
		in.node.help(false)
		return false
	}
	in.node.lonely.Store(in)
	in.node.help(true)
	return !in.node.lonely.CompareAndSwap(in, nil)
}
