package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/settings"
	"github.com/zensus-io/zensus/internal/telemetry"
)

// newCluster makes this server known to the other ones on the same data. A single
// server with an engine of its own has none.
func (in *instance) newCluster(side *nacosSide, secret settings.Secret) (*cluster.Cluster, error) {
	key, err := secret.Derive(settings.PurposeCalls)
	if err != nil {
		return nil, err
	}
	cfg := cluster.Config{
		Self: cluster.About{HTTP: in.dialed("listen.http"), GRPC: in.dialed("listen.grpc"), Version: Version},
		Key:  key, Role: in.role, Load: side.load, Logger: telemetry.Slog(in.log.Named("cluster")),
	}
	// Nodes on an ensemble elsewhere may all have the same number.
	cfg.Self.ID = fmt.Sprintf("%d@%s", in.plan.id, cmp.Or(cfg.Self.HTTP, cfg.Self.GRPC))
	if in.plan.ensemble != nil { // where no two have the same
		number := fmt.Sprintf("%d@", in.plan.id)
		cfg.Former = func(id string) bool { return id != cfg.Self.ID && strings.HasPrefix(id, number) }
	}
	if !in.alone() {
		cfg.Client = side.client
	}
	return cluster.New(cfg)
}

// alone reports whether nobody else works on the data.
func (in *instance) alone() bool { return in.plan.ensemble == nil && in.pool == nil }

// role is what this server is in its ensemble; blank where that is elsewhere.
func (in *instance) role() string {
	if in.node == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), roleTime)
	defer cancel()
	role := ""
	_ = in.node.Do(ctx, func(r *replica.Replica) { role = r.Role().String() }) // or it is not known
	return role
}

// roleTime is how long the engine may take to say what this server is.
const roleTime = 100 * time.Millisecond

// load is how much the Nacos side has to do.
func (side *nacosSide) load() cluster.Load {
	l := cluster.Load{CPU: side.machine.Usage().System, Average: side.machine.LoadAverage()}
	l.Connections, l.SDK = side.rpc.Load()
	return l
}

// dialed is the address at which clients reach the port of a setting, blank if it is
// closed.
func (in *instance) dialed(key string) string {
	for _, p := range in.ports {
		a, ok := p.addr.(*net.TCPAddr)
		if !ok || p.key != key {
			continue
		}
		return net.JoinHostPort(cmp.Or(in.plan.address, reachable(a.IP).String()), strconv.Itoa(a.Port))
	}
	return ""
}

// portOf is the port that was opened for a setting, 0 if none was.
func (in *instance) portOf(key string) int {
	for _, p := range in.ports {
		if a, ok := p.addr.(*net.TCPAddr); ok && p.key == key {
			return a.Port
		}
	}
	return 0
}

// reachable is an address under which others find a port that is open on ip: ip
// itself, or the first of the machine's own where ip stands for all of them.
func reachable(ip net.IP) net.IP {
	if !ip.IsUnspecified() {
		return ip
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return net.IPv4(127, 0, 0, 1)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP
		}
	}
	return net.IPv4(127, 0, 0, 1)
}
