package registry

import (
	"slices"
	"strings"
)

// Filter says which instances of a service a caller wants.
type Filter struct {
	// Clusters names the wanted clusters; empty means all.
	Clusters []string
	// HealthyOnly leaves sick instances out. Pushes never use it.
	HealthyOnly bool
}

// ParseClusters takes a list with commas apart. Blank names are dropped.
func ParseClusters(list string) []string {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Selection is what a query returns.
type Selection struct {
	Hosts []Instance
	// Protected says that so few instances were healthy that all are returned and
	// called healthy, so that the remaining ones are not overrun.
	Protected bool
}

// Select filters all instances of a service in Nacos's order: clusters, enabled,
// healthy, protection. The result shares instances' metadata with all.
//
// Protection needs a threshold above 0: Nacos itself also fires at threshold 0
// with no healthy instance, and so shows dead instances as healthy.
func (f Filter) Select(s *Service, all []Instance) Selection {
	sel := Selection{Hosts: []Instance{}}
	if len(f.Clusters) == 0 {
		sel.Hosts = make([]Instance, 0, len(all)) // else they may be few of many, and the list is kept
	}
	healthy := 0
	for n := range all {
		i := &all[n]
		if !i.Enabled || f.HealthyOnly && !i.Healthy || !f.admits(i.Cluster) {
			continue
		}
		if i.Healthy {
			healthy++
		}
		sel.Hosts = append(sel.Hosts, *i)
	}
	if Protects(s.ProtectThreshold, healthy, len(sel.Hosts)) {
		sel.Protected = true
		for n := range sel.Hosts {
			sel.Hosts[n].Healthy = true
		}
	}
	return sel
}

func (f Filter) admits(cluster string) bool {
	return len(f.Clusters) == 0 || slices.Contains(f.Clusters, cluster)
}

// Protects reports whether a share of healthy instances is so low that the
// threshold lets all of them through.
func Protects(threshold float64, healthy, total int) bool {
	return threshold > 0 && total > 0 && float64(healthy)/float64(total) <= threshold
}
