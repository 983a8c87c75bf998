package storage

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// Bounds of what is stored.
const (
	// RecordBytesMax bounds a record as storage lays it out. It leaves room for
	// the largest multi and for the close of a session with very many ephemerals.
	RecordBytesMax = 16 << 20
	// batchBytesMax bounds what is written between two syncs, and so how long a
	// torn tail can be. A larger Append is split, each part synced before the next.
	batchBytesMax = 2 * RecordBytesMax
	// ChunkBytesMax bounds one chunk of a snapshot.
	ChunkBytesMax = 4 << 20
)

// Options say where and how to store. Zero values mean the defaults.
type Options struct {
	// FS is the file system; nil is the machine's.
	FS vfs.FS
	// Dir is the data directory. It is made if it is not there.
	Dir string
	// SegmentBytes is the size of a log segment. Default 64 MiB.
	SegmentBytes int64
	// Retain is how many verified snapshots Purge keeps. Default 3.
	Retain int
	// RereadAfter is how long Purge relies on a snapshot that it has read and found
	// whole, before it reads it again. Default 10 minutes; negative: it reads each
	// time.
	RereadAfter time.Duration
	// WindowBytes is how much of the newest log Purge leaves for learners that lag,
	// whatever the snapshots cover, as long as there is room. Default 64 MiB.
	WindowBytes int64
	// BallastBytes is set aside for the day when the disk is full. Default 32 MiB;
	// negative: none.
	BallastBytes int64
	// LowWaterBytes is the free space below which DiskLow says ErrDiskLow, and below half
	// of which it says ErrDiskScarce.
	// Default 128 MiB; negative: never.
	LowWaterBytes int64
	// Random gives the salts of segments and the id of a new directory. nil is the
	// system's source; a simulator hands in its own.
	Random func() uint64
	// Restore, if set, takes the newest whole snapshot while Open checks it, so that
	// it is read once. next returns one chunk after the other, each valid until the
	// next call, and io.EOF behind the last. Open may begin again with an older
	// snapshot if next found the one before damaged. Any other error of Restore is
	// Open's. What counts is the last call, if Recovered.Snapshot is not nil; that is
	// its snapshot.
	Restore func(info SnapshotInfo, next func() ([]byte, error)) error
	// Logged, if set, hears of each record that Open reads where there is no snapshot, in
	// order and sealed: its frame and its place in the chain have been checked, but it may
	// yet turn out to be of a part that is of no use, or be told again. It is valid during
	// the call.
	Logged func(*wire.Record)
	// Both calls two functions and returns when both have; it may let them run at the
	// same time. Open reads the snapshot in one and the log in the other. nil calls one
	// after the other.
	Both func(a, b func())
}

func (o Options) withDefaults() (Options, error) {
	set := func(v *int64, dflt int64) {
		if *v == 0 {
			*v = dflt
		}
	}
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	set(&o.SegmentBytes, 64<<20)
	set(&o.WindowBytes, 64<<20)
	set(&o.BallastBytes, 32<<20)
	set(&o.LowWaterBytes, 128<<20)
	if o.Retain == 0 {
		o.Retain = 3
	}
	if o.RereadAfter == 0 {
		o.RereadAfter = 10 * time.Minute
	}
	if o.Random == nil {
		o.Random = systemRandom
	}
	if o.Both == nil {
		o.Both = func(a, b func()) { a(); b() }
	}
	switch {
	case o.Dir == "":
		return o, errors.New("storage: no data directory")
	case o.SegmentBytes < 2*headerBytes || o.SegmentBytes > 1<<32:
		return o, fmt.Errorf("storage: segment size %d is not within %d and %d", o.SegmentBytes, 2*headerBytes, int64(1)<<32)
	case o.Retain < 1:
		return o, fmt.Errorf("storage: retain %d snapshots: at least one is needed", o.Retain)
	}
	return o, nil
}

func systemRandom() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// recordBytesMin is the size of a record without a payload.
const recordBytesMin = wire.RecordHeadBytes
