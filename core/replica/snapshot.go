package replica

import (
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// snapshot asks for a snapshot when enough has happened since the last one. The
// point lies between half of the limit and the limit, by the server's id, so that
// the servers of an ensemble do not all write at once. A large tree is written more
// rarely, once in half as many transactions as it has znodes: what a snapshot costs
// a transaction then does not grow with the tree. And however fast transactions
// come, the server rests between two snapshots (see snapshotWritten), unless the
// log has grown too long for that or an operator wants one.
func (r *Replica) snapshot() {
	if r.snapshotting || !r.serving && r.zab.Phase() != zab.Synchronization {
		return
	}
	limit := r.cfg.SnapshotTxns/2 + int(uint64(r.cfg.Zab.Self)*2654435761%uint64(r.cfg.SnapshotTxns/2+1))
	limit = max(limit, r.state.Tree().Count()/snapshotShare)
	due := r.sinceSnapshot >= limit && r.now.Mono >= r.snapshotRest
	worth := r.bytesSince >= lowBytes || r.muchToGain()
	if r.disk.On && worth && (r.now.Mono >= r.snapshotRest || !r.serving) {
		due = true // one that serves nobody yet needs no rest
	}
	if !due && !r.wantSnapshot && r.bytesSince < r.cfg.SnapshotBytes {
		return
	}
	if r.sinceSnapshot == 0 && !r.wantSnapshot {
		return
	}
	r.beginSnapshot()
}

func (r *Replica) beginSnapshot() {
	r.wantSnapshot = false
	r.snapshotting = true
	r.snapshotBegan = r.now.Mono
	r.bytesOwed += r.bytesSince
	r.sinceSnapshot, r.bytesSince = 0, 0
	r.snapshotSize = r.state.Tree().DataSize()
	r.out.Snapshot = &SnapshotJob{View: r.state.View(), Chain: r.chain, AtStart: r.short}
}

const (
	// snapshotShare is how many znodes of the tree one transaction pays for when it
	// is written as a snapshot.
	snapshotShare = 2
	// snapshotRests is how many times as long as a snapshot took the rest after it
	// is: at most a quarter of the time goes into writing them.
	snapshotRests = 3
	// lowBytes is how much log a snapshot is worth when the disk is nearly full, or how much
	// that was deleted and is still in the snapshots before it.
	lowBytes = 1 << 20
	// failedRestMillis is how long, after a snapshot that did not come to be, none is made for
	// what that one would have given: there may be no room for it, and it takes what there is
	// for others.
	failedRestMillis = 60_000
)

// noteDataSize notes how much data a snapshot has that was written, or loaded.
func (r *Replica) noteDataSize(bytes int64) {
	r.dataSizes = [2]int64{r.dataSizes[1], bytes}
}

// muchToGain reports whether another snapshot is worth it for the room that it gives, beside
// that of the log since the last one began: so much was deleted since then, whatever became
// of it, or is in one of the last two that were written. Those remain where there is little
// room, and so nothing that was deleted gives room before there are two without it. After one
// that failed, the latter waits until time has passed, as does the log that it would have
// taken.
func (r *Replica) muchToGain() bool {
	size := r.state.Tree().DataSize()
	if r.snapshotSize-size >= lowBytes {
		return true
	}
	return max(r.bytesOwed, max(r.dataSizes[0], r.dataSizes[1])-size) >= lowBytes && r.now.Mono >= r.failedRest
}

// proposeForRoom proposes a record that changes nothing where a snapshot would give room
// and none can be due: there is no transaction behind the last one, and the disk is too
// full for anybody to be let make one.
func (r *Replica) proposeForRoom() {
	if r.disk.On && !r.snapshotting && r.sinceSnapshot == 0 && r.muchToGain() && r.now.Mono >= r.snapshotRest &&
		r.zab.Logged() == r.state.Applied() && r.zab.Ready() {
		r.propose(&state.Request{Op: wire.OpError})
	}
}

// makeRoom begins, at the start on a disk that has little room, with a snapshot of what
// the log knows to be committed, if that is more than the last one has. Else a server
// that has ended because its disk was full could never write one again, if that is the
// fault of its own log: it would take in what it has missed first.
func (r *Replica) makeRoom() bool {
	upTo := min(r.commitHint, r.zab.Durable())
	switch {
	case !r.short:
	case upTo > r.state.Applied():
		r.readLog(upTo)
	case r.sinceSnapshot > 0: // it came with all of that
		r.beginSnapshot()
	default:
		r.short = false
	}
	return r.short
}

func (r *Replica) readForRoom(in LogRead) {
	r.takeOver(in.Records)
	if in.Done {
		r.beginSnapshot()
	}
}

// leaveLow hands over, once, when the disk of a leader is nearly full: another may have
// room for what this one has to refuse.
func (r *Replica) leaveLow() {
	if r.disk.On && !r.lowLeft && r.leader != nil && !r.decidesAlone() {
		r.ask(func(z *zab.Output) { r.lowLeft = r.zab.Transfer(0, z) })
	}
}

// snapshotWritten begins the rest after a snapshot, whether it came to be or not.
func (r *Replica) snapshotWritten(in SnapshotWritten) {
	r.snapshotting = false
	if r.cfg.SnapshotRestMillis > 0 {
		took := r.now.Mono - r.snapshotBegan
		r.snapshotRest = r.now.Mono + max(r.cfg.SnapshotRestMillis, snapshotRests*took)
	}
	r.zab.LogBegins(in.Base)
	if r.short {
		r.short = false
		r.ask(r.zab.Start)
	}
	if in.Failed {
		r.stats.SnapshotsFailed++
		r.failedRest = r.now.Mono + failedRestMillis
		return
	}
	r.noteDataSize(r.snapshotSize)
	r.failedRest, r.bytesOwed = 0, 0
	r.stats.Snapshots++
	r.stats.LastSnapshot = in.Zxid
	r.stats.LastSnapshotWall = r.now.Wall
}
