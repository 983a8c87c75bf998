package nacosapi

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// What nodes ask one another for.
const (
	callMove  = "connections.move"
	callLeave = "connections.leave"
)

// moveOrder has a node send so many clients to other ones.
type moveOrder struct{ Targets []rpc.Target }

// leaveOrder has it send one client to an address, if it is there.
type leaveOrder struct{ ID, IP, Port string }

type done struct{ Count int }

// answerNodes takes the orders of other nodes.
func (a *API) answerNodes() {
	if a.cfg.Cluster == nil {
		return
	}
	cluster.Handle(a.cfg.Cluster, callMove, func(_ context.Context, _ string, in *moveOrder) (*done, error) {
		return &done{a.move(in.Targets)}, nil
	})
	cluster.Handle(a.cfg.Cluster, callLeave, func(_ context.Context, _ string, in *leaveOrder) (*done, error) {
		if a.leave(in) {
			return &done{1}, nil
		}
		return &done{}, nil
	})
}

func (a *API) move(targets []rpc.Target) int {
	if a.cfg.RPC == nil {
		return 0
	}
	return a.cfg.RPC.Move(targets...)
}

// leave reports whether the client is here.
func (a *API) leave(in *leaveOrder) bool {
	if a.cfg.RPC == nil {
		return false
	}
	c := a.cfg.RPC.Conn(in.ID)
	if c != nil {
		c.Leave(in.IP, in.Port)
	}
	return c != nil
}

// splitAddress is the host and port of an address, which may be a bare host or blank.
func splitAddress(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, ""
	}
	return host, port
}

type reloadForm struct {
	Redirect string `form:"redirectAddress"`
}

type reloadClientForm struct {
	reloadForm
	ConnectionID string `form:"connectionId" binding:"required" absent:"Required request parameter 'connectionId' for method parameter type String is not present"`
}

// reloadTime is how long other nodes have to send a client away.
const reloadTime = 5 * time.Second

// reloadClient sends one client elsewhere, whichever node it is connected to. That it
// is gone already is no error.
func (a *API) reloadClient(ctx context.Context, in reloadClientForm) error {
	host, port := splitAddress(in.Redirect)
	order := &leaveOrder{in.ConnectionID, host, port}
	if a.leave(order) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	var under sync.WaitGroup
	for _, n := range a.nodes() {
		if n.Live && !n.Self {
			under.Go(func() { _, _ = cluster.Call[leaveOrder, done](ctx, a.cfg.Cluster, n.ID, callLeave, order) }) // or it has gone with its node
		}
	}
	under.Wait()
	return nil
}

type reloadCurrentForm struct {
	reloadForm
	Count int `form:"count" binding:"required" absent:"Required request parameter 'count' for method parameter type Integer is not present"`
}

// reloadCurrent keeps count connections and sends the others elsewhere.
func (a *API) reloadCurrent(_ context.Context, in reloadCurrentForm) error {
	if in.Count < 0 {
		return wire.Refuse(wire.ParameterInvalid, "count is below 0")
	}
	if a.cfg.RPC != nil {
		host, port := splitAddress(in.Redirect)
		a.cfg.RPC.Shed(in.Count, host, port)
	}
	return nil
}

type smartForm struct {
	Factor string `form:"loaderFactor"`
}

// factor is how far from the average a node may be, as a share of it.
func (in *smartForm) factor() (float64, error) {
	if in.Factor == "" {
		return 0.1, nil
	}
	f, err := strconv.ParseFloat(strings.TrimRight(in.Factor, "fF"), 64) // Java's 0.1f
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, wire.Refuse(wire.ParameterInvalid, "loaderFactor is not from 0 to 1")
	}
	return f, nil
}

var errNotAll = errors.New("not all nodes have answered")

// smartReload evens out the clients of all nodes. It returns errNotAll if one could not
// be told to do its part.
func (a *API) smartReload(ctx context.Context, in *smartForm) error {
	factor, err := in.factor()
	if err != nil {
		return err
	}
	ping, cancel := context.WithTimeout(ctx, heardWithin)
	defer cancel()
	asked := time.Now()
	a.cfg.Cluster.Ping(ping)
	var have []burden
	var failed error
	for _, n := range a.nodes() {
		switch {
		case !n.Live || n.Draining: // one that drains sends all away itself
		case !n.Self && n.Heard.Before(asked):
			failed = errNotAll
		default:
			have = append(have, burden{n.ID, n.HTTP, n.Load.SDK})
		}
	}
	for node, targets := range balance(have, factor) {
		if node == a.cfg.Cluster.ID() {
			a.move(targets)
			continue
		}
		if _, err := cluster.Call[moveOrder, done](ctx, a.cfg.Cluster, node, callMove, &moveOrder{targets}); err != nil {
			failed = errNotAll
		}
	}
	return failed
}

func (a *API) smartReloadV2(ctx context.Context, in smartForm) (string, error) {
	err := a.smartReload(ctx, &in)
	if errors.Is(err, errNotAll) {
		return "Fail", nil
	}
	return "Ok", err
}

func (a *API) smartReloadV3(ctx context.Context, in smartForm) (any, error) {
	err := a.smartReload(ctx, &in)
	if errors.Is(err, errNotAll) {
		return rest.Result{Code: wire.ServerError.Code(), Message: wire.ServerError.Summary(), Data: "Smart reload failed, please try again later."}, nil
	}
	return nil, err
}
