package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// incoming is a snapshot that a leader is sending, or was until the link broke.
type incoming struct {
	have zab.Partial
	w    *storage.SnapshotWriter
}

// install takes a part of a snapshot, and with the last one makes it what the log
// begins with. One that was not finished is given up when another begins, or when it is
// said to be of no use any more.
func (d *disk) install(part *zab.Snap) error {
	if d.comes != nil && part.Part == 0 {
		w := d.comes.w
		d.comes = nil
		if err := w.Abort(); err != nil {
			return err
		}
	}
	if part.ID == 0 {
		return nil
	}
	if d.comes == nil && part.Part == 0 {
		w, err := d.store.NewInstall(storage.SnapshotInfo{
			Zxid: part.At.Zxid, Chain: part.At.Chain, TreeDigest: part.Digest, Time: time.Now().UnixMilli(),
		})
		if err != nil {
			return err
		}
		d.comes = &incoming{have: zab.Partial{ID: part.ID, At: part.At}, w: w}
	}
	if d.comes == nil || d.comes.have != (zab.Partial{ID: part.ID, At: part.At, Parts: part.Part}) {
		return fmt.Errorf("node: part %d of a snapshot of which those before it are missing", part.Part)
	}
	d.comes.have.Parts++
	if len(part.Data) > 0 {
		if err := d.comes.w.Write(part.Data); err != nil {
			return fmt.Errorf("node: the snapshot of the leader: %w", err)
		}
	}
	if !part.Last {
		return nil
	}
	w := d.comes.w
	d.comes = nil
	info, err := w.Commit()
	if err != nil {
		return fmt.Errorf("node: the snapshot of the leader: %w", err)
	}
	var st *state.State
	err = d.store.InstallSnapshot(info, func(_ storage.SnapshotInfo, next func() ([]byte, error)) (err error) {
		st, err = state.Load(d.node.cfg.Replica.State, next)
		return err
	})
	if err != nil {
		return fmt.Errorf("node: the snapshot of the leader: %w", err)
	}
	d.tell(replica.SnapshotInstalled{At: part.At, State: st})
	return nil
}

// feedBytes is how many bytes of records go to the loop in one input.
const feedBytes = 1 << 20

var errEnough = errors.New("node: enough")

// feed reads a part of the log for a learner.
func (n *Node) feed(f zab.Feed) {
	n.snapshots.Go(func() {
		var batch []wire.Record
		bytes := 0
		flush := func(done bool) error {
			if !n.inbox.put(item{in: replica.Fed{Feed: f, Records: batch, Done: done}}, true) {
				return errEnded
			}
			batch, bytes = nil, 0
			return nil
		}
		err := n.disk.store.Replay(f.After, func(r wire.Record) error {
			if r.Zxid > f.UpTo {
				return errEnough
			}
			r.Payload = append([]byte(nil), r.Payload...)
			batch = append(batch, r)
			if bytes += wire.RecordHeadBytes + len(r.Payload); bytes >= feedBytes {
				return flush(false)
			}
			return nil
		})
		if err == nil || errors.Is(err, errEnough) {
			err = flush(true)
		}
		switch {
		case err == nil, errors.Is(err, errEnded), errors.Is(err, storage.ErrClosed):
		case errors.Is(err, storage.ErrGone), errors.Is(err, storage.ErrMismatch):
			n.inbox.put(item{in: replica.Fed{Feed: f, Gone: true, Base: n.disk.store.Base()}}, false)
		default:
			n.disk.fail(err)
		}
	})
}
