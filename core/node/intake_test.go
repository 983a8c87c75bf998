package node

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// slowDisk is the machine's file system whose syncs can be made to take long.
type slowDisk struct {
	vfs.FS
	delay *atomic.Int64 // nanoseconds
}

type slowFile struct {
	vfs.File
	delay *atomic.Int64
}

func (s slowDisk) Create(name string) (vfs.File, error) {
	f, err := s.FS.Create(name)
	return slowFile{f, s.delay}, err
}

func (s slowDisk) OpenRW(name string) (vfs.File, error) {
	f, err := s.FS.OpenRW(name)
	return slowFile{f, s.delay}, err
}

func (f slowFile) Sync() error {
	time.Sleep(time.Duration(f.delay.Load()))
	return f.File.Sync()
}

func TestWhoWaitsForASlowDiskIsRelieved(t *testing.T) {
	var delay atomic.Int64
	n, err := New(Config{
		Replica: replica.Config{
			Zab:    zab.Config{Self: 1, Voters: []core.PeerID{1}},
			Secret: []byte("a secret of this test"),
		},
		Storage: storage.Options{
			Dir: t.TempDir(), FS: slowDisk{vfs.OS{}, &delay}, SegmentBytes: 1 << 20, BallastBytes: -1, LowWaterBytes: -1,
		},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-ran)
	}()
	<-n.Serving()
	id := n.Connect(netip.MustParseAddrPort("127.0.0.1:1"), sink{})
	relieved := make(chan struct{}, 1)
	in := n.NewIntake(func() { relieved <- struct{}{} })
	write := func(frame []byte) bool {
		b := SmallBuffer()
		b.B = append(append(b.B, 0, 0, 0, 0), frame...)
		wire.PutInt(b.B, int32(len(frame)))
		require.True(t, in.Submit(id, b))
		n.disk.quick.Store(true)
		return in.Done(true)
	}
	require.False(t, write(wire.ConnectRequest{TimeoutMillis: 10_000, Password: make([]byte, wire.PasswordBytes)}.Append(nil)))
	set := func(xid int32) []byte {
		return wire.AppendSetData(wire.AppendRequestHeader(nil, xid, wire.OpSetData), "/", nil, core.AnyVersion)
	}
	version := func() (v int32) {
		require.NoError(t, n.Do(ctx, func(r *replica.Replica) { v = r.State().Tree().Stat(tree.Root).Version }))
		return v
	}
	done := func(sets int32) func() bool { return func() bool { return version() == sets } }
	require.False(t, write(set(1)), "the disk was quick")
	require.Eventually(t, done(1), 10*time.Second, time.Millisecond)
	sets, relief := int32(1), false
	for !relief { // the worker may be at it just then
		require.Less(t, sets, int32(20), "nobody relieved him")
		time.Sleep(20 * time.Millisecond) // it has prepared what there is to prepare
		delay.Store(int64(300 * time.Millisecond))
		sets++
		relief = write(set(sets))
		delay.Store(0)
		require.Eventually(t, done(sets), 10*time.Second, time.Millisecond, "the write is lost")
	}
	<-relieved
}
