package state

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// txnBytesMax bounds a transaction below what the log takes as one record. Only a
// multi can come near it, whose access lists grow when auth entries are expanded.
const txnBytesMax = 12 << 20

// RequestBytesMax is the longest request that Prepare takes: above it a
// transaction might not fit into a record.
const RequestBytesMax = 8 << 20

// multiOp is one operation of a multi, decoded and brought to the kind that its
// flags ask for.
type multiOp struct {
	op     wire.OpCode // of the transaction: what to prepare
	create wire.Create
	path   wire.PathVersion
	set    wire.SetData
	done   bool // the end: there is no operation
	// malformed: the multi as a whole is, if it comes to this operation.
	malformed bool
}

// countMulti reads all operations of a multi and counts them. Anything but a
// complete list of writes is malformed as a whole (zookeeper-protocol 2.5).
func countMulti(r wire.Reader) (count int, ok bool) {
	var op multiOp
	for op.decode(&r) {
		if op.done {
			return count, true
		}
		count++
	}
	return 0, false
}

// decode reads the next operation of a multi, or its end. It reports whether that
// was what may stand there.
func (o *multiOp) decode(r *wire.Reader) bool {
	h := wire.DecodeMultiHeader(r)
	if h.Done || r.Err() != nil {
		o.done = true
		return r.Err() == nil
	}
	switch h.Op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		o.create.Read(r, h.Op)
		mode := core.CreateMode(o.create.Flags)
		if o.create.Path == nil || !mode.Valid() {
			return false
		}
		o.op = multiCreateOp(h.Op, mode)
		o.malformed = o.op == wire.OpCreateTTL && h.Op != wire.OpCreateTTL
	case wire.OpDelete, wire.OpCheck:
		o.op, o.path = h.Op, wire.DecodePathVersion(r)
		if o.path.Path == nil {
			return false
		}
	case wire.OpSetData:
		o.op, o.set = h.Op, wire.DecodeSetData(r)
		if o.set.Path == nil {
			return false
		}
	default:
		return false
	}
	return r.Err() == nil
}

// multiCreateOp is the kind of creation that an operation of a multi stands for:
// there the flags decide, not the operation.
func multiCreateOp(op wire.OpCode, mode core.CreateMode) wire.OpCode {
	switch {
	case mode.IsTTL():
		return wire.OpCreateTTL
	case mode == core.Container:
		return wire.OpCreateContainer
	case op == wire.OpCreate2:
		return wire.OpCreate2
	}
	return wire.OpCreate
}

// transaction prepares a multi: all of it or nothing. Each operation sees the
// effects of those before it.
func (p *preparation) transaction(r *wire.Reader) prepared {
	count, ok := countMulti(*r)
	if !ok {
		return refuse(core.MarshallingError)
	}
	if !p.sessionOpen() {
		return refuse(core.SessionExpired)
	}
	p.multi = true
	queueLen := len(p.s.pending.queue)
	wish := p.s.wishMark(p.req.Session)
	start := len(p.buf)
	p.buf = wire.AppendInt(p.buf, int32(count))
	for i := range count {
		var op multiOp
		op.decode(r)
		var mark int
		p.buf, mark = wire.AppendSubTxnStart(p.buf, op.op)
		done := refuse(core.MarshallingError)
		if !op.malformed {
			done = p.one(&op)
		}
		if len(p.buf) > txnBytesMax {
			done = refuse(core.BadArguments)
		}
		if done.err != core.OK {
			p.s.rollback(queueLen)
			p.s.rollbackWish(p.req.Session, wish)
			if op.malformed {
				return done
			}
			p.buf = appendFailedMulti(p.buf[:start], count, i, done.err)
			return prepared{op: wire.OpMulti}
		}
		wire.EndSubTxn(p.buf, mark)
	}
	p.s.pending.undo = emptied(p.s.pending.undo)
	return prepared{op: wire.OpMulti}
}

func (p *preparation) one(op *multiOp) prepared {
	switch op.op {
	case wire.OpDelete:
		return p.delete(op.path)
	case wire.OpCheck:
		return p.check(op.path)
	case wire.OpSetData:
		return p.setData(op.set)
	}
	return p.create(op.op, &op.create)
}

// appendFailedMulti writes the transaction of a multi that failed at operation
// bad: an error for each, none before it, RuntimeInconsistency behind.
func appendFailedMulti(dst []byte, count, bad int, code core.Code) []byte {
	dst = wire.AppendInt(dst, int32(count))
	for i := range count {
		c := core.OK
		if i == bad {
			c = code
		} else if i > bad {
			c = core.RuntimeInconsistency
		}
		var mark int
		dst, mark = wire.AppendSubTxnStart(dst, wire.OpError)
		dst = wire.AppendInt(dst, int32(c))
		wire.EndSubTxn(dst, mark)
	}
	return dst
}

// wishMark and rollbackWish keep the list of a session's coming ephemerals in
// step with a multi that may fail.
func (s *State) wishMark(id core.SessionID) (mark ephemeralWish) {
	if w := s.pending.ephemerals[id]; w != nil {
		return *w
	}
	return ephemeralWish{}
}

func (s *State) rollbackWish(id core.SessionID, mark ephemeralWish) {
	w := s.pending.ephemerals[id]
	if w == nil {
		return
	}
	if len(mark.paths) == 0 {
		delete(s.pending.ephemerals, id)
		return
	}
	*w = mark
}
