package node

import (
	"context"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Multi does all of ops or none (core.Client).
func (c *client) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	for _, op := range ops {
		if !wire.CanAppendOp(op) {
			return nil, 0, fail("multi", "", core.MarshallingError)
		}
	}
	p, err := c.do(ctx, wire.OpMulti, func(b []byte) []byte {
		b, _ = c.appendMulti(b, ops) // all of them can be
		return b
	})
	if err != nil {
		return nil, 0, fail("multi", "", err)
	}
	return p.results(ops)
}

// appendMulti appends the body of a multi.
func (c *client) appendMulti(dst []byte, ops []core.Op) ([]byte, error) {
	for _, op := range ops {
		_, path := wire.DescribeOp(op)
		var err error
		if dst, err = wire.AppendOp(dst, op, path, c.acl); err != nil {
			return nil, err
		}
	}
	return wire.AppendMultiEnd(dst), nil
}

// results reads the reply to a multi.
func (p *call) results(ops []core.Op) ([]core.OpResult, core.Zxid, error) {
	r := wire.NewReader(p.body)
	results := wire.DecodeResults(&r, len(ops))
	if r.Err() != nil {
		return nil, 0, fail("multi", "", core.MarshallingError)
	}
	return results, p.hdr.Zxid, wire.FailedOp(ops, results)
}

// GetMany reads znodes at one moment (core.ManyReader).
func (c *client) GetMany(ctx context.Context, paths []string) ([]core.GetResult, error) {
	p, err := c.do(ctx, wire.OpMultiRead, func(b []byte) []byte {
		for _, path := range paths {
			b = wire.AppendPathWatch(wire.AppendMultiHeader(b, wire.OpGetData, false, -1), path, false)
		}
		return wire.AppendMultiEnd(b)
	})
	if err != nil {
		return nil, fail("multiRead", "", err)
	}
	r := wire.NewReader(p.body)
	found := make([]core.GetResult, len(paths))
	for i := range found {
		switch h := wire.DecodeMultiHeader(&r); h.Op {
		case wire.OpGetData:
			found[i].Data = clone(r.Bytes()) // each may be kept for long
			found[i].Stat = wire.DecodeStat(&r)
		case wire.OpError:
			found[i].Err = fail("getData", paths[i], core.Code(r.Int()))
		default:
			r.Fail()
		}
	}
	if h := wire.DecodeMultiHeader(&r); r.Err() != nil || !h.Done {
		return nil, fail("multiRead", "", core.MarshallingError)
	}
	return found, nil
}
