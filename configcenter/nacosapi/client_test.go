package nacosapi_test

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/configcenter/nacosapi"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// node is a config center that is served over gRPC.
type node struct {
	center  *center.Center
	api     *nacosapi.API
	cluster *cluster.Cluster // nil for one that is alone
	addr    string
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
	return startAmong(t, engine, who, "")
}

// startAmong starts one of several nodes; without an id it is alone.
func startAmong(t testing.TB, engine coretest.Nodes, who gatekeeper, id string) *node {
	t.Helper()
	deps, cfg := nacosapi.Deps{}, rpc.Config{Timing: rpc.Timing{Drain: 10 * time.Millisecond}}
	if who != nil {
		deps.Guard, cfg.Authorize = rest.NewGuard(who), who.Authorize
	}
	session, _ := engine.Node(t)
	c, err := center.New(center.Config{Client: session, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	deps.Center = c
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if id != "" {
		deps.Cluster, err = cluster.New(cluster.Config{
			Client: session, Self: cluster.About{ID: id, GRPC: l.Addr().String()}, Key: make([]byte, 32),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	api, err := nacosapi.New(deps)
	if err != nil {
		t.Fatal(err)
	}
	// The clients of tests take no second step, and think about what they are told as long as
	// they like.
	api.Hasten(2*time.Second, time.Hour)
	server, err := rpc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	api.RegisterRPC(server)
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	if id != "" {
		deps.Cluster.Register(server.GRPC())
		tasks.Go(func() { _ = deps.Cluster.Run(ctx) })
	}
	tasks.Go(func() {
		if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("center: %v", err)
		}
	})
	tasks.Go(func() { server.Run(ctx) })
	tasks.Go(func() {
		if err := server.Serve(l); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		tasks.Wait()
		api.Wait()
		session.Close()
	})
	return &node{center: c, api: api, cluster: deps.Cluster, addr: l.Addr().String()}
}

// patience is how long a test waits for what is to happen soon.
const patience = time.Minute

// freshen waits until a node shows all that was committed: on a machine that has much to do
// that takes longer than a reader waits.
func (n *node) freshen(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(patience); !n.center.Fresh(t.Context()); {
		if time.Now().After(end) {
			t.Fatal("not fresh")
		}
	}
}

// client is a Nacos client that does what its test says and no more.
type client struct {
	t      testing.TB
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	pushes chan *wire.Payload
	mute   bool // does not acknowledge
	done   sync.WaitGroup
}

func dial(t testing.TB, addr string, labels map[string]string, mute bool) *client {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: conn, pushes: make(chan *wire.Payload, 100), mute: mute}
	t.Cleanup(c.close)
	var check wire.ServerCheckResponse
	c.call(&wire.ServerCheckRequest{}, &check)
	c.stream, err = conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, wire.BiStreamMethod)
	if err != nil {
		t.Fatal(err)
	}
	c.send(&wire.ConnectionSetupRequest{ClientVersion: cmp.Or(labels["version"], "test"), Labels: labels}, "")
	c.done.Go(func() {
		defer close(c.pushes)
		for {
			p := new(wire.Payload)
			if err := c.stream.RecvMsg(p); err != nil {
				return
			}
			if reply := replyTo(p.GetMetadata().GetType()); reply != nil && !c.mute {
				ack, err := wire.DecodeAck(p)
				if err != nil {
					t.Error(err)
				}
				c.send(reply, ack.RequestID)
			}
			c.pushes <- p
		}
	})
	return c
}

// replyTo is the acknowledgement of a push; nil where none is expected.
func replyTo(push string) wire.Body {
	switch push {
	case "ConfigChangeNotifyRequest":
		return &wire.ConfigChangeNotifyResponse{Response: wire.Succeeded()}
	case "ConfigFuzzyWatchSyncRequest":
		return &wire.ConfigFuzzyWatchSyncResponse{Response: wire.Succeeded()}
	case "ConfigFuzzyWatchChangeNotifyRequest":
		return &wire.ConfigFuzzyWatchChangeNotifyResponse{Response: wire.Succeeded()}
	}
	return nil
}

func (c *client) close() {
	c.conn.Close()
	c.done.Wait()
}

func (c *client) send(body wire.Body, requestID string) {
	if r, ok := body.(wire.Reply); ok {
		r.Base().RequestID = requestID
	}
	p, err := wire.Encode(body, nil)
	if err != nil {
		c.t.Error(err)
		return
	}
	if err := c.stream.SendMsg(p); err != nil && c.t.Context().Err() == nil {
		c.t.Log("send:", err)
	}
}

// call makes a unary request; the reply must be of reply's type.
func (c *client) call(body wire.Body, reply wire.Body) {
	c.t.Helper()
	p, err := wire.Encode(body, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out := new(wire.Payload)
	if err := c.conn.Invoke(ctx, wire.RequestMethod, p, out); err != nil {
		c.t.Fatalf("%s: %v", body.PayloadType(), err)
	}
	if got := out.GetMetadata().GetType(); got != reply.PayloadType() {
		c.t.Fatalf("%s is answered by %s: %s", body.PayloadType(), got, out.GetBody().GetValue())
	}
	if err := wire.DecodeInto(out, reply); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) publish(dataID, content, casMD5 string) *wire.ConfigPublishResponse {
	c.t.Helper()
	var reply wire.ConfigPublishResponse
	c.call(&wire.ConfigPublishRequest{
		ConfigKey: wire.ConfigKey{DataID: dataID, Group: "g"}, Content: content, CASMD5: casMD5,
		AdditionMap: map[string]string{"type": "yaml"},
	}, &reply)
	return &reply
}

func (c *client) query(dataID string) *wire.ConfigQueryResponse {
	c.t.Helper()
	var reply wire.ConfigQueryResponse
	c.call(&wire.ConfigQueryRequest{ConfigKey: wire.ConfigKey{DataID: dataID, Group: "g"}}, &reply)
	return &reply
}

func (c *client) listen(on bool, tenant, dataID string, md5 *string) []wire.ConfigContext {
	c.t.Helper()
	var reply wire.ConfigChangeBatchListenResponse
	c.call(&wire.ConfigBatchListenRequest{Listen: on, ConfigListenContexts: []wire.ListenContext{
		{Group: "g", DataID: dataID, Tenant: tenant, MD5: md5},
	}}, &reply)
	if !reply.OK() {
		c.t.Fatalf("listen: %+v", reply)
	}
	return reply.ChangedConfigs
}

// next is the next push, which must be about a changed config.
func (c *client) next() *wire.ConfigChangeNotifyRequest {
	c.t.Helper()
	select {
	case p, ok := <-c.pushes:
		if !ok {
			c.t.Fatal("the connection ended")
		}
		var n wire.ConfigChangeNotifyRequest
		if err := wire.DecodeInto(p, &n); err != nil || p.GetMetadata().GetType() != n.PayloadType() {
			c.t.Fatalf("pushed %s, %v", p.GetMetadata().GetType(), err)
		}
		return &n
	case <-time.After(patience):
		c.t.Fatal("nothing was pushed")
		return nil
	}
}

func (c *client) quiet() {
	c.t.Helper()
	select {
	case p, ok := <-c.pushes:
		c.t.Fatalf("pushed %v %s", ok, p.GetBody().GetValue())
	case <-time.After(30 * time.Millisecond):
	}
}

// sum is the md5 of content; a client that has no content says "".
func sum(content string) *string {
	s := ""
	if content != "" {
		s = configcenter.Sum(content)
	}
	return &s
}
