package node

import (
	"context"
	"errors"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// OpenMulti opens a session that begins with a Multi (core.Founding): the two requests
// go to the replica together.
func (n *Node) OpenMulti(ctx context.Context, opt core.SessionOptions, ops ...core.Op) (core.Client, []core.OpResult, core.Zxid, error) {
	if ctx.Err() != nil {
		return nil, nil, 0, fail("createSession", "", context.Cause(ctx))
	}
	q, err := opening(&opt)
	if err != nil {
		return nil, nil, 0, err
	}
	c := n.newClient(&opt)
	b := GetBuffer()
	b.B = appendConnect(b.B, &q)
	mark := len(b.B)
	b.B = wire.AppendRequestHeader(append(b.B, 0, 0, 0, 0), 1, wire.OpMulti)
	body, err := c.appendMulti(b.B, ops)
	if err == nil && len(body)-mark-4 > wire.FrameBytesMax {
		err = core.BadArguments
	}
	if err != nil {
		b.Release()
		return nil, nil, 0, fail("multi", "", err)
	}
	b.B = body
	wire.PutInt(b.B[mark:], int32(len(b.B)-mark-4))
	p := &call{done: make(chan struct{})}
	c.mu.xid, c.mu.pending = 1, append(c.mu.pending, p)
	if err := c.connect(nodeIdentity, b); err != nil {
		return nil, nil, 0, err
	}
	_, err = c.wait(ctx, p)
	c.mu.Lock()
	open := c.info.ID != 0
	c.mu.Unlock()
	switch {
	case ctx.Err() != nil && errors.Is(err, core.OperationTimeout), !open:
		c.end(core.ErrClosed)
		n.Disconnect(c.conn)
		return nil, nil, 0, fail("createSession", "", err)
	case err != nil:
		return c, nil, 0, fail("multi", "", err)
	}
	results, zxid, err := p.results(ops)
	return c, results, zxid, err
}
