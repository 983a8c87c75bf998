package replica

import (
	"net/netip"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/watch"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// ConnID names a connection of this server. Ids are never used twice.
type ConnID = watch.ConnID

// Now is the time at a Step.
type Now struct {
	Mono int64 // monotonic milliseconds; only differences mean anything
	Wall int64 // milliseconds since 1970
}

// Input is one of the types below and nothing else.
type Input interface{ isInput() }

// Start begins the replica's life. It is the first input.
type Start struct {
	// Short says that the disk has little room: then a snapshot comes first, so that
	// what it covers of the log can go before anything is added.
	Short bool
}

// Connected says that a connection was opened.
type Connected struct {
	Conn   ConnID
	Remote netip.AddrPort
	// Local marks a connection from within the process: it carries IDs as its
	// identities, its session's timeout is not clamped, and its watch events
	// carry the znode (see AppendLocalEvent).
	Local bool
	IDs   []core.Identity
}

// Requests brings frames of one connection: whole, each behind its length, in
// order. Frames is not kept.
type Requests struct {
	Conn   ConnID
	Frames []byte
}

// Gone says that a connection is closed. Its session lives on until its timeout.
type Gone struct{ Conn ConnID }

// Drained says that a connection's output, which was asked to be told of
// (ConnOutput.WantDrained), has left.
type Drained struct{ Conn ConnID }

// Touched tells of signs of life of sessions that came by another way than a
// request on their connection.
type Touched struct{ Sessions []core.SessionID }

// Synced says that every record up to UpTo survives a crash.
type Synced struct {
	Generation uint64
	UpTo       core.Zxid
}

// MetaSynced says that the epochs last asked for survive a crash.
type MetaSynced struct{ Generation uint64 }

// LogRead brings records that were asked for with Output.ReadLog, in order.
type LogRead struct {
	Generation uint64
	Records    []wire.Record
	// Done is set with the last of them. Gone comes in its place where the log does not
	// hold them any more, which only a later role can have brought about.
	Done, Gone bool
}

// More lets a connection go on that has had its share of an earlier Step: the
// answer to Output.More.
type More struct{}

// DiskLow says that the disk is nearly full, or that it no longer is: until then
// clients' writes are refused, but for those that free something (zab Z-07). Scarce is
// that so much is used of what was left that hardly anything may grow any more, whosever it
// is.
type DiskLow struct{ On, Scarce bool }

// ViewRead is a long read: Output.ViewReads asks for it to be made, on a view and
// away from the loop, and it comes back as an input when Make has been called.
type ViewRead struct {
	Conn ConnID

	w    waiting
	zxid core.Zxid
	view *tree.View
	ref  tree.Ref
	stat core.Stat
	body []byte
}

// SnapshotLoaded brings the state that Output.LoadSnapshot asked for. Txns and Bytes are
// what of the log has been applied to it since its snapshot.
type SnapshotLoaded struct {
	State *state.State
	Txns  int
	Bytes int64
}

// SnapshotWritten says that the snapshot that Output.Snapshot asked for exists,
// or, with Failed, that it could not be made and none came to harm.
type SnapshotWritten struct {
	Zxid   core.Zxid
	Failed bool
	Base   core.Zxid // where the log begins, now that there is the snapshot
}

// Message is one of a peer.
type Message struct {
	From core.PeerID
	Body []byte
}

// LinkUp says that a link with a peer is open; Gen tells links apart.
type LinkUp struct {
	Peer core.PeerID
	Gen  uint64
}

// LinkDown says that it is closed.
type LinkDown struct {
	Peer core.PeerID
	Gen  uint64
}

// Truncated says that the log ends where Output.Truncate said, durably.
type Truncated struct{}

// Fed brings records that Output.Feeds asked for.
type Fed struct {
	Feed    zab.Feed
	Records []wire.Record
	Done    bool // set with the last of them
	// Gone says that they are not in the log any more, which begins at Base.
	Gone bool
	Base core.Zxid
}

// SnapshotInstalled says that the snapshot that came with Output.Install is what the
// log begins with, durably, and brings its state.
type SnapshotInstalled struct {
	At    zab.Position
	State *state.State
}

// SnapshotNow asks for a snapshot at once, as an operator does.
type SnapshotNow struct{}

// Transfer asks a leader to hand the leadership over to another voter, 0 for the one
// that has most. Clients notice nothing. One that does not lead passes it on to the
// leader; a leader whose successor is not in step does nothing.
type Transfer struct{ To core.PeerID }

// Survey asks the servers of the ensemble how they stand: see Replica.Reports.
type Survey struct{}

// Drain sends the clients of this server to others, and the leadership with them, until
// it is taken back with On false. A server that decides alone goes on.
type Drain struct{ On bool }

// Kick closes the connection of a session; the session itself lives on.
type Kick struct{ Session core.SessionID }

// Tick tells that time has passed. It comes every 50 ms or so.
type Tick struct{}

func (Start) isInput()             {}
func (Connected) isInput()         {}
func (Requests) isInput()          {}
func (Gone) isInput()              {}
func (Drained) isInput()           {}
func (Touched) isInput()           {}
func (Synced) isInput()            {}
func (MetaSynced) isInput()        {}
func (LogRead) isInput()           {}
func (SnapshotLoaded) isInput()    {}
func (SnapshotWritten) isInput()   {}
func (Message) isInput()           {}
func (LinkUp) isInput()            {}
func (LinkDown) isInput()          {}
func (DiskLow) isInput()           {}
func (More) isInput()              {}
func (ViewRead) isInput()          {}
func (Truncated) isInput()         {}
func (Fed) isInput()               {}
func (SnapshotInstalled) isInput() {}
func (SnapshotNow) isInput()       {}
func (Transfer) isInput()          {}
func (Survey) isInput()            {}
func (Drain) isInput()             {}
func (Kick) isInput()              {}
func (Tick) isInput()              {}
