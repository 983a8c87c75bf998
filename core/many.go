package core

import "context"

// ManyReader is a Client that reads many znodes with one request. Where an engine has no
// such request it returns Unimplemented.
type ManyReader interface {
	// GetMany is Get of each of paths, all as they are at one moment; each succeeds or
	// fails by itself. It returns MarshallingError if the values together are more than
	// the engine puts into one reply.
	GetMany(ctx context.Context, paths []string) ([]GetResult, error)
}

// GetResult is what became of one read of GetMany.
type GetResult struct {
	Data []byte // the caller must not modify it
	Stat Stat
	Err  error // nil, NoNode or NoAuth
}
