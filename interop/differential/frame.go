package differential

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// FrameKind says what arrived.
type FrameKind uint8

// The kinds of what arrives.
const (
	Reply   FrameKind = iota
	Event             // a notification
	Welcome           // a ConnectResponse
	Closed            // the end of the connection
	Silent            // nothing, though an answer was due
	Stray             // a frame that answers nothing
	Passed            // what was awaited came to pass
)

// Frame is one thing that arrived on a connection.
type Frame struct {
	Kind    FrameKind
	Request *Request // of a Reply
	Xid     int32
	Zxid    int64
	Err     int32
	Body    []byte // all of it, of a Welcome or a Stray
	Turn    int    // of a Reply, how many requests of the burst should have been answered before
}

// names translates what servers choose for themselves into what can be compared.
type names struct {
	zxid    func(int64) string // of a change
	reached func(int64) string // of the last change that a server had made when it answered
	session func(int64) string
}

// text is the frame in a form in which the same of two servers is equal.
func (n *names) text(f *Frame) string {
	switch f.Kind {
	case Reply:
		s := fmt.Sprintf("reply xid %d zxid %s err %d", f.Xid, n.reached(f.Zxid), f.Err)
		return s + n.body(f.Request, f.Err, f.Body)
	case Event:
		r := wire.NewReader(f.Body)
		e := wire.DecodeWatcherEvent(&r)
		return fmt.Sprintf("event %d state %d %q err %d%s", int32(e.Type), e.State, e.Path, f.Err, rest(&r))
	case Welcome:
		r := wire.NewReader(f.Body)
		version, timeout, session, password := r.Int(), r.Int(), r.Long(), r.Bytes()
		zero := strings.Trim(string(password), "\x00") == ""
		return fmt.Sprintf("welcome version %d timeout %d session %s password of %d, zero %v,%s", version, timeout,
			n.session(session), len(password), zero, rest(&r))
	case Closed:
		return "closed"
	case Silent:
		return "no answer"
	case Passed:
		return "it came to pass"
	}
	return fmt.Sprintf("stray %x", f.Body)
}

// rest is what no field of a record accounts for.
func rest(r *wire.Reader) string {
	if r.Err() != nil {
		return " malformed"
	}
	if r.Len() > 0 {
		return fmt.Sprintf(" and %x", r.Rest())
	}
	return ""
}

func (n *names) body(q *Request, code int32, body []byte) string {
	r := wire.NewReader(body)
	if code != 0 && q.Op != wire.OpSASL {
		return rest(&r)
	}
	s := " " + n.result(q.Op, &r)
	return s + rest(&r)
}

func (n *names) result(op wire.OpCode, r *wire.Reader) string {
	switch op {
	case wire.OpCreate, wire.OpSync:
		return quote(r.Bytes())
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		return quote(r.Bytes()) + " " + n.stat(r)
	case wire.OpExists, wire.OpSetData, wire.OpSetACL:
		return n.stat(r)
	case wire.OpGetData, wire.OpReconfig:
		return quote(r.Bytes()) + " " + n.stat(r)
	case wire.OpGetACL:
		return acls(r) + " " + n.stat(r)
	case wire.OpGetChildren, wire.OpGetEphemerals:
		return list(r)
	case wire.OpGetChildren2:
		return list(r) + " " + n.stat(r)
	case wire.OpMulti, wire.OpMultiRead:
		return n.results(op, r)
	case wire.OpSASL:
		if r.Len() == 0 {
			return "no token"
		}
		return quote(r.Bytes())
	case wire.OpGetAllChildrenNumber, wire.OpAddWatch:
		return fmt.Sprint(r.Int())
	case wire.OpWhoAmI:
		var ids []string
		for range r.Count(8) {
			ids = append(ids, quote(r.Bytes())+":"+quote(r.Bytes()))
		}
		slices.Sort(ids)
		return fmt.Sprint(ids)
	}
	return ""
}

func (n *names) results(op wire.OpCode, r *wire.Reader) string {
	var b strings.Builder
	for r.Err() == nil {
		h := wire.DecodeMultiHeader(r)
		fmt.Fprintf(&b, "[%d %v %d", int32(h.Op), h.Done, h.Err)
		if h.Done {
			b.WriteByte(']')
			break
		}
		if h.Op == wire.OpError {
			fmt.Fprintf(&b, " %d]", r.Int())
			continue
		}
		b.WriteString(" " + n.result(h.Op, r) + "]")
	}
	return b.String()
}

// stat is a Stat without its times, whose relations alone are shown.
func (n *names) stat(r *wire.Reader) string {
	s := wire.DecodeStat(r)
	times := "times right"
	switch {
	case s.Ctime > s.Mtime, s.Czxid == s.Mzxid && s.Ctime != s.Mtime, (s.Czxid == 0) != (s.Ctime == 0), (s.Mzxid == 0) != (s.Mtime == 0):
		times = fmt.Sprintf("times wrong (%d, %d)", s.Ctime, s.Mtime)
	}
	return fmt.Sprintf("{c%s m%s p%s v%d cv%d av%d owner %s len %d kids %d %s}", n.zxid(int64(s.Czxid)), n.zxid(int64(s.Mzxid)),
		n.zxid(int64(s.Pzxid)), s.Version, s.Cversion, s.Aversion, n.session(int64(s.EphemeralOwner)), s.DataLength, s.NumChildren, times)
}

func acls(r *wire.Reader) string {
	var all []string
	count := r.Count(12)
	for range count {
		all = append(all, fmt.Sprintf("%d:%s:%s", r.Int(), quote(r.Bytes()), quote(r.Bytes())))
	}
	return fmt.Sprintf("acl of %d %v", count, all)
}

// list is a vector of strings, sorted: no order of them is promised.
func list(r *wire.Reader) string {
	count := r.Count(4)
	var all []string
	for range count {
		all = append(all, quote(r.Bytes()))
	}
	slices.Sort(all)
	return fmt.Sprintf("%d of %v", count, all)
}

func quote(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) > 200:
		return fmt.Sprintf("%d bytes (%08x)", len(b), crc32.ChecksumIEEE(b))
	}
	return fmt.Sprintf("%q", b)
}

// event decodes a notification.
func (f *Frame) event() wire.WatcherEvent {
	r := wire.NewReader(f.Body)
	return wire.DecodeWatcherEvent(&r)
}

// code is the result code under which the coverage counts a reply.
func (f *Frame) code() core.Code { return core.Code(f.Err) }
