package sim

import (
	"maps"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/acl"
	"github.com/zensus-io/zensus/core/wire"
)

// request is a request as it was sent, with what the oracle finds out about it.
type request struct {
	session core.SessionID
	xid     int32
	op      wire.OpCode
	body    []byte
	path    string
	watch   bool
	ids     []core.Identity
	call    int64
	done    func(*reply)

	write writeFate
	plan  *plan
}

// reply is what became of a request. If lost, nobody knows.
type reply struct {
	lost bool
	zxid core.Zxid
	code core.Code
	body wire.Reader
	at   int64
}

// client is a client with at most one session and one link.
type client struct {
	w        *World
	id       int
	kind     string
	work     func(*client)
	local    bool // in process
	home     int  // of which server
	slow     bool
	depth    int // requests under way at once
	think    int64
	restless int // one in so many steps breaks the link

	link     *link
	welcomed bool
	session  core.SessionID
	password []byte
	asked    int32 // timeout
	timeout  int32
	xid      int32
	pending  []*request
	last     core.Zxid
	sent     int64
	heard    int64
	armed    watchSets
	auths    []string
	ids      []core.Identity
	sessions int
	readyAt  int64
	fresh    bool // the session is new: make what the workload needs
	closing  bool
	serial   int
	onEvent  func(core.EventType, string)
	picture  *picture
	at       *server          // where it was welcomed last
	seen     map[string]int32 // versions last read, for expected versions
	values   map[string]int
}

// watchSets is what a client believes to have armed.
type watchSets struct {
	data, exist, child, persistent, recursive map[string]bool
}

func newWatchSets() watchSets {
	return watchSets{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
}

func (s *watchSets) count() int {
	return len(s.data) + len(s.exist) + len(s.child) + len(s.persistent) + len(s.recursive)
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

func (w *World) addClient(kind string, work func(*client), set func(*client)) *client {
	c := &client{
		w: w, id: len(w.clients), kind: kind, work: work, depth: 1, restless: 150,
		think: between(w.work, 50, 300) * millisecond, armed: newWatchSets(), seen: map[string]int32{}, values: map[string]int{},
	}
	tick := int64(w.servers[0].cfg.TickMillis)
	c.asked = int32(between(w.work, 1, 6) * tick)
	if set != nil {
		set(c)
	}
	w.clients = append(w.clients, c)
	w.after(between(w.work, 0, 500*millisecond), c.connect)
	w.after(between(w.work, 600*millisecond, second), c.loop)
	w.after(100*millisecond, c.beat)
	return c
}

// loop does a step of the workload now and then.
func (c *client) loop() {
	if c.ready() {
		c.readyAt = c.w.now
		switch {
		case c.w.still && c.picture == nil:
		case !c.w.quiet && oneIn(c.w.work, c.restless):
			c.unlink(oneIn(c.w.work, 3))
		case c.fresh:
			c.fresh = false
			c.prepare()
		default:
			for i := 0; i < c.depth && c.ready() && len(c.pending) < 2*c.depth; i++ {
				c.work(c)
			}
		}
	}
	c.w.after(between(c.w.work, c.think/2, c.think*3/2), c.loop)
}

func (c *client) ready() bool { return c.link != nil && c.welcomed && !c.closing }

// beat pings, and gives a link up that is silent.
func (c *client) beat() {
	every := int64(max(c.timeout, 1000)) * millisecond / 3
	if c.link != nil {
		switch {
		case c.w.now-c.heard > every*2:
			c.w.cover.hit("client gave up on a silent link")
			c.unlink(oneIn(c.w.work, 2))
		case c.welcomed && c.w.now-c.sent >= every:
			c.ping()
		}
	}
	c.w.after(every/2, c.beat)
}

func (c *client) ping() {
	c.push(&request{xid: wire.XidPing, op: wire.OpPing})
}

func (c *client) connect() {
	if c.link != nil {
		return
	}
	s := c.w.servers[c.home]
	if !c.w.alone() && !c.local {
		s = c.w.servers[c.w.work.IntN(len(c.w.servers))]
		if leader := c.w.leader(); c.kind == "operator" && leader != nil {
			s = leader
		}
	}
	l := c.w.dial(c, s)
	if l == nil {
		c.w.after(between(c.w.work, 50*millisecond, 500*millisecond), c.connect)
		return
	}
	c.link, c.welcomed = l, false
	c.heard, c.sent = c.w.now, c.w.now
	q := wire.ConnectRequest{
		LastZxidSeen: c.last, TimeoutMillis: c.asked, SessionID: c.session, Password: c.password, HasReadOnly: true,
	}
	if c.session == 0 {
		q.Password = make([]byte, wire.PasswordBytes)
	}
	body := q.Append(nil)
	l.told.asked = q
	l.send(append(wire.AppendInt(nil, int32(len(body))), body...))
}

// unlink lets go of the link; what is under way may or may not have happened.
func (c *client) unlink(abandon bool) {
	l := c.link
	if l == nil {
		return
	}
	l.leave(abandon)
	c.unlinked(l)
}

// unlinked learns that the link is gone.
func (c *client) unlinked(l *link) {
	l.clientGone = true
	if c.link != l {
		return
	}
	c.link, c.welcomed = nil, false
	pending := c.pending
	c.pending = nil
	for _, q := range pending {
		if q.done != nil {
			q.done(&reply{lost: true, at: c.w.now})
		}
	}
	if c.closing {
		c.forget()
	}
	d := between(c.w.work, millisecond, 300*millisecond)
	if !c.w.quiet && oneIn(c.w.work, 12) { // it sleeps, perhaps beyond the end of its session
		d += min(between(c.w.work, 0, 3*int64(max(c.timeout, 1000))*millisecond), 18*second)
	}
	c.w.after(d, c.connect)
}

// forget begins anew, without a session.
func (c *client) forget() {
	c.session, c.password, c.closing = 0, nil, false
	c.armed = newWatchSets()
	c.auths, c.ids = nil, nil
	if c.picture != nil {
		c.picture.reset()
	}
}

// do sends a request. done may be nil.
func (c *client) do(op wire.OpCode, path string, watch bool, body []byte, done func(*reply)) {
	c.xid++
	c.push(&request{xid: c.xid, op: op, path: path, watch: watch, body: body, done: done})
}

func (c *client) push(q *request) {
	l := c.link
	q.session, q.call, q.ids = c.session, c.w.now, l.told.ids
	if q.op == wire.OpAuth {
		r := wire.NewReader(q.body)
		a := wire.DecodeAuth(&r)
		id := core.Identity{Scheme: string(a.Scheme), ID: acl.Digest(a.Auth)}
		if !slices.Contains(l.told.ids, id) {
			l.told.ids = append(slices.Clone(l.told.ids), id)
			if isSuper(a.Auth) {
				l.told.ids = append(l.told.ids, core.Identity{Scheme: core.SuperScheme})
			}
		}
	}
	c.pending = append(c.pending, q)
	c.sent = c.w.now
	l.told.sent = append(l.told.sent, q)
	c.w.oracle.sent(q)
	body := append(wire.AppendRequestHeader(nil, q.xid, q.op), q.body...)
	l.send(append(wire.AppendInt(nil, int32(len(body))), body...))
}

// receive takes what a link brought.
func (c *client) receive(l *link, b []byte) {
	if c.link != l {
		return
	}
	c.w.trace.note("client", b, int64(c.id), int64(l.id), c.w.now)
	frames, err := cutFrames(b)
	if err != nil {
		c.w.fail("client %d: %w", c.id, err)
		return
	}
	for _, f := range frames {
		if c.link != l || c.w.err != nil {
			return
		}
		c.heard = c.w.now
		if !c.welcomed {
			c.welcome(f)
			continue
		}
		c.frame(f)
	}
}

func (c *client) welcome(f []byte) {
	resp, err := wire.DecodeConnectResponse(f)
	if err != nil {
		c.w.fail("client %d: connect response: %w", c.id, err)
		return
	}
	if resp.SessionID == 0 { // the session is over
		c.w.cover.hit("client learnt that its session expired")
		l := c.link
		c.forget()
		c.unlinked(l)
		return
	}
	c.welcomed = true
	resumed := c.session != 0
	if resumed && c.session != resp.SessionID {
		c.w.fail("client %d resumed %v and got %v", c.id, c.session, resp.SessionID)
		return
	}
	c.session, c.timeout = resp.SessionID, resp.TimeoutMillis
	c.password = append([]byte(nil), resp.Password[:]...)
	if !resumed {
		c.sessions++
		c.fresh = true
		c.at = c.link.s
		return
	}
	c.w.cover.hit("session resumed")
	if was := c.at; was != nil && was != c.link.s {
		c.w.cover.hit("session moved")
		if c.armed.count() > 0 {
			c.w.cover.hit("watches re-armed after a move")
		}
	}
	c.at = c.link.s
	for _, a := range c.auths {
		c.sendAuth(a)
	}
	c.rearm()
}

func (c *client) sendAuth(user string) {
	c.do(wire.OpAuth, "", false, wire.AppendAuth(nil, "digest", []byte(user)), nil)
}

// rearm sends setWatches, as client libraries do after a reconnect.
func (c *client) rearm() {
	a := &c.armed
	q := wire.SetWatches{
		RelativeZxid: c.last, Data: sorted(a.data), Exist: sorted(a.exist), Child: sorted(a.child),
		Persistent: sorted(a.persistent), PersistentRecurs: sorted(a.recursive),
	}
	op := wire.OpSetWatches
	if len(q.Persistent)+len(q.PersistentRecurs) > 0 {
		op = wire.OpSetWatches2
	}
	if len(q.Data)+len(q.Exist)+len(q.Child) == 0 && op == wire.OpSetWatches {
		return
	}
	c.w.cover.hit("watches re-armed with " + op.String())
	c.push(&request{xid: wire.XidSetWatches, op: op, body: q.Append(nil, op)})
}

// frame is a reply or a notification.
func (c *client) frame(f []byte) {
	r := wire.NewReader(f)
	h := wire.DecodeReplyHeader(&r)
	if h.Xid == wire.XidNotification {
		e := wire.DecodeWatcherEvent(&r)
		c.event(e.Type, e.Path)
		return
	}
	if len(c.pending) == 0 || c.pending[0].xid != h.Xid {
		c.w.fail("client %d: a reply to %d, which is not what it waits for (C3)", c.id, h.Xid)
		return
	}
	q := c.pending[0]
	c.pending = c.pending[1:]
	if h.Zxid > 0 && h.Zxid != ^core.Zxid(0) {
		if h.Zxid < c.last {
			c.w.fail("client %d saw %v and then %v (C4)", c.id, c.last, h.Zxid)
			return
		}
		c.last = h.Zxid
	}
	c.arm(q, h.Err)
	if q.op == wire.OpAuth && h.Err == core.OK {
		rd := wire.NewReader(q.body)
		a := wire.DecodeAuth(&rd)
		c.ids = append(c.ids, core.Identity{Scheme: "digest", ID: acl.Digest(a.Auth)})
	}
	if q.op == wire.OpCloseSession && h.Err == core.OK {
		c.w.cover.hit("session closed by its client")
		c.closing = true
	}
	if q.done != nil {
		q.done(&reply{zxid: h.Zxid, code: h.Err, body: r, at: c.w.now})
	}
}

// arm notes which watch a reply has armed, as client libraries do.
func (c *client) arm(q *request, code core.Code) {
	a := &c.armed
	if q.op == wire.OpAddWatch && code == core.OK {
		r := wire.NewReader(q.body)
		if m := wire.DecodePathMode(&r); core.WatchMode(m.Mode) == core.WatchNode {
			a.persistent[q.path] = true
		} else {
			a.recursive[q.path] = true
		}
	}
	if q.op == wire.OpRemoveWatches && code == core.OK {
		for _, set := range []map[string]bool{a.data, a.exist, a.child, a.persistent, a.recursive} {
			delete(set, q.path)
		}
	}
	if !q.watch {
		return
	}
	switch {
	case q.op == wire.OpExists && code == core.NoNode:
		a.exist[q.path] = true
	case code != core.OK:
	case q.op == wire.OpExists, q.op == wire.OpGetData:
		a.data[q.path] = true
	default:
		a.child[q.path] = true
	}
}

func (c *client) event(t core.EventType, path string) {
	a := &c.armed
	switch t {
	case core.NodeCreated, core.NodeDataChanged:
		delete(a.data, path)
		delete(a.exist, path)
	case core.NodeChildrenChanged:
		delete(a.child, path)
	case core.NodeDeleted:
		delete(a.data, path)
		delete(a.exist, path)
		delete(a.child, path)
	}
	if c.onEvent != nil && c.ready() {
		c.onEvent(t, path)
	}
}
