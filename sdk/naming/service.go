package naming

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// DefaultGroup is the group of a Service that names none.
const DefaultGroup = "DEFAULT_GROUP"

// Service names a service in the client's namespace.
type Service struct {
	Group string // blank is DefaultGroup
	Name  string
}

func (s Service) canonical() Service {
	if s.Group == "" {
		s.Group = DefaultGroup
	}
	return s
}

func (s Service) key(namespace string) wire.ServiceKey {
	if namespace == "" {
		namespace = "public" // in full: a stock server takes nothing else for a registration
	}
	return wire.ServiceKey{Namespace: namespace, ServiceName: s.Name, GroupName: s.Group}
}

// String is the grouped name: group@@name.
func (s Service) String() string { return s.canonical().Group + "@@" + s.Name }

// Instance is one instance of a service.
type Instance struct {
	IP       string
	Port     int
	Cluster  string  // blank is DEFAULT
	Weight   float64 // 0 is 1; see Weightless
	Metadata map[string]string
	// Weightless is an instance that is to get no traffic.
	Weightless bool
	// Disabled is an instance that is taken out by its owner or an operator.
	Disabled bool
	// Unhealthy says that the server does not count on it. It is not registered.
	Unhealthy bool
	// Persistent instances outlive the client; they are checked by the server.
	Persistent bool
	// ID is given by the server.
	ID string
}

// Address is host:port.
func (i *Instance) Address() string { return net.JoinHostPort(i.IP, strconv.Itoa(i.Port)) }

// Usable reports whether the instance is to get traffic.
func (i *Instance) Usable() bool { return !i.Disabled && !i.Unhealthy && !i.Weightless }

// place is what tells the instances of one service apart.
type place struct {
	ip      string
	port    int
	cluster string
}

const defaultCluster = "DEFAULT"

func (i *Instance) place() place {
	cluster := i.Cluster
	if cluster == "" {
		cluster = defaultCluster
	}
	return place{i.IP, i.Port, cluster}
}

func (p place) compare(o place) int {
	if c := strings.Compare(p.ip, o.ip); c != 0 {
		return c
	}
	if p.port != o.port {
		return p.port - o.port
	}
	return strings.Compare(p.cluster, o.cluster)
}

func (i *Instance) equal(o *Instance) bool {
	return i.place() == o.place() && i.Weight == o.Weight && i.Weightless == o.Weightless &&
		i.Disabled == o.Disabled && i.Unhealthy == o.Unhealthy && i.Persistent == o.Persistent && maps.Equal(i.Metadata, o.Metadata)
}

func (i *Instance) toWire() wire.Instance {
	w := wire.NewInstance()
	p := i.place()
	w.IP, w.Port, w.ClusterName = p.ip, p.port, p.cluster
	w.Weight = i.Weight
	if i.Weight == 0 && !i.Weightless {
		w.Weight = 1
	}
	if i.Weightless {
		w.Weight = 0
	}
	w.Enabled, w.Ephemeral, w.Metadata = !i.Disabled, !i.Persistent, i.Metadata
	return w
}

func fromWire(w *wire.Instance) Instance {
	return Instance{
		IP: w.IP, Port: w.Port, Cluster: w.ClusterName, Weight: w.Weight, Metadata: w.Metadata,
		Weightless: w.Weight <= 0, Disabled: !w.Enabled, Unhealthy: !w.Healthy, Persistent: !w.Ephemeral, ID: w.InstanceID,
	}
}

// hosts are the instances of a service by place. It is not changed once made.
type hosts map[place]Instance

func hostsOf(info *wire.ServiceInfo) hosts {
	h := make(hosts, len(info.Hosts))
	for i := range info.Hosts {
		in := fromWire(&info.Hosts[i])
		h[in.place()] = in
	}
	return h
}

// sorted are the instances ordered by address.
func (h hosts) sorted() []Instance {
	list := slices.Collect(maps.Values(h))
	slices.SortFunc(list, func(a, b Instance) int { return a.place().compare(b.place()) })
	return list
}

// Change is an instance that is different from before.
type Change struct{ Old, New Instance }

// Snapshot is a service at one moment. Lists are ordered by address; they are the
// receiver's.
type Snapshot struct {
	Service   Service
	Instances []Instance
	// Added, Removed and Changed lead here from the Snapshot that this subscriber
	// took before, whatever happened in between. In the first one all are Added.
	Added   []Instance
	Removed []Instance
	Changed []Change
}

// diff is the snapshot of now, for one who has seen before.
func diff(service Service, before, now hosts) Snapshot {
	s := Snapshot{Service: service, Instances: now.sorted()}
	for _, i := range s.Instances {
		old, known := before[i.place()]
		switch {
		case !known:
			s.Added = append(s.Added, i)
		case !old.equal(&i):
			s.Changed = append(s.Changed, Change{old, i})
		}
	}
	for _, i := range before.sorted() {
		if _, still := now[i.place()]; !still {
			s.Removed = append(s.Removed, i)
		}
	}
	return s
}

func (s *Snapshot) nothingNew() bool {
	return len(s.Added) == 0 && len(s.Removed) == 0 && len(s.Changed) == 0
}
