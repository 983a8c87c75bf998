package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// remnantAge is how old a piece must be to be a remnant if nothing refers to it:
// no publish takes that long.
const remnantAge = 3600 * 1000

// Sweep removes what a node that died in the middle of a publish has left of it:
// pieces that nothing refers to, and a place without a config. Where a value cannot be
// read, as one of a newer release, all that lies beside it stays: its pieces could be any.
func (s *Store) Sweep(ctx context.Context, k configcenter.Key) error {
	if err := errors.Join(s.sweepHistory(ctx, k), s.sweepItem(ctx, k)); err != nil {
		return fmt.Errorf("sweep %s: %w", k, err)
	}
	return nil
}

func (s *Store) sweepItem(ctx context.Context, k configcenter.Key) error {
	path := ItemPath(k)
	value, st, err := s.client.Get(ctx, path)
	if errors.Is(err, core.NoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := decodeItem(value)
	if err != nil {
		return err
	}
	used, err := s.grayStages(ctx, k)
	if err != nil {
		return err
	}
	used[h.body.stage] = true
	if err := s.sweepBelow(ctx, path, used); err != nil {
		return err
	}
	if h.isPlace && s.now()-st.Mtime > remnantAge {
		if _, err := s.client.Delete(ctx, path, st.Version); err == nil {
			s.tidy(ctx, k)
			s.tidyHistory(ctx, k)
		}
	}
	return nil
}

func (s *Store) sweepHistory(ctx context.Context, k configcenter.Key) error {
	parent := historyPath(k)
	children, _, err := s.client.Children(ctx, parent)
	if errors.Is(err, core.NoNode) || err == nil && !slices.ContainsFunc(children, isChunk) {
		return nil
	}
	if err != nil {
		return err
	}
	used := make(map[stage]bool)
	for _, child := range children {
		if isChunk(child) {
			continue
		}
		value, _, err := s.client.Get(ctx, core.JoinPath(parent, child))
		if errors.Is(err, core.NoNode) {
			continue
		}
		if err != nil {
			return err
		}
		h, err := decodeEntry(value)
		if err != nil {
			return err
		}
		used[h.body.stage] = true
	}
	return s.sweepBelow(ctx, parent, used)
}

// sweepBelow removes old pieces that are of no used stage.
func (s *Store) sweepBelow(ctx context.Context, parent string, used map[stage]bool) error {
	children, _, err := s.client.Children(ctx, parent)
	if errors.Is(err, core.NoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, child := range children {
		st, ok := stageOf(child)
		if !ok || used[st] {
			continue
		}
		path := core.JoinPath(parent, child)
		stat, err := s.client.Exists(ctx, path)
		if err == nil && s.now()-stat.Ctime > remnantAge {
			_, err = s.client.Delete(ctx, path, core.AnyVersion)
		}
		if err != nil && !errors.Is(err, core.NoNode) {
			return err
		}
	}
	return nil
}
