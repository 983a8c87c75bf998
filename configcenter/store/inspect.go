package store

import (
	"context"

	"github.com/zensus-io/zensus/configcenter"
)

// Inspect decides whether an item may be written, for its content, type and schema. The
// schema of a gray version that has none of its own is that of the config.
type Inspect func(ctx context.Context, it *configcenter.Item) error

// Inspect has f look at every item before it is written, the config itself or a gray
// version, by whichever way it is published. Call it before the first publish.
func (s *Store) Inspect(f Inspect) { s.look = f }

// inspected is as what the content of a change was looked at: when the change begins again
// it need be done anew only as something else.
type inspected struct{ typ, schema string }

// inspect looks at it, a version of formal if that is not nil.
func (s *Store) inspect(ctx context.Context, it, formal *configcenter.Item, seen *inspected) error {
	if s.look == nil {
		return nil
	}
	if formal != nil && !it.HasSchema() && formal.HasSchema() {
		bound := *it
		bound.Schema = formal.Schema
		it = &bound
	}
	as := inspected{it.Type, it.Schema}
	if *seen == as {
		return nil
	}
	*seen = as
	return s.look(ctx, it)
}
