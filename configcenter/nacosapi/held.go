package nacosapi

import (
	"context"
	"maps"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// heldParams ask what the clients at one address hold of a config.
type heldParams struct {
	IP     string `form:"ip" binding:"required"`
	DataID string `form:"dataId"`
	Group  string `form:"group" alias:"groupName"`
	Tenant string `form:"tenant" alias:"namespaceId,namespace"`
}

const (
	// heldPatience is how long one client has to say what it holds, and
	// heldPatienceAll all of them together.
	heldPatience    = time.Second
	heldPatienceAll = 3 * time.Second
)

// heldByClients asks the Java clients of this node, the only ones that can say it. Those
// that do not say it in time are left out.
func (a *API) heldByClients(ctx context.Context, in heldParams) (map[string]any, error) {
	key := configcenter.MakeKey(in.Tenant, in.Group, in.DataID)
	if err := key.Validate(); err != nil {
		return nil, refusal(err)
	}
	name := groupKey(listen.Watched{Key: key, Tenant: in.Tenant})
	ctx, cancel := context.WithTimeout(ctx, heldPatienceAll)
	defer cancel()
	held := map[string]any{}
	for _, c := range a.javaClientsAt(in.IP) {
		maps.Copy(held, whatHolds(ctx, c, name))
	}
	return held, nil
}

func (a *API) javaClientsAt(ip string) []*rpc.Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []*rpc.Conn
	for c := range a.mu.subscribers {
		if c.IsJava() && c.ClientIP() == ip {
			found = append(found, c)
		}
	}
	return found
}

// whatHolds is what one client says, nothing if it does not.
func whatHolds(ctx context.Context, c *rpc.Conn, name string) map[string]any {
	ctx, cancel := context.WithTimeout(ctx, heldPatience)
	defer cancel()
	reply, err := c.Call(ctx, &wire.ClientConfigMetricRequest{
		MetricsKeys: []wire.MetricsKey{{Type: "cacheData", Key: name}, {Type: "snapshotData", Key: name}},
	})
	if err != nil {
		return nil
	}
	var said wire.ClientConfigMetricResponse
	if wire.DecodeInto(reply, &said) != nil {
		return nil
	}
	return said.Metrics
}
