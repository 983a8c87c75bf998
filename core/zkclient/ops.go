package zkclient

import (
	"context"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

func decodeStat(k *call, r *wire.Reader) { k.stat = wire.DecodeStat(r) }

func decodePathStat(k *call, r *wire.Reader) {
	k.path = r.String()
	k.stat = wire.DecodeStat(r)
}

func decodeDataStat(k *call, r *wire.Reader) {
	k.data = slices.Clone(r.Bytes())
	k.stat = wire.DecodeStat(r)
}

func decodeNames(k *call, r *wire.Reader) { k.names, _ = wire.DecodeStrings(r) }

func decodeNamesStat(k *call, r *wire.Reader) {
	decodeNames(k, r)
	k.stat = wire.DecodeStat(r)
}

// Create adds a znode and returns its actual path.
func (c *Client) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (actual string, st core.Stat, err error) {
	k := c.newCall()
	full := c.writePath(path, opt.Mode.IsSequential())
	k.body = wire.AppendCreateOptions(k.body, full, data, c.opt.ACL, opt)
	k.decode = decodePathStat
	op, _ := wire.CreateOp(opt)
	err = c.invoke(ctx, op, path, k, func(k *call) { actual, st = c.strip(k.path), k.stat })
	return actual, st, err
}

// Get reads a znode's data.
func (c *Client) Get(ctx context.Context, path string) (data []byte, st core.Stat, err error) {
	k := c.newCall()
	k.body = wire.AppendPathWatch(k.body, c.readPath(path), false)
	k.decode = decodeDataStat
	err = c.invoke(ctx, wire.OpGetData, path, k, func(k *call) { data, st = k.data, k.stat })
	return data, st, err
}

// Set replaces a znode's data.
func (c *Client) Set(ctx context.Context, path string, data []byte, version int32) (st core.Stat, err error) {
	k := c.newCall()
	k.body = wire.AppendSetData(k.body, c.writePath(path, false), data, version)
	k.decode = decodeStat
	err = c.invoke(ctx, wire.OpSetData, path, k, func(k *call) { st = k.stat })
	return st, err
}

// Delete removes a znode without children.
func (c *Client) Delete(ctx context.Context, path string, version int32) (z core.Zxid, err error) {
	k := c.newCall()
	k.body = wire.AppendPathVersion(k.body, c.deletePath(path), version)
	err = c.invoke(ctx, wire.OpDelete, path, k, func(k *call) { z = k.header.Zxid })
	return z, err
}

// Exists returns the Stat of a znode.
func (c *Client) Exists(ctx context.Context, path string) (st core.Stat, err error) {
	k := c.newCall()
	k.body = wire.AppendPathWatch(k.body, c.readPath(path), false)
	k.decode = decodeStat
	err = c.invoke(ctx, wire.OpExists, path, k, func(k *call) { st = k.stat })
	return st, err
}

// Children returns the names of a znode's children.
func (c *Client) Children(ctx context.Context, path string) (names []string, st core.Stat, err error) {
	k := c.newCall()
	k.body = wire.AppendPathWatch(k.body, c.readPath(path), false)
	k.decode = decodeNamesStat
	err = c.invoke(ctx, wire.OpGetChildren2, path, k, func(k *call) { names, st = k.names, k.stat })
	return names, st, err
}

// Sync waits until this session sees what was committed.
func (c *Client) Sync(ctx context.Context, path string) (z core.Zxid, err error) {
	k := c.newCall()
	k.body = wire.AppendString(k.body, c.readPath(path))
	err = c.invoke(ctx, wire.OpSync, path, k, func(k *call) { z = k.header.Zxid })
	return z, err
}

// ACL returns a znode's access list.
func (c *Client) ACL(ctx context.Context, path string) (acl []core.ACL, st core.Stat, err error) {
	k := c.newCall()
	k.body = wire.AppendString(k.body, c.readPath(path))
	k.decode = func(k *call, r *wire.Reader) {
		k.acl = wire.DecodeACLs(r)
		k.stat = wire.DecodeStat(r)
	}
	err = c.invoke(ctx, wire.OpGetACL, path, k, func(k *call) { acl, st = k.acl, k.stat })
	return acl, st, err
}

// SetACL replaces a znode's access list.
func (c *Client) SetACL(ctx context.Context, path string, acl []core.ACL, aversion int32) (st core.Stat, err error) {
	k := c.newCall()
	k.body = wire.AppendSetACL(k.body, c.writePath(path, false), acl, aversion)
	k.decode = decodeStat
	err = c.invoke(ctx, wire.OpSetACL, path, k, func(k *call) { st = k.stat })
	return st, err
}

// AddAuth adds an identity to this connection and all later ones. After a
// refusal the server breaks the connection; the session goes on without it.
func (c *Client) AddAuth(ctx context.Context, scheme string, auth []byte) error {
	auth = slices.Clone(auth)
	k := c.newCall()
	k.body = wire.AppendAuth(k.body, scheme, auth)
	k.onOK = func(wire.ReplyHeader) { c.remember(Auth{Scheme: scheme, Auth: auth}) }
	return c.invoke(ctx, wire.OpAuth, "", k, nil)
}

// remember keeps a credential for later connections.
func (c *Client) remember(a Auth) {
	c.mu.Lock()
	defer c.mu.Unlock()
	same := func(b Auth) bool { return b.Scheme == a.Scheme && string(b.Auth) == string(a.Auth) }
	if !slices.ContainsFunc(c.mu.auths, same) {
		c.mu.auths = append(slices.Clip(c.mu.auths), a)
	}
}
