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

// Replacement is what is to change in one service.
type Replacement struct {
	Service registry.ServiceKey
	Drop    []string
	Add     []*Record
}

// Replace deletes the znodes in drop and creates those of add, for the session
// of via if they are ephemeral. What fits into one multi happens at one zxid;
// where more is needed, the creations come first, so that a list in between is
// too long rather than too short. made runs parallel to add as far as it got.
//
// It returns core.NoNode if the service, or a znode in drop, is not there.
func (s *Store) Replace(ctx context.Context, via core.Client, k registry.ServiceKey, drop []string, add []*Record) (made []Created, zxid core.Zxid, err error) {
	var t transaction
	flush := func() error {
		some, z, err := t.commit(ctx, via)
		if err != nil {
			return err
		}
		made, zxid = append(made, some...), max(zxid, z)
		t = transaction{}
		return nil
	}
	for _, r := range add {
		op := s.creation(k, r)
		if !t.takes(op.Path, op.Data) {
			if err := flush(); err != nil {
				return made, zxid, err
			}
		}
		t.create(op)
	}
	for _, path := range drop {
		if !t.takes("", nil) {
			if err := flush(); err != nil {
				return made, zxid, err
			}
		}
		t.drop(path)
	}
	err = flush()
	return made, zxid, err
}

// ReplaceTogether does the first some of the replacements in a list, as many as fit into
// one multi: all of them at one zxid, or none if one is refused. One that is too large for
// that comes alone, as by Replace. tried says how many they were, at least one of a list
// that is not empty. made runs parallel to what they add, in their order.
//
// It returns core.NoNode if a service, or a znode that is to be dropped, is not there.
func (s *Store) ReplaceTogether(ctx context.Context, via core.Client, list []Replacement) (tried int, made []Created, zxid core.Zxid, err error) {
	var t transaction
	for tried < len(list) {
		r := &list[tried]
		before := t
		if !s.include(&t, r) {
			t = before
			break
		}
		tried++
	}
	if tried == 0 && len(list) > 0 {
		made, zxid, err = s.Replace(ctx, via, list[0].Service, list[0].Drop, list[0].Add)
		return 1, made, zxid, err
	}
	made, zxid, err = t.commit(ctx, via)
	return tried, made, zxid, err
}

// include adds a replacement to a transaction, and reports whether there was room for all
// of it.
func (s *Store) include(t *transaction, r *Replacement) bool {
	for _, record := range r.Add {
		op := s.creation(r.Service, record)
		if !t.takes(op.Path, op.Data) {
			return false
		}
		t.create(op)
	}
	for _, path := range r.Drop {
		if !t.takes("", nil) {
			return false
		}
		t.drop(path)
	}
	return true
}

func (s *Store) creation(k registry.ServiceKey, r *Record) core.CreateOp {
	mode := core.PersistentSequential
	if r.Instance.Ephemeral {
		mode = core.EphemeralSequential
	}
	path := instancePath(k, r.Instance.Key(), r.Instance.Ephemeral)
	return core.CreateOp{Path: path, Data: EncodeRecord(r), Options: core.CreateOptions{Mode: mode, ACL: s.acl}}
}

// transaction is a multi that is being put together.
type transaction struct {
	ops          []core.Op
	bytes, paths int // of what is created
}

// takes reports whether there is room for one more operation, which creates what is given
// or, without it, drops something.
func (t *transaction) takes(path string, value []byte) bool {
	return len(t.ops) < opsMax && (len(t.ops) == 0 || t.bytes+len(path)+len(value) <= opsBytesMax && t.paths+len(path) <= pathBytesMax)
}

func (t *transaction) create(op core.CreateOp) {
	t.ops = append(t.ops, op)
	t.bytes += len(op.Path) + len(op.Data)
	t.paths += len(op.Path)
}

func (t *transaction) drop(path string) {
	t.ops = append(t.ops, core.DeleteOp{Path: path, Version: core.AnyVersion})
}

// commit does it all at one zxid, or nothing. It is 0 if there is nothing to do.
func (t *transaction) commit(ctx context.Context, via core.Client) (made []Created, zxid core.Zxid, err error) {
	if len(t.ops) == 0 {
		return nil, 0, nil
	}
	results, zxid, err := via.Multi(ctx, t.ops...)
	if err != nil {
		return nil, 0, err
	}
	for n, op := range t.ops {
		if _, ok := op.(core.CreateOp); ok {
			made = append(made, Created{Path: results[n].Path, Czxid: zxid})
		}
	}
	return made, zxid, nil
}

// ReplaceOwn is Replace with the node's own session, for persistent instances.
func (s *Store) ReplaceOwn(ctx context.Context, k registry.ServiceKey, drop []string, add []*Record) ([]Created, core.Zxid, error) {
	return s.Replace(ctx, s.client, k, drop, add)
}

// Sync is up to where the node's own session sees everything that was committed
// before the call.
func (s *Store) Sync(ctx context.Context) (core.Zxid, error) { return s.client.Sync(ctx, NamingRoot) }
