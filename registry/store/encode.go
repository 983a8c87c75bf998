package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

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

// instanceValue is what EncodeRecord writes.
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
	b := make([]byte, 0, encodedRoom+len(i.ID)+len(r.Client)+len(r.Node)+metadataRoom*len(i.Metadata))
	b = append(b, formatJSON)
	b = appendNumber(append(b, `{"w":`...), i.Weight)
	if !i.Enabled {
		b = append(b, `,"disabled":true`...)
	}
	if !i.Healthy {
		b = append(b, `,"sick":true`...)
	}
	if len(i.Metadata) > 0 {
		b = appendTexts(append(b, `,"meta":`...), i.Metadata)
	}
	if i.ID != "" {
		b = appendText(append(b, `,"id":`...), i.ID)
	}
	if r.Client != "" {
		b = appendText(append(b, `,"client":`...), r.Client)
	}
	if r.Node != "" {
		b = appendText(append(b, `,"node":`...), r.Node)
	}
	if r.Beat {
		b = append(b, `,"beat":true`...)
	}
	return append(b, '}')
}

// How much room is made for a value, and for each pair of its metadata, beside the texts
// whose lengths are at hand. It need not be enough.
const (
	encodedRoom  = 64
	metadataRoom = 48
)

// appendTexts appends an object of strings as encoding/json does: sorted.
func appendTexts(b []byte, m map[string]string) []byte {
	var room [16]string
	keys := room[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for n, k := range keys {
		if n == 0 {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = appendText(append(appendText(b, k), ':'), m[k])
	}
	return append(b, '}')
}

// appendText appends a string; encoding/json does what needs an escape, or may.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return append(b, marshal(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendNumber appends a number that has been validated.
func appendNumber(b []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 && !(f == 0 && math.Signbit(f)) {
		return strconv.AppendInt(b, int64(f), 10)
	}
	return append(b, marshal(f)...)
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

func encode(v any) []byte { return append([]byte{formatJSON}, marshal(v)...) }

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		// Strings, maps of strings, booleans and validated (finite) numbers.
		panic(fmt.Sprintf("store: encode %T: %v", v, err))
	}
	return b
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
