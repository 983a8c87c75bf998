package nacosapi

import (
	"cmp"
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/fuzzy"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/naming"
	"github.com/zensus-io/zensus/registry/push"
)

// RegisterRPC makes the API serve the naming requests of s. Call it once, before
// s serves and the registry runs. The server should announce the abilities
// supportPersistentInstanceByGrpc and fuzzyWatch.
func (a *API) RegisterRPC(s *rpc.Server) {
	rpc.Register(s, a.instance)
	rpc.Register(s, a.persistentInstance)
	rpc.Register(s, a.batchInstance)
	rpc.Register(s, a.queryService)
	rpc.Register(s, a.subscribeService)
	rpc.Register(s, a.listServices)
	rpc.Register(s, a.fuzzyWatch)
	a.svc.OnNamed(func(k registry.ServiceKey, there bool) { a.fuzzy.Changed(fuzzy.Key(k), there) })
	s.OnOpen(a.opened)
	s.OnAlive(func(c *rpc.Conn) { a.svc.Alive(c.ID()) })
	s.OnClose(a.closed)
}

func (a *API) opened(c *rpc.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.conns[c.ID()] = &connection{conn: c, closed: make(chan struct{})}
}

func (a *API) closed(c *rpc.Conn, reason rpc.Reason) {
	a.mu.Lock()
	state := a.mu.conns[c.ID()]
	delete(a.mu.conns, c.ID())
	a.mu.Unlock()
	a.fuzzy.Drop(c)
	if state == nil {
		return
	}
	state.reason = reason
	close(state.closed)
	a.leave(c, reason)
}

func (a *API) leave(c *rpc.Conn, reason rpc.Reason) {
	if reason == rpc.ClientClosed {
		a.svc.End(c.ID())
		return
	}
	a.svc.Release(c.ID())
}

// onConnection runs what makes something hang on a connection. If the connection
// ends meanwhile, what the closing hook may have missed is taken back.
func (a *API) onConnection(c *rpc.Conn, act func() error) error {
	a.mu.Lock()
	state := a.mu.conns[c.ID()]
	a.mu.Unlock()
	if state == nil {
		return registry.Errorf(registry.ErrClientGone, "Client [%s] connection already disconnect, can't register ephemeral instance.", c.ID())
	}
	err := act()
	select {
	case <-state.closed:
		a.leave(c, state.reason)
	default:
	}
	return err
}

// outlives is how long what a client has registered stays when nothing is heard of it any
// more. The clients in Java and Go look every three seconds whether all is registered where
// they are connected now. The one in Python does so every 30 s, from its start on, and not
// when the server is away in that moment: it may have two of these behind it.
func outlives(c *rpc.Conn) time.Duration {
	if c.IsPython() {
		return 3 * naming.ConnectionTimeout
	}
	return naming.ConnectionTimeout
}

func unsupported(kind string) error {
	return wire.Refuse(wire.ParameterInvalid, "Unsupported request type "+kind)
}

func (a *API) instance(ctx context.Context, c *rpc.Conn, in *wire.InstanceRequest) (*wire.InstanceResponse, error) {
	k := keyOf(&in.ServiceKey)
	var wanted []registry.Instance
	switch in.Type {
	case wire.RegisterInstance:
		wanted = []registry.Instance{instanceOf(k, &in.Instance)}
	case wire.DeregisterInstance:
	default:
		return nil, unsupported(in.Type)
	}
	err := a.onConnection(c, func() error { return a.svc.PublishFor(ctx, c.ID(), outlives(c), k, wanted) })
	a.mark(ctx)
	return &wire.InstanceResponse{Type: in.Type}, refusal(err)
}

func (a *API) batchInstance(ctx context.Context, c *rpc.Conn, in *wire.BatchInstanceRequest) (*wire.BatchInstanceResponse, error) {
	if in.Type != wire.BatchRegisterInstance {
		return nil, unsupported(in.Type)
	}
	k := keyOf(&in.ServiceKey)
	wanted := make([]registry.Instance, len(in.Instances))
	for n := range in.Instances {
		wanted[n] = instanceOf(k, &in.Instances[n])
	}
	err := a.onConnection(c, func() error { return a.svc.PublishFor(ctx, c.ID(), outlives(c), k, wanted) })
	a.mark(ctx)
	return &wire.BatchInstanceResponse{Type: in.Type}, refusal(err)
}

func (a *API) persistentInstance(ctx context.Context, _ *rpc.Conn, in *wire.PersistentInstanceRequest) (*wire.InstanceResponse, error) {
	k := keyOf(&in.ServiceKey)
	i := instanceOf(k, &in.Instance)
	i.Ephemeral = false
	var err error
	switch in.Type {
	case wire.RegisterInstance:
		err = a.svc.Register(ctx, k, i)
	case wire.DeregisterInstance:
		err = a.svc.Deregister(ctx, k, i.Key(), false)
	default:
		return nil, unsupported(in.Type)
	}
	a.mark(ctx)
	return &wire.InstanceResponse{Type: in.Type}, refusal(err)
}

// The replies that carry a list take it as it was encoded for everybody. On the
// wire they are wire.QueryServiceResponse and wire.SubscribeServiceResponse.
type (
	queryReply struct {
		wire.Response
		ServiceInfo json.RawMessage `json:"serviceInfo"`
	}
	subscribeReply struct {
		wire.Response
		ServiceInfo json.RawMessage `json:"serviceInfo"`
	}
)

func (*queryReply) PayloadType() string {
	return (*wire.QueryServiceResponse)(nil).PayloadType()
}

func (*subscribeReply) PayloadType() string {
	return (*wire.SubscribeServiceResponse)(nil).PayloadType()
}

// emptyInfo stands in failures: a client of Go or Python that reads the list
// before the code must find one.
var emptyInfo = json.RawMessage(`{"name":"","groupName":"","clusters":"","cacheMillis":10000,"hosts":[],"lastRefTime":0,"checksum":"","allIps":false,"reachProtectionThreshold":false,"valid":true}`)

// Wrap never leaves the list out.
func (r *queryReply) Wrap(b []byte) (head, list []byte) { return wrap(b, &r.Response, r.ServiceInfo) }

// Wrap never leaves the list out.
func (r *subscribeReply) Wrap(b []byte) (head, list []byte) {
	return wrap(b, &r.Response, r.ServiceInfo)
}

func wrap(b []byte, base *wire.Response, info json.RawMessage) (head, list []byte) {
	if info == nil {
		info = emptyInfo
	}
	return append(base.AppendMembers(append(b, '{')), `,"serviceInfo":`...), info
}

func info(v *catalog.View, clusters string) json.RawMessage {
	return v.Memo("grpc/"+clusters, func() []byte {
		return appendInfo(make([]byte, 0, v.InfoBytes()+len(clusters)), v, bareName, clusters)
	})
}

func (a *API) queryService(ctx context.Context, _ *rpc.Conn, in *wire.ServiceQueryRequest) (*queryReply, error) {
	if err := registry.ValidateClusterList(in.Cluster); err != nil {
		return nil, refusal(err)
	}
	f := registry.Filter{Clusters: registry.ParseClusters(in.Cluster), HealthyOnly: in.OnlyHealthy()}
	v, err := a.svc.Query(ctx, keyOf(&in.ServiceKey), f)
	if err != nil {
		return nil, refusal(err)
	}
	a.markList(ctx, v)
	return &queryReply{ServiceInfo: info(v, in.Cluster)}, nil
}

func (a *API) subscribeService(ctx context.Context, c *rpc.Conn, in *wire.SubscribeServiceRequest) (*subscribeReply, error) {
	k := keyOf(&in.ServiceKey)
	if err := k.Validate(); err != nil {
		return nil, refusal(err)
	}
	var v *catalog.View
	err := a.onConnection(c, func() (err error) {
		if in.Subscribe {
			v, err = a.svc.Subscribe(ctx, c.ID(), a.subscriber(ctx, c), k, in.Clusters)
		} else {
			v, err = a.svc.Unsubscribe(ctx, c.ID(), k, in.Clusters)
		}
		return err
	})
	if err != nil {
		return nil, refusal(err)
	}
	a.markList(ctx, v)
	return &subscribeReply{Response: wire.SucceededWith("success"), ServiceInfo: info(v, in.Clusters)}, nil
}

// subscriber is a connection to which lists are pushed, for as long as who subscribed last
// may read them.
type subscriber struct {
	conn  *rpc.Conn
	guard *rest.Guard
	who   atomic.Pointer[auth.Subject]
}

// subscriber is that of a connection, for whoever asks now.
func (a *API) subscriber(ctx context.Context, c *rpc.Conn) *subscriber {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &subscriber{conn: c, guard: a.guard}
	if state := a.mu.conns[c.ID()]; state != nil { // else it is over, and this one goes with it
		if state.subscriber == nil {
			state.subscriber = s
		}
		s = state.subscriber
	}
	who := auth.SubjectOf(ctx)
	s.who.Store(&who)
	return s
}

// Notify pushes a list and waits for its acknowledgement.
func (s *subscriber) Notify(ctx context.Context, v *catalog.View, clusters string) error {
	if !s.guard.Allows(*s.who.Load(), auth.Need{Action: auth.Read, Resource: auth.ServiceResource(v.Key.Namespace, v.Key.Group, v.Key.Name)}) {
		return push.ErrNotAllowed
	}
	body := v.Memo("push/"+clusters, func() []byte {
		b := append(make([]byte, 0, v.InfoBytes()+len(clusters)+16), `{"serviceInfo":`...)
		b = appendInfo(b, v, bareName, clusters)
		return append(b, '}')
	})
	return s.conn.Push(ctx, wire.Encoded{Type: (*wire.NotifySubscriberRequest)(nil).PayloadType(), JSON: body})
}

// Closed reports whether the connection is over.
func (s *subscriber) Closed() bool { return s.conn.Closed() }

// Close cuts the connection.
func (s *subscriber) Close() { s.conn.Close() }

// pageMax bounds the names of one page. Clients ask for 2^31-1 and mean all.
const pageMax = 100_000

func (a *API) listServices(ctx context.Context, _ *rpc.Conn, in *wire.ServiceListRequest) (*wire.ServiceListResponse, error) {
	namespace := cmp.Or(in.Namespace, registry.DefaultNamespace)
	group := cmp.Or(in.GroupName, registry.DefaultGroup)
	names, total, err := a.svc.Names(ctx, namespace, group, in.PageNo, min(in.PageSize, pageMax))
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	return &wire.ServiceListResponse{Count: total, ServiceNames: names}, nil
}
