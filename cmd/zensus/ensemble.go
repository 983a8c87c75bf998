package main

import (
	"cmp"
	"net"
	"strconv"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/apache"
	"github.com/zensus-io/zensus/core/peer"
	"github.com/zensus-io/zensus/core/zab"
	"github.com/zensus-io/zensus/internal/settings"
)

// ensemble is what a plan says of the servers that it is one of.
type ensemble struct {
	servers []apache.Server
	voters  []core.PeerID
	others  map[core.PeerID][]string // where they listen for one another
	listen  string                   // and this one

	initTicks, syncTicks int64 // 0 are the defaults

	tls peer.TLS // of the links
}

// ensembleOf is what server self has to know of the servers.
func ensembleOf(self core.PeerID, servers []apache.Server, listen string) *ensemble {
	e := &ensemble{servers: servers, listen: listen, others: othersOf(self, servers)}
	for _, s := range servers {
		if s.Role == apache.Participant {
			e.voters = append(e.voters, s.ID)
		}
	}
	return e
}

// serversOf writes the members of a zensus.yaml as server lines do. Elections have
// no port of their own.
func serversOf(members []settings.Member) []apache.Server {
	var list []apache.Server
	for _, m := range members {
		host, text, _ := net.SplitHostPort(m.Address)
		port, _ := strconv.Atoi(text) // it has been parsed
		role := apache.Participant
		if m.Observer {
			role = apache.Observer
		}
		list = append(list, apache.Server{
			ID: core.PeerID(m.ID), Role: role, Addresses: []apache.PeerAddress{{Host: host, QuorumPort: port, ElectionPort: port}},
		})
	}
	return list
}

// join makes the planned server one of an ensemble.
func (p *plan) join(e *ensemble) {
	p.ensemble = e
	p.replica.State.Ensemble = apache.FormatDynamic(e.servers, 0)
	p.client.About.Servers, p.client.About.Reconfigurable = e.servers, p.replica.State.ReconfigEnabled
	p.client.About.InitTicks = int(cmp.Or(e.initTicks, zab.InitTicksDefault))
	p.client.About.SyncTicks = int(cmp.Or(e.syncTicks, zab.SyncTicksDefault))
}

// peer is where this server listens for the others; empty for a single server.
func (p *plan) peer() string {
	if p.ensemble == nil {
		return ""
	}
	return p.ensemble.listen
}
