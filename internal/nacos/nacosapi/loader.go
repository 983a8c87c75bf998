package nacosapi

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
)

// loaderRoutes show and move gRPC connections. In 2.x the answers are bare and the
// writes are GET; in 3.x they are in the envelope and POST.
func (a *API) loaderRoutes(g *rest.Group) {
	admin := a.cfg.Guard.Admin()
	const v2, v3 = "/v2/core/loader", "/v3/admin/core/loader"
	g.GET(v2+"/current", admin, rest.With(rest.V2Bare, a.connectionsV2))
	g.GET(v2+"/cluster", admin, rest.With(rest.V2Bare, a.loadsV2))
	g.GET(v2+"/reloadClient", admin, rest.With(rest.V2Bare, saying("success", a.reloadClient)))
	g.GET(v2+"/reloadCurrent", admin, rest.With(rest.V2Bare, saying("success", a.reloadCurrent)))
	g.GET(v2+"/smartReloadCluster", admin, rest.With(rest.V2Bare, a.smartReloadV2))
	g.GET(v3+"/current", admin, rest.Handle(a.connectionsV3))
	g.GET(v3+"/cluster", admin, rest.Handle(a.loadsV3))
	g.POST(v3+"/reloadClient", admin, rest.Handle(saying(nil, a.reloadClient)))
	g.POST(v3+"/reloadCurrent", admin, rest.Handle(saying(nil, a.reloadCurrent)))
	g.POST(v3+"/smartReloadCluster", admin, rest.Handle(a.smartReloadV3))
}

// saying is a handler whose success is always the same.
func saying[In any](what any, do func(context.Context, In) error) func(context.Context, In) (any, error) {
	return func(ctx context.Context, in In) (any, error) { return what, do(ctx, in) }
}

type connection struct {
	Connected bool              `json:"connected"`
	Traced    bool              `json:"traced"`
	Abilities map[string]bool   `json:"abilityTable"`
	Labels    map[string]string `json:"labels"`
	AppLabels map[string]string `json:"appLabels"`
	Meta      connectionMeta    `json:"metaInfo"`
}

type connectionMeta struct {
	ConnectType   string            `json:"connectType"`
	ConnectionID  string            `json:"connectionId"`
	ClientIP      string            `json:"clientIp"`
	RemoteIP      string            `json:"remoteIp"`
	RemotePort    int               `json:"remotePort"`
	LocalPort     int               `json:"localPort"`
	Version       string            `json:"version"`
	AppName       string            `json:"appName"`
	TenantV2      *string           `json:"tenant,omitempty"`
	TenantV3      *string           `json:"namespaceId,omitempty"`
	Labels        map[string]string `json:"labels"`
	AppLabels     map[string]string `json:"appLabels"`
	Tag           *string           `json:"tag"`
	CreateTime    string            `json:"createTime"`
	LastActive    int64             `json:"lastActiveTime"` // milliseconds since 1970
	SDKSource     bool              `json:"sdkSource"`
	ClusterSource bool              `json:"clusterSource"`
	TLS           bool              `json:"tlsProtected"`
}

func (a *API) all() []*rpc.Conn {
	if a.cfg.RPC == nil {
		return nil
	}
	return a.cfg.RPC.Conns()
}

// connections are all, by id. tenant is given each one's namespace, whose name the
// versions do not agree on.
func (a *API) connections(tenant func(m *connectionMeta, id string)) map[string]connection {
	shown := map[string]connection{}
	for _, c := range a.all() {
		_, text, _ := net.SplitHostPort(c.RemoteAddr())
		port, _ := strconv.Atoi(text) // 0 where it is not known
		app := map[string]string{"AppName": c.AppName(), "ClientVersion": c.Version()}
		for key, value := range c.Labels() {
			if key, ok := strings.CutPrefix(key, "app_"); ok {
				app[key] = value
			}
		}
		m := connectionMeta{
			ConnectType: "GRPC", ConnectionID: c.ID(), ClientIP: c.ClientIP(), RemoteIP: c.RemoteIP(), RemotePort: port,
			LocalPort: a.cfg.GRPCPort, Version: c.Version(), AppName: c.AppName(), Labels: c.Labels(), AppLabels: app,
			CreateTime: c.Since().UTC().Format("2006-01-02T15:04:05.000-07:00"), LastActive: c.LastActive().UnixMilli(),
			SDKSource: c.IsSDK(), ClusterSource: !c.IsSDK(),
		}
		tenant(&m, c.Tenant())
		shown[c.ID()] = connection{Connected: !c.Closed(), Abilities: c.Abilities(), Labels: c.Labels(), AppLabels: app, Meta: m}
	}
	return shown
}

func (a *API) connectionsV2(context.Context, rest.None) (map[string]connection, error) {
	return a.connections(func(m *connectionMeta, id string) { m.TenantV2 = &id }), nil
}

func (a *API) connectionsV3(context.Context, rest.None) (map[string]connection, error) {
	return a.connections(func(m *connectionMeta, id string) { m.TenantV3 = &id }), nil
}

// loads are the numbers of connections.
type loads struct {
	Detail       []load `json:"detail"`
	MemberCount  int    `json:"memberCount"`
	MetricsCount int    `json:"metricsCount"`
	Completed    bool   `json:"completed"`
	Max          int    `json:"max"`
	Min          int    `json:"min"`
	Average      int    `json:"avg"`
	Threshold    any    `json:"threshold"` // a number in 2.x, a text in 3.x
	Total        int    `json:"total"`
}

// load is one server's; 2.x has the numbers apart, as texts.
type load struct {
	Address string            `json:"address"`
	Metric  map[string]string `json:"metric,omitempty"`
	*numbers
}

// numbers are those in 3.x.
type numbers struct {
	SDK   int    `json:"sdkConCount"`
	Total int    `json:"conCount"`
	Load  string `json:"load"`
	CPU   string `json:"cpu"`
}

// heardWithin is how new what a node tells of its load must be, and how long it has to.
const heardWithin = time.Second

// loads asks all nodes. Of those that do not answer only the number is told.
func (a *API) loads(ctx context.Context, detail func(cluster.Load) load) loads {
	ctx, cancel := context.WithTimeout(ctx, heardWithin)
	defer cancel()
	asked := time.Now()
	a.cfg.Cluster.Ping(ctx)
	out := loads{Detail: []load{}}
	for _, n := range a.nodes() {
		out.MemberCount++
		if !n.Self && n.Heard.Before(asked) {
			continue
		}
		l, sdk := detail(n.Load), n.Load.SDK
		l.Address = n.HTTP
		out.Detail = append(out.Detail, l)
		if out.MetricsCount == 0 || sdk < out.Min {
			out.Min = sdk
		}
		out.Max, out.Total = max(out.Max, sdk), out.Total+sdk
		out.MetricsCount++
	}
	if out.MetricsCount > 0 {
		out.Average = out.Total / out.MetricsCount
	}
	out.Threshold = float64(out.Average) * 1.1
	out.Completed = out.MemberCount == out.MetricsCount
	return out
}

// figure is a number as Nacos writes it, blank where it is not known.
func figure(f float64) string {
	if f < 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 32)
}

func (a *API) loadsV2(ctx context.Context, _ rest.None) (loads, error) {
	return a.loads(ctx, func(l cluster.Load) load {
		return load{Metric: map[string]string{
			"conCount": strconv.Itoa(l.Connections), "sdkConCount": strconv.Itoa(l.SDK), "load": figure(l.Average), "cpu": figure(l.CPU),
		}}
	}), nil
}

func (a *API) loadsV3(ctx context.Context, _ rest.None) (loads, error) {
	out := a.loads(ctx, func(l cluster.Load) load {
		return load{numbers: &numbers{SDK: l.SDK, Total: l.Connections, Load: figure(l.Average), CPU: figure(l.CPU)}}
	})
	out.Threshold = fmt.Sprint(out.Threshold)
	return out, nil
}
