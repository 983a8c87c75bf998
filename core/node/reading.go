package node

import (
	"errors"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// The log is read beside the disk's worker, who has records to append meanwhile. Who
// reads waits while the loop has more than enough to do.

// readBytes is how many bytes of records that the loop has to apply go to it in one
// input, and feedBytes of those that it only passes on.
const (
	readBytes = 256 << 10
	feedBytes = 1 << 20
)

// readLog brings a part of the log to the loop. It ends when a later role has asked for
// another: nobody takes this one then.
func (n *Node) readLog(want replica.LogRange) {
	n.reading.Store(want.Generation)
	n.beside.Go(func() {
		gone := n.replay(want.After, want.UpTo, readBytes, func(records []wire.Record, bytes int, last bool) bool {
			in := replica.LogRead{Generation: want.Generation, Records: records, Done: last}
			return n.reading.Load() == want.Generation && n.inbox.put(item{in: in, bytes: bytes}, true)
		})
		if gone { // a later role has begun the log anew, or has cut it
			n.disk.tell(replica.LogRead{Generation: want.Generation, Gone: true})
		}
	})
}

// feed reads a part of the log for a learner.
func (n *Node) feed(f zab.Feed) {
	n.beside.Go(func() {
		gone := n.replay(f.After, f.UpTo, feedBytes, func(records []wire.Record, bytes int, last bool) bool {
			return n.inbox.put(item{in: replica.Fed{Feed: f, Records: records, Done: last}, bytes: bytes}, true)
		})
		if gone {
			n.disk.tell(replica.Fed{Feed: f, Gone: true, Base: n.disk.store.Base()})
		}
	})
}

var errEnough = errors.New("node: enough")

// replay gives away the records of the log after one zxid up to another, in batches of
// about as many bytes and the last of them, which may be empty, said to be that, until
// give reports that nobody wants more. It reports whether the log does not hold them
// any more. Any other failure ends the node.
func (n *Node) replay(after, upTo core.Zxid, batchBytes int, give func(records []wire.Record, bytes int, last bool) bool) (gone bool) {
	var batch []wire.Record
	var payloads []byte // of the batch; append moves it, and leaves behind what has been handed out
	bytes := 0
	flush := func(last bool) error {
		if !give(batch, bytes, last) {
			return errEnded
		}
		batch, payloads = make([]wire.Record, 0, len(batch)), make([]byte, 0, min(len(payloads), batchBytes))
		bytes = 0
		return nil
	}
	err := n.disk.store.Replay(after, func(r wire.Record) error {
		if r.Zxid > upTo {
			return errEnough
		}
		mark := len(payloads)
		payloads = append(payloads, r.Payload...)
		r.Payload = payloads[mark:len(payloads):len(payloads)]
		batch = append(batch, r)
		if bytes += wire.RecordHeadBytes + len(r.Payload); bytes >= batchBytes {
			return flush(false)
		}
		return nil
	})
	if err == nil || errors.Is(err, errEnough) {
		err = flush(true)
	}
	switch {
	case err == nil, errors.Is(err, errEnded), errors.Is(err, storage.ErrClosed):
		return false
	case errors.Is(err, storage.ErrGone), errors.Is(err, storage.ErrMismatch):
		return true
	}
	n.disk.fail(err)
	return false
}
