package nacosapi

import (
	"context"
	"net"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/registry"
)

// routesPrometheus are what a Prometheus server finds its targets by (http_sd_configs).
// They show every service, so they are for administrators.
func (a *API) routesPrometheus(g *rest.Group) {
	admin := a.guard.Admin()
	targets := rest.With(rest.V2Bare, a.targets)
	g.GET("", admin, targets)
	g.GET("/namespaceId/:namespace", admin, targets)
	g.GET("/namespaceId/:namespace/service/:service", admin, targets)
}

type targetsForm struct {
	Namespace string `uri:"namespace"`
	Service   string `uri:"service"`
}

// targetGroup is one instance as Prometheus reads it.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// targets are all instances, disabled and sick ones too, of every group.
func (a *API) targets(ctx context.Context, in targetsForm) ([]targetGroup, error) {
	keys, err := a.svc.Services(ctx, in.Namespace)
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	found := []targetGroup{}
	for _, k := range keys {
		if in.Service != "" && k.Name != in.Service {
			continue
		}
		all, err := a.svc.Instances(ctx, k)
		if err != nil {
			return nil, refusal(err)
		}
		for n := range all {
			found = append(found, targetOf(&all[n]))
		}
	}
	return found, nil
}

// labelNames makes the names of metadata those of labels.
var labelNames = strings.NewReplacer(".", "_", "-", "_")

func targetOf(i *registry.Instance) targetGroup {
	t := targetGroup{
		Targets: []string{net.JoinHostPort(i.IP, strconv.Itoa(i.Port))},
		Labels:  map[string]string{"__meta_clusterName": i.Cluster},
	}
	for name, value := range i.Metadata {
		t.Labels[labelNames.Replace(name)] = value
	}
	return t
}
