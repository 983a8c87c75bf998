package console

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

type serviceListQuery struct {
	pageQuery
	Namespace string `form:"namespace"`
	Group     string `form:"group"`
	Name      string `form:"name"`
	HideEmpty bool   `form:"hideEmpty"`
}

type serviceQuery struct {
	Namespace string `form:"namespace"`
	Group     string `form:"group" binding:"required"`
	Name      string `form:"name" binding:"required"`
}

type instanceListQuery struct {
	pageQuery
	serviceQuery
	Cluster string `form:"cluster"`
	Text    string `form:"text"`   // part of address, or of a metadata key or value
	Health  string `form:"health"` // "", healthy, unhealthy, disabled
}

type instanceBody struct {
	ServiceKey
	Cluster   string   `json:"cluster"`
	IP        string   `json:"ip"`
	Port      int      `json:"port"`
	Ephemeral bool     `json:"ephemeral"`
	Enabled   *bool    `json:"enabled"`
	Weight    *float64 `json:"weight"`
}

// serviceView is a service and what its clusters count up to.
type serviceView struct {
	Service
	Clusters []clusterView `json:"clusters"`
}

type clusterView struct {
	Name      string `json:"name"`
	Instances int    `json:"instances"`
	Healthy   int    `json:"healthy"`
	Enabled   int    `json:"enabled"`
}

type instancePage struct {
	Total int        `json:"total"`
	Items []Instance `json:"items"`
	Stale bool       `json:"stale"`
}

func (q serviceQuery) key() ServiceKey {
	return ServiceKey(q)
}

func (k ServiceKey) access(write bool) Access {
	return Access{Write: write, Kind: AccessService, Namespace: k.Namespace, Group: k.Group, Name: k.Name}
}

func (c *Console) listServices(ctx context.Context, who Actor, in serviceListQuery) (any, error) {
	if c.services == nil {
		return nil, fmt.Errorf("services: %w", ErrAbsent)
	}
	p, err := in.page()
	if err != nil {
		return nil, err
	}
	if err := c.allow(ctx, who, Access{Kind: AccessService, Namespace: in.Namespace}); err != nil {
		return nil, err
	}
	out, err := c.services.List(ctx, ServiceQuery{
		Namespace: in.Namespace, Group: in.Group, Name: in.Name, HideEmpty: in.HideEmpty, Page: p,
	})
	out.Items = orEmpty(out.Items)
	return out, err
}

// service is a service that who may read.
func (c *Console) service(ctx context.Context, who Actor, key ServiceKey) (Service, error) {
	if c.services == nil {
		return Service{}, fmt.Errorf("services: %w", ErrAbsent)
	}
	if err := c.allow(ctx, who, key.access(false)); err != nil {
		return Service{}, err
	}
	return c.services.Get(ctx, key)
}

func (c *Console) getService(ctx context.Context, who Actor, in serviceQuery) (any, error) {
	s, err := c.service(ctx, who, in.key())
	if err != nil {
		return nil, err
	}
	s.Metadata = orNoEntries(s.Metadata)
	return serviceView{Service: s, Clusters: countClusters(s.Instances)}, nil
}

func countClusters(list []Instance) []clusterView {
	out := []clusterView{}
	at := map[string]int{}
	for _, inst := range list {
		i, ok := at[inst.Cluster]
		if !ok {
			i = len(out)
			at[inst.Cluster] = i
			out = append(out, clusterView{Name: inst.Cluster})
		}
		out[i].Instances++
		if inst.Healthy {
			out[i].Healthy++
		}
		if inst.Enabled {
			out[i].Enabled++
		}
	}
	slices.SortFunc(out, func(a, b clusterView) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (c *Console) listInstances(ctx context.Context, who Actor, in instanceListQuery) (any, error) {
	p, err := in.page()
	if err != nil {
		return nil, err
	}
	s, err := c.service(ctx, who, in.key())
	if err != nil {
		return nil, err
	}
	matching := []Instance{}
	for _, inst := range s.Instances {
		if in.matches(inst) {
			inst.Metadata = orNoEntries(inst.Metadata)
			matching = append(matching, inst)
		}
	}
	return instancePage{Total: len(matching), Items: orEmpty(Cut(matching, p)), Stale: s.Stale}, nil
}

func (q instanceListQuery) matches(inst Instance) bool {
	switch {
	case q.Cluster != "" && q.Cluster != inst.Cluster,
		q.Health == "healthy" && !inst.Healthy,
		q.Health == "unhealthy" && inst.Healthy,
		q.Health == "disabled" && inst.Enabled:
		return false
	case q.Text == "":
		return true
	}
	text := strings.ToLower(q.Text)
	address := net.JoinHostPort(inst.IP, strconv.Itoa(inst.Port))
	if strings.Contains(strings.ToLower(address), text) {
		return true
	}
	for k, v := range inst.Metadata {
		if strings.Contains(strings.ToLower(k+"="+v), text) {
			return true
		}
	}
	return false
}

func (c *Console) updateInstance(ctx context.Context, who Actor, in instanceBody) (any, error) {
	if c.services == nil {
		return nil, fmt.Errorf("services: %w", ErrAbsent)
	}
	if in.Group == "" || in.Name == "" || in.IP == "" || in.Port < 0 || in.Port > 65535 {
		return nil, fmt.Errorf("instance: %w: group, name, ip and port must name one", ErrInvalid)
	}
	if in.Weight != nil && !(*in.Weight >= 0 && *in.Weight <= WeightMax) {
		return nil, fmt.Errorf("weight: %w: must lie between 0 and %d", ErrInvalid, WeightMax)
	}
	if in.Weight == nil && in.Enabled == nil {
		return nil, fmt.Errorf("instance: %w: nothing to change", ErrInvalid)
	}
	if err := c.allow(ctx, who, in.access(true)); err != nil {
		return nil, err
	}
	inst, err := c.services.UpdateInstance(ctx, who, InstanceUpdate{
		Service: in.ServiceKey, Cluster: in.Cluster, IP: in.IP, Port: in.Port, Ephemeral: in.Ephemeral,
		Enabled: in.Enabled, Weight: in.Weight,
	})
	inst.Metadata = orNoEntries(inst.Metadata)
	return inst, err
}

// orNoEntries makes a map that JSON writes as {} rather than null.
func orNoEntries(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
