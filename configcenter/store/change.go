package store

import (
	"context"
	"errors"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// base is what a change builds upon: all of it as of the version of the
// history's parent, which was read first.
type base struct {
	key      configcenter.Key
	counted  bool  // the history's parent exists
	version  int32 // and has this version
	item     *configcenter.Item
	itemStat core.Stat
	children []string // of the item
}

func (s *Store) base(ctx context.Context, k configcenter.Key) (b base, err error) {
	b.key = k
	st, err := s.client.Exists(ctx, historyPath(k))
	switch {
	case err == nil:
		b.counted, b.version = true, st.Version
	case !errors.Is(err, core.NoNode):
		return b, err
	}
	b.item, b.itemStat, err = s.get(ctx, k)
	if errors.Is(err, configcenter.ErrNotFound) {
		return b, nil
	}
	if err == nil && b.itemStat.NumChildren > 0 {
		b.children, _, err = s.client.Children(ctx, ItemPath(k))
		if errors.Is(err, core.NoNode) {
			err = nil // deleted since: the version check will say so
		}
	}
	return b, err
}

// seq is the number of the change that builds upon b.
func (b *base) seq() uint64 {
	if !b.counted {
		return 1
	}
	return uint64(b.version) + 2 // version 0 counted the first change
}

// write publishes it upon b. again says that b was not current any more, or that
// a parent had to be made.
func (s *Store) write(ctx context.Context, b base, it *configcenter.Item) (zxid core.Zxid, st core.Stat, again bool, err error) {
	entry := &configcenter.Entry{
		Op: configcenter.Updated, Origin: it.ChangedBy, Time: it.Modified,
		Attributes: it.Attributes, Content: it.Content, MD5: it.MD5,
	}
	if b.item == nil {
		entry.Op = configcenter.Inserted
	}
	value, chunks := encodeItem(it)
	path := ItemPath(it.Key)
	ops := s.recordOps(nil, b, entry)
	at := len(ops)
	if b.item == nil {
		ops = append(ops, core.CreateOp{Path: path, Data: value})
	} else {
		ops = append(ops, core.SetOp{Path: path, Data: value, Version: b.itemStat.Version})
	}
	ops = chunkOps(ops, path, chunks, b.children)
	results, zxid, again, err := s.multi(ctx, b.key, ops)
	if err != nil || again {
		return 0, st, again, err
	}
	return zxid, results[at].Stat, false, nil
}

// erase deletes the config that b holds.
func (s *Store) erase(ctx context.Context, b base, by configcenter.Origin) (zxid core.Zxid, again bool, err error) {
	entry := &configcenter.Entry{Op: configcenter.Deleted, Origin: by, Time: s.now()}
	path := ItemPath(b.key)
	ops := s.recordOps(nil, b, entry)
	for _, child := range b.children {
		ops = append(ops, core.DeleteOp{Path: core.JoinPath(path, child), Version: core.AnyVersion})
	}
	ops = append(ops, core.DeleteOp{Path: path, Version: b.itemStat.Version})
	_, zxid, again, err = s.multi(ctx, b.key, ops)
	return zxid, again, err
}

// recordOps moves the history on and adds entry to it.
func (s *Store) recordOps(ops []core.Op, b base, entry *configcenter.Entry) []core.Op {
	parent := historyPath(b.key)
	if b.counted {
		ops = append(ops, core.SetOp{Path: parent, Data: []byte{formatVersion}, Version: b.version})
	} else {
		ops = append(ops, core.CreateOp{Path: parent, Data: []byte{formatVersion}})
	}
	value, chunks := encodeEntry(entry)
	path := core.JoinPath(parent, seqName(b.seq()))
	ops = append(ops, core.CreateOp{Path: path, Data: value})
	return chunkOps(ops, path, chunks, nil)
}

// chunkOps writes the pieces of a content and deletes those of the former one
// that it does not need. Other children are left alone.
func chunkOps(ops []core.Op, parent string, chunks []string, children []string) []core.Op {
	former := make(map[string]bool, len(children))
	for _, name := range children {
		former[name] = true
	}
	for i, chunk := range chunks {
		path := chunkPath(parent, i)
		if former[ChunkName(i)] {
			ops = append(ops, core.SetOp{Path: path, Data: []byte(chunk), Version: core.AnyVersion})
		} else {
			ops = append(ops, core.CreateOp{Path: path, Data: []byte(chunk)})
		}
	}
	for _, name := range children {
		if i, ok := chunkIndex(name); ok && i >= len(chunks) {
			ops = append(ops, core.DeleteOp{Path: core.JoinPath(parent, name), Version: core.AnyVersion})
		}
	}
	return ops
}

func chunkIndex(name string) (int, bool) {
	if name == "" || name[0] != '~' {
		return 0, false
	}
	i := 0
	for _, c := range name[1:] {
		if c < '0' || c > '9' || i > chunksMax {
			return 0, false
		}
		i = i*10 + int(c-'0')
	}
	return i, ChunkName(i) == name
}

// multi performs a change. again says that the tree was not as it was read: then
// it has been synced, and parents that were missing are there.
func (s *Store) multi(ctx context.Context, k configcenter.Key, ops []core.Op) (results []core.OpResult, zxid core.Zxid, again bool, err error) {
	results, zxid, err = s.client.Multi(ctx, ops...)
	switch {
	case err == nil:
		return results, zxid, false, nil
	case errors.Is(err, core.NoNode):
		for _, path := range []string{ItemPath(k), historyPath(k)} {
			if err := s.ensure(ctx, core.ParentPath(path)); err != nil {
				return nil, 0, false, err
			}
		}
	case errors.Is(err, core.BadVersion), errors.Is(err, core.NodeExists), errors.Is(err, core.NotEmpty):
	default:
		return nil, 0, false, err
	}
	return nil, 0, true, s.sync(ctx, k)
}
