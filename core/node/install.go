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

// incoming is a snapshot that a leader is sending.
type incoming struct {
	at zab.Position
	w  *storage.SnapshotWriter
}

// install takes a part of a snapshot, and with the last one makes it what the log
// begins with. One that was not finished is given up when another begins.
func (d *disk) install(part *zab.Snap) error {
	if d.comes != nil && d.comes.at != part.At {
		w := d.comes.w
		d.comes = nil
		if err := w.Abort(); err != nil {
			return err
		}
	}
	if d.comes == nil {
		w, err := d.store.NewInstall(storage.SnapshotInfo{
			Zxid: part.At.Zxid, Chain: part.At.Chain, TreeDigest: part.Digest, Time: time.Now().UnixMilli(),
		})
		if err != nil {
			return err
		}
		d.comes = &incoming{at: part.At, w: w}
	}
	if len(part.Data) > 0 {
		if err := d.comes.w.Write(part.Data); err != nil {
			return err
		}
	}
	if !part.Last {
		return nil
	}
	w := d.comes.w
	d.comes = nil
	info, err := w.Commit()
	if err != nil {
		return err
	}
	r, err := d.store.OpenSnapshot(info)
	if err != nil {
		return err
	}
	st, err := state.Load(d.node.cfg.Replica.State, r.Next)
	if err := errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("node: the snapshot of the leader: %w", err)
	}
	if err := d.store.InstallSnapshot(info); err != nil {
		return err
	}
	d.tell(replica.SnapshotInstalled{At: part.At, State: st})
	return nil
}

// sendSnapshot sends a learner a view of the state, as fast as the link takes it.
func (n *Node) sendSnapshot(job replica.SendSnapshot, gen uint64) {
	n.snapshots.Go(func() {
		defer job.View.Close()
		part := zab.Snap{
			Stream: job.Learner.Stream, At: zab.Position{Zxid: job.View.Zxid, Chain: job.Chain}, Digest: job.View.Digest,
		}
		send := func() error {
			if n.inbox.isClosed() || !n.links.SendSlowly(job.Learner.Peer, gen, func(b []byte) []byte { return zab.AppendMessage(b, part) }) {
				return errEnded
			}
			return nil
		}
		began := time.Now()
		err := job.View.Encode(func(chunk []byte) error {
			part.Data = chunk
			return send()
		})
		if err == nil {
			part.Data, part.Last = nil, true
			err = send()
		}
		if err != nil {
			n.log.Info("snapshot for a peer was given up", "peer", int(job.Learner.Peer), "err", err)
			return
		}
		n.log.Info("snapshot sent", "peer", int(job.Learner.Peer), "zxid", part.At.Zxid.String(), "took_ms", time.Since(began).Milliseconds())
	})
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
