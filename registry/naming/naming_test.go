package naming

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var shop = registry.NewServiceKey("", "", "shop")

// node is a running Service on an engine in memory.
type node struct {
	*Service
	session core.Client
	stop    func()
}

func start(t testing.TB, engine *coretest.Fake, name string, tune ...func(*Config)) *node {
	t.Helper()
	session, err := engine.Open(t.Context(), core.SessionOptions{Timeout: 10 * time.Second, ACL: core.NodeACL()})
	require.NoError(t, err)
	cfg := Config{Client: session, Sessions: engine, Node: name}
	for _, f := range tune {
		f(&cfg)
	}
	s, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	n := &node{Service: s, session: session, stop: sync.OnceFunc(func() { cancel(); wg.Wait() })}
	t.Cleanup(n.stop)
	select {
	case <-s.Ready():
	case <-time.After(5 * time.Second):
		t.Fatal("not ready")
	}
	return n
}

func at(ip string, port int) registry.Instance {
	i := registry.Instance{IP: ip, Port: port, Cluster: registry.DefaultCluster, Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
	i.ID = registry.SimpleID(&i, i.Cluster, shop.Grouped())
	return i
}

// hosts are the addresses that a query shows.
func (n *node) hosts(t testing.TB, k registry.ServiceKey) []string {
	t.Helper()
	v, err := n.Query(t.Context(), k, registry.Filter{})
	require.NoError(t, err)
	return addresses(v)
}

func addresses(v *catalog.View) []string {
	found := []string{}
	for _, i := range v.Instances {
		found = append(found, i.IP)
	}
	return found
}

// reader is a subscriber that acknowledges at once, or as fail says.
type reader struct {
	lists chan *catalog.View
	mu    sync.Mutex
	fail  error
}

func newReader() *reader { return &reader{lists: make(chan *catalog.View, 10_000)} }

func (r *reader) Closed() bool { return false }

func (r *reader) Notify(_ context.Context, v *catalog.View, _ string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.lists <- v
	return nil
}

// next is the next list that has this many instances.
func (r *reader) next(t testing.TB, instances int) *catalog.View {
	t.Helper()
	late := time.After(5 * time.Second)
	for {
		select {
		case v := <-r.lists:
			if len(v.Instances) == instances {
				return v
			}
		case <-late:
			t.Fatalf("no list of %d instances came", instances)
		}
	}
}

func TestRegisteringClientReadsItsOwnWriteAndSubscribersHear(t *testing.T) {
	n := start(t, coretest.NewFake(), "n1")
	r := newReader()
	v, err := n.Subscribe(t.Context(), "watcher", r, shop, "")
	require.NoError(t, err)
	require.Empty(t, v.Instances)
	r.next(t, 0)

	require.NoError(t, n.Publish(t.Context(), "c1", shop, []registry.Instance{at("10.0.0.1", 80)}))
	require.Equal(t, []string{"10.0.0.1"}, n.hosts(t, shop))
	first := r.next(t, 1)

	require.NoError(t, n.Publish(t.Context(), "c2", shop, []registry.Instance{at("10.0.0.2", 80)}))
	second := r.next(t, 2)
	require.Greater(t, second.LastRefTime, first.LastRefTime)

	n.End("c1")
	third := r.next(t, 1)
	require.Equal(t, []string{"10.0.0.2"}, addresses(third))
	require.Greater(t, third.LastRefTime, second.LastRefTime)

	require.NoError(t, n.Publish(t.Context(), "c2", shop, nil))
	require.Empty(t, n.hosts(t, shop))
}
