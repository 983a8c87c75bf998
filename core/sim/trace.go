package sim

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"reflect"

	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// trace is what happened in a run. Its lines are for people; its sum covers, beside
// them, every input and output of every replica, what the network carried and lost,
// and every call on a disk. Each line ends with the sum so far, so that the first line
// in which two runs of a seed differ is the first behind their difference.
type trace struct {
	lines bytes.Buffer
	sum   uint64
	buf   []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// mix takes bytes into the sum.
func (t *trace) mix(b []byte) {
	t.sum = bits.RotateLeft64(t.sum, 7)*0x9E3779B97F4A7C15 ^ uint64(crc32.Checksum(b, castagnoli))
}

// note takes numbers, and then bytes, into the sum: something that happened.
func (t *trace) note(what string, body []byte, numbers ...int64) {
	t.buf = append(t.buf[:0], what...)
	for _, n := range numbers {
		t.buf = wire.AppendLong(t.buf, n)
	}
	t.mix(t.buf)
	if len(body) > 0 {
		t.mix(body)
	}
}

func (t *trace) line(now int64, format string, args ...any) {
	t.buf = fmt.Appendf(t.buf[:0], "%d ", now)
	t.buf = fmt.Appendf(t.buf, format, args...)
	t.mix(t.buf)
	t.lines.Write(t.buf)
	fmt.Fprintf(&t.lines, " #%016x\n", t.sum)
}

// input notes what a server is told.
func (t *trace) input(s *server, in replica.Input) {
	note := func(body []byte, numbers ...int64) {
		t.note(reflect.TypeOf(in).Name(), body, append(numbers, int64(s.id), s.w.now)...)
	}
	switch in := in.(type) {
	case replica.Connected:
		note(nil, int64(in.Conn))
	case replica.Requests:
		note(in.Frames, int64(in.Conn))
	case replica.Gone:
		note(nil, int64(in.Conn))
	case replica.Drained:
		note(nil, int64(in.Conn))
	case replica.ViewRead:
		note(nil, int64(in.Conn))
	case replica.Touched:
		for _, id := range in.Sessions {
			note(nil, int64(id))
		}
	case replica.Synced:
		note(nil, int64(in.Generation), int64(in.UpTo))
	case replica.MetaSynced:
		note(nil, int64(in.Generation))
	case replica.LogRead:
		note(nil, int64(in.Generation))
		t.records(in.Records)
	case replica.SnapshotWritten:
		note(nil, int64(in.Zxid))
	case replica.Message:
		note(in.Body, int64(in.From))
	case replica.LinkUp:
		note(nil, int64(in.Peer), int64(in.Gen))
	case replica.LinkDown:
		note(nil, int64(in.Peer), int64(in.Gen))
	case replica.Fed:
		note(nil, int64(in.Feed.Peer), int64(in.Feed.Stream), int64(in.Feed.After), int64(in.Feed.UpTo), int64(in.Base))
		t.records(in.Records)
	case replica.SnapshotInstalled:
		note(nil, int64(in.At.Zxid), int64(in.At.Chain))
	case replica.Kick:
		note(nil, int64(in.Session))
	default: // they carry nothing, or a state that others have told of
		note(nil)
	}
}

func (t *trace) records(list []wire.Record) {
	for i := range list {
		r := &list[i]
		t.note("record", r.Payload, int64(r.Zxid), int64(r.Kind), int64(r.PrevChain), r.Time, int64(r.CommitHint), int64(r.TreeDigest))
	}
}

// output notes what a server wants done.
func (t *trace) output(s *server, out *replica.Output) {
	t.note("output", nil, int64(s.id), int64(out.Generation))
	t.records(out.Append)
	if out.Truncate != nil {
		t.note("truncate", nil, int64(out.Truncate.Zxid), int64(out.Truncate.Chain))
	}
	if e := out.Epochs; e != nil {
		t.note("epochs", nil, int64(e.Accepted), int64(e.Current))
	}
	for _, r := range out.ReadLog {
		t.note("read log", nil, int64(r.After), int64(r.UpTo))
	}
	if job := out.Snapshot; job != nil {
		t.note("snapshot", nil, int64(job.View.Zxid), int64(job.View.Digest), int64(job.Chain))
	}
	for i := range out.Send {
		t.note("send", out.Send[i].Append(nil), int64(out.Send[i].To))
	}
	for _, f := range out.Feeds {
		t.note("feed", nil, int64(f.Peer), int64(f.Stream), int64(f.After), int64(f.UpTo))
	}
	for _, job := range out.SendSnapshots {
		t.note("send snapshot", nil, int64(job.Learner.Peer), int64(job.Learner.Stream), int64(job.View.Zxid))
	}
	for i := range out.Install {
		t.note("install", out.Install[i].Data, int64(out.Install[i].At.Zxid))
	}
	for _, v := range out.ViewReads {
		t.note("read away", nil, int64(v.Conn))
	}
	for _, c := range out.Conns {
		t.note("conn", c.Bytes, int64(c.Conn))
	}
	for _, h := range out.Holds {
		t.note("hold", nil, int64(h.Conn))
	}
	for _, n := range out.Notes {
		t.note(n.Path, nil, int64(n.What), int64(n.Zxid))
	}
}

// tracedFS notes every call on a disk.
type tracedFS struct {
	vfs.FS
	s *server
}

func (f tracedFS) note(op vfs.Op, name string, body []byte, err error, numbers ...int64) {
	f.s.w.point(op, name)
	failed := int64(0)
	if err != nil {
		failed = 1
	}
	f.s.w.trace.note(name, body, append(numbers, int64(f.s.id), int64(op), failed)...)
}

func (f tracedFS) open(op vfs.Op, name string, call func(string) (vfs.File, error)) (vfs.File, error) {
	file, err := call(name)
	f.note(op, name, nil, err)
	if err != nil {
		return nil, err
	}
	return &tracedFile{file, f, name}, nil
}

func (f tracedFS) Create(name string) (vfs.File, error) {
	return f.open(vfs.OpCreate, name, f.FS.Create)
}

func (f tracedFS) Open(name string) (vfs.File, error) { return f.open(vfs.OpOpen, name, f.FS.Open) }

func (f tracedFS) OpenRW(name string) (vfs.File, error) { return f.open(vfs.OpOpen, name, f.FS.OpenRW) }

func (f tracedFS) Rename(oldName, newName string) error {
	err := f.FS.Rename(oldName, newName)
	f.note(vfs.OpRename, oldName, []byte(newName), err)
	return err
}

func (f tracedFS) Remove(name string) error {
	err := f.FS.Remove(name)
	f.note(vfs.OpRemove, name, nil, err)
	return err
}

func (f tracedFS) ReadDir(name string) ([]string, error) {
	list, err := f.FS.ReadDir(name)
	f.note(vfs.OpReadDir, name, nil, err, int64(len(list)))
	return list, err
}

func (f tracedFS) MkdirAll(name string) error {
	err := f.FS.MkdirAll(name)
	f.note(vfs.OpMkdir, name, nil, err)
	return err
}

func (f tracedFS) SyncDir(name string) error {
	err := f.FS.SyncDir(name)
	f.note(vfs.OpSyncDir, name, nil, err)
	return err
}

func (f tracedFS) Lock(name string) (io.Closer, error) {
	c, err := f.FS.Lock(name)
	f.note(vfs.OpLock, name, nil, err)
	return c, err
}

type tracedFile struct {
	vfs.File
	fs   tracedFS
	name string
}

func (f *tracedFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	f.fs.note(vfs.OpRead, f.name, nil, err, off, int64(n))
	return n, err
}

func (f *tracedFile) WriteAt(b []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(b, off)
	f.fs.note(vfs.OpWrite, f.name, b, err, off, int64(n))
	return n, err
}

func (f *tracedFile) Sync() error {
	err := f.File.Sync()
	f.fs.note(vfs.OpSync, f.name, nil, err)
	return err
}

func (f *tracedFile) Truncate(size int64) error {
	err := f.File.Truncate(size)
	f.fs.note(vfs.OpTruncate, f.name, nil, err, size)
	return err
}

func (f *tracedFile) Allocate(size int64) error {
	err := f.File.Allocate(size)
	f.fs.note(vfs.OpAllocate, f.name, nil, err, size)
	return err
}
