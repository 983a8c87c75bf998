package node

import (
	"context"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Multi does all of ops or none (core.Client).
func (c *client) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	for _, op := range ops {
		switch op.(type) {
		case core.CreateOp, core.SetOp, core.DeleteOp, core.CheckOp:
		default:
			return nil, 0, fail("multi", "", core.MarshallingError)
		}
	}
	p, err := c.do(ctx, wire.OpMulti, func(b []byte) []byte {
		for _, op := range ops {
			b = c.appendOp(b, op)
		}
		return wire.AppendMultiEnd(b)
	})
	if err != nil {
		return nil, 0, fail("multi", "", err)
	}
	results, err := decodeResults(p.body, ops)
	return results, p.hdr.Zxid, err
}

func (c *client) appendOp(b []byte, op core.Op) []byte {
	switch op := op.(type) {
	case core.CreateOp:
		kind, ttl := createOp(op.Options)
		b = wire.AppendMultiHeader(b, kind, false, -1)
		return wire.AppendCreate(b, kind, op.Path, op.Data, c.aclOr(op.Options.ACL), int32(op.Options.Mode), ttl)
	case core.SetOp:
		b = wire.AppendMultiHeader(b, wire.OpSetData, false, -1)
		return wire.AppendSetData(b, op.Path, op.Data, op.Version)
	case core.DeleteOp:
		b = wire.AppendMultiHeader(b, wire.OpDelete, false, -1)
		return wire.AppendPathVersion(b, op.Path, op.Version)
	case core.CheckOp:
		b = wire.AppendMultiHeader(b, wire.OpCheck, false, -1)
		return wire.AppendPathVersion(b, op.Path, op.Version)
	}
	return b
}

// decodeResults reads the results of a multi. If one failed, the error is that
// operation's.
func decodeResults(body []byte, ops []core.Op) ([]core.OpResult, error) {
	r := wire.NewReader(body)
	var failed error
	results := make([]core.OpResult, 0, len(ops))
	for range ops {
		var res core.OpResult
		h := wire.DecodeMultiHeader(&r)
		switch h.Op {
		case wire.OpError:
			code := core.Code(r.Int())
			res.Err = code
			if failed == nil && code != core.OK {
				name, path := describe(ops[len(results)])
				failed = fail(name, path, code)
			}
		case wire.OpCreate:
			res.Path = r.String()
		case wire.OpCreate2:
			res.Path = r.String()
			res.Stat = wire.DecodeStat(&r)
		case wire.OpSetData:
			res.Stat = wire.DecodeStat(&r)
		}
		if r.Err() != nil {
			return nil, fail("multi", "", core.MarshallingError)
		}
		results = append(results, res)
	}
	return results, failed
}

func describe(op core.Op) (name, path string) {
	switch op := op.(type) {
	case core.CreateOp:
		return "create", op.Path
	case core.SetOp:
		return "setData", op.Path
	case core.DeleteOp:
		return "delete", op.Path
	case core.CheckOp:
		return "check", op.Path
	}
	return "multi", ""
}
