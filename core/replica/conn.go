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
	id    ConnID
	phase connPhase
	local bool
	// readOnly: it was let in while there was no quorum, to a session of this server.
	readOnly bool
	old      bool       // the client sent no readOnly flag and wants none back
	holds    holdReason // why its requests wait in the socket
	ending   bool       // it asked for the end of its session; nothing later is looked at
	last     bool       // it is to be closed when the read that is away is back
	resting  bool       // it has had its share of this Step; others come first
	clogged  bool       // its output waits to be drained; so do its requests
	unsent   bool       // it was kept, and some of its writes are to be submitted again
	reads    int        // waiting in pending
	waits    int        // bytes of the bodies waiting in pending
	cost     int        // of its requests in the Step costAt
	costAt   uint64
	asker    state.Asker
	remote   netip.AddrPort
	opened   int64 // wall milliseconds
	since    int64 // monotonic milliseconds, for those without a session
	timeout  int32 // negotiated, milliseconds

	out ConnOutput
	// away is a long read that is being made elsewhere. Until it is back, what comes
	// after it collects in late.
	away *ViewRead
	late *ConnOutput
	// pending are the requests whose replies are not yet written, in order. Its head
	// is a write under way, or waits for the output to be drained or a read to come
	// back.
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
	zxid  core.Zxid       // of the write
	body  []byte          // of a read that waits, or of a write that the leader may not have proposed
	ids   []core.Identity // likewise: whose the connection was when the read came
	since int64           // monotonic milliseconds of arrival
	sync  uint64          // number of a sync that waits
}

type waitKind uint8

const (
	waitWrite waitKind = iota // until zxid is applied
	waitRead                  // then executed
	waitSync                  // likewise, when the leadership is confirmed
	waitReply                 // nothing but its turn: the code is known
	waitFatal                 // likewise, and the connection is closed behind it
	waitEnd                   // nothing but its turn: the connection is closed without an answer
)

// Bounds of what a connection may make the server keep.
const (
	// outputBytesMax is the output above which a connection's requests wait.
	outputBytesMax = 1 << 20
	// backlogHoldBytes is how much of what cannot be looked at yet is kept before
	// the rest is left in the socket; backlogBytesMax, far above what can still come
	// then, is where a connection is closed whose shell does not hold.
	backlogHoldBytes = 1 << 20
	backlogBytesMax  = backlogHoldBytes + 4*state.RequestBytesMax
	// pendingMax and pendingBytesMax bound the requests that wait for their turn:
	// above them the next ones stay in the backlog.
	pendingMax      = 10_000
	pendingBytesMax = 1 << 20
	// identitiesMax and identityBytesMax bound what auth packets add.
	identitiesMax    = 64
	identityBytesMax = 4 << 10
	// watchesMax is how many lists of watched paths a connection may be on.
	watchesMax = 1 << 20
)

// holdReason is a set of reasons not to read a connection's requests.
type holdReason uint8

const (
	holdOutstanding holdReason = 1 << iota // too many writes of all are under way
	holdBacklog                            // its own backlog is long
)

// forgetBody drops what was kept of a write that need not be submitted again.
func (c *conn) forgetBody(w *waiting) {
	c.waits -= len(w.body)
	w.body, w.ids = nil, nil
}

// output returns the connection's buffer, marked as having something in it.
func (r *Replica) output(c *conn) *ConnOutput {
	if c.away != nil {
		return c.late
	}
	return r.outputNow(c)
}

func (r *Replica) outputNow(c *conn) *ConnOutput {
	if !c.out.queued {
		c.out.queued = true
		if c.out.Bytes == nil && r.out.Buffer != nil {
			c.out.Bytes = r.out.Buffer()
		}
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

// sayGoodbye closes a connection behind everything that it is owed, a read that is
// away included.
func (r *Replica) sayGoodbye(c *conn) {
	if c.away == nil {
		r.hangUp(c)
		return
	}
	c.last, c.ending = true, true
	if r.bySession[c.asker.Session] == c {
		delete(r.bySession, c.asker.Session)
	}
}

// hangUp closes a connection behind what it still has to be sent.
func (r *Replica) hangUp(c *conn) {
	// A long read that is still away is given up with what waits behind it.
	c.away, c.late = nil, nil
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
	delete(r.waitView, c.id)
	r.state.Watches().Drop(c.id)
	if r.bySession[c.asker.Session] == c {
		delete(r.bySession, c.asker.Session)
	}
	if ro := r.readOnly; ro != nil && ro.conns[c.asker.Session] == c {
		delete(ro.conns, c.asker.Session)
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
		c.asker.IDs = r.addressIDs(in.Remote)
	}
	r.conns[c.id] = c
	r.sessionless[c.id] = c
}

// ip is the address of the client as the scheme ip names it; none in process.
func (c *conn) ip() string {
	if c.local {
		return ""
	}
	return c.remote.Addr().Unmap().String()
}

// addressIDs is who a client is by its address alone. Those that come from one
// address one after the other share it: nobody changes such a list in place.
func (r *Replica) addressIDs(remote netip.AddrPort) []core.Identity {
	if addr := remote.Addr().Unmap(); r.lastIDs == nil || r.lastAddr != addr {
		r.lastAddr = addr
		r.lastIDs = []core.Identity{{Scheme: "ip", ID: addr.String()}}
	}
	return r.lastIDs
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

// hold keeps a connection's further requests in its socket for a reason.
func (r *Replica) hold(c *conn, why holdReason) {
	if c.holds == 0 {
		r.out.Holds = append(r.out.Holds, Hold{Conn: c.id, On: true})
	}
	c.holds |= why
	if why == holdOutstanding {
		r.held[c.id] = c
	}
}

// release takes a reason away.
func (r *Replica) release(c *conn, why holdReason) {
	if c.holds&why == 0 {
		return
	}
	if c.holds &^= why; c.holds == 0 {
		r.out.Holds = append(r.out.Holds, Hold{Conn: c.id})
	}
}

// letGo ends the holds for too many outstanding writes when there are few again.
func (r *Replica) letGo() {
	if len(r.held) == 0 || r.inflight > r.cfg.OutstandingMax/2 {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(r.held)) {
		r.release(r.held[id], holdOutstanding)
	}
	clear(r.held)
}
