package center

import (
	"context"
	"errors"
	"fmt"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/cache"
	"github.com/zensus-io/zensus/configcenter/store"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/quota"
)

// Usage is how much there is in a namespace; where that is blank in a group of the public
// one, and where both are in all.
func (c *Center) Usage(namespace, group string) cache.Usage { return c.cache.Usage(namespace, group) }

// admit decides whether the quotas leave room for what a publish adds. Of those that it
// counts under it returns an operation that fails if somebody else has taken room since.
func (c *Center) admit(ctx context.Context, g store.Growth) ([]core.Op, error) {
	if c.quotas == nil {
		return nil, nil
	}
	var ops []core.Op
	for _, scope := range quota.Scopes(g.Key.Namespace, g.Key.Group, g.Key.Namespace == configcenter.PublicNamespace) {
		held, err := c.quotas.Hold(ctx, scope)
		if errors.Is(err, quota.ErrStarting) {
			return nil, fmt.Errorf("%w: %w", configcenter.ErrNotReady, err)
		}
		if err != nil {
			return nil, err
		}
		if held == nil {
			continue
		}
		if held.ContentBytes > 0 && g.Content > held.ContentBytes {
			return nil, &configcenter.InvalidError{Field: "content", Reason: "is too large for " + scope.String(), Max: held.ContentBytes}
		}
		adds, grows := held.Configs > 0 && g.Configs > 0, held.Bytes > 0 && g.Bytes > 0
		if !adds && !grows {
			continue
		}
		if err := c.room(ctx, scope, held, g, adds, grows); err != nil {
			return nil, err
		}
		ops = append(ops, held.Op())
	}
	return ops, nil
}

// room refuses what does not fit in a scope beside what is there: at least all that was
// added before the quota was held.
func (c *Center) room(ctx context.Context, scope quota.Scope, held *quota.Held, g store.Growth, adds, grows bool) error {
	waiting, cancel := context.WithTimeoutCause(ctx, ownWritePatience, configcenter.ErrContended)
	defer cancel()
	if err := c.mirror.Wait(waiting, held.As); err != nil {
		return err
	}
	over := func() *configcenter.QuotaError {
		used := c.cache.Usage(scope.Namespace, scope.Group)
		full := &configcenter.QuotaError{Namespace: scope.Namespace, Group: scope.Group}
		switch {
		case adds && used.Configs+g.Configs > held.Configs:
			full.What, full.Max = "configs", int64(held.Configs)
		case grows && used.Bytes+g.Bytes > held.Bytes:
			full.What, full.Max = "bytes", held.Bytes
		default:
			return nil
		}
		return full
	}
	if over() == nil {
		return nil
	}
	c.Fresh(ctx) // what was removed elsewhere may not be seen yet
	if full := over(); full != nil {
		return full
	}
	return nil
}
