package replica

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/acl"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// commit applies one committed transaction: the tree changes, who watches hears
// of it, then whoever asked for it is answered.
func (r *Replica) commit(p *zab.Proposal) {
	z := p.Zxid
	if r.learner != nil {
		verifyDigest(r.state, p.CommitHint, p.DigestVersion, p.TreeDigest)
	}
	rd := wire.NewReader(p.Payload)
	h := wire.DecodeTxnHeader(&rd)
	if c := r.bySession[h.Session]; c != nil {
		r.claim(c, z, h)
		r.catchUp(c, z)
	}
	res := r.state.Apply(z, p.Payload)
	r.chain = p.Chain
	r.sinceSnapshot++
	r.bytesSince += int64(len(p.Payload))
	for i := range res.Effects {
		r.tell(z, &res.Effects[i])
	}
	id := res.Header.Session
	switch res.Op {
	case wire.OpCreateSession:
		r.tracker.Add(id, res.TimeoutMillis, r.now.Mono)
	case wire.OpCloseSession:
		r.tracker.Remove(id)
		if r.leader != nil {
			delete(r.leader.owners, id)
		}
	}
	if c := r.bySession[id]; c != nil {
		r.answer(c, z, res)
	}
}

// catchUp answers what a connection asked for before its write at z, which is about
// to be applied. It was held up only by what the client has not yet read; it comes
// first all the same, so that no read sees a write behind it, and is not much
// (readsBehindMax).
func (r *Replica) catchUp(c *conn, z core.Zxid) {
	if c.nextWrite() != z {
		return
	}
	for c.phase != closing && c.pending.front().kind != waitWrite {
		r.answerFront(c)
	}
}

// answer completes a connection's write that was applied, and goes on with what
// waited behind it.
func (r *Replica) answer(c *conn, z core.Zxid, res *state.Result) {
	if own := c.nextWrite(); own == z {
		r.answerWrite(c, z, res)
	} else if own != 0 && own < z {
		check.Fail("replica: reply to %v was passed over by %v", own, z)
	}
	if res.Op == wire.OpCloseSession || c.ending && c.pending.len() == 0 {
		r.sayGoodbye(c) // asked for or expired: the session is over
		return
	}
	r.advance(c)
	r.workOff(c)
}

// nextWrite is the zxid of the first write that a connection waits for, 0 if there
// is none.
func (c *conn) nextWrite() core.Zxid {
	if c.pending.writes == 0 {
		return 0
	}
	for i := c.pending.head; i < len(c.pending.items); i++ {
		if w := &c.pending.items[i]; w.kind == waitWrite {
			return w.zxid
		}
	}
	return 0
}

// answerWrite writes the reply to the head of a connection's queue.
func (r *Replica) answerWrite(c *conn, z core.Zxid, res *state.Result) {
	w := *c.pending.front()
	c.pending.pop()
	c.pending.writes--
	r.inflight--
	if w.op == wire.OpCreateSession {
		r.accept(c)
		return
	}
	o := r.output(c)
	var mark int
	o.Bytes, mark = beginReply(o.Bytes)
	var code core.Code
	o.Bytes, code = state.AppendReply(o.Bytes, w.op, res)
	endReply(o.Bytes, mark, w.xid, z, code)
	r.answered(c, &w, z)
	if w.xid == 1 && c.pending.len() == 0 {
		c.pending = queue[waiting]{} // many a session does one thing at its beginning, and no more
	}
}

// tell puts the event of one change into the buffers of those who watch for it.
// A watcher that may not read the znode is not told, but its watch is used up
// (zookeeper-protocol 5.3).
func (r *Replica) tell(z core.Zxid, e *state.Effect) {
	t := r.state.Watches()
	switch e.Type {
	case core.NodeCreated:
		r.hits = t.Created(e.Path, r.hits[:0])
	case core.NodeDeleted:
		r.hits = t.Deleted(e.Path, r.hits[:0])
	case core.NodeDataChanged:
		r.hits = t.DataChanged(e.Path, r.hits[:0])
	}
	encoded := core.EventType(0)
	for i := range r.hits {
		h := &r.hits[i]
		c := r.conns[h.Conn]
		if c == nil {
			continue
		}
		list := e.ACL
		if h.Type == core.NodeChildrenChanged {
			list = e.ParentACL
		}
		if !acl.Check(list, c.asker.IDs, core.PermRead) {
			continue
		}
		o := r.output(c)
		if c.local {
			o.Bytes = appendLocalEvent(o.Bytes, z, h.Type, h.Path, e)
		} else {
			if encoded != h.Type { // all watchers of one kind are told the same
				r.scratch = appendEvent(r.scratch[:0], z, h.Type, h.Path)
				encoded = h.Type
			}
			o.Bytes = append(o.Bytes, r.scratch...)
		}
		c.stats.Sent++
		r.stats.Sent++
		r.stats.Events++
		if c.late != nil && len(c.late.Bytes) > lateBytesMax {
			r.hangUp(c)
		}
	}
}

// appendEvent appends a notification. zxid is -1 for what setWatches catches up.
func appendEvent(dst []byte, zxid core.Zxid, t core.EventType, path string) []byte {
	mark := len(dst)
	dst = wire.AppendReplyHeader(append(dst, 0, 0, 0, 0), wire.XidNotification, zxid, core.OK)
	dst = wire.AppendWatcherEvent(dst, t, path)
	wire.PutInt(dst[mark:], int32(len(dst)-mark-4))
	return dst
}

// appendLocalEvent appends a notification to a connection in process. It goes on
// behind the WatcherEvent with a boolean and, if that is true, data and Stat of
// the znode as the change left it.
func appendLocalEvent(dst []byte, z core.Zxid, t core.EventType, path string, e *state.Effect) []byte {
	mark := len(dst)
	dst = wire.AppendReplyHeader(append(dst, 0, 0, 0, 0), wire.XidNotification, z, core.OK)
	dst = wire.AppendWatcherEvent(dst, t, path)
	has := t == core.NodeCreated || t == core.NodeDataChanged
	dst = wire.AppendBool(dst, has)
	if has {
		dst = wire.AppendStat(wire.AppendBuffer(dst, e.Data), &e.Stat)
	}
	wire.PutInt(dst[mark:], int32(len(dst)-mark-4))
	return dst
}
