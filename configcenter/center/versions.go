package center

import (
	"context"
	"errors"
	"fmt"

	"github.com/aymanbagabas/go-udiff"

	"github.com/zensus-io/zensus/configcenter"
)

// Rollback is a wish to go back to what a change of a config left.
type Rollback struct {
	Key    configcenter.Key
	Seq    uint64 // of the change
	Origin configcenter.Origin
	// CASMD5, if not blank, is the md5 that must be there now.
	CASMD5 string
	// Gray, if not blank, is the name of the gray version that is meant, which then comes
	// back if it is not there any more. Who does not name it does not expect to send a part
	// of his clients back to what has been withdrawn or promoted.
	Gray string
}

// Rollback makes a config, or the gray version that the change was of, what the change
// left, in content and attributes. It is a publish like any other, whose entry in the
// history says to which one it went back. It returns configcenter.ErrNotFound for a change
// that is not kept, an *configcenter.InvalidError for a deletion, and for a change of
// another version than the one that is named; configcenter.ErrGrayGone for one that is not
// there and was not named; and otherwise what Publish does.
func (c *Center) Rollback(ctx context.Context, r *Rollback) (*configcenter.Item, error) {
	v, err := c.store.Version(ctx, r.Key, r.Seq)
	if err != nil {
		return nil, err
	}
	switch {
	case v.Op == configcenter.Deleted:
		return nil, &configcenter.InvalidError{Field: "nid", Reason: "is a deletion, which left nothing to go back to"}
	case r.Gray != "" && r.Gray != v.Gray && v.Gray == "":
		return nil, &configcenter.InvalidError{Field: "nid", Reason: "is a change of the config itself"}
	case r.Gray != "" && r.Gray != v.Gray:
		return nil, &configcenter.InvalidError{Field: "nid", Reason: "is a change of the gray version " + v.Gray}
	}
	p := configcenter.Publish{
		Key: r.Key, Content: v.Content, Attributes: v.Attributes, Origin: r.Origin, CASMD5: r.CASMD5, Restored: r.Seq,
	}
	if v.Gray == "" {
		return c.Publish(ctx, &p)
	}
	g, err := c.PublishGray(ctx, &configcenter.GrayPublish{Name: v.Gray, Rule: v.Rule, MustExist: r.Gray == "", Publish: p})
	if errors.Is(err, configcenter.ErrGrayGone) {
		err = fmt.Errorf("%w: it comes back if grayName is %s", err, v.Gray)
	}
	if err != nil {
		return nil, err
	}
	return g.Item, nil
}

// DiffBytesMax is the longest content of which Diff makes differences.
const DiffBytesMax = 2 << 20

// Diff is what changed from what one change of a config left to what another one did, or
// where to is 0, the newest one of the same version: the config itself, or the gray one that
// from was of. It returns configcenter.ErrNotFound for a change that is not kept, and an
// *configcenter.InvalidError for contents that are too long.
func (c *Center) Diff(ctx context.Context, k configcenter.Key, from, to uint64) (*Difference, error) {
	v, err := c.store.Version(ctx, k, from)
	if err != nil {
		return nil, err
	}
	d := Difference{From: v.Entry}
	if to == 0 {
		if to, err = c.latest(ctx, k, v.Gray); err != nil {
			return nil, err
		}
	}
	if v, err = c.store.Version(ctx, k, to); err != nil {
		return nil, err
	}
	d.To = v.Entry
	if len(d.From.Content) > DiffBytesMax || len(d.To.Content) > DiffBytesMax {
		return nil, &configcenter.InvalidError{Field: "content", Reason: "is too large for a diff", Max: DiffBytesMax}
	}
	err = c.inspector.with(ctx, len(d.From.Content)+len(d.To.Content), func() (err error) {
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

// latest is the number of the newest change of a config itself, or of its gray version of
// that name. It returns configcenter.ErrNotFound if none is kept.
func (c *Center) latest(ctx context.Context, k configcenter.Key, gray string) (uint64, error) {
	for offset := 0; ; {
		entries, _, err := c.store.History(ctx, k, offset, latestAtOnce)
		if err != nil {
			return 0, err
		}
		if len(entries) == 0 {
			return 0, configcenter.ErrNotFound
		}
		for i := range entries {
			if entries[i].Gray == gray {
				return entries[i].Seq, nil
			}
		}
		offset += len(entries)
	}
}

// latestAtOnce is how many changes latest reads at once: the newest mostly is the one.
const latestAtOnce = 16
