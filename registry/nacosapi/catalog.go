package nacosapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

type catalogCluster struct {
	ServiceName      string            `json:"serviceName"`
	Name             string            `json:"name"`
	HealthChecker    checker           `json:"healthChecker"`
	DefaultPort      int               `json:"defaultPort"`
	DefaultCheckPort int               `json:"defaultCheckPort"`
	UseIPPort4Check  bool              `json:"useIPPort4Check"`
	Metadata         map[string]string `json:"metadata"`
}

type catalogServiceHead struct {
	Name             string            `json:"name"`
	GroupName        string            `json:"groupName"`
	ProtectThreshold float64           `json:"protectThreshold"`
	Selector         selector          `json:"selector"`
	Metadata         map[string]string `json:"metadata"`
}

type catalogServiceAnswer struct {
	Service  catalogServiceHead `json:"service"`
	Clusters []catalogCluster   `json:"clusters"`
}

// defaultPort is what Nacos says of every cluster; nothing uses it.
const defaultPort = 80

func (a *API) catalogService(ctx context.Context, in serviceForm) (*catalogServiceAnswer, error) {
	svc, all, err := a.describe(ctx, in.key())
	if err != nil {
		return nil, notInCatalog(err, in.key())
	}
	out := &catalogServiceAnswer{
		Service: catalogServiceHead{
			Name: svc.Key.Name, GroupName: svc.Key.Group, ProtectThreshold: svc.ProtectThreshold,
			Selector: selectorOf(svc.Selector), Metadata: orEmpty(svc.Metadata),
		},
		Clusters: []catalogCluster{},
	}
	for _, name := range clustersOf(&svc, all) {
		c := svc.ClusterSettings(name)
		out.Clusters = append(out.Clusters, catalogCluster{
			ServiceName: svc.Key.Grouped(), Name: name, HealthChecker: checkerOf(c.Checker), DefaultPort: defaultPort,
			DefaultCheckPort: c.CheckPort, UseIPPort4Check: c.UseInstancePort, Metadata: orEmpty(c.Metadata),
		})
	}
	return out, nil
}

// notInCatalog is err in the words that the catalog has for an unknown service.
func notInCatalog(err error, k registry.ServiceKey) error {
	if errors.Is(err, registry.ErrServiceNotFound) {
		return wire.Refuse(wire.Uncoded404, "service "+k.Grouped()+" is not found!")
	}
	return err
}

type catalogInstancesForm struct {
	serviceForm
	Cluster     string `form:"clusterName"`
	HealthyOnly *bool  `form:"healthyOnly"` // false: the others only
	EnabledOnly *bool  `form:"enabledOnly"`
	PageNo      int    `form:"pageNo" binding:"required"`
	PageSize    int    `form:"pageSize" binding:"required"`
}

func (a *API) catalogInstances(ctx context.Context, in *catalogInstancesForm) ([]json.RawMessage, int, error) {
	all, err := a.svc.Instances(ctx, in.key())
	if err != nil {
		return nil, 0, refusal(err)
	}
	a.mark(ctx)
	wanted := make([]*registry.Instance, 0, len(all))
	for n := range all {
		i := &all[n]
		if (in.Cluster == "" || i.Cluster == in.Cluster) && (in.HealthyOnly == nil || i.Healthy == *in.HealthyOnly) &&
			(in.EnabledOnly == nil || i.Enabled == *in.EnabledOnly) {
			wanted = append(wanted, i)
		}
	}
	page := rest.PageOf(wanted, in.PageNo, min(in.PageSize, pageMax))
	list := make([]json.RawMessage, 0, len(page.PageItems))
	for _, i := range page.PageItems {
		list = append(list, AppendInstance(nil, in.key(), i))
	}
	return list, page.TotalCount, nil
}

type catalogInstancesV1 struct {
	List  []json.RawMessage `json:"list"`
	Count int               `json:"count"`
}

type catalogInstancesFormV1 struct {
	catalogInstancesForm
	Required string `form:"clusterName" binding:"required"`
}

// catalogInstancesV1 wants a cluster that has instances.
func (a *API) catalogInstancesV1(ctx context.Context, in catalogInstancesFormV1) (*catalogInstancesV1, error) {
	_, all, err := a.describe(ctx, in.key())
	if err != nil {
		return nil, notInCatalog(err, in.key())
	}
	if !slices.ContainsFunc(all, func(i registry.Instance) bool { return i.Cluster == in.Cluster }) {
		return nil, wire.Refuse(wire.Uncoded404, "cluster "+in.Cluster+" is not found!")
	}
	list, total, err := a.catalogInstances(ctx, &in.catalogInstancesForm)
	return &catalogInstancesV1{list, total}, err
}

type catalogInstancesV2 struct {
	Instances []json.RawMessage `json:"instances,omitempty"`
	Count     int               `json:"count"`
}

func (a *API) catalogInstancesV2(ctx context.Context, in catalogInstancesForm) (*catalogInstancesV2, error) {
	list, total, err := a.catalogInstances(ctx, &in)
	return &catalogInstancesV2{list, total}, err
}

type catalogServicesForm struct {
	Namespace     string `form:"namespaceId"`
	Name          string `form:"serviceNameParam"`
	Group         string `form:"groupNameParam"`
	WithInstances bool   `form:"withInstances"`
	HasIPCount    bool   `form:"hasIpCount"`
	PageNo        int    `form:"pageNo,default=1"`
	PageSize      int    `form:"pageSize,default=20"`
}

type catalogLine struct {
	Name                 string `json:"name"`
	GroupName            string `json:"groupName"`
	ClusterCount         int    `json:"clusterCount"`
	IPCount              int    `json:"ipCount"`
	HealthyInstanceCount int    `json:"healthyInstanceCount"`
	TriggerFlag          string `json:"triggerFlag"` // "true" or "false"
}

type catalogLines struct {
	Count       int           `json:"count"`
	ServiceList []catalogLine `json:"serviceList"`
}

type catalogHost struct {
	IP       string            `json:"ip"`
	Port     int               `json:"port"`
	Valid    bool              `json:"valid"`
	Enabled  bool              `json:"enabled"`
	Weight   float64           `json:"weight"`
	Metadata map[string]string `json:"metadata"`
}

// catalogHosts and catalogFull have members that Nacos never fills in here: null.
type catalogHosts struct {
	ClusterName   any           `json:"clusterName"`
	HealthChecker any           `json:"healthChecker"`
	Metadata      any           `json:"metadata"`
	Hosts         []catalogHost `json:"hosts"`
}

type catalogFull struct {
	Namespace        any                     `json:"namespace"`
	ServiceName      string                  `json:"serviceName"`
	GroupName        string                  `json:"groupName"`
	ClusterMap       map[string]catalogHosts `json:"clusterMap"`
	Metadata         map[string]string       `json:"metadata"`
	ProtectThreshold float64                 `json:"protectThreshold"`
	Selector         any                     `json:"selector"`
	Ephemeral        any                     `json:"ephemeral"`
}

// catalogServices is a page of lines, or with withInstances a bare list of
// services with everything in them.
func (a *API) catalogServices(ctx context.Context, in catalogServicesForm) (any, error) {
	q := catalog.Query{Namespace: cmp.Or(in.Namespace, registry.DefaultNamespace), Group: in.Group, Name: in.Name, WithInstances: in.HasIPCount}
	found, total, err := a.svc.Search(ctx, q, in.PageNo, min(in.PageSize, pageMaxV2))
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	if in.WithInstances {
		return a.catalogFull(ctx, found)
	}
	out := &catalogLines{Count: total, ServiceList: []catalogLine{}}
	for n := range found {
		s := &found[n]
		out.ServiceList = append(out.ServiceList, catalogLine{
			Name: s.Key.Name, GroupName: s.Key.Group, ClusterCount: s.Clusters, IPCount: s.Instances,
			HealthyInstanceCount: s.Healthy, TriggerFlag: strconv.FormatBool(s.Protected),
		})
	}
	return out, nil
}

func (a *API) catalogFull(ctx context.Context, found []catalog.Summary) ([]catalogFull, error) {
	out := []catalogFull{}
	for n := range found {
		s := &found[n]
		all, err := a.svc.Instances(ctx, s.Key)
		if err != nil {
			return nil, refusal(err)
		}
		full := catalogFull{ServiceName: s.Key.Name, GroupName: s.Key.Group, ClusterMap: map[string]catalogHosts{}, Metadata: orEmpty(s.Metadata)}
		for i := range all {
			hosts := full.ClusterMap[all[i].Cluster]
			hosts.Hosts = append(hosts.Hosts, catalogHost{
				IP: all[i].IP, Port: all[i].Port, Valid: all[i].Healthy, Enabled: all[i].Enabled, Weight: all[i].Weight, Metadata: orEmpty(all[i].Metadata),
			})
			full.ClusterMap[all[i].Cluster] = hosts
		}
		out = append(out, full)
	}
	return out, nil
}
