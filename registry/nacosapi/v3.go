package nacosapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

func (a *API) routesV3(client, admin *rest.Group, read, write, list rest.HandlerFunc) {
	client.POST("/instance", write, rest.Handle(a.registerV3))
	client.DELETE("/instance", write, rest.Handle(a.deregister))
	client.GET("/instance/list", list, rest.Handle(a.instancesV3))

	admin.POST("/service", write, rest.Handle(a.createServiceV2))
	admin.PUT("/service", write, rest.Handle(a.updateServiceV2))
	admin.DELETE("/service", write, rest.Handle(a.deleteService))
	admin.GET("/service", read, rest.Handle(a.describeV3))
	admin.GET("/service/list", a.mayReadAll(), rest.Handle(a.servicesV3))
	admin.GET("/service/subscribers", read, rest.Handle(a.subscribersV3))
	admin.GET("/service/selector/types", a.guard.User(), rest.Handle(a.selectorTypes))
	admin.POST("/instance", write, rest.Handle(a.registerV2))
	admin.DELETE("/instance", write, rest.Handle(a.deregister))
	admin.PUT("/instance", write, rest.Handle(a.replaceOverride))
	admin.PUT("/instance/partial", write, rest.Handle(a.patchOverride))
	admin.GET("/instance", read, rest.Handle(a.instanceV3))
	admin.GET("/instance/list", list, rest.Handle(a.clusterInstancesV3))
	admin.PUT("/instance/metadata/batch", write, rest.Handle(a.mergeMetadata))
	admin.DELETE("/instance/metadata/batch", write, rest.Handle(a.removeMetadata))
	admin.PUT("/cluster", write, rest.Handle(a.updateCluster))
	admin.PUT("/health/instance", write, rest.Handle(a.setHealth))
	admin.GET("/health/checkers", a.guard.User(), rest.Handle(a.checkersV3))
	admin.GET("/ops/metrics", a.guard.UserUnless("onlyStatus"), rest.Handle(a.metricsV2))

	operator := a.guard.Admin()
	admin.GET("/ops/switches", operator, rest.Handle(a.switchesV3))
	admin.PUT("/ops/switches", operator, rest.Handle(a.setSwitch))
	admin.GET("/client/list", operator, rest.Handle(a.clients))
	admin.GET("/client", operator, rest.With(rest.V2Single, a.clientV3))
	admin.GET("/client/publish/list", operator, rest.With(rest.V2Single, a.publishedV3))
	admin.GET("/client/subscribe/list", operator, rest.With(rest.V2Single, a.subscribedV3))
	admin.GET("/client/service/publisher/list", rest.Both(operator, checkNames), rest.Handle(a.publishersV3))
	admin.GET("/client/service/subscriber/list", rest.Both(operator, checkNames), rest.Handle(a.listenersV3))
}

// routesConsole is what the page of Nacos's console asks.
func (a *API) routesConsole(console *rest.Group, read, write rest.HandlerFunc) {
	console.POST("/service", write, rest.Handle(a.createServiceV2))
	console.PUT("/service", write, rest.Handle(a.updateServiceV2))
	console.DELETE("/service", write, rest.Handle(a.deleteService))
	console.GET("/service", read, rest.Handle(a.describeV3))
	console.GET("/service/list", a.mayReadAll(), rest.Handle(a.servicesV3))
	console.GET("/service/subscribers", read, rest.Handle(a.subscribersV3))
	console.GET("/service/selector/types", a.guard.User(), rest.Handle(a.selectorTypes))
	console.PUT("/service/cluster", write, rest.Handle(a.updateCluster))
	console.Any("/instance/list", read, rest.Handle(a.pageOfInstancesV3))
	console.PUT("/instance", write, rest.Handle(a.replaceOverride))
}

type registerFormV3 struct {
	instanceForm
	HeartBeat bool `form:"heartBeat"`
}

// registerV3 registers, or takes a light beat. A beat for an unknown instance is
// answered with 200 and a code that has the client register.
func (a *API) registerV3(ctx context.Context, in registerFormV3) (any, error) {
	if !in.HeartBeat {
		return a.registerV2(ctx, in.instanceForm)
	}
	_, err := a.svc.Beat(ctx, in.key(), in.instanceKey(), nil)
	if kind := wire.AsError(refusal(err)); kind != nil && kind.Kind == wire.NotFound {
		unknown := wire.InstanceNotFound
		return rest.Result{Code: unknown.Code(), Message: unknown.Summary()}, nil
	}
	return a.done(ctx, err)
}

// clusterInstances are all instances of one cluster, disabled ones too, which must
// have some.
func (a *API) clusterInstances(ctx context.Context, in *listForm) ([]json.RawMessage, error) {
	k := in.key()
	_, err := a.svc.Describe(ctx, k)
	if errors.Is(err, registry.ErrServiceNotFound) {
		err = wire.Refuse(wire.Uncoded404, "service "+k.Grouped()+" is not found!")
	}
	if err != nil {
		return nil, refusal(err)
	}
	all, err := a.svc.Instances(ctx, k)
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	cluster := cmp.Or(in.Clusters, registry.DefaultCluster)
	list := []json.RawMessage{}
	found := false
	for n := range all {
		i := &all[n]
		if i.Cluster != cluster {
			continue
		}
		found = true
		if i.Healthy || !in.HealthyOnly {
			list = append(list, AppendInstance(nil, k, i))
		}
	}
	if !found {
		return nil, wire.Refuse(wire.Uncoded404, "cluster "+cluster+" is not found!")
	}
	return list, nil
}

func (a *API) clusterInstancesV3(ctx context.Context, in listForm) ([]json.RawMessage, error) {
	return a.clusterInstances(ctx, &in)
}

type pageOfListForm struct {
	listForm
	PageNo   int `form:"pageNo,default=1"`
	PageSize int `form:"pageSize,default=100"`
}

func (a *API) pageOfInstancesV3(ctx context.Context, in pageOfListForm) (*rest.Page[json.RawMessage], error) {
	in.HealthyOnly = false
	all, err := a.clusterInstances(ctx, &in.listForm)
	if err != nil {
		return nil, err
	}
	page := rest.PageOf(all, in.PageNo, min(in.PageSize, pageMaxV2))
	return &page, nil
}

// instancesV3 is a bare list of the instances of a cluster, or of several.
func (a *API) instancesV3(ctx context.Context, in listForm) ([]json.RawMessage, error) {
	k := in.key()
	if err := k.Validate(); err != nil {
		return nil, refusal(err)
	}
	if err := registry.ValidateClusterList(in.Clusters); err != nil {
		return nil, refusal(err)
	}
	v, err := a.svc.Query(ctx, k, registry.Filter{Clusters: registry.ParseClusters(cmp.Or(in.Clusters, registry.DefaultCluster)), HealthyOnly: in.HealthyOnly})
	if err != nil {
		return nil, refusal(err)
	}
	a.markList(ctx, v)
	list := make([]json.RawMessage, 0, len(v.Instances))
	for n := range v.Instances {
		list = append(list, AppendInstance(nil, k, &v.Instances[n]))
	}
	return list, nil
}

func (a *API) instanceV3(ctx context.Context, in addressForm) (json.RawMessage, error) {
	i, err := a.svc.Instance(ctx, in.key(), in.instanceKey())
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	return AppendInstance(nil, in.key(), &i), nil
}

type clusterV3 struct {
	clusterV2
	HealthyCheckPort        int  `json:"healthyCheckPort"`
	UseInstancePortForCheck bool `json:"useInstancePortForCheck"`
}

type serviceV3 struct {
	NamespaceID      string               `json:"namespaceId"`
	ServiceName      string               `json:"serviceName"`
	GroupName        string               `json:"groupName"`
	ClusterMap       map[string]clusterV3 `json:"clusterMap"`
	Metadata         map[string]string    `json:"metadata"`
	ProtectThreshold float64              `json:"protectThreshold"`
	Selector         selector             `json:"selector"`
	Ephemeral        bool                 `json:"ephemeral"`
}

func (a *API) describeV3(ctx context.Context, in serviceForm) (*serviceV3, error) {
	svc, err := a.svc.Describe(ctx, in.key())
	if err != nil {
		return nil, refusal(err)
	}
	v2, err := a.describeV2(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &serviceV3{
		NamespaceID: v2.Namespace, ServiceName: v2.ServiceName, GroupName: v2.GroupName, ClusterMap: map[string]clusterV3{},
		Metadata: v2.Metadata, ProtectThreshold: v2.ProtectThreshold, Selector: v2.Selector, Ephemeral: v2.Ephemeral,
	}
	for name, c := range v2.ClusterMap {
		settings := svc.ClusterSettings(name)
		out.ClusterMap[name] = clusterV3{clusterV2: c, HealthyCheckPort: settings.CheckPort, UseInstancePortForCheck: settings.UseInstancePort}
	}
	return out, nil
}

type servicesFormV3 struct {
	Namespace     string `form:"namespaceId"`
	Name          string `form:"serviceNameParam"`
	Group         string `form:"groupNameParam"`
	IgnoreEmpty   bool   `form:"ignoreEmptyService"`
	WithInstances bool   `form:"withInstances"`
	pagingV3
}

// pagingV3 names a page; both numbers must be positive.
type pagingV3 struct {
	PageNo   int `form:"pageNo,default=1"`
	PageSize int `form:"pageSize,default=100"`
}

func (p *pagingV3) check() error {
	for _, n := range []struct {
		name  string
		value int
	}{{"pageNo", p.PageNo}, {"pageSize", p.PageSize}} {
		if n.value < 1 {
			return wire.Refuse(wire.ParameterInvalid, fmt.Sprintf("Required parameter '%s' should be positive integer, current is %d", n.name, n.value))
		}
	}
	return nil
}

// servicesV3 is a page of lines, or with withInstances of whole services.
func (a *API) servicesV3(ctx context.Context, in servicesFormV3) (any, error) {
	q := catalog.Query{Namespace: cmp.Or(in.Namespace, registry.DefaultNamespace), Group: in.Group, Name: in.Name, WithInstances: in.IgnoreEmpty}
	if err := in.check(); err != nil {
		return nil, err
	}
	size := min(in.PageSize, pageMaxV2)
	found, total, err := a.svc.Search(ctx, q, in.PageNo, size)
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	if !in.WithInstances {
		page := pageV3[catalogLine](in.PageNo, size, total)
		for n := range found {
			s := &found[n]
			page.PageItems = append(page.PageItems, catalogLine{
				Name: s.Key.Name, GroupName: s.Key.Group, ClusterCount: s.Clusters, IPCount: s.Instances,
				HealthyInstanceCount: s.Healthy, TriggerFlag: strconv.FormatBool(s.Protected),
			})
		}
		return page, nil
	}
	page := pageV3[*serviceV3](in.PageNo, size, total)
	for n := range found {
		k := found[n].Key
		svc, err := a.describeV3(ctx, serviceForm{Namespace: k.Namespace, Group: k.Group, ServiceName: k.Name})
		if err != nil {
			continue // it was deleted meanwhile
		}
		all, err := a.svc.Instances(ctx, k)
		if err != nil {
			return nil, refusal(err)
		}
		for i := range all {
			if c, ok := svc.ClusterMap[all[i].Cluster]; ok {
				c.Hosts = append(c.Hosts, AppendInstance(nil, k, &all[i]))
				svc.ClusterMap[all[i].Cluster] = c
			}
		}
		page.PageItems = append(page.PageItems, svc)
	}
	return page, nil
}

func pageV3[T any](number, size, total int) *rest.Page[T] {
	return &rest.Page[T]{TotalCount: total, PageNumber: max(1, number), PagesAvailable: (total + size - 1) / size, PageItems: []T{}}
}

type subscriberV3 struct {
	NamespaceID string `json:"namespaceId"`
	GroupName   string `json:"groupName"`
	ServiceName string `json:"serviceName"`
	IP          string `json:"ip"`
	Port        int    `json:"port"`
	Agent       string `json:"agent"`
	AppName     string `json:"appName"`
	Address     string `json:"address"`
}

type subscribersFormV3 struct {
	serviceForm
	pagingV3
	Everywhere bool `form:"aggregation,default=true"`
}

// subscribersV3 has port 0 for clients of gRPC, which are told nothing over UDP.
func (a *API) subscribersV3(ctx context.Context, in subscribersFormV3) (*rest.Page[subscriberV3], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	size := min(in.PageSize, pageMax)
	v1, err := a.subscribersV1(ctx, subscribersForm{serviceForm: in.serviceForm, PageNo: in.PageNo, PageSize: size, Everywhere: in.Everywhere})
	if err != nil {
		return nil, err
	}
	k := in.key()
	page := pageV3[subscriberV3](in.PageNo, size, v1.Count)
	for _, s := range v1.Subscribers {
		page.PageItems = append(page.PageItems, subscriberV3{
			NamespaceID: k.Namespace, GroupName: k.Group, ServiceName: k.Name, IP: s.IP, Agent: s.Agent, AppName: s.App, Address: s.IP + ":0",
		})
	}
	return page, nil
}

func (a *API) checkersV3(context.Context, rest.None) (json.RawMessage, error) {
	return checkerTypes, nil
}
