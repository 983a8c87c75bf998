package nacosapi

import (
	"context"
	"maps"
	"sync"
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
	// heldAtOnce is how many are asked at once.
	heldAtOnce = 32
)

// heldQuery asks what the clients at an address hold of the config that they call so.
type heldQuery struct {
	IP   string `json:"ip"`
	Name string `json:"name"`
}

type heldFound struct {
	Held map[string]any `json:"held"`
}

// heldHere asks the Java clients of this node, the only ones that can say it. Those that
// do not say it in time are left out.
func (a *API) heldHere(ctx context.Context, q *heldQuery) *heldFound {
	ctx, cancel := context.WithTimeout(ctx, heldPatienceAll)
	defer cancel()
	clients := a.javaClientsAt(q.IP)
	answers := make([]map[string]any, len(clients))
	slots := make(chan struct{}, heldAtOnce)
	var asked sync.WaitGroup
	for i, c := range clients {
		slots <- struct{}{}
		asked.Go(func() {
			answers[i] = whatHolds(ctx, c, q.Name)
			<-slots
		})
	}
	asked.Wait()
	held := map[string]any{}
	for _, said := range answers {
		maps.Copy(held, said)
	}
	return &heldFound{held}
}

// held is what clients of all servers hold, or those of this one only.
func (a *API) held(ctx context.Context, in heldParams, everywhere bool) (map[string]any, error) {
	key := configcenter.MakeKey(in.Tenant, in.Group, in.DataID)
	if err := key.Validate(); err != nil {
		return nil, refusal(err)
	}
	q := heldQuery{IP: in.IP, Name: groupKey(listen.Watched{Key: key, Tenant: in.Tenant})}
	if !everywhere {
		return a.heldHere(ctx, &q).Held, nil
	}
	held := map[string]any{}
	for _, found := range gather(ctx, a, callHeld, &q, a.heldHere) {
		maps.Copy(held, found.Held)
	}
	return held, nil
}

func (a *API) heldByClients(ctx context.Context, in heldParams) (map[string]any, error) {
	return a.held(ctx, in, false)
}

func (a *API) heldByAllClients(ctx context.Context, in heldParams) (map[string]any, error) {
	return a.held(ctx, in, true)
}

// javaClientsAt are the connections of Java's config clients from an address, whether they
// have asked for something yet or not. Naming's do not answer.
func (a *API) javaClientsAt(ip string) []*rpc.Conn {
	if a.rpc == nil {
		return nil
	}
	var found []*rpc.Conn
	for _, c := range a.rpc.Conns() {
		module := c.Label(labelModule)
		if c.IsJava() && c.ClientIP() == ip && (module == "" || module == moduleConfig) {
			found = append(found, c)
		}
	}
	return found
}

// The label that says which part of a client a connection belongs to.
const (
	labelModule  = "module"
	moduleConfig = "config"
)

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
