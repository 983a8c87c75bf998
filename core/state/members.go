package state

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/member"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/wire"
)

// Members is who belongs to the ensemble by the last reconfiguration that was applied;
// nil if there was none: then the configuration files say it.
func (s *State) Members() *member.Members {
	ref := s.tree.Find(tree.ConfigPath)
	data := s.tree.Data(ref)
	if len(data) == 0 {
		return nil
	}
	m, err := member.Parse(string(data))
	if err != nil || m.Version != s.tree.Stat(ref).Mzxid {
		return nil // a super user has written it before the first reconfiguration
	}
	return m
}

// MembersOf is who belongs to the ensemble by the transaction of a reconfiguration.
func MembersOf(payload []byte) (*member.Members, error) {
	r := wire.NewReader(payload)
	h := wire.DecodeTxnHeader(&r)
	t := wire.DecodeSetDataTxn(&r)
	if h.Op != wire.OpReconfig || r.Err() != nil {
		return nil, core.MarshallingError
	}
	return member.Parse(string(t.Data))
}

// Reconfigured is what the request of a reconfiguration would make of the ensemble at
// zxid z. The code is why it would not (zab 14.2); whether the members are there to
// take over is the owner's to say (Request.Veto).
func (s *State) Reconfigured(req *Request, z core.Zxid) (*member.Members, core.Code) {
	r := wire.NewReader(req.Body)
	q := wire.DecodeReconfig(&r)
	switch {
	case r.Err() != nil:
		return nil, core.MarshallingError
	case !s.cfg.ReconfigEnabled:
		return nil, core.ReconfigDisabled
	}
	was := s.Members()
	if was == nil {
		if s.cfg.Ensemble == "" {
			return nil, core.Unimplemented // this server has no ensemble to change
		}
		var err error
		if was, err = member.Parse(s.cfg.Ensemble); err != nil {
			return nil, core.SystemError
		}
	}
	if q.CurConfigID != -1 && q.CurConfigID != int64(was.Version) {
		return nil, core.BadVersion
	}
	change, err := member.ParseChange(string(q.Joining), string(q.Leaving), string(q.NewMembers))
	if err != nil {
		return nil, core.BadArguments
	}
	next, err := was.Apply(change, z)
	if err != nil {
		return nil, core.BadArguments
	}
	return next, core.OK
}

func (p *preparation) reconfig() prepared {
	next, code := p.s.Reconfigured(p.req, p.z)
	if code == core.OK {
		code = p.req.Veto
	}
	if code != core.OK {
		return refuse(code)
	}
	if !p.sessionOpen() {
		return refuse(core.SessionExpired)
	}
	var n place
	p.s.look(&n, tree.ConfigPath)
	if !p.allowed(n.acl, core.PermWrite) {
		return refuse(core.NoAuth)
	}
	text := next.String()
	changed := p.touch(tree.ConfigPath, &n)
	changed.version, changed.bytes = configVersion, len(text)
	p.buf = wire.AppendInt(wire.AppendBuffer(wire.AppendString(p.buf, tree.ConfigPath), []byte(text)), configVersion)
	return prepared{op: wire.OpReconfig}
}

// configVersion is the version of /zookeeper/config after a reconfiguration: the text
// has one of its own (seen on 3.8.0).
const configVersion = -1
