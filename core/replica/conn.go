package replica

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
)

// connPhase is how far a connection has come.
type connPhase uint8

const (
	awaitsConnect connPhase = iota // no ConnectRequest yet
	opening                        // its createSession is under way
	ready
	closing // no further request is answered
)

// conn is a client's connection.
type conn struct {
	id      ConnID
	phase   connPhase
	local   bool
	old     bool // the client sent no readOnly flag and wants none back
	held    bool // its requests wait in the socket
	ending  bool // it asked for the end of its session; nothing later is looked at
	reads   int  // waiting in pending
	clogged bool // its output waits to be drained; so do its requests
	asker   state.Asker
	remote  netip.AddrPort
	ip      string
	opened  int64 // wall milliseconds
	since   int64 // monotonic milliseconds, for those without a session
	timeout int32 // negotiated, milliseconds

	out ConnOutput
	// away is a long read that is being made elsewhere. Until it is back, what comes
	// after it collects in late.
	away *ViewRead
	late ConnOutput
	// pending are the requests whose replies are not yet written, in order. The
	// head is a write under way, or nothing is pending.
	pending queue[waiting]
	// backlog holds frames that came before they could be looked at: before the
	// session was there, or while the output was clogged.
	backlog []byte

	stats ConnStats
}

// ConnStats is what the monitoring commands tell of a connection.
type ConnStats struct {
	Received, Sent         int64
	LastOp                 wire.OpCode
	LastCxid               int32
	HasCxid                bool
	LastZxid               core.Zxid
	LastResponse           int64 // monotonic milliseconds
	LastLatency            int64
	MinLatency, MaxLatency int64
	SumLatency             int64
}

// waiting is a request that waits for its turn to be answered.
type waiting struct {
	xid   int32
	op    wire.OpCode
	kind  waitKind
	code  core.Code
	zxid  core.Zxid // of the write
	body  []byte    // of a read that waits
	since int64     // monotonic milliseconds of arrival
}

type waitKind uint8

const (
	waitWrite waitKind = iota // until zxid is applied
	waitRead                  // then executed
	waitReply                 // nothing but its turn: the code is known
	waitFatal                 // likewise, and the connection is closed behind it
)

// Bounds of what a connection may make the server keep.
const (
	// outputBytesMax is the output above which a connection's requests wait.
	outputBytesMax = 1 << 20
	// backlogBytesMax is how much of what cannot be looked at yet is kept before
	// the connection is closed: a client that pipelines before its session.
	backlogBytesMax = 4 << 20
)

// output returns the connection's buffer, marked as having something in it.
func (r *Replica) output(c *conn) *ConnOutput {
	if c.away != nil {
		return &c.late
	}
	return r.outputNow(c)
}

func (r *Replica) outputNow(c *conn) *ConnOutput {
	if !c.out.queued {
		c.out.queued = true
		r.out.Conns = append(r.out.Conns, &c.out)
	}
	return &c.out
}

// beginReply appends a frame's length and reply header, to be completed by
// endReply with what stands at the returned mark.
func beginReply(dst []byte) ([]byte, int) {
	mark := len(dst)
	return append(dst, make([]byte, 4+wire.ReplyHeaderBytes)...), mark
}

func endReply(dst []byte, mark int, xid int32, zxid core.Zxid, code core.Code) {
	wire.PutInt(dst[mark:], int32(len(dst)-mark-4))
	wire.AppendReplyHeader(dst[mark+4:mark+4], xid, zxid, code)
}

// reply writes a reply without a body.
func (r *Replica) reply(c *conn, w *waiting, zxid core.Zxid, code core.Code) {
	o := r.output(c)
	var mark int
	o.Bytes, mark = beginReply(o.Bytes)
	endReply(o.Bytes, mark, w.xid, zxid, code)
	r.answered(c, w, zxid)
}

// answered keeps the statistics of a reply that was written.
func (r *Replica) answered(c *conn, w *waiting, zxid core.Zxid) {
	latency := r.now.Mono - w.since
	s := &c.stats
	s.Sent++
	s.LastOp, s.LastZxid, s.LastResponse, s.LastLatency = w.op, zxid, r.now.Mono, latency
	if w.xid >= 0 {
		s.LastCxid, s.HasCxid = w.xid, true
	}
	s.SumLatency += latency
	if s.Sent == 1 || latency < s.MinLatency {
		s.MinLatency = latency
	}
	s.MaxLatency = max(s.MaxLatency, latency)
	r.stats.answered(latency)
}

// hangUp closes a connection behind what it still has to be sent.
func (r *Replica) hangUp(c *conn) {
	// A long read that is still away is given up with what waits behind it.
	c.away, c.late = nil, ConnOutput{}
	r.outputNow(c).Close = true
	c.phase = closing
	c.backlog = nil
	r.inflight -= c.pending.writes
	c.pending = queue[waiting]{}
	r.forget(c)
}

// forget takes a connection out of the tables. Its session lives on.
func (r *Replica) forget(c *conn) {
	if _, ok := r.conns[c.id]; !ok {
		return
	}
	delete(r.conns, c.id)
	delete(r.sessionless, c.id)
	delete(r.held, c.id)
	r.state.Watches().Drop(c.id)
	if r.bySession[c.asker.Session] == c {
		delete(r.bySession, c.asker.Session)
	}
}

func (r *Replica) connected(in Connected) {
	check.That(r.conns[in.Conn] == nil, "replica: connection %d opened twice", in.Conn)
	c := &conn{id: in.Conn, local: in.Local, remote: in.Remote, opened: r.now.Wall, since: r.now.Mono}
	c.out.Conn = in.Conn
	c.asker.Conn = in.Conn
	if in.Local {
		c.asker.IDs = in.IDs
	} else {
		c.ip = in.Remote.Addr().Unmap().String()
		c.asker.IDs = []core.Identity{{Scheme: "ip", ID: c.ip}}
	}
	r.conns[c.id] = c
	r.sessionless[c.id] = c
}

func (r *Replica) gone(in Gone) {
	c := r.conns[in.Conn]
	if c == nil {
		return
	}
	c.phase = closing
	r.inflight -= c.pending.writes
	c.pending = queue[waiting]{}
	r.forget(c)
}

func (r *Replica) drained(in Drained) {
	c := r.conns[in.Conn]
	if c == nil || !c.clogged {
		return
	}
	c.clogged = false
	r.advance(c)
	r.workOff(c)
}

// hold keeps a connection's further requests in its socket while too many
// requests of all are outstanding, and letGo ends that.
func (r *Replica) hold(c *conn) {
	if !c.held {
		c.held = true
		r.held[c.id] = c
		r.out.Holds = append(r.out.Holds, Hold{Conn: c.id, On: true})
	}
}

func (r *Replica) letGo() {
	if len(r.held) == 0 || r.inflight > r.cfg.OutstandingMax/2 {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(r.held)) {
		r.held[id].held = false
		r.out.Holds = append(r.out.Holds, Hold{Conn: id})
	}
	clear(r.held)
}
