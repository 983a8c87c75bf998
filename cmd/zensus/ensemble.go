package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"time"

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

	tls  peer.TLS // of the links
	open bool     // whoever reaches the port can prove what members prove
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

// told is what `serve --check` says of the ensemble, as lines of "key: value": who the
// members are, what this one is to them, and what holds in place of the configuration. The
// error is why this server cannot be started on its data directory.
func (p *plan) told() ([]string, error) {
	if p.backend != nil {
		return nil, nil // what is in the directory does not count
	}
	was, isNew, err := p.directory()
	e := p.ensemble
	switch {
	case errors.Is(err, fs.ErrPermission): // who checks need not be who starts
	case err != nil:
		return nil, err
	}
	if e == nil {
		return nil, nil
	}
	voters := e.voters
	var lines []string
	switch {
	case isNew && p.beginsAlone() && e.open:
		lines = append(lines, "data directory: new, it begins alone")
	case isNew && p.beginsAlone():
		lines = append(lines, fmt.Sprintf("data directory: new, it begins alone, unless one of an ensemble claims it within %v", listenTime))
	case isNew:
		lines = append(lines, "data directory: new, it waits for all voters, or for who has data")
	case was != nil && was.version > 0:
		voters = was.voters
		lines = append(lines, fmt.Sprintf("data directory: of server %d, voters %v; its members, of version %x, hold and not those below", was.self, was.voters, uint64(was.version)))
	case was != nil:
		lines = append(lines, fmt.Sprintf("data directory: of server %d, voters %v", was.self, was.voters))
	}
	for i := range e.servers {
		s := &e.servers[i]
		var addrs []string
		for _, a := range s.Addresses {
			addrs = append(addrs, net.JoinHostPort(a.Host, strconv.Itoa(a.QuorumPort)))
		}
		line := fmt.Sprintf("members.%d: %s, %s", s.ID, strings.Join(addrs, " or "), s.Role)
		if s.ID == p.id {
			line += ", this server"
		}
		lines = append(lines, line)
	}
	tick := time.Duration(p.replica.TickMillis) * time.Millisecond
	ticks := func(n int) string { return fmt.Sprintf("%d ticks, %v", n, time.Duration(n)*tick) }
	return append(lines,
		fmt.Sprintf("quorum: %d of %d voters", len(voters)/2+1, len(voters)),
		"listen.peer: "+e.listen+", elections too",
		"links between members: "+toldOfLinks(&e.tls),
		"initLimit: "+ticks(p.client.About.InitTicks),
		"syncLimit: "+ticks(p.client.About.SyncTicks),
	), nil
}

// directory is what the data directory notes of the members, nil if it does not, and
// whether it is a new one; the error is why this server cannot be started on it, or that it
// may not be read.
func (p *plan) directory() (was *membership, isNew bool, err error) {
	if err := p.checkClaim(); err != nil {
		return nil, false, err
	}
	if isNew, err = p.newDirectory(); err != nil || isNew {
		return nil, isNew, err
	}
	if was, err = p.noted(); err != nil {
		return nil, false, err
	}
	if was != nil && was.version > 0 && p.ensemble == nil {
		return nil, false, p.namesNone()
	}
	return was, false, p.checkMembers(false)
}

func toldOfLinks(tls *peer.TLS) string {
	text := map[peer.TLSMode]string{
		peer.TLSOff: "plain text", peer.TLSAccept: "plain text, TLS is taken too", peer.TLSPrefer: "TLS, plain text is taken too", peer.TLSRequire: "TLS",
	}[tls.Mode]
	if tls.Mode == peer.TLSOff {
		return text
	}
	text += "; who dials " + map[peer.ClientAuth]string{
		peer.ClientAuthNeed: "must show", peer.ClientAuthWant: "may show", peer.ClientAuthNone: "is not asked for",
	}[tls.ClientAuth] + " a certificate"
	if tls.AnyAcceptor || tls.AnyDialer {
		text += "; not every certificate is compared with the member's host"
	}
	return text
}

// peer is where this server listens for the others; empty for a single server.
func (p *plan) peer() string {
	if p.ensemble == nil {
		return ""
	}
	return p.ensemble.listen
}
