package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
)

// formatJSON is the first byte of a value in the one format that there is: JSON
// whose unknown members are passed over, so that older nodes read newer values.
const formatJSON = 1

// valueBytesMax is what a value may measure; the engine's own bound is 1 MiB.
const valueBytesMax = 1 << 20

// errFormat: the value is of a format that this version does not know.
var errFormat = errors.New("unknown format")

// Record is the value of an instance znode: the instance, and who holds it.
type Record struct {
	Instance registry.Instance
	// Client is the Nacos client that registered it: a connection's id, or
	// ip:port#true for one that sends heartbeats.
	Client string
	// Node is the server that the client registered with.
	Node string
	// Beat says that heartbeats keep the instance alive, not a connection.
	Beat bool
}

type instanceValue struct {
	Weight    float64           `json:"w"`
	Disabled  bool              `json:"disabled,omitempty"`
	Unhealthy bool              `json:"sick,omitempty"`
	Metadata  map[string]string `json:"meta,omitempty"`
	ID        string            `json:"id,omitempty"`
	Client    string            `json:"client,omitempty"`
	Node      string            `json:"node,omitempty"`
	Beat      bool              `json:"beat,omitempty"`
}

// EncodeRecord is the value for an instance. Its key and kind stand in the path.
func EncodeRecord(r *Record) []byte {
	i := &r.Instance
	return encode(instanceValue{
		Weight: i.Weight, Disabled: !i.Enabled, Unhealthy: !i.Healthy, Metadata: i.Metadata,
		ID: i.ID, Client: r.Client, Node: r.Node, Beat: r.Beat,
	})
}

type serviceValue struct {
	Ephemeral bool                    `json:"ephemeral,omitempty"`
	Explicit  bool                    `json:"explicit,omitempty"`
	Threshold float64                 `json:"protect,omitempty"`
	Metadata  map[string]string       `json:"meta,omitempty"`
	Selector  *selectorValue          `json:"selector,omitempty"`
	Clusters  map[string]clusterValue `json:"clusters,omitempty"`
}

type selectorValue struct {
	Type       string `json:"type"`
	Expression string `json:"expr,omitempty"`
}

type clusterValue struct {
	Type         string            `json:"check"`
	Path         string            `json:"path,omitempty"`
	Headers      string            `json:"headers,omitempty"`
	ExpectedCode int               `json:"code,omitempty"`
	CheckPort    int               `json:"port,omitempty"`
	OwnPort      bool              `json:"own,omitempty"`
	Metadata     map[string]string `json:"meta,omitempty"`
}

// EncodeService is the value of a service znode.
func EncodeService(s *registry.Service) []byte {
	v := serviceValue{Ephemeral: s.Ephemeral, Explicit: s.Explicit, Threshold: s.ProtectThreshold, Metadata: s.Metadata}
	if s.Selector != (registry.Selector{}) {
		v.Selector = &selectorValue{Type: s.Selector.Type, Expression: s.Selector.Expression}
	}
	if len(s.Clusters) > 0 {
		v.Clusters = make(map[string]clusterValue, len(s.Clusters))
		for name, c := range s.Clusters {
			v.Clusters[name] = clusterValue{
				Type: c.Checker.Type, Path: c.Checker.Path, Headers: c.Checker.Headers, ExpectedCode: c.Checker.ExpectedCode,
				CheckPort: c.CheckPort, OwnPort: c.UseInstancePort, Metadata: c.Metadata,
			}
		}
	}
	return encode(v)
}

// DecodeService reads the value of the service with that key.
func DecodeService(k registry.ServiceKey, value []byte) (registry.Service, error) {
	var v serviceValue
	if err := decode(value, &v); err != nil {
		return registry.Service{}, err
	}
	s := registry.Service{Key: k, Ephemeral: v.Ephemeral, Explicit: v.Explicit, ProtectThreshold: v.Threshold, Metadata: v.Metadata}
	if v.Selector != nil {
		s.Selector = registry.Selector{Type: v.Selector.Type, Expression: v.Selector.Expression}
	}
	if len(v.Clusters) > 0 {
		s.Clusters = make(map[string]registry.Cluster, len(v.Clusters))
		for name, c := range v.Clusters {
			s.Clusters[name] = registry.Cluster{
				Name:      name,
				Checker:   registry.Checker{Type: c.Type, Path: c.Path, Headers: c.Headers, ExpectedCode: c.ExpectedCode},
				CheckPort: c.CheckPort, UseInstancePort: c.OwnPort, Metadata: c.Metadata,
			}
		}
	}
	return s, nil
}

type overrideValue struct {
	Weight   *float64          `json:"w,omitempty"`
	Enabled  *bool             `json:"enabled,omitempty"`
	Metadata map[string]string `json:"meta,omitempty"`
	Gone     int64             `json:"gone,omitempty"` // milliseconds; 0 is no time
}

// EncodeOverride is the value of an override.
func EncodeOverride(o *registry.Override) []byte {
	v := overrideValue{Weight: o.Weight, Enabled: o.Enabled, Metadata: o.Metadata}
	if !o.Gone.IsZero() {
		v.Gone = o.Gone.UnixMilli()
	}
	return encode(v)
}

// DecodeOverride reads it.
func DecodeOverride(value []byte) (registry.Override, error) {
	var v overrideValue
	if err := decode(value, &v); err != nil {
		return registry.Override{}, err
	}
	o := registry.Override{Weight: v.Weight, Enabled: v.Enabled, Metadata: v.Metadata}
	if v.Gone != 0 {
		o.Gone = time.UnixMilli(v.Gone)
	}
	return o, nil
}

// Revision numbers the states of a service: it rises with every change that a
// list can show and is the same on every node at the same zxid. It looks like a
// time in milliseconds, because it begins at the service's creation: clients
// compare it with what they cached from other servers and earlier lives.
func Revision(service core.Stat) int64 {
	return service.Ctime + int64(service.Cversion) + int64(service.Version)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		// Strings, maps of strings, booleans and validated (finite) numbers.
		panic(fmt.Sprintf("store: encode %T: %v", v, err))
	}
	return append([]byte{formatJSON}, b...)
}

func decode(value []byte, into any) error {
	switch {
	case len(value) == 0 || value[0] != formatJSON:
		return fmt.Errorf("store: decode: %w", errFormat)
	case len(value) > valueBytesMax:
		return fmt.Errorf("store: decode: %d bytes are more than %d", len(value), valueBytesMax)
	}
	if err := json.Unmarshal(value[1:], into); err != nil {
		return fmt.Errorf("store: decode: %w", err)
	}
	return nil
}
