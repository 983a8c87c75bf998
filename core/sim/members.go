package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/acl"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/sim/model"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// Worlds whose members change (Options.Changing): a client that is super user makes
// servers voters, observers and none of it, under all other faults. Who must have what
// is then told by the log.

// superUser is whom the operator shows itself to be.
const superUser = "super:user"

// changeable makes the servers of a world such that their members may change.
func (s *server) changeable() {
	if !s.w.opt.Changing {
		return
	}
	var text strings.Builder
	for i := range s.w.opt.Voters + s.w.opt.Observers {
		fmt.Fprintln(&text, serverLine(core.PeerID(i+1), i < s.w.opt.Voters))
	}
	s.cfg.Zab.Several = true
	s.cfg.State.ReconfigEnabled, s.cfg.State.Ensemble = true, text.String()+"version=0"
	s.model.Ensemble = s.cfg.State.Ensemble
	s.cfg.State.Auth = acl.NewAuthenticator()
	s.cfg.State.Auth.SuperDigest = acl.Digest([]byte(superUser))
}

func serverLine(id core.PeerID, votes bool) string {
	role := "observer"
	if votes {
		role = "participant"
	}
	return fmt.Sprintf("server.%d=h%d:1:2:%s", id, id, role)
}

// recoverMembers is what a server finds on its disk of the members, as core/node does.
func (s *server) recoverMembers(d *zab.Durable, rec *storage.Recovered) error {
	d.CommitHint = rec.CommitHint
	if s.restored.State != nil {
		d.Members = replica.StateMembers(s.restored.State)
	}
	for i := range rec.Configs {
		m, err := replica.MembersOf(rec.Configs[i].Payload)
		if err != nil {
			return err
		}
		d.Configs = append(d.Configs, m)
	}
	return nil
}

// operate is the workload of the operator.
func operate(c *client) {
	id := core.PeerID(c.w.work.IntN(len(c.w.servers)) + 1)
	q := wire.Reconfig{CurConfigID: -1}
	if oneIn(c.w.work, 8) {
		q.CurConfigID = 7
	}
	switch c.w.work.IntN(5) {
	case 0, 1:
		q.Joining = []byte(serverLine(id, true))
	case 2:
		q.Joining = []byte(serverLine(id, false))
	case 3:
		q.Leaving = fmt.Append(nil, id)
	case 4: // one in the place of another
		q.Leaving = fmt.Append(nil, id)
		q.Joining = []byte(serverLine(core.PeerID(c.w.work.IntN(len(c.w.servers))+1), true))
	}
	c.do(wire.OpReconfig, "", false, q.Append(nil), nil)
}

// reconfigFate checks what became of a reconfiguration: it may be refused for what the
// model knows nothing of, but what it has made must be what was asked for.
func reconfigFate(q *request, out *model.Outcome) error {
	if out.Code != core.OK {
		switch out.Code {
		case core.NewConfigNoQuorum, core.ReconfigInProgress, core.BadVersion, core.BadArguments, core.NoAuth, core.SessionExpired:
			return nil
		}
		return fmt.Errorf("became %d", int32(out.Code))
	}
	r := wire.NewReader(q.body)
	asked := wire.DecodeReconfig(&r)
	lines := strings.Split(string(out.Changes[0].Data), "\n")
	if want := fmt.Sprintf("version=%x", uint64(out.Header.Zxid)); lines[len(lines)-1] != want {
		return fmt.Errorf("is of %q, expected %q", lines[len(lines)-1], want)
	}
	if join := string(asked.Joining); join != "" && !slices.Contains(lines, join) {
		return fmt.Errorf("lacks %q: %q", join, lines)
	}
	for _, line := range lines {
		left := asked.Leaving != nil && strings.HasPrefix(line, fmt.Sprintf("server.%s=", asked.Leaving))
		if left && line != string(asked.Joining) {
			return fmt.Errorf("still has %q", line)
		}
	}
	if asked.CurConfigID != -1 || !strings.Contains(string(out.Changes[0].Data), "participant") {
		return fmt.Errorf("was made of %+v", asked)
	}
	return nil
}

// votersAt is who must have a record at z for it to be committed: by the newest
// reconfiguration in front of it, as a server's log or what all agree on has it.
func (w *World) votersAt(s *server, z core.Zxid) quorum.Set {
	var voters quorum.Set
	for _, o := range w.servers {
		if !o.observer {
			voters.Add(o.id)
		}
	}
	if !w.opt.Changing {
		return voters
	}
	newest := core.Zxid(0)
	for _, log := range [][]wire.Record{w.oracle.agreed, s.log} {
		for i := range log {
			if r := &log[i]; r.Kind == wire.RecordConfig && r.Zxid > newest && r.Zxid <= z {
				if m, err := replica.MembersOf(r.Payload); err == nil {
					voters, newest = m.Voters, r.Zxid
				}
			}
		}
	}
	return voters
}

// changed notes a reconfiguration that is applied for the first time. Who had the vote
// before must have it too, with a quorum of their own (zab 14.3).
func (o *oracle) changed(s *server, rec *wire.Record) {
	if rec.Kind != wire.RecordConfig {
		return
	}
	o.w.cover.hit("reconfiguration committed")
	was, now := o.w.votersAt(s, rec.Zxid-1), o.w.votersAt(s, rec.Zxid)
	if leader := o.w.leader(); leader != nil && was.Has(leader.id) && !now.Has(leader.id) {
		o.w.cover.hit("leader reconfigured away")
	}
	have := 0
	for _, other := range o.w.servers {
		if was.Has(other.id) && other.holds(rec) {
			have++
		}
	}
	if 2*have <= was.Len() {
		o.w.fail("server %d applies %v, which %d of those who voted before it, %v, have on their disks (zab 14.3)", s.id, rec.Zxid, have, slices.Collect(was.All()))
	}
}

// leader is a server that leads and serves; nil if there is none.
func (w *World) leader() *server {
	for _, s := range w.servers {
		if s.up && s.leads() {
			return s
		}
	}
	return nil
}

// askOperator has an operator who is at a server change the members just now.
func (w *World) askOperator(s *server) {
	for _, c := range w.clients {
		if c.kind == "operator" && c.ready() && c.link.s == s && !w.quiet {
			operate(c)
		}
	}
}

// quorumHas reports whether a quorum has a record on its disks, synced, and says who.
func (w *World) quorumHas(s *server, rec *wire.Record) (voters, have quorum.Set, ok bool) {
	voters = w.votersAt(s, rec.Zxid)
	for _, o := range w.servers {
		if voters.Has(o.id) && o.holds(rec) {
			have.Add(o.id)
		}
	}
	return voters, have, 2*have.Len() > voters.Len()
}

// isSuper reports whether an auth packet shows the super user.
func isSuper(auth []byte) bool { return bytes.Equal(auth, []byte(superUser)) }
