package wire

import (
	"time"

	"github.com/zensus-io/zensus/core"
)

// What every client makes of core's operations is here once: how a znode is
// created, and how a Multi is asked for and answered.

// CreateOp is the operation that creates a znode and answers with its path and
// Stat, and its time to live in milliseconds, rounded up; 0 for modes without.
func CreateOp(opt core.CreateOptions) (op OpCode, ttlMillis int64) {
	switch {
	case opt.Mode == core.Container:
		return OpCreateContainer, 0
	case opt.Mode.IsTTL():
		ttlMillis = opt.TTL.Milliseconds()
		if opt.TTL > time.Duration(ttlMillis)*time.Millisecond {
			ttlMillis++
		}
		return OpCreateTTL, ttlMillis
	}
	return OpCreate2, 0
}

// AppendCreateOptions appends the record of CreateOp(opt). acl is used where opt
// names none.
func AppendCreateOptions(dst []byte, path string, data []byte, acl []core.ACL, opt core.CreateOptions) []byte {
	op, ttl := CreateOp(opt)
	if opt.ACL != nil {
		acl = opt.ACL
	}
	return AppendCreate(dst, op, path, data, acl, int32(opt.Mode), ttl)
}

// AppendOp appends the header and the record of one operation of a multi, on
// path, which is the server's for that of op. acl is used where op names none. It
// returns MarshallingError for what is none of core's operations.
func AppendOp(dst []byte, op core.Op, path string, acl []core.ACL) ([]byte, error) {
	switch op := op.(type) {
	case core.CreateOp:
		kind, _ := CreateOp(op.Options)
		return AppendCreateOptions(AppendMultiHeader(dst, kind, false, -1), path, op.Data, acl, op.Options), nil
	case core.SetOp:
		return AppendSetData(AppendMultiHeader(dst, OpSetData, false, -1), path, op.Data, op.Version), nil
	case core.DeleteOp:
		return AppendPathVersion(AppendMultiHeader(dst, OpDelete, false, -1), path, op.Version), nil
	case core.CheckOp:
		return AppendPathVersion(AppendMultiHeader(dst, OpCheck, false, -1), path, op.Version), nil
	}
	return dst, core.MarshallingError
}

// CanAppendOp reports whether AppendOp knows that kind of operation.
func CanAppendOp(op core.Op) bool {
	switch op.(type) {
	case core.CreateOp, core.SetOp, core.DeleteOp, core.CheckOp:
		return true
	}
	return false
}

// DecodeResults reads the results of a multi of exactly count operations.
func DecodeResults(r *Reader, count int) []core.OpResult {
	results := make([]core.OpResult, 0, count)
	for {
		h := DecodeMultiHeader(r)
		if r.Err() != nil || h.Done {
			break
		}
		if len(results) == count {
			r.Fail()
			break
		}
		var res core.OpResult
		switch h.Op {
		case OpCreate: // of servers up to 3.8.1, also for create2
			res.Path = r.String()
		case OpCreate2, OpCreateContainer, OpCreateTTL:
			res.Path = r.String()
			res.Stat = DecodeStat(r)
		case OpSetData:
			res.Stat = DecodeStat(r)
		case OpDelete, OpCheck:
		case OpError:
			res.Err = core.Code(r.Int())
		default:
			r.Fail()
		}
		results = append(results, res)
	}
	if len(results) != count {
		r.Fail()
	}
	return results
}

// FailedOp is the error of a multi with these results, named after the operation
// that failed; nil if none did. The others of a multi that failed say OK before
// that operation and RuntimeInconsistency behind it.
func FailedOp(ops []core.Op, results []core.OpResult) error {
	for i := range results {
		if code := core.CodeOf(results[i].Err); code != core.OK && code != core.RuntimeInconsistency {
			name, path := DescribeOp(ops[i])
			return &core.OpError{Op: name, Path: path, Err: code}
		}
	}
	return nil
}

// DescribeOp names an operation and its path for a core.OpError.
func DescribeOp(op core.Op) (name, path string) {
	switch op := op.(type) {
	case core.CreateOp:
		return OpCreate.String(), op.Path
	case core.SetOp:
		return OpSetData.String(), op.Path
	case core.DeleteOp:
		return OpDelete.String(), op.Path
	case core.CheckOp:
		return OpCheck.String(), op.Path
	}
	return OpMulti.String(), ""
}
