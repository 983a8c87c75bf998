// Package vfs is the seam between storage and a disk: the few file operations
// that storage uses, and three file systems that offer them.
//
// OS is the real one. Mem keeps everything in memory and forgets, on a power
// loss, what was not synced: written blocks, sizes, creations, renames and
// removals, each on its own, as the strictest disks do. Fault wraps either,
// records every call and lets a test decide the fate of each.
//
// A name is a slash- or OS-separated path. Nothing here retries, buffers or
// starts a goroutine. Implementations are safe for concurrent use; two writers
// of one range of one file are the caller's affair.
package vfs

import (
	"errors"
	"fmt"
	"io"
)

// File is an open file. ReadAt and WriteAt follow io.ReaderAt and io.WriterAt;
// writing beyond the end extends the file, with zeros in between.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync returns once the content, and the size that is needed to read it, are
	// durable. The file's directory entry is not part of it: see FS.SyncDir. After
	// an error the state of what was unsynced is unknown: never call it again.
	Sync() error
	// Truncate sets the size. It is durable after Sync.
	Truncate(size int64) error
	// Allocate reserves real blocks for the first size bytes and extends the
	// file to that size.
	Allocate(size int64) error
	// Size is the current size.
	Size() (int64, error)
	// Close releases the file. It does not sync.
	Close() error
}

// FS is a file system.
type FS interface {
	// Create makes an empty file, or empties one, and opens it for reading and writing.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// OpenRW opens a file that exists for reading and writing.
	OpenRW(name string) (File, error)
	// Rename moves a file within its directory, over a file that may be there,
	// in one step. It is durable after SyncDir.
	Rename(oldName, newName string) error
	// Remove deletes a file. It is durable after SyncDir.
	Remove(name string) error
	// ReadDir lists the names in a directory, sorted.
	ReadDir(name string) ([]string, error)
	// MkdirAll makes a directory and its parents. Each is durable after SyncDir
	// of its parent.
	MkdirAll(name string) error
	// SyncDir makes the entries of a directory durable.
	SyncDir(name string) error
	// Size is the size of the file of that name.
	Size(name string) (int64, error)
	// Lock takes the exclusive lock that the file name stands for, until Close or
	// the end of the process. If another holds it the error is a *LockedError.
	Lock(name string) (io.Closer, error)
	// FreeBytes is what can still be written below a directory.
	FreeBytes(name string) (int64, error)
}

// LockedError is returned by Lock when somebody else holds the lock.
type LockedError struct {
	Name string
	PID  int // of the holder; 0 if unknown
}

// Error names the holder, so that an operator knows which process to look at.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("lock %s: in use by another process", e.Name)
	}
	return fmt.Sprintf("lock %s: in use by process %d", e.Name, e.PID)
}

// ErrCrashed is returned by files and locks that were open when Mem crashed, and
// by every call on a Fault after a fate that ended the process.
var ErrCrashed = errors.New("vfs: the process that opened this has crashed")
