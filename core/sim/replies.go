package sim

import (
	"fmt"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/sim/model"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
)

// frame checks one frame that a server sent. It reports false if the frame must
// wait until the model has come to its zxid.
func (o *oracle) frame(l *link, f []byte) bool {
	if !l.told.welcomed {
		return o.welcome(l, f)
	}
	r := wire.NewReader(f)
	h := wire.DecodeReplyHeader(&r)
	if h.Xid == wire.XidNotification {
		return o.notification(l, h, &r)
	}
	if len(l.told.sent) == 0 {
		o.w.fail("link %d: a reply to nothing: %+v", l.id, h)
		return true
	}
	q := l.told.sent[0]
	if q.xid != h.Xid {
		o.w.fail("link %d: a reply to %d, and %d comes first (C3)", l.id, h.Xid, q.xid)
		return true
	}
	if q.op == wire.OpAuth {
		if h.Zxid != 0 || h.Err != core.OK {
			o.w.fail("link %d: auth is answered %+v", l.id, h)
		}
		l.told.sent = l.told.sent[1:]
		return true
	}
	if h.Zxid > l.s.model.Applied {
		return false
	}
	if o.refusedInProcess(l, q, h) {
		return true
	}
	if len(l.told.events) > 0 && l.told.events[0].zxid <= h.Zxid {
		o.w.fail("link %d: the reply to %v at %v comes before %v (C6)", l.id, q.op, h.Zxid, l.told.events[0])
		return true
	}
	if q.plan == nil {
		q.plan = o.planFor(l, q)
	}
	if h.Zxid != q.plan.zxid {
		o.w.fail("link %d: the reply to %v %s is of %v (%d), and was made at %v", l.id, q.op, q.path, h.Zxid, int32(h.Err), q.plan.zxid)
		return true
	}
	if h.Zxid < l.s.model.Applied {
		o.w.cover.hit("reply behind the state")
	}
	l.told.sent = l.told.sent[1:]
	if l.told.away == q {
		l.told.away = nil
	}
	o.w.cover.hit(fmt.Sprintf("reply %v %d", q.op, h.Err))
	if q.op == wire.OpSync && o.w.healedAt >= 0 && q.call > o.w.healedAt && o.w.now-o.w.healedAt < 5*second {
		o.w.cover.hit("sync confirmed behind a partition")
	}
	err := q.plan.check(h, &r)
	if err == nil && h.Err != core.OK && r.Len() > 0 {
		err = fmt.Errorf("an error with a body")
	}
	if err != nil {
		o.w.fail("link %d: %v %s at %v: %w", l.id, q.op, q.path, h.Zxid, err)
	}
	o.replies++
	return true
}

// refusedInProcess reports whether a reply is one that only sessions in process get: the
// server has lost its role, nobody knows what became of what was asked for before, and
// until it has another there are reads only.
func (o *oracle) refusedInProcess(l *link, q *request, h wire.ReplyHeader) bool {
	switch {
	case !l.local || o.w.alone() || l.s.rep.Serving():
		return false
	case h.Err == core.ConnectionLoss:
	case h.Err == core.NotReadOnly && (q.op == wire.OpSync || state.IsWrite(q.op)):
	default:
		return false
	}
	o.w.cover.hit("in process: " + h.Err.Error())
	l.told.sent = l.told.sent[1:]
	if l.told.away == q {
		l.told.away = nil
	}
	return true
}

// outlives checks that sessions in process go on when a role of their server ends.
func (o *oracle) outlives(s *server) {
	for _, l := range linksOf(s) {
		if !l.local || !l.told.welcomed || l.told.session == 0 {
			continue
		}
		switch {
		case !s.rep.Serving():
			l.outlived = true
		case l.outlived:
			l.outlived = false
			o.w.cover.hit("session in process outlives a role")
		}
	}
}

// endedInProcess checks the end of a link in process: there is a reason for it.
func (o *oracle) endedInProcess(l *link, in replica.Input) {
	if !l.local || o.w.alone() || !l.told.welcomed || l.told.session == 0 {
		return
	}
	switch in.(type) {
	case replica.SnapshotInstalled, replica.Kick: // another tree; somebody wants it
		return
	}
	for _, later := range linksOf(l.s) {
		if later.id > l.id && later.told.asked.SessionID == l.told.session {
			return // its client has come again
		}
	}
	_, lives := l.s.model.Sessions[l.told.session]
	if st := o.sessions[l.told.session]; lives && st != nil && !st.closing && l.s.rep.State().SessionOpen(l.told.session) {
		o.w.fail("server %d closes the link of session %v in process, which lives, at %T", l.s.id, l.told.session, in)
	}
}

// welcome checks a ConnectResponse: a new session is in the log, a resumed one
// lives, a refused one does not.
func (o *oracle) welcome(l *link, f []byte) bool {
	resp, err := wire.DecodeConnectResponse(f)
	if err != nil {
		o.w.fail("link %d: %w", l.id, err)
		return true
	}
	_, open := l.s.model.Sessions[resp.SessionID]
	if resp.SessionID == 0 {
		if st := o.sessions[l.told.asked.SessionID]; st != nil && !st.closing {
			return false
		}
		l.told.welcomed = true
		return true
	}
	if !open {
		return false
	}
	l.told.welcomed, l.told.session = true, resp.SessionID
	if st := o.sessions[resp.SessionID]; st != nil { // else others have seen its end already
		st.timeout = int64(resp.TimeoutMillis)
		if o.w.alone() || l.s.leads() {
			st.hear(l.s, o.w.now)
		}
	}
	if old := l.told.asked.SessionID; old != 0 && old != resp.SessionID {
		o.w.fail("link %d asked for session %v and got %v", l.id, old, resp.SessionID)
	}
	return true
}

func (o *oracle) notification(l *link, h wire.ReplyHeader, r *wire.Reader) bool {
	e := wire.DecodeWatcherEvent(r)
	got := expected{zxid: h.Zxid, kind: e.Type, path: e.Path}
	if h.Zxid == ^core.Zxid(0) { // of setWatches, checked with its reply
		l.told.catchup = append(l.told.catchup, got)
		return true
	}
	if h.Zxid > l.s.model.Applied {
		return false
	}
	if len(l.told.events) == 0 {
		o.w.fail("link %d: an event that nothing explains: %v (C6)", l.id, got)
		return true
	}
	want := l.told.events[0]
	l.told.events = l.told.events[1:]
	if compareEvents(got, want) != 0 {
		o.w.fail("link %d: event %v, expected %v (C6)", l.id, got, want)
		return true
	}
	if l.local && r.Bool() {
		data := r.Bytes()
		if stat := wire.DecodeStat(r); !sameBytes(data, want.data) || stat != want.stat {
			o.w.fail("link %d: event %v carries %q %+v, expected %q %+v", l.id, got, data, stat, want.data, want.stat)
		}
		o.w.cover.hit("event with the znode")
	}
	o.w.cover.hit("event " + e.Type.String())
	o.events++
	return true
}

// plan is what a reply must be: made at zxid, and whatever check says.
type plan struct {
	zxid  core.Zxid
	check func(h wire.ReplyHeader, r *wire.Reader) error
}

// planFor says what the reply to a request must be if it is made now, and arms
// the watch that it asks for. Mostly the reply is there and is compared at once;
// behind a long read it comes later.
func (o *oracle) planFor(l *link, q *request) *plan {
	just := func(want core.Code) *plan {
		return &plan{l.s.model.Applied, func(h wire.ReplyHeader, r *wire.Reader) error { return codes(h.Err, want) }}
	}
	switch q.op {
	case wire.OpPing:
		return just(core.OK)
	case wire.OpSync:
		return &plan{l.s.model.Applied, func(h wire.ReplyHeader, r *wire.Reader) error {
			if got := r.String(); got != q.path {
				return fmt.Errorf("echoes %q", got)
			}
			return codes(h.Err, core.OK)
		}}
	case wire.OpSetWatches, wire.OpSetWatches2:
		return o.setWatches(l, q)
	case wire.OpAddWatch:
		l.told.addWatch(q)
		return just(core.OK)
	case wire.OpCheckWatches, wire.OpRemoveWatches:
		return just(l.told.ofWatch(q))
	case wire.OpMultiRead:
		return o.multiRead(l, q)
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2, wire.OpGetACL,
		wire.OpGetEphemerals, wire.OpGetAllChildrenNumber:
		want := l.s.model.Read(q.op, q.path, l.told.session, q.ids)
		if q.watch && (want.Code == core.OK || want.Code == core.NoNode && q.op == wire.OpExists) {
			if q.op == wire.OpExists || q.op == wire.OpGetData {
				l.told.watches.data[q.path] = true
			} else {
				l.told.watches.child[q.path] = true
			}
		}
		return &plan{l.s.model.Applied, func(h wire.ReplyHeader, r *wire.Reader) error {
			if err := codes(h.Err, want.Code); err != nil || h.Err != core.OK {
				return err
			}
			return sameAnswer(q.op, r, want)
		}}
	}
	if q.write.outcome == nil && o.lowSince(q.call) && q.op != wire.OpCloseSession {
		return just(core.SystemError) // refused before it came into the order
	}
	return &plan{q.write.zxid, func(h wire.ReplyHeader, r *wire.Reader) error { return o.written(q, h, r) }}
}

// lowSince reports whether a server's disk was nearly full since then.
func (o *oracle) lowSince(at int64) bool {
	return slices.ContainsFunc(o.w.servers, func(s *server) bool { return s.low.On || s.lowUntil >= at })
}

func codes(got, want core.Code) error {
	if got != want {
		return fmt.Errorf("code %d, expected %d", int32(got), int32(want))
	}
	return nil
}

// written checks the reply to a write against its transaction.
func (o *oracle) written(q *request, h wire.ReplyHeader, r *wire.Reader) error {
	out := q.write.outcome
	if out == nil || q.write.zxid != h.Zxid {
		return fmt.Errorf("is answered, and its transaction is that of %v", q.write.zxid)
	}
	if err := codes(h.Err, out.Code); err != nil || h.Err != core.OK {
		return err
	}
	switch q.op {
	case wire.OpCreate:
		if got := r.String(); got != out.Results[0].Path {
			return fmt.Errorf("path %q, expected %q", got, out.Results[0].Path)
		}
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		if got := r.String(); got != out.Results[0].Path {
			return fmt.Errorf("path %q, expected %q", got, out.Results[0].Path)
		}
		return sameStat(r, out.Results[0].Stat)
	case wire.OpSetData, wire.OpSetACL:
		return sameStat(r, out.Results[0].Stat)
	case wire.OpMulti:
		return sameResults(r, out.Results)
	case wire.OpReconfig:
		if text := r.Bytes(); !sameBytes(text, out.Changes[0].Data) {
			return fmt.Errorf("is answered %q", text)
		}
		return sameStat(r, out.Results[0].Stat)
	}
	return nil
}

func (o *oracle) multiRead(l *link, q *request) *plan {
	type part struct {
		op   wire.OpCode
		want model.Answer
	}
	var parts []part
	for asked := wire.NewReader(q.body); ; {
		h := wire.DecodeMultiHeader(&asked)
		if h.Done {
			break
		}
		path := wire.DecodePathWatch(&asked)
		parts = append(parts, part{h.Op, l.s.model.Read(h.Op, string(path.Path), l.told.session, q.ids)})
	}
	return &plan{l.s.model.Applied, func(_ wire.ReplyHeader, r *wire.Reader) error {
		for i, p := range parts {
			h := wire.DecodeMultiHeader(r)
			if p.want.Code != core.OK {
				if h.Op != wire.OpError || core.Code(r.Int()) != p.want.Code {
					return fmt.Errorf("result %d is %+v, expected %d", i, h, int32(p.want.Code))
				}
				continue
			}
			if h.Op != p.op {
				return fmt.Errorf("result %d is %+v, expected %v", i, h, p.op)
			}
			if err := sameAnswer(p.op, r, p.want); err != nil {
				return fmt.Errorf("result %d: %w", i, err)
			}
		}
		if h := wire.DecodeMultiHeader(r); !h.Done || r.Err() != nil {
			return fmt.Errorf("results do not end")
		}
		return nil
	}}
}

// setWatches checks the events of the past and arms the rest (5.4).
func (o *oracle) setWatches(l *link, q *request) *plan {
	r := wire.NewReader(q.body)
	s := wire.DecodeSetWatches(&r, q.op)
	t := &l.told
	var want []expected
	add := func(kind core.EventType, path string) {
		want = append(want, expected{zxid: ^core.Zxid(0), kind: kind, path: path})
		o.w.cover.hit("event of the past " + kind.String())
	}
	for _, path := range s.Data {
		switch n := l.s.model.Nodes[path]; {
		case n == nil:
			add(core.NodeDeleted, path)
		case n.Mzxid > s.RelativeZxid:
			add(core.NodeDataChanged, path)
		default:
			t.watches.data[path] = true
		}
	}
	for _, path := range s.Exist {
		if l.s.model.Nodes[path] != nil {
			add(core.NodeCreated, path)
		} else {
			t.watches.data[path] = true
		}
	}
	for _, path := range s.Child {
		switch n := l.s.model.Nodes[path]; {
		case n == nil:
			add(core.NodeDeleted, path)
		case n.Pzxid > s.RelativeZxid:
			add(core.NodeChildrenChanged, path)
		default:
			t.watches.child[path] = true
		}
	}
	for _, path := range s.Persistent {
		t.watches.persistent[path] = true
	}
	for _, path := range s.PersistentRecurs {
		t.watches.recursive[path] = true
	}
	o.w.cover.hit("watches re-armed")
	return &plan{l.s.model.Applied, func(h wire.ReplyHeader, _ *wire.Reader) error {
		got := t.catchup
		t.catchup = nil
		if !slices.EqualFunc(got, want, func(a, b expected) bool { return compareEvents(a, b) == 0 }) {
			return fmt.Errorf("events of the past %v, expected %v", got, want)
		}
		return codes(h.Err, core.OK)
	}}
}

func (t *linkOracle) addWatch(q *request) {
	r := wire.NewReader(q.body)
	if m := wire.DecodePathMode(&r); core.WatchMode(m.Mode) == core.WatchNode {
		t.watches.persistent[q.path] = true
	} else {
		t.watches.recursive[q.path] = true
	}
}

// ofWatch answers checkWatches and removeWatches (5.5).
func (t *linkOracle) ofWatch(q *request) core.Code {
	r := wire.NewReader(q.body)
	m := wire.DecodePathMode(&r)
	w := &t.watches
	sets := map[int32][]map[string]bool{
		1: {w.child}, 2: {w.data}, 3: {w.child, w.data, w.persistent, w.recursive}, 4: {w.persistent}, 5: {w.recursive},
	}[m.Mode]
	found := false
	for _, set := range sets {
		found = found || set[q.path]
		if q.op == wire.OpRemoveWatches {
			delete(set, q.path)
		}
	}
	if !found {
		return core.NoWatcher
	}
	return core.OK
}
