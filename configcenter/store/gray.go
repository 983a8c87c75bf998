package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// GrayChild reports whether a child of an item's znode is a gray version, and of which
// name.
func GrayChild(child string) (name string, ok bool) { return grayName(child) }

// AssembleGray makes a gray version of its znode's value, as Assemble does an item.
func AssembleGray(k configcenter.Key, name string, value []byte, st core.Stat, chunk func(name string) []byte) (*configcenter.Gray, error) {
	g, _, err := assembleGray(k, name, value, st, chunk)
	return g, err
}

func assembleGray(
	k configcenter.Key, name string, value []byte, st core.Stat, chunk func(name string) []byte,
) (*configcenter.Gray, stage, error) {
	h, rule, err := decodeGray(value)
	if err != nil {
		return nil, 0, fmt.Errorf("config %s, %s: %w", k, name, err)
	}
	it, err := h.whole(k, st, chunk)
	if err != nil {
		return nil, 0, err
	}
	return &configcenter.Gray{Name: name, Rule: rule, Item: it}, h.body.stage, nil
}

// GrayResult is what became of a change of a gray version.
type GrayResult struct {
	// Gray is the version as published, or as it was before it was removed; nil if there
	// was none to remove.
	Gray *configcenter.Gray
	// Zxid is the transaction; 0 if nothing was written.
	Zxid core.Zxid
}

// grayBase is what a change of a gray version builds upon.
type grayBase struct {
	base
	name   string
	gray   *configcenter.Gray
	stat   core.Stat
	stage  stage // of its content
	others int   // gray versions beside it
}

func (s *Store) grayBase(ctx context.Context, k configcenter.Key, name string, toPublish bool) (b grayBase, err error) {
	b.name = name
	if b.base, err = s.base(ctx, k, toPublish); err != nil {
		return b, err
	}
	for _, child := range b.children {
		if other, ok := grayName(child); ok && other != name {
			b.others++
		}
	}
	b.gray, b.stat, b.stage, err = s.gray(ctx, k, name)
	if errors.Is(err, configcenter.ErrNotFound) {
		err = nil
	}
	return b, err
}

// Gray reads a gray version as the engine has it now. It returns
// configcenter.ErrNotFound.
func (s *Store) Gray(ctx context.Context, k configcenter.Key, name string) (*configcenter.Gray, error) {
	g, _, _, err := s.gray(ctx, k, name)
	return g, err
}

func (s *Store) gray(ctx context.Context, k configcenter.Key, name string) (g *configcenter.Gray, st core.Stat, of stage, err error) {
	path := ItemPath(k)
	for range readTries {
		var value []byte
		value, st, err = s.client.Get(ctx, grayPath(k, name))
		if errors.Is(err, core.NoNode) {
			return nil, core.Stat{}, 0, configcenter.ErrNotFound
		}
		if err != nil {
			return nil, core.Stat{}, 0, err
		}
		var failed error
		g, of, err = assembleGray(k, name, value, st, s.chunks(ctx, path, &failed))
		if failed != nil {
			return nil, core.Stat{}, 0, failed
		}
		if !errors.Is(err, ErrTorn) {
			return g, st, of, err
		}
	}
	return nil, core.Stat{}, 0, err
}

// PublishGray sets a gray version of a config, which need not exist itself. It returns
// what Publish does, configcenter.ErrTooManyGrays, and configcenter.ErrGrayGone.
func (s *Store) PublishGray(ctx context.Context, p *configcenter.GrayPublish) (GrayResult, error) {
	if err := p.Validate(s.limits); err != nil {
		return GrayResult{}, err
	}
	wish := p.Publish
	wish.KeepAppName, wish.KeepTags, wish.KeepSchema = false, false, false
	sum, packed := configcenter.Sum(p.Content), pack(p.Content)
	packed.restored = p.Restored
	var seen inspected
	for tries, synced := 0, false; tries < changeTries; tries++ {
		b, err := s.grayBase(ctx, p.Key, p.Name, true)
		if err != nil {
			return GrayResult{}, fmt.Errorf("publish %s, %s: %w", p.Key, p.Name, err)
		}
		if refused := b.refuses(p); refused != nil {
			if synced {
				return GrayResult{}, refused
			}
			// What was read may be old, as with Publish.
			if synced, err = true, s.sync(ctx, p.Key); err != nil {
				return GrayResult{}, fmt.Errorf("publish %s, %s: %w", p.Key, p.Name, err)
			}
			continue
		}
		g := &configcenter.Gray{Name: p.Name, Rule: p.Rule}
		if b.gray != nil {
			g.Item = s.published(&wish, b.gray.Item, sum)
		} else {
			g.Item = s.published(&wish, nil, sum)
		}
		if p.KeepSchema && b.item != nil && b.item.HasSchema() && p.Schema == "" && p.SaysNoType() {
			g.Item.Type = b.item.Type
		}
		if err := s.inspect(ctx, g.Item, b.item, &seen); err != nil {
			return GrayResult{}, err
		}
		zxid, st, again, err := s.writeGray(ctx, &b, g, packed)
		if again, err = s.doubted(ctx, p.Key, again, err, synced); err != nil {
			return GrayResult{}, fmt.Errorf("publish %s, %s: %w", p.Key, p.Name, err)
		}
		if again {
			synced = true
			continue
		}
		g.Item.Revision, g.Item.ID = zxid, st.Czxid
		return GrayResult{Gray: g, Zxid: zxid}, nil
	}
	return GrayResult{}, configcenter.ErrContended
}

// refuses says why b does not take what is to be published.
func (b *grayBase) refuses(p *configcenter.GrayPublish) error {
	switch {
	case b.gray == nil && p.MustExist:
		return configcenter.ErrGrayGone
	case b.gray == nil && b.others >= configcenter.GraysMax:
		return configcenter.ErrTooManyGrays
	case b.gray != nil && p.CASMD5 != "" && p.CASMD5 != b.gray.Item.MD5:
		return configcenter.ErrCASMismatch
	}
	return nil
}

// writeGray publishes a gray version upon b.
func (s *Store) writeGray(ctx context.Context, b *grayBase, g *configcenter.Gray, p parcel) (zxid core.Zxid, st core.Stat, again bool, err error) {
	var before *configcenter.Item
	if b.gray != nil {
		before = b.gray.Item
	}
	path, at := ItemPath(b.key), grayPath(b.key, g.Name)
	d := &draft{
		entry: setting(g.Item, p, before), parcel: p, growth: b.growing(g.Item, before), former: b.piecesOps(path, b.stage), mark: s.ofParts,
		set: func(content *staged) (ops []core.Op) {
			if !b.exists && len(content.paths) == 0 { // else staging has made the place
				ops = append(ops, core.CreateOp{Path: path, Data: place()})
			}
			value := encodeGray(g, content.stage)
			if b.gray == nil {
				return append(ops, core.CreateOp{Path: at, Data: value})
			}
			return append(ops, core.SetOp{Path: at, Data: value, Version: b.stat.Version})
		},
	}
	d.entry.Gray, d.entry.Rule = g.Name, g.Rule
	return s.put(ctx, b.base, d)
}

// RemoveGray withdraws a gray version. It returns what Remove does.
func (s *Store) RemoveGray(ctx context.Context, k configcenter.Key, name string, by configcenter.Origin) (GrayResult, error) {
	if err := k.Validate(); err != nil {
		return GrayResult{}, err
	}
	if err := configcenter.ValidateGrayName(name); err != nil {
		return GrayResult{}, err
	}
	for tries, synced := 0, false; tries < changeTries; tries++ {
		b, err := s.grayBase(ctx, k, name, false)
		if err != nil {
			return GrayResult{}, fmt.Errorf("remove %s, %s: %w", k, name, err)
		}
		if b.gray == nil {
			if synced {
				return GrayResult{}, nil
			}
			if synced, err = true, s.sync(ctx, k); err != nil {
				return GrayResult{}, fmt.Errorf("remove %s, %s: %w", k, name, err)
			}
			continue
		}
		zxid, again, err := s.eraseGray(ctx, &b, by)
		if err != nil {
			return GrayResult{}, fmt.Errorf("remove %s, %s: %w", k, name, err)
		}
		if again {
			synced = true
			continue
		}
		s.tidy(ctx, k)
		return GrayResult{Gray: b.gray, Zxid: zxid}, nil
	}
	return GrayResult{}, configcenter.ErrContended
}

// eraseGray deletes the gray version that b holds, and the place that it had if that is
// of no more use.
func (s *Store) eraseGray(ctx context.Context, b *grayBase, by configcenter.Origin) (zxid core.Zxid, again bool, err error) {
	path := ItemPath(b.key)
	ops, err := s.gone(ctx, b.base, &configcenter.Entry{Origin: by, Time: s.now(), Gray: b.name, Rule: b.gray.Rule})
	if err != nil {
		return 0, false, err
	}
	pieces := b.piecesOps(path, b.stage)
	ops = append(ops, core.DeleteOp{Path: grayPath(b.key, b.name), Version: b.stat.Version})
	ops = append(ops, pieces...)
	if b.item == nil && len(b.children) == 1+len(pieces) {
		ops = append(ops, core.DeleteOp{Path: path, Version: b.itemStat.Version})
	}
	_, zxid, again, err = s.multi(s.ofParts(ctx), b.key, ops)
	return zxid, again, err
}

// Promote makes a gray version the config itself, for everybody, and withdraws it, in one
// transaction. It returns configcenter.ErrNotFound for a version that is not there, and
// otherwise what Publish does.
func (s *Store) Promote(ctx context.Context, k configcenter.Key, name string, by configcenter.Origin) (Result, error) {
	if err := k.Validate(); err != nil {
		return Result{}, err
	}
	if err := configcenter.ValidateGrayName(name); err != nil {
		return Result{}, err
	}
	for tries, synced := 0, false; tries < changeTries; tries++ {
		b, err := s.grayBase(ctx, k, name, false)
		if err != nil {
			return Result{}, fmt.Errorf("promote %s, %s: %w", k, name, err)
		}
		if b.gray == nil {
			if synced {
				return Result{}, configcenter.ErrNotFound
			}
			if synced, err = true, s.sync(ctx, k); err != nil {
				return Result{}, fmt.Errorf("promote %s, %s: %w", k, name, err)
			}
			continue
		}
		b.gray = b.gray.Over(b.item)
		it := s.published(&configcenter.Publish{
			Key: k, Content: b.gray.Item.Content, Attributes: b.gray.Item.Attributes, Origin: by, KeepSchema: true,
		}, b.item, b.gray.Item.MD5)
		if err := s.inspect(ctx, it, nil, &inspected{}); err != nil {
			return Result{}, err
		}
		withdrawn := b.base
		withdrawn.version++ // the entry behind that of the publish
		gone, err := s.gone(ctx, withdrawn, &configcenter.Entry{Origin: by, Time: it.Modified, Gray: name, Rule: b.gray.Rule})
		if err != nil {
			return Result{}, fmt.Errorf("promote %s, %s: %w", k, name, err)
		}
		gone = append(gone, core.DeleteOp{Path: grayPath(k, name), Version: b.stat.Version})
		gone = append(gone, b.piecesOps(ItemPath(k), b.stage)...)
		zxid, st, again, err := s.write(ctx, b.base, it, pack(it.Content), int64(len(it.Content)), gone...)
		if again, err = s.doubted(ctx, k, again, err, synced); err != nil {
			return Result{}, fmt.Errorf("promote %s, %s: %w", k, name, err)
		}
		if again {
			synced = true
			continue
		}
		it.Revision, it.ID = zxid, st.Czxid
		return Result{Item: it, Zxid: zxid, Created: b.item == nil}, nil
	}
	return Result{}, configcenter.ErrContended
}

// graysOps remove every gray version of the config that b holds, with their pieces, whose
// stages are told. Each is an entry of the history, upon which b is when it returns.
func (s *Store) graysOps(
	ctx context.Context, b *base, by configcenter.Origin, now int64,
) (ops []core.Op, used map[stage]bool, err error) {
	used = map[stage]bool{}
	path := ItemPath(b.key)
	for _, child := range b.children {
		name, ok := grayName(child)
		if !ok {
			continue
		}
		at := core.JoinPath(path, child)
		value, st, err := s.client.Get(ctx, at)
		if errors.Is(err, core.NoNode) {
			continue // b is not current any more
		}
		if err != nil {
			return nil, nil, err
		}
		h, rule, unreadable := decodeGray(value)
		if unreadable == nil {
			entry, err := s.gone(ctx, *b, &configcenter.Entry{Origin: by, Time: now, Gray: name, Rule: rule})
			if err != nil {
				return nil, nil, err
			}
			ops = append(ops, entry...)
			b.version++
		}
		ops = append(ops, core.DeleteOp{Path: at, Version: st.Version})
		if unreadable == nil && h.body.chunks > 0 {
			used[h.body.stage] = true
			ops = append(ops, b.piecesOps(path, h.body.stage)...)
		}
	}
	return ops, used, nil
}

// grayStages are those of a config's gray versions.
func (s *Store) grayStages(ctx context.Context, k configcenter.Key) (map[stage]bool, error) {
	used := map[stage]bool{}
	children, _, err := s.client.Children(ctx, ItemPath(k))
	if err != nil && !errors.Is(err, core.NoNode) {
		return nil, err
	}
	for _, child := range children {
		if _, ok := grayName(child); !ok {
			continue
		}
		value, _, err := s.client.Get(ctx, core.JoinPath(ItemPath(k), child))
		if errors.Is(err, core.NoNode) {
			continue
		}
		if err != nil {
			return nil, err
		}
		h, _, err := decodeGray(value)
		if err != nil {
			return nil, err // its pieces could be any
		}
		used[h.body.stage] = true
	}
	return used, nil
}
