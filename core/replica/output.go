package replica

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// Output is what the shell must do after a Step, or after several in a row: the
// disk jobs of its Generation in the order of the fields, and Conns. The shell
// owns it and calls Reset when it has taken everything out.
type Output struct {
	Generation uint64
	// LoadSnapshot asks for the newest snapshot; SnapshotLoaded answers.
	LoadSnapshot bool
	// Truncate is to be made before Append; Truncated answers.
	Truncate *zab.Position
	// Append is to be written and synced; Synced answers, once for many.
	Append []wire.Record
	// Epochs is to be made durable after Append; MetaSynced answers.
	Epochs *zab.Epochs
	// ReadLog asks for parts of the log that are durable already, and of which nothing is
	// being removed; LogRead answers each. It needs not wait for the jobs above.
	ReadLog []LogRange
	// Snapshot asks for a snapshot of the view, which the shell closes; Chain is
	// the chain hash at its zxid. SnapshotWritten answers.
	Snapshot *SnapshotJob
	// Members are set when others have become the members of the ensemble: those that
	// the shell is to be linked with. Send comes before it.
	Members *zab.Members
	// Send is for peers, in order.
	Send []Envelope
	// Feeds asks for parts of the log for learners; Fed answers.
	Feeds []zab.Feed
	// SendSnapshots are to be sent to learners.
	SendSnapshots []SendSnapshot
	// Unsent are those to whom nothing more of a snapshot is to be sent.
	Unsent []Unsent
	// Install is what came of a snapshot, in order; SnapshotInstalled answers the last
	// part.
	Install []zab.Snap
	// ViewReads are to be made by somebody else than the loop, in any order.
	ViewReads []*ViewRead
	// More asks for a More, behind whatever else has come meanwhile.
	More bool
	// Conns lists the connections with something to send or to be closed, each
	// once. Bytes are the shell's from now on.
	Conns []*ConnOutput
	// Holds says of connections that their requests should, or need no longer,
	// wait in the socket.
	Holds []Hold
	// Notes lists what the log should tell an operator.
	Notes []Note
	// Buffer, where it is set, gives memory for what a connection is sent. Reset
	// leaves it.
	Buffer func() []byte
}

// LogRange is the part of the log after After up to UpTo, for a role.
type LogRange struct {
	Generation  uint64
	After, UpTo core.Zxid
}

// SnapshotJob is a snapshot to be written.
type SnapshotJob struct {
	View  *state.View
	Chain uint64
	// AtStart: nothing is logged before it is written, which is to make room.
	AtStart bool
}

// SendSnapshot is a snapshot for a learner, as messages of its Stream; the shell closes
// the view.
type SendSnapshot struct {
	Learner zab.Learner
	View    *state.View
	Chain   uint64
}

// Unsent says that the sending of a snapshot to a learner has no use any more: it has
// installed it, or its stream is over.
type Unsent struct {
	Learner   zab.Learner
	Installed bool
}

// ConnOutput is what one connection is to be sent.
type ConnOutput struct {
	Conn  ConnID
	Bytes []byte
	// Close asks for the connection to be closed after Bytes.
	Close bool
	// WantDrained asks for a Drained when Bytes have left.
	WantDrained bool

	queued bool
}

// Take hands over what is to be sent and leaves an empty buffer, fresh, in its
// place; nil for one from Output.Buffer when it is needed.
func (o *ConnOutput) Take(fresh []byte) (bytes []byte, closed, wantDrained bool) {
	bytes, closed, wantDrained = o.Bytes, o.Close, o.WantDrained
	o.Bytes, o.WantDrained, o.queued = fresh[:0], false, false
	return bytes, closed, wantDrained
}

// Hold stops or lets go on the reading of a connection's requests.
type Hold struct {
	Conn ConnID
	On   bool
}

// Note is something that the log should tell.
type Note struct {
	What NoteKind
	Path string
	Zxid core.Zxid
}

// NoteKind says what a Note is about.
type NoteKind uint8

const (
	// NoteSoftQuota says that a quota's soft limit was passed at Path.
	NoteSoftQuota NoteKind = iota + 1
	// NoteLeading says that the server serves, from Zxid on.
	NoteLeading
	// NoteFollowing says that the server serves as a learner, from Zxid on.
	NoteFollowing
	// NoteBadMessage says that a peer sent what is no message.
	NoteBadMessage
	// NoteRemoved says that this server is no member of the ensemble since Zxid.
	NoteRemoved
	// NoteReadOnly says that there is no quorum, and reads of what was committed up to
	// Zxid are served to those who ask for no more.
	NoteReadOnly
	// NoteReadOnlyEnds says that they no longer are.
	NoteReadOnlyEnds
	// NoteStall says that the server itself stood still; nobody is expired for it.
	NoteStall
)

// Reset empties the output and keeps its memory.
func (o *Output) Reset() {
	clear(o.Append)
	clear(o.Conns)
	clear(o.ViewReads)
	clear(o.Send)
	*o = Output{Append: o.Append[:0], Send: o.Send[:0], ViewReads: o.ViewReads[:0], Conns: o.Conns[:0], Holds: o.Holds[:0], Notes: o.Notes[:0], Buffer: o.Buffer}
}
