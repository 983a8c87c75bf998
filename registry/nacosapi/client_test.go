package nacosapi

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/testkit"
	"github.com/zensus-io/zensus/registry/naming"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		testkit.Cleanup()
		os.Exit(code)
	}))
}

var engines testkit.Engines

// TestOnApacheZooKeeper runs the tests that need nothing of a Fake on a backend.
func TestOnApacheZooKeeper(t *testing.T) {
	engines.RunOnApache(t,
		TestProviderRegistersAndConsumerIsPushedTheList,
		TestRegisteringAgainReplacesWhatTheConnectionHad,
		TestPushesCarryTheClustersAsAskedFor,
		TestRefusalsAreTypedFailures,
		TestServiceListIsPagedAndStable,
		TestHTTPRegisterListAndDeregister,
		TestHTTPErrorsAreNacosErrors,
		TestHTTPServices,
		TestHTTPOverrideWinsAndSurvivesRegistration,
		TestOverridesAreShownAndReset,
		TestSwitchesOfNacosDoWhatTheyDoThere,
		TestASubscriberThatNeverReadsCostsOnlyItself,
		TestASubscriberMissesNothingWheneverItReconnects,
		TestHTTPBeats,
		TestRegistrationOverOneProtocolIsSeenOverTheOther,
		TestHTTPv3,
		TestServicesAreWatchedByAPattern,
		TestManyServicesThatMatchComeInParts,
		TestNobodyHearsOfServicesThatHeMayNotRead)
}

// node is a registry that is served over gRPC.
type node struct {
	engine coretest.Nodes
	svc    *naming.Service
	api    *API
	addr   string
	stop   func()
}

func startNode(t testing.TB, engine coretest.Nodes) *node {
	t.Helper()
	return startGuarded(t, engine, nil)
}

// gatekeeper decides who may do what, over gRPC too.
type gatekeeper interface {
	rest.Checker
	Authorize(ctx context.Context, c *rpc.Conn, headers map[string]string, request wire.Body) (context.Context, error)
}

// startGuarded is startNode with somebody who decides; nil lets everybody do everything.
func startGuarded(t testing.TB, engine coretest.Nodes, who gatekeeper) *node {
	t.Helper()
	session, sessions := engine.Node(t)
	svc, err := naming.New(naming.Config{Client: session, Sessions: sessions, Node: "n1", Form: AppendInstance})
	require.NoError(t, err)
	deps, cfg := Deps{Service: svc}, rpc.Config{Timing: rpc.Timing{Drain: 10 * time.Millisecond}}
	if who != nil {
		deps.Guard, cfg.Authorize = rest.NewGuard(who), who.Authorize
	}
	api, err := New(deps)
	require.NoError(t, err)
	server, err := rpc.New(cfg)
	require.NoError(t, err)
	api.RegisterRPC(server)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	tasks.Go(func() { _ = svc.Run(ctx) })
	tasks.Go(func() { _ = server.Run(ctx) })
	tasks.Go(func() {
		if err := server.Serve(l); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	n := &node{engine: engine, svc: svc, api: api, addr: l.Addr().String()}
	n.stop = sync.OnceFunc(func() { cancel(); tasks.Wait(); api.Wait() })
	t.Cleanup(n.stop)
	<-svc.Ready()
	return n
}

// patience is how long a test waits for what is to happen soon.
const patience = time.Minute

// client is a Nacos client that does what its test says and no more.
type client struct {
	t      testing.TB
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	pushes chan *wire.ServiceInfo
	fuzzy  chan *wire.Payload
	mute   atomic.Bool // does not acknowledge what it is told
	close  func()
	done   sync.WaitGroup
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	c := dialSilent(t, addr)
	c.done.Go(c.listen)
	return c
}

// dialSilent is a client that reads nothing of what it is told.
func dialSilent(t testing.TB, addr string) *client {
	t.Helper()
	return dialSilentAs(t, addr, "Nacos-Go-Client:v2.3.5")
}

func dialSilentAs(t testing.TB, addr, version string) *client {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	c := &client{t: t, conn: conn, pushes: make(chan *wire.ServiceInfo, 1000), fuzzy: make(chan *wire.Payload, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	c.close = sync.OnceFunc(func() { cancel(); conn.Close(); c.done.Wait() })
	t.Cleanup(c.close)
	c.stream, err = conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, wire.BiStreamMethod)
	require.NoError(t, err)
	setup, err := wire.Encode(&wire.ConnectionSetupRequest{ClientVersion: version}, nil)
	require.NoError(t, err)
	require.NoError(t, c.stream.SendMsg(setup))
	return c
}

// listen acknowledges as nacos-sdk-go does.
func (c *client) listen() {
	for {
		p := new(wire.Payload)
		if err := c.stream.RecvMsg(p); err != nil {
			return
		}
		if reply := fuzzyReply(p.GetMetadata().GetType()); reply != nil {
			if !c.mute.Load() && !c.acknowledge(p, reply) {
				return
			}
			c.fuzzy <- p
			continue
		}
		push := new(wire.NotifySubscriberRequest)
		if p.GetMetadata().GetType() != push.PayloadType() {
			continue
		}
		if err := wire.DecodeInto(p, push); err != nil {
			c.t.Error(err)
			return
		}
		if c.mute.Load() {
			c.pushes <- push.ServiceInfo
			continue
		}
		ack, err := wire.Encode(&wire.NotifySubscriberResponse{Response: wire.Response{ResultCode: wire.ResultOK, RequestID: push.RequestID}}, nil)
		if err != nil {
			c.t.Error(err)
			return
		}
		if c.stream.SendMsg(ack) != nil {
			return
		}
		c.pushes <- push.ServiceInfo
	}
}

func (c *client) call(in wire.Body, out wire.Body) {
	c.t.Helper()
	p, err := wire.Encode(in, nil)
	require.NoError(c.t, err)
	reply := new(wire.Payload)
	require.NoError(c.t, c.conn.Invoke(c.t.Context(), wire.RequestMethod, p, reply))
	require.Equal(c.t, out.PayloadType(), reply.GetMetadata().GetType(), "%s", reply.GetBody().GetValue())
	require.NoError(c.t, wire.DecodeInto(reply, out))
}

var shop = wire.ServiceKey{ServiceName: "shop", GroupName: "DEFAULT_GROUP"}

func instance(ip string, port int) wire.Instance {
	i := wire.NewInstance()
	i.IP, i.Port = ip, port
	return i
}

func (c *client) register(ip string, port int) wire.InstanceResponse {
	c.t.Helper()
	var out wire.InstanceResponse
	c.call(&wire.InstanceRequest{ServiceKey: shop, Type: wire.RegisterInstance, Instance: instance(ip, port)}, &out)
	return out
}

func (c *client) subscribe(clusters string) *wire.ServiceInfo {
	c.t.Helper()
	var out wire.SubscribeServiceResponse
	c.call(&wire.SubscribeServiceRequest{ServiceKey: shop, Subscribe: true, Clusters: clusters}, &out)
	require.True(c.t, out.OK(), out.Message)
	require.Equal(c.t, "success", out.Message)
	return out.ServiceInfo
}

func (c *client) query() *wire.ServiceInfo {
	c.t.Helper()
	var out wire.QueryServiceResponse
	c.call(&wire.ServiceQueryRequest{ServiceKey: shop}, &out)
	require.True(c.t, out.OK(), out.Message)
	return out.ServiceInfo
}

// pushed is the next push with this many hosts.
func (c *client) pushed(hosts int) *wire.ServiceInfo {
	c.t.Helper()
	late := time.After(patience)
	for {
		select {
		case info := <-c.pushes:
			if len(info.Hosts) == hosts {
				return info
			}
		case <-late:
			c.t.Fatalf("no push with %d hosts came", hosts)
		}
	}
}
