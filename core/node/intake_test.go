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

// slowDisk is a file system whose syncs can be made to take long.
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
			Dir: t.TempDir(), FS: slowDisk{vfs.NewMem(), &delay}, SegmentBytes: 1 << 20, BallastBytes: -1, LowWaterBytes: -1,
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
	relieved := make(chan struct{}, 100) // as many as there may be writes
	in := n.NewIntake(func() { relieved <- struct{}{} })
	write := func(frame []byte) bool {
		b := SmallBuffer()
		b.B = append(append(b.B, 0, 0, 0, 0), frame...)
		wire.PutInt(b.B, int32(len(frame)))
		require.True(t, in.Submit(id, b))
		n.disk.quick.Store(true)
		return in.Done(true)
	}
	if write(wire.ConnectRequest{TimeoutMillis: 40_000, Password: make([]byte, wire.PasswordBytes)}.Append(nil)) {
		<-relieved
	}
	set := func(xid int32) []byte {
		return wire.AppendSetData(wire.AppendRequestHeader(nil, xid, wire.OpSetData), "/", nil, core.AnyVersion)
	}
	version := func() (v int32) {
		require.NoError(t, n.Do(ctx, func(r *replica.Replica) { v = r.State().Tree().Stat(tree.Root).Version }))
		return v
	}
	sets := int32(0)
	// relief reports whether one write was relieved, of those that the disk takes so long for.
	relief := func(takes time.Duration) bool {
		delay.Store(int64(takes))
		sets++
		relief := write(set(sets))
		delay.Store(0)
		require.Eventually(t, func() bool { return version() == sets }, time.Minute, time.Millisecond, "the write is lost")
		return relief
	}
	for relief(0) { // the machine stood still
		require.Less(t, sets, int32(20), "the disk was quick")
		<-relieved
	}
	quick := sets
	time.Sleep(20 * time.Millisecond)     // the worker has prepared what there is to prepare
	for !relief(300 * time.Millisecond) { // it may be at it all the same
		require.Less(t, sets-quick, int32(20), "nobody relieved him")
		time.Sleep(20 * time.Millisecond)
	}
	<-relieved
}
