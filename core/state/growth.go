package state

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Growth is by how many bytes a write makes the data larger, or smaller if it is negative,
// and whether it deletes what is there, after everything that has been prepared and unless
// it is refused. Of each ephemeral znode, which ends with its session, only what is beyond
// ephemeralFree bytes counts when it is made; what cannot be read counts for nothing.
func (s *State) Growth(op wire.OpCode, rd wire.Reader, ephemeralFree int) (bytes int, deletes bool) {
	var o multiOp
	if op == wire.OpMulti {
		for o.decode(&rd) && !o.done {
			n, d := s.growth(&o, ephemeralFree, true)
			bytes, deletes = bytes+n, deletes || d
		}
		return bytes, deletes
	}
	switch o.op = op; op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		o.create.Read(&rd, op)
	case wire.OpDelete:
		o.path = wire.DecodePathVersion(&rd)
	case wire.OpSetData:
		o.set = wire.DecodeSetData(&rd)
	case wire.OpSetACL:
		bytes = bytesOf(wire.DecodeSetACL(&rd).ACL)
	}
	if rd.Err() != nil {
		return 0, false
	}
	if op == wire.OpSetACL {
		return bytes, false
	}
	return s.growth(&o, ephemeralFree, false)
}

func bytesOf(acl []wire.RawACL) (n int) {
	for i := range acl {
		n += len(acl[i].Scheme) + len(acl[i].ID)
	}
	return n
}

// growth is Growth of one operation; together says that it is one of a multi, of which
// those before it may have made its znode, or removed it.
func (s *State) growth(o *multiOp, ephemeralFree int, together bool) (bytes int, deletes bool) {
	var at place
	switch o.op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		mode := core.CreateMode(o.create.Flags)
		bytes = len(o.create.Path) + len(o.create.Data) + bytesOf(o.create.ACL)
		if mode.IsEphemeral() {
			bytes = max(0, bytes-ephemeralFree)
		}
		if !mode.IsSequential() && !together {
			if s.look(&at, wire.View(o.create.Path)); at.exists {
				return 0, false // it fails
			}
		}
		return bytes, false
	case wire.OpDelete:
		s.look(&at, wire.View(o.path.Path))
		return -at.bytes, at.exists
	case wire.OpSetData:
		if s.look(&at, wire.View(o.set.Path)); at.exists {
			return len(o.set.Data) - at.bytes, false
		} else if together {
			return len(o.set.Data), false
		}
	}
	return 0, false
}
