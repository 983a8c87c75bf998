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

// ParseClusters takes a list with commas apart. Blank names are dropped. It takes the square
// of the list's length, which ValidateClusterList bounds.
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
	healthy, admits := 0, f.admits()
	for n := range all {
		i := &all[n]
		if !i.Enabled || f.HealthyOnly && !i.Healthy || !admits(i.Cluster) {
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

// admits reports whether a cluster is wanted. Where many are it does not look at each, for
// each of many instances.
func (f Filter) admits() func(cluster string) bool {
	const few = 8
	switch {
	case len(f.Clusters) == 0:
		return func(string) bool { return true }
	case len(f.Clusters) <= few:
		return func(cluster string) bool { return slices.Contains(f.Clusters, cluster) }
	}
	wanted := make(map[string]bool, len(f.Clusters))
	for _, cluster := range f.Clusters {
		wanted[cluster] = true
	}
	return func(cluster string) bool { return wanted[cluster] }
}

// Protects reports whether a share of healthy instances is so low that the
// threshold lets all of them through.
func Protects(threshold float64, healthy, total int) bool {
	return threshold > 0 && total > 0 && float64(healthy)/float64(total) <= threshold
}
