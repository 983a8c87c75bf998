package core

import "context"

// WatchMode says what a Watch covers. The values are the protocol's AddWatchMode.
type WatchMode int32

const (
	// WatchNode hears of the znode itself (created, deleted, data changed) and of
	// its list of children.
	WatchNode WatchMode = 0
	// WatchTree hears of the znode and all its descendants, each with its own
	// path; never of a list of children.
	WatchTree WatchMode = 1
)

// EventType says what happened. The values of the first four are the protocol's.
type EventType int32

const (
	// NodeCreated means that the znode came into being.
	NodeCreated EventType = 1
	// NodeDeleted means that the znode is gone.
	NodeDeleted EventType = 2
	// NodeDataChanged means that the znode's data was set, also to what it was.
	NodeDataChanged EventType = 3
	// NodeChildrenChanged means that a child was created or deleted.
	NodeChildrenChanged EventType = 4
	// Resync means that events may have been missed (a reconnect, an overflow):
	// read again what matters. Everything after it is complete again.
	Resync EventType = 100
	// Progress means that everything up to Zxid has been delivered on this watch.
	// Only engines in process send it.
	Progress EventType = 101
)

// String is the name that ZooKeeper uses.
func (t EventType) String() string {
	switch t {
	case NodeCreated:
		return "NodeCreated"
	case NodeDeleted:
		return "NodeDeleted"
	case NodeDataChanged:
		return "NodeDataChanged"
	case NodeChildrenChanged:
		return "NodeChildrenChanged"
	case Resync:
		return "Resync"
	case Progress:
		return "Progress"
	}
	return "unknown"
}

// Event is one change that a Watch saw.
type Event struct {
	Type EventType
	Path string
	// Zxid is the change's; 0 where the server does not tell (ZooKeeper up to 3.8).
	Zxid Zxid
	// HasNode says that Data and Stat hold the znode as the change left it, so
	// that nothing need be read. Engines in process set it for NodeCreated and
	// NodeDataChanged; over the wire it is false.
	HasNode bool
	Data    []byte
	Stat    Stat
}

// Watch is a stream of events in zxid order. It keeps a bounded queue: a reader
// that is too slow gets one Resync in place of what did not fit.
type Watch interface {
	// Next waits for events and returns all that are there, at least one. The
	// error is the context's, ErrClosed, or one for which IsSessionOver holds.
	// It is for one caller at a time.
	Next(ctx context.Context) ([]Event, error)
	// Close ends the watch. Next then returns ErrClosed.
	Close() error
}
