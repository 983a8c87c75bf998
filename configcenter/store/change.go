package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// base is what a change builds upon: all of it as of the version of the
// history's parent, which was read first.
type base struct {
	key      configcenter.Key
	version  int32 // of the history's parent
	item     *configcenter.Item
	exists   bool // the item's znode, if only as a place
	itemStat core.Stat
	former   stage    // of the item's content
	children []string // of the item's znode
}

// formerOps remove the pieces of the item's content. They are there as long as b
// is current. Those of others are left to their owners, and to Sweep: to remove
// them here would make two publishes undo each other for ever.
func (b *base) formerOps(path string) []core.Op { return b.piecesOps(path, b.former) }

// piecesOps remove the pieces of one stage.
func (b *base) piecesOps(path string, of stage) (ops []core.Op) {
	for _, child := range b.children {
		if st, ok := stageOf(child); ok && st == of {
			ops = append(ops, core.DeleteOp{Path: core.JoinPath(path, child), Version: core.AnyVersion})
		}
	}
	return ops
}

// base reads what there is. The history's parent is made if it is missing, but
// not for a look at nothing: whoever removes what does not exist leaves no trace.
func (s *Store) base(ctx context.Context, k configcenter.Key, toPublish bool) (b base, err error) {
	b.key = k
	st, err := s.client.Exists(ctx, historyPath(k))
	if errors.Is(err, core.NoNode) {
		if !toPublish {
			if _, err := s.Get(ctx, k); errors.Is(err, configcenter.ErrNotFound) {
				return b, nil
			}
		}
		if err = s.ensure(ctx, historyPath(k)); err == nil {
			st, err = s.client.Exists(ctx, historyPath(k))
		}
	}
	if err != nil {
		return b, err
	}
	b.version = st.Version
	b.item, b.itemStat, b.former, err = s.get(ctx, k)
	if err != nil && !errors.Is(err, configcenter.ErrNotFound) {
		return b, err
	}
	b.exists = b.itemStat.Czxid != 0
	if b.itemStat.NumChildren == 0 {
		return b, nil
	}
	b.children, _, err = s.client.Children(ctx, ItemPath(k))
	if errors.Is(err, core.NoNode) {
		err = nil // deleted since: the version check will say so
	}
	return b, err
}

// newly is 1 if there is nothing yet of the config, and 0 otherwise.
func (b *base) newly() int {
	if b.item != nil || slices.ContainsFunc(b.children, func(child string) bool { _, ok := grayName(child); return ok }) {
		return 0
	}
	return 1
}

// seq is the number of the change that builds upon b.
func (b *base) seq() uint64 { return uint64(b.version) + 1 }

// write publishes it upon b, and does more in the same transaction, which frees so many
// bytes; p is its content for the history. again says that b was not current any more.
func (s *Store) write(
	ctx context.Context, b base, it *configcenter.Item, p parcel, freed int64, more ...core.Op,
) (zxid core.Zxid, st core.Stat, again bool, err error) {
	growth := Growth{Key: it.Key, Content: len(it.Content), Bytes: int64(len(it.Content)) - freed}
	growth.Configs = b.newly()
	if b.item != nil {
		growth.Bytes -= int64(len(b.item.Content))
	}
	admitted, err := s.admission(ctx, growth)
	if err != nil {
		return 0, st, false, err
	}
	entry := &configcenter.Entry{
		Op: configcenter.Updated, Origin: it.ChangedBy, Time: it.Modified,
		Attributes: it.Attributes, Content: it.Content, MD5: it.MD5, Restored: p.restored,
	}
	if b.item == nil {
		entry.Op = configcenter.Inserted
	}
	path := ItemPath(it.Key)
	content, err := s.stage(ctx, path, split(it.Content, ChunkBytes))
	if err != nil {
		return 0, st, false, err
	}
	ops, record, err := s.record(ctx, b, entry, p)
	if err != nil {
		content.drop(ctx, s)
		return 0, st, false, err
	}
	at := len(ops)
	if value := encodeItem(it, content.stage); b.exists || len(content.paths) > 0 {
		// Staging may have made the place just now: then its version is 0 too.
		ops = append(ops, core.SetOp{Path: path, Data: value, Version: b.itemStat.Version})
	} else {
		ops = append(ops, core.CreateOp{Path: path, Data: value})
	}
	ops = append(ops, content.checks()...)
	ops = append(append(append(ops, b.formerOps(path)...), more...), admitted...)
	doing := ctx
	if b.item == nil {
		doing = s.creating(ctx)
	}
	results, zxid, again, err := s.multi(doing, b.key, ops)
	if err != nil || again {
		if again || !core.IsUnknownOutcome(err) {
			content.drop(ctx, s)
			record.drop(ctx, s)
		}
		return 0, st, again, err
	}
	return zxid, results[at].Stat, false, nil
}

// erase deletes the config that b holds, and its gray versions.
func (s *Store) erase(ctx context.Context, b base, by configcenter.Origin) (zxid core.Zxid, again bool, err error) {
	path, now := ItemPath(b.key), s.now()
	ops, used, err := s.graysOps(ctx, &b, by, now)
	if err != nil {
		return 0, false, err
	}
	entry, _, err := s.record(ctx, b, &configcenter.Entry{Op: configcenter.Deleted, Origin: by, Time: now}, parcel{})
	if err != nil {
		return 0, false, err
	}
	// Pieces of others, who are publishing or have failed to: who loses his begins
	// again. Not in the Multi, which would fail if one of them is gone already.
	for _, child := range b.children {
		if st, ok := stageOf(child); !ok || st == b.former || used[st] {
			continue
		}
		if _, err := s.client.Delete(ctx, core.JoinPath(path, child), core.AnyVersion); err != nil && !errors.Is(err, core.NoNode) {
			return 0, false, err
		}
	}
	ops = append(append(ops, entry...), b.formerOps(path)...)
	ops = append(ops, core.DeleteOp{Path: path, Version: b.itemStat.Version})
	_, zxid, again, err = s.multi(ctx, b.key, ops)
	return zxid, again, err
}

// record is the operations that move the history on and add entry to it. Its
// pieces, if it has any, are staged already.
func (s *Store) record(ctx context.Context, b base, entry *configcenter.Entry, p parcel) ([]core.Op, staged, error) {
	parent := historyPath(b.key)
	pieces, err := s.stage(ctx, parent, split(p.stored, entryInlineBytes))
	if err != nil {
		return nil, staged{}, err
	}
	ops := []core.Op{
		core.SetOp{Path: parent, Data: []byte{formatVersion}, Version: b.version},
		core.CreateOp{Path: core.JoinPath(parent, seqName(b.seq())), Data: encodeEntry(entry, p, pieces.stage)},
	}
	return append(ops, pieces.checks()...), pieces, nil
}

// staged is the pieces of a content that nothing refers to yet.
type staged struct {
	stage stage
	paths []string
}

// stage writes pieces below parent, which is made a place if it does not exist.
// Each is a request of its own: together they may be larger than one can be.
func (s *Store) stage(ctx context.Context, parent string, chunks []string) (staged, error) {
	if len(chunks) == 0 {
		return staged{}, nil
	}
	out := staged{stage: stage(rand.Uint64())}
	for i, chunk := range chunks {
		path := core.JoinPath(parent, out.stage.chunkName(i))
		out.paths = append(out.paths, path) // it may be written although that fails
		for tries := 0; ; tries++ {
			_, _, err := s.client.Create(ctx, path, []byte(chunk), core.CreateOptions{})
			if errors.Is(err, core.NoNode) && tries < readTries { // no parent, or no longer
				if err = s.makePlace(ctx, parent); err == nil {
					continue
				}
			}
			if err != nil {
				out.drop(ctx, s)
				return staged{}, err
			}
			break
		}
	}
	return out, nil
}

func (s *Store) makePlace(ctx context.Context, path string) error {
	if err := s.ensure(ctx, core.ParentPath(path)); err != nil {
		return err
	}
	_, _, err := s.client.Create(s.ofParts(ctx), path, place(), core.CreateOptions{})
	if errors.Is(err, core.NodeExists) || errors.Is(err, core.NoNode) {
		return nil // the caller tries again
	}
	return err
}

// checks make the change fail if a piece is gone: somebody else's change took it
// for a remnant.
func (st *staged) checks() []core.Op {
	ops := make([]core.Op, len(st.paths))
	for i, path := range st.paths {
		ops[i] = core.CheckOp{Path: path, Version: 0}
	}
	return ops
}

// dropTime bounds how long pieces are removed that nothing will refer to.
const dropTime = 10 * time.Second

// drop removes pieces that nothing will refer to, also if whoever wanted them has gone:
// they would pass every quota. What it cannot remove, the sweep will.
func (st *staged) drop(ctx context.Context, s *Store) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTime)
	defer cancel()
	for _, path := range st.paths {
		if _, err := s.client.Delete(ctx, path, core.AnyVersion); err != nil && !errors.Is(err, core.NoNode) {
			return
		}
	}
}

// multi performs a change. again says that the tree was not as it was read, and nothing
// was changed: without an error it has been synced then, and parents that were missing
// are there.
func (s *Store) multi(ctx context.Context, k configcenter.Key, ops []core.Op) (results []core.OpResult, zxid core.Zxid, again bool, err error) {
	results, zxid, err = s.client.Multi(ctx, ops...)
	switch {
	case err == nil:
		return results, zxid, false, nil
	case errors.Is(err, core.NoNode):
		if err := s.ensure(ctx, core.ParentPath(ItemPath(k))); err != nil {
			return nil, 0, true, err
		}
	case errors.Is(err, core.BadVersion), errors.Is(err, core.NodeExists), errors.Is(err, core.NotEmpty):
	default:
		return nil, 0, false, err
	}
	return nil, 0, true, s.sync(ctx, k)
}
