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
	for i := range results {
		if code := core.CodeOf(results[i].Err); code != core.OK && code != core.RuntimeInconsistency {
			op, path := describe(ops[i])
			return results, z, &core.OpError{Op: op, Path: path, Err: code}
		}
	}
	return results, z, nil
}

func (c *Client) appendOps(dst []byte, ops []core.Op) ([]byte, error) {
	for _, op := range ops {
		switch op := op.(type) {
		case core.CreateOp:
			dst = wire.AppendMultiHeader(dst, createOp(op.Options.Mode), false, -1)
			dst = c.appendCreate(dst, op.Path, op.Data, op.Options)
		case core.SetOp:
			dst = wire.AppendMultiHeader(dst, wire.OpSetData, false, -1)
			dst = wire.AppendSetData(dst, c.writePath(op.Path, false), op.Data, op.Version)
		case core.DeleteOp:
			dst = wire.AppendMultiHeader(dst, wire.OpDelete, false, -1)
			dst = wire.AppendPathVersion(dst, c.deletePath(op.Path), op.Version)
		case core.CheckOp:
			dst = wire.AppendMultiHeader(dst, wire.OpCheck, false, -1)
			dst = wire.AppendPathVersion(dst, c.writePath(op.Path, false), op.Version)
		default:
			return nil, &core.OpError{Op: "multi", Err: core.MarshallingError}
		}
	}
	return wire.AppendMultiEnd(dst), nil
}

// describe names one operation for an OpError.
func describe(op core.Op) (name, path string) {
	switch op := op.(type) {
	case core.CreateOp:
		return createOp(op.Options.Mode).String(), op.Path
	case core.SetOp:
		return wire.OpSetData.String(), op.Path
	case core.DeleteOp:
		return wire.OpDelete.String(), op.Path
	case core.CheckOp:
		return wire.OpCheck.String(), op.Path
	}
	return wire.OpMulti.String(), ""
}

// decodeResults reads the results of exactly count operations.
func (c *Client) decodeResults(r *wire.Reader, count int) []core.OpResult {
	results := make([]core.OpResult, 0, count)
	for {
		h := wire.DecodeMultiHeader(r)
		if r.Err() != nil || h.Done {
			break
		}
		if len(results) == count {
			r.Fail()
			break
		}
		var res core.OpResult
		switch h.Op {
		case wire.OpCreate:
			res.Path = c.strip(r.String())
		case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
			res.Path = c.strip(r.String())
			res.Stat = wire.DecodeStat(r)
		case wire.OpSetData:
			res.Stat = wire.DecodeStat(r)
		case wire.OpDelete, wire.OpCheck:
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
