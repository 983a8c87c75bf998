package audit

import (
	"context"
	"errors"
	"strings"

	"github.com/zensus-io/zensus/core"
)

// client adds the record of an act to what the act writes.
type client struct {
	core.Client
	log *Log
}

// Client is c for those who write on behalf of requests.
func (l *Log) Client(c core.Client) core.Client { return &client{c, l} }

// GetMany implements core.ManyReader.
func (c *client) GetMany(ctx context.Context, paths []string) ([]core.GetResult, error) {
	if under, ok := c.Client.(core.ManyReader); ok {
		return under.GetMany(ctx, paths)
	}
	return nil, core.Unimplemented
}

// Connected reports whether the client underneath is in contact with its engine, where it
// can tell: mirrors ask.
func (c *client) Connected() bool {
	under, ok := c.Client.(interface{ Connected() bool })
	return !ok || under.Connected()
}

// Create implements core.Client.
func (c *client) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (string, core.Stat, error) {
	record := c.ride(ctx, core.CreateOp{Path: path})
	if record == nil || opt.Mode.IsEphemeral() {
		return c.Client.Create(ctx, path, data, opt)
	}
	results, _, err := c.with(ctx, record, core.CreateOp{Path: path, Data: data, Options: opt})
	if err != nil {
		return "", core.Stat{}, err
	}
	return results[0].Path, results[0].Stat, nil
}

// Set implements core.Client.
func (c *client) Set(ctx context.Context, path string, data []byte, version int32) (core.Stat, error) {
	op := core.SetOp{Path: path, Data: data, Version: version}
	record := c.ride(ctx, op)
	if record == nil {
		return c.Client.Set(ctx, path, data, version)
	}
	results, _, err := c.with(ctx, record, op)
	if err != nil {
		return core.Stat{}, err
	}
	return results[0].Stat, nil
}

// Delete implements core.Client.
func (c *client) Delete(ctx context.Context, path string, version int32) (core.Zxid, error) {
	op := core.DeleteOp{Path: path, Version: version}
	record := c.ride(ctx, op)
	if record == nil {
		return c.Client.Delete(ctx, path, version)
	}
	_, zxid, err := c.with(ctx, record, op)
	return zxid, err
}

// Multi implements core.Client.
func (c *client) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	record := c.ride(ctx, ops...)
	if record == nil {
		return c.Client.Multi(ctx, ops...)
	}
	return c.with(ctx, record, ops...)
}

// A mark says of a write what its operations do not show.
type mark int

const (
	ofParts mark = iota + 1
	creating
)

type markKey struct{}

// OfParts says that a znode of its own which a write makes or removes is only a place for
// parts: the write is about those, and not on record without any.
func OfParts(ctx context.Context) context.Context { return context.WithValue(ctx, markKey{}, ofParts) }

// Creating says that what a write sets was only a place before.
func Creating(ctx context.Context) context.Context {
	return context.WithValue(ctx, markKey{}, creating)
}

// ride is the operation that puts a transaction on record; nil for one that is not.
func (c *client) ride(ctx context.Context, ops ...core.Op) *core.CreateOp {
	a := actOf(ctx)
	if a == nil || !c.log.open.Load() {
		return nil
	}
	mark, _ := ctx.Value(markKey{}).(mark)
	t, verb, ok := targetOf(ops, mark == ofParts)
	if !ok {
		return nil
	}
	if mark == creating && verb == Update {
		verb = Create
	}
	value, err := encode([]Record{a.of(ctx, t, verb)}, formatPlain)
	if err != nil {
		return nil // End appends it
	}
	return &core.CreateOp{Path: core.JoinPath(Root, c.log.name()), Data: value}
}

// with does ops and the record at once. If it is the record that stands in the way,
// which it never should, the write goes without it, and End appends it.
func (c *client) with(ctx context.Context, record *core.CreateOp, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	all := append(append(make([]core.Op, 0, len(ops)+1), ops...), *record)
	results, zxid, err := c.Client.Multi(ctx, all...)
	if len(results) > len(ops) {
		results = results[:len(ops)]
	}
	var op *core.OpError
	switch {
	case err == nil:
		actOf(ctx).rode()
		c.log.wrote()
	case errors.As(err, &op) && strings.HasPrefix(op.Path, Root+"/"):
		return c.Client.Multi(ctx, ops...)
	}
	return results, zxid, err
}
