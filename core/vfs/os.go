package vfs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"sync/atomic"
)

// OS is the file system of the machine. Files are made readable by their owner only.
type OS struct{}

const (
	filePerm = 0o600
	dirPerm  = 0o700
)

// Create implements FS.
func (OS) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, filePerm)
	if err != nil {
		return nil, err
	}
	file := &osFile{f: f}
	file.inodeDirty.Store(true)
	return file, nil
}

// Open implements FS.
func (OS) Open(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

// OpenRW implements FS.
func (OS) OpenRW(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

// Rename implements FS.
func (OS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// ReadDir implements FS.
func (OS) ReadDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// MkdirAll implements FS.
func (OS) MkdirAll(name string) error { return os.MkdirAll(name, dirPerm) }

// SyncDir implements FS.
func (OS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	if err := syncDir(d); err != nil {
		d.Close()
		return err
	}
	return d.Close()
}

// Size implements FS.
func (OS) Size(name string) (int64, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// FreeBytes implements FS.
func (OS) FreeBytes(name string) (int64, error) { return freeBytes(name) }

// Lock implements FS. The lock file stays behind, holding the last holder's
// process id; it is the lock of the kernel that counts, which ends with the process.
func (OS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		held := &LockedError{Name: name}
		if errors.Is(err, errLockHeld) {
			var b [20]byte
			n, _ := f.ReadAt(b[:], 0)
			held.PID, _ = strconv.Atoi(string(bytes.TrimSpace(b[:n])))
			err = held
		}
		return nil, errors.Join(err, f.Close())
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.WriteAt([]byte(pid), 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

type osFile struct {
	f *os.File
	// inodeDirty: more than content changed, so that the next Sync is a full
	// fsync rather than trust fdatasync's idea of what is needed.
	inodeDirty atomic.Bool
}

func (f *osFile) ReadAt(p []byte, off int64) (int, error)  { return f.f.ReadAt(p, off) }
func (f *osFile) WriteAt(p []byte, off int64) (int, error) { return f.f.WriteAt(p, off) }
func (f *osFile) Close() error                             { return f.f.Close() }

func (f *osFile) Sync() error {
	if f.inodeDirty.Swap(false) {
		return f.f.Sync()
	}
	return fdatasync(f.f)
}

func (f *osFile) Truncate(size int64) error {
	f.inodeDirty.Store(true)
	return f.f.Truncate(size)
}

func (f *osFile) Allocate(size int64) error {
	f.inodeDirty.Store(true)
	return allocate(f.f, size)
}

func (f *osFile) Size() (int64, error) {
	fi, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// writeZeros is Allocate where the system has no call for it.
func writeZeros(f *os.File, size int64) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for off := fi.Size(); off < size; {
		n := min(size-off, int64(len(zeros)))
		if _, err := f.WriteAt(zeros[:n], off); err != nil {
			return err
		}
		off += n
	}
	return nil
}

var errLockHeld = errors.New("lock held")
