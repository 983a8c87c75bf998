package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/configcenter/nacosapi"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/sdk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is what the servers of a test have in common: the real config center
// on an engine in memory, and a registry that is as simple as can be.
type cluster struct {
	t      *testing.T
	engine *coretest.Fake
	names  *registry
}

func newCluster(t *testing.T) *cluster {
	return &cluster{t: t, engine: coretest.NewFake(), names: newRegistry()}
}

// server is one server, which can be killed and started again at its address.
type server struct {
	cluster *cluster
	addr    string
	stop    func()
	rpc     *rpc.Server
	session core.SessionID // of the node itself
}

// again is the address of a server that is to come back at its port: what other tests listen
// on meanwhile, and where connections begin, is on 127.0.0.1.
const again = "127.0.0.2:0"

func (c *cluster) start(addr string) *server {
	c.t.Helper()
	s := &server{cluster: c}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		c.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.rpc, err = rpc.New(rpc.Config{
		Timing:    rpc.Timing{Drain: 10 * time.Millisecond},
		Abilities: wire.Abilities{wire.AbilityPersistentInstance: true},
		Authorize: c.names.authorize,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	session, err := c.engine.Open(context.Background(), core.SessionOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	configs, err := center.New(center.Config{Client: session})
	if err != nil {
		c.t.Fatal(err)
	}
	api, err := nacosapi.New(nacosapi.Deps{Center: configs})
	if err != nil {
		c.t.Fatal(err)
	}
	api.RegisterRPC(s.rpc)
	c.names.registerRPC(s.rpc)
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() { configs.Run(ctx) })
	tasks.Go(func() { s.rpc.Run(ctx) })
	tasks.Go(func() { s.rpc.Serve(l) })
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			tasks.Wait()
			api.Wait()
			c.names.tasks.Wait()
			session.Close()
		})
	}
	c.t.Cleanup(s.stop)
	return s
}

// dial makes a client of servers; the ports are those of gRPC.
func dial(t *testing.T, servers []*server, opts ...sdk.Option) *sdk.Client {
	t.Helper()
	addrs := make([]string, len(servers))
	for i, s := range servers {
		addrs[i] = s.addr
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := sdk.Dial(ctx, addrs, append([]sdk.Option{sdk.PortOffset(0)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// registry keeps instances by connection, as a Nacos server does.
type registry struct {
	tasks sync.WaitGroup

	mu          sync.Mutex
	instances   map[*rpc.Conn]map[string][]wire.Instance
	subscribers map[*rpc.Conn]map[string]bool
	time        int64
	failNext    int             // requests to fail, as a server in trouble does
	refuse      map[string]bool // services that nobody may register
	token       string          // that clients must have; "" for none
	refused     int             // requests with another one
	persistent  map[string][]wire.Instance
	said        int // requests that registered or deregistered
}

func newRegistry() *registry {
	return &registry{
		instances: map[*rpc.Conn]map[string][]wire.Instance{}, subscribers: map[*rpc.Conn]map[string]bool{},
		refuse: map[string]bool{}, persistent: map[string][]wire.Instance{},
	}
}

func (r *registry) authorize(ctx context.Context, _ *rpc.Conn, headers map[string]string, body wire.Body) (context.Context, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, health := body.(*wire.HealthCheckRequest); !health && r.token != "" && headers["accessToken"] != r.token {
		r.refused++
		return nil, wire.Refuse(wire.TokenInvalid, "Code: 401, Message: token invalid!.")
	}
	return ctx, nil
}

func (r *registry) registerRPC(s *rpc.Server) {
	rpc.Register(s, func(_ context.Context, c *rpc.Conn, in *wire.InstanceRequest) (*wire.InstanceResponse, error) {
		var list []wire.Instance
		if in.Type == wire.RegisterInstance {
			list = []wire.Instance{in.Instance}
		}
		return &wire.InstanceResponse{Type: in.Type}, r.publish(c, in.ServiceName, list)
	})
	rpc.Register(s, func(_ context.Context, c *rpc.Conn, in *wire.BatchInstanceRequest) (*wire.BatchInstanceResponse, error) {
		return &wire.BatchInstanceResponse{Type: in.Type}, r.publish(c, in.ServiceName, in.Instances)
	})
	rpc.Register(s, func(_ context.Context, _ *rpc.Conn, in *wire.PersistentInstanceRequest) (*wire.InstanceResponse, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.persistent[in.ServiceName] = nil
		if in.Type == wire.RegisterInstance {
			r.persistent[in.ServiceName] = []wire.Instance{in.Instance}
		}
		return &wire.InstanceResponse{Type: in.Type}, nil
	})
	rpc.Register(s, func(_ context.Context, c *rpc.Conn, in *wire.SubscribeServiceRequest) (*wire.SubscribeServiceResponse, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.refuse[in.ServiceName] {
			return nil, wire.Refuse(wire.ParameterInvalid, "no such thing")
		}
		if r.subscribers[c] == nil {
			r.subscribers[c] = map[string]bool{}
		}
		r.subscribers[c][in.ServiceName] = in.Subscribe
		return &wire.SubscribeServiceResponse{ServiceInfo: r.infoLocked(in.ServiceName)}, nil
	})
	rpc.Register(s, func(_ context.Context, _ *rpc.Conn, in *wire.ServiceQueryRequest) (*wire.QueryServiceResponse, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return &wire.QueryServiceResponse{ServiceInfo: r.infoLocked(in.ServiceName)}, nil
	})
	s.OnClose(func(c *rpc.Conn, _ rpc.Reason) {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.subscribers, c)
		services := r.instances[c]
		delete(r.instances, c)
		for service := range services {
			r.pushLocked(service)
		}
	})
}

func (r *registry) publish(c *rpc.Conn, service string, list []wire.Instance) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said++
	switch {
	case c.Closed():
		return wire.Refuse(wire.Released, "gone")
	case r.failNext > 0:
		r.failNext--
		return errors.New("in trouble")
	case r.refuse[service]:
		return wire.Refuse(wire.ParameterInvalid, "no such thing")
	case c.Label("module") != "naming":
		return errors.New("not a naming client")
	}
	if r.instances[c] == nil {
		r.instances[c] = map[string][]wire.Instance{}
	}
	r.instances[c][service] = list
	r.pushLocked(service)
	return nil
}

func (r *registry) infoLocked(service string) *wire.ServiceInfo {
	info := wire.NewServiceInfo(service, "DEFAULT_GROUP", "")
	for _, services := range r.instances {
		info.Hosts = append(info.Hosts, services[service]...)
	}
	r.time++
	info.LastRefTime = r.time
	return info
}

func (r *registry) pushLocked(service string) {
	for c, services := range r.subscribers {
		if services[service] {
			body := &wire.NotifySubscriberRequest{ServiceInfo: r.infoLocked(service)}
			r.tasks.Go(func() { c.Push(context.Background(), body) })
		}
	}
}

// registered are the addresses of a service, sorted.
func (r *registry) registered(service string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, services := range r.instances {
		for _, i := range services[service] {
			list = append(list, fmt.Sprintf("%s:%d", i.IP, i.Port))
		}
	}
	slices.Sort(list)
	return list
}

func (r *registry) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// eventually waits for what is to become true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain waited until " + what)
		}
	}
}
