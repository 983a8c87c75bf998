package sim

import (
	"encoding/binary"
	"path/filepath"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// Mutant is a known mistake, put back at the seams between the replica, the
// shell, the store and the disk. Each must be caught.
type Mutant string

// The mutants. Those that are changes of the product's source are core/sim/mutate's,
// which looks for all of them.
const (
	AsyncLogThenAck         Mutant = "async-log-then-ack"
	NoDirFsync              Mutant = "no-dir-fsync"
	FsyncRetry              Mutant = "fsync-retry"
	TornTailTruncatesMiddle Mutant = "torn-tail-truncates-middle"
	PurgeByCount            Mutant = "purge-by-count"
	PositionBeforeState     Mutant = "position-before-state"
	SecondApplyPath         Mutant = "second-apply-path"
	ReplyZxid               Mutant = "reply-zxid"
	SetWatchesOffByOne      Mutant = "setwatches-off-by-one"
	WatchBeforeData         Mutant = "watch-before-data"
	TouchesLost             Mutant = "touches-lost"
	SnapInMemory            Mutant = "snap-in-memory"
	TruncInexact            Mutant = "trunc-inexact"
	UpToDateZxid            Mutant = "uptodate-zxid"
	ForwardLost             Mutant = "forward-lost"
)

// Mutants lists them all.
var Mutants = []Mutant{
	AsyncLogThenAck, NoDirFsync, FsyncRetry, TornTailTruncatesMiddle, PurgeByCount, PositionBeforeState,
	SecondApplyPath, ReplyZxid, SetWatchesOffByOne, WatchBeforeData, TouchesLost, SnapInMemory, TruncInexact,
	UpToDateZxid, ForwardLost,
}

// spoilMessage changes what a server says to another, or takes it back: nil.
func (m Mutant) spoilMessage(s *server, body []byte) []byte {
	switch m {
	case TouchesLost:
		if replica.IsTouches(body) {
			return nil
		}
	case ForwardLost:
		if replica.IsForward(body) && oneIn(s.w.network, 40) {
			return nil
		}
	case UpToDateZxid: // a learner serves from what the leader has logged, not committed
		if msg, err := zab.DecodeMessage(body); err == nil {
			if up, ok := msg.(zab.UpToDate); ok {
				up.Committed = s.rep.Status().Logged
				return zab.AppendMessage(nil, up)
			}
		}
	}
	return body
}

// fileSystem puts the mutants of the disk between the store and the faults.
func (m Mutant) fileSystem(fs vfs.FS) vfs.FS {
	switch m {
	case NoDirFsync:
		return noDirSync{fs}
	case FsyncRetry:
		return retryFS{fs}
	}
	return fs
}

// noDirSync leaves out the syncs of directories.
type noDirSync struct{ vfs.FS }

func (noDirSync) SyncDir(string) error { return nil }

// retryFS syncs again after an error. As on Linux the second sync reports
// success and the pages are clean, but not on the disk.
type retryFS struct{ vfs.FS }

func (f retryFS) wrap(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &retryFile{File: file}, nil
}

func (f retryFS) Create(name string) (vfs.File, error) { return f.wrap(f.FS.Create(name)) }
func (f retryFS) OpenRW(name string) (vfs.File, error) { return f.wrap(f.FS.OpenRW(name)) }

type retryFile struct {
	vfs.File
	clean bool
}

func (f *retryFile) Sync() error {
	if f.clean {
		return nil
	}
	if err := f.File.Sync(); err != nil {
		f.clean = true
	}
	return nil
}

// spoilLog is a second way in which records come to the state: it leaves
// something out.
func (m Mutant) spoilLog(records []wire.Record) {
	if m != SecondApplyPath {
		return
	}
	for i := range records {
		if p := records[i].Payload; records[i].Kind == wire.RecordTxn && len(p) > wire.TxnHeaderBytes+8 {
			p[len(p)-1] ^= 1
			return
		}
	}
}

// spoilInfo and spoilHead write a snapshot whose position is one ahead of what
// is in it.
func (m Mutant) spoilInfo(s *server, info *storage.SnapshotInfo) {
	if m != PositionBeforeState {
		return
	}
	if chain, ok := s.chainAt(info.Zxid + 1); ok && info.Zxid+1 <= s.synced {
		info.Zxid, info.Chain = info.Zxid+1, chain
	}
}

func (m Mutant) spoilHead(info storage.SnapshotInfo, chunk []byte) {
	if m == PositionBeforeState {
		binary.BigEndian.PutUint64(chunk[4:], uint64(info.Zxid))
	}
}

// purgeByCount keeps the newest snapshot without looking at it, and no log behind it.
func purgeByCount(s *server) {
	var snaps, logs []string
	for _, f := range s.mem.Files() {
		switch storage.FileClass(f.Name) {
		case "snapshot":
			snaps = append(snaps, f.Name)
		case "segment":
			logs = append(logs, f.Name)
		}
	}
	slices.Sort(snaps)
	slices.Sort(logs)
	if len(snaps) < 2 {
		return
	}
	for _, name := range logs[:max(0, len(logs)-2)] {
		if filepath.Base(logs[1]) <= filepath.Base(snaps[len(snaps)-1]) {
			_ = s.mem.Remove(name)
		}
	}
}

// spoilOutput changes what a server sends.
func (m Mutant) spoilOutput(l *link, b []byte) {
	switch m {
	case ReplyZxid:
		eachReply(l, b, func(h wire.ReplyHeader, frame []byte) {
			if h.Xid > 0 && h.Zxid > 0 && h.Xid%50 == 0 {
				binary.BigEndian.PutUint64(frame[4:], uint64(h.Zxid-1))
			}
		})
	case WatchBeforeData:
		frames, err := cutFrames(b)
		if err != nil || len(frames) != 2 || !l.told.welcomed {
			return
		}
		first, second := append([]byte(nil), frames[0]...), append([]byte(nil), frames[1]...)
		r := wire.NewReader(first)
		if h := wire.DecodeReplyHeader(&r); h.Xid != wire.XidNotification || h.Zxid == ^core.Zxid(0) {
			return
		}
		r = wire.NewReader(second)
		if h := wire.DecodeReplyHeader(&r); h.Xid < 0 {
			return
		}
		out := append(wire.AppendInt(b[:0], int32(len(second))), second...)
		_ = append(wire.AppendInt(out, int32(len(first))), first...)
	}
}

func eachReply(l *link, b []byte, do func(wire.ReplyHeader, []byte)) {
	frames, err := cutFrames(b)
	if err != nil {
		return
	}
	for i, f := range frames {
		if i == 0 && !l.told.welcomed {
			continue
		}
		r := wire.NewReader(f)
		do(wire.DecodeReplyHeader(&r), f)
	}
}

// spoilRequest changes what a client asks of a server.
func (m Mutant) spoilRequest(frames []byte) {
	if m != SetWatchesOffByOne {
		return
	}
	parts, err := cutFrames(frames)
	if err != nil {
		return
	}
	for _, f := range parts {
		r := wire.NewReader(f)
		if h := wire.DecodeRequestHeader(&r); len(f) > 16 && h.Xid == wire.XidSetWatches {
			binary.BigEndian.PutUint64(f[8:], binary.BigEndian.Uint64(f[8:])+1)
		}
	}
}
