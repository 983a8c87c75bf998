package audit

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/refusal"
)

const (
	// PageSizeMax bounds a page.
	PageSizeMax = 500
	queriesMax  = 2 // at once on a node: each reads everything that there is
	queryTime   = 20 * time.Second
)

// ErrBusy is returned by Query while others read as many as may be read at once.
var ErrBusy = refusal.New(refusal.Busy, "the audit is being read by others, please try later")

// ErrOff is returned by Query where no audit is kept.
var ErrOff = refusal.New(refusal.Off, "no audit is kept: audit.records_max is 0")

// Page is one page of what was found; Total counts all that was.
type Page struct {
	Total   int
	Records []Record
}

// Query reads one page, the newest first; pages are counted from 1. Its cost is that of
// reading all that lies in the time of the filter. It returns what Filter.Validate does,
// ErrOff or ErrBusy.
func (l *Log) Query(ctx context.Context, f Filter, page, size int) (Page, error) {
	if !l.Enabled() {
		return Page{}, ErrOff
	}
	if err := f.Validate(); err != nil {
		return Page{}, err
	}
	select {
	case l.queries <- struct{}{}:
		defer func() { <-l.queries }()
	default:
		return Page{}, ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	if _, err := l.cfg.Client.Sync(ctx, Root); err != nil { // what another node has recorded counts
		return Page{}, err
	}
	page, size = max(page, 1), min(max(size, 1), PageSizeMax)
	for {
		out, again, err := l.read(ctx, &f, page, size)
		if err != nil || !again {
			return out, err
		}
	}
}

// read is one attempt. again says that records were packed while it read.
func (l *Log) read(ctx context.Context, f *Filter, page, size int) (out Page, again bool, err error) {
	all, err := l.places(ctx)
	if err != nil {
		return Page{}, false, err
	}
	out.Records = []Record{}
	for _, p := range slices.Backward(all) {
		if !f.From.IsZero() && p.last < f.From.UnixMilli()-slack || !f.To.IsZero() && p.first > f.To.UnixMilli()+slack {
			continue
		}
		value, _, err := l.cfg.Client.Get(ctx, core.JoinPath(Root, p.name))
		if errors.Is(err, core.NoNode) {
			if !p.packed {
				return Page{}, true, ctx.Err()
			}
			continue // trimmed
		}
		if err != nil {
			return Page{}, false, err
		}
		records, err := decode(value)
		if err != nil {
			l.cfg.Log.Warn("a record cannot be read", "path", p.name, "err", err)
			continue
		}
		for i := range slices.Backward(records) {
			if !f.Matches(&records[i]) {
				continue
			}
			if out.Total++; (out.Total-1)/size == page-1 {
				out.Records = append(out.Records, records[i])
			}
		}
	}
	return out, false, nil
}

// slack is how far a name's time, that of the write, may be from a record's, that of the
// request.
const slack = int64(time.Minute / time.Millisecond)
