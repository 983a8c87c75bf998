package node

import (
	"fmt"
	"time"

	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
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
