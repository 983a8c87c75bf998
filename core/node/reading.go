package node

import (
	"errors"

	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
)

// readBatch is how many records of the log go to the loop in one input, and
// readBatchBytes how much memory is set aside for their payloads beforehand.
const (
	readBatch      = 512
	readBatchBytes = 256 << 10
)

// readLog brings a part of the log to the loop, on a goroutine of its own: the disk's
// worker has records to append meanwhile.
func (n *Node) readLog(want replica.LogRange) {
	n.snapshots.Go(func() {
		batch := make([]wire.Record, 0, readBatch)
		var payloads []byte // of the batch; append moves it, and leaves behind what has been handed out
		flush := func(done bool) {
			n.disk.tell(replica.LogRead{Generation: want.Generation, Records: batch, Done: done})
			batch, payloads = make([]wire.Record, 0, readBatch), make([]byte, 0, min(len(payloads), readBatchBytes))
		}
		err := n.disk.store.Replay(want.After, func(r wire.Record) error {
			switch {
			case n.inbox.isClosed():
				return errEnded
			case r.Zxid > want.UpTo:
				return errEnough
			}
			mark := len(payloads)
			payloads = append(payloads, r.Payload...)
			r.Payload = payloads[mark:len(payloads):len(payloads)]
			batch = append(batch, r)
			if len(batch) == readBatch {
				flush(false)
			}
			return nil
		})
		switch {
		case err == nil, errors.Is(err, errEnough):
			flush(true)
		case errors.Is(err, errEnded), errors.Is(err, storage.ErrClosed):
		case errors.Is(err, storage.ErrGone), errors.Is(err, storage.ErrMismatch):
			// A later role has begun the log anew, or has cut it.
			n.disk.tell(replica.LogRead{Generation: want.Generation, Gone: true})
		default:
			n.disk.fail(err)
		}
	})
}
