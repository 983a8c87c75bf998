package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/member"
	"github.com/zensus-io/zensus/core/peer"
	"github.com/zensus-io/zensus/core/zab"
)

// reconfigured follows the members of an ensemble through its reconfigurations: the
// links, what the monitoring commands tell, and what the data directory notes.
type reconfigured struct {
	in    *instance
	links *peer.Transport // nil before start
	news  chan *member.Members
	noted struct {
		sync.Mutex
		version core.Zxid
	}

	claims chan *claim // by which this server must not go on on its own
	doubts struct {    // claims by which it does
		sync.Mutex
		told time.Time
	}
}

func newReconfigured(in *instance) *reconfigured {
	return &reconfigured{in: in, news: make(chan *member.Members, 1), claims: make(chan *claim, 1)}
}

// tell takes what the node tells of other members. It does not block: what has not been
// looked at is replaced.
func (r *reconfigured) tell(z zab.Members) {
	m, err := member.Parse(z.Text)
	if err != nil {
		r.in.log.Error("cannot read the members of the ensemble", "err", err)
		return
	}
	for {
		select {
		case r.news <- m:
			return
		default:
		}
		select {
		case <-r.news:
		default:
		}
	}
}

// run carries out what was told until ctx ends.
func (r *reconfigured) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-r.news:
			r.adopt(m)
			if err := r.note(m); err != nil {
				return err
			}
		}
	}
}

// adopt makes the members those that this server is linked with.
func (r *reconfigured) adopt(m *member.Members) {
	if r.links != nil {
		r.links.SetPeers(othersOf(r.in.plan.id, m.Servers))
	}
	r.in.client.SetMembers(m)
	r.in.log.Info("members of the ensemble", "version", fmt.Sprintf("%x", uint64(m.Version)), "voters", fmt.Sprint(slices.Collect(m.Voters().All())),
		"observers", fmt.Sprint(slices.Collect(m.Observers().All())))
}

func (r *reconfigured) note(m *member.Members) error {
	voters := slices.Collect(m.Voters().All())
	return r.write(&membership{self: r.in.plan.id, voters: voters, version: m.Version})
}

// write notes who votes, unless later members have been noted.
func (r *reconfigured) write(m *membership) error {
	r.noted.Lock()
	defer r.noted.Unlock()
	if m.version < r.noted.version {
		return nil
	}
	r.noted.version = m.version
	return r.in.plan.noteMembers(m)
}

// recover takes over what the data directory says, if it says anything: it counts, and
// not the configuration. It returns why this server cannot be started with it.
func (r *reconfigured) recover() error {
	z := r.in.node.Members()
	if z.Version == 0 {
		return r.in.plan.checkMembers(false)
	}
	if err := r.in.plan.checkOwner(); err != nil {
		return err
	}
	m, err := member.Parse(z.Text)
	if err != nil {
		return fmt.Errorf("%s: the members of the ensemble: %w", r.in.plan.dataDir, err)
	}
	if r.in.plan.ensemble == nil {
		return r.in.plan.namesNone()
	}
	if _, ok := m.Server(r.in.plan.id); !ok {
		r.in.log.Warn("this server was removed from the ensemble: it serves nobody until it is added again", "server", int(r.in.plan.id))
	}
	if forOneAnother(m.Servers) != forOneAnother(r.in.plan.ensemble.servers) {
		r.in.plan.warnings = append(r.in.plan.warnings, "the members are not those of the configuration, which reconfigurations have changed: they are "+memberList(m))
	}
	r.in.plan.ensemble.others = othersOf(r.in.plan.id, m.Servers)
	r.in.client.SetMembers(m)
	return nil
}

// forOneAnother is what of servers matters to the others: neither where clients find them,
// nor a port for elections.
func forOneAnother(servers []member.Server) string {
	var list []member.Server
	for _, s := range servers {
		bare := member.Server{ID: s.ID, Role: s.Role, Addresses: slices.Clone(s.Addresses)}
		for i := range bare.Addresses {
			bare.Addresses[i].ElectionPort = bare.Addresses[i].QuorumPort
		}
		list = append(list, bare)
	}
	slices.SortFunc(list, func(a, b member.Server) int { return cmp.Compare(a.ID, b.ID) })
	return member.Format(list, 0)
}

// othersOf is where the members listen for one another, but for one of them.
func othersOf(self core.PeerID, servers []member.Server) map[core.PeerID][]string {
	others := make(map[core.PeerID][]string)
	for _, s := range servers {
		if s.ID == self {
			continue
		}
		for _, a := range s.Addresses {
			others[s.ID] = append(others[s.ID], net.JoinHostPort(a.Host, strconv.Itoa(a.QuorumPort)))
		}
	}
	return others
}
