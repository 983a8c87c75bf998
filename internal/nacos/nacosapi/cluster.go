package nacosapi

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func (a *API) clusterRoutes(g *rest.Group) {
	user := a.cfg.Guard.User()
	const v1, v2 = "/v1/core/cluster", "/v2/core/cluster"
	g.GET(v1+"/self", user, rest.With(rest.V1Result, a.self))
	g.GET(v1+"/nodes", user, rest.With(rest.V1Result, a.members))
	g.GET(v1+"/simple/nodes", user, rest.With(rest.V1Result, a.addresses))
	g.GET(v1+"/health", rest.With(rest.V1Result, a.health))
	g.GET("/v1/ns/operator/servers", user, rest.With(rest.V1, a.serversV1))
	g.GET(v2+"/node/self", user, rest.Handle(a.self))
	g.GET(v2+"/node/list", user, rest.Handle(a.members))
	g.GET(v2+"/node/self/health", rest.Handle(a.health))
	g.GET("/v3/admin/core/cluster/node/self", user, rest.Handle(a.self))
	g.GET("/v3/admin/core/cluster/node/list", user, rest.Handle(a.members))
	g.GET("/v3/console/core/cluster/nodes", user, rest.Handle(a.members))
	g.DELETE("/v3/admin/core/cluster/node", a.cfg.Guard.Admin(), rest.Handle(a.forget))
}

// member is a server as every version shows it.
type member struct {
	IP              string         `json:"ip"`
	Port            int            `json:"port"`
	State           string         `json:"state"`
	ExtendInfo      map[string]any `json:"extendInfo"`
	Address         string         `json:"address"`
	FailAccessCount int            `json:"failAccessCnt"`
	Abilities       abilities      `json:"abilities"`
	GRPCReport      bool           `json:"grpcReportEnabled"`
}

type abilities struct {
	Remote struct {
		Connection bool `json:"supportRemoteConnection"`
		GRPCReport bool `json:"grpcReportEnabled"`
	} `json:"remoteAbility"`
	Config struct {
		RemoteMetrics bool `json:"supportRemoteMetrics"`
	} `json:"configAbility"`
	Naming struct {
		JRaft bool `json:"supportJraft"`
	} `json:"namingAbility"`
}

// nodes are the servers whose HTTP port is open, by address: the others are none to
// Nacos's clients.
func (a *API) nodes() []cluster.Node {
	nodes := slices.DeleteFunc(a.cfg.Cluster.Nodes(), func(n cluster.Node) bool { return n.HTTP == "" })
	slices.SortFunc(nodes, func(x, y cluster.Node) int { return cmp.Compare(x.HTTP, y.HTTP) })
	return nodes
}

func (a *API) member(n *cluster.Node) member {
	host, port := splitAddress(n.HTTP)
	out := member{IP: host, State: n.State.String(), Address: n.HTTP, FailAccessCount: n.Failures, GRPCReport: true}
	out.Port, _ = strconv.Atoi(port)
	if n.Self && !n.Draining && a.cfg.NotReady() != "" {
		out.State = "STARTING"
	}
	out.ExtendInfo = map[string]any{"version": n.Version, "started": n.Started.UnixMilli()}
	if !n.Heard.IsZero() {
		out.ExtendInfo["lastRefreshTime"] = n.Heard.UnixMilli()
		out.ExtendInfo["conCount"], out.ExtendInfo["sdkConCount"] = n.Load.Connections, n.Load.SDK
		if n.Load.CPU >= 0 {
			out.ExtendInfo["cpu"] = n.Load.CPU
		}
		if n.Load.Average >= 0 {
			out.ExtendInfo["load"] = n.Load.Average
		}
	}
	if n.Role != "" {
		out.ExtendInfo["role"] = n.Role
	}
	if n.Draining {
		out.ExtendInfo["draining"] = true
	}
	out.Abilities.Remote.Connection = true
	return out
}

type membersForm struct {
	Keyword string `form:"keyword" alias:"address"`
	State   string `form:"state"`
}

// states are all that Nacos knows; ours are the first four.
var states = []string{"STARTING", "UP", "SUSPICIOUS", "DOWN", "ISOLATION"}

func (a *API) members(_ context.Context, in membersForm) ([]member, error) {
	found := []member{}
	if in.State != "" && !slices.Contains(states, strings.ToUpper(in.State)) {
		return nil, wire.Refuse(wire.IllegalState, "Illegal state: "+in.State)
	}
	for _, n := range a.nodes() {
		shown := a.member(&n)
		if strings.HasPrefix(shown.Address, in.Keyword) && (in.State == "" || strings.EqualFold(in.State, shown.State)) {
			found = append(found, shown)
		}
	}
	return found, nil
}

type forgetForm struct {
	Address string `form:"address" binding:"required"`
}

// forget drops a server from the list that is down.
func (a *API) forget(ctx context.Context, in forgetForm) (string, error) {
	for _, n := range a.nodes() {
		if n.HTTP != in.Address {
			continue
		}
		err := a.cfg.Cluster.Forget(ctx, n.ID)
		if errors.Is(err, cluster.ErrLive) {
			return "", wire.Refuse(wire.IllegalState, "server "+in.Address+" is not down")
		}
		return "ok", err
	}
	return "", wire.Refuse(wire.NotFound, "no server "+in.Address)
}

func (a *API) self(context.Context, rest.None) (*member, error) {
	n := a.cfg.Cluster.Self()
	if n.HTTP == "" {
		return nil, wire.Refuse(wire.NodeInfo, "this server is none of the members")
	}
	shown := a.member(&n)
	return &shown, nil
}

func (a *API) addresses(context.Context, rest.None) ([]string, error) {
	found := []string{}
	for _, n := range a.nodes() {
		found = append(found, n.HTTP)
	}
	return found, nil
}

// serversV1 is what the oldest clients poll.
func (a *API) serversV1(ctx context.Context, _ rest.None) (any, error) {
	members, err := a.members(ctx, membersForm{})
	return map[string]any{"servers": members}, err
}

func (a *API) health(context.Context, rest.None) (string, error) {
	if why := a.cfg.NotReady(); why != "" {
		return "", wire.Refuse(wire.ServerError, why)
	}
	return "UP", nil
}
