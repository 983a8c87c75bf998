package catalog

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/zensus-io/zensus/registry"
)

// cacheMillis is how long clients may use a list before they ask again.
const cacheMillis = 10_000

// appendHost writes an instance as Nacos does. healthy overrides the instance's
// own health where the protect threshold lets it through.
func appendHost(b []byte, k registry.ServiceKey, i *registry.Instance, healthy bool) []byte {
	b = append(b, '{')
	if i.ID != "" {
		b = append(b, `"instanceId":`...)
		b = appendString(b, i.ID)
		b = append(b, ',')
	}
	b = append(b, `"ip":`...)
	b = appendString(b, i.IP)
	b = append(b, `,"port":`...)
	b = strconv.AppendInt(b, int64(i.Port), 10)
	b = append(b, `,"weight":`...)
	b = appendDouble(b, i.Weight)
	b = append(b, `,"healthy":`...)
	b = strconv.AppendBool(b, healthy)
	b = append(b, `,"enabled":`...)
	b = strconv.AppendBool(b, i.Enabled)
	b = append(b, `,"ephemeral":`...)
	b = strconv.AppendBool(b, i.Ephemeral)
	b = append(b, `,"clusterName":`...)
	b = appendString(b, i.Cluster)
	b = append(b, `,"serviceName":`...)
	b = appendString(b, cmp.Or(i.ServiceName, k.Grouped()))
	b = append(b, `,"metadata":`...)
	b = appendMap(b, i.Metadata)
	b = append(b, `,"instanceHeartBeatInterval":`...)
	b = strconv.AppendInt(b, i.BeatInterval().Milliseconds(), 10)
	b = append(b, `,"instanceHeartBeatTimeOut":`...)
	b = strconv.AppendInt(b, i.BeatTimeout().Milliseconds(), 10)
	b = append(b, `,"ipDeleteTimeout":`...)
	b = strconv.AppendInt(b, i.DeleteTimeout().Milliseconds(), 10)
	if g := i.IDGenerator(); g != "" {
		b = append(b, `,"instanceIdGenerator":`...)
		b = appendString(b, g)
	}
	return append(b, '}')
}

// AppendInstance writes an instance of service k as Nacos's JSON.
func AppendInstance(b []byte, k registry.ServiceKey, i *registry.Instance) []byte {
	return appendHost(b, k, i, i.Healthy)
}

// Naming says how a list names its service.
type Naming bool

const (
	// Bare is the name without its group, as gRPC clients want it.
	Bare Naming = false
	// Grouped is group@@name, as HTTP clients want it.
	Grouped Naming = true
)

// AppendInfo writes the view as the ServiceInfo of Nacos. clusters is the list
// of clusters exactly as the caller asked for it: clients find their cache entry
// by it.
func (v *View) AppendInfo(b []byte, naming Naming, clusters string) []byte {
	name := v.Key.Name
	if naming == Grouped {
		name = v.Key.Grouped()
	}
	b = append(b, `{"name":`...)
	b = appendString(b, name)
	b = append(b, `,"groupName":`...)
	b = appendString(b, v.Key.Group)
	b = append(b, `,"clusters":`...)
	b = appendString(b, clusters)
	b = append(b, `,"cacheMillis":`...)
	b = strconv.AppendInt(b, cacheMillis, 10)
	b = append(b, `,"hosts":`...)
	b = append(b, v.hosts...)
	b = append(b, `,"lastRefTime":`...)
	b = strconv.AppendInt(b, v.LastRefTime, 10)
	b = append(b, `,"checksum":"","allIPs":false,"reachProtectionThreshold":`...)
	b = strconv.AppendBool(b, v.Protected)
	return append(b, `,"valid":true}`...)
}

// InfoBytes is about how long AppendInfo's result is.
func (v *View) InfoBytes() int {
	return len(v.hosts) + 2*len(v.Key.Group) + len(v.Key.Name) + 256
}

// appendMap writes keys in order, so that equal maps give equal bytes.
func appendMap(b []byte, m map[string]string) []byte {
	b = append(b, '{')
	for n, k := range slices.Sorted(maps.Keys(m)) {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = append(b, ':')
		b = appendString(b, m[k])
	}
	return append(b, '}')
}

// appendDouble writes a whole number with ".0", as Java does.
func appendDouble(b []byte, f float64) []byte {
	start := len(b)
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	if !slices.Contains(b[start:], '.') {
		b = append(b, '.', '0')
	}
	return b
}

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
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
	}
	return append(append(b, s[start:]...), '"')
}
