package zab

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Position is a place in the log.
type Position struct {
	Zxid  core.Zxid
	Chain uint64 // after it
}

// Envelope is a message under way.
type Envelope struct {
	To  core.PeerID
	Msg Message
}

// Feed asks for records of the log that a learner lacks: those after After, up to
// UpTo, all of which are durable.
type Feed struct {
	Peer        core.PeerID
	Stream      Stream
	After, UpTo core.Zxid
}

// Output collects what the owner must do: Truncate, then Append in order, then
// Epochs, when set, are to be made durable one after the other, and answered with
// Truncated, Synced and EpochsSynced. Send is to be sent in order.
type Output struct {
	Truncate *Position
	Append   []wire.Record
	Epochs   *Epochs
	Send     []Envelope
	// Members are set when others have become the members.
	Members *Members
	Feeds   []Feed
	// Snapshots asks for snapshots of the committed state, sent as Snap messages.
	Snapshots []Learner
	// Install is what came of one: the parts in order. Part 0 begins anew, whatever has
	// come before; one with the ID 0 says that this is of no use any more. The last part
	// is answered with SnapshotInstalled.
	Install []Snap
}

// Learner names one that follows this server.
type Learner struct {
	Peer   core.PeerID
	Stream Stream
	Have   Partial // of a snapshot, when another is asked for
}

// Proposal is a record that was proposed or logged and is not yet applied.
type Proposal struct {
	Zxid    core.Zxid
	Kind    wire.RecordKind
	Payload []byte
	Chain   uint64 // the chain hash after it
	// What the leader's tree was at CommitHint, where DigestVersion is not 0.
	CommitHint    core.Zxid
	DigestVersion uint32
	TreeDigest    uint64
}

// LearnerInfo is what a leader knows of a learner.
type LearnerInfo struct {
	Peer     core.PeerID
	Observer bool
	Counts   bool // its acks do
	UpToDate bool // it serves
	Snap     bool // it is being sent a snapshot
	Sent     core.Zxid
	Acked    core.Zxid // 0 for observers, and before the epoch is accepted
	HeardAgo int64     // milliseconds
}

// SyncKind is how a learner came to its leader's history.
type SyncKind uint8

// The ways: from the end of its log on, after something was removed from it, or from a
// snapshot.
const (
	SyncNone SyncKind = iota
	SyncDiff
	SyncTrunc
	SyncSnap
)

// String is the name that the protocol has for it, "-" for none.
func (k SyncKind) String() string { return [...]string{"-", "DIFF", "TRUNC", "SNAP"}[k] }

// Stats counts what happened since the start.
type Stats struct {
	Elections         uint64 // that this server took part in
	Diff, Trunc, Snap uint64 // learners, by how they were brought up to date
	Abandoned         uint64 // leaders that this server gave up
	Handed            uint64 // leaderships that it handed over
	Strangers         uint64 // messages of peers that are no members
	Reconfigured      uint64 // reconfigurations that were committed
}
