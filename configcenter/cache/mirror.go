package cache

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
)

// FromMirror makes a mirror a Picture.
type FromMirror struct{ *mirror.Mirror }

// Get returns a znode of the mirror.
func (m FromMirror) Get(path string) ([]byte, core.Stat, bool) {
	n, ok := m.Mirror.Get(path)
	if !ok {
		return nil, core.Stat{}, false
	}
	return n.Data, n.Stat, true
}
