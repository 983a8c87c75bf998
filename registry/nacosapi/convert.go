package nacosapi

import (
	"cmp"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
)

func keyOf(k *wire.ServiceKey) registry.ServiceKey {
	return registry.NewServiceKey(k.Namespace, k.GroupName, k.ServiceName)
}

// instanceOf is an instance as a gRPC client describes it.
func instanceOf(k registry.ServiceKey, w *wire.Instance) registry.Instance {
	i := registry.Instance{
		IP: w.IP, Port: w.Port, Cluster: cmp.Or(w.ClusterName, registry.DefaultCluster),
		Weight: w.Weight, Enabled: w.Enabled, Healthy: w.Healthy, Ephemeral: w.Ephemeral, Metadata: w.Metadata,
		ID: w.InstanceID,
	}
	if i.ID == "" {
		i.ID = newID(&i, w.ClusterName, cmp.Or(w.ServiceName, k.Grouped()))
	}
	return i
}

// newID is the id for an instance whose client gave it none.
func newID(i *registry.Instance, cluster, service string) string {
	if i.Metadata[registry.MetaIDGenerator] == "snowflake" {
		return snowflake() + "#" + cluster + "#" + service
	}
	return registry.SimpleID(i, cluster, service)
}

// snowflake is a number that nobody else has: milliseconds, then chance where
// the original has a machine's number and a counter.
func snowflake() string {
	const chanceBits = 22
	return strconv.FormatInt(time.Now().UnixMilli()<<chanceBits|rand.Int64N(1<<chanceBits), 10)
}
