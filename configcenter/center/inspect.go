package center

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/semaphore"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/validate"
)

// Strictness is what becomes of a publish whose content is not what its type says. A JSON
// Schema that is attached binds whatever it is.
type Strictness string

// What there is to choose from.
const (
	Off    Strictness = "off"    // the content is not looked at
	Warn   Strictness = "warn"   // it is published, and logged and counted
	Refuse Strictness = "refuse" // it is refused
)

// The bounds on what is looked at at once: reading a content takes up to thirty times as
// much memory as it has. Small ones are not counted.
const (
	inspectedBytesMax  = 4 << 20
	inspectedSmallSize = 64 << 10
	// comparedMax is how many are compared with a schema at once, however small: each may
	// take a second or two and some hundred MiB.
	comparedMax = 2
)

// inspector looks at contents.
type inspector struct {
	strictness Strictness
	schemas    *validate.Schemas
	room       *semaphore.Weighted // bytes
	compared   *semaphore.Weighted
}

func newInspector(s Strictness) inspector {
	return inspector{s, validate.NewSchemas(), semaphore.NewWeighted(inspectedBytesMax), semaphore.NewWeighted(comparedMax)}
}

// Faults are what is wrong with a content of a type that has a schema (blank: none), however
// strict the center is. It returns a *configcenter.InvalidError for a schema that is none.
func (c *Center) Faults(ctx context.Context, typ, content, schema string) ([]*validate.Fault, error) {
	var faults []*validate.Fault
	err := c.inspector.with(ctx, len(content), func() (err error) {
		faults, err = c.inspector.faults(ctx, typ, content, schema)
		return err
	})
	return faults, err
}

// with calls f when there is room for what has that many bytes.
func (in *inspector) with(ctx context.Context, bytes int, f func() error) error {
	if size := int64(min(bytes, inspectedBytesMax)); size > inspectedSmallSize {
		if err := in.room.Acquire(ctx, size); err != nil {
			return fmt.Errorf("content: %w", context.Cause(ctx))
		}
		defer in.room.Release(size)
	}
	return f()
}

func (in *inspector) faults(ctx context.Context, typ, content, schema string) ([]*validate.Fault, error) {
	bound := configcenter.Attributes{Schema: schema}
	if !bound.HasSchema() || !validate.Comparable(typ) {
		if f := validate.Syntax(typ, content); f != nil {
			return []*validate.Fault{f}, nil
		}
		return nil, nil
	}
	if err := in.compared.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("content: %w", context.Cause(ctx))
	}
	defer in.compared.Release(1)
	s, err := in.schemas.Get(schema)
	if err != nil {
		return nil, &configcenter.InvalidError{Field: "schema", Reason: "is no JSON Schema: " + err.Error()}
	}
	return s.Check(typ, content), nil
}

// inspect refuses a content, or lets it be published. What a client has encrypted is not
// looked at. It returns a *configcenter.InvalidError.
func (c *Center) inspect(ctx context.Context, it *configcenter.Item) error {
	faults, err := c.verdict(ctx, it)
	if len(faults) == 0 {
		return err
	}
	c.metrics.faulty.WithLabelValues(it.Type).Inc()
	if err == nil {
		// The reason may quote the content, which is not for a log.
		c.log.Warn("config is not what its type says", "namespace", it.Key.Namespace, "group", it.Key.Group, "data_id", it.Key.DataID,
			"type", it.Type, "line", faults[0].Line, "column", faults[0].Column)
	}
	return err
}

// verdict is what is wrong with a content, and the refusal if it is refused for that.
func (c *Center) verdict(ctx context.Context, it *configcenter.Item) ([]*validate.Fault, error) {
	bound := it.HasSchema() && validate.Comparable(it.Type)
	if it.EncryptedDataKey != "" || !bound && c.inspector.strictness == Off {
		return nil, nil
	}
	faults, err := c.Faults(ctx, it.Type, it.Content, it.Schema)
	if err != nil || len(faults) == 0 || !bound && c.inspector.strictness == Warn {
		return faults, err
	}
	reason := "is not valid " + it.Type
	if bound {
		reason += " that fits its schema"
	}
	return faults, &configcenter.InvalidError{Field: "content", Reason: reason + ": " + faultsText(faults)}
}

// faultsText is faults in one line.
func faultsText(faults []*validate.Fault) string {
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.Error()
	}
	return strings.Join(texts, "; ")
}
