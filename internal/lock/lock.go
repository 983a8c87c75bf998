// Package lock keeps the locks of Nacos 3: one holder at a time, for a time that the
// holder named, after which the lock is free whatever became of him.
//
// A lock is a znode below /zensus/locks with the time at which it ends, by the clock of
// the server that took it: servers whose clocks differ let a lock go early or late by as
// much. As with Nacos nothing says whose a lock is: whoever releases it, releases it. A
// client that must be sure of its lock uses the ZooKeeper port and a session.
package lock

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/segment"
)

// Root is where the locks live.
const Root = "/zensus/locks"

// formatVersion is the first byte of every value.
const formatVersion = 1

// Bounds. The leases are Nacos's.
const (
	KeyBytesMax  = 1024
	LocksMax     = 100_000
	DefaultLease = 30 * time.Second
	LeaseMax     = 30 * time.Minute
)

// Errors of Acquire and Release.
var (
	// ErrKey is returned for a key that is too long.
	ErrKey = fmt.Errorf("lock key is longer than %d bytes", KeyBytesMax)
	// ErrTooMany is returned when there are as many locks as there may be.
	ErrTooMany = errors.New("too many locks")
)

// sweepEvery is how often locks that have ended are removed.
const sweepEvery = time.Minute

// Locks are all locks. It is safe for concurrent use.
type Locks struct {
	client core.Client
	log    *slog.Logger
	now    func() time.Time
}

// New makes one on a session of the node itself. now is the wall clock, nil for the
// machine's.
func New(client core.Client, log *slog.Logger, now func() time.Time) *Locks {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	return &Locks{client: client, log: log, now: now}
}

// Run removes locks that have ended, until ctx ends.
func (l *Locks) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(sweepEvery/2 + rand.N(sweepEvery)): // not all nodes at once
		}
		if err := l.Sweep(ctx); err != nil && ctx.Err() == nil {
			l.log.Debug("locks that have ended stay for now", "err", err)
		}
	}
}

func path(key string) string { return Root + "/k" + segment.Escape(key) }

// acquireTries bounds how often one who is about to take a lock is overtaken.
const acquireTries = 8

// Acquire takes a lock for a time: 30 s for a negative one, 30 minutes at most. It
// reports whether it did; a lock that is held is no error.
func (l *Locks) Acquire(ctx context.Context, key string, lease time.Duration) (bool, error) {
	if len(key) > KeyBytesMax {
		return false, ErrKey
	}
	if lease < 0 {
		lease = DefaultLease
	}
	now := l.now()
	value := encode(now.Add(min(lease, LeaseMax)))
	for range acquireTries {
		switch full, err := l.full(ctx); {
		case err != nil:
			return false, err
		case full:
			return false, ErrTooMany
		}
		_, _, err := l.client.Create(ctx, path(key), value, core.CreateOptions{})
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, core.NoNode):
			if err := l.init(ctx); err != nil {
				return false, err
			}
			continue
		case !errors.Is(err, core.NodeExists):
			return false, err
		}
		held, st, err := l.client.Get(ctx, path(key))
		switch {
		case errors.Is(err, core.NoNode):
			continue // released meanwhile
		case err != nil:
			return false, err
		case now.Before(end(held)):
			return false, nil
		}
		if _, err = l.client.Set(ctx, path(key), value, st.Version); err == nil {
			return true, nil
		}
		if !errors.Is(err, core.BadVersion) && !errors.Is(err, core.NoNode) {
			return false, err
		}
	}
	return false, nil // others have it, one after the other
}

// init makes the root.
func (l *Locks) init(ctx context.Context) error {
	for _, at := range []string{core.ParentPath(Root), Root} {
		_, _, err := l.client.Create(ctx, at, []byte{formatVersion}, core.CreateOptions{})
		if err != nil && !errors.Is(err, core.NodeExists) {
			return err
		}
	}
	return nil
}

// full reports whether there are as many locks as there may be. It reads what the node
// has: a few more may come to be.
func (l *Locks) full(ctx context.Context) (bool, error) {
	st, err := l.client.Exists(ctx, Root)
	if errors.Is(err, core.NoNode) {
		return false, nil
	}
	return st.NumChildren >= LocksMax, err
}

// Release frees a lock and reports whether it was held, if only by one whose time was
// over.
func (l *Locks) Release(ctx context.Context, key string) (bool, error) {
	if len(key) > KeyBytesMax {
		return false, ErrKey
	}
	_, err := l.client.Delete(ctx, path(key), core.AnyVersion)
	if errors.Is(err, core.NoNode) {
		return false, nil
	}
	return err == nil, err
}

// Sweep removes the locks that have ended.
func (l *Locks) Sweep(ctx context.Context) error {
	names, _, err := l.client.Children(ctx, Root)
	if errors.Is(err, core.NoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	now := l.now()
	for _, name := range names {
		at := core.JoinPath(Root, name)
		value, st, err := l.client.Get(ctx, at)
		if err == nil && !now.Before(end(value)) {
			_, err = l.client.Delete(ctx, at, st.Version)
		}
		if err != nil && !errors.Is(err, core.NoNode) && !errors.Is(err, core.BadVersion) {
			return err
		}
	}
	return nil
}

func encode(end time.Time) []byte {
	return binary.BigEndian.AppendUint64([]byte{formatVersion}, uint64(end.UnixMilli()))
}

// end is when a lock ends; what cannot be read has ended.
func end(value []byte) time.Time {
	if len(value) != 9 || value[0] != formatVersion {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(value[1:])))
}
