package store

import (
	"sync"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// Shows is what is known of a config without a question to the engine, with the Stat of
// its znode: nil where that is nothing. It may be behind.
type Shows func(k configcenter.Key) (*configcenter.Item, core.Stat)

// Shows lets a publish build upon what f knows, where this Store has published last: then
// nothing is read for it. What was not so any more is found by the transaction, and the
// publish begins again with what it reads. Call it before the first publish.
func (s *Store) Shows(f Shows) { s.shows = f }

// latestMax bounds the configs of which a Store knows its latest change.
const latestMax = 20_000

// change is the latest one of a config that this Store has made.
type change struct {
	revision core.Zxid // of the item
	version  int32     // of the history's parent, since
	at       int64     // wall time in milliseconds
}

// latest is the latest change of configs.
type latest struct {
	mu   sync.Mutex
	made map[configcenter.Key]change
}

func (l *latest) note(k configcenter.Key, c change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made == nil {
		l.made = make(map[configcenter.Key]change)
	}
	if _, ok := l.made[k]; !ok && len(l.made) >= latestMax {
		for other := range l.made { // any: it is read anew when it is published
			delete(l.made, other)
			break
		}
	}
	if l.made[k].revision < c.revision { // two that ended at once may come in either order
		l.made[k] = c
	}
}

func (l *latest) of(k configcenter.Key) (change, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.made[k]
	return c, ok
}

// shown is base without a question to the engine; ok is false where it cannot be told. It
// has no pieces, and leaves the children out.
func (s *Store) shown(k configcenter.Key) (b base, ok bool) {
	if s.shows == nil {
		return b, false
	}
	last, ok := s.latest.of(k)
	if !ok {
		return b, false
	}
	// A history that has aged away numbers from the start again, and could come to the same
	// version. The config was deleted then, and all of that is older than the allowed age.
	if age := s.limits.HistoryAgeMillis; age > 0 && s.now()-last.at >= age/2 {
		return b, false
	}
	it, st := s.shows(k)
	if it == nil || it.Revision != last.revision || st.Mzxid != last.revision || len(it.Content) > ChunkBytes {
		return b, false // changed elsewhere, or not shown yet, or in pieces
	}
	return base{key: k, version: last.version, item: it, exists: true, itemStat: st}, true
}
