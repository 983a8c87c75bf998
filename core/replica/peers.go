package replica

import (
	"errors"
	"fmt"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// What replicas say to one another about their clients, beside the protocol's own
// messages. All of it belongs to an epoch: what an earlier leader was asked, or has
// answered, is dropped.
type (
	// forward is a write for the leader to propose.
	forward struct {
		epoch   core.Epoch
		session core.SessionID
		cxid    int32
		op      wire.OpCode
		ids     []core.Identity
		body    []byte
	}
	// refused says that a forwarded write was not proposed, or, without one, that a
	// session has moved elsewhere.
	refused struct {
		epoch   core.Epoch
		session core.SessionID
		cxid    int32
		op      wire.OpCode
		code    core.Code
	}
	// revalidate asks whether a session is alive, for a client that has come with it; with
	// conn 0 it tells of one that was kept through a hand-over.
	revalidate struct {
		epoch   core.Epoch
		session core.SessionID
		timeout int32
		conn    ConnID
	}
	// revalidated is the answer.
	revalidated struct {
		epoch   core.Epoch
		session core.SessionID
		conn    ConnID
		zxid    core.Zxid // from which on the session is known, if it is valid
		valid   bool
	}
	// touches tells of signs of life of sessions.
	touches struct {
		epoch    core.Epoch
		sessions []core.SessionID
	}
	// syncAsk asks up to where a read must have come to be linearizable.
	syncAsk struct {
		epoch core.Epoch
		upTo  uint64 // number of the last of the syncs that it is for
	}
	// syncAnswer is the answer.
	syncAnswer struct {
		epoch core.Epoch
		upTo  uint64
		zxid  core.Zxid
	}
)

// The kinds of these messages, by their first byte; those of package zab are below.
const (
	kindForward byte = 64 + iota
	kindRefused
	kindRevalidate
	kindRevalidated
	kindTouches
	kindSyncAsk
	kindSyncAnswer
	kindInquiry
	kindReport
	kindTransferAsk
)

// touchesMax bounds the sessions in one message.
const touchesMax = 100_000

// errPeer is returned for bytes that are no message of a replica.
var errPeer = errors.New("replica: not a message")

// Envelope is a message for a peer.
type Envelope struct {
	To  core.PeerID
	msg any // of package zab, or one of the above
}

// Append appends the message as it goes over a link.
func (e *Envelope) Append(dst []byte) []byte { return appendPeer(dst, e.msg) }

func appendPeer(dst []byte, msg any) []byte {
	begin := func(kind byte, epoch core.Epoch) { dst = wire.AppendInt(append(dst, kind), int32(epoch)) }
	long := func(v int64) { dst = wire.AppendLong(dst, v) }
	switch m := msg.(type) {
	case zab.Message:
		return zab.AppendMessage(dst, m)
	case forward:
		begin(kindForward, m.epoch)
		long(int64(m.session))
		dst = wire.AppendInt(wire.AppendInt(dst, m.cxid), int32(m.op))
		dst = wire.AppendInt(dst, int32(len(m.ids)))
		for _, id := range m.ids {
			dst = wire.AppendString(wire.AppendString(dst, id.Scheme), id.ID)
		}
		dst = wire.AppendBuffer(dst, m.body)
	case refused:
		begin(kindRefused, m.epoch)
		long(int64(m.session))
		dst = wire.AppendInt(wire.AppendInt(wire.AppendInt(dst, m.cxid), int32(m.op)), int32(m.code))
	case revalidate:
		begin(kindRevalidate, m.epoch)
		long(int64(m.session))
		dst = wire.AppendInt(dst, m.timeout)
		long(int64(m.conn))
	case revalidated:
		begin(kindRevalidated, m.epoch)
		long(int64(m.session))
		long(int64(m.conn))
		long(int64(m.zxid))
		dst = wire.AppendBool(dst, m.valid)
	case touches:
		begin(kindTouches, m.epoch)
		dst = wire.AppendInt(dst, int32(len(m.sessions)))
		for _, id := range m.sessions {
			long(int64(id))
		}
	case syncAsk:
		begin(kindSyncAsk, m.epoch)
		long(int64(m.upTo))
	case syncAnswer:
		begin(kindSyncAnswer, m.epoch)
		long(int64(m.upTo))
		long(int64(m.zxid))
	case inquiry:
		dst = append(dst, kindInquiry)
		long(int64(m.nonce))
	case report:
		dst = appendReport(dst, &m)
	case transferAsk:
		dst = append(dst, kindTransferAsk, byte(m.to))
	}
	return dst
}

// decodePeer reads a message, which is all of b and may alias it.
func decodePeer(b []byte) (any, error) {
	if len(b) == 0 {
		return nil, errPeer
	}
	if b[0] < kindForward {
		return zab.DecodeMessage(b)
	}
	kind, r := b[0], wire.NewReader(b[1:])
	var epoch core.Epoch
	if kind < kindInquiry {
		epoch = core.Epoch(r.Int())
	}
	session := func() core.SessionID { return core.SessionID(r.Long()) }
	var msg any
	switch kind {
	case kindForward:
		m := forward{epoch: epoch, session: session(), cxid: r.Int(), op: wire.OpCode(r.Int())}
		n := r.Count(8)
		if n > identitiesMax {
			r.Fail()
		}
		for range n {
			if r.Err() != nil {
				break
			}
			m.ids = append(m.ids, core.Identity{Scheme: r.String(), ID: r.String()})
		}
		m.body = r.Bytes()
		msg = m
	case kindRefused:
		msg = refused{epoch: epoch, session: session(), cxid: r.Int(), op: wire.OpCode(r.Int()), code: core.Code(r.Int())}
	case kindRevalidate:
		msg = revalidate{epoch: epoch, session: session(), timeout: r.Int(), conn: ConnID(r.Long())}
	case kindRevalidated:
		msg = revalidated{epoch: epoch, session: session(), conn: ConnID(r.Long()), zxid: core.Zxid(r.Long()), valid: r.Bool()}
	case kindTouches:
		m := touches{epoch: epoch}
		n := r.Count(8)
		if n > touchesMax {
			r.Fail()
		}
		for range n {
			if r.Err() != nil {
				break
			}
			m.sessions = append(m.sessions, session())
		}
		msg = m
	case kindSyncAsk:
		msg = syncAsk{epoch: epoch, upTo: uint64(r.Long())}
	case kindSyncAnswer:
		msg = syncAnswer{epoch: epoch, upTo: uint64(r.Long()), zxid: core.Zxid(r.Long())}
	case kindInquiry:
		msg = inquiry{nonce: uint64(r.Long())}
	case kindReport:
		msg = decodeReport(&r)
	case kindTransferAsk:
		msg = transferAsk{to: core.PeerID(r.Byte())}
	default:
		return nil, fmt.Errorf("%w: kind %d", errPeer, kind)
	}
	switch {
	case r.Err() != nil:
		return nil, fmt.Errorf("%w: kind %d: %w", errPeer, kind, r.Err())
	case r.Len() > 0:
		return nil, fmt.Errorf("%w: kind %d: %d bytes too many", errPeer, kind, r.Len())
	}
	return msg, nil
}

// SignsOfLife are the sessions that a message tells to be alive, if this server decides
// about sessions. It is for those who watch an ensemble from outside.
func (r *Replica) SignsOfLife(in Message) []core.SessionID {
	msg, err := decodePeer(in.Body)
	if err != nil {
		return nil
	}
	switch m := msg.(type) {
	case touches:
		if r.leads(m.epoch) {
			return m.sessions
		}
	case revalidate:
		if r.leads(m.epoch) && !r.movedFrom(in.From, &m) {
			return []core.SessionID{m.session}
		}
	}
	return nil
}

// IsTouches reports whether a message tells the leader of signs of life. It too is for
// those who watch.
func IsTouches(body []byte) bool { return len(body) > 0 && body[0] == kindTouches }

// IsForward reports whether a message brings the leader a write.
func IsForward(body []byte) bool { return len(body) > 0 && body[0] == kindForward }
