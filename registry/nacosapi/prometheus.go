package nacosapi

import (
	"context"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/names"
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

// labelName makes the name of metadata that of a label, as Nacos does with "." and "-", and
// here with whatever no label's name may have: Prometheus before its version 3 takes none of
// the targets if one of their labels has another.
func labelName(name string) string {
	label := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && names.Word(string(r), "_") {
			return r
		}
		return '_'
	}, name)
	if label == "" || label[0] >= '0' && label[0] <= '9' {
		label = "_" + label
	}
	return label
}

func targetOf(i *registry.Instance) targetGroup {
	t := targetGroup{
		Targets: []string{net.JoinHostPort(i.IP, strconv.Itoa(i.Port))},
		Labels:  map[string]string{"__meta_clusterName": i.Cluster},
	}
	for _, name := range slices.Sorted(maps.Keys(i.Metadata)) { // of two that become one, always the same counts
		t.Labels[labelName(name)] = i.Metadata[name]
	}
	return t
}
