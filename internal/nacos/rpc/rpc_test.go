package rpc

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// served is a running server and what its hooks heard.
type served struct {
	*Server
	addr string
	stop func()

	mu     sync.Mutex
	opened []string
	alive  map[string]int
	ended  chan end
}

type end struct {
	id     string
	reason Reason
}

// quick are the timings of Nacos, divided so that tests need not wait.
var quick = Timing{
	Check: 20 * time.Millisecond, Idle: 150 * time.Millisecond, Detect: 100 * time.Millisecond,
	SetupFrame: 800 * time.Millisecond, SetupDeadline: 300 * time.Millisecond,
	StreamLost: 100 * time.Millisecond, Drain: 100 * time.Millisecond, Request: time.Second,
}

// calm are those of servers whose tests are about none: no client is given up because a busy
// machine has stood still.
func calm() Timing {
	t := quick
	t.Idle, t.SetupDeadline, t.SetupFrame, t.Request = time.Minute, time.Minute, 8*time.Second, time.Minute
	return t
}

// longest is how long the tests wait for what comes at once where the machine has the time.
const longest = 30 * time.Second

func serve(t *testing.T, cfg Config, prepare ...func(*Server)) *served {
	t.Helper()
	if cfg.Timing == (Timing{}) {
		cfg.Timing = calm()
	}
	s, err := New(cfg)
	require.NoError(t, err)
	v := &served{Server: s, alive: map[string]int{}, ended: make(chan end, 100)}
	s.OnOpen(func(c *Conn) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.opened = append(v.opened, c.ID())
	})
	s.OnAlive(func(c *Conn) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.alive[c.ID()]++
	})
	s.OnClose(func(c *Conn, r Reason) { v.ended <- end{c.ID(), r} })
	for _, f := range prepare {
		f(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	v.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	wg.Go(func() {
		if err := s.Serve(l); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	v.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(func() {
		v.stop()
		goleak.VerifyNone(t)
	})
	return v
}

func (v *served) wantEnd(t *testing.T, id string, reason Reason) {
	t.Helper()
	select {
	case e := <-v.ended:
		require.Equal(t, end{id, reason}, e)
	case <-time.After(longest):
		t.Fatalf("connection %s did not end", id)
	}
}

// client is a Nacos client as far as the wire shows it.
type client struct {
	t      *testing.T
	conn   *grpc.ClientConn
	tcp    *net.TCPConn
	stream grpc.ClientStream
	pushes chan *wire.Payload
	id     string
	ended  chan error
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c := &client{t: t, pushes: make(chan *wire.Payload, 100), ended: make(chan error, 1)}
	var mu sync.Mutex
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err == nil {
				mu.Lock()
				c.tcp = nc.(*net.TCPConn)
				mu.Unlock()
			}
			return nc, err
		}))
	require.NoError(t, err)
	c.conn = conn
	t.Cleanup(func() { _ = conn.Close() })
	return c
}

func (c *client) ask(body wire.Body) wire.Body {
	c.t.Helper()
	reply, err := c.askWith(body, nil)
	require.NoError(c.t, err)
	return reply
}

func (c *client) askWith(body wire.Body, headers map[string]string) (wire.Body, error) {
	p, err := wire.Encode(body, headers)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	out := new(wire.Payload)
	if err := c.conn.Invoke(ctx, wire.RequestMethod, p, out); err != nil {
		return nil, err
	}
	return wire.Decode(out)
}

func (c *client) check() {
	c.t.Helper()
	r := c.ask(&wire.ServerCheckRequest{}).(*wire.ServerCheckResponse)
	require.True(c.t, r.OK())
	require.True(c.t, r.SupportAbilityNegotiation)
	c.id = r.ConnectionID
}

func (c *client) open() {
	c.t.Helper()
	var err error
	c.stream, err = c.conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, wire.BiStreamMethod)
	require.NoError(c.t, err)
}

func (c *client) send(body wire.Body) {
	c.t.Helper()
	p, err := wire.Encode(body, nil)
	require.NoError(c.t, err)
	if _, ok := body.(*wire.ConnectionSetupRequest); ok {
		p.Metadata.ClientIp = "10.1.2.3"
	}
	require.NoError(c.t, c.stream.SendMsg(p))
}

func (c *client) receive() {
	stream := c.stream
	go func() {
		for {
			p := new(wire.Payload)
			if err := stream.RecvMsg(p); err != nil {
				c.ended <- err
				return
			}
			c.pushes <- p
		}
	}()
}

func (c *client) push() wire.Body {
	c.t.Helper()
	select {
	case p := <-c.pushes:
		b, err := wire.Decode(p)
		require.NoError(c.t, err)
		return b
	case <-time.After(longest):
		c.t.Fatal("no push came")
		return nil
	}
}

// connect does what SDKs do: check, stream, setup. With abilities it waits for
// the acknowledgement.
func connect(t *testing.T, v *served, version string, abilities map[string]bool) *client {
	t.Helper()
	c := dial(t, v.addr)
	c.check()
	c.open()
	c.send(&wire.ConnectionSetupRequest{ClientVersion: version, Labels: map[string]string{"source": "sdk", "AppName": "orders"}, AbilityTable: abilities})
	c.receive()
	if abilities != nil {
		require.IsType(t, &wire.SetupAckRequest{}, c.push())
	}
	require.IsType(t, &wire.HealthCheckResponse{}, c.ask(&wire.HealthCheckRequest{}))
	return c
}

var javaAbilities = map[string]bool{"fuzzyWatch": true}

func TestSetupMakesTheConnectionKnown(t *testing.T) {
	v := serve(t, Config{Abilities: wire.Abilities{wire.AbilityPersistentInstance: true}})
	c := dial(t, v.addr)
	c.check()
	require.Regexp(t, `^\d{13}_127\.0\.0\.1_\d+$`, c.id)
	require.Nil(t, v.Conn(c.id), "a check alone registers nobody")
	c.open()
	c.send(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Java-Client:v2.5.1", Labels: map[string]string{"AppName": "orders"}, AbilityTable: javaAbilities})
	c.receive()
	ack := c.push().(*wire.SetupAckRequest)
	require.Equal(t, wire.Abilities{wire.AbilityPersistentInstance: true}, ack.AbilityTable)
	require.True(t, c.ask(&wire.HealthCheckRequest{}).(*wire.HealthCheckResponse).Success)

	conn := v.Conn(c.id)
	require.NotNil(t, conn)
	require.Equal(t, "10.1.2.3", conn.ClientIP())
	require.Equal(t, "127.0.0.1", conn.RemoteIP())
	require.Equal(t, "orders", conn.AppName())
	require.True(t, conn.IsJava())
	require.True(t, conn.Ability("fuzzyWatch"))
	require.Equal(t, 1, v.Count())
	all, sdk := v.Load()
	require.Equal(t, []int{1, 1}, []int{all, sdk})
	require.Equal(t, []string{c.id}, v.opened)
}

func TestGoClientGetsNoSetupAck(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	conn := v.Conn(c.id)
	go func() { _ = conn.Push(context.Background(), &wire.ClientDetectionRequest{}) }()
	require.IsType(t, &wire.ClientDetectionRequest{}, c.push(), "the first thing on the stream is the push, no SetupAckRequest")
}

func TestRefusalsComeInNacosOrder(t *testing.T) {
	ready := true
	timing := calm()
	timing.SetupFrame = quick.SetupFrame
	v := serve(t, Config{Timing: timing, Ready: func() bool { return ready }}, func(s *Server) {
		Register(s, func(context.Context, *Conn, *wire.ServiceQueryRequest) (*wire.QueryServiceResponse, error) {
			return nil, errors.New("asked without a setup")
		})
	})
	c := dial(t, v.addr)
	for _, x := range []struct {
		what, typ, body string
		code            int
		text            string
	}{
		{"what only servers send", "DistroDataRequest", `{}`, 502, " invoke DistroDataRequest from sdk is forbidden"},
		{"a type without a handler", "LockOperationRequest", `{}`, 302, "RequestHandler Not Found"},
		{"the legacy acknowledgement", "PushAckRequest", `{}`, 302, "RequestHandler Not Found"},
		{"before the setup", "ServiceQueryRequest", `{}`, 301, "Connection is unregistered."},
		{"a health check, not to be taken for health", "HealthCheckRequest", `{}`, 500, "Connection is unregistered."},
	} {
		p := &wire.Payload{Metadata: &wire.Metadata{Type: x.typ}}
		out := new(wire.Payload)
		require.NoError(t, c.conn.Invoke(t.Context(), wire.RequestMethod, p, out), x.what)
		b, err := wire.Decode(out)
		require.NoError(t, err)
		r, ok := b.(*wire.ErrorResponse)
		require.True(t, ok, "%s: %T", x.what, b)
		require.Equal(t, x.code, r.ErrorCode, x.what)
		require.Equal(t, wire.ResultFail, r.ResultCode, x.what)
		require.Equal(t, x.text, r.Message, x.what)
	}
	ready = false
	r := c.ask(&wire.ServerCheckRequest{}).(*wire.ErrorResponse)
	require.Equal(t, 300, r.ErrorCode)
	ready = true
}

func TestRequestWaitsForTheSetupItOvertook(t *testing.T) {
	v := serve(t, Config{})
	c := dial(t, v.addr)
	c.check()
	c.open()
	c.receive()
	go func() {
		time.Sleep(300 * time.Millisecond)
		c.send(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Go-Client:v2.3.2"})
	}()
	require.IsType(t, &wire.HealthCheckResponse{}, c.ask(&wire.HealthCheckRequest{}), "not answered with 301")
}

func TestTypedFailures(t *testing.T) {
	timing := calm()
	timing.Request = quick.Request
	v := serve(t, Config{
		Timing: timing,
		Authorize: func(ctx context.Context, c *Conn, headers map[string]string, body wire.Body) (context.Context, error) {
			if headers["accessToken"] == "bad" {
				return ctx, wire.Refuse(wire.AccessDenied, "Code: 403, Message: authorization failed!.")
			}
			return context.WithValue(ctx, subjectKey{}, headers["accessToken"]), nil
		},
	}, func(s *Server) {
		Register(s, func(ctx context.Context, c *Conn, in *wire.InstanceRequest) (*wire.InstanceResponse, error) {
			switch in.ServiceName {
			case "persistent":
				return nil, wire.Refuse(wire.ParameterInvalid, "Current service g@@persistent is persistent service, can't register ephemeral instance.")
			case "panic":
				panic("boom")
			case "slow":
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return &wire.InstanceResponse{Type: in.Type + ctx.Value(subjectKey{}).(string)}, nil
		})
	})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	for _, x := range []struct {
		what, service, token string
		want                 wire.InstanceResponse
	}{
		{"a success is filled in", "s", "tom", wire.InstanceResponse{Response: wire.Succeeded(), Type: "registerInstancetom"}},
		{
			"a domain error keeps its code and text", "persistent", "tom",
			wire.InstanceResponse{Response: wire.Failed(400, "Current service g@@persistent is persistent service, can't register ephemeral instance.")},
		},
		{"a refusal of access", "s", "bad", wire.InstanceResponse{Response: wire.Failed(403, "Code: 403, Message: authorization failed!.")}},
		{
			"a parameter of the wrong form", "two words", "tom",
			wire.InstanceResponse{Response: wire.Failed(400, "Param check invalid:Param 'serviceName' is illegal, illegal characters should not appear in the param.")},
		},
		{"access comes before parameters", "two words", "bad", wire.InstanceResponse{Response: wire.Failed(403, "Code: 403, Message: authorization failed!.")}},
		{"a panic", "panic", "tom", wire.InstanceResponse{Response: wire.Failed(500, "internal error")}},
		{"a handler that takes too long", "slow", "tom", wire.InstanceResponse{Response: wire.Failed(500, "it is not known whether this was done: context deadline exceeded")}},
	} {
		got, err := c.askWith(&wire.InstanceRequest{Type: "registerInstance", ServiceKey: wire.ServiceKey{ServiceName: x.service}}, map[string]string{"accessToken": x.token})
		require.NoError(t, err, x.what)
		require.Equal(t, &x.want, got, x.what)
	}
	p := &wire.Payload{Metadata: &wire.Metadata{Type: "InstanceRequest"}}
	q, err := wire.Encode(wire.Encoded{Type: "InstanceRequest", JSON: []byte(`{"instance":"no"}`)}, nil)
	require.NoError(t, err)
	p.Body = q.Body
	out := new(wire.Payload)
	require.NoError(t, c.conn.Invoke(t.Context(), wire.RequestMethod, p, out))
	b, err := wire.Decode(out)
	require.NoError(t, err)
	require.Equal(t, 502, b.(*wire.ErrorResponse).ErrorCode, "JSON of the wrong shape")
}

type subjectKey struct{}

func TestPushIsMatchedToItsAckByIDAlone(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	conn := v.Conn(c.id)
	done := make(chan error, 2)
	body, err := wire.Preencode(&wire.ConfigChangeNotifyRequest{ConfigKey: wire.ConfigKey{DataID: "d", Group: "g"}})
	require.NoError(t, err)
	go func() { done <- conn.Push(t.Context(), body) }()
	first := c.push().(*wire.ConfigChangeNotifyRequest)
	go func() { done <- conn.Push(t.Context(), body) }()
	second := c.push().(*wire.ConfigChangeNotifyRequest)
	require.NotEqual(t, first.RequestID, second.RequestID)

	// nacos-sdk-go: another type, and success:false.
	c.send(&wire.NotifySubscriberResponse{Response: wire.Response{ResultCode: 200, RequestID: second.RequestID}})
	require.NoError(t, <-done)
	c.send(&wire.ConfigChangeNotifyResponse{Response: wire.Response{ResultCode: 500, ErrorCode: 7, Message: "no", RequestID: first.RequestID}})
	var refused *AckError
	require.ErrorAs(t, <-done, &refused)
	require.Equal(t, 7, refused.ErrorCode)
}

func TestPushesAreBounded(t *testing.T) {
	v := serve(t, Config{Limits: Limits{PendingPushes: 2}})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	conn := v.Conn(c.id)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- conn.Push(ctx, &wire.ClientDetectionRequest{}) }()
		c.push()
	}
	require.ErrorIs(t, conn.Push(ctx, &wire.ClientDetectionRequest{}), ErrBacklog)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.ErrorIs(t, <-done, context.Canceled)
	// What was given up makes room.
	go func() { done <- conn.Push(context.Background(), &wire.ClientDetectionRequest{}) }()
	push := c.push().(*wire.ClientDetectionRequest)
	c.send(&wire.ClientDetectionResponse{Response: wire.Response{ResultCode: 200, RequestID: push.RequestID}})
	require.NoError(t, <-done)
}

// Whoever starts a push hears of its outcome once, whichever it is.
func TestWhoStartsAPushHearsOnceOfItsOutcome(t *testing.T) {
	v := serve(t, Config{Limits: Limits{PendingPushes: 2}})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	conn := v.Conn(c.id)
	heard := make(chan error, 10)
	start := func() { conn.Start(&wire.ClientDetectionRequest{}, func(err error) { heard <- err }) }
	start()
	first := c.push().(*wire.ClientDetectionRequest)
	start()
	second := c.push().(*wire.ClientDetectionRequest)
	start()
	require.ErrorIs(t, <-heard, ErrBacklog)
	for range 2 { // the second time it says nothing new
		c.send(&wire.ClientDetectionResponse{Response: wire.Response{ResultCode: 200, RequestID: first.RequestID}})
	}
	require.NoError(t, <-heard)
	c.send(&wire.ClientDetectionResponse{Response: wire.Response{ResultCode: 500, RequestID: second.RequestID}})
	var refused *AckError
	require.ErrorAs(t, <-heard, &refused)

	start()
	c.push()
	require.NoError(t, c.conn.Close())
	require.ErrorIs(t, <-heard, ErrClosed)
	v.wantEnd(t, c.id, ClientClosed)
	start()
	require.ErrorIs(t, <-heard, ErrClosed)
	require.Empty(t, heard)
}

func TestAPushThatNobodyAcknowledgesEnds(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	heard := make(chan error, 2)
	var late *wire.ClientDetectionRequest
	for waits := 10 * time.Millisecond; late == nil; waits *= 10 { // one that is given up before it is written never comes
		v.Conn(c.id).start(&wire.ClientDetectionRequest{}, waits, true, func(_ *wire.Payload, err error) { heard <- err })
		require.ErrorIs(t, <-heard, ErrNoAck)
		select {
		case p := <-c.pushes:
			b, err := wire.Decode(p)
			require.NoError(t, err)
			late = b.(*wire.ClientDetectionRequest)
		case <-time.After(waits + time.Second):
			require.Less(t, waits, longest, "no push came")
		}
	}
	c.send(&wire.ClientDetectionResponse{Response: wire.Response{ResultCode: 200, RequestID: late.RequestID}})
	c.ask(&wire.HealthCheckRequest{})
	require.Empty(t, heard)
}

func TestFINEndsTheConnectionAsTheClientsDoing(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	conn := v.Conn(c.id)
	require.NoError(t, c.conn.Close())
	v.wantEnd(t, c.id, ClientClosed)
	require.True(t, conn.Closed())
	require.Nil(t, v.Conn(c.id))
	require.ErrorIs(t, conn.Push(t.Context(), &wire.ClientDetectionRequest{}), ErrClosed)
}

func TestRSTEndsTheConnectionAsTheClientsDoing(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	require.NoError(t, c.tcp.SetLinger(0))
	require.NoError(t, c.tcp.Close())
	v.wantEnd(t, c.id, ClientClosed)
}

func TestSilentClientIsAskedAndEvicted(t *testing.T) {
	timing := calm()
	timing.Idle, timing.Detect = quick.Idle, quick.Detect
	v := serve(t, Config{Timing: timing})
	c := dial(t, v.addr)
	c.check()
	c.open()
	c.send(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Java-Client:v2.5.1", AbilityTable: javaAbilities})
	c.receive()
	require.IsType(t, &wire.SetupAckRequest{}, c.push())
	require.IsType(t, &wire.ClientDetectionRequest{}, c.push())
	v.wantEnd(t, c.id, Silent)
	err := <-c.ended
	require.NotEqual(t, codes.OK, status.Code(err), "the stream must not end cleanly: Python would not reconnect")
}

func TestClientThatAnswersDetectionStays(t *testing.T) {
	timing := calm()
	timing.Idle, timing.Detect = quick.Idle, longest
	v := serve(t, Config{Timing: timing})
	c := connect(t, v, "Nacos-Java-Client:v2.5.1", javaAbilities)
	for range 3 {
		push := c.push().(*wire.ClientDetectionRequest)
		c.send(&wire.ClientDetectionResponse{Response: wire.Response{ResultCode: 200, RequestID: push.RequestID}})
	}
	require.NotNil(t, v.Conn(c.id))
	v.mu.Lock()
	defer v.mu.Unlock()
	require.GreaterOrEqual(t, v.alive[c.id], 3, "acknowledgements are signs of life")
}

func TestHealthChecksKeepAnIdleClient(t *testing.T) {
	timing := calm()
	timing.Idle, timing.Detect = quick.Idle, time.Minute
	v := serve(t, Config{Timing: timing})
	for range 20 {
		silent, said := time.Duration(0), time.Now()
		c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
		for range 12 {
			time.Sleep(50 * time.Millisecond)
			now := time.Now()
			require.IsType(t, &wire.HealthCheckResponse{}, c.ask(&wire.HealthCheckRequest{}))
			silent, said = max(silent, time.Since(said)), now
		}
		if silent < timing.Idle { // else the machine has made it silent
			require.Empty(t, c.pushes, "nobody asks a client that is heard of")
			return
		}
	}
	t.Fatal("the machine is too busy to tell")
}

func TestLeaveIsNotTheClientsDoing(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Java-Client:v2.5.1", javaAbilities)
	go v.Conn(c.id).Leave("10.0.0.9", "8848")
	reset := c.push().(*wire.ConnectResetRequest)
	require.Equal(t, "10.0.0.9", reset.ServerIP)
	require.Equal(t, "8848", reset.ServerPort)
	require.NoError(t, c.conn.Close()) // the client goes, with a FIN
	v.wantEnd(t, c.id, AskedToLeave)
}

func TestPythonIsCutInsteadOfAsked(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Python-Client:v3.2.0", map[string]bool{})
	v.Conn(c.id).Leave("10.0.0.9", "8848")
	v.wantEnd(t, c.id, AskedToLeave)
	require.NotEqual(t, codes.OK, status.Code(<-c.ended))
	require.Empty(t, c.pushes)
}

func TestShedSendsTheIdlestElsewhereAndLeavesServersAlone(t *testing.T) {
	v := serve(t, Config{})
	idle := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	busy := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	server := dial(t, v.addr)
	server.check()
	server.open()
	server.send(&wire.ConnectionSetupRequest{Labels: map[string]string{"source": "Cluster"}})
	server.ask(&wire.HealthCheckRequest{})
	busy.ask(&wire.HealthCheckRequest{})
	require.Equal(t, 1, v.Shed(1, "", ""))
	reset := idle.push().(*wire.ConnectResetRequest)
	idle.send(&wire.ConnectResetResponse{Response: wire.Response{ResultCode: 200, RequestID: reset.RequestID}})
	v.wantEnd(t, idle.id, AskedToLeave)
	require.NotNil(t, v.Conn(busy.id))
	require.NotNil(t, v.Conn(server.id))
	require.Zero(t, v.Shed(1, "", ""))
}

// goneTo is where a client is asked to go, as ip:port.
func (c *client) goneTo() string {
	reset := c.push().(*wire.ConnectResetRequest)
	c.send(&wire.ConnectResetResponse{Response: wire.Response{ResultCode: 200, RequestID: reset.RequestID}})
	return reset.ServerIP + ":" + reset.ServerPort
}

func TestMoveSharesClientsOut(t *testing.T) {
	v := serve(t, Config{})
	var clients []*client
	for range 6 {
		clients = append(clients, connect(t, v, "Nacos-Go-Client:v2.3.2", nil))
	}
	require.Equal(t, 4, v.Move(Target{"10.0.0.1", "1", 1}, Target{"10.0.0.2", "2", 3}, Target{"10.0.0.3", "3", 0}))
	counts := map[string]int{}
	for _, c := range clients[:4] {
		counts[c.goneTo()]++
	}
	for range 4 {
		require.Equal(t, AskedToLeave, (<-v.ended).reason)
	}
	require.Equal(t, map[string]int{"10.0.0.1:1": 1, "10.0.0.2:2": 3}, counts)
	require.Equal(t, 2, v.Count())
	require.Equal(t, 2, v.Move(Target{"10.0.0.1", "1", 100}), "there are no more")
	for _, c := range clients[4:] {
		require.Equal(t, "10.0.0.1:1", c.goneTo())
	}
	require.Zero(t, v.Move())
}

func TestDrainingSendsAllAwayAndTakesNobody(t *testing.T) {
	var draining atomic.Bool
	v := serve(t, Config{Admits: func() bool { return !draining.Load() }})
	a, b := connect(t, v, "Nacos-Go-Client:v2.3.2", nil), connect(t, v, "Nacos-Java-Client:v2.5.1", javaAbilities)
	draining.Store(true)
	late := dial(t, v.addr)
	refused := late.ask(&wire.ServerCheckRequest{}).(*wire.ErrorResponse)
	require.Equal(t, 300, refused.ErrorCode)
	late.open()
	late.send(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Go-Client:v2.3.2"})
	late.receive()
	require.Equal(t, codes.Unavailable, status.Code(<-late.ended))
	require.IsType(t, &wire.HealthCheckResponse{}, a.ask(&wire.HealthCheckRequest{}), "who is here is served")

	done := make(chan struct{})
	go func() {
		v.Drain(t.Context(), Target{IP: "10.0.0.1", Port: "1"}, Target{IP: "10.0.0.2", Port: "2"})
		close(done)
	}()
	require.ElementsMatch(t, []string{"10.0.0.1:1", "10.0.0.2:2"}, []string{a.goneTo(), b.goneTo()})
	require.ElementsMatch(t, []end{{a.id, AskedToLeave}, {b.id, AskedToLeave}}, []end{<-v.ended, <-v.ended})
	select {
	case <-done:
	case <-time.After(longest):
		t.Fatal("it does not end when all have gone")
	}
	draining.Store(false)
	again := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	v.Drain(short)
	require.Equal(t, ":", again.goneTo())
}

func TestHandlersCanSetHeadersOfTheAnswer(t *testing.T) {
	v := serve(t, Config{}, func(s *Server) {
		Register(s, func(ctx context.Context, _ *Conn, _ *wire.ServiceQueryRequest) (*wire.QueryServiceResponse, error) {
			Reply(ctx, "zensus-stale", "true")
			return nil, nil
		})
	})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	p, err := wire.Encode(&wire.ServiceQueryRequest{}, nil)
	require.NoError(t, err)
	var header metadata.MD
	require.NoError(t, c.conn.Invoke(t.Context(), wire.RequestMethod, p, new(wire.Payload), grpc.Header(&header)))
	require.Equal(t, []string{"true"}, header.Get("zensus-stale"))
}

func TestShutdownIsNotTheClientsDoing(t *testing.T) {
	timing := calm()
	timing.Drain = time.Minute
	v := serve(t, Config{Timing: timing})
	c := connect(t, v, "Nacos-Java-Client:v2.5.1", javaAbilities)
	d := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	go func() {
		<-c.pushes
		_ = c.conn.Close()
	}()
	asked := make(chan wire.Body, 1)
	go func() {
		p := <-d.pushes
		reset, err := wire.Decode(p)
		if err == nil {
			asked <- reset
			d.send(&wire.ConnectResetResponse{Response: wire.Response{ResultCode: 200, RequestID: reset.(*wire.ConnectResetRequest).RequestID}})
		}
	}()
	v.stop()
	require.IsType(t, &wire.ConnectResetRequest{}, <-asked)
	require.NotEqual(t, codes.OK, status.Code(<-d.ended))
	for range 2 {
		require.Equal(t, Shutdown, (<-v.ended).reason)
	}
}

func TestTwoConnectionsOfOneClientAreTwo(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	d := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	require.NotEqual(t, c.id, d.id)
	require.NoError(t, c.conn.Close())
	v.wantEnd(t, c.id, ClientClosed)
	require.IsType(t, &wire.HealthCheckResponse{}, d.ask(&wire.HealthCheckRequest{}))
}

func TestSecondClientOnOneConnectionIsRefused(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	first := c.stream
	c.open()
	c.send(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Go-Client:v2.3.2"})
	err := c.stream.RecvMsg(new(wire.Payload))
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Contains(t, err.Error(), "proxy")
	c.stream = first
	go func() { _ = v.Conn(c.id).Push(context.Background(), &wire.ClientDetectionRequest{}) }()
	require.IsType(t, &wire.ClientDetectionRequest{}, c.push(), "the first client goes on")
}

func TestStreamCanBeOpenedAnew(t *testing.T) {
	patient := calm()
	patient.StreamLost = time.Minute
	v := serve(t, Config{Timing: patient})
	c := dial(t, v.addr)
	c.check()
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	c.stream, err = c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, wire.BiStreamMethod)
	require.NoError(t, err)
	c.send(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Go-Client:v2.3.2"})
	c.ask(&wire.HealthCheckRequest{})
	cancel()
	require.Eventually(t, func() bool {
		return errors.Is(v.Conn(c.id).Push(t.Context(), &wire.ClientDetectionRequest{}), ErrClosed)
	}, longest, time.Millisecond)
	c.open()
	c.send(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Go-Client:v2.3.2"})
	c.receive()
	require.Eventually(t, func() bool {
		push, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer stop()
		return !errors.Is(v.Conn(c.id).Push(push, &wire.ClientDetectionRequest{}), ErrClosed)
	}, longest, time.Millisecond)
	require.IsType(t, &wire.ClientDetectionRequest{}, c.push())
	require.Equal(t, 1, v.Count())
}

func TestLostStreamEndsTheConnection(t *testing.T) {
	v := serve(t, Config{})
	c := dial(t, v.addr)
	c.check()
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	c.stream, err = c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, wire.BiStreamMethod)
	require.NoError(t, err)
	c.send(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Go-Client:v2.3.2"})
	c.ask(&wire.HealthCheckRequest{})
	cancel()
	v.wantEnd(t, c.id, StreamLost)
}

func TestHalfClosedStreamStillGetsPushes(t *testing.T) {
	v := serve(t, Config{})
	c := connect(t, v, "Nacos-Java-Client:v2.5.1", javaAbilities)
	require.NoError(t, c.stream.CloseSend())
	time.Sleep(50 * time.Millisecond)
	go func() { _ = v.Conn(c.id).Push(context.Background(), &wire.ClientDetectionRequest{}) }()
	require.IsType(t, &wire.ClientDetectionRequest{}, c.push())
}

func TestConnectionsAreLimited(t *testing.T) {
	v := serve(t, Config{Limits: Limits{ConnectionsPerIP: 1}})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	d := dial(t, v.addr)
	_, err := d.askWith(&wire.ServerCheckRequest{}, nil)
	require.Error(t, err)
	require.NoError(t, c.conn.Close())
	v.wantEnd(t, c.id, ClientClosed)
	require.Eventually(t, func() bool {
		_, err := dial(t, v.addr).askWith(&wire.ServerCheckRequest{}, nil)
		return err == nil
	}, longest, 20*time.Millisecond)
}

func TestConnectionThatIsNeverSetUpIsCut(t *testing.T) {
	timing := calm()
	timing.SetupDeadline = quick.SetupDeadline
	v := serve(t, Config{Timing: timing})
	c := dial(t, v.addr)
	c.check()
	require.Eventually(t, func() bool { return len(v.allTransports()) == 0 }, longest, 10*time.Millisecond)
	require.Empty(t, v.ended, "it never was a connection")
}

func TestRequestsAreLimited(t *testing.T) {
	v := serve(t, Config{Limits: Limits{RequestsPerSecond: 0.001}})
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil) // uses up the burst
	r := c.ask(&wire.HealthCheckRequest{}).(*wire.HealthCheckResponse)
	require.Equal(t, 503, r.ErrorCode)
}

func TestSetupIsBounded(t *testing.T) {
	v := serve(t, Config{})
	for _, setup := range []*wire.ConnectionSetupRequest{
		{ClientVersion: strings.Repeat("x", maxVersionBytes+1)},
		{Labels: map[string]string{"AppName": strings.Repeat("x", maxSetupBytes)}},
		{Tenant: strings.Repeat("x", maxSetupBytes)},
		{Labels: func() map[string]string {
			m := map[string]string{}
			for i := range maxLabels + 1 {
				m[strings.Repeat("k", i)] = ""
			}
			return m
		}()},
		{Tenant: strings.Repeat("x", 70_000)},
	} {
		c := dial(t, v.addr)
		c.check()
		c.open()
		c.send(setup)
		require.Error(t, c.stream.RecvMsg(new(wire.Payload)))
	}
	require.Zero(t, v.Count())
}

// TestRefusedSetupsDoNotFillTheLog: there can be any number on one connection.
func TestRefusedSetupsDoNotFillTheLog(t *testing.T) {
	var log strings.Builder
	var mu sync.Mutex
	v := serve(t, Config{Log: hclog.New(&hclog.LoggerOptions{Output: &log, Mutex: &mu, Level: hclog.Warn})})
	c := connect(t, v, "Nacos-Java-Client:v2.5.1", nil)
	for range 100 {
		second := &client{t: t, conn: c.conn}
		second.open()
		second.send(&wire.ConnectionSetupRequest{ClientVersion: "x"})
		require.Error(t, second.stream.RecvMsg(new(wire.Payload)))
	}
	require.IsType(t, &wire.HealthCheckResponse{}, c.ask(&wire.HealthCheckRequest{}))
	mu.Lock()
	defer mu.Unlock()
	n := strings.Count(log.String(), "connection setup refused")
	require.Positive(t, n)
	require.Less(t, n, 50, log.String())
}
