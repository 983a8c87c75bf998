package replica

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// lateBytesMax bounds what collects behind a long read before the connection is
// closed.
const lateBytesMax = 64 << 20

// awaysMax is how many views long reads may hold open at once: each costs a copy of
// every page that is written meanwhile.
const awaysMax = 8

// sendAway hands a read that would hold up everybody to somebody else, on a view
// of the tree. The watch that it asks for is armed now, and everything that the
// connection is sent from now on waits behind its reply. It reports false for
// reads that are short, or that will be refused.
func (r *Replica) sendAway(c *conn, w *waiting, body []byte) bool {
	ref, ok := r.state.LongRead(&c.asker, w.op, body, r.cfg.LongRead)
	if !ok {
		return false
	}
	t := r.state.Tree()
	c.away = &ViewRead{Conn: c.id, w: *w, zxid: r.state.Applied(), view: t.View(), ref: ref, stat: t.Stat(ref)}
	c.late = &ConnOutput{}
	r.out.ViewReads = append(r.out.ViewReads, c.away)
	r.aways++
	return true
}

// tooManyAway reports whether a frame that may be a long read must wait because
// awaysMax of them are being made.
func (r *Replica) tooManyAway(c *conn, frame []byte) bool {
	if r.aways < awaysMax || len(frame) < 8 {
		return false
	}
	switch wire.OpCode(binary.BigEndian.Uint32(frame[4:])) {
	case wire.OpGetChildren, wire.OpGetChildren2, wire.OpGetAllChildrenNumber:
		r.waitView[c.id] = c
		return true
	}
	return false
}

// Zxid is that of the state which the read is made on.
func (v *ViewRead) Zxid() core.Zxid { return v.zxid }

// Make makes the read. It may run on any goroutine, once, beside everything else.
func (v *ViewRead) Make() {
	defer v.view.Close()
	switch v.w.op {
	case wire.OpGetAllChildrenNumber:
		v.body = wire.AppendInt(nil, int32(v.view.Descendants(v.ref)))
	case wire.OpGetChildren:
		v.body = v.view.AppendChildren(nil, v.ref)
	case wire.OpGetChildren2:
		v.body = wire.AppendStat(v.view.AppendChildren(nil, v.ref), &v.stat)
	}
}

// viewRead answers a long read that has come back, and then what waited for it.
func (r *Replica) viewRead(in *ViewRead) {
	r.aways--
	defer r.nextAway()
	c := r.conns[in.Conn]
	if c == nil || c.away == nil || c.away.view != in.view {
		return // its connection is gone
	}
	late := c.late
	c.away, c.late = nil, nil
	o := r.output(c)
	var mark int
	o.Bytes, mark = beginReply(o.Bytes)
	o.Bytes = append(o.Bytes, in.body...)
	endReply(o.Bytes, mark, in.w.xid, in.zxid, core.OK)
	r.answered(c, &in.w, in.zxid)
	o.Bytes = append(o.Bytes, late.Bytes...)
	o.WantDrained = o.WantDrained || late.WantDrained
	if c.last {
		r.hangUp(c)
		return
	}
	r.clog(c)
	r.advance(c)
	r.workOff(c)
}

// nextAway lets those go on whose long read had to wait.
func (r *Replica) nextAway() {
	for _, id := range slices.Sorted(maps.Keys(r.waitView)) {
		if r.aways >= awaysMax {
			return
		}
		c := r.waitView[id]
		delete(r.waitView, id)
		r.workOff(c)
	}
}

// Away reports whether what a connection is sent waits behind a long read.
func (r *Replica) Away(id ConnID) bool {
	c := r.conns[id]
	return c != nil && c.away != nil
}
