package core

import "strconv"

// Zxid is the position of a transaction in the one order of all writes: the
// epoch of the leader that proposed it in the upper 32 bits, a counter within
// that epoch in the lower ones. Zxids compare as unsigned integers.
type Zxid uint64

// MakeZxid joins an epoch and a counter.
func MakeZxid(epoch Epoch, counter uint32) Zxid { return Zxid(epoch)<<32 | Zxid(counter) }

// Epoch is the leadership that proposed the transaction.
func (z Zxid) Epoch() Epoch { return Epoch(z >> 32) }

// Counter is the place of the transaction within its epoch; 0 is the epoch's marker.
func (z Zxid) Counter() uint32 { return uint32(z) }

// String is the zxid in hexadecimal with a leading 0x, as ZooKeeper prints it.
func (z Zxid) String() string { return "0x" + strconv.FormatUint(uint64(z), 16) }

// Epoch numbers leaderships. No two leaders ever share one.
type Epoch uint32

// PeerID is the id of a server, 1 to 254: it is the top byte of the ids of the
// sessions that the server creates.
type PeerID uint8

// SessionID names a session. ZooKeeper prints it as unsigned hexadecimal.
type SessionID int64

// String is the id in hexadecimal with a leading 0x.
func (id SessionID) String() string { return "0x" + strconv.FormatUint(uint64(id), 16) }
