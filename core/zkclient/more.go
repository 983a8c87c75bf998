package zkclient

import (
	"context"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// GetEphemerals lists this session's ephemeral znodes whose path starts with the
// string prefix. Servers from 3.6.
func (c *Client) GetEphemerals(ctx context.Context, prefix string) (paths []string, err error) {
	k := c.newCall()
	k.body = wire.AppendString(k.body, c.readPath(prefix))
	k.decode = decodeNames
	err = c.invoke(ctx, wire.OpGetEphemerals, prefix, k, func(k *call) {
		for _, p := range k.names {
			paths = append(paths, c.strip(p))
		}
	})
	return paths, err
}

// AllChildrenNumber counts everything below a znode. Servers from 3.6.
func (c *Client) AllChildrenNumber(ctx context.Context, path string) (n int, err error) {
	k := c.newCall()
	k.body = wire.AppendString(k.body, c.readPath(path))
	k.decode = func(k *call, r *wire.Reader) { k.number = r.Int() }
	err = c.invoke(ctx, wire.OpGetAllChildrenNumber, path, k, func(k *call) { n = int(k.number) })
	return n, err
}

// WhoAmI lists the identities that the connection has shown. Servers from 3.7.
func (c *Client) WhoAmI(ctx context.Context) (ids []core.Identity, err error) {
	k := c.newCall()
	k.decode = func(k *call, r *wire.Reader) {
		for range max(r.Count(8), 0) {
			k.ids = append(k.ids, core.Identity{Scheme: r.String(), ID: r.String()})
		}
	}
	err = c.invoke(ctx, wire.OpWhoAmI, "", k, func(k *call) { ids = k.ids })
	return ids, err
}

// WatcherType says which watches RemoveWatches and CheckWatches mean.
type WatcherType int32

// The watcher types. Servers up to 3.8 know the first three only.
const (
	WatcherChildren            WatcherType = 1
	WatcherData                WatcherType = 2
	WatcherAny                 WatcherType = 3
	WatcherPersistent          WatcherType = 4
	WatcherPersistentRecursive WatcherType = 5
)

// RemoveWatches takes watches of this connection from the server, or answers
// NoWatcher. It is for one-shot watches set through Do and Start: a Watch is
// ended by its own Close, and would hear nothing any more.
func (c *Client) RemoveWatches(ctx context.Context, path string, kind WatcherType) error {
	k := c.newCall()
	full := c.readPath(path)
	k.body = wire.AppendPathMode(k.body, full, int32(kind))
	k.onOK = func(wire.ReplyHeader) { c.watches.unset(kind, full) }
	return c.invoke(ctx, wire.OpRemoveWatches, path, k, nil)
}

// CheckWatches returns nil if this connection has such a watch, else NoWatcher.
func (c *Client) CheckWatches(ctx context.Context, path string, kind WatcherType) error {
	k := c.newCall()
	k.body = wire.AppendPathMode(k.body, c.readPath(path), int32(kind))
	return c.invoke(ctx, wire.OpCheckWatches, path, k, nil)
}

// configPath is where an ensemble describes itself; no chroot applies to it.
const configPath = "/zookeeper/config"

// Config returns the description of the ensemble, and its Stat.
func (c *Client) Config(ctx context.Context) (text []byte, st core.Stat, err error) {
	k := c.newCall()
	k.body = wire.AppendPathWatch(k.body, configPath, false)
	k.decode = decodeDataStat
	err = c.invoke(ctx, wire.OpGetData, configPath, k, func(k *call) { text, st = k.data, k.stat })
	return text, st, err
}
