package node

import (
	"errors"
	"runtime"
	"time"

	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
)

// snapshotBytesPerSecond keeps a snapshot from taking the disk and the processor
// away from those who are served.
const snapshotBytesPerSecond = 64 << 20

// writeSnapshot writes a view on a goroutine of its own. A full disk costs the
// snapshot and nothing else; any other failure is the disk's and ends the node.
func (n *Node) writeSnapshot(job replica.SnapshotJob) {
	n.beside.Go(func() {
		n.disk.making.Lock()
		defer n.disk.snapshotMade()
		began := time.Now()
		info, err := n.encodeSnapshot(&job)
		job.View.Close()
		in := replica.SnapshotWritten{Zxid: job.View.Zxid, Failed: err != nil}
		switch {
		case err == nil:
			took := time.Since(began)
			n.metrics.snapshot(took, info.Bytes)
			n.log.Info("snapshot written", "zxid", info.Zxid.String(), "size_bytes", info.Bytes, "took_ms", took.Milliseconds())
			if !n.purge() {
				return
			}
		case errors.Is(err, errEnded):
		case storage.IsFatal(err):
			n.disk.fail(err)
			return
		default:
			n.log.Error("snapshot not written", "zxid", job.View.Zxid.String(), "err", err)
		}
		in.Base = n.disk.store.Base()
		n.inbox.put(item{in: in}, false)
	})
}

// purge lets go what nothing needs any more. It reports false when that was the node's end.
func (n *Node) purge() (goesOn bool) {
	_, err := n.disk.store.Purge(time.Since(n.start))
	switch {
	case err == nil, errors.Is(err, storage.ErrClosed):
	case storage.IsFatal(err):
		n.disk.fail(err)
		return false
	default:
		n.log.Warn("purge", "err", err)
	}
	return true
}

// makeRoom lets go what is only kept while there is room. A snapshot that is being written
// does so when it is done.
func (n *Node) makeRoom() {
	n.beside.Go(func() {
		if n.disk.making.TryLock() {
			defer n.disk.making.Unlock()
			n.purge()
		}
	})
}

// roomShare is which part of the room for log is written between two snapshots at most:
// before the disk is nearly full there are those by which log goes. roomLeast is where
// that ends.
const (
	roomShare = 8
	roomLeast = 4 << 20
)

// snapshotBytes is how much log is written between two snapshots.
func snapshotBytes(configured int64, store *storage.Store) (int64, error) {
	room, err := store.LogRoom()
	if configured == 0 {
		configured = 4 << 30
	}
	return min(configured, max(room/roomShare, roomLeast)), err
}

var errEnded = errors.New("node: ended")

func (n *Node) encodeSnapshot(job *replica.SnapshotJob) (storage.SnapshotInfo, error) {
	begin := n.disk.store.NewSnapshot
	if job.AtStart {
		begin = n.disk.store.NewSnapshotAtStart
	}
	w, err := begin(storage.SnapshotInfo{
		Zxid: job.View.Zxid, Chain: job.Chain, TreeDigest: job.View.Digest, Time: time.Now().UnixMilli(),
	})
	if err != nil {
		return storage.SnapshotInfo{}, err
	}
	began, written := time.Now(), 0
	err = job.View.Encode(func(chunk []byte) error {
		if n.inbox.isClosed() {
			return errEnded
		}
		written += len(chunk)
		due := time.Duration(written) * time.Second / snapshotBytesPerSecond
		if ahead := due - time.Since(began); ahead > time.Millisecond {
			time.Sleep(ahead)
		} else {
			// The scheduler would take the processor away after 10 ms only, and let the
			// owner loop wait for that in the middle of a Step.
			runtime.Gosched()
		}
		return w.Write(chunk)
	})
	if err != nil {
		return storage.SnapshotInfo{}, errors.Join(err, w.Abort())
	}
	return w.Commit()
}

func (b *inbox) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.closed
}
