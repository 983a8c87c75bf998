package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/wire"
)

// Interfaces that the node implements.
var (
	_ core.Sessions = (*Node)(nil)
	_ core.Founding = (*Node)(nil)
	_ core.Client   = (*client)(nil)
	_ core.Admin    = (*client)(nil)
)

// client is a session in process. It is a port like a socket's: its requests are
// the same frames, and its replies are decoded by whoever flushes.
type client struct {
	node *Node
	conn replica.ConnID
	acl  []core.ACL
	keep bool
	info core.SessionInfo // set under mu, before welcome is told

	// welcome is of capacity 1; nil where somebody waits for more than that.
	welcome chan wire.ConnectResponse

	intake *Intake // with which a caller carries his request through

	// Owned by whoever flushes.
	greeted bool

	mu struct {
		sync.Mutex
		xid     int32
		pending []*call // in the order of their requests
		watches watchSet
		over    error // set when the connection is closed
		closing bool  // by its own Close
	}
}

// call is a request that waits for its reply.
type call struct {
	done chan struct{}
	hdr  wire.ReplyHeader
	body []byte
	err  error
}

// localClients are the clients of this process, by session.
type localClients struct {
	mu struct {
		sync.Mutex
		clients   map[core.SessionID]*client
		kept      map[core.SessionID]*client // those of them with KeepAlive
		nextTouch int64
	}
}

func (l *localClients) init() {
	l.mu.clients = make(map[core.SessionID]*client)
	l.mu.kept = make(map[core.SessionID]*client)
}

func (l *localClients) add(c *client) {
	l.mu.Lock()
	l.mu.clients[c.info.ID] = c
	if delete(l.mu.kept, c.info.ID); c.keep {
		l.mu.kept[c.info.ID] = c
		l.mu.nextTouch = 0
	}
	l.mu.Unlock()
}

func (l *localClients) drop(c *client) {
	l.mu.Lock()
	if l.mu.clients[c.info.ID] == c {
		delete(l.mu.clients, c.info.ID)
		delete(l.mu.kept, c.info.ID)
	}
	l.mu.Unlock()
}

func (l *localClients) get(id core.SessionID) *client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.clients[id]
}

// keepAliveMillis is how often sessions with KeepAlive are touched.
const keepAliveMillis = 500

// keptAlive lists the sessions to be touched at now, at most twice a second.
func (l *localClients) keptAlive(now replica.Now) (ids []core.SessionID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Mono < l.mu.nextTouch {
		return nil
	}
	l.mu.nextTouch = now.Mono + keepAliveMillis
	for id := range l.mu.kept {
		ids = append(ids, id)
	}
	return ids
}

// Open creates a session in process (core.Sessions).
func (n *Node) Open(ctx context.Context, opt core.SessionOptions) (core.Client, error) {
	q, err := opening(&opt)
	if err != nil {
		return nil, err
	}
	return n.attach(ctx, q, opt)
}

// opening is the request for a new session.
func opening(opt *core.SessionOptions) (wire.ConnectRequest, error) {
	millis := (opt.Timeout + time.Millisecond - 1).Milliseconds()
	if millis < 1 || millis > 1<<31-1 {
		return wire.ConnectRequest{}, &core.OpError{Op: "createSession", Err: core.BadArguments}
	}
	return wire.ConnectRequest{TimeoutMillis: int32(millis)}, nil
}

// Resume attaches to a living session (core.Sessions).
func (n *Node) Resume(ctx context.Context, id core.SessionID, password []byte) (core.Client, error) {
	opt := core.SessionOptions{}
	if c := n.local.get(id); c != nil {
		opt.ACL, opt.KeepAlive = c.acl, c.keep
	}
	return n.attach(ctx, wire.ConnectRequest{SessionID: id, Password: password}, opt)
}

// Detach lets go of a session without ending it (core.Sessions).
func (n *Node) Detach(id core.SessionID) {
	if c := n.local.get(id); c != nil {
		c.end(core.ErrClosed)
		n.Disconnect(c.conn)
	}
}

// nodeIdentity is who the process itself is.
var nodeIdentity = []core.Identity{{Scheme: core.NodeScheme, ID: "node"}}

func (n *Node) attach(ctx context.Context, q wire.ConnectRequest, opt core.SessionOptions) (core.Client, error) {
	c, err := n.attachAs(ctx, nodeIdentity, q, opt)
	if err != nil {
		return nil, err // and no client, not one that is nil
	}
	return c, nil
}

func (n *Node) attachAs(ctx context.Context, ids []core.Identity, q wire.ConnectRequest, opt core.SessionOptions) (*client, error) {
	c := n.newClient(&opt)
	c.welcome = make(chan wire.ConnectResponse, 1)
	b := GetBuffer()
	b.B = appendConnect(b.B, &q)
	if err := c.connect(ids, b); err != nil {
		return nil, err
	}
	select {
	case resp := <-c.welcome:
		switch {
		case resp.SessionID != 0:
			return c, nil
		case !c.greeted: // there was nobody to ask
			return nil, &core.OpError{Op: "createSession", Err: core.ConnectionLoss}
		}
		return nil, &core.OpError{Op: "createSession", Err: core.SessionExpired}
	case <-ctx.Done():
		c.end(core.ErrClosed)
		n.Disconnect(c.conn)
		return nil, &core.OpError{Op: "createSession", Err: errors.Join(core.OperationTimeout, context.Cause(ctx))}
	case <-n.ended:
		return nil, &core.OpError{Op: "createSession", Err: core.ErrClosed}
	}
}

func (n *Node) newClient(opt *core.SessionOptions) *client {
	c := &client{node: n, acl: opt.ACL, keep: opt.KeepAlive, conn: replica.ConnID(n.lastConn.Add(1)), intake: n.NewIntake(nil)}
	if c.acl == nil {
		c.acl = core.OpenACL()
	}
	return c
}

// appendConnect appends the first frame of a connection.
func appendConnect(dst []byte, q *wire.ConnectRequest) []byte {
	mark := len(dst)
	dst = q.Append(append(dst, 0, 0, 0, 0))
	wire.PutInt(dst[mark:], int32(len(dst)-mark-4))
	return dst
}

// connect opens the client's connection and submits its first frames.
func (c *client) connect(ids []core.Identity, b *Buffer) error {
	open := replica.Connected{Conn: c.conn, Remote: netip.AddrPort{}, Local: true, IDs: ids}
	if !c.node.inbox.put(item{in: open, port: c}, false) || !c.node.Submit(c.conn, b) {
		return &core.OpError{Op: "createSession", Err: core.ErrClosed}
	}
	return nil
}

// Send decodes replies and events (Port).
func (c *client) Send(d Delivery) {
	frames := d.Bytes
	for len(frames) >= 4 {
		size := int(binary.BigEndian.Uint32(frames))
		c.frame(frames[4 : 4+size])
		frames = frames[4+size:]
	}
	if d.Bytes != nil {
		Recycle(d.Bytes)
	}
	if d.WantDrained {
		c.node.Drained(c.conn)
	}
	if d.Applied != 0 {
		c.mu.Lock()
		c.mu.watches.progress(d.Applied)
		c.mu.Unlock()
	}
	if d.Close {
		select {
		case c.welcome <- wire.ConnectResponse{}: // refused without a word
		default:
		}
		c.end(core.SessionExpired)
	}
}

// Hold is nothing to a client in process: its callers wait for their replies.
func (c *client) Hold(bool) {}

func (c *client) frame(f []byte) {
	if !c.greeted { // the response to the ConnectRequest is the one frame without a header
		c.greeted = true
		resp, _ := wire.DecodeConnectResponse(f)
		c.welcomed(resp)
		return
	}
	r := wire.NewReader(f)
	h := wire.DecodeReplyHeader(&r)
	if h.Xid == wire.XidNotification {
		ev := wire.DecodeWatcherEvent(&r)
		e := core.Event{Type: ev.Type, Path: ev.Path, Zxid: h.Zxid, HasNode: r.Bool()}
		if e.HasNode {
			e.Data = clone(r.Bytes())
			e.Stat = wire.DecodeStat(&r)
		}
		c.mu.Lock()
		c.mu.watches.dispatch(e)
		c.mu.Unlock()
		return
	}
	c.mu.Lock()
	var done *call
	if len(c.mu.pending) > 0 {
		done = c.mu.pending[0]
		c.mu.pending[0] = nil
		c.mu.pending = c.mu.pending[1:]
	}
	c.mu.Unlock()
	if done == nil {
		return
	}
	done.hdr, done.body = h, clone(r.Rest())
	close(done.done)
}

// welcomed takes the session over, unless the opener has given up meanwhile.
func (c *client) welcomed(resp wire.ConnectResponse) {
	c.mu.Lock()
	if c.mu.over == nil && resp.SessionID != 0 {
		c.info = core.SessionInfo{
			ID: resp.SessionID, Password: clone(resp.Password[:]),
			Timeout: time.Duration(resp.TimeoutMillis) * time.Millisecond,
		}
		c.node.local.add(c) // under the lock, so that end finds it there
	}
	c.mu.Unlock()
	if c.welcome != nil {
		c.welcome <- resp
	}
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

// end fails everything that waits.
func (c *client) end(err error) {
	c.mu.Lock()
	if c.mu.over != nil {
		c.mu.Unlock()
		return
	}
	if c.mu.closing {
		err = core.ErrClosed
	}
	c.mu.over = err
	pending := c.mu.pending
	c.mu.pending = nil
	c.mu.watches.end(err)
	c.mu.Unlock()
	c.node.local.drop(c)
	for _, p := range pending {
		p.err = core.ConnectionLoss // it was sent, and nobody will say what became of it
		close(p.done)
	}
}

// start sends a request. encode appends its body. first says that the loop has yet to
// hear that there is something, lone that no other request waits for its reply.
func (c *client) start(op wire.OpCode, encode func([]byte) []byte) (p *call, first, lone bool, err error) {
	b, err := request(op, encode)
	if err != nil {
		return nil, false, false, err
	}
	c.mu.Lock()
	p, first, err = c.queueLocked(b)
	lone = len(c.mu.pending) == 1
	c.mu.Unlock()
	return p, first, lone, c.started(err)
}

// startLocked is start for those who decide under the lock what to send: the
// order of requests is then that of the decisions. started follows it.
func (c *client) startLocked(op wire.OpCode, encode func([]byte) []byte) (*call, error) {
	b, err := request(op, encode)
	if err != nil {
		return nil, err
	}
	p, first, err := c.queueLocked(b)
	if first {
		c.node.inbox.signal()
	}
	return p, err
}

// request is the frame of a request behind its length, without an xid.
func request(op wire.OpCode, encode func([]byte) []byte) (*Buffer, error) {
	b := GetBuffer()
	b.B = wire.AppendRequestHeader(append(b.B, 0, 0, 0, 0), 0, op)
	if encode != nil {
		b.B = encode(b.B)
	}
	wire.PutInt(b.B, int32(len(b.B)-4))
	if len(b.B)-4 > wire.FrameBytesMax {
		b.Release()
		return nil, core.BadArguments // over a socket the connection would be closed
	}
	return b, nil
}

// queueLocked gives a request its xid and puts it into the inbox.
func (c *client) queueLocked(b *Buffer) (p *call, first bool, err error) {
	if c.mu.over != nil {
		b.Release()
		return nil, false, c.mu.over
	}
	if c.mu.xid++; c.mu.xid <= 0 {
		c.mu.xid = 2
	}
	wire.PutInt(b.B[4:], c.mu.xid)
	// It does not wait: the number of callers bounds what is sent.
	first, ok := c.node.inbox.add(item{in: replica.Requests{Conn: c.conn, Frames: b.B}, buf: b}, false)
	if !ok {
		b.Release()
		return nil, false, core.ErrClosed
	}
	p = &call{done: make(chan struct{})}
	c.mu.pending = append(c.mu.pending, p)
	return p, first, nil
}

// started ends the client when the node it belongs to has ended.
func (c *client) started(err error) error {
	if errors.Is(err, core.ErrClosed) {
		c.end(err)
	}
	return err
}

// do sends a request and waits for its reply. Who is the only one to wait has nothing
// better to do than to carry it through himself, if nobody has the loop. Among several the
// loop does more of them at once than each of them would.
func (c *client) do(ctx context.Context, op wire.OpCode, encode func([]byte) []byte) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx) // nothing was sent
	}
	p, first, lone, err := c.start(op, encode)
	if err != nil {
		return nil, err
	}
	switch {
	case first && lone:
		c.carry(op)
	case first:
		c.node.inbox.signal()
	}
	return c.wait(ctx, p)
}

// carry makes a turn of the loop, which has not been woken, on the caller's goroutine, and
// syncs the log for a write where those have come one by one.
func (c *client) carry(op wire.OpCode) {
	whole := false
	defer func() {
		if whole {
			return
		}
		// The caller may belong to somebody who goes on after a panic, and a node whose
		// invariants are broken must not.
		p, stack := recover(), debug.Stack()
		go panic(fmt.Sprintf("%v\n\n%s", p, stack))
		select {}
	}()
	if d := c.node.disk; writes(op) && d.alone() && d.quick.Load() {
		c.node.help(c.intake)
	} else {
		c.node.help(nil)
	}
	whole = true
}

// writes reports whether a request puts something into the log.
func writes(op wire.OpCode) bool {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL, wire.OpDelete, wire.OpSetData, wire.OpSetACL, wire.OpMulti:
		return true
	}
	return false
}

// wait waits for the reply to a request that was sent.
func (c *client) wait(ctx context.Context, p *call) (*call, error) {
	select {
	case <-p.done: // before a context is asked that may have to make its timer first
	default:
		select {
		case <-p.done:
		case <-ctx.Done():
			return nil, errors.Join(core.OperationTimeout, context.Cause(ctx))
		case <-c.node.ended:
			return nil, core.ConnectionLoss
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	if p.hdr.Err != core.OK {
		return nil, p.hdr.Err
	}
	return p, nil
}

func fail(op, path string, err error) error { return &core.OpError{Op: op, Path: path, Err: err} }

func (c *client) Session() core.SessionInfo { return c.info }

func (c *client) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (string, core.Stat, error) {
	op, _ := wire.CreateOp(opt)
	p, err := c.do(ctx, op, func(b []byte) []byte { return wire.AppendCreateOptions(b, path, data, c.acl, opt) })
	if err != nil {
		return "", core.Stat{}, fail("create", path, err)
	}
	r := wire.NewReader(p.body)
	return r.String(), wire.DecodeStat(&r), nil
}

func (c *client) Get(ctx context.Context, path string) ([]byte, core.Stat, error) {
	p, err := c.do(ctx, wire.OpGetData, func(b []byte) []byte { return wire.AppendPathWatch(b, path, false) })
	if err != nil {
		return nil, core.Stat{}, fail("getData", path, err)
	}
	r := wire.NewReader(p.body)
	return r.Bytes(), wire.DecodeStat(&r), nil
}

func (c *client) Set(ctx context.Context, path string, data []byte, version int32) (core.Stat, error) {
	p, err := c.do(ctx, wire.OpSetData, func(b []byte) []byte { return wire.AppendSetData(b, path, data, version) })
	if err != nil {
		return core.Stat{}, fail("setData", path, err)
	}
	r := wire.NewReader(p.body)
	return wire.DecodeStat(&r), nil
}

func (c *client) Delete(ctx context.Context, path string, version int32) (core.Zxid, error) {
	p, err := c.do(ctx, wire.OpDelete, func(b []byte) []byte { return wire.AppendPathVersion(b, path, version) })
	if err != nil {
		return 0, fail("delete", path, err)
	}
	return p.hdr.Zxid, nil
}

func (c *client) Exists(ctx context.Context, path string) (core.Stat, error) {
	p, err := c.do(ctx, wire.OpExists, func(b []byte) []byte { return wire.AppendPathWatch(b, path, false) })
	if err != nil {
		return core.Stat{}, fail("exists", path, err)
	}
	r := wire.NewReader(p.body)
	return wire.DecodeStat(&r), nil
}

func (c *client) Children(ctx context.Context, path string) ([]string, core.Stat, error) {
	p, err := c.do(ctx, wire.OpGetChildren2, func(b []byte) []byte { return wire.AppendPathWatch(b, path, false) })
	if err != nil {
		return nil, core.Stat{}, fail("getChildren", path, err)
	}
	r := wire.NewReader(p.body)
	names, _ := wire.DecodeStrings(&r)
	return names, wire.DecodeStat(&r), nil
}

func (c *client) Sync(ctx context.Context, path string) (core.Zxid, error) {
	p, err := c.do(ctx, wire.OpSync, func(b []byte) []byte { return wire.AppendString(b, path) })
	if err != nil {
		return 0, fail("sync", path, err)
	}
	return p.hdr.Zxid, nil
}

func (c *client) ACL(ctx context.Context, path string) ([]core.ACL, core.Stat, error) {
	p, err := c.do(ctx, wire.OpGetACL, func(b []byte) []byte { return wire.AppendString(b, path) })
	if err != nil {
		return nil, core.Stat{}, fail("getACL", path, err)
	}
	r := wire.NewReader(p.body)
	return wire.DecodeACLs(&r), wire.DecodeStat(&r), nil
}

func (c *client) SetACL(ctx context.Context, path string, acl []core.ACL, aversion int32) (core.Stat, error) {
	p, err := c.do(ctx, wire.OpSetACL, func(b []byte) []byte { return wire.AppendSetACL(b, path, acl, aversion) })
	if err != nil {
		return core.Stat{}, fail("setACL", path, err)
	}
	r := wire.NewReader(p.body)
	return wire.DecodeStat(&r), nil
}

func (c *client) AddAuth(ctx context.Context, scheme string, auth []byte) error {
	if _, err := c.do(ctx, wire.OpAuth, func(b []byte) []byte { return wire.AppendAuth(b, scheme, auth) }); err != nil {
		return fail("addAuth", "", err)
	}
	return nil
}

// Close ends the session and waits until its ephemerals are gone. Where no quorum can
// be told, the session is let go of instead, and the error says so: it lives on until
// its timeout, or until somebody resumes it to end it.
func (c *client) Close() error {
	c.mu.Lock()
	c.mu.closing = true // first: the connection may end before anything else is done here
	p, err := c.startLocked(wire.OpCloseSession, nil)
	c.mu.Unlock()
	if err != nil { // it is over already
		c.end(core.ErrClosed)
		return nil
	}
	late := time.NewTimer(closePatience)
	defer late.Stop()
	select {
	case <-p.done:
		if p.err == nil && p.hdr.Err != core.OK {
			err = p.hdr.Err
		}
	case <-late.C:
		err = core.OperationTimeout
	case <-c.node.ended:
	}
	c.end(core.ErrClosed)
	if err == nil {
		return nil
	}
	c.node.Disconnect(c.conn)
	return fail("closeSession", "", err)
}

// closePatience is how long a Close waits for a quorum that may be there.
const closePatience = 1500 * time.Millisecond
