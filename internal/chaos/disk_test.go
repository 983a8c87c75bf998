package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// disk is a small file system of its own, on which a server has its data, so that it
// can be full while those of the others are not.
type disk struct {
	dir    string
	filler string
}

// diskBytes is room for the log from the oldest of three snapshots on, each after 8 MiB
// of it, for the segments to come and the ballast.
const diskBytes = 160 << 20

// disks makes a file system for each member: on a file, through a loop device, or in
// memory. Where neither can be mounted it says why, and there are none.
type disks struct {
	t       *testing.T
	outside string // the mount namespace in which nothing is to be mounted
	all     map[int]*disk
	none    error
}

// make mounts the disk of a member at dir, for as long as the test runs. It does so
// in a mount namespace of the test's own only, where nothing stays when it is killed.
func (d *disks) make(member int, dir string) {
	if d.none != nil {
		return
	}
	if own, _ := os.Readlink("/proc/self/ns/mnt"); own == d.outside {
		d.none = errors.New("the test has no mount namespace of its own (unshare --mount)")
		return
	}
	loop := onLoop(d.t, dir)
	if loop == nil {
		// What comes with a new file system would be strange in a data directory.
		require.NoError(d.t, os.Remove(filepath.Join(dir, "lost+found")))
	} else if tmpfs := run("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", diskBytes), "tmpfs", dir); tmpfs != nil {
		d.none = errors.Join(loop, tmpfs)
		return
	}
	d.t.Cleanup(func() { require.NoError(d.t, run("umount", dir)) })
	d.all[member] = &disk{dir: dir, filler: filepath.Join(dir, "filler")}
}

func onLoop(t *testing.T, dir string) error {
	image := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(diskBytes), f.Close()); err != nil {
		return err
	}
	return errors.Join(run("mkfs.ext4", "-q", "-m", "0", image), run("mount", "-o", "loop", image, dir))
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// fill takes all the space that is left, but for some.
func (d *disk) fill(leave int64) error {
	f, err := os.Create(d.filler)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	var size int64
	for {
		n, err := f.Write(block)
		size += int64(n)
		if err != nil { // it is full
			break
		}
		if size > diskBytes {
			return fmt.Errorf("%s: there is no end to it", d.filler)
		}
	}
	if err := f.Truncate(max(0, size-leave)); err != nil {
		return err
	}
	return f.Sync()
}

func (d *disk) free() error { return os.Remove(d.filler) }
