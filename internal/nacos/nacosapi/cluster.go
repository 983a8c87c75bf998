package nacosapi

import (
	"context"
	"slices"
	"strings"

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

func (a *API) member(m *Member) member {
	out := member{IP: m.IP, Port: m.Port, State: "DOWN", Address: m.Address(), ExtendInfo: map[string]any{}, GRPCReport: true}
	if m.Up {
		out.State = "UP"
	}
	for key, fact := range m.Facts {
		out.ExtendInfo[key] = fact
	}
	out.ExtendInfo["version"] = a.cfg.Version
	out.Abilities.Remote.Connection = true
	return out
}

type membersForm struct {
	Keyword string `form:"keyword" alias:"address"`
	State   string `form:"state"`
}

// states are all that Nacos knows; ours are UP and DOWN.
var states = []string{"STARTING", "UP", "SUSPICIOUS", "DOWN", "ISOLATION"}

func (a *API) members(_ context.Context, in membersForm) ([]member, error) {
	found := []member{}
	if in.State != "" && !slices.Contains(states, strings.ToUpper(in.State)) {
		return nil, wire.Refuse(wire.IllegalState, "Illegal state: "+in.State)
	}
	for _, m := range a.cfg.Members() {
		shown := a.member(&m)
		if strings.HasPrefix(shown.Address, in.Keyword) && (in.State == "" || strings.EqualFold(in.State, shown.State)) {
			found = append(found, shown)
		}
	}
	return found, nil
}

func (a *API) self(context.Context, rest.None) (*member, error) {
	for _, m := range a.cfg.Members() {
		if m.Self {
			shown := a.member(&m)
			return &shown, nil
		}
	}
	return nil, wire.Refuse(wire.NodeInfo, "this server is none of the members")
}

func (a *API) addresses(context.Context, rest.None) ([]string, error) {
	found := []string{}
	for _, m := range a.cfg.Members() {
		found = append(found, m.Address())
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
