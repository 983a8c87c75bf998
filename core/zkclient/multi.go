package zkclient

import (
	"context"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Multi does all of ops or none, at one zxid. Servers up to 3.8.1 send no Stat
// for a CreateOp; it is then zero.
func (c *Client) Multi(ctx context.Context, ops ...core.Op) (results []core.OpResult, z core.Zxid, err error) {
	k := c.newCall()
	if k.body, err = c.appendOps(k.body, ops); err != nil {
		return nil, 0, err
	}
	count := len(ops)
	k.decode = func(k *call, r *wire.Reader) { k.multi = c.decodeResults(r, count) }
	err = c.invoke(ctx, wire.OpMulti, "", k, func(k *call) { results, z = k.multi, k.header.Zxid })
	if err != nil {
		return nil, 0, err
	}
	return results, z, wire.FailedOp(ops, results)
}

func (c *Client) appendOps(dst []byte, ops []core.Op) ([]byte, error) {
	for _, op := range ops {
		var err error
		if dst, err = wire.AppendOp(dst, op, c.opPath(op), c.opt.ACL); err != nil {
			return nil, &core.OpError{Op: wire.OpMulti.String(), Err: err}
		}
	}
	return wire.AppendMultiEnd(dst), nil
}

// opPath is the server's path of an operation.
func (c *Client) opPath(op core.Op) string {
	switch op := op.(type) {
	case core.CreateOp:
		return c.writePath(op.Path, op.Options.Mode.IsSequential())
	case core.DeleteOp:
		return c.deletePath(op.Path)
	}
	_, path := wire.DescribeOp(op)
	return c.writePath(path, false)
}

// decodeResults reads the results of exactly count operations.
func (c *Client) decodeResults(r *wire.Reader, count int) []core.OpResult {
	results := wire.DecodeResults(r, count)
	for i := range results {
		results[i].Path = c.strip(results[i].Path)
	}
	return results
}

// Read is one read of a MultiRead.
type Read struct {
	Path     string
	Children bool // the names of the children, instead of data and Stat
}

// ReadResult is what one Read gave.
type ReadResult struct {
	Data  []byte
	Stat  core.Stat
	Names []string
	Err   error // nil or a Code
}

// MultiRead does many reads in one request. Each succeeds or fails by itself.
// Servers older than 3.6 answer Unimplemented.
func (c *Client) MultiRead(ctx context.Context, reads ...Read) (results []ReadResult, err error) {
	k := c.newCall()
	for _, rd := range reads {
		op := wire.OpGetData
		if rd.Children {
			op = wire.OpGetChildren
		}
		k.body = wire.AppendMultiHeader(k.body, op, false, -1)
		k.body = wire.AppendPathWatch(k.body, c.readPath(rd.Path), false)
	}
	k.body = wire.AppendMultiEnd(k.body)
	count := len(reads)
	k.decode = func(k *call, r *wire.Reader) { k.reads = decodeReads(r, count) }
	err = c.invoke(ctx, wire.OpMultiRead, "", k, func(k *call) { results = k.reads })
	return results, err
}

func decodeReads(r *wire.Reader, count int) []ReadResult {
	results := make([]ReadResult, 0, count)
	for {
		h := wire.DecodeMultiHeader(r)
		if r.Err() != nil || h.Done {
			break
		}
		if len(results) == count {
			r.Fail()
			break
		}
		var res ReadResult
		switch h.Op {
		case wire.OpGetData:
			res.Data = slices.Clone(r.Bytes())
			res.Stat = wire.DecodeStat(r)
		case wire.OpGetChildren:
			res.Names, _ = wire.DecodeStrings(r)
		case wire.OpError:
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
