package state

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/wire"
)

// View is the state at one zxid: tree, sessions and access lists in one cut. It
// stays as it is while the state goes on, and may be read by another goroutine.
type View struct {
	// Zxid is what the state had applied, Digest the tree's digest then.
	Zxid     core.Zxid
	Digest   uint64
	Tree     *tree.View
	sessions []Session
	highest  []core.SessionID // of each server, ascending
}

// View takes a view. It must be closed.
func (s *State) View() *View {
	v := &View{Zxid: s.applied, Digest: s.tree.Digest(), Tree: s.tree.View(), sessions: s.sessionList()}
	for _, peer := range slices.Sorted(maps.Keys(s.highest)) {
		v.highest = append(v.highest, s.highest[peer])
	}
	return v
}

// Close lets the state free what it kept for the view. It may be called from
// any goroutine.
func (v *View) Close() { v.Tree.Close() }

const (
	viewVersion      = 2
	sessionsPerChunk = 8192
)

// Encode writes the view in chunks of at most 256 KiB, each of which Load reads
// back as one: a head with the counts and the highest ids of sessions, the
// sessions, the tree.
func (v *View) Encode(write func(chunk []byte) error) error {
	sortSessions(v.sessions) // here, away from the state's owner
	head := wire.AppendInt(nil, viewVersion)
	head = wire.AppendLong(head, int64(v.Zxid))
	head = wire.AppendLong(head, int64(v.Digest))
	head = wire.AppendLong(head, int64(len(v.sessions)))
	head = wire.AppendInt(head, int32(len(v.highest)))
	for _, id := range v.highest {
		head = wire.AppendLong(head, int64(id))
	}
	if err := write(head); err != nil {
		return err
	}
	for rest := v.sessions; len(rest) > 0; {
		n := min(len(rest), sessionsPerChunk)
		chunk := wire.AppendInt(make([]byte, 0, 4+n*12), int32(n))
		for _, one := range rest[:n] {
			chunk = wire.AppendInt(wire.AppendLong(chunk, int64(one.ID)), one.TimeoutMillis)
		}
		if err := write(chunk); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return v.Tree.Encode(write)
}

// ErrDigest is returned by Load where the tree has another digest than is said of it.
var ErrDigest = errors.New("the digests differ")

// Load reads what Encode wrote; next returns the chunks in order. The digest is
// computed again and compared: ErrDigest.
func Load(cfg Config, next func() ([]byte, error)) (*State, error) {
	head, err := next()
	if err != nil {
		return nil, fmt.Errorf("state: load: %w", err)
	}
	r := wire.NewReader(head)
	version, zxid, digest, count := r.Int(), core.Zxid(r.Long()), uint64(r.Long()), r.Long()
	highest := make([]core.SessionID, max(r.Count(8), 0))
	for i := range highest {
		highest[i] = core.SessionID(r.Long())
	}
	if r.Err() != nil || version != viewVersion || count < 0 {
		return nil, fmt.Errorf("state: load: head: %w", wire.ErrMalformed)
	}
	sessions := make(map[core.SessionID]int32, min(count, 1<<20))
	for int64(len(sessions)) < count {
		chunk, err := next()
		if err != nil {
			return nil, fmt.Errorf("state: load: %w", err)
		}
		r := wire.NewReader(chunk)
		n := r.Count(12)
		before := len(sessions)
		for range n {
			id := core.SessionID(r.Long())
			sessions[id] = r.Int()
		}
		if r.Err() != nil || n <= 0 || len(sessions)-before != n {
			return nil, fmt.Errorf("state: load: sessions: %w", wire.ErrMalformed)
		}
	}
	t, err := tree.Load(next)
	if err != nil {
		return nil, fmt.Errorf("state: load: %w", err)
	}
	if t.Digest() != digest {
		return nil, fmt.Errorf("state: load: %w: the tree has %x, the snapshot says %x", ErrDigest, t.Digest(), digest)
	}
	s := newState(cfg, t)
	s.sessions = sessions
	for _, id := range highest {
		s.noteSession(id)
	}
	s.applied = zxid
	s.digests.add(zxid, digest)
	return s, nil
}
