package audit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
)

const (
	// packAt is how many znodes there are before packing begins, packSize how many go
	// into one.
	packAt   = 512
	packSize = 256
	// looseMax is how many there may be before packing is not done at leisure any more.
	looseMax    = 20_000
	packPause   = 100 * time.Millisecond
	tidyEvery   = time.Minute
	rivalsPause = 10 * time.Second // another node packs: it does it for all
)

// place is a znode below Root, as its name tells: one write, or a pack of several.
type place struct {
	name    string
	first   int64 // milliseconds since 1970 of the oldest
	last    int64 // of the newest
	records int   // how many, of a pack; one is assumed of others
	packed  bool
}

// packName is e.g. p019acc0e8f60-019acc0e8f99-256-1a2b3c4d-9: the times of the oldest and
// the newest, how many, and what makes it unique.
func (l *Log) packName(first, last int64, n int) string {
	return fmt.Sprintf("p%012x-%012x-%d-%s-%x", first, last, n, l.tag, l.count.Add(1))
}

func parsePlace(name string) (place, bool) {
	parts := strings.Split(name, "-")
	if len(name) == 0 || len(parts[0]) < 2 {
		return place{}, false
	}
	p := place{name: name, records: 1}
	var err1, err2, err3 error
	p.first, err1 = strconv.ParseInt(parts[0][1:], 16, 64)
	switch {
	case name[0] == 'e' && len(parts) == 3:
		p.last = p.first
	case name[0] == 'p' && len(parts) == 5:
		p.packed = true
		p.last, err2 = strconv.ParseInt(parts[1], 16, 64)
		p.records, err3 = strconv.Atoi(parts[2])
	default:
		return place{}, false
	}
	return p, errors.Join(err1, err2, err3) == nil && p.records > 0
}

// places are all, oldest first. What is none of ours is passed over.
func (l *Log) places(ctx context.Context) ([]place, error) {
	names, _, err := l.cfg.Client.Children(ctx, Root)
	if err != nil {
		return nil, err
	}
	all := make([]place, 0, len(names))
	for _, name := range names {
		if p, ok := parsePlace(name); ok {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		if a.first != b.first {
			return int(min(1, max(-1, a.first-b.first)))
		}
		return strings.Compare(a.name, b.name)
	})
	return all, nil
}

// tidy packs and trims until ctx ends. Every node does it; who comes second finds the
// work done, and leaves it to the other for a while.
func (l *Log) tidy(ctx context.Context) {
	timer := time.NewTimer(rand.N(tidyEvery))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-l.kick:
		}
		pause := tidyEvery
		if err := l.tidyOnce(ctx); err != nil && ctx.Err() == nil {
			l.cfg.Log.Debug("the audit was not tidied", "err", err)
			if errors.Is(err, core.NoNode) {
				pause = rivalsPause + rand.N(rivalsPause)
			}
		}
		timer.Reset(pause)
	}
}

func (l *Log) tidyOnce(ctx context.Context) error {
	all, err := l.places(ctx)
	if err != nil {
		return err
	}
	if all, err = l.trim(ctx, all, time.Now()); err != nil {
		return err
	}
	var loose []place
	for _, p := range all {
		if !p.packed {
			loose = append(loose, p)
		}
	}
	for len(loose) > packAt {
		n, err := l.pack(ctx, loose[:packSize])
		if err != nil {
			return err
		}
		loose = loose[n:]
		if len(loose) < looseMax {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(packPause):
			}
		}
	}
	return nil
}

// pack makes one znode of the first of several, and says of how many: of one at least,
// and of no more than fit into one. It returns NoNode where another node has done it.
func (l *Log) pack(ctx context.Context, of []place) (int, error) {
	var records []Record
	ops := make([]core.Op, 1, len(of)+1)
	bytes, n := 0, 0
	for _, p := range of {
		path := core.JoinPath(Root, p.name)
		value, _, err := l.cfg.Client.Get(ctx, path)
		if err != nil {
			return 0, err
		}
		if bytes += len(value); bytes > valueBytesMax {
			if n == 0 { // of an older release: it stays as it is
				return 1, nil
			}
			break
		}
		n++
		ops = append(ops, core.DeleteOp{Path: path, Version: core.AnyVersion})
		found, err := decode(value)
		if err != nil {
			l.cfg.Log.Warn("a record cannot be read and is dropped", "path", path, "err", err)
			continue
		}
		records = append(records, found...)
	}
	if len(records) == 0 {
		_, _, err := l.cfg.Client.Multi(ctx, ops[1:]...)
		return n, err
	}
	value, err := encode(records, formatPacked)
	if err != nil {
		return 0, err
	}
	name := l.packName(of[0].first, of[n-1].last, len(records))
	ops[0] = core.CreateOp{Path: core.JoinPath(Root, name), Data: value}
	_, _, err = l.cfg.Client.Multi(ctx, ops...)
	return n, err
}

// trim removes what is too old or too much, and returns what is left.
func (l *Log) trim(ctx context.Context, all []place, now time.Time) ([]place, error) {
	total := 0
	for _, p := range all {
		total += p.records
	}
	tooOld := int64(0)
	if l.cfg.Limits.Age > 0 {
		tooOld = now.Add(-l.cfg.Limits.Age).UnixMilli()
	}
	var ops []core.Op
	flush := func() error {
		if len(ops) == 0 {
			return nil
		}
		_, _, err := l.cfg.Client.Multi(ctx, ops...)
		ops = ops[:0]
		return err
	}
	for len(all) > 0 && (total > l.cfg.Limits.Records || all[0].last < tooOld) {
		ops = append(ops, core.DeleteOp{Path: core.JoinPath(Root, all[0].name), Version: core.AnyVersion})
		total -= all[0].records
		all = all[1:]
		if len(ops) == packSize {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return all, flush()
}
