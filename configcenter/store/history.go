package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/segment"
)

// HistoryPageMax is how many entries History reads at once.
const HistoryPageMax = 500

// History lists the changes of a config, newest first and without their content:
// those from offset on, limit at most (and never more than HistoryPageMax). total
// is how many are kept. A config without history is no error.
func (s *Store) History(ctx context.Context, k configcenter.Key, offset, limit int) (entries []configcenter.Entry, total int, err error) {
	if err := k.Validate(); err != nil {
		return nil, 0, err
	}
	seqs, _, err := s.seqs(ctx, k)
	if err != nil {
		return nil, 0, fmt.Errorf("history %s: %w", k, err)
	}
	slices.Reverse(seqs)
	total = len(seqs)
	if offset < 0 || offset >= total || limit <= 0 {
		return nil, total, nil
	}
	for _, seq := range seqs[offset:min(total, offset+min(limit, HistoryPageMax))] {
		e, err := s.entry(ctx, k, seq, false)
		if errors.Is(err, configcenter.ErrNotFound) {
			continue // aged away since
		}
		if err != nil {
			return nil, 0, fmt.Errorf("history %s: %w", k, err)
		}
		entries = append(entries, *e)
	}
	return entries, total, nil
}

// Version reads one change and what it replaced, both with content. It returns
// configcenter.ErrNotFound.
func (s *Store) Version(ctx context.Context, k configcenter.Key, seq uint64) (*configcenter.Version, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	e, err := s.entry(ctx, k, seq, true)
	if err != nil {
		return nil, fmt.Errorf("history %s %d: %w", k, seq, err)
	}
	v := &configcenter.Version{Entry: *e}
	if e.Op == configcenter.Inserted {
		return v, nil
	}
	if v.Before, err = s.before(ctx, e); err != nil {
		return nil, fmt.Errorf("history %s before %d: %w", k, seq, err)
	}
	return v, nil
}

// before is the entry before one that is about the same version: the config itself, or
// the gray version of that name. It is nil if that has aged away.
func (s *Store) before(ctx context.Context, e *configcenter.Entry) (*configcenter.Entry, error) {
	for seq := e.Seq - 1; seq > 0; seq-- {
		old, err := s.entry(ctx, e.Key, seq, false)
		if err == nil && old.Gray == e.Gray {
			old, err = s.entry(ctx, e.Key, seq, true)
		}
		switch {
		case errors.Is(err, configcenter.ErrNotFound):
			return nil, nil // and so has all before it
		case err != nil:
			return nil, err
		case old.Gray == e.Gray:
			return old, nil
		}
	}
	return nil, nil
}

// seqs are the numbers of the changes that are kept, oldest first. pieces says that there
// are any, of whichever entry.
func (s *Store) seqs(ctx context.Context, k configcenter.Key) (seqs []uint64, pieces bool, err error) {
	names, _, err := s.client.Children(ctx, historyPath(k))
	if errors.Is(err, core.NoNode) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	seqs = make([]uint64, 0, len(names))
	for _, name := range names {
		if seq, ok := parseSeq(name); ok {
			seqs = append(seqs, seq)
		}
		pieces = pieces || isChunk(name)
	}
	slices.Sort(seqs)
	return seqs, pieces, nil
}

func (s *Store) entry(ctx context.Context, k configcenter.Key, seq uint64, withContent bool) (*configcenter.Entry, error) {
	path := core.JoinPath(historyPath(k), seqName(seq))
	value, st, err := s.client.Get(ctx, path)
	if errors.Is(err, core.NoNode) {
		return nil, configcenter.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	h, err := decodeEntry(value)
	if err != nil {
		return nil, err
	}
	e := h.entry
	e.Key, e.Seq, e.Zxid = k, seq, st.Czxid
	if !withContent {
		return &e, nil
	}
	var failed error
	stored, err := h.body.gather(s.chunks(ctx, historyPath(k), &failed))
	switch {
	case failed != nil:
		return nil, failed
	case err != nil: // entries never change: its pieces are going, it is aging away
		return nil, configcenter.ErrNotFound
	}
	e.Content, err = unpack(h.packed, []byte(stored), h.size)
	return &e, err
}

// Prune removes what the limits do not keep of a config's history: what is older
// than the allowed age or above the allowed number. The entry before the oldest
// kept one stays, because it says what that one replaced, and so does the newest
// entry of a config that exists. It returns how many entries it removed.
func (s *Store) Prune(ctx context.Context, k configcenter.Key) (removed int, err error) {
	seqs, pieces, err := s.seqs(ctx, k)
	if err != nil {
		return 0, fmt.Errorf("prune %s: %w", k, err)
	}
	drop, err := s.expired(ctx, k, seqs)
	if err != nil {
		return 0, fmt.Errorf("prune %s: %w", k, err)
	}
	for removed < drop {
		batch := seqs[removed:min(drop, removed+pruneBatch)]
		if err := s.removeEntries(ctx, k, batch, pieces); err != nil {
			return removed, fmt.Errorf("prune %s: %w", k, err)
		}
		removed += len(batch)
	}
	if drop == len(seqs) {
		s.tidyHistory(ctx, k)
	}
	return removed, nil
}

// pruneBatch is how many entries go in one transaction.
const pruneBatch = 100

// removeEntries removes several, at once where none of them has pieces.
func (s *Store) removeEntries(ctx context.Context, k configcenter.Key, seqs []uint64, pieces bool) error {
	if !pieces {
		parent := historyPath(k)
		ops := make([]core.Op, len(seqs))
		for i, seq := range seqs {
			ops[i] = core.DeleteOp{Path: core.JoinPath(parent, seqName(seq)), Version: core.AnyVersion}
		}
		_, _, err := s.client.Multi(ctx, ops...)
		if !errors.Is(err, core.NoNode) {
			return err
		}
		// Another node was faster with some of them.
	}
	for _, seq := range seqs {
		if err := s.removeEntry(ctx, k, seq); err != nil {
			return err
		}
	}
	return nil
}

// expired is how many of the oldest entries need not be kept.
func (s *Store) expired(ctx context.Context, k configcenter.Key, seqs []uint64) (int, error) {
	drop := 0
	if s.limits.HistoryEntriesMax > 0 {
		drop = max(0, len(seqs)-s.limits.HistoryEntriesMax)
	}
	if s.limits.HistoryAgeMillis > 0 {
		before := s.now() - s.limits.HistoryAgeMillis
		var last *configcenter.Entry
		for ; drop < len(seqs); drop++ {
			e, err := s.entry(ctx, k, seqs[drop], false)
			if errors.Is(err, configcenter.ErrNotFound) {
				continue
			}
			if errors.Is(err, errFormat) {
				break // of a newer release, perhaps: it counts as young
			}
			if err != nil {
				return 0, err
			}
			if e.Time >= before {
				break
			}
			last = e
		}
		if drop == len(seqs) && last != nil && last.Op == configcenter.Deleted && last.Gray == "" {
			return drop, nil // nothing is left that any of them could explain
		}
	}
	return max(0, drop-1), nil
}

func (s *Store) removeEntry(ctx context.Context, k configcenter.Key, seq uint64) error {
	parent := historyPath(k)
	path := core.JoinPath(parent, seqName(seq))
	value, _, err := s.client.Get(ctx, path)
	if errors.Is(err, core.NoNode) {
		return nil // another node was faster
	}
	if err != nil {
		return err
	}
	ops := []core.Op{core.DeleteOp{Path: path, Version: core.AnyVersion}}
	if h, err := decodeEntry(value); err == nil { // one that cannot be read goes alone
		for i := range h.body.chunks {
			ops = append(ops, core.DeleteOp{Path: core.JoinPath(parent, h.body.stage.chunkName(i)), Version: core.AnyVersion})
		}
	}
	_, _, err = s.client.Multi(ctx, ops...)
	if errors.Is(err, core.NoNode) {
		return nil
	}
	return err
}

// tidyHistory removes a history without entries, and a group's if that was the
// last. A change that comes in between makes either NotEmpty, and it stays; one that is
// on its way has a place, and needs it.
func (s *Store) tidyHistory(ctx context.Context, k configcenter.Key) {
	path := historyPath(k)
	if _, err := s.client.Exists(ctx, ItemPath(k)); !errors.Is(err, core.NoNode) {
		return
	}
	if _, err := s.client.Delete(ctx, path, core.AnyVersion); err != nil {
		return
	}
	_, _ = s.client.Delete(ctx, core.ParentPath(path), core.AnyVersion)
}

// Histories calls f with every config that has a history, deleted ones too, until
// f fails.
func (s *Store) Histories(ctx context.Context, f func(configcenter.Key) error) error {
	return s.descend(ctx, HistoryRoot, nil, f)
}

// Unrecorded calls f with every config, place or remnant of one that has no history, until
// f fails.
func (s *Store) Unrecorded(ctx context.Context, f func(configcenter.Key) error) error {
	return s.descend(ctx, ConfigRoot, nil, func(k configcenter.Key) error {
		_, err := s.client.Exists(ctx, historyPath(k))
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, core.NoNode):
			return err
		}
		return f(k)
	})
}

// descend walks the three levels of names below path, of which names are those
// already passed.
func (s *Store) descend(ctx context.Context, path string, names []string, f func(configcenter.Key) error) error {
	if len(names) == 3 {
		return f(configcenter.Key{Namespace: names[0], Group: names[1], DataID: names[2]})
	}
	children, _, err := s.client.Children(ctx, path)
	if errors.Is(err, core.NoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.Sort(children)
	for _, child := range children {
		name, err := segment.Unescape(child)
		if err != nil {
			continue // not ours
		}
		if err := s.descend(ctx, core.JoinPath(path, child), append(names[:len(names):len(names)], name), f); err != nil {
			return err
		}
	}
	return nil
}
