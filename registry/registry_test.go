package registry

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServiceKeyFillsDefaultsAndSplitsGroupedNames(t *testing.T) {
	for _, c := range []struct {
		name             string
		ns, group, given string
		want             ServiceKey
	}{
		{"nothing but a name", "", "", "shop", ServiceKey{"public", "DEFAULT_GROUP", "shop"}},
		{"a grouped name wins over the group", "dev", "other", "g@@shop", ServiceKey{"dev", "g", "shop"}},
		{"a Dubbo name is left as it is", "", "dubbo", "providers:com.x.Y:1.0:", ServiceKey{"public", "dubbo", "providers:com.x.Y:1.0:"}},
	} {
		require.Equal(t, c.want, NewServiceKey(c.ns, c.group, c.given), c.name)
	}
	require.Equal(t, "g@@shop", ServiceKey{"public", "g", "shop"}.Grouped())
}

func TestServiceKeyValidation(t *testing.T) {
	good := []ServiceKey{
		{"public", "DEFAULT_GROUP", "shop"},
		{"a_b-C1", "g:1.x-y_z", "providers:com.x.Y:1.0:"},
		{"public", "g", strings.Repeat("x", 512)},
		{"public", "g", "a@b"},
	}
	for _, k := range good {
		require.NoError(t, k.Validate(), "%v", k)
	}
	bad := []ServiceKey{
		{"public", "g", ""},
		{"public", "g", "@shop"},
		{"public", "g", "a@@b"},
		{"public", "g", "a b"},
		{"public", "g", "商店"},
		{"public", "g", strings.Repeat("x", 513)},
		{"public", "g", "a\x00b"},
		{"public", "g", "a\xffb"},
		{"pub/lic", "g", "shop"},
		{"", "g", "shop"},
		{strings.Repeat("n", 65), "g", "shop"},
		{"public", "g/h", "shop"},
		{"public", strings.Repeat("g", 129), "shop"},
	}
	for _, k := range bad {
		require.ErrorIs(t, k.Validate(), ErrInvalid, "%v", k)
	}
}

func sound() Instance {
	return Instance{IP: "10.0.0.1", Port: 80, Cluster: "DEFAULT", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
}

func TestInstanceValidation(t *testing.T) {
	for _, c := range []struct {
		name string
		ok   bool
		with func(*Instance)
	}{
		{"a sound one", true, func(*Instance) {}},
		{"a host name", true, func(i *Instance) { i.IP = "shop.example" }},
		{"an IPv6 address", true, func(i *Instance) { i.IP = "fe80::1%eth0" }},
		{"port 0", true, func(i *Instance) { i.Port = 0 }},
		{"weight 0", true, func(i *Instance) { i.Weight = 0 }},
		{"metadata larger than Nacos's 1,024", true, func(i *Instance) { i.Metadata = map[string]string{"k": strings.Repeat("v", 60_000)} }},
		{"no address", false, func(i *Instance) { i.IP = "" }},
		{"a blank in the address", false, func(i *Instance) { i.IP = "10.0.0.1 " }},
		{"port -1", false, func(i *Instance) { i.Port = -1 }},
		{"port 65536", false, func(i *Instance) { i.Port = 65536 }},
		{"weight -1", false, func(i *Instance) { i.Weight = -1 }},
		{"weight 10001", false, func(i *Instance) { i.Weight = 10001 }},
		{"weight NaN", false, func(i *Instance) { i.Weight = math.NaN() }},
		{"weight infinite", false, func(i *Instance) { i.Weight = math.Inf(1) }},
		{"a slash in the cluster", false, func(i *Instance) { i.Cluster = "a/b" }},
		{"metadata of 64 KiB and one byte", false, func(i *Instance) { i.Metadata = map[string]string{"k": strings.Repeat("v", 1<<16)} }},
		{"metadata that are not UTF-8", false, func(i *Instance) { i.Metadata = map[string]string{"k": "\xff"} }},
		{"a timeout shorter than the interval", false, func(i *Instance) {
			i.Metadata = map[string]string{MetaBeatInterval: "2000", MetaBeatTimeout: "1000"}
		}},
		{"a delete timeout shorter than the interval", false, func(i *Instance) { i.Metadata = map[string]string{MetaDeleteTimeout: "1000"} }},
	} {
		i := sound()
		c.with(&i)
		err := i.Validate(DefaultLimits())
		if c.ok {
			require.NoError(t, err, c.name)
		} else {
			require.ErrorIs(t, err, ErrInvalid, c.name)
		}
	}
}

func TestBatchRefusesTheSameAddressTwiceAndTooMany(t *testing.T) {
	a, b := sound(), sound()
	require.ErrorIs(t, ValidateBatch([]Instance{a, b}, DefaultLimits()), ErrInvalid)
	b.Cluster = "other"
	require.NoError(t, ValidateBatch([]Instance{a, b}, DefaultLimits()))
	require.ErrorIs(t, ValidateBatch(make([]Instance, DefaultBatchMax+1), DefaultLimits()), ErrLimit)
}

func TestBeatTimesComeFromMetadata(t *testing.T) {
	i := sound()
	require.Equal(t, []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second}, []time.Duration{i.BeatInterval(), i.BeatTimeout(), i.DeleteTimeout()})
	i.Metadata = map[string]string{MetaBeatInterval: "1000", MetaBeatTimeout: "x", MetaDeleteTimeout: "999999999999999"}
	require.Equal(t, []time.Duration{time.Second, 15 * time.Second, timeoutMax}, []time.Duration{i.BeatInterval(), i.BeatTimeout(), i.DeleteTimeout()})
	require.Empty(t, i.IDGenerator())
}

func TestSelectFollowsNacosOrder(t *testing.T) {
	at := func(port int, cluster string, enabled, healthy bool) Instance {
		i := sound()
		i.Port, i.Cluster, i.Enabled, i.Healthy = port, cluster, enabled, healthy
		return i
	}
	all := []Instance{at(1, "A", true, true), at(2, "A", true, false), at(3, "B", false, true), at(4, "B", true, false), at(5, "B", true, false)}
	for _, c := range []struct {
		name      string
		threshold float64
		filter    Filter
		ports     []int
		protected bool
		healthy   int
	}{
		{"all that are enabled", 0, Filter{}, []int{1, 2, 4, 5}, false, 1},
		{"one cluster", 0, Filter{Clusters: []string{"A"}}, []int{1, 2}, false, 1},
		{"two", 0, Filter{Clusters: []string{"C", "B"}}, []int{4, 5}, false, 0},
		{"many", 0, Filter{Clusters: strings.Split("C,D,E,F,G,H,I,J,K,A", ",")}, []int{1, 2}, false, 1},
		{"healthy ones only", 0, Filter{HealthyOnly: true}, []int{1}, false, 1},
		{"a quarter is healthy and a quarter is the threshold", .25, Filter{}, []int{1, 2, 4, 5}, true, 4},
		{"more is healthy than the threshold asks", .2, Filter{}, []int{1, 2, 4, 5}, false, 1},
		{"protection never fires over healthy ones only", .9, Filter{HealthyOnly: true}, []int{1}, false, 1},
		{"protection looks at what the cluster filter left", .5, Filter{Clusters: []string{"A"}}, []int{1, 2}, true, 2},
		{"an empty list is not protected", 1, Filter{Clusters: []string{"C"}}, nil, false, 0},
		{"threshold 0 does not call the dead healthy", 0, Filter{Clusters: []string{"B"}}, []int{4, 5}, false, 0},
	} {
		sel := c.filter.Select(&Service{ProtectThreshold: c.threshold}, all)
		var ports []int
		healthy := 0
		for _, i := range sel.Hosts {
			ports = append(ports, i.Port)
			if i.Healthy {
				healthy++
			}
		}
		require.Equal(t, c.ports, ports, c.name)
		require.Equal(t, c.protected, sel.Protected, c.name)
		require.Equal(t, c.healthy, healthy, c.name)
	}
	require.False(t, all[1].Healthy, "protection leaves the registry's own view alone")
}

func TestOverrideWinsKeyByKey(t *testing.T) {
	i := sound()
	i.Metadata = map[string]string{"a": "published", "b": "published"}
	off, weight := false, 7.0
	o := Override{Weight: &weight, Enabled: &off, Metadata: map[string]string{"a": "set", "c": "set"}}
	got := o.Apply(i)
	require.Equal(t, map[string]string{"a": "set", "b": "published", "c": "set"}, got.Metadata)
	require.InDelta(t, 7, got.Weight, 0)
	require.False(t, got.Enabled)
	require.Equal(t, map[string]string{"a": "published", "b": "published"}, i.Metadata)
	require.True(t, (&Override{}).Empty())
	require.False(t, o.Empty())
}

func TestServiceValidation(t *testing.T) {
	ok := Service{Key: NewServiceKey("", "", "shop"), ProtectThreshold: 1}
	require.NoError(t, ok.Validate())
	for name, with := range map[string]func(*Service){
		"threshold above 1":  func(s *Service) { s.ProtectThreshold = 1.1 },
		"threshold NaN":      func(s *Service) { s.ProtectThreshold = math.NaN() },
		"unknown selector":   func(s *Service) { s.Selector.Type = "x" },
		"a database":         func(s *Service) { s.Clusters = map[string]Cluster{"A": {Checker: Checker{Type: CheckMySQL}}} },
		"unknown checker":    func(s *Service) { s.Clusters = map[string]Cluster{"A": {Checker: Checker{Type: "PING"}}} },
		"a bad cluster name": func(s *Service) { s.Clusters = map[string]Cluster{"A/B": DefaultClusterSettings("A/B")} },
	} {
		s := ok.Clone()
		with(&s)
		require.ErrorIs(t, s.Validate(), ErrInvalid, name)
	}
}

func TestParseClustersDropsBlanksAndRepetitions(t *testing.T) {
	require.Equal(t, []string{"A", "B"}, ParseClusters(" A,,B , A"))
	require.Nil(t, ParseClusters(" , "))
}
