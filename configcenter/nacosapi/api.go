package nacosapi

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/fuzzypush"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/names"
	"github.com/zensus-io/zensus/internal/patience"
)

// Deps is what an API stands on.
type Deps struct {
	Center *center.Center
	// Namespaces reports whether there is a namespace beside the public one. Nil is
	// always: any may be written to. An error refuses what would be brought into it.
	Namespaces func(ctx context.Context, id string) (bool, error)
	// Cluster is the servers that have clients too; nil is none but this one.
	Cluster *cluster.Cluster
	// Guard stands before the HTTP routes; nil lets everybody pass.
	Guard *rest.Guard
	Log   hclog.Logger // nil: none
}

// API serves the config center to Nacos clients.
type API struct {
	center     *center.Center
	namespaces func(context.Context, string) (bool, error)
	cluster    *cluster.Cluster
	guard      *rest.Guard
	log        hclog.Logger
	rpc        *rpc.Server // nil until RegisterRPC
	fuzzy      *fuzzypush.Hub[*rpc.Conn]
	tasks      sync.WaitGroup         // pushes
	noticed    atomic.Pointer[notice] // the last
	pauses     pauses
	exchanges  chan struct{} // a place for each of those under way
	refusing   atomic.Bool   // long-polls
	pending    atomic.Int64  // pushes under way
	young      atomic.Int32  // answers that wait for their connections to come of age

	mu struct {
		sync.Mutex
		subscribers map[*rpc.Conn]*subscriber
	}
}

// New makes an API. Mount it with Routes and RegisterRPC.
func New(deps Deps) (*API, error) {
	if deps.Center == nil {
		return nil, errors.New("configcenter/nacosapi: no center")
	}
	a := &API{center: deps.Center, namespaces: deps.Namespaces, cluster: deps.Cluster, guard: deps.Guard, log: deps.Log, pauses: defaultPauses, exchanges: make(chan struct{}, exchangesMax)}
	if a.guard == nil {
		a.guard = rest.NewGuard(nil)
	}
	if a.log == nil {
		a.log = hclog.NewNullLogger()
	}
	if a.cluster != nil {
		a.answerOthers()
	}
	a.fuzzy = newFuzzy(a.center, a.log)
	a.mu.subscribers = make(map[*rpc.Conn]*subscriber)
	return a, nil
}

// Wait returns when no push is under way any more. Call it when the server whose
// connections they went to has stopped.
func (a *API) Wait() {
	a.tasks.Wait()
	a.fuzzy.Wait()
}

// Listening is how many connections listen to configs, and how many pushes to them are
// under way.
func (a *API) Listening() (conns, pending int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.mu.subscribers), int(a.pending.Load())
}

// RefusePolls has long-polls refused, those that are held too, or taken again: clients
// of 1.x go to another server when that happens, and compare what they have there.
func (a *API) RefusePolls(on bool) {
	a.refusing.Store(on)
	if on {
		a.center.Listeners().Wake()
	}
}

var errDraining = wire.Refuse(wire.Starting, "server is draining, please use another")

// readPatience is how long a read waits while the server starts: less than the
// three seconds after which clients give up.
const readPatience = 2500 * time.Millisecond

func (a *API) get(ctx context.Context, k configcenter.Key) (*configcenter.Item, error) {
	if err := k.Validate(); err != nil {
		return nil, refusal(err)
	}
	waiting := patience.For(ctx, readPatience)
	defer waiting.End()
	it, err := a.center.Get(waiting, k)
	return it, readRefusal(err)
}

// origin is who asks: the user who logged in, or failing that whom he says he is.
func origin(ctx context.Context, ip, claimed string) configcenter.Origin {
	user := auth.SubjectOf(ctx).Name
	if user == "" {
		user = claimed
	}
	return configcenter.Origin{IP: clip(ip), User: clip(user)}
}

// clip bounds what is only shown.
func clip(s string) string { return names.Clip(s, 128, "") }
