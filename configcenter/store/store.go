package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// Store reads and changes configs in the tree.
type Store struct {
	client core.Client
	limits configcenter.Limits
	now    func() int64
	admit  Admit   // may be nil
	look   Inspect // may be nil
	shows  Shows   // may be nil
	marks  Marks
	latest latest
}

// Growth is what a change adds.
type Growth struct {
	Key     configcenter.Key
	Configs int   // 1 for one of which there was nothing, no gray version either
	Content int   // bytes of the content that is set
	Bytes   int64 // of all contents of the config, below 0 if they become fewer
}

// Admit decides on what a change adds, each time that it is tried. What it returns is
// part of the transaction; an operation of it that fails makes the change begin again.
type Admit func(ctx context.Context, g Growth) ([]core.Op, error)

// Admit has f decide on every publish. Call it before the first one.
func (s *Store) Admit(f Admit) { s.admit = f }

func (s *Store) admission(ctx context.Context, g Growth) ([]core.Op, error) {
	if s.admit == nil {
		return nil, nil
	}
	return s.admit(ctx, g)
}

// New makes a Store. The znodes that it creates get the default ACL of client's
// session; now is the wall time in milliseconds.
func New(client core.Client, limits configcenter.Limits, now func() int64) *Store {
	return &Store{client: client, limits: limits, now: now}
}

// Init makes the roots, so that they can be watched.
func (s *Store) Init(ctx context.Context) error {
	for _, root := range []string{ConfigRoot, HistoryRoot} {
		if err := s.ensure(ctx, root); err != nil {
			return err
		}
	}
	return nil
}

// ensure makes the persistent znode path and everything above it.
func (s *Store) ensure(ctx context.Context, path string) error {
	for range readTries { // a parent may be tidied away between two steps
		_, _, err := s.client.Create(ctx, path, []byte{formatVersion}, core.CreateOptions{})
		switch {
		case err == nil, errors.Is(err, core.NodeExists):
			return nil
		case !errors.Is(err, core.NoNode):
			return err
		}
		if err := s.ensure(ctx, core.ParentPath(path)); err != nil {
			return err
		}
	}
	return configcenter.ErrContended
}

// Result is what a change left behind.
type Result struct {
	// Item is the config as published, or as it was before a Remove; nil if a
	// Remove found none.
	Item *configcenter.Item
	// Zxid is the transaction; 0 if nothing was written.
	Zxid core.Zxid
	// Created says that a publish made a config that did not exist.
	Created bool
}

// changeTries bounds how often a change begins again because another one cut in.
const changeTries = 32

// Publish sets a config. It returns an *configcenter.InvalidError,
// configcenter.ErrCASMismatch, configcenter.ErrContended, or an error of the
// engine; core.IsUnknownOutcome says if it may have been published all the same.
func (s *Store) Publish(ctx context.Context, p *configcenter.Publish) (Result, error) {
	if err := p.Validate(s.limits); err != nil {
		return Result{}, err
	}
	sum, packed := configcenter.Sum(p.Content), pack(p.Content)
	packed.restored = p.Restored
	var seen inspected
	for tries, synced := 0, false; tries < changeTries; tries++ {
		base, ok := s.shown(p.Key)
		if !ok || tries > 0 {
			var err error
			if base, err = s.base(ctx, p.Key, true); err != nil {
				return Result{}, fmt.Errorf("publish %s: %w", p.Key, err)
			}
		}
		var err error
		if !expected(p, base.item) {
			if synced {
				return Result{}, configcenter.ErrCASMismatch
			}
			// What was read may be old. Only what is surely current may refuse.
			if synced, err = true, s.sync(ctx, p.Key); err != nil {
				return Result{}, fmt.Errorf("publish %s: %w", p.Key, err)
			}
			continue
		}
		it := s.published(p, base.item, sum)
		if err := s.inspect(ctx, it, nil, &seen); err != nil {
			return Result{}, err
		}
		zxid, st, again, err := s.write(ctx, base, it, packed, 0)
		if again, err = s.doubted(ctx, p.Key, again, err, synced); err != nil {
			return Result{}, fmt.Errorf("publish %s: %w", p.Key, err)
		}
		if again {
			synced = true
			continue
		}
		it.Revision, it.ID = zxid, st.Czxid
		s.latest.note(p.Key, change{revision: zxid, version: base.version + 1, at: it.Modified})
		return Result{Item: it, Zxid: zxid, Created: base.item == nil}, nil
	}
	return Result{}, configcenter.ErrContended
}

// doubted makes a change that a quota refused begin again, once: what it was counted upon
// may have been old.
func (s *Store) doubted(ctx context.Context, k configcenter.Key, again bool, err error, synced bool) (bool, error) {
	if synced || !errors.Is(err, configcenter.ErrQuota) {
		return again, err
	}
	return true, s.sync(ctx, k)
}

// expected reports whether the config is as the publisher expects it.
func expected(p *configcenter.Publish, it *configcenter.Item) bool {
	if it == nil {
		return p.Revision == 0
	}
	return !p.MustCreate && (p.CASMD5 == "" || p.CASMD5 == it.MD5) && (p.Revision == 0 || p.Revision == it.Revision)
}

func (s *Store) published(p *configcenter.Publish, old *configcenter.Item, sum string) *configcenter.Item {
	now := s.now()
	it := &configcenter.Item{
		Key: p.Key, Content: p.Content, MD5: sum, Attributes: p.Attributes,
		Created: now, Modified: now, CreatedBy: p.Origin, ChangedBy: p.Origin,
	}
	it.Attributes = p.Upon(old)
	if old != nil {
		it.Created, it.CreatedBy = old.Created, old.CreatedBy
	}
	return it
}

// Remove deletes a config. A config that does not exist is no error unless a
// revision was expected: nothing is written then. It returns what Publish does.
func (s *Store) Remove(ctx context.Context, r *configcenter.Remove) (Result, error) {
	if err := r.Key.Validate(); err != nil {
		return Result{}, err
	}
	for tries, synced := 0, false; tries < changeTries; tries++ {
		base, err := s.base(ctx, r.Key, false)
		if err != nil {
			return Result{}, fmt.Errorf("remove %s: %w", r.Key, err)
		}
		missing := base.item == nil // a place counts as nothing
		mismatch := r.Revision != 0 && (missing || r.Revision != base.item.Revision)
		if missing || mismatch {
			switch {
			case synced && mismatch:
				return Result{}, configcenter.ErrCASMismatch
			case synced:
				return Result{}, nil
			}
			if synced, err = true, s.sync(ctx, r.Key); err != nil {
				return Result{}, fmt.Errorf("remove %s: %w", r.Key, err)
			}
			continue
		}
		zxid, again, err := s.erase(ctx, base, r.Origin)
		if err != nil {
			return Result{}, fmt.Errorf("remove %s: %w", r.Key, err)
		}
		if again {
			synced = true
			continue
		}
		s.tidy(ctx, r.Key)
		return Result{Item: base.item, Zxid: zxid}, nil
	}
	return Result{}, configcenter.ErrContended
}

// tidy removes a group that became empty. A group that did not, or that somebody
// else tidied, is none of our business.
func (s *Store) tidy(ctx context.Context, k configcenter.Key) {
	path := core.ParentPath(ItemPath(k))
	if st, err := s.client.Exists(ctx, path); err == nil && st.NumChildren == 0 {
		_, _ = s.client.Delete(ctx, path, core.AnyVersion) // NotEmpty: in use again
	}
}

func (s *Store) sync(ctx context.Context, k configcenter.Key) error {
	_, err := s.client.Sync(ctx, ItemPath(k))
	return err
}
