package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/lasting"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/internal/telemetry"
	"github.com/zensus-io/zensus/registry/naming"
)

// ownSession opens the session on which everything of Nacos stands. It waits for a
// quorum here, not for an ensemble elsewhere; the client is nil if ctx ends meanwhile.
func (in *instance) ownSession(ctx context.Context, t *troubles) (client *lasting.Client, err error) {
	open := func(ctx context.Context) (core.Client, error) {
		return in.node.Open(ctx, core.SessionOptions{Timeout: systemTimeout, ACL: core.NodeACL(), KeepAlive: true})
	}
	if in.pool != nil {
		open = func(context.Context) (core.Client, error) {
			select {
			case <-in.pool.Ended(): // there will be no other one
				return nil, core.ErrClosed
			default:
				return in.pool.Client(), nil
			}
		}
	}
	err = insist(ctx, func() (err error) {
		client, err = lasting.New(ctx, lasting.Config{
			Open:  open,
			Probe: in.plan.ensemble != nil, OnTrouble: t.struck, Logger: telemetry.Slog(in.log.Named("session")),
		})
		return err
	})
	if ctx.Err() != nil {
		return nil, nil
	}
	return client, err
}

// insist does something again until there is a quorum for it.
func insist(ctx context.Context, do func() error) error {
	for {
		err := do()
		if !errors.Is(err, core.NotReadOnly) && !core.IsUnknownOutcome(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// ended runs something whose end with its context is no error.
func ended(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := run(ctx); ctx.Err() == nil {
			return err
		}
		return nil
	}
}

// troubles tells the registry of troubles of this server's own: what they make
// disappear is not to be taken for gone at once.
type troubles struct {
	naming atomic.Pointer[naming.Service]
}

func (t *troubles) tell(s *naming.Service) { t.naming.Store(s) }

func (t *troubles) struck() {
	if s := t.naming.Load(); s != nil {
		s.Trouble()
	}
}

// watch tells of those that the engine knows of, until ctx ends.
func (t *troubles) watch(ctx context.Context, n *node.Node) error {
	_, changed := n.Contact()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		_, changed = n.Contact()
		t.struck()
	}
}
