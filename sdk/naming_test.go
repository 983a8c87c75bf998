package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/naming"
)

var orders = naming.Service{Name: "orders"}

func instance(port int) naming.Instance {
	return naming.Instance{IP: "10.0.0.1", Port: port, Metadata: map[string]string{"zone": "a"}}
}

func register(t *testing.T, n *naming.Naming, port int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := n.Register(ctx, orders, instance(port)); err != nil {
		t.Fatalf("register %d: %v", port, err)
	}
}

func (c *cluster) wantRegistered(addresses ...string) {
	c.t.Helper()
	if got := c.names.registered("orders"); !slices.Equal(got, addresses) {
		c.t.Errorf("registered are %v, want %v", got, addresses)
	}
}

func TestSeveralInstancesOfOneServiceComeAndGo(t *testing.T) {
	c := newCluster(t)
	n := naming.New(dial(t, []*server{c.start("127.0.0.1:0")}))
	register(t, n, 1)
	c.wantRegistered("10.0.0.1:1")
	register(t, n, 2)
	register(t, n, 3)
	c.wantRegistered("10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3")
	for port := 1; port <= 3; port++ {
		if err := n.Deregister(t.Context(), orders, instance(port)); err != nil {
			t.Fatal(err)
		}
	}
	c.wantRegistered()
	if err := n.Deregister(t.Context(), orders, instance(1)); err != nil {
		t.Errorf("what is not registered: %v", err)
	}
	register(t, n, 4)
	c.wantRegistered("10.0.0.1:4")
	list, err := n.Instances(t.Context(), orders)
	if err != nil || len(list) != 1 || list[0].Address() != "10.0.0.1:4" || !list[0].Usable() || list[0].Metadata["zone"] != "a" || list[0].Weight != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestARegistrationSurvivesTheDeathOfItsServer(t *testing.T) {
	c := newCluster(t)
	servers := []*server{c.start("127.0.0.1:0"), c.start("127.0.0.1:0")}
	n := naming.New(dial(t, servers))
	register(t, n, 1)
	register(t, n, 2)
	for _, s := range servers {
		if s.rpc.Count() > 0 {
			c.names.set(func() { c.names.failNext = 2 }) // and its first tries elsewhere fail
			s.stop()
			break
		}
	}
	eventually(t, "both are registered elsewhere", func() bool {
		return slices.Equal(c.names.registered("orders"), []string{"10.0.0.1:1", "10.0.0.1:2"})
	})
}

func TestAServerThatComesBackIsToldEverythingAgain(t *testing.T) {
	c := newCluster(t)
	s := c.start(again)
	client := dial(t, []*server{s})
	n := naming.New(client)
	register(t, n, 1)
	s.stop()
	c.wantRegistered()
	// What is wanted meanwhile is made true later.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := n.Register(ctx, orders, instance(2)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a server: %v", err)
	}
	if err := n.Deregister(ctx, orders, instance(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a server: %v", err)
	}
	c.start(s.addr)
	eventually(t, "the server knows", func() bool {
		return slices.Equal(c.names.registered("orders"), []string{"10.0.0.1:2"})
	})
}

func TestARefusalIsReturnedAndTheWishDropped(t *testing.T) {
	c := newCluster(t)
	n := naming.New(dial(t, []*server{c.start("127.0.0.1:0")}))
	c.names.set(func() { c.names.refuse["orders"] = true })
	var refused *sdk.Error
	if err := n.Register(t.Context(), orders, instance(1)); !errors.As(err, &refused) || refused.Code != 400 {
		t.Fatalf("got %v", err)
	}
	for _, err := range n.Subscribe(t.Context(), orders) {
		if !errors.As(err, &refused) {
			t.Fatalf("subscribe: got %v", err)
		}
	}
	c.names.set(func() { c.names.refuse["orders"] = false })
	register(t, n, 2)
	c.wantRegistered("10.0.0.1:2")
}

func TestTroubleOfTheServerIsWaitedOut(t *testing.T) {
	c := newCluster(t)
	n := naming.New(dial(t, []*server{c.start("127.0.0.1:0")}))
	c.names.set(func() { c.names.failNext = 3 })
	register(t, n, 1)
	c.wantRegistered("10.0.0.1:1")
}

func TestPersistentInstancesAreRegisteredOnce(t *testing.T) {
	c := newCluster(t)
	client := dial(t, []*server{c.start("127.0.0.1:0")})
	n := naming.New(client)
	i := instance(1)
	i.Persistent = true
	if err := n.Register(t.Context(), orders, i); err != nil {
		t.Fatal(err)
	}
	client.Close()
	c.names.set(func() {
		if got := c.names.persistent["orders"]; len(got) != 1 || got[0].Ephemeral {
			t.Errorf("got %+v", got)
		}
	})
}

func TestCloseDeregisters(t *testing.T) {
	c := newCluster(t)
	client := dial(t, []*server{c.start("127.0.0.1:0")}, sdk.CloseTimeout(time.Minute))
	n := naming.New(client)
	register(t, n, 1)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	c.wantRegistered()
	if err := n.Register(t.Context(), orders, instance(2)); !errors.Is(err, sdk.ErrClosed) {
		t.Errorf("register after Close: %v", err)
	}
	if _, err := n.Instances(t.Context(), orders); !errors.Is(err, sdk.ErrClosed) {
		t.Errorf("query after Close: %v", err)
	}
	for _, err := range n.Subscribe(t.Context(), orders) {
		if !errors.Is(err, sdk.ErrClosed) {
			t.Errorf("subscribe after Close: %v", err)
		}
	}
	client.Close()
}

func TestASubscriberSeesWhatIsAddedChangedAndRemoved(t *testing.T) {
	c := newCluster(t)
	servers := []*server{c.start("127.0.0.1:0")}
	provider, consumer := naming.New(dial(t, servers)), naming.New(dial(t, servers))
	step := 0
	for s, err := range consumer.Subscribe(t.Context(), orders) {
		if err != nil {
			t.Fatal(err)
		}
		step++
		switch step {
		case 1:
			if len(s.Instances) != 0 {
				t.Errorf("at first: %+v", s)
			}
			register(t, provider, 1)
		case 2:
			if len(s.Added) != 1 || s.Added[0].Port != 1 || len(s.Changed)+len(s.Removed) != 0 {
				t.Errorf("added: %+v", s)
			}
			i := instance(1)
			i.Metadata = map[string]string{"zone": "b"}
			if err := provider.Register(t.Context(), orders, i); err != nil {
				t.Fatal(err)
			}
		case 3:
			if len(s.Changed) != 1 || s.Changed[0].Old.Metadata["zone"] != "a" || s.Changed[0].New.Metadata["zone"] != "b" || len(s.Added)+len(s.Removed) != 0 {
				t.Errorf("changed: %+v", s)
			}
			if err := provider.Deregister(t.Context(), orders, instance(1)); err != nil {
				t.Fatal(err)
			}
		case 4:
			if len(s.Removed) != 1 || len(s.Instances) != 0 || len(s.Added)+len(s.Changed) != 0 {
				t.Errorf("removed: %+v", s)
			}
			return
		}
	}
}

func TestASlowSubscriberGetsOneStepForManyChanges(t *testing.T) {
	c := newCluster(t)
	servers := []*server{c.start("127.0.0.1:0")}
	provider, consumer := naming.New(dial(t, servers)), naming.New(dial(t, servers))
	first := true
	for s, err := range consumer.Subscribe(t.Context(), orders) {
		if err != nil {
			t.Fatal(err)
		}
		if first {
			first = false
			for port := 1; port <= 20; port++ {
				register(t, provider, port)
			}
			for port := 1; port <= 18; port++ {
				if err := provider.Deregister(t.Context(), orders, instance(port)); err != nil {
					t.Fatal(err)
				}
			}
			// All pushes of it have come when another subscriber has seen the end.
			for s, err := range consumer.Subscribe(t.Context(), orders) {
				if err != nil || len(s.Instances) == 2 && s.Instances[0].Port == 19 {
					break
				}
			}
			continue
		}
		if len(s.Added) != 2 || len(s.Removed) != 0 || len(s.Changed) != 0 || len(s.Instances) != 2 {
			t.Errorf("got added %d, removed %d, changed %d", len(s.Added), len(s.Removed), len(s.Changed))
		}
		return
	}
}

func TestASubscriberSeesNoFlapWhenItsServerDies(t *testing.T) {
	c := newCluster(t)
	servers := []*server{c.start("127.0.0.1:0"), c.start(again)}
	provider := naming.New(dial(t, servers[:1]))
	register(t, provider, 1)
	consumer := naming.New(dial(t, servers[1:]))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var seen []string
	var reader sync.WaitGroup
	reader.Go(func() {
		for s, err := range consumer.Subscribe(ctx, orders) {
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			seen = append(seen, fmt.Sprintf("+%d -%d ~%d", len(s.Added), len(s.Removed), len(s.Changed)))
			mu.Unlock()
		}
	})
	look := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
	eventually(t, "the instance is seen", func() bool { return len(look()) == 1 })
	servers[1].stop()
	c.start(servers[1].addr)
	register(t, provider, 2)
	eventually(t, "news come over the new connection", func() bool { return len(look()) == 2 })
	cancel()
	reader.Wait()
	if want := []string{"+1 -0 ~0", "+1 -0 ~0"}; !slices.Equal(look(), want) {
		t.Errorf("seen %v, want %v", look(), want)
	}
}

func TestATokenIsRenewedWhenItIsRefused(t *testing.T) {
	c := newCluster(t)
	c.names.set(func() { c.names.token = "one" })
	var mu sync.Mutex
	asked := 0
	token := func(context.Context) (string, time.Time, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		if asked == 1 {
			return "one", time.Time{}, nil
		}
		return "two", time.Time{}, nil
	}
	n := naming.New(dial(t, []*server{c.start("127.0.0.1:0")}, sdk.Lazy(), sdk.Credentials(token)))
	register(t, n, 1)
	c.names.set(func() { c.names.token = "two" })
	register(t, n, 2)
	c.wantRegistered("10.0.0.1:1", "10.0.0.1:2")
	before := 0
	c.names.set(func() { c.names.token, before = "three", c.names.refused })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	outcome := make(chan error, 1)
	go func() { outcome <- n.Register(ctx, orders, instance(3)) }()
	eventually(t, "it is refused, with another token too, and tried again", func() (often bool) {
		c.names.set(func() { often = c.names.refused >= before+3 })
		return often
	})
	cancel()
	if err := <-outcome; !sdk.Forbidden(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("without the right token: %v", err)
	}
	c.names.set(func() { c.names.token = "two" }) // Close has something to say
}
