package zab

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Message is one of the types below and nothing else: what servers say to one
// another. On a link they arrive in the order in which they were sent, or not at
// all from some point on.
type Message interface{ isMessage() }

// Stream names one attempt of a learner to follow: it is the generation of the
// learner's role, and everything that leader and learner say to one another in it
// carries it. What belongs to an earlier attempt is dropped (Z-18).
type Stream uint64

// Notification is a vote, or the answer of one who has a role to one who looks for
// a leader.
type Notification struct {
	State Role
	Vote  Vote
	Round uint64 // of the election that the vote belongs to
	// Fresh: the sender has promised nothing and logged nothing, ever, and looks for
	// a leader (Z-14).
	Fresh bool
	// Members are what the last reconfiguration that the sender knows to be committed
	// has made of the ensemble (Z-60); nil if there was none.
	Members *Members
}

// FollowerInfo asks a leader to be taken in.
type FollowerInfo struct {
	Stream   Stream
	Accepted core.Epoch
	Observer bool
	Voteable bool // it may be counted (Z-14)
}

// LeaderInfo tells the epoch of a leader that a quorum makes possible.
type LeaderInfo struct {
	Stream Stream
	Epoch  core.Epoch
}

// AckEpoch promises to accept no earlier epoch, and tells where the history stands.
type AckEpoch struct {
	Stream  Stream
	Counted bool // false: the epoch had been accepted before
	Current core.Epoch
	Last    core.Zxid // of the log
	Chain   uint64    // at Last
	Base    core.Zxid // where the log begins
	Epochs  []EpochEnd
	Have    Partial // of a snapshot that broke off
}

// Partial is the beginning of a snapshot that a learner has.
type Partial struct {
	ID    uint64 // of the snapshot; 0 is none
	At    Position
	Parts uint32 // that have come, in order
}

// Diff says that the learner's log is a prefix of the leader's, which goes on
// behind it.
type Diff struct {
	Stream Stream
	After  core.Zxid
}

// Trunc has everything behind a record removed first.
type Trunc struct {
	Stream Stream
	Keep   core.Zxid
	Chain  uint64 // at Keep
}

// Snap brings a part of a snapshot of committed state, from which the learner's log
// begins anew. All parts name the position; the last one says that it is. A stream of
// parts begins with the first, or goes on where another stream of the same snapshot
// broke off.
type Snap struct {
	Stream Stream
	At     Position
	Digest uint64 // of the tree
	ID     uint64 // of the snapshot: no two of any servers have the same, and none has 0
	Part   uint32 // from 0 on
	Data   []byte
	Last   bool
}

// Installed says that the snapshot is in place and durable.
type Installed struct {
	Stream Stream
	Zxid   core.Zxid
}

// NewLeader brings the marker of the epoch. Behind it the learner has the whole
// history that the epoch begins with.
type NewLeader struct {
	Stream Stream
	Marker wire.Record
}

// Propose brings records in order, and tells what is committed.
type Propose struct {
	Stream    Stream
	Records   []wire.Record
	Committed core.Zxid
}

// Progress tells how far the learner's log is durable before it has accepted the
// epoch. It acknowledges nothing, and makes room for more.
type Progress struct {
	Stream Stream
	Zxid   core.Zxid
}

// Ack says that every record up to and including Zxid is durable; that of an
// epoch's marker accepts the epoch.
type Ack struct {
	Stream Stream
	Zxid   core.Zxid
}

// Vouch says that the learner, which had no history to vouch for when it asked to be taken
// in, has one since it is up to date, and that its disk says so.
type Vouch struct{ Stream Stream }

// UpToDate says that a quorum has accepted the epoch: a learner that has applied
// everything up to Committed may serve.
type UpToDate struct {
	Stream    Stream
	Committed core.Zxid
}

// Ping asks for a sign of life.
type Ping struct {
	Stream Stream
	Nonce  uint64
}

// Pong is the answer, with the nonce of the question.
type Pong struct {
	Stream  Stream
	Nonce   uint64
	Durable core.Zxid
}

// Elect ends a leadership in favour of a successor, whom everybody is to vote for: it
// has all that was proposed, and all of that is committed.
type Elect struct {
	Stream Stream
	Vote   Vote
}

// Leave ends an attempt: by a leader that is one no more or that cannot take the
// learner, or by a learner that looks for another.
type Leave struct{ Stream Stream }

func (Notification) isMessage() {}
func (FollowerInfo) isMessage() {}
func (LeaderInfo) isMessage()   {}
func (AckEpoch) isMessage()     {}
func (Diff) isMessage()         {}
func (Trunc) isMessage()        {}
func (Snap) isMessage()         {}
func (Installed) isMessage()    {}
func (NewLeader) isMessage()    {}
func (Propose) isMessage()      {}
func (Progress) isMessage()     {}
func (Ack) isMessage()          {}
func (UpToDate) isMessage()     {}
func (Ping) isMessage()         {}
func (Pong) isMessage()         {}
func (Elect) isMessage()        {}
func (Leave) isMessage()        {}
func (Vouch) isMessage()        {}

// EpochEnd is the last position of an epoch in a log.
type EpochEnd struct {
	Last  core.Zxid
	Chain uint64 // at Last
}
