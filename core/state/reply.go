package state

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// AppendReply appends the body of the reply to the request op whose transaction
// came to res, and returns the code of its header. A multi that failed has the
// code OK and says in its body what failed.
func AppendReply(dst []byte, op wire.OpCode, res *Result) ([]byte, core.Code) {
	if res.Op == wire.OpError {
		return dst, res.Err
	}
	switch op {
	case wire.OpCreate:
		return wire.AppendString(dst, res.Path), core.OK
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		return wire.AppendStat(wire.AppendString(dst, res.Path), &res.Stat), core.OK
	case wire.OpSetData, wire.OpSetACL:
		return wire.AppendStat(dst, &res.Stat), core.OK
	case wire.OpReconfig: // answered as a getData
		return wire.AppendStat(wire.AppendBuffer(dst, res.Effects[0].Data), &res.Stat), core.OK
	case wire.OpMulti:
		for i := range res.Multi {
			dst = appendMultiResult(dst, &res.Multi[i])
		}
		return wire.AppendMultiEnd(dst), core.OK
	}
	return dst, core.OK
}

func appendMultiResult(dst []byte, o *OpOutcome) []byte {
	switch o.Op {
	case wire.OpError:
		dst = wire.AppendMultiHeader(dst, wire.OpError, false, int32(o.Err))
		return wire.AppendInt(dst, int32(o.Err))
	case wire.OpCreate:
		dst = wire.AppendMultiHeader(dst, wire.OpCreate, false, 0)
		return wire.AppendString(dst, o.Path)
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		dst = wire.AppendMultiHeader(dst, wire.OpCreate2, false, 0)
		return wire.AppendStat(wire.AppendString(dst, o.Path), &o.Stat)
	case wire.OpSetData:
		dst = wire.AppendMultiHeader(dst, wire.OpSetData, false, 0)
		return wire.AppendStat(dst, &o.Stat)
	}
	return wire.AppendMultiHeader(dst, o.Op, false, 0)
}
