package store

import "context"

// Marks put into the context of a write what its operations do not show, for a client
// that keeps a record of writes. A mark that is nil is none.
type Marks struct {
	// OfParts marks a write in which a config's own znode is only a place for parts: it
	// is about those.
	OfParts func(context.Context) context.Context
	// Creating marks one that makes a config of what was only a place.
	Creating func(context.Context) context.Context
}

// Mark has writes marked. Call it before the first one.
func (s *Store) Mark(m Marks) { s.marks = m }

func (s *Store) ofParts(ctx context.Context) context.Context {
	if s.marks.OfParts == nil {
		return ctx
	}
	return s.marks.OfParts(ctx)
}

func (s *Store) creating(ctx context.Context) context.Context {
	if s.marks.Creating == nil {
		return ctx
	}
	return s.marks.Creating(ctx)
}
