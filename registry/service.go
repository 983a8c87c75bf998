package registry

import (
	"maps"
	"time"
)

// Service is what is known of a service beside its instances.
type Service struct {
	Key              ServiceKey
	Metadata         map[string]string
	ProtectThreshold float64 // 0 to 1; 0 switches protection off
	Selector         Selector
	// Ephemeral says which kind of instance the service holds. It is fixed by
	// whoever creates the service: a registration, or a call of the API.
	Ephemeral bool
	// Explicit services were made through the API and stay until they are deleted
	// there; others go when they have been empty for a while.
	Explicit bool
	// Clusters holds the settings of those clusters that have any.
	Clusters map[string]Cluster
}

// Clone is a copy that shares nothing with s.
func (s Service) Clone() Service {
	s.Metadata = maps.Clone(s.Metadata)
	clusters := maps.Clone(s.Clusters)
	for name, c := range clusters {
		c.Metadata = maps.Clone(c.Metadata)
		clusters[name] = c
	}
	s.Clusters = clusters
	return s
}

// Selector chooses instances by the labels of consumer and provider. It is kept
// and given back; Nacos itself evaluates it only with a CMDB.
type Selector struct {
	Type       string // "none" or "label"; empty is none
	Expression string
}

// Cluster is a part of a service whose instances are checked in one way.
type Cluster struct {
	Name            string
	Checker         Checker
	CheckPort       int
	UseInstancePort bool // check the instance's own port rather than CheckPort
	Metadata        map[string]string
}

// DefaultClusterSettings are those of a cluster that nobody has set up.
func DefaultClusterSettings(name string) Cluster {
	return Cluster{Name: name, Checker: Checker{Type: CheckTCP}, CheckPort: 80, UseInstancePort: true}
}

// ClusterSettings are the settings of the cluster with that name.
func (s *Service) ClusterSettings(name string) Cluster {
	if c, ok := s.Clusters[name]; ok {
		return c
	}
	return DefaultClusterSettings(name)
}

// The kinds of active health check.
const (
	CheckNone  = "NONE"
	CheckTCP   = "TCP"
	CheckHTTP  = "HTTP"
	CheckMySQL = "MYSQL" // known and refused
)

// Checker says how persistent instances of a cluster are checked.
type Checker struct {
	Type         string
	Path         string // HTTP
	Headers      string // HTTP: k:v pairs with vertical bars between them
	ExpectedCode int    // HTTP
}

// Override is what an operator set on an instance. It wins over what the client
// published and survives registrations.
type Override struct {
	Weight   *float64
	Enabled  *bool
	Metadata map[string]string // merged into the published metadata key by key
	// Gone is since when no such instance was seen; zero while there is one, or it has not
	// been gone for long. It is not an operator's to set.
	Gone time.Time
}

// Empty reports whether o changes nothing.
func (o *Override) Empty() bool {
	return o.Weight == nil && o.Enabled == nil && len(o.Metadata) == 0
}

// Apply returns i as o makes it look. i itself is not changed.
func (o *Override) Apply(i Instance) Instance {
	if o.Weight != nil {
		i.Weight = *o.Weight
	}
	if o.Enabled != nil {
		i.Enabled = *o.Enabled
	}
	if len(o.Metadata) > 0 {
		merged := make(map[string]string, len(i.Metadata)+len(o.Metadata))
		maps.Copy(merged, i.Metadata)
		maps.Copy(merged, o.Metadata)
		i.Metadata = merged
	}
	return i
}
