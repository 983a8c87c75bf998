package nacosapi

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/push"
)

// A client is a connection to this node, or whoever has registered an instance at any
// node: by a connection's id, or by its address and one of these.
const (
	beatsSuffix      = "#true"
	persistentSuffix = "#false"
)

// conn is an open connection to this node, nil if there is none of that id.
func (a *API) conn(id string) *rpc.Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	if state := a.mu.conns[id]; state != nil {
		return state.conn
	}
	return nil
}

// clients are the ids of all.
func (a *API) clients(ctx context.Context, _ rest.None) ([]string, error) {
	ids, err := a.svc.Publishing(ctx)
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	a.mu.Lock()
	for id := range a.mu.conns {
		ids[id] = struct{}{}
	}
	a.mu.Unlock()
	sorted := slices.AppendSeq([]string{}, maps.Keys(ids))
	slices.Sort(sorted)
	return sorted, nil
}

type clientForm struct {
	ID string `form:"clientId" binding:"required"`
}

// published is what a client has registered. It refuses a client that nobody knows.
func (a *API) published(ctx context.Context, in *clientForm) ([]catalog.Publication, error) {
	found, err := a.svc.PublishedBy(ctx, in.ID)
	if err != nil {
		return nil, refusal(err)
	}
	if len(found) == 0 && a.conn(in.ID) == nil {
		return nil, wire.Refuse(wire.NotFound, "clientId [ "+in.ID+" ] not exist")
	}
	a.mark(ctx)
	return found, nil
}

// clientInfo is what is known of one.
type clientInfo struct {
	id           string
	ephemeral    bool
	updated      int64  // milliseconds, 0 where it is not known
	kind         string // connection or ipPort
	ip, port     string
	app, version string
	connected    bool // to this node
}

func (a *API) client(ctx context.Context, in *clientForm) (*clientInfo, error) {
	if _, err := a.published(ctx, in); err != nil {
		return nil, err
	}
	c := &clientInfo{id: in.ID, ephemeral: !strings.HasSuffix(in.ID, persistentSuffix), kind: "connection"}
	address := strings.TrimSuffix(strings.TrimSuffix(in.ID, beatsSuffix), persistentSuffix)
	if address != in.ID {
		c.kind = "ipPort"
		at := strings.LastIndexByte(address, ':')
		c.ip, c.port = address[:max(at, 0)], address[at+1:]
		if last := a.svc.LastBeat(in.ID); !last.IsZero() {
			c.updated = last.UnixMilli()
		}
		return c, nil
	}
	if conn := a.conn(in.ID); conn != nil {
		c.connected, c.updated = true, conn.LastActive().UnixMilli()
		c.ip, c.port = conn.ClientIP(), in.ID[strings.LastIndexByte(in.ID, '_')+1:]
		c.app, c.version = conn.AppName(), conn.Version()
	}
	return c, nil
}

type clientV2 struct {
	ID          string `json:"clientId"`
	Ephemeral   bool   `json:"ephemeral"`
	Updated     int64  `json:"lastUpdatedTime"`
	Type        string `json:"clientType"`
	ConnectType string `json:"connectType,omitempty"`
	AppName     string `json:"appName,omitempty"`
	Version     string `json:"version,omitempty"`
	IP          string `json:"clientIp,omitempty"`
	Port        string `json:"clientPort,omitempty"`
}

func (a *API) clientV2(ctx context.Context, in clientForm) (*clientV2, error) {
	c, err := a.client(ctx, &in)
	if err != nil {
		return nil, err
	}
	out := &clientV2{ID: c.id, Ephemeral: c.ephemeral, Updated: c.updated, Type: c.kind, AppName: c.app, Version: c.version, IP: c.ip, Port: c.port}
	if c.connected {
		out.ConnectType = "GRPC"
	}
	return out, nil
}

type clientV3 struct {
	ID          string  `json:"clientId"`
	Ephemeral   bool    `json:"ephemeral"`
	Updated     int64   `json:"lastUpdatedTime"`
	Type        string  `json:"clientType"`
	ConnectType *string `json:"connectType"`
	AppName     *string `json:"appName"`
	Version     *string `json:"version"`
	IP          *string `json:"clientIp"`
	Port        int     `json:"clientPort"`
}

func (a *API) clientV3(ctx context.Context, in clientForm) (*clientV3, error) {
	c, err := a.client(ctx, &in)
	if err != nil {
		return nil, err
	}
	out := &clientV3{ID: c.id, Ephemeral: c.ephemeral, Updated: c.updated, Type: c.kind}
	if c.ip != "" {
		out.IP = &c.ip
		out.Port, _ = strconv.Atoi(c.port) // 0 where it has none
	}
	if c.connected {
		grpc := "GRPC"
		out.ConnectType, out.AppName, out.Version = &grpc, &c.app, &c.version
	}
	return out, nil
}

type publishedInstance struct {
	ClientID string `json:"clientId,omitempty"`
	IP       string `json:"ip"`
	Port     int    `json:"port"`
	Cluster  string `json:"cluster"`
}

type publishedV2 struct {
	Namespace string            `json:"namespace"`
	Group     string            `json:"group"`
	Service   string            `json:"serviceName"`
	Instance  publishedInstance `json:"registeredInstance"`
}

func (a *API) publishedV2(ctx context.Context, in clientForm) ([]publishedV2, error) {
	found, err := a.published(ctx, &in)
	if err != nil {
		return nil, err
	}
	out := []publishedV2{}
	for n := range found {
		k, i := found[n].Service, &found[n].Instance
		out = append(out, publishedV2{k.Namespace, k.Group, k.Name, publishedInstance{IP: i.IP, Port: i.Port, Cluster: i.Cluster}})
	}
	return out, nil
}

type publisherV3 struct {
	ClientID *string `json:"clientId"`
	IP       string  `json:"ip"`
	Port     int     `json:"port"`
	Cluster  string  `json:"clusterName"`
}

type listenerV3 struct {
	ClientID *string `json:"clientId"`
	AppName  string  `json:"appName"`
	Agent    string  `json:"agent"`
	Address  string  `json:"address"`
}

// clientServiceV3 is a service that a client has registered in, or listens to.
type clientServiceV3 struct {
	Namespace  string       `json:"namespaceId"`
	Group      string       `json:"groupName"`
	Service    string       `json:"serviceName"`
	Publisher  *publisherV3 `json:"publisherInfo"`
	Subscriber *listenerV3  `json:"subscriberInfo"`
}

func (a *API) publishedV3(ctx context.Context, in clientForm) ([]clientServiceV3, error) {
	found, err := a.published(ctx, &in)
	if err != nil {
		return nil, err
	}
	out := []clientServiceV3{}
	for n := range found {
		k, i := found[n].Service, &found[n].Instance
		out = append(out, clientServiceV3{k.Namespace, k.Group, k.Name, &publisherV3{IP: i.IP, Port: i.Port, Cluster: i.Cluster}, nil})
	}
	return out, nil
}

// subscribed are the subscriptions of a client, in the order of services.
func (a *API) subscribed(ctx context.Context, in *clientForm) ([]push.Subscriber, error) {
	if _, err := a.published(ctx, in); err != nil {
		return nil, err
	}
	found := a.svc.Subscriptions(in.ID)
	slices.SortFunc(found, func(x, y push.Subscriber) int {
		return cmp.Or(x.Service.Compare(y.Service), cmp.Compare(x.Clusters, y.Clusters))
	})
	return found, nil
}

type subscriberInfoV2 struct {
	App     string `json:"app"`
	Agent   string `json:"agent"`
	Address string `json:"addr"`
}

type subscribedV2 struct {
	Namespace  string           `json:"namespace"`
	Group      string           `json:"group"`
	Service    string           `json:"serviceName"`
	Subscriber subscriberInfoV2 `json:"subscriberInfo"`
}

func (a *API) subscribedV2(ctx context.Context, in clientForm) ([]subscribedV2, error) {
	found, err := a.subscribed(ctx, &in)
	if err != nil {
		return nil, err
	}
	out := []subscribedV2{}
	for n := range found {
		k := found[n].Service
		if l := listenerOf(&found[n]); l != nil {
			out = append(out, subscribedV2{k.Namespace, k.Group, k.Name, subscriberInfoV2{App: l.AppName, Agent: l.Agent, Address: l.Address}})
		}
	}
	return out, nil
}

func (a *API) subscribedV3(ctx context.Context, in clientForm) ([]clientServiceV3, error) {
	found, err := a.subscribed(ctx, &in)
	if err != nil {
		return nil, err
	}
	out := []clientServiceV3{}
	for n := range found {
		k := found[n].Service
		if l := listenerOf(&found[n]); l != nil {
			out = append(out, clientServiceV3{k.Namespace, k.Group, k.Name, nil, l})
		}
	}
	return out, nil
}

// listenerOf describes who hears of a subscription; nil if it is no Nacos client.
func listenerOf(s *push.Subscriber) *listenerV3 {
	target, ok := s.Target.(*subscriber)
	if !ok {
		return nil
	}
	c := target.conn
	return &listenerV3{AppName: cmp.Or(c.AppName(), "unknown"), Agent: c.Version(), Address: c.ClientIP()}
}

// clientsOfForm names a service and, if somebody wants to know of one only, an address.
type clientsOfForm struct {
	serviceForm
	IP   string `form:"ip"`
	Port *int   `form:"port"`
}

func (f *clientsOfForm) admits(ip string, port int) bool {
	return (f.IP == "" || f.IP == ip) && (f.Port == nil || *f.Port == port)
}

func (a *API) publishers(ctx context.Context, in *clientsOfForm) ([]catalog.Publication, error) {
	all, err := a.svc.Publishers(ctx, in.key())
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	return slices.DeleteFunc(all, func(p catalog.Publication) bool { return !in.admits(p.Instance.IP, p.Instance.Port) }), nil
}

func (a *API) publishersV2(ctx context.Context, in clientsOfForm) ([]publishedInstance, error) {
	all, err := a.publishers(ctx, &in)
	if err != nil {
		return nil, err
	}
	out := []publishedInstance{}
	for n := range all {
		i := &all[n].Instance
		out = append(out, publishedInstance{all[n].Client, i.IP, i.Port, i.Cluster})
	}
	return out, nil
}

func (a *API) publishersV3(ctx context.Context, in clientsOfForm) ([]publisherV3, error) {
	all, err := a.publishers(ctx, &in)
	if err != nil {
		return nil, err
	}
	out := []publisherV3{}
	for n := range all {
		i := &all[n].Instance
		out = append(out, publisherV3{&all[n].Client, i.IP, i.Port, i.Cluster})
	}
	return out, nil
}

// listeners are the subscribers of a service by their clients' ids. Those of gRPC have
// no port.
func (a *API) listeners(in *clientsOfForm) []listenerV3 {
	found := a.svc.Subscribers(in.key())
	slices.SortFunc(found, func(x, y push.Subscriber) int {
		return cmp.Or(cmp.Compare(x.Client, y.Client), cmp.Compare(x.Clusters, y.Clusters))
	})
	out := []listenerV3{}
	for n := range found {
		if l := listenerOf(&found[n]); l != nil && in.admits(l.Address, 0) {
			l.ClientID = &found[n].Client
			out = append(out, *l)
		}
	}
	return out
}

type listenerV2 struct {
	ClientID string `json:"clientId"`
	IP       string `json:"ip"`
	Port     int    `json:"port"`
}

func (a *API) listenersV2(_ context.Context, in clientsOfForm) ([]listenerV2, error) {
	out := []listenerV2{}
	for _, l := range a.listeners(&in) {
		out = append(out, listenerV2{ClientID: *l.ClientID, IP: l.Address})
	}
	return out, nil
}

func (a *API) listenersV3(_ context.Context, in clientsOfForm) ([]listenerV3, error) {
	return a.listeners(&in), nil
}
