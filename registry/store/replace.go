package store

import (
	"context"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
)

// Bounds on one multi, so that a large batch is several transactions of a size
// that the engine takes. What is created takes from what one session may own of
// paths, of which another engine has less (core/pool).
const (
	opsMax       = 200
	opsBytesMax  = 512 << 10
	pathBytesMax = 96 << 10
)

// Created is an instance znode that was made.
type Created struct {
	Path  string
	Czxid core.Zxid
}

// Replace deletes the znodes in drop and creates those of add, for the session
// of via if they are ephemeral. What fits into one multi happens at one zxid;
// where more is needed, the creations come first, so that a list in between is
// too long rather than too short. made runs parallel to add as far as it got.
//
// It returns core.NoNode if the service, or a znode in drop, is not there.
func (s *Store) Replace(ctx context.Context, via core.Client, k registry.ServiceKey, drop []string, add []*Record) (made []Created, zxid core.Zxid, err error) {
	var ops []core.Op
	bytes, paths, creations := 0, 0, 0
	flush := func() error {
		if len(ops) == 0 {
			return nil
		}
		results, z, err := via.Multi(ctx, ops...)
		if err != nil {
			return err
		}
		zxid = z
		for n := range creations {
			made = append(made, Created{Path: results[n].Path, Czxid: z})
		}
		ops, bytes, paths, creations = nil, 0, 0, 0
		return nil
	}
	for _, r := range add {
		value := EncodeRecord(r)
		path := instancePath(k, r.Instance.Key(), r.Instance.Ephemeral)
		if size := len(value) + len(path); len(ops) == opsMax || bytes+size > opsBytesMax || paths+len(path) > pathBytesMax {
			if err := flush(); err != nil {
				return made, zxid, err
			}
		}
		mode := core.PersistentSequential
		if r.Instance.Ephemeral {
			mode = core.EphemeralSequential
		}
		ops = append(ops, core.CreateOp{Path: path, Data: value, Options: core.CreateOptions{Mode: mode, ACL: s.acl}})
		bytes += len(value) + len(path)
		paths += len(path)
		creations++
	}
	for _, path := range drop {
		if len(ops) == opsMax {
			if err := flush(); err != nil {
				return made, zxid, err
			}
		}
		ops = append(ops, core.DeleteOp{Path: path, Version: core.AnyVersion})
	}
	err = flush()
	return made, zxid, err
}

// ReplaceOwn is Replace with the node's own session, for persistent instances.
func (s *Store) ReplaceOwn(ctx context.Context, k registry.ServiceKey, drop []string, add []*Record) ([]Created, core.Zxid, error) {
	return s.Replace(ctx, s.client, k, drop, add)
}

// Sync is up to where the node's own session sees everything that was committed
// before the call.
func (s *Store) Sync(ctx context.Context) (core.Zxid, error) { return s.client.Sync(ctx, NamingRoot) }
