// Package nacosapi is service discovery as Nacos clients know it: HTTP v1, v2 and
// v3 (Routes), gRPC (RegisterRPC).
//
// It translates and nothing else: a request becomes one call of naming.Service,
// whose answer is written in the form that this protocol, this version and this
// client expect; errors are translated in one table (errors.go).
//
// A gRPC connection is a client of the registry for as long as it lives. How it
// ends decides what becomes of its instances: a FIN or RST from the client ends
// them at once; silence, a request of ours to leave, or our own shutdown leave
// them to the timeout of the client's session, because the client is expected to
// come back, here or elsewhere.
package nacosapi

import (
	"context"
	"errors"
	"sync"

	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/fuzzypush"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/naming"
)

// API serves the registry to Nacos clients.
type API struct {
	svc   *naming.Service
	guard *rest.Guard
	fuzzy *fuzzypush.Hub[*rpc.Conn]
	nodes *cluster.Cluster // nil for a server alone

	mu struct {
		sync.Mutex
		conns map[string]*connection // by id, those that are open
	}
}

// connection is what is kept of an open gRPC connection.
type connection struct {
	conn       *rpc.Conn
	closed     chan struct{} // closed after reason was set
	reason     rpc.Reason
	subscriber *subscriber // nil before it subscribes; guarded by the API's mu
}

// New makes an API. Mount it with Routes and RegisterRPC.
func New(deps Deps) (*API, error) {
	if deps.Service == nil {
		return nil, errors.New("registry/nacosapi: no service")
	}
	a := &API{svc: deps.Service, guard: deps.Guard, nodes: deps.Cluster}
	if a.guard == nil {
		a.guard = rest.NewGuard(nil)
	}
	a.fuzzy = newFuzzy(a.svc, deps.Log)
	a.mu.conns = make(map[string]*connection)
	if a.nodes != nil {
		cluster.Handle(a.nodes, callSubscribers, func(ctx context.Context, _ string, in *registry.ServiceKey) (*subscribersFound, error) {
			return a.subscribersHere(ctx, in), nil
		})
	}
	return a, nil
}

// Wait returns when nothing is pushed any more to those who watch patterns of services.
// Call it when the server whose connections they have has stopped.
func (a *API) Wait() { a.fuzzy.Wait() }
