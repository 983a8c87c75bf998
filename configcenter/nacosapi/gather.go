package nacosapi

import (
	"context"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// A client is connected to one server of several. What is asked about clients each server
// answers for its own, and whoever was asked puts it together.

// The names of the calls.
const (
	callListeners = "config-listeners"
	callHeld      = "config-held"
)

const (
	// gatherPatience is how long all servers have to answer: longer than clients have.
	gatherPatience = heldPatienceAll + time.Second
	// listenersMax bounds how many listeners one server tells another of.
	listenersMax = 50_000
)

// answerOthers answers the calls of other servers.
func (a *API) answerOthers() {
	cluster.Handle(a.cluster, callListeners, func(_ context.Context, _ string, in *listenersQuery) (*listenersFound, error) {
		return a.listenersHere(in), nil
	})
	cluster.Handle(a.cluster, callHeld, func(ctx context.Context, _ string, in *heldQuery) (*heldFound, error) {
		return a.heldHere(ctx, in), nil
	})
}

// gather asks all servers. Those that do not answer in time are left out, and the answer
// is marked then.
func gather[In, Out any](ctx context.Context, a *API, name string, in *In, here func(context.Context, *In) *Out) []*Out {
	waiting, cancel := context.WithTimeout(ctx, gatherPatience)
	defer cancel()
	all, complete := cluster.Gather(waiting, a.cluster, name, in, here)
	if !complete {
		rest.Of(ctx).Reply(wire.HeaderStale, "true")
	}
	return all
}

// listenersQuery asks for who listens to a config or, where none is named, for what the
// clients at one address listen to.
type listenersQuery struct {
	Config *configcenter.Key `json:"config,omitempty"`
	Client string            `json:"client,omitempty"`
}

type listenersFound struct {
	Listeners []listener `json:"listeners"`
}

// listener is a listen.Subscription on its way.
type listener struct {
	Client string           `json:"client"`
	Config configcenter.Key `json:"config"`
	Tenant string           `json:"tenant,omitempty"` // as the client wrote it
	MD5    string           `json:"md5"`
}

func (l *listener) watched() listen.Watched {
	return listen.Watched{Key: l.Config, Tenant: l.Tenant, MD5: l.MD5}
}

func (a *API) listenersHere(q *listenersQuery) *listenersFound {
	table := a.center.Listeners()
	var subscriptions []listen.Subscription
	if q.Config != nil {
		subscriptions = table.ListenersOf(*q.Config)
	} else {
		subscriptions = table.ListenedBy(q.Client)
	}
	found := &listenersFound{make([]listener, min(len(subscriptions), listenersMax))}
	for i := range found.Listeners {
		s := &subscriptions[i]
		found.Listeners[i] = listener{Client: s.Client, Config: s.Key, Tenant: s.Tenant, MD5: s.MD5}
	}
	return found
}

// listeners are those of all servers, or of this one only.
func (a *API) listeners(ctx context.Context, q listenersQuery, everywhere bool) []listener {
	here := func(_ context.Context, q *listenersQuery) *listenersFound { return a.listenersHere(q) }
	if !everywhere {
		return here(ctx, &q).Listeners
	}
	var all []listener
	for _, found := range gather(ctx, a, callListeners, &q, here) {
		all = append(all, found.Listeners...)
	}
	return all
}
