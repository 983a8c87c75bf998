package nacosapi

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/registry"
)

// routesOverride are ours: Nacos shows what an operator has set as if the client had
// published it, and takes nothing back.
func (a *API) routesOverride(admin *rest.Group, read, write rest.HandlerFunc) {
	admin.GET("/instance/override", read, rest.Handle(a.overrides))
	admin.DELETE("/instance/override", write, rest.Handle(a.resetOverrides))
}

// overrideForm names a service, and maybe one instance of it.
type overrideForm struct {
	serviceForm
	IP      string `form:"ip"`
	Port    int    `form:"port"`
	Cluster string `form:"clusterName" alias:"cluster"`
}

// instance is nil for all of the service.
func (f *overrideForm) instance() *registry.InstanceKey {
	if f.IP == "" {
		return nil
	}
	return &registry.InstanceKey{Cluster: cmp.Or(f.Cluster, registry.DefaultCluster), IP: f.IP, Port: f.Port}
}

// override is what is set on an instance; null is not set.
type override struct {
	IP       string            `json:"ip"`
	Port     int               `json:"port"`
	Cluster  string            `json:"clusterName"`
	Weight   *float64          `json:"weight"`
	Enabled  *bool             `json:"enabled"`
	Metadata map[string]string `json:"metadata"`
	// GoneSince, milliseconds, is there if the instance has not been for an hour or more.
	GoneSince int64 `json:"goneSince,omitempty"`
}

func (a *API) overrides(ctx context.Context, in overrideForm) ([]override, error) {
	if _, err := a.svc.Describe(ctx, in.key()); err != nil {
		return nil, refusal(err)
	}
	set, err := a.svc.Overrides(ctx, in.key())
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	out := []override{}
	for _, k := range slices.SortedFunc(maps.Keys(set), registry.InstanceKey.Compare) {
		if one := in.instance(); one != nil && *one != k {
			continue
		}
		o := set[k]
		line := override{IP: k.IP, Port: k.Port, Cluster: k.Cluster, Weight: o.Weight, Enabled: o.Enabled, Metadata: orEmpty(o.Metadata)}
		if !o.Gone.IsZero() {
			line.GoneSince = o.Gone.UnixMilli()
		}
		out = append(out, line)
	}
	return out, nil
}

// wasReset says which instances are again as their clients publish them: ip:port:cluster.
type wasReset struct {
	Reset []string `json:"reset"`
}

func (a *API) resetOverrides(ctx context.Context, in overrideForm) (*wasReset, error) {
	keys, err := a.svc.ResetOverrides(ctx, in.key(), in.instance())
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	out := &wasReset{Reset: []string{}}
	for _, k := range keys {
		out.Reset = append(out.Reset, k.String())
	}
	return out, nil
}
