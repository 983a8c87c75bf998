package center

import (
	"context"
	"errors"
	"fmt"

	"github.com/zensus-io/zensus/configcenter"
)

// Policy says what becomes of a config that is brought in where there is one of its name.
type Policy string

// Nacos's policies.
const (
	Abort     Policy = "ABORT"     // it is not written, nor what comes after it
	Skip      Policy = "SKIP"      // it is not written
	Overwrite Policy = "OVERWRITE" // it replaces what is there
)

// Valid reports whether p is one of the policies.
func (p Policy) Valid() bool { return p == Abort || p == Skip || p == Overwrite }

// BroughtIn is what became of configs that were brought in.
type BroughtIn struct {
	Written int
	Failed  []configcenter.Key // the one at which it was aborted
	Skipped []configcenter.Key
}

// BringIn publishes configs one after the other, each by itself. Nothing is written if one
// of them is refused for its content. Any other error but that one is there already ends it;
// what was written by then stays, and is counted.
func (c *Center) BringIn(ctx context.Context, wishes []configcenter.Publish, policy Policy) (BroughtIn, error) {
	var out BroughtIn
	for i := range wishes {
		p := &wishes[i]
		it := &configcenter.Item{Key: p.Key, Content: p.Content, Attributes: p.Upon(c.cache.Get(p.Key))}
		if _, err := c.verdict(ctx, it); err != nil {
			return out, fmt.Errorf("%s: %w", p.Key, err)
		}
	}
	for i := range wishes {
		p := wishes[i]
		p.MustCreate = policy != Overwrite
		_, err := c.Publish(ctx, &p)
		switch {
		case err == nil:
			out.Written++
		case !p.MustCreate || !errors.Is(err, configcenter.ErrCASMismatch):
			if out.Written > 0 {
				err = fmt.Errorf("%s: %w; the %d before it were written", p.Key, err, out.Written)
			}
			return out, err
		case policy == Skip:
			out.Skipped = append(out.Skipped, p.Key)
		default:
			out.Failed = append(out.Failed, p.Key)
			for _, rest := range wishes[i+1:] {
				out.Skipped = append(out.Skipped, rest.Key)
			}
			return out, nil
		}
	}
	return out, nil
}
