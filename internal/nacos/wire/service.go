package wire

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Metadata keys of an instance that mean something to the server.
const (
	MetaHeartBeatInterval   = "preserved.heart.beat.interval"
	MetaHeartBeatTimeout    = "preserved.heart.beat.timeout"
	MetaIPDeleteTimeout     = "preserved.ip.delete.timeout"
	MetaRegisterSource      = "preserved.register.source"
	MetaInstanceIDGenerator = "preserved.instance.id.generator"
)

// Instance is one instance of a service. Its JSON also has four members that are
// derived from the metadata and only ever written (see AppendJSON).
type Instance struct {
	InstanceID  string            `json:"instanceId"`
	IP          string            `json:"ip"`
	Port        int               `json:"port"`
	Weight      float64           `json:"weight"`
	Healthy     bool              `json:"healthy"`
	Enabled     bool              `json:"enabled"`
	Ephemeral   bool              `json:"ephemeral"`
	ClusterName string            `json:"clusterName"`
	ServiceName string            `json:"serviceName"` // group@@service in replies
	Metadata    map[string]string `json:"metadata"`
}

// NewInstance has the defaults of members that a client left out: weight 1,
// healthy, enabled, ephemeral.
func NewInstance() Instance {
	return Instance{Weight: 1, Healthy: true, Enabled: true, Ephemeral: true}
}

// UnmarshalJSON fills in the defaults of members that are null or absent.
func (i *Instance) UnmarshalJSON(b []byte) error {
	type plain Instance
	p := plain(NewInstance())
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*i = Instance(p)
	return nil
}

// MarshalJSON is AppendJSON.
func (i Instance) MarshalJSON() ([]byte, error) { return i.AppendJSON(nil), nil }

// HeartBeatInterval is the instance's interval between heart beats in
// milliseconds, by default 5000.
func (i *Instance) HeartBeatInterval() int64 { return i.metaMillis(MetaHeartBeatInterval, 5000) }

// HeartBeatTimeout is how long without a heart beat it counts as healthy, in
// milliseconds, by default 15000.
func (i *Instance) HeartBeatTimeout() int64 { return i.metaMillis(MetaHeartBeatTimeout, 15000) }

// IPDeleteTimeout is how long without a heart beat it is kept at all, in
// milliseconds, by default 30000.
func (i *Instance) IPDeleteTimeout() int64 { return i.metaMillis(MetaIPDeleteTimeout, 30000) }

func (i *Instance) metaMillis(key string, otherwise int64) int64 {
	text, ok := i.Metadata[key]
	if !ok {
		return otherwise // the usual case; an error of ParseInt would cost an allocation
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return n
	}
	return otherwise
}

// AppendJSON appends the instance as replies and pushes carry it. An empty id is
// left out; metadata is never null; the generator is "simple" unless the
// metadata name one or are there without naming one, as Nacos has it.
func (i *Instance) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	if i.InstanceID != "" {
		b = append(b, `"instanceId":`...)
		b = appendString(b, i.InstanceID)
		b = append(b, ',')
	}
	b = append(b, `"ip":`...)
	b = appendString(b, i.IP)
	b = append(b, `,"port":`...)
	b = strconv.AppendInt(b, int64(i.Port), 10)
	b = append(b, `,"weight":`...)
	b = appendFloat(b, i.Weight)
	b = append(b, `,"healthy":`...)
	b = strconv.AppendBool(b, i.Healthy)
	b = append(b, `,"enabled":`...)
	b = strconv.AppendBool(b, i.Enabled)
	b = append(b, `,"ephemeral":`...)
	b = strconv.AppendBool(b, i.Ephemeral)
	b = append(b, `,"clusterName":`...)
	b = appendString(b, i.ClusterName)
	if i.ServiceName != "" {
		b = append(b, `,"serviceName":`...)
		b = appendString(b, i.ServiceName)
	}
	b = append(b, `,"metadata":`...)
	b = appendStringMap(b, i.Metadata)
	b = append(b, `,"instanceHeartBeatInterval":`...)
	b = strconv.AppendInt(b, i.HeartBeatInterval(), 10)
	b = append(b, `,"instanceHeartBeatTimeOut":`...)
	b = strconv.AppendInt(b, i.HeartBeatTimeout(), 10)
	b = append(b, `,"ipDeleteTimeout":`...)
	b = strconv.AppendInt(b, i.IPDeleteTimeout(), 10)
	generator, named := i.Metadata[MetaInstanceIDGenerator]
	if len(i.Metadata) == 0 {
		generator, named = "simple", true
	}
	if named {
		b = append(b, `,"instanceIdGenerator":`...)
		b = appendString(b, generator)
	}
	return append(b, '}')
}

// ServiceInfo is a service and its instances, as replies, pushes and HTTP lists
// carry it.
type ServiceInfo struct {
	// Name is the bare name over gRPC and group@@service over HTTP and UDP.
	Name      string `json:"name"`
	GroupName string `json:"groupName"`
	// Clusters repeats what the client asked for: older clients keep one cache
	// entry for each list of clusters.
	Clusters    string     `json:"clusters"`
	CacheMillis int64      `json:"cacheMillis"`
	Hosts       []Instance `json:"hosts"`
	// LastRefTime grows strictly: clients drop an info that is not newer than
	// theirs, without a word.
	LastRefTime              int64  `json:"lastRefTime"`
	Checksum                 string `json:"checksum"`
	AllIPs                   bool   `json:"allIPs"`
	ReachProtectionThreshold bool   `json:"reachProtectionThreshold"`
	Valid                    bool   `json:"valid"`
}

// DefaultCacheMillis is the interval in which clients ask again.
const DefaultCacheMillis = 10_000

// NewServiceInfo has the members that are the same in every reply.
func NewServiceInfo(name, group, clusters string) *ServiceInfo {
	return &ServiceInfo{Name: name, GroupName: group, Clusters: clusters, CacheMillis: DefaultCacheMillis, Valid: true}
}

// MarshalJSON is AppendJSON.
func (s *ServiceInfo) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil), nil }

// AppendJSON appends the info; hosts is never null.
func (s *ServiceInfo) AppendJSON(b []byte) []byte {
	b = append(b, `{"name":`...)
	b = appendString(b, s.Name)
	b = append(b, `,"groupName":`...)
	b = appendString(b, s.GroupName)
	b = append(b, `,"clusters":`...)
	b = appendString(b, s.Clusters)
	b = append(b, `,"cacheMillis":`...)
	b = strconv.AppendInt(b, s.CacheMillis, 10)
	b = append(b, `,"hosts":[`...)
	for i := range s.Hosts {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.Hosts[i].AppendJSON(b)
	}
	b = append(b, `],"lastRefTime":`...)
	b = strconv.AppendInt(b, s.LastRefTime, 10)
	b = append(b, `,"checksum":`...)
	b = appendString(b, s.Checksum)
	b = append(b, `,"allIPs":`...)
	b = strconv.AppendBool(b, s.AllIPs)
	b = append(b, `,"reachProtectionThreshold":`...)
	b = strconv.AppendBool(b, s.ReachProtectionThreshold)
	b = append(b, `,"valid":`...)
	b = strconv.AppendBool(b, s.Valid)
	return append(b, '}')
}

func appendStringMap(b []byte, m map[string]string) []byte {
	b = append(b, '{')
	var room [16]string
	keys := room[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for n, k := range keys {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = append(b, ':')
		b = appendString(b, m[k])
	}
	return append(b, '}')
}

// appendFloat writes a double as Java does for the usual values: 1.0, 0.5.
func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) { // no JSON; nothing that validated a weight lets it through
		return append(b, "0.0"...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		b = strconv.AppendInt(b, int64(f), 10)
		return append(b, ".0"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

const hexDigits = "0123456789abcdef"

// AppendQuoted writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendQuoted(b []byte, s string) []byte { return appendString(b, s) }

// QuotedBytes is how many bytes AppendQuoted writes.
func QuotedBytes(s string) int64 {
	n := len(s) + 2
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"', c == '\\', c == '\n', c == '\r', c == '\t':
			n++
		case c < 0x20:
			n += len(`\u0000`) - 1
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				n += len("\ufffd") - 1
			}
			i += size - 1
		}
	}
	return int64(n)
}

// appendString writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[start:i]...)
			b = append(b, "\ufffd"...)
			i++
			start = i
			continue
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
