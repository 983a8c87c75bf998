package sdk_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/config"
	"github.com/zensus-io/zensus/sdk/naming"
)

// stub is a server whose every answer a test decides: what a stock server, or
// one in trouble, may do.
type stub struct {
	addr string
	// answer is called for every request but the server check.
	answer func(ctx context.Context, in *wire.Payload) wire.Body
	// setUp is called with the first frame of every stream. The stream ends when
	// it returns.
	setUp       func(stream grpc.ServerStream, in *wire.ConnectionSetupRequest)
	negotiation bool
	starting    atomic.Int32 // server checks that are still answered by "starting"
	setups      atomic.Int32
	grpc        *grpc.Server
}

func startStub(t *testing.T, s *stub) *stub {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.grpc = grpc.NewServer()
	s.grpc.RegisterService(&grpc.ServiceDesc{ServiceName: "Request", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "request",
		Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(wire.Payload)
			if err := decode(in); err != nil {
				return nil, err
			}
			if in.GetMetadata().GetType() == "ServerCheckRequest" {
				if s.starting.Add(-1) >= 0 {
					return wire.Encode(wire.NewErrorResponse(300, "Server is starting,please try later."), nil)
				}
				return wire.Encode(&wire.ServerCheckResponse{Response: wire.Succeeded(), ConnectionID: "c", SupportAbilityNegotiation: s.negotiation}, nil)
			}
			return wire.Encode(s.answer(ctx, in), nil)
		},
	}}}, s)
	s.grpc.RegisterService(&grpc.ServiceDesc{ServiceName: "BiRequestStream", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
		StreamName: "requestBiStream", ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			in := new(wire.Payload)
			if err := stream.RecvMsg(in); err != nil {
				return err
			}
			var setup wire.ConnectionSetupRequest
			if err := wire.DecodeInto(in, &setup); err != nil {
				return err
			}
			s.setups.Add(1)
			if s.setUp == nil {
				<-stream.Context().Done()
				return nil
			}
			s.setUp(stream, &setup)
			return nil
		},
	}}}, s)
	var done sync.WaitGroup
	done.Go(func() { s.grpc.Serve(l) })
	t.Cleanup(func() {
		s.grpc.Stop()
		done.Wait()
	})
	return s
}

func (s *stub) dial(t *testing.T, opts ...sdk.Option) *sdk.Client {
	t.Helper()
	return dial(t, []*server{{addr: s.addr}}, opts...)
}

func registeredAnswer(_ context.Context, in *wire.Payload) wire.Body {
	switch in.GetMetadata().GetType() {
	case "HealthCheckRequest":
		return &wire.HealthCheckResponse{Response: wire.Succeeded()}
	case "BatchInstanceRequest":
		return &wire.BatchInstanceResponse{Response: wire.Succeeded(), Type: wire.BatchRegisterInstance}
	}
	return &wire.InstanceResponse{Response: wire.Succeeded(), Type: wire.RegisterInstance}
}

func push(t *testing.T, stream grpc.ServerStream, body wire.Body, id string) {
	t.Helper()
	m, err := wire.NewMessage(body, id)
	if err != nil {
		t.Error(err)
		return
	}
	p := new(wire.Payload)
	if err := proto.Unmarshal(slices.Concat(m.Head, m.Shared, []byte(m.Tail)), p); err != nil {
		t.Error(err)
		return
	}
	if err := stream.SendMsg(p); err != nil {
		t.Error(err)
	}
}

func TestAStockServerWithoutNegotiationIsUsable(t *testing.T) {
	s := startStub(t, &stub{answer: registeredAnswer, setUp: func(stream grpc.ServerStream, in *wire.ConnectionSetupRequest) {
		if in.Labels["module"] == "naming" && (in.Labels["source"] != "sdk" || in.Labels["AppName"] != "shop" || in.Tenant != "dev" || in.ClientVersion != sdk.Version) {
			t.Errorf("setup: %+v", in)
		}
		<-stream.Context().Done()
	}})
	n := naming.New(s.dial(t, sdk.Namespace("dev"), sdk.AppName("shop")))
	register(t, n, 1)
}

func TestAServerThatStartsIsWaitedFor(t *testing.T) {
	s := &stub{answer: registeredAnswer}
	s.starting.Store(3)
	startStub(t, s)
	register(t, naming.New(s.dial(t)), 1)
}

func TestDialFailsWhenNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := sdk.Dial(ctx, []string{l.Addr().String()}, sdk.PortOffset(0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	for _, addresses := range [][]string{nil, {""}, {"host:port"}, {"host:65000"}} {
		if _, err := sdk.Dial(t.Context(), addresses, sdk.Lazy()); err == nil {
			t.Errorf("%q is accepted", addresses)
		}
	}
}

func TestAConnectionThatTheServerForgotIsMadeAnew(t *testing.T) {
	var forgets atomic.Bool
	s := startStub(t, &stub{answer: func(ctx context.Context, in *wire.Payload) wire.Body {
		if forgets.Swap(false) {
			return wire.NewErrorResponse(301, "Connection is unregistered.")
		}
		return registeredAnswer(ctx, in)
	}})
	n := naming.New(s.dial(t))
	register(t, n, 1)
	before := s.setups.Load()
	forgets.Store(true)
	register(t, n, 2)
	if s.setups.Load() == before {
		t.Error("the connection was not set up again")
	}
}

func TestPushesAreAcknowledgedByTheirIDs(t *testing.T) {
	acks := make(chan *wire.Response, 10)
	s := startStub(t, &stub{negotiation: true, answer: registeredAnswer, setUp: func(stream grpc.ServerStream, in *wire.ConnectionSetupRequest) {
		push(t, stream, &wire.SetupAckRequest{}, "")
		if in.Labels["module"] != "naming" {
			<-stream.Context().Done()
			return
		}
		push(t, stream, &wire.ClientDetectionRequest{}, "7")
		push(t, stream, wire.Encoded{Type: "NobodyKnowsRequest", JSON: []byte("{}")}, "8")
		push(t, stream, &wire.NotifySubscriberRequest{ServiceInfo: wire.NewServiceInfo("unknown", "g", "")}, "9")
		for range 2 {
			p := new(wire.Payload)
			if err := stream.RecvMsg(p); err != nil {
				t.Error(err)
				return
			}
			ack, err := wire.DecodeAck(p)
			if err != nil {
				t.Error(err)
			}
			acks <- ack
		}
		<-stream.Context().Done()
	}})
	naming.New(s.dial(t))
	for _, id := range []string{"7", "9"} {
		if ack := <-acks; ack.RequestID != id || !ack.OK() {
			t.Errorf("got %+v, want the acknowledgement of %s", ack, id)
		}
	}
}

func TestWhoIsAskedToLeaveGoesToTheServerNamed(t *testing.T) {
	c := newCluster(t)
	servers := []*server{c.start("127.0.0.1:0"), c.start("127.0.0.2:0"), c.start("127.0.0.3:0")}
	n := naming.New(dial(t, servers))
	register(t, n, 1)
	for round := range 3 {
		// Neither that of Dial is there any more, nor the one that was left last.
		eventually(t, "one connection is left", func() bool {
			return servers[0].rpc.Count()+servers[1].rpc.Count()+servers[2].rpc.Count() == 1
		})
		var from *rpc.Conn
		var to *server
		for i, s := range servers {
			for _, conn := range s.rpc.Conns() {
				from, to = conn, servers[(i+2)%3] // not the one that comes next anyway
			}
		}
		host, _, _ := net.SplitHostPort(to.addr)
		from.Leave(host, "1")
		eventually(t, "the client is at the server named", func() bool {
			return to.rpc.Count() == 1 && len(c.names.registered("orders")) == 1
		})
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// TestASilentServerIsLeft: it neither answers nor closes, as a machine does that
// vanished.
func TestASilentServerIsLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for health checks: 12 s")
	}
	var silent atomic.Bool
	hold := make(chan struct{})
	defer close(hold)
	var mu sync.Mutex
	calls := 0
	s := startStub(t, &stub{answer: func(ctx context.Context, in *wire.Payload) wire.Body {
		mu.Lock()
		calls++
		mu.Unlock()
		if silent.Load() {
			select {
			case <-ctx.Done():
			case <-hold:
			}
		}
		return registeredAnswer(ctx, in)
	}})
	n := naming.New(s.dial(t))
	register(t, n, 1)
	before := s.setups.Load()
	silent.Store(true)
	eventually(t, "the connection is made anew", func() bool { return s.setups.Load() > before })
	silent.Store(false)
	register(t, n, 2)
}

func TestACallThatIsNotAnsweredEndsWithItsContext(t *testing.T) {
	// The deadline is the server's too, and its answer must not be the faster one: it
	// waits for the end of the test.
	over := make(chan struct{})
	s := startStub(t, &stub{answer: func(context.Context, *wire.Payload) wire.Body {
		<-over
		return wire.NewErrorResponse(500, "too late")
	}})
	t.Cleanup(func() { close(over) })
	client := s.dial(t)
	configs := config.New(client)
	eventually(t, "it is connected", configs.Connected)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := configs.Publish(ctx, app, "x"); !errors.Is(err, sdk.ErrUnknownOutcome) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish: %v", err)
	}
	if _, err := configs.Get(ctx, app); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get: %v", err)
	}
	began := time.Now()
	client.Close()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("close took %v", took)
	}
}

func TestAWrongAnswerIsAnErrorAndNoPanic(t *testing.T) {
	bodies := []wire.Body{
		wire.NewErrorResponse(302, "RequestHandler Not Found"),
		&wire.HealthCheckResponse{Response: wire.Succeeded()},
		wire.Encoded{Type: "ConfigQueryResponse", JSON: []byte(`{"resultCode":"x"}`)},
		wire.Encoded{Type: "", JSON: []byte(`{}`)},
		&wire.ConfigQueryResponse{Response: wire.Failed(500, "trouble")},
	}
	var next atomic.Int32
	s := startStub(t, &stub{answer: func(context.Context, *wire.Payload) wire.Body {
		return bodies[int(next.Load())%len(bodies)]
	}})
	configs := config.New(s.dial(t))
	for range bodies {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		item, err := configs.Get(ctx, app)
		cancel()
		if err == nil || errors.Is(err, config.ErrNotFound) {
			t.Errorf("answer %d: got %+v, %v", next.Load(), item, err)
		}
		next.Add(1)
	}
}

func TestClientInOrderBeginsWithTheFirstServerAndGoesToTheNext(t *testing.T) {
	c := newCluster(t)
	servers := []*server{c.start("127.0.0.1:0"), c.start("127.0.0.1:0"), c.start("127.0.0.1:0")}
	var mu sync.Mutex
	var dialled []string
	dialer := func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		dialled = append(dialled, addr)
		mu.Unlock()
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	client := dial(t, servers, sdk.InOrder(), sdk.Dialer(dialer))
	configs := config.New(client)
	key := config.Key{DataID: "order"}
	if err := configs.Publish(t.Context(), key, "1"); err != nil {
		t.Fatal(err)
	}
	servers[0].stop()
	if _, err := configs.Get(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	// Dial looks whether there is a server, and the config side has a connection of its own.
	want := []string{servers[0].addr, servers[0].addr, servers[1].addr}
	if !slices.Equal(dialled, want) {
		t.Fatalf("dialled %v, want %v", dialled, want)
	}
}
