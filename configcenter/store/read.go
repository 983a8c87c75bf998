package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// ErrTorn is returned by Assemble when the pieces are not all of one change:
// whoever follows the tree will hear of the missing ones.
var ErrTorn = errors.New("pieces of different changes")

// Assemble makes an item from the value and Stat of its znode and from its
// pieces, which chunk yields: nil where there is none.
func Assemble(k configcenter.Key, value []byte, st core.Stat, chunk func(name string) ([]byte, core.Stat)) (*configcenter.Item, error) {
	h, err := decodeItem(value)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", k, err)
	}
	content, err := gather(h.inline, h.chunks, h.size, st.Mzxid, chunk)
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

// gather puts the pieces that transaction zxid wrote together.
func gather(inline []byte, chunks, size int, zxid core.Zxid, chunk func(name string) ([]byte, core.Stat)) (string, error) {
	if chunks == 0 {
		return string(inline), nil
	}
	var b strings.Builder
	for i := range chunks {
		data, st := chunk(ChunkName(i))
		if st.Mzxid != zxid || len(data) > ChunkBytes {
			return "", ErrTorn
		}
		b.Write(data)
	}
	if b.Len() != size {
		return "", ErrTorn
	}
	return b.String(), nil
}

// readTries bounds how often a read begins again because a publish cut in.
const readTries = 10

// Get reads a config from the tree, as new as this client's session sees it. It
// returns configcenter.ErrNotFound.
func (s *Store) Get(ctx context.Context, k configcenter.Key) (*configcenter.Item, error) {
	it, _, err := s.get(ctx, k)
	return it, err
}

func (s *Store) get(ctx context.Context, k configcenter.Key) (it *configcenter.Item, st core.Stat, err error) {
	path := ItemPath(k)
	for range readTries {
		var value []byte
		value, st, err = s.client.Get(ctx, path)
		if errors.Is(err, core.NoNode) {
			return nil, st, configcenter.ErrNotFound
		}
		if err != nil {
			return nil, st, err
		}
		var failed error
		it, err = Assemble(k, value, st, s.chunks(ctx, path, &failed))
		if failed != nil {
			return nil, st, failed
		}
		if !errors.Is(err, ErrTorn) {
			return it, st, err
		}
	}
	return nil, st, err
}

// chunks reads the pieces of a content from the tree.
func (s *Store) chunks(ctx context.Context, parent string, failed *error) func(string) ([]byte, core.Stat) {
	return func(name string) ([]byte, core.Stat) {
		data, st, err := s.client.Get(ctx, core.JoinPath(parent, name))
		if err != nil && !errors.Is(err, core.NoNode) {
			*failed = err
		}
		return data, st
	}
}
