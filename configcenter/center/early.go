package center

import (
	"context"
	"sync/atomic"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
)

// early is what was read from the tree before the picture was complete. A picture that is
// listed meanwhile may show an older state of some config, until it has heard the rest:
// who reads it first waits for that, or he could see what he has read go back.
type early struct{ upTo atomic.Uint64 } // a zxid; 0 once the picture shows it

func (e *early) note(z core.Zxid) {
	for {
		was := e.upTo.Load()
		if uint64(z) <= was || e.upTo.CompareAndSwap(was, uint64(z)) {
			return
		}
	}
}

// overtaken waits until the picture shows what has been read before it was complete.
func (e *early) overtaken(ctx context.Context, m *mirror.Mirror) error {
	z := e.upTo.Load()
	if z == 0 {
		return nil
	}
	if m.Wait(ctx, core.Zxid(z)) != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.upTo.CompareAndSwap(z, 0)
	return nil
}

// getEarly is a config as the tree has it, for one who asks before the picture is
// complete; nil once that is there, and wherever the tree does not say all with one answer.
// That there is no such config only the picture says.
func (c *Center) getEarly(ctx context.Context, k configcenter.Key) *configcenter.Item {
	select {
	case <-c.mirror.Ready():
		return nil
	default:
	}
	it, changed, ok, err := c.store.GetAlone(ctx, k)
	if !ok || err != nil {
		return nil // the picture tells why
	}
	c.early.note(changed)
	return it
}
