package nacosapi

import (
	"encoding/json"
	"strconv"

	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

// AppendInstance writes an instance of service k as Nacos's JSON. It is the form of the
// lists that the catalog keeps encoded.
func AppendInstance(b []byte, k registry.ServiceKey, i *registry.Instance) []byte {
	w := wire.Instance{
		InstanceID: i.ID, IP: i.IP, Port: i.Port, Weight: i.Weight, Healthy: i.Healthy, Enabled: i.Enabled,
		Ephemeral: i.Ephemeral, ClusterName: i.Cluster, ServiceName: k.Grouped(), Metadata: i.Metadata,
	}
	return w.AppendJSON(b)
}

// serviceNaming says how a list names its service.
type serviceNaming bool

const (
	// bareName is the name without its group, as gRPC clients want it.
	bareName serviceNaming = false
	// groupedName is group@@name, as HTTP clients want it.
	groupedName serviceNaming = true
)

// appendInfo writes a list as the ServiceInfo of Nacos. clusters is the list
// of clusters exactly as the caller asked for it: clients find their cache entry
// by it.
func appendInfo(b []byte, v *catalog.View, naming serviceNaming, clusters string) []byte {
	name := v.Key.Name
	if naming == groupedName {
		name = v.Key.Grouped()
	}
	b = append(b, `{"name":`...)
	b = appendString(b, name)
	b = append(b, `,"groupName":`...)
	b = appendString(b, v.Key.Group)
	b = append(b, `,"clusters":`...)
	b = appendString(b, clusters)
	b = append(b, `,"cacheMillis":`...)
	b = strconv.AppendInt(b, v.CacheMillis, 10)
	b = append(b, `,"hosts":`...)
	b = append(b, v.Encoded()...)
	b = append(b, `,"lastRefTime":`...)
	b = strconv.AppendInt(b, v.LastRefTime, 10)
	b = append(b, `,"checksum":"",`...)
	if naming == groupedName {
		b = append(b, `"allIPs"`...)
	} else {
		b = append(b, `"allIps"`...) // as Nacos 3 spells it; to nobody does it make a difference
	}
	b = append(b, `:false,"reachProtectionThreshold":`...)
	b = strconv.AppendBool(b, v.Protected)
	return append(b, `,"valid":true}`...)
}

func appendString(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...) // no string gives an error
	}
	return append(b, quoted...)
}
