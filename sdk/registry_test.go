package sdk_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/registry/nacosapi"
	realregistry "github.com/zensus-io/zensus/registry/naming"
	"github.com/zensus-io/zensus/sdk/naming"
)

// startRegistry serves the real registry on an engine.
func startRegistry(t *testing.T, engine *coretest.Fake, addr, name string) *server {
	t.Helper()
	session, err := engine.Open(context.Background(), core.SessionOptions{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	service, err := realregistry.New(realregistry.Config{Client: session, Sessions: engine, Node: name, Form: nacosapi.AppendInstance})
	if err != nil {
		t.Fatal(err)
	}
	api, err := nacosapi.New(nacosapi.Deps{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{session: session.Session().ID}
	if s.rpc, err = rpc.New(rpc.Config{Timing: rpc.Timing{Drain: 10 * time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	api.RegisterRPC(s.rpc)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() {
		if err := service.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("registry: %v", err)
		}
	})
	tasks.Go(func() { s.rpc.Run(ctx) })
	tasks.Go(func() { s.rpc.Serve(l) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		tasks.Wait()
		session.Close()
	})
	t.Cleanup(s.stop)
	<-service.Ready()
	return s
}

func ports(list []naming.Instance) []int {
	var out []int
	for _, i := range list {
		out = append(out, i.Port)
	}
	return out
}

// TestWithTheRealRegistry: what the tests above show with a registry of a few
// lines holds with ours.
func TestWithTheRealRegistry(t *testing.T) {
	engine := coretest.NewFake()
	a, b := startRegistry(t, engine, "127.0.0.1:0", "a"), startRegistry(t, engine, "127.0.0.1:0", "b")
	providerClient := dial(t, []*server{a, b})
	provider, consumer := naming.New(providerClient), naming.New(dial(t, []*server{b}))
	register(t, provider, 1)
	register(t, provider, 2)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var last naming.Snapshot
	removed := 0
	var reader sync.WaitGroup
	reader.Go(func() {
		for s, err := range consumer.Subscribe(ctx, orders) {
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			last = s
			removed += len(s.Removed)
			mu.Unlock()
		}
	})
	sees := func(want ...int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Equal(ports(last.Instances), want)
		}
	}
	eventually(t, "both instances are seen", sees(1, 2))
	mu.Lock()
	seen := last.Instances[0]
	mu.Unlock()
	if !seen.Usable() || seen.Metadata["zone"] != "a" || seen.Cluster != "DEFAULT" {
		t.Errorf("got %+v", seen)
	}
	if err := provider.Deregister(t.Context(), orders, instance(1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one is gone", sees(2))

	// A node of the cluster stops; nobody sees anything but what was done.
	var left []core.SessionID // by a, of the provider
	if a.rpc.Count() > 0 {
		left = slices.DeleteFunc(engine.SessionIDs(), func(id core.SessionID) bool { return id == a.session || id == b.session })
	}
	a.stop()
	register(t, provider, 3)
	for _, id := range left {
		engine.Expire(id) // as they do after 30 s, where there is a clock
	}
	eventually(t, "the third is seen", sees(2, 3))
	mu.Lock()
	if removed != 1 {
		t.Errorf("%d removals were seen, want the one that was meant", removed)
	}
	mu.Unlock()
	list, err := consumer.Instances(t.Context(), orders)
	if err != nil || !slices.Equal(ports(list), []int{2, 3}) {
		t.Errorf("query: %v, %v", ports(list), err)
	}
	providerClient.Close()
	eventually(t, "all are gone", sees())
	cancel()
	reader.Wait()
}
