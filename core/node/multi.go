package node

import (
	"context"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Multi does all of ops or none (core.Client).
func (c *client) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	var body []byte
	for _, op := range ops {
		_, path := wire.DescribeOp(op)
		var err error
		if body, err = wire.AppendOp(body, op, path, c.acl); err != nil {
			return nil, 0, fail("multi", "", err)
		}
	}
	p, err := c.do(ctx, wire.OpMulti, func(b []byte) []byte { return wire.AppendMultiEnd(append(b, body...)) })
	if err != nil {
		return nil, 0, fail("multi", "", err)
	}
	r := wire.NewReader(p.body)
	results := wire.DecodeResults(&r, len(ops))
	if r.Err() != nil {
		return nil, 0, fail("multi", "", core.MarshallingError)
	}
	return results, p.hdr.Zxid, wire.FailedOp(ops, results)
}
