package storage

import (
	"errors"
	"fmt"
	"syscall"
)

// Errors that a caller branches on.
var (
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("storage: closed")
	// ErrDiskLow is returned by DiskLow below the low-water mark, and by a snapshot
	// for which there was no room. It is not fatal.
	ErrDiskLow = errors.New("storage: disk space is low")
	// ErrDiskScarce is an ErrDiskLow, and returned by DiskLow in its place below half of
	// the low-water mark.
	ErrDiskScarce = fmt.Errorf("%w: there is hardly any left", ErrDiskLow)
	// ErrMismatch is returned by Truncate and ChainAt when the log has no record
	// with exactly that zxid, or another chain at it. Nothing was changed.
	ErrMismatch = errors.New("storage: no such position in the log")
	// ErrGone is returned when reading from a position that the log no longer, or
	// never, reached back to.
	ErrGone = errors.New("storage: the log does not reach back that far")
	// ErrDamaged is returned by Append and Truncate while damage that Open found
	// has neither been repaired nor replaced by a snapshot.
	ErrDamaged = errors.New("storage: the log is damaged")
	// ErrNotContiguous is returned by Append for records that do not follow the
	// last one, or that have changed since they were sealed. Nothing was written. It
	// is a defect of the caller.
	ErrNotContiguous = errors.New("storage: record does not follow the log")
	// ErrTooLarge is returned for a record or chunk above its bound.
	ErrTooLarge = errors.New("storage: record too large")
	// ErrBadSnapshot is returned when a snapshot file is not whole.
	ErrBadSnapshot = errors.New("storage: snapshot is damaged")
)

// FatalError is a write or sync that failed on the log, the meta record or a
// directory. The process must stop serving and end (zab Z-06); the Store returns
// the same error from now on.
type FatalError struct {
	Op  string
	Err error
}

// Error puts the operation first.
func (e *FatalError) Error() string { return "storage: " + e.Op + ": " + e.Err.Error() }

// Unwrap is the file system's error.
func (e *FatalError) Unwrap() error { return e.Err }

// IsFatal reports whether err means that the store can no longer be trusted.
func IsFatal(err error) bool {
	var f *FatalError
	return errors.As(err, &f)
}

// RefusedError says why Open will not start on a directory. Starting anyway
// could lose what was acknowledged.
type RefusedError struct {
	Dir    string
	Reason string
}

// Error is the reason in full.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("storage: %s: %s", e.Dir, e.Reason)
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
