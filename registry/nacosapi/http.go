package nacosapi

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

// Routes mounts HTTP v1, v2 and v3 on a group that stands for Nacos's context path
// (/nacos).
func (a *API) Routes(g *rest.Group) {
	mayRead, mayWrite := a.guard.Naming(auth.Read), a.guard.Naming(auth.Write)
	read, write, list := rest.Both(mayRead, checkNames), rest.Both(mayWrite, checkNames), rest.Both(mayRead, checkListNames)
	admit, mark := rest.Instead(a.limited), rest.Behind(a.svc.Behind)
	a.routesV1(g.Group("/v1/ns", admit, mark), read, write, list)
	a.routesV2(g.Group("/v2/ns", admit, mark), read, write, list)
	admin := g.Group("/v3/admin/ns", admit, mark)
	a.routesV3(g.Group("/v3/client/ns", admit, mark), admin, read, write, list)
	a.routesOverride(admin, read, write)
	a.routesConsole(g.Group("/v3/console/ns", mark), read, write)
	a.routesPrometheus(g.Group("/prometheus", mark))
}

func (a *API) routesV1(g *rest.Group, read, write, list rest.HandlerFunc) {
	g.POST("/instance", write, rest.With(rest.V1, a.registerV1))
	g.DELETE("/instance", write, rest.With(rest.V1, a.deregister))
	g.PUT("/instance", write, rest.With(rest.V1, a.replaceOverride))
	g.PATCH("/instance", write, rest.With(rest.V1, a.patchOverride))
	g.GET("/instance", read, rest.With(rest.V1, a.detailV1))
	g.GET("/instance/list", list, rest.With(rest.V1, a.listV1))
	g.PUT("/instance/beat", write, checkBeat, rest.With(rest.V1, a.beat))
	g.PUT("/instance/metadata/batch", write, checkItems, rest.With(rest.V1, a.mergeMetadata))
	g.DELETE("/instance/metadata/batch", write, checkItems, rest.With(rest.V1, a.removeMetadata))
	g.GET("/instance/statuses", a.mayReadStatuses(), rest.With(rest.V1Single, a.statuses))

	g.POST("/service", write, rest.With(rest.V1Single, a.createServiceV1))
	g.DELETE("/service", write, rest.With(rest.V1Single, a.deleteService))
	g.PUT("/service", write, rest.With(rest.V1, a.updateServiceV1))
	g.GET("/service", read, rest.With(rest.V1Single, a.describeV1))
	g.GET("/service/list", a.mayReadGroup(), rest.With(rest.V1, a.serviceListV1))
	g.GET("/service/names", a.mayReadAll(), rest.With(rest.V1, a.serviceNames))
	g.GET("/service/subscribers", read, rest.With(rest.V1, a.subscribersV1))
	g.GET("/service/selector/types", a.guard.User(), rest.With(rest.V1Result, a.selectorTypes))
	g.PUT("/cluster", write, rest.With(rest.V1, a.updateClusterV1))
	g.GET("/catalog/service", read, rest.With(rest.V1, a.catalogService))
	g.GET("/catalog/instances", read, rest.With(rest.V1Single, a.catalogInstancesV1))
	g.GET("/catalog/services", a.mayReadAll(), rest.With(rest.V1, a.catalogServices))
	g.PUT("/health", write, rest.With(rest.V1, a.setHealth))
	g.PUT("/health/instance", write, rest.With(rest.V1, a.setHealth))
	g.GET("/health/server", rest.With(rest.V1, a.healthServer))
	g.GET("/health/checkers", a.guard.User(), rest.With(rest.V1, a.checkers))
	for _, operator := range []string{"/operator", "/ops"} {
		g.GET(operator+"/metrics", a.guard.UserUnless("onlyStatus"), rest.With(rest.V1, a.metricsV1))
		g.GET(operator+"/switches", a.guard.User(), rest.With(rest.V1, a.switchesV2))
		g.PUT(operator+"/switches", a.guard.Admin(), rest.With(rest.V1Single, a.setSwitch))
		g.GET(operator+"/push/state", a.guard.User(), rest.With(rest.V1, a.pushState))
	}
}

func (a *API) routesV2(g *rest.Group, read, write, list rest.HandlerFunc) {
	g.POST("/instance", write, rest.Handle(a.registerV2))
	g.DELETE("/instance", write, rest.Handle(a.deregister))
	g.PUT("/instance", write, rest.Handle(a.replaceOverride))
	g.PATCH("/instance", write, rest.With(rest.V2Bare, a.patchOverride))
	g.GET("/instance", read, rest.With(rest.V2Single, a.detailV2))
	g.GET("/instance/list", list, rest.With(rest.V2Single, a.listV2))
	g.PUT("/instance/beat", write, rest.With(rest.V2Bare, a.beat))
	g.PUT("/instance/metadata/batch", write, rest.Handle(a.mergeMetadata))
	g.DELETE("/instance/metadata/batch", write, rest.Handle(a.removeMetadata))
	g.Any("/instance/statuses/:key", a.mayReadStatuses(), rest.With(rest.V2Bare, a.statuses))

	g.POST("/service", write, rest.Handle(a.createServiceV2))
	g.PUT("/service", write, rest.Handle(a.updateServiceV2))
	g.DELETE("/service", write, rest.With(rest.V2Single, a.deleteService))
	g.GET("/service", read, rest.With(rest.V2Single, a.describeV2))
	g.GET("/service/list", a.mayReadGroup(), rest.Handle(a.serviceListV2))
	g.PUT("/health", write, rest.Handle(a.setHealth))
	g.PUT("/health/instance", write, rest.Handle(a.setHealth))
	g.Any("/catalog/instances", read, rest.With(rest.V2Plain, a.catalogInstancesV2))
	for _, operator := range []string{"/operator", "/ops"} {
		g.GET(operator+"/metrics", a.guard.UserUnless("onlyStatus"), rest.Handle(a.metricsV2))
		g.GET(operator+"/switches", a.guard.User(), rest.Handle(a.switchesV2))
		g.PUT(operator+"/switches", a.guard.Admin(), rest.Handle(a.setSwitch))
	}

	admin := a.guard.Admin()
	g.GET("/client/list", admin, rest.Handle(a.clients))
	g.GET("/client", admin, rest.With(rest.V2Single, a.clientV2))
	g.GET("/client/publish/list", admin, rest.With(rest.V2Single, a.publishedV2))
	g.GET("/client/subscribe/list", admin, rest.With(rest.V2Single, a.subscribedV2))
	g.GET("/client/service/publisher/list", rest.Both(admin, checkNames), rest.With(rest.V2Single, a.publishersV2))
	g.GET("/client/service/subscriber/list", rest.Both(admin, checkNames), rest.With(rest.V2Single, a.listenersV2))
}

// mayReadGroup stands before what lists all services of a group, mayReadAll before what
// finds services in all of a namespace.
func (a *API) mayReadGroup() rest.HandlerFunc { return rest.Both(a.guard.Group(auth.Read), checkNames) }

func (a *API) mayReadAll() rest.HandlerFunc {
	return rest.Both(a.guard.Services(auth.Read), checkNames)
}

// keyNames are the parameters that name a service, or are looked for in names.
type keyNames struct {
	Namespace string `form:"namespaceId"`
	Group     string `form:"groupName" alias:"groupNameParam"`
	Service   string `form:"serviceName" alias:"serviceNameParam"`
}

func (n *keyNames) check() error {
	k := registry.NewServiceKey(n.Namespace, n.Group, cmp.Or(n.Service, "any"))
	return k.Validate()
}

type instanceNames struct {
	keyNames
	Cluster string `form:"clusterName" alias:"cluster"`
	IP      string `form:"ip"`
	Port    string `form:"port" alias:"checkPort"`
}

// checkNames refuses what cannot be a name before anything else looks at it.
var checkNames = rest.Check(func(in instanceNames) error {
	if err := in.check(); err != nil {
		return err
	}
	if err := registry.ValidateClusterName(cmp.Or(in.Cluster, registry.DefaultCluster)); err != nil {
		return err
	}
	if err := registry.ValidateIP(in.IP); err != nil {
		return err
	}
	_, err := registry.ParsePort(cmp.Or(strings.TrimSpace(in.Port), "0"))
	return err
})

type listNames struct {
	keyNames
	Clusters string `form:"clusters"`
}

// checkListNames does it for lists of instances, where clusters may be several.
var checkListNames = rest.Check(func(in listNames) error {
	if err := in.check(); err != nil {
		return err
	}
	if err := registry.ValidateClusterList(in.Clusters); err != nil {
		return err
	}
	for _, cluster := range registry.ParseClusters(in.Clusters) {
		if err := registry.ValidateClusterName(cluster); err != nil {
			return err
		}
	}
	return nil
})

// mark sets the header if what this node shows may be behind or ahead.
func (a *API) mark(ctx context.Context) { reply(ctx, a.svc.Stale()) }

// markList sets it if that holds for a list.
func (a *API) markList(ctx context.Context, v *catalog.View) { reply(ctx, v.Ahead || a.svc.Behind()) }

// reply sets the header of whichever protocol the request came by.
func reply(ctx context.Context, stale bool) {
	if stale {
		rest.Of(ctx).Reply(wire.HeaderStale, "true")
		rpc.Reply(ctx, wire.HeaderStale, "true")
	}
}

// done is the answer to every write that went well.
func (a *API) done(ctx context.Context, err error) (string, error) {
	if err != nil {
		return "", refusal(err)
	}
	a.mark(ctx)
	return "ok", nil
}

// serviceForm names a service in every request.
type serviceForm struct {
	Namespace   string `form:"namespaceId"`
	Group       string `form:"groupName"`
	ServiceName string `form:"serviceName" binding:"required"`
}

func (f *serviceForm) key() registry.ServiceKey {
	return registry.NewServiceKey(f.Namespace, f.Group, f.ServiceName)
}

// addressForm names an instance.
type addressForm struct {
	serviceForm
	IP      string `form:"ip" binding:"required"`
	Port    int    `form:"port" binding:"required"`
	Cluster string `form:"clusterName" alias:"cluster"`
}

func (f *addressForm) instanceKey() registry.InstanceKey {
	return registry.InstanceKey{Cluster: cmp.Or(f.Cluster, registry.DefaultCluster), IP: f.IP, Port: f.Port}
}

// metadata is a parameter: a JSON object of strings, or k=v pairs with commas.
type metadata map[string]string

// UnmarshalText reads both forms.
func (m *metadata) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if strings.HasPrefix(s, "{") {
		var loose map[string]json.RawMessage
		if err := json.Unmarshal([]byte(s), &loose); err != nil {
			return err
		}
		*m = make(metadata, len(loose))
		for k, v := range loose {
			switch v[0] {
			case 'n': // null: absent
			case '"':
				var plain string
				if err := json.Unmarshal(v, &plain); err != nil {
					return err
				}
				(*m)[k] = plain
			case '{', '[':
				return unreadable(text)
			default: // a number or a bool, as it is written
				(*m)[k] = string(v)
			}
		}
		return nil
	}
	*m = make(metadata)
	for pair := range strings.SplitSeq(strings.TrimRight(s, ","), ",") {
		k, v, _ := strings.Cut(pair, "=")
		if v == "" || strings.Contains(v, "=") {
			return unreadable(text)
		}
		(*m)[k] = v
	}
	return nil
}

func unreadable(metadata []byte) error {
	return registry.Errorf(registry.ErrInvalid, "metadata format incorrect: %s", metadata)
}

// raw answers bytes that are JSON already.
func raw(b []byte) *rest.Raw {
	return &rest.Raw{ContentType: "application/json;charset=UTF-8", Body: b}
}
