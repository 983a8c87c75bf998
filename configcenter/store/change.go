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

// draft is what is to be published upon a base: the config itself, or a gray version.
type draft struct {
	entry  *configcenter.Entry // of the history; it has the content
	parcel parcel              // the content for the history
	growth Growth
	// set are the operations that set the znode of what is published, whose own is the
	// last, once its content is staged.
	set func(content *staged) []core.Op
	// former are those that go with it: the pieces of the content that it replaces, at
	// least.
	former []core.Op
	mark   func(context.Context) context.Context // of the transaction; may be nil
}

// put publishes d upon b. st is that of the znode that d sets. again says that b was not
// current any more.
func (s *Store) put(ctx context.Context, b base, d *draft) (zxid core.Zxid, st core.Stat, again bool, err error) {
	admitted, err := s.admission(ctx, d.growth)
	if err != nil {
		return 0, st, false, err
	}
	content, err := s.stage(ctx, ItemPath(b.key), split(d.entry.Content, ChunkBytes))
	if err != nil {
		return 0, st, false, err
	}
	ops, record, err := s.record(ctx, b, d.entry, d.parcel)
	if err != nil {
		content.drop(ctx, s)
		return 0, st, false, err
	}
	ops = append(ops, d.set(&content)...)
	at := len(ops) - 1
	ops = append(append(append(ops, content.checks()...), d.former...), admitted...)
	doing := ctx
	if d.mark != nil {
		doing = d.mark(ctx)
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

// setting is the entry of a publish of it.
func setting(it *configcenter.Item, p parcel, before *configcenter.Item) *configcenter.Entry {
	entry := &configcenter.Entry{
		Op: configcenter.Updated, Origin: it.ChangedBy, Time: it.Modified,
		Attributes: it.Attributes, Content: it.Content, MD5: it.MD5, Restored: p.restored,
	}
	if before == nil {
		entry.Op = configcenter.Inserted
	}
	return entry
}

// growing is what a publish of it upon b adds, where before is what it replaces.
func (b *base) growing(it, before *configcenter.Item) Growth {
	g := Growth{Key: it.Key, Configs: b.newly(), Content: len(it.Content), Bytes: int64(len(it.Content))}
	if before != nil {
		g.Bytes -= int64(len(before.Content))
	}
	return g
}

// write publishes it upon b, and does more in the same transaction, which frees so many
// bytes; p is its content for the history. again says that b was not current any more.
func (s *Store) write(
	ctx context.Context, b base, it *configcenter.Item, p parcel, freed int64, more ...core.Op,
) (zxid core.Zxid, st core.Stat, again bool, err error) {
	path := ItemPath(it.Key)
	d := &draft{
		entry: setting(it, p, b.item), parcel: p, growth: b.growing(it, b.item), former: append(b.formerOps(path), more...),
		set: func(content *staged) []core.Op {
			value := encodeItem(it, content.stage)
			if b.exists || len(content.paths) > 0 {
				// Staging may have made the place just now: then its version is 0 too.
				return []core.Op{core.SetOp{Path: path, Data: value, Version: b.itemStat.Version}}
			}
			return []core.Op{core.CreateOp{Path: path, Data: value}}
		},
	}
	d.growth.Bytes -= freed
	if b.item == nil {
		d.mark = s.creating
	}
	return s.put(ctx, b, d)
}

// erase deletes the config that b holds, and its gray versions.
func (s *Store) erase(ctx context.Context, b base, by configcenter.Origin) (zxid core.Zxid, again bool, err error) {
	path, now := ItemPath(b.key), s.now()
	ops, used, err := s.graysOps(ctx, &b, by, now)
	if err != nil {
		return 0, false, err
	}
	entry, err := s.gone(ctx, b, &configcenter.Entry{Origin: by, Time: now})
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

// gone is record of something that is deleted, which has no content.
func (s *Store) gone(ctx context.Context, b base, entry *configcenter.Entry) ([]core.Op, error) {
	entry.Op = configcenter.Deleted
	ops, _, err := s.record(ctx, b, entry, parcel{})
	return ops, err
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
