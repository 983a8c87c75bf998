package state

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Growth is by how many bytes a write makes the data larger, or smaller if it is negative,
// and whether it deletes what is there, after everything that has been prepared and unless
// it is refused. Ephemeral znodes, which end with their session, count for nothing when
// they are made, and neither does what cannot be read.
func (s *State) Growth(op wire.OpCode, rd wire.Reader) (bytes int, deletes bool) {
	var o multiOp
	if op == wire.OpMulti {
		for o.decode(&rd) && !o.done {
			n, d := s.growth(&o)
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
	}
	if rd.Err() != nil {
		return 0, false
	}
	return s.growth(&o)
}

// growth is Growth of one operation.
func (s *State) growth(o *multiOp) (bytes int, deletes bool) {
	var at place
	switch o.op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		mode := core.CreateMode(o.create.Flags)
		if mode.IsEphemeral() {
			return 0, false
		}
		if !mode.IsSequential() {
			if s.look(&at, wire.View(o.create.Path)); at.exists {
				return 0, false // it fails
			}
		}
		return len(o.create.Path) + len(o.create.Data), false
	case wire.OpDelete:
		s.look(&at, wire.View(o.path.Path))
		return -at.bytes, at.exists
	case wire.OpSetData:
		if s.look(&at, wire.View(o.set.Path)); at.exists {
			return len(o.set.Data) - at.bytes, false
		}
	}
	return 0, false
}
