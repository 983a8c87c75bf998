package catalog

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/store"
)

type nobody struct{ Listener }

func (nobody) Changed([]registry.ServiceKey) {}
func (nobody) Named([]registry.ServiceKey)   {}

func TestClientsAreAllWhoHaveRegisteredSomething(t *testing.T) {
	c := New(nobody{}, Plain)
	var changes []mirror.Change
	add := func(path string, value []byte, zxid core.Zxid) {
		changes = append(changes, mirror.Change{Path: path, Zxid: zxid, New: &mirror.Node{Path: path, Data: value, Stat: core.Stat{Czxid: zxid, Mzxid: zxid}}})
	}
	want := map[string]struct{}{}
	zxid := core.Zxid(0)
	for s := range 3 * clientsStep / 2000 {
		k := registry.NewServiceKey("dev", "g", fmt.Sprintf("s%03d", s))
		zxid++
		add(store.ServicePath(k), store.EncodeService(&registry.Service{Key: k, Ephemeral: true}), zxid)
		for n := range 2000 {
			zxid++
			client := fmt.Sprintf("c%d", (s*2000+n)%25_000)
			want[client] = struct{}{}
			i := registry.Instance{Cluster: "DEFAULT", IP: fmt.Sprintf("10.0.%d.%d", n/250, n%250), Port: 80, Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
			r := store.Record{Instance: i, Client: client}
			add(fmt.Sprintf("%s/DEFAULT~%s:80-e%010d", store.ServicePath(k), i.IP, n), store.EncodeRecord(&r), zxid)
		}
	}
	c.ApplyNaming(changes, func(string) (*mirror.Node, bool) { return nil, false })
	require.Equal(t, want, c.Clients())
}
