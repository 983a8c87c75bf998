package nacosapi

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
)

// Deps is what an API stands on.
type Deps struct {
	Center *center.Center
	// User is the name of the user that a request's context carries, "" for none.
	// Nil: there are no users.
	User func(context.Context) string
	Log  hclog.Logger // nil: none
}

// API serves the config center to Nacos clients.
type API struct {
	center *center.Center
	user   func(context.Context) string
	log    hclog.Logger
	tasks  sync.WaitGroup // pushes

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
	a := &API{center: deps.Center, user: deps.User, log: deps.Log}
	if a.user == nil {
		a.user = func(context.Context) string { return "" }
	}
	if a.log == nil {
		a.log = hclog.NewNullLogger()
	}
	a.mu.subscribers = make(map[*rpc.Conn]*subscriber)
	return a, nil
}

// Wait returns when no push is under way any more. Call it when the server whose
// connections they went to has stopped.
func (a *API) Wait() { a.tasks.Wait() }

// readPatience is how long a read waits while the server starts: less than the
// three seconds after which clients give up.
const readPatience = 2500 * time.Millisecond

func (a *API) get(ctx context.Context, k configcenter.Key) (*configcenter.Item, error) {
	if err := k.Validate(); err != nil {
		return nil, refusal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	it, err := a.center.Get(ctx, k)
	return it, readRefusal(err)
}
