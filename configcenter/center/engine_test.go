package center_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/zab"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

// opener opens sessions for the nodes of a test.
type opener interface {
	Open(ctx context.Context, opt core.SessionOptions) (core.Client, error)
}

// overTCP opens sessions at a ZooKeeper port.
type overTCP struct{ addr string }

func (o overTCP) Open(ctx context.Context, opt core.SessionOptions) (core.Client, error) {
	return zkclient.Dial(ctx, []string{o.addr}, zkclient.Options{Timeout: opt.Timeout})
}

// onEngines runs a test on the fake, on a real node with a disk, on one beyond the
// ZooKeeper port, and on an Apache ZooKeeper.
func onEngines(t *testing.T, test func(t *testing.T, engine opener)) {
	t.Run("fake", func(t *testing.T) { test(t, coretest.NewFake()) })
	t.Run("node", func(t *testing.T) {
		engine, _ := runNode(t, t.TempDir())
		test(t, engine)
	})
	t.Run("tcp", func(t *testing.T) {
		engine, _ := runNode(t, t.TempDir())
		port := server.New(server.Config{}, engine)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		serving.Go(func() { port.Serve(l) })
		t.Cleanup(func() {
			port.Close(context.Background())
			serving.Wait()
		})
		test(t, overTCP{l.Addr().String()})
	})
	t.Run("zookeeper", func(t *testing.T) { test(t, onApache{t, testkit.OnApache(t)}) })
}

// onApache gives each node its own session with an Apache ZooKeeper.
type onApache struct {
	t     *testing.T
	nodes coretest.Nodes
}

func (o onApache) Open(context.Context, core.SessionOptions) (core.Client, error) {
	c, _ := o.nodes.Node(o.t)
	return c, nil
}

// runNode runs an ensemble of one on the data directory dir.
func runNode(t testing.TB, dir string) (*node.Node, func()) {
	t.Helper()
	n, err := node.New(node.Config{
		Replica: replica.Config{
			Zab: zab.Config{Self: 1, Voters: []core.PeerID{1}}, State: state.Config{TTLNodes: true}, Secret: []byte("a secret of this test"),
		},
		Storage: storage.Options{Dir: dir, SegmentBytes: 1 << 20, BallastBytes: -1, LowWaterBytes: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	}
	t.Cleanup(stop)
	select {
	case <-n.Serving():
	case <-time.After(time.Minute):
		t.Fatal("the node does not serve")
	}
	return n, stop
}

func TestConfigsAndTheirHistoryOutliveTheNode(t *testing.T) {
	dir := t.TempDir()
	contents := []string{"one", string(make([]byte, 3<<20)) + "two", "three"}
	t.Run("before", func(t *testing.T) {
		engine, _ := runNode(t, dir)
		c := start(t, engine, configcenter.Limits{})
		for _, content := range contents {
			publish(t, c, "a", content)
		}
	})
	t.Run("after", func(t *testing.T) {
		engine, _ := runNode(t, dir)
		c := start(t, engine, configcenter.Limits{})
		it, err := c.Get(t.Context(), key("a"))
		if err != nil || it.Content != "three" {
			t.Fatalf("got %+v, %v", it, err)
		}
		for i, content := range contents {
			if v, err := c.Version(t.Context(), key("a"), uint64(i+1)); err != nil || v.Content != content {
				t.Errorf("version %d: %v", i+1, err)
			}
		}
		publish(t, c, "a", "four")
	})
}
