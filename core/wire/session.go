package wire

import "github.com/zensus-io/zensus/core"

// ConnectRequest is a client's first frame.
type ConnectRequest struct {
	ProtocolVersion int32
	LastZxidSeen    core.Zxid
	TimeoutMillis   int32
	SessionID       core.SessionID
	Password        []byte
	ReadOnly        bool
	// HasReadOnly reports that the flag was there: old clients omit it and then
	// want no such byte in the response.
	HasReadOnly bool
}

// Append appends the record.
func (c ConnectRequest) Append(dst []byte) []byte {
	dst = AppendInt(dst, c.ProtocolVersion)
	dst = AppendLong(dst, int64(c.LastZxidSeen))
	dst = AppendInt(dst, c.TimeoutMillis)
	dst = AppendLong(dst, int64(c.SessionID))
	dst = AppendBuffer(dst, c.Password)
	if c.HasReadOnly {
		dst = AppendBool(dst, c.ReadOnly)
	}
	return dst
}

// DecodeConnectRequest decodes a first frame. The password aliases it.
func DecodeConnectRequest(frame []byte) (ConnectRequest, error) {
	r := NewReader(frame)
	c := ConnectRequest{
		ProtocolVersion: r.Int(),
		LastZxidSeen:    core.Zxid(r.Long()),
		TimeoutMillis:   r.Int(),
		SessionID:       core.SessionID(r.Long()),
		Password:        r.Bytes(),
	}
	if r.Err() == nil && r.Len() > 0 {
		c.HasReadOnly = true
		c.ReadOnly = r.Bool()
	}
	return c, r.Err()
}

// ConnectResponse answers a ConnectRequest. A refusal is all zero with a zero
// password of PasswordBytes.
type ConnectResponse struct {
	ProtocolVersion int32
	TimeoutMillis   int32
	SessionID       core.SessionID
	Password        [PasswordBytes]byte
	ReadOnly        bool
	HasReadOnly     bool // only if the request had the flag
}

// Append appends the record: 37 bytes, 36 without the flag.
func (c ConnectResponse) Append(dst []byte) []byte {
	dst = AppendInt(dst, c.ProtocolVersion)
	dst = AppendInt(dst, c.TimeoutMillis)
	dst = AppendLong(dst, int64(c.SessionID))
	dst = AppendBuffer(dst, c.Password[:])
	if c.HasReadOnly {
		dst = AppendBool(dst, c.ReadOnly)
	}
	return dst
}

// DecodeConnectResponse decodes a server's first frame. A password of another
// length than PasswordBytes is a fault: it could not be sent back.
func DecodeConnectResponse(frame []byte) (ConnectResponse, error) {
	r := NewReader(frame)
	c := ConnectResponse{
		ProtocolVersion: r.Int(),
		TimeoutMillis:   r.Int(),
		SessionID:       core.SessionID(r.Long()),
	}
	password := r.Bytes()
	if len(password) != PasswordBytes {
		r.Fail()
	}
	copy(c.Password[:], password)
	if r.Err() == nil && r.Len() > 0 {
		c.HasReadOnly = true
		c.ReadOnly = r.Bool()
	}
	return c, r.Err()
}

// RequestHeader precedes every request but the first.
type RequestHeader struct {
	Xid int32
	Op  OpCode
}

// AppendRequestHeader appends the header.
func AppendRequestHeader(dst []byte, xid int32, op OpCode) []byte {
	return AppendInt(AppendInt(dst, xid), int32(op))
}

// DecodeRequestHeader reads a header.
func DecodeRequestHeader(r *Reader) RequestHeader {
	return RequestHeader{Xid: r.Int(), Op: OpCode(r.Int())}
}

// ReplyHeader precedes every reply but the first, and every notification.
type ReplyHeader struct {
	Xid  int32
	Zxid core.Zxid
	Err  core.Code
}

// ReplyHeaderBytes is the encoded size.
const ReplyHeaderBytes = 16

// AppendReplyHeader appends the header.
func AppendReplyHeader(dst []byte, xid int32, zxid core.Zxid, err core.Code) []byte {
	return AppendInt(AppendLong(AppendInt(dst, xid), int64(zxid)), int32(err))
}

// DecodeReplyHeader reads a header.
func DecodeReplyHeader(r *Reader) ReplyHeader {
	return ReplyHeader{Xid: r.Int(), Zxid: core.Zxid(r.Long()), Err: core.Code(r.Int())}
}

// WatcherEvent is the body of a notification.
type WatcherEvent struct {
	Type  core.EventType
	State int32 // 3, SyncConnected, in everything that a server sends
	Path  string
}

// StateSyncConnected is the state in every event that a server sends.
const StateSyncConnected int32 = 3

// AppendWatcherEvent appends the record.
func AppendWatcherEvent(dst []byte, t core.EventType, path string) []byte {
	return AppendString(AppendInt(AppendInt(dst, int32(t)), StateSyncConnected), path)
}

// DecodeWatcherEvent reads the record.
func DecodeWatcherEvent(r *Reader) WatcherEvent {
	return WatcherEvent{Type: core.EventType(r.Int()), State: r.Int(), Path: r.String()}
}
