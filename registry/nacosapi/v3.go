package nacosapi

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

func (a *API) routesV3(client, admin *gin.RouterGroup, read, write gin.HandlerFunc) {
	client.POST("/instance", write, rest.Handle(a.registerV3))
	client.DELETE("/instance", write, rest.Handle(a.deregister))
	client.GET("/instance/list", read, rest.Handle(a.instancesV3))

	admin.POST("/service", write, rest.Handle(a.createServiceV2))
	admin.PUT("/service", write, rest.Handle(a.updateServiceV2))
	admin.DELETE("/service", write, rest.Handle(a.deleteService))
	admin.GET("/service", read, rest.Handle(a.describeV3))
	admin.GET("/service/list", read, rest.Handle(a.servicesV3))
	admin.GET("/service/subscribers", read, rest.Handle(a.subscribersV3))
	admin.GET("/service/selector/types", a.guard.User(), rest.Handle(a.selectorTypes))
	admin.POST("/instance", write, rest.Handle(a.registerV2))
	admin.DELETE("/instance", write, rest.Handle(a.deregister))
	admin.PUT("/instance", write, rest.Handle(a.replaceOverride))
	admin.PUT("/instance/partial", write, rest.Handle(a.patchOverride))
	admin.GET("/instance", read, rest.Handle(a.instanceV3))
	admin.GET("/instance/list", read, rest.Handle(a.instancesV3))
	admin.PUT("/instance/metadata/batch", write, rest.Handle(a.mergeMetadata))
	admin.DELETE("/instance/metadata/batch", write, rest.Handle(a.removeMetadata))
	admin.PUT("/cluster", write, rest.Handle(a.updateCluster))
	admin.PUT("/health/instance", write, rest.Handle(a.setHealth))
	admin.GET("/ops/metrics", rest.Handle(a.metrics))
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
		return rest.Result{Code: unknown.Code(), Message: unknown.Summary(), Data: kind.Text}, nil
	}
	return a.done(ctx, err)
}

// instancesV3 is a bare list of instances.
func (a *API) instancesV3(ctx context.Context, in listForm) ([]json.RawMessage, error) {
	k := in.key()
	if err := k.Validate(); err != nil {
		return nil, refusal(err)
	}
	if err := registry.ValidateClusterList(in.Clusters); err != nil {
		return nil, refusal(err)
	}
	v, err := a.svc.Query(ctx, k, registry.Filter{Clusters: registry.ParseClusters(in.Clusters), HealthyOnly: in.HealthyOnly})
	if err != nil {
		return nil, refusal(err)
	}
	a.markList(ctx, v)
	list := make([]json.RawMessage, 0, len(v.Instances))
	for n := range v.Instances {
		list = append(list, catalog.AppendInstance(nil, k, &v.Instances[n]))
	}
	return list, nil
}

func (a *API) instanceV3(ctx context.Context, in addressForm) (json.RawMessage, error) {
	i, err := a.svc.Instance(ctx, in.key(), in.instanceKey())
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	return catalog.AppendInstance(nil, in.key(), &i), nil
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
	PageNo        int    `form:"pageNo,default=1"`
	PageSize      int    `form:"pageSize,default=100"`
}

// servicesV3 is a page of lines, or with withInstances of whole services.
func (a *API) servicesV3(ctx context.Context, in servicesFormV3) (any, error) {
	q := catalog.Query{Namespace: cmp.Or(in.Namespace, registry.DefaultNamespace), Group: in.Group, Name: in.Name, WithInstances: in.IgnoreEmpty}
	size := max(1, min(in.PageSize, pageMaxV2))
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

func (a *API) subscribersV3(ctx context.Context, in subscribersForm) (*rest.Page[subscriberV3], error) {
	size := max(1, min(in.PageSize, pageMax))
	v1, err := a.subscribersV1(ctx, in)
	if err != nil {
		return nil, err
	}
	k := in.key()
	page := pageV3[subscriberV3](in.PageNo, size, v1.Count)
	for _, s := range v1.Subscribers {
		page.PageItems = append(page.PageItems, subscriberV3{
			NamespaceID: k.Namespace, GroupName: k.Group, ServiceName: k.Name, IP: s.IP, Port: s.Port, Agent: s.Agent, AppName: s.App, Address: s.AddrStr,
		})
	}
	return page, nil
}
