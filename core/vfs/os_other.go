//go:build !linux

package vfs

import (
	"math"
	"os"
	"runtime"
)

func fdatasync(f *os.File) error { return f.Sync() }

// syncDir skips systems on which a directory cannot be synced.
func syncDir(d *os.File) error {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		return nil
	}
	return d.Sync()
}

func allocate(f *os.File, size int64) error { return writeZeros(f, size) }

// lockFile does nothing: the standard library has no lock between processes on
// these systems. The file still tells an operator who was here last.
func lockFile(*os.File) error { return nil }

func freeBytes(string) (int64, error) { return math.MaxInt64, nil }
