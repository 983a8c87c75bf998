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
// the sockets from then on. It is nil for one who keeps nobody waiting.
func (n *Node) NewIntake(relieve func()) *Intake { return &Intake{node: n, relieve: relieve} }

// helpBytes is how much is little enough to be carried by whoever has read it.
const helpBytes = 4 << 10

// Submit is Node.Submit; the loop may hear of it with Done only.
func (in *Intake) Submit(id replica.ConnID, b *Buffer) bool {
	return in.bring(item{in: replica.Requests{Conn: id, Frames: b.B}, buf: b})
}

// bring puts something into the inbox, of which the loop may hear with Done only. It
// waits for room there, and reports whether the inbox is still open.
func (in *Intake) bring(it item) bool {
	if in.bytes += it.size(); in.bytes > helpBytes {
		in.wake()
		return in.node.inbox.put(it, true)
	}
	first, ok := in.node.inbox.add(it, true)
	in.first = in.first || first
	return ok
}

func (in *Intake) wake() {
	if in.first {
		in.first = false
		in.node.inbox.signal()
	}
}

// Done says that this is all for now. lone says that whoever brings it has been the only
// one to ask for anything for some time: then the log is synced on the way, too, where
// that is quick. It reports whether it took so long that somebody else reads now, and
// the caller is to let be.
func (in *Intake) Done(lone bool) (relieved bool) {
	in.bytes = 0
	if !in.first {
		return false
	}
	in.first = false
	if !lone || !in.node.disk.quick.Load() {
		in.node.help(nil)
		return false
	}
	return in.node.help(in)
}
