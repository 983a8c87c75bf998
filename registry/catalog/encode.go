package catalog

import (
	"encoding/json"
	"strconv"

	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
)

// AppendInstance writes an instance of service k as Nacos's JSON.
func AppendInstance(b []byte, k registry.ServiceKey, i *registry.Instance) []byte {
	w := wire.Instance{
		InstanceID: i.ID, IP: i.IP, Port: i.Port, Weight: i.Weight, Healthy: i.Healthy, Enabled: i.Enabled,
		Ephemeral: i.Ephemeral, ClusterName: i.Cluster, ServiceName: k.Grouped(), Metadata: i.Metadata,
	}
	return w.AppendJSON(b)
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
	b = strconv.AppendInt(b, v.CacheMillis, 10)
	b = append(b, `,"hosts":`...)
	b = append(b, v.hosts...)
	b = append(b, `,"lastRefTime":`...)
	b = strconv.AppendInt(b, v.LastRefTime, 10)
	b = append(b, `,"checksum":"",`...)
	if naming == Grouped {
		b = append(b, `"allIPs"`...)
	} else {
		b = append(b, `"allIps"`...) // as Nacos 3 spells it; to nobody does it make a difference
	}
	b = append(b, `:false,"reachProtectionThreshold":`...)
	b = strconv.AppendBool(b, v.Protected)
	return append(b, `,"valid":true}`...)
}

// InfoBytes is about how long AppendInfo's result is.
func (v *View) InfoBytes() int {
	return len(v.hosts) + 2*len(v.Key.Group) + len(v.Key.Name) + 256
}

func appendString(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...) // no string gives an error
	}
	return append(b, quoted...)
}
