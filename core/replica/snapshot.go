package replica

// snapshot asks for a snapshot when enough has happened since the last one. The
// point lies between half of the limit and the limit, by the server's id, so that
// the servers of an ensemble do not all write at once. A large tree is written more
// rarely, once in half as many transactions as it has znodes: what a snapshot costs
// a transaction then does not grow with the tree. And however fast transactions
// come, the server rests between two snapshots (see snapshotWritten), unless the
// log has grown too long for that or an operator wants one.
func (r *Replica) snapshot() {
	if !r.serving || r.snapshotting {
		return
	}
	limit := r.cfg.SnapshotTxns/2 + int(uint64(r.cfg.Zab.Self)*2654435761%uint64(r.cfg.SnapshotTxns/2+1))
	limit = max(limit, r.state.Tree().Count()/snapshotShare)
	due := r.sinceSnapshot >= limit && r.now.Mono >= r.snapshotRest
	if !due && !r.wantSnapshot && r.bytesSince < r.cfg.SnapshotBytes {
		return
	}
	if r.sinceSnapshot == 0 && !r.wantSnapshot {
		return
	}
	r.wantSnapshot = false
	r.snapshotting = true
	r.snapshotBegan = r.now.Mono
	r.sinceSnapshot, r.bytesSince = 0, 0
	r.out.Snapshot = &SnapshotJob{View: r.state.View(), Chain: r.chain}
}

const (
	// snapshotShare is how many znodes of the tree one transaction pays for when it
	// is written as a snapshot.
	snapshotShare = 2
	// snapshotRests is how many times as long as a snapshot took the rest after it
	// is: at most a quarter of the time goes into writing them.
	snapshotRests = 3
)

// snapshotWritten begins the rest after a snapshot, whether it came to be or not.
func (r *Replica) snapshotWritten(in SnapshotWritten) {
	r.snapshotting = false
	if r.cfg.SnapshotRestMillis > 0 {
		took := r.now.Mono - r.snapshotBegan
		r.snapshotRest = r.now.Mono + max(r.cfg.SnapshotRestMillis, snapshotRests*took)
	}
	r.zab.LogBegins(in.Base)
	if in.Failed {
		r.stats.SnapshotsFailed++
		return
	}
	r.stats.Snapshots++
	r.stats.LastSnapshot = in.Zxid
	r.stats.LastSnapshotWall = r.now.Wall
}
