package node_test

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/vfs"
)

// TestALearnerMakesRoomForWhatItHasMissed: what it has missed is several times as large as
// its disk, comes as fast as it can, and no snapshot is there yet by which log could go.
func TestALearnerMakesRoomForWhatItHasMissed(t *testing.T) {
	if testing.Short() {
		t.Skip("135 MiB through three logs take the race detector a minute")
	}
	const mib = 1 << 20
	e := newEnsemble(t, 3)
	disks := map[core.PeerID]*vfs.Mem{1: vfs.NewMem(), 2: vfs.NewMem(), 3: vfs.NewMem()}
	disks[3].SetQuota(40 * mib)
	e.configure = func(c *node.Config) {
		c.Storage.FS = disks[c.Replica.Zab.Self]
		if c.Replica.Zab.Self == 3 {
			c.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug})
		}
		c.Storage.LowWaterBytes, c.Storage.BallastBytes = 16*mib, 4*mib
	}
	e.startAll()
	ctx := context.Background()
	c := e.open(1)
	_, _, err := c.Create(ctx, "/big", nil, core.CreateOptions{})
	require.NoError(t, err)
	e.alike()
	e.stop(3)
	e.leader()
	c = e.open(1)
	for i := range 150 {
		data := make([]byte, 900<<10)
		data[0] = byte(i)
		_, err := c.Set(ctx, "/big", data, core.AnyVersion)
		require.NoError(t, err)
	}
	e.start(3)
	e.await(3)
	e.alike()
}

// TestALogThatFillsItsDiskGoes: the tree is small, and the first snapshots come before the
// disk is nearly full, when nothing would be written any more that makes another due.
func TestALogThatFillsItsDiskGoes(t *testing.T) {
	const mib = 1 << 20
	e := newEnsemble(t, 1)
	disk := vfs.NewMem()
	disk.SetQuota(80 * mib)
	e.configure = func(c *node.Config) {
		c.Storage.FS = disk
		c.Storage.LowWaterBytes, c.Storage.BallastBytes, c.Storage.SegmentBytes = 24*mib, 8*mib, 4*mib
	}
	e.startAll()
	ctx := context.Background()
	c := e.open(1)
	_, _, err := c.Create(ctx, "/big", nil, core.CreateOptions{})
	require.NoError(t, err)
	data := make([]byte, 900<<10)
	for i := range 200 {
		require.Eventually(t, func() bool {
			_, err := c.Set(ctx, "/big", data, core.AnyVersion)
			return err == nil
		}, patience, 10*time.Millisecond, "write %d", i)
	}
}

// TestManySmallThingsDoNotFillTheDisk: registry and config center write in process, each time
// as little as is taken while the disk is nearly full. When something has gone, more is taken.
func TestManySmallThingsDoNotFillTheDisk(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	e := newEnsemble(t, 1)
	disk := vfs.NewMem()
	disk.SetQuota(32 * mib)
	e.configure = func(c *node.Config) {
		c.Storage.FS = disk
		c.Storage.LowWaterBytes, c.Storage.BallastBytes, c.Storage.SegmentBytes = 16*mib, 2*mib, mib
		c.Replica.SnapshotRestMillis = 1
	}
	e.startAll()
	ctx := context.Background()
	c := e.open(1)
	_, _, err := c.Create(ctx, "/n", nil, core.CreateOptions{})
	require.NoError(t, err)
	fill := func(bytes int) (made []string) {
		data := make([]byte, bytes)
		for refused := 0; refused < 10; {
			path, _, err := c.Create(ctx, "/n/", data, core.CreateOptions{Mode: core.PersistentSequential})
			switch {
			case err == nil:
				made, refused = append(made, path), 0
			default:
				require.ErrorIs(t, err, core.SystemError)
				refused++
				time.Sleep(50 * time.Millisecond)
			}
			require.Less(t, len(made), 100_000)
		}
		return made
	}
	large := fill(256 * kib)
	require.NotEmpty(t, large)
	small := fill(400)
	require.NotEmpty(t, small)
	require.Eventually(t, func() bool { // a snapshot that does not fit takes some of it for a moment
		free, err := disk.FreeBytes("/")
		return err == nil && free > 2*mib
	}, patience, time.Millisecond)
	for _, path := range large {
		_, err := c.Delete(ctx, path, core.AnyVersion)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		_, _, err := c.Create(ctx, "/n/", make([]byte, 256*kib), core.CreateOptions{Mode: core.PersistentSequential})
		return err == nil
	}, patience, 10*time.Millisecond)
}
