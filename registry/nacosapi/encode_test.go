package nacosapi

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/store"
)

type nobody struct{ catalog.Listener }

func (nobody) Changed([]registry.ServiceKey) {}
func (nobody) Named([]registry.ServiceKey)   {}

func TestListsAreServiceInfosOfNacos(t *testing.T) {
	c, shop := catalog.New(nobody{}, AppendInstance), registry.NewServiceKey("", "", "shop")
	i := registry.Instance{
		Cluster: "DEFAULT", IP: "10.0.0.1", Port: 80, Weight: 1, Enabled: true, Healthy: true, Ephemeral: true,
		ID: `a"b\c`, Metadata: map[string]string{"k<": "v\n\u2028"},
	}
	c.SetOverlay(shop, "c1", catalog.Overlay{Wants: []catalog.Want{{Record: store.Record{Instance: i}, Rank: 1}}})
	list := c.Lookup(shop, registry.Filter{})
	for naming, name := range map[serviceNaming]string{bareName: "shop", groupedName: "DEFAULT_GROUP@@shop"} {
		var got wire.ServiceInfo
		b := appendInfo(nil, list, naming, "A,B")
		require.NoError(t, json.Unmarshal(b, &got), "%s", b)
		require.Equal(t, name, got.Name)
		require.Equal(t, "A,B", got.Clusters)
		require.Equal(t, list.LastRefTime, got.LastRefTime)
		require.Equal(t, i.ID, got.Hosts[0].InstanceID)
		require.Equal(t, i.Metadata, got.Hosts[0].Metadata)
		require.EqualValues(t, wire.DefaultCacheMillis, got.CacheMillis)
		require.True(t, got.Valid)
	}
	var empty map[string]any
	unknown := c.Lookup(registry.NewServiceKey("", "", "unknown"), registry.Filter{})
	require.NoError(t, json.Unmarshal(appendInfo(nil, unknown, bareName, ""), &empty))
	require.Equal(t, []any{}, empty["hosts"], "never null")
}
