package store

import (
	"context"
	"errors"
	"slices"

	"github.com/zensus-io/zensus/core"
)

func claimPath(owner core.SessionID) string { return ClaimsRoot + "/" + owner.String() }

// Claim says, for as long as the session of via lasts, that its client is still there.
// It can be called again.
func (s *Store) Claim(ctx context.Context, via core.Client) error {
	_, _, err := via.Create(ctx, claimPath(via.Session().ID), nil, core.CreateOptions{Mode: core.Ephemeral, ACL: s.acl})
	if errors.Is(err, core.NodeExists) {
		return nil
	}
	return err
}

// Unclaim takes the claim of a session back. It can be called again.
func (s *Store) Unclaim(ctx context.Context, owner core.SessionID) error {
	_, err := s.client.Delete(ctx, claimPath(owner), core.AnyVersion)
	if errors.Is(err, core.NoNode) {
		return nil
	}
	return err
}

// RemoveUnclaimed deletes znodes of a session unless it is claimed, of which it sees at
// one zxid with the deletion. Some of them may be gone already. zxid is that of the last
// deletion, 0 if there was none.
func (s *Store) RemoveUnclaimed(ctx context.Context, owner core.SessionID, paths []string) (claimed bool, zxid core.Zxid, err error) {
	for some := range slices.Chunk(paths, opsMax-2) {
		z, err := s.removeUnclaimed(ctx, owner, some)
		if errors.Is(err, core.NoNode) && len(some) > 1 { // not all of them, perhaps
			for n := range some {
				if z, err = s.removeUnclaimed(ctx, owner, some[n:n+1]); err != nil && !errors.Is(err, core.NoNode) {
					break
				}
				zxid = max(zxid, z)
			}
		}
		switch {
		case errors.Is(err, core.NodeExists):
			return true, zxid, nil
		case err != nil && !errors.Is(err, core.NoNode):
			return false, zxid, err
		}
		zxid = max(zxid, z)
	}
	return false, zxid, nil
}

// removeUnclaimed puts a claim there and takes it off again: that fails if there is one.
func (s *Store) removeUnclaimed(ctx context.Context, owner core.SessionID, paths []string) (core.Zxid, error) {
	ops := []core.Op{
		core.CreateOp{Path: claimPath(owner), Options: core.CreateOptions{ACL: s.acl}},
		core.DeleteOp{Path: claimPath(owner), Version: core.AnyVersion},
	}
	for _, path := range paths {
		ops = append(ops, core.DeleteOp{Path: path, Version: core.AnyVersion})
	}
	_, zxid, err := s.client.Multi(ctx, ops...)
	if err != nil {
		return 0, err
	}
	return zxid, nil
}
