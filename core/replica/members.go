package replica

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/member"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// MembersOf reads the transaction of a reconfiguration.
func MembersOf(payload []byte) (zab.Members, error) {
	m, err := state.MembersOf(payload)
	if err != nil {
		return zab.Members{}, err
	}
	return membersForZab(m), nil
}

// StateMembers are those that a state says to be the members, nil if no
// reconfiguration has been applied to it.
func StateMembers(s *state.State) *zab.Members {
	m := s.Members()
	if m == nil {
		return nil
	}
	z := membersForZab(m)
	return &z
}

func membersForZab(m *member.Members) zab.Members {
	return zab.Members{Version: m.Version, Voters: m.Voters(), Observers: m.Observers(), Text: m.String()}
}

// Members are the members of the ensemble as far as a reconfiguration that is known to
// be committed has named them. Version 0: nobody has; they are those of the
// configuration.
func (r *Replica) Members() zab.Members { return r.zab.Members() }

// Reconfiguring reports whether a reconfiguration is under way.
func (r *Replica) Reconfiguring() bool { return r.zab.Reconfiguring() }

// Unreached are the voters, and those of them that are not linked with this server, by
// id.
func (r *Replica) Unreached() (voters, unreached []core.PeerID) {
	m, links := r.zab.Members(), r.zab.Links()
	for p := range m.Voters.All() {
		voters = append(voters, p)
		if p != r.cfg.Zab.Self && !links.Has(p) {
			unreached = append(unreached, p)
		}
	}
	return voters, unreached
}

// CanHandOver reports whether there is a voter in step that could lead.
func (r *Replica) CanHandOver() bool {
	for _, l := range r.zab.Learners() {
		if l.Counts && l.UpToDate {
			return true
		}
	}
	return false
}

// prepare makes the transaction of a write and says whether it is a reconfiguration.
func (r *Replica) prepare(req *state.Request, z core.Zxid) (payload []byte, reconfigures bool) {
	if req.Op == wire.OpReconfig {
		req.Veto = r.veto(req, z)
	}
	payload = r.state.Prepare(req, z, r.now.Wall)
	if req.Op == wire.OpReconfig {
		rd := wire.NewReader(payload)
		reconfigures = wire.DecodeTxnHeader(&rd).Op == wire.OpReconfig
	}
	return payload, reconfigures
}

// veto is why a reconfiguration cannot be made now (zab 14.2).
func (r *Replica) veto(req *state.Request, z core.Zxid) core.Code {
	next, code := r.state.Reconfigured(req, z)
	switch {
	case code != core.OK:
		return core.OK // it is refused for that
	case r.zab.Reconfiguring() || r.membersAhead(): // the change would be one of older members
		return core.ReconfigInProgress
	case !r.zab.InStep(next.Voters()):
		return core.NewConfigNoQuorum
	}
	return core.OK
}

// membersAhead reports whether the state is behind the members that are committed.
func (r *Replica) membersAhead() bool { return r.zab.Members().Version > r.state.Applied() }

// newMembers tells the shell of other members.
func (r *Replica) newMembers(m *zab.Members) {
	r.out.Members = m
	if !m.Has(r.cfg.Zab.Self) {
		r.note(NoteRemoved, "", m.Version)
	}
}
