package center

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/zensus-io/zensus/configcenter"
)

const (
	// pruneEvery is how long a change's key waits before its history is pruned:
	// a config that is published in a loop is pruned once for many changes.
	pruneEvery = 2 * time.Second
	// pruneKeysMax bounds the keys that wait; the sweep finds what was left out.
	pruneKeysMax = 10_000
	// sweepEvery is how often all histories are looked at for what is too old.
	sweepEvery = 24 * time.Hour
)

// tidy keeps the histories within their limits until ctx ends. Every node does
// it: what another one has removed is simply not there any more.
func (c *Center) tidy(ctx context.Context) {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	// Nodes that started together do not sweep together.
	sweep := time.NewTimer(time.Hour + rand.N(sweepEvery))
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, k := range c.changedKeys() {
				c.pruneOne(ctx, k)
			}
		case <-sweep.C:
			if err := c.sweep(ctx); err != nil && ctx.Err() == nil {
				c.log.Warn("histories were not swept to the end", "err", err)
			}
			sweep.Reset(sweepEvery)
		}
	}
}

// sweep prunes all histories, and removes what publishes have left that never ended: also
// of configs that have no history, or no more.
func (c *Center) sweep(ctx context.Context) error {
	one := func(k configcenter.Key) error {
		c.pruneOne(ctx, k)
		if err := c.store.Sweep(ctx, k); err != nil && ctx.Err() == nil {
			c.log.Debug("remnants were not swept", "namespace", k.Namespace, "group", k.Group, "data_id", k.DataID, "err", err)
		}
		return ctx.Err()
	}
	if err := c.store.Histories(ctx, one); err != nil {
		return err
	}
	return c.store.Unrecorded(ctx, one)
}

func (c *Center) changedKeys() []configcenter.Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := make([]configcenter.Key, 0, len(c.mu.prune))
	for k := range c.mu.prune {
		keys = append(keys, k)
	}
	clear(c.mu.prune)
	slices.SortFunc(keys, configcenter.Key.Compare)
	return keys
}

func (c *Center) pruneOne(ctx context.Context, k configcenter.Key) {
	if _, err := c.store.Prune(ctx, k); err != nil && ctx.Err() == nil {
		c.log.Debug("history was not pruned", "namespace", k.Namespace, "group", k.Group, "data_id", k.DataID, "err", err)
	}
}
