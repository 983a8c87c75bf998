package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// ErrTorn is returned by Assemble when a piece is missing: it is gone because the
// config has changed since, or whoever follows the tree has yet to hear of it.
var ErrTorn = errors.New("a piece is missing")

// Assemble makes an item from the value and Stat of its znode and from its
// pieces, which chunk yields by name: nil where there is none. It returns
// configcenter.ErrNotFound for a place without a config.
func Assemble(k configcenter.Key, value []byte, st core.Stat, chunk func(name string) []byte) (*configcenter.Item, error) {
	it, _, err := assemble(k, value, st, chunk)
	return it, err
}

func assemble(k configcenter.Key, value []byte, st core.Stat, chunk func(name string) []byte) (*configcenter.Item, stage, error) {
	h, err := decodeItem(value)
	if err != nil {
		return nil, 0, fmt.Errorf("config %s: %w", k, err)
	}
	if h.isPlace {
		return nil, 0, configcenter.ErrNotFound
	}
	it, err := h.whole(k, st, chunk)
	return it, h.body.stage, err
}

// whole is the item that a header is of.
func (h *header) whole(k configcenter.Key, st core.Stat, chunk func(name string) []byte) (*configcenter.Item, error) {
	content, err := h.body.gather(chunk)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", k, err)
	}
	if configcenter.Sum(content) != h.item.MD5 {
		return nil, fmt.Errorf("config %s: md5 does not fit: %w", k, errFormat)
	}
	it := h.item
	it.Key, it.Content, it.Revision, it.ID = k, content, st.Mzxid, st.Czxid
	return &it, nil
}

// gather puts the pieces of a content together.
func (b *body) gather(chunk func(name string) []byte) (string, error) {
	if b.chunks == 0 {
		return string(b.inline), nil
	}
	var all strings.Builder
	for i := range b.chunks {
		piece := chunk(b.stage.chunkName(i))
		if piece == nil || len(piece) > ChunkBytes {
			return "", ErrTorn
		}
		all.Write(piece)
	}
	if all.Len() != b.size {
		return "", ErrTorn
	}
	return all.String(), nil
}

// readTries bounds how often a read begins again because a publish cut in.
const readTries = 10

// Get reads a config from the tree, as new as this client's session sees it. It
// returns configcenter.ErrNotFound.
func (s *Store) Get(ctx context.Context, k configcenter.Key) (*configcenter.Item, error) {
	it, _, _, err := s.get(ctx, k)
	return it, err
}

// GetAlone is Get of a config with nothing below its znode, and of when that was last
// changed, or what is below it was: that there are no gray versions is part of the answer.
// ok is false if there are some, or the content is in pieces.
func (s *Store) GetAlone(ctx context.Context, k configcenter.Key) (it *configcenter.Item, changed core.Zxid, ok bool, err error) {
	value, st, err := s.client.Get(ctx, ItemPath(k))
	switch {
	case errors.Is(err, core.NoNode):
		return nil, 0, false, configcenter.ErrNotFound
	case err != nil || st.NumChildren > 0:
		return nil, 0, false, err
	}
	it, err = Assemble(k, value, st, func(string) []byte { return nil })
	return it, max(st.Mzxid, st.Pzxid), err == nil, err
}

// get reads a config, the Stat of its znode, and the stage of its pieces. Where
// that is only a place, the Stat is given with ErrNotFound; otherwise ErrNotFound
// comes with a zero Stat.
func (s *Store) get(ctx context.Context, k configcenter.Key) (it *configcenter.Item, st core.Stat, pieces stage, err error) {
	path := ItemPath(k)
	for range readTries {
		var value []byte
		value, st, err = s.client.Get(ctx, path)
		if errors.Is(err, core.NoNode) {
			return nil, core.Stat{}, 0, configcenter.ErrNotFound
		}
		if err != nil {
			return nil, core.Stat{}, 0, err
		}
		var failed error
		it, pieces, err = assemble(k, value, st, s.chunks(ctx, path, &failed))
		if failed != nil {
			return nil, core.Stat{}, 0, failed
		}
		if !errors.Is(err, ErrTorn) {
			return it, st, pieces, err
		}
	}
	return nil, core.Stat{}, 0, err
}

// chunks reads the pieces of a content from the tree.
func (s *Store) chunks(ctx context.Context, parent string, failed *error) func(string) []byte {
	return func(name string) []byte {
		data, _, err := s.client.Get(ctx, core.JoinPath(parent, name))
		if err != nil && !errors.Is(err, core.NoNode) {
			*failed = err
		}
		return data
	}
}
