package zab

import (
	"errors"
	"fmt"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/wire"
)

// The kinds of messages on a link, by their first byte. They never change their
// meaning; what changes gets another.
const (
	kindNotification byte = 1 + iota
	kindFollowerInfo
	kindLeaderInfo
	kindAckEpoch
	kindDiff
	kindTrunc
	kindSnap
	kindInstalled
	kindNewLeader
	kindPropose
	kindProgress
	kindAck
	kindUpToDate
	kindPing
	kindPong
	kindElect
	kindLeave
	kindVouch
)

// ErrMessage is returned for bytes that are no message.
var ErrMessage = errors.New("zab: not a message")

// AppendMessage appends a message as it goes over a link.
func AppendMessage(dst []byte, msg Message) []byte {
	stream := func(kind byte, s Stream) { dst = wire.AppendLong(append(dst, kind), int64(s)) }
	long := func(v uint64) { dst = wire.AppendLong(dst, int64(v)) }
	position := func(p Position) { long(uint64(p.Zxid)); long(p.Chain) }
	switch m := msg.(type) {
	case Notification:
		dst = appendVote(append(dst, kindNotification, byte(m.State)), m.Vote)
		long(m.Round)
		dst = appendMembers(wire.AppendBool(dst, m.Fresh), m.Members)
	case FollowerInfo:
		stream(kindFollowerInfo, m.Stream)
		dst = wire.AppendInt(dst, int32(m.Accepted))
		dst = wire.AppendBool(wire.AppendBool(dst, m.Observer), m.Voteable)
	case LeaderInfo:
		stream(kindLeaderInfo, m.Stream)
		dst = wire.AppendInt(dst, int32(m.Epoch))
	case AckEpoch:
		stream(kindAckEpoch, m.Stream)
		dst = wire.AppendInt(wire.AppendBool(dst, m.Counted), int32(m.Current))
		position(Position{m.Last, m.Chain})
		long(uint64(m.Base))
		dst = wire.AppendInt(dst, int32(len(m.Epochs)))
		for _, e := range m.Epochs {
			position(Position{e.Last, e.Chain})
		}
		long(m.Have.ID)
		position(m.Have.At)
		dst = wire.AppendInt(dst, int32(m.Have.Parts))
	case Diff:
		stream(kindDiff, m.Stream)
		long(uint64(m.After))
	case Trunc:
		stream(kindTrunc, m.Stream)
		position(Position{m.Keep, m.Chain})
	case Snap:
		stream(kindSnap, m.Stream)
		position(m.At)
		long(m.Digest)
		long(m.ID)
		dst = wire.AppendInt(dst, int32(m.Part))
		dst = wire.AppendBuffer(wire.AppendBool(dst, m.Last), m.Data)
	case Installed:
		stream(kindInstalled, m.Stream)
		long(uint64(m.Zxid))
	case NewLeader:
		stream(kindNewLeader, m.Stream)
		dst = m.Marker.Append(dst)
	case Propose:
		stream(kindPropose, m.Stream)
		long(uint64(m.Committed))
		dst = wire.AppendInt(dst, int32(len(m.Records)))
		for i := range m.Records {
			dst = m.Records[i].Append(dst)
		}
	case Progress:
		stream(kindProgress, m.Stream)
		long(uint64(m.Zxid))
	case Ack:
		stream(kindAck, m.Stream)
		long(uint64(m.Zxid))
	case UpToDate:
		stream(kindUpToDate, m.Stream)
		long(uint64(m.Committed))
	case Ping:
		stream(kindPing, m.Stream)
		long(m.Nonce)
	case Pong:
		stream(kindPong, m.Stream)
		long(m.Nonce)
		long(uint64(m.Durable))
	case Elect:
		stream(kindElect, m.Stream)
		dst = appendVote(dst, m.Vote)
	case Leave:
		stream(kindLeave, m.Stream)
	case Vouch:
		stream(kindVouch, m.Stream)
	}
	return dst
}

func appendVote(dst []byte, v Vote) []byte {
	dst = wire.AppendInt(append(dst, byte(v.Leader)), int32(v.Epoch))
	return wire.AppendBool(wire.AppendLong(dst, int64(v.Zxid)), v.Named)
}

func decodeVote(r *wire.Reader) Vote {
	return Vote{Leader: core.PeerID(r.Byte()), Epoch: core.Epoch(r.Int()), Zxid: core.Zxid(r.Long()), Named: r.Bool()}
}

func appendMembers(dst []byte, m *Members) []byte {
	if m == nil {
		return wire.AppendBool(dst, false)
	}
	dst = wire.AppendLong(wire.AppendBool(dst, true), int64(m.Version))
	for _, set := range []quorum.Set{m.Voters, m.Observers} {
		for _, word := range set {
			dst = wire.AppendLong(dst, int64(word))
		}
	}
	return wire.AppendString(dst, m.Text)
}

func decodeMembers(r *wire.Reader) *Members {
	if !r.Bool() {
		return nil
	}
	m := &Members{Version: core.Zxid(r.Long())}
	for _, set := range []*quorum.Set{&m.Voters, &m.Observers} {
		for i := range set {
			set[i] = uint64(r.Long())
		}
	}
	m.Text = r.String()
	if m.Version == 0 || len(m.Text) > membersTextMax || m.Voters.Len() == 0 || m.Voters.Has(0) || m.Observers.Has(0) {
		r.Fail()
	}
	return m
}

// DecodeMessage reads one message, which is all of b. What it returns may alias b.
func DecodeMessage(b []byte) (Message, error) {
	if len(b) == 0 {
		return nil, ErrMessage
	}
	kind, r := b[0], wire.NewReader(b[1:])
	var msg Message
	if kind == kindNotification {
		n := Notification{State: Role(r.Byte()), Vote: decodeVote(&r), Round: uint64(r.Long()), Fresh: r.Bool()}
		n.Members = decodeMembers(&r)
		if n.State > Observing {
			r.Fail()
		}
		msg = n
	} else {
		msg = decodeOfStream(kind, Stream(r.Long()), &r)
	}
	switch {
	case msg == nil:
		return nil, fmt.Errorf("%w: kind %d", ErrMessage, kind)
	case r.Err() != nil:
		return nil, fmt.Errorf("%w: kind %d: %w", ErrMessage, kind, r.Err())
	case r.Len() > 0:
		return nil, fmt.Errorf("%w: kind %d: %d bytes too many", ErrMessage, kind, r.Len())
	}
	return msg, nil
}

func decodeOfStream(kind byte, s Stream, r *wire.Reader) Message {
	zxid := func() core.Zxid { return core.Zxid(r.Long()) }
	position := func() Position { return Position{zxid(), uint64(r.Long())} }
	switch kind {
	case kindFollowerInfo:
		return FollowerInfo{Stream: s, Accepted: core.Epoch(r.Int()), Observer: r.Bool(), Voteable: r.Bool()}
	case kindLeaderInfo:
		return LeaderInfo{Stream: s, Epoch: core.Epoch(r.Int())}
	case kindAckEpoch:
		a := AckEpoch{Stream: s, Counted: r.Bool(), Current: core.Epoch(r.Int())}
		last := position()
		a.Last, a.Chain, a.Base = last.Zxid, last.Chain, zxid()
		n := r.Count(16)
		if n > epochsMax+1 {
			r.Fail()
		}
		for range n {
			if r.Err() != nil {
				break
			}
			end := position()
			a.Epochs = append(a.Epochs, EpochEnd{Last: end.Zxid, Chain: end.Chain})
		}
		a.Have = Partial{ID: uint64(r.Long()), At: position(), Parts: uint32(r.Int())}
		return a
	case kindDiff:
		return Diff{Stream: s, After: zxid()}
	case kindTrunc:
		at := position()
		return Trunc{Stream: s, Keep: at.Zxid, Chain: at.Chain}
	case kindSnap:
		return Snap{Stream: s, At: position(), Digest: uint64(r.Long()), ID: uint64(r.Long()), Part: uint32(r.Int()), Last: r.Bool(), Data: r.Bytes()}
	case kindInstalled:
		return Installed{Stream: s, Zxid: zxid()}
	case kindNewLeader:
		return NewLeader{Stream: s, Marker: wire.DecodeRecord(r)}
	case kindPropose:
		p := Propose{Stream: s, Committed: zxid()}
		n := r.Count(wire.RecordHeadBytes)
		for range n {
			if r.Err() != nil {
				break
			}
			p.Records = append(p.Records, wire.DecodeRecord(r))
		}
		return p
	case kindProgress:
		return Progress{Stream: s, Zxid: zxid()}
	case kindAck:
		return Ack{Stream: s, Zxid: zxid()}
	case kindUpToDate:
		return UpToDate{Stream: s, Committed: zxid()}
	case kindPing:
		return Ping{Stream: s, Nonce: uint64(r.Long())}
	case kindPong:
		return Pong{Stream: s, Nonce: uint64(r.Long()), Durable: zxid()}
	case kindElect:
		return Elect{Stream: s, Vote: decodeVote(r)}
	case kindLeave:
		return Leave{Stream: s}
	case kindVouch:
		return Vouch{Stream: s}
	}
	return nil
}
