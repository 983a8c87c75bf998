package vfs

import (
	"io"
	"sync"
	"syscall"
)

// Op names a call on a file system or file.
type Op uint8

// The calls. Close and the sizes are not faulted: nothing durable hangs on them.
const (
	OpCreate Op = iota
	OpOpen
	OpRead
	OpWrite
	OpSync
	OpTruncate
	OpAllocate
	OpRename
	OpRemove
	OpReadDir
	OpMkdir
	OpSyncDir
	OpLock
	opCount
)

var opNames = [opCount]string{
	"create", "open", "read", "write", "sync", "truncate", "allocate",
	"rename", "remove", "readdir", "mkdir", "syncdir", "lock",
}

// String is the call's name.
func (o Op) String() string { return opNames[o] }

// Call is one call that was made.
type Call struct {
	Op    Op
	Class string // what Classify makes of the name; of the old name for a rename
	Name  string
}

// Fate is what becomes of a call.
type Fate uint8

const (
	// Pass lets the call through.
	Pass Fate = iota
	// FailEIO refuses it with EIO, undone.
	FailEIO
	// FailEIOAfter does it, then reports EIO.
	FailEIOAfter
	// FailNoSpace refuses it with ENOSPC; half of a write is done.
	FailNoSpace
	// FlipBit lets a read through with one bit inverted.
	FlipBit
	// Lie reports success without doing anything: what a forgotten call would do.
	Lie
	// CrashBefore ends the process instead: this and all later calls give ErrCrashed.
	CrashBefore
	// CrashHalf does the first half of a write, then ends the process.
	CrashHalf
	// CrashAfter does the call, then ends the process.
	CrashAfter
	fateCount
)

var fateNames = [fateCount]string{
	"pass", "eio", "eio-after", "enospc", "flip", "lie", "crash-before", "crash-half", "crash-after",
}

// String is the fate's name.
func (f Fate) String() string { return fateNames[f] }

// Fault passes calls on to another file system, records them and lets a plan
// decide the fate of each.
type Fault struct {
	inner    FS
	classify func(name string) string

	mu struct {
		sync.Mutex
		calls   []Call
		plan    func(n int, c Call) Fate
		crashed bool
	}
}

// NewFault wraps inner. classify gives a file or directory a class by its name;
// plan is asked with the running number of each call (from 0) and may be nil. It
// must not call back into the file system.
func NewFault(inner FS, classify func(name string) string, plan func(n int, c Call) Fate) *Fault {
	f := &Fault{inner: inner, classify: classify}
	f.mu.plan = plan
	return f
}

// Nth is a plan: the nth call (from 0) that op and class fit, an empty class
// fitting any, has the fate; with sticky so have all that fit after it.
func Nth(op Op, class string, nth int, sticky bool, fate Fate) func(int, Call) Fate {
	seen := -1
	return func(_ int, c Call) Fate {
		if c.Op != op || class != "" && c.Class != class {
			return Pass
		}
		seen++
		if seen == nth || sticky && seen > nth {
			return fate
		}
		return Pass
	}
}

// SetPlan replaces the plan.
func (f *Fault) SetPlan(plan func(n int, c Call) Fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.plan = plan
}

// Calls is a copy of what was called so far, in order.
func (f *Fault) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call(nil), f.mu.calls...)
}

// Crashed reports whether a fate has ended the process.
func (f *Fault) Crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.crashed
}

func (f *Fault) fate(op Op, name string) Fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.crashed {
		return CrashBefore
	}
	c := Call{Op: op, Class: f.classify(name), Name: name}
	fate := Pass
	if f.mu.plan != nil {
		fate = f.mu.plan(len(f.mu.calls), c)
	}
	f.mu.calls = append(f.mu.calls, c)
	switch fate {
	case CrashBefore, CrashHalf, CrashAfter:
		f.mu.crashed = true
	}
	return fate
}

// do performs a call that is done whole or not at all.
func (f *Fault) do(op Op, name string, call func() error) error {
	switch f.fate(op, name) {
	case FailEIO:
		return pathError(op.String(), name, syscall.EIO)
	case FailNoSpace:
		return pathError(op.String(), name, syscall.ENOSPC)
	case CrashBefore, CrashHalf:
		return pathError(op.String(), name, ErrCrashed)
	case Lie:
		return nil
	case FailEIOAfter:
		if err := call(); err != nil {
			return err
		}
		return pathError(op.String(), name, syscall.EIO)
	case CrashAfter:
		if err := call(); err != nil {
			return err
		}
		return pathError(op.String(), name, ErrCrashed)
	}
	return call()
}

func (f *Fault) open(op Op, name string, call func(string) (File, error)) (File, error) {
	var file File
	err := f.do(op, name, func() (err error) {
		file, err = call(name)
		return err
	})
	if err == nil && file == nil {
		file, err = call(name) // there is no lying about a file that is to be used
	}
	if err != nil {
		if file != nil {
			file.Close()
		}
		return nil, err
	}
	return &faultFile{f: f, file: file, name: name}, nil
}

// Create implements FS.
func (f *Fault) Create(name string) (File, error) { return f.open(OpCreate, name, f.inner.Create) }

// Open implements FS.
func (f *Fault) Open(name string) (File, error) { return f.open(OpOpen, name, f.inner.Open) }

// OpenRW implements FS.
func (f *Fault) OpenRW(name string) (File, error) { return f.open(OpOpen, name, f.inner.OpenRW) }

// Rename implements FS.
func (f *Fault) Rename(oldName, newName string) error {
	return f.do(OpRename, oldName, func() error { return f.inner.Rename(oldName, newName) })
}

// Remove implements FS.
func (f *Fault) Remove(name string) error {
	return f.do(OpRemove, name, func() error { return f.inner.Remove(name) })
}

// ReadDir implements FS.
func (f *Fault) ReadDir(name string) (names []string, err error) {
	err = f.do(OpReadDir, name, func() (err error) {
		names, err = f.inner.ReadDir(name)
		return err
	})
	return names, err
}

// MkdirAll implements FS.
func (f *Fault) MkdirAll(name string) error {
	return f.do(OpMkdir, name, func() error { return f.inner.MkdirAll(name) })
}

// SyncDir implements FS.
func (f *Fault) SyncDir(name string) error {
	return f.do(OpSyncDir, name, func() error { return f.inner.SyncDir(name) })
}

// Lock implements FS.
func (f *Fault) Lock(name string) (lock io.Closer, err error) {
	err = f.do(OpLock, name, func() (err error) {
		lock, err = f.inner.Lock(name)
		return err
	})
	if err != nil && lock != nil {
		lock.Close()
		lock = nil
	}
	return lock, err
}

// Size implements FS.
func (f *Fault) Size(name string) (int64, error) {
	if f.Crashed() {
		return 0, pathError("stat", name, ErrCrashed)
	}
	return f.inner.Size(name)
}

// FreeBytes implements FS.
func (f *Fault) FreeBytes(name string) (int64, error) {
	if f.Crashed() {
		return 0, pathError("statfs", name, ErrCrashed)
	}
	return f.inner.FreeBytes(name)
}

// faultFile is a file of a Fault. It keeps the name under which it was opened:
// its class does not change with a rename.
type faultFile struct {
	f    *Fault
	file File
	name string
}

func (x *faultFile) ReadAt(p []byte, off int64) (n int, err error) {
	switch fate := x.f.fate(OpRead, x.name); fate {
	case Pass, FailNoSpace, Lie:
		return x.file.ReadAt(p, off)
	case FlipBit:
		n, err = x.file.ReadAt(p, off)
		if n > 0 {
			p[n/2] ^= 0x10
		}
		return n, err
	case FailEIO, FailEIOAfter:
		return 0, pathError("read", x.name, syscall.EIO)
	default:
		return 0, pathError("read", x.name, ErrCrashed)
	}
}

func (x *faultFile) WriteAt(p []byte, off int64) (int, error) {
	part, end := len(p), error(nil)
	switch x.f.fate(OpWrite, x.name) {
	case FailEIO:
		part, end = 0, syscall.EIO
	case FailEIOAfter:
		end = syscall.EIO
	case Lie:
		return len(p), nil
	case FailNoSpace:
		part, end = len(p)/2, syscall.ENOSPC
	case CrashBefore:
		part, end = 0, ErrCrashed
	case CrashHalf:
		part, end = len(p)/2, ErrCrashed
	case CrashAfter:
		end = ErrCrashed
	}
	n := 0
	if part > 0 {
		var err error
		if n, err = x.file.WriteAt(p[:part], off); err != nil {
			return n, err
		}
	}
	if end != nil {
		return n, pathError("write", x.name, end)
	}
	return n, nil
}

func (x *faultFile) Sync() error { return x.f.do(OpSync, x.name, x.file.Sync) }

func (x *faultFile) Truncate(size int64) error {
	return x.f.do(OpTruncate, x.name, func() error { return x.file.Truncate(size) })
}

func (x *faultFile) Allocate(size int64) error {
	return x.f.do(OpAllocate, x.name, func() error { return x.file.Allocate(size) })
}

func (x *faultFile) Size() (int64, error) {
	if x.f.Crashed() {
		return 0, pathError("stat", x.name, ErrCrashed)
	}
	return x.file.Size()
}

func (x *faultFile) Close() error { return x.file.Close() }
