package nacosapi

import (
	"context"
	"net"
	"strconv"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// loaderRoutes show and move gRPC connections. The writes are GET in 2.x and
// POST in 3.x.
func (a *API) loaderRoutes(g *rest.Group) {
	admin := a.cfg.Guard.Admin()
	for _, prefix := range []string{"/v2/core/loader", "/v3/admin/core/loader"} {
		current, cluster, one, some, smart := rest.With(rest.V2Bare, a.connections), rest.Handle(a.loads),
			rest.Handle(a.reloadClient), rest.Handle(a.reloadCurrent), rest.Handle(a.smartReload)
		write := g.GET
		if prefix != "/v2/core/loader" {
			current, write = rest.Handle(a.connections), g.POST
		}
		g.GET(prefix+"/current", admin, current)
		g.GET(prefix+"/cluster", admin, cluster)
		write(prefix+"/reloadClient", admin, one)
		write(prefix+"/reloadCurrent", admin, some)
		write(prefix+"/smartReloadCluster", admin, smart)
	}
}

type connection struct {
	Connected bool            `json:"connected"`
	Abilities map[string]bool `json:"abilityTable"`
	Meta      connectionMeta  `json:"metaInfo"`
}

type connectionMeta struct {
	ConnectType  string            `json:"connectType"`
	ConnectionID string            `json:"connectionId"`
	ClientIP     string            `json:"clientIp"`
	RemoteIP     string            `json:"remoteIp"`
	RemotePort   int               `json:"remotePort"`
	Version      string            `json:"version"`
	AppName      string            `json:"appName"`
	Tenant       string            `json:"tenant"`
	Labels       map[string]string `json:"labels"`
	CreateTime   int64             `json:"createTime"`     // milliseconds since 1970
	LastActive   int64             `json:"lastActiveTime"` // likewise
	SDKSource    bool              `json:"sdkSource"`
}

func (a *API) all() []*rpc.Conn {
	if a.cfg.RPC == nil {
		return nil
	}
	return a.cfg.RPC.Conns()
}

func (a *API) connections(context.Context, rest.None) (map[string]connection, error) {
	shown := map[string]connection{}
	for _, c := range a.all() {
		_, text, _ := net.SplitHostPort(c.RemoteAddr())
		port, _ := strconv.Atoi(text) // 0 where it is not known
		shown[c.ID()] = connection{Connected: !c.Closed(), Abilities: c.Abilities(), Meta: connectionMeta{
			ConnectType: "GRPC", ConnectionID: c.ID(), ClientIP: c.ClientIP(), RemoteIP: c.RemoteIP(), RemotePort: port,
			Version: c.Version(), AppName: c.AppName(), Tenant: c.Tenant(), Labels: c.Labels(),
			CreateTime: c.Since().UnixMilli(), LastActive: c.LastActive().UnixMilli(), SDKSource: c.IsSDK(),
		}}
	}
	return shown, nil
}

// loads are the numbers of connections, as strings.
type loads struct {
	Detail       []load `json:"detail"`
	MemberCount  int    `json:"memberCount"`
	MetricsCount int    `json:"metricsCount"`
	Completed    bool   `json:"completed"`
	Max          int    `json:"max"`
	Min          int    `json:"min"`
	Average      int    `json:"avg"`
	Threshold    string `json:"threshold"`
	Total        int    `json:"total"`
}

type load struct {
	Address string            `json:"address"`
	Metric  map[string]string `json:"metric"`
}

// loads knows of this server only; another's own answer tells of that one.
func (a *API) loads(context.Context, rest.None) (loads, error) {
	all, sdk := a.all(), 0
	for _, c := range all {
		if c.IsSDK() {
			sdk++
		}
	}
	out := loads{MetricsCount: 1, Max: sdk, Min: sdk, Average: sdk, Total: sdk, Detail: []load{}}
	for _, m := range a.cfg.Members() {
		out.MemberCount++
		if m.Self {
			out.Detail = append(out.Detail, load{m.Address(), map[string]string{
				"conCount": strconv.Itoa(len(all)), "sdkConCount": strconv.Itoa(sdk), "load": "", "cpu": "",
			}})
		}
	}
	out.Completed = out.MemberCount <= out.MetricsCount
	out.Threshold = strconv.FormatFloat(float64(sdk)*1.1, 'f', -1, 64)
	return out, nil
}

type reloadForm struct {
	ConnectionID string `form:"connectionId"`
	Count        *int   `form:"count"`
	Redirect     string `form:"redirectAddress"`
}

func (in *reloadForm) target() (ip, port string) {
	ip, port, err := net.SplitHostPort(in.Redirect)
	if err != nil {
		return in.Redirect, "" // a bare address, or none
	}
	return ip, port
}

func (a *API) reloadClient(_ context.Context, in reloadForm) (string, error) {
	if in.ConnectionID == "" {
		return "", wire.Refuse(wire.ParameterMissing, "Param 'connectionId' is required.")
	}
	var c *rpc.Conn
	if a.cfg.RPC != nil {
		c = a.cfg.RPC.Conn(in.ConnectionID)
	}
	if c == nil {
		return "", wire.Refuse(wire.NotFound, "there is no connection "+in.ConnectionID)
	}
	ip, port := in.target()
	c.Leave(ip, port)
	return "success", nil
}

// reloadCurrent keeps count connections and sends the others elsewhere.
func (a *API) reloadCurrent(_ context.Context, in reloadForm) (string, error) {
	if in.Count == nil || *in.Count < 0 {
		return "", wire.Refuse(wire.ParameterMissing, "Param 'count' is required.")
	}
	if a.cfg.RPC != nil {
		ip, port := in.target()
		a.cfg.RPC.Shed(*in.Count, ip, port)
	}
	return "success", nil
}

// smartReload would even out the cluster. A single server is even.
func (a *API) smartReload(context.Context, rest.None) (string, error) {
	if len(a.cfg.Members()) > 1 {
		return "", wire.Refuse(wire.Unimplemented, "connections are not evened out between servers; use reloadCurrent on the one that has too many")
	}
	return "ok", nil
}
