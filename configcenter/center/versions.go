package center

import (
	"context"
	"fmt"

	"github.com/aymanbagabas/go-udiff"

	"github.com/zensus-io/zensus/configcenter"
)

// Rollback makes a config, or the gray version that the change was of, what the change seq
// left, in content and attributes. It is a publish like any other, whose entry in the
// history says to which one it went back; casMD5, if not blank, is the md5 that must be
// there now. It returns configcenter.ErrNotFound for a change that is not kept, an
// *configcenter.InvalidError for a deletion, and otherwise what Publish does.
func (c *Center) Rollback(ctx context.Context, k configcenter.Key, seq uint64, by configcenter.Origin, casMD5 string) (*configcenter.Item, error) {
	v, err := c.store.Version(ctx, k, seq)
	if err != nil {
		return nil, err
	}
	if v.Op == configcenter.Deleted {
		return nil, &configcenter.InvalidError{Field: "nid", Reason: "is a deletion, which left nothing to go back to"}
	}
	p := configcenter.Publish{
		Key: k, Content: v.Content, Attributes: v.Attributes, Origin: by, CASMD5: casMD5, Restored: seq,
	}
	if v.Gray == "" {
		return c.Publish(ctx, &p)
	}
	g, err := c.PublishGray(ctx, &configcenter.GrayPublish{Name: v.Gray, Rule: v.Rule, Publish: p})
	if err != nil {
		return nil, err
	}
	return g.Item, nil
}

// DiffBytesMax is the longest content of which Diff makes differences.
const DiffBytesMax = 2 << 20

// Diff is what changed from what one change of a config left to what another one did. It
// returns configcenter.ErrNotFound for a change that is not kept, and an
// *configcenter.InvalidError for contents that are too long.
func (c *Center) Diff(ctx context.Context, k configcenter.Key, from, to uint64) (*Difference, error) {
	var d Difference
	for _, side := range []struct {
		seq uint64
		to  *configcenter.Entry
	}{{from, &d.From}, {to, &d.To}} {
		v, err := c.store.Version(ctx, k, side.seq)
		if err != nil {
			return nil, err
		}
		*side.to = v.Entry
	}
	if len(d.From.Content) > DiffBytesMax || len(d.To.Content) > DiffBytesMax {
		return nil, &configcenter.InvalidError{Field: "content", Reason: "is too large for a diff", Max: DiffBytesMax}
	}
	err := c.inspector.with(ctx, len(d.From.Content)+len(d.To.Content), func() (err error) {
		d.Unified, err = udiff.ToUnified(label(&d.From), label(&d.To), d.From.Content, udiff.Lines(d.From.Content, d.To.Content), udiff.DefaultContextLines)
		return err
	})
	return &d, err
}

// Difference is two versions, and how one comes from one to the other.
type Difference struct {
	From, To configcenter.Entry
	Unified  string // a unified diff, "" if the contents are the same
}

// label names a version in a diff.
func label(e *configcenter.Entry) string {
	name := fmt.Sprintf("%s@%d", e.Key.DataID, e.Seq)
	if e.Gray != "" {
		name += " " + e.Gray
	}
	return name
}

// Latest is the number of the newest change of a config. It returns
// configcenter.ErrNotFound if none is kept.
func (c *Center) Latest(ctx context.Context, k configcenter.Key) (uint64, error) {
	entries, _, err := c.store.History(ctx, k, 0, 1)
	if err == nil && len(entries) == 0 {
		err = configcenter.ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	return entries[0].Seq, nil
}
