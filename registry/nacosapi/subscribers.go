package nacosapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
)

// A client subscribes at one server of several. Who subscribed to a service is asked of
// all of them.
const (
	callSubscribers = "naming-subscribers"
	// subscribersPatience is how long all have to answer: less than clients have.
	subscribersPatience = 2 * time.Second
	// subscribersMax bounds how many one server tells another of.
	subscribersMax = 50_000
)

type subscribersForm struct {
	serviceForm
	PageNo   int `form:"pageNo,default=1"`
	PageSize int `form:"pageSize,default=1000"`
	// Everywhere asks all servers, not only this one.
	Everywhere bool `form:"aggregation,default=true"`
}

type subscriberV1 struct {
	AddrStr     string `json:"addrStr"`
	Agent       string `json:"agent"`
	App         string `json:"app"`
	IP          string `json:"ip"`
	Port        int    `json:"port"` // of UDP: 0
	NamespaceID string `json:"namespaceId"`
	ServiceName string `json:"serviceName"`
	Cluster     string `json:"cluster"`
}

type subscribersV1 struct {
	Subscribers []subscriberV1 `json:"subscribers"`
	Count       int            `json:"count"`
}

type subscribersFound struct {
	Subscribers []subscriberV1 `json:"subscribers"`
}

// subscribersHere are those of this server.
func (a *API) subscribersHere(_ context.Context, k *registry.ServiceKey) *subscribersFound {
	found := &subscribersFound{Subscribers: []subscriberV1{}}
	for _, s := range a.svc.Subscribers(*k) {
		target, ok := s.Target.(*subscriber)
		if !ok {
			continue
		}
		if len(found.Subscribers) == subscribersMax {
			break
		}
		c := target.conn
		found.Subscribers = append(found.Subscribers, subscriberV1{
			AddrStr: c.ClientIP(), Agent: c.Version(), App: cmp.Or(c.AppName(), "-"), IP: c.ClientIP(),
			NamespaceID: k.Namespace, ServiceName: k.Grouped(), Cluster: s.Clusters,
		})
	}
	return found
}

// subscribersOf are those of all servers or of this one. Servers that do not answer are
// left out, and the answer is marked then.
func (a *API) subscribersOf(ctx context.Context, k registry.ServiceKey, everywhere bool) []subscriberV1 {
	nodes := a.nodes
	if !everywhere {
		nodes = nil
	}
	waiting, cancel := context.WithTimeout(ctx, subscribersPatience)
	defer cancel()
	found, complete := cluster.Gather(waiting, nodes, callSubscribers, &k, a.subscribersHere)
	if !complete {
		rest.Of(ctx).Reply(wire.HeaderStale, "true")
	}
	all := []subscriberV1{}
	for _, f := range found {
		all = append(all, f.Subscribers...)
	}
	slices.SortFunc(all, func(x, y subscriberV1) int {
		return cmp.Or(cmp.Compare(x.AddrStr, y.AddrStr), cmp.Compare(x.Agent, y.Agent), cmp.Compare(x.Cluster, y.Cluster))
	})
	return all
}

func (a *API) subscribersV1(ctx context.Context, in subscribersForm) (*subscribersV1, error) {
	page := rest.PageOf(a.subscribersOf(ctx, in.key(), in.Everywhere), in.PageNo, min(in.PageSize, pageMax))
	if in.PageSize < 1 {
		page.PageItems = page.PageItems[:0]
	}
	return &subscribersV1{Subscribers: page.PageItems, Count: page.TotalCount}, nil
}
