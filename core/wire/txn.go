package wire

import "github.com/zensus-io/zensus/core"

// TxnHeader precedes every transaction.
type TxnHeader struct {
	Session core.SessionID
	Cxid    int32
	Zxid    core.Zxid
	Time    int64 // wall time of the leader in milliseconds
	Op      OpCode
}

// TxnHeaderBytes is the encoded size.
const TxnHeaderBytes = 32

// AppendTxnHeader appends the header.
func AppendTxnHeader(dst []byte, h TxnHeader) []byte {
	dst = AppendLong(dst, int64(h.Session))
	dst = AppendInt(dst, h.Cxid)
	dst = AppendLong(dst, int64(h.Zxid))
	dst = AppendLong(dst, h.Time)
	return AppendInt(dst, int32(h.Op))
}

// DecodeTxnHeader reads the header.
func DecodeTxnHeader(r *Reader) TxnHeader {
	return TxnHeader{
		Session: core.SessionID(r.Long()), Cxid: r.Int(), Zxid: core.Zxid(r.Long()),
		Time: r.Long(), Op: OpCode(r.Int()),
	}
}

// CreateTxn creates a znode of any kind. For op create and create2 Ephemeral
// says whose it is; createContainer and createTTL speak for themselves.
type CreateTxn struct {
	Path, Data    []byte
	ACL           []core.ACL
	Ephemeral     bool
	ParentCreates int32 // the parent's stored child counter after the creation
	TTL           int64 // milliseconds; createTTL only
}

// AppendCreateTxn appends the record of op.
func AppendCreateTxn(dst []byte, op OpCode, path string, data []byte, acl []core.ACL, ephemeral bool, parentCreates int32, ttl int64) []byte {
	dst = AppendACLs(AppendBuffer(AppendString(dst, path), data), acl)
	if op == OpCreate || op == OpCreate2 {
		dst = AppendBool(dst, ephemeral)
	}
	dst = AppendInt(dst, parentCreates)
	if op == OpCreateTTL {
		dst = AppendLong(dst, ttl)
	}
	return dst
}

// DecodeCreateTxn reads the record of op. Path and Data alias the input.
func DecodeCreateTxn(r *Reader, op OpCode) (c CreateTxn) {
	c.Read(r, op)
	return c
}

// Read is DecodeCreateTxn into c, which is zero.
func (c *CreateTxn) Read(r *Reader, op OpCode) {
	c.Path, c.Data, c.ACL = r.Bytes(), r.Bytes(), DecodeACLs(r)
	if op == OpCreate || op == OpCreate2 {
		c.Ephemeral = r.Bool()
	}
	c.ParentCreates = r.Int()
	if op == OpCreateTTL {
		c.TTL = r.Long()
	}
}

// SetDataTxn replaces data; Version is the resulting one.
type SetDataTxn struct {
	Path, Data []byte
	Version    int32
}

// DecodeSetDataTxn reads the record; it is encoded by AppendSetData.
func DecodeSetDataTxn(r *Reader) SetDataTxn {
	return SetDataTxn{Path: r.Bytes(), Data: r.Bytes(), Version: r.Int()}
}

// SetACLTxn replaces an access list; Version is the resulting one.
type SetACLTxn struct {
	Path    []byte
	ACL     []core.ACL
	Version int32
}

// DecodeSetACLTxn reads the record; it is encoded by AppendSetACL.
func DecodeSetACLTxn(r *Reader) SetACLTxn {
	return SetACLTxn{Path: r.Bytes(), ACL: DecodeACLs(r), Version: r.Int()}
}

// SubTxn is one operation of a multi transaction.
type SubTxn struct {
	Op   OpCode
	Body []byte
}

// AppendSubTxnStart appends the head of a sub-transaction and returns where its
// length stands, for EndSubTxn.
func AppendSubTxnStart(dst []byte, op OpCode) ([]byte, int) {
	dst = AppendInt(dst, int32(op))
	mark := len(dst)
	return AppendInt(dst, 0), mark
}

// EndSubTxn fills in the length of the sub-transaction that was started at mark.
func EndSubTxn(dst []byte, mark int) { PutInt(dst[mark:], int32(len(dst)-mark-4)) }

// DecodeSubTxn reads one sub-transaction of a multi.
func DecodeSubTxn(r *Reader) SubTxn { return SubTxn{Op: OpCode(r.Int()), Body: r.Bytes()} }
