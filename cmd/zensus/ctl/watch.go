package ctl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
)

type eventJSON struct {
	Type string `json:"type"`
	Path string `json:"path"`
	Zxid string `json:"zxid,omitempty"`
}

func (z *zk) printEvent(e core.Event, form output) error {
	zxid := ""
	if e.Zxid != 0 {
		zxid = e.Zxid.String()
	}
	if form == asJSON {
		return z.printJSON(eventJSON{e.Type.String(), e.Path, zxid})
	}
	line := fmt.Sprintf("WatchedEvent type:%v path:%s", e.Type, e.Path)
	if zxid != "" {
		line += " zxid:" + zxid
	}
	_, err := fmt.Fprintln(z.out, line)
	return err
}

func (z *zk) watchVerb() *cobra.Command {
	var deep, stop bool
	var count int
	cmd := &cobra.Command{
		Use: "watch PATH", Aliases: []string{"addWatch"}, Short: "print changes as they happen, until interrupted",
		Long: `Print every change of a znode and of its list of children, or with -R of the znode
and all its descendants, until interrupted or --count is reached. In a shell the events
are printed while you go on; --stop ends such a watch.`,
		Args: exactArgs(1), ValidArgsFunction: z.completePath,
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			path := args[0]
			if stop {
				if !z.watches.remove(path) {
					return fmt.Errorf("watch: there is none on %s", path)
				}
				return nil
			}
			mode := core.WatchNode
			if deep {
				mode = core.WatchTree
			}
			w, err := c.Watch(ctx, path, mode)
			if err != nil {
				return err
			}
			return z.follow(ctx, path, w, count, nil)
		}),
	}
	cmd.Flags().BoolVarP(&deep, "recursive", "R", false, "watch all descendants too")
	cmd.Flags().IntVar(&count, "count", 0, "end after so many events")
	cmd.Flags().BoolVar(&stop, "stop", false, "in a shell: end the watch on this path")
	return cmd
}

// once reads and, if wait says so, then waits for the first event of the types
// given. The watch is armed before the read, so nothing falls between the two.
func (z *zk) once(ctx context.Context, c core.Client, path string, wait bool, types []core.EventType, read func() error) error {
	if !wait {
		return read()
	}
	w, err := c.Watch(ctx, path, core.WatchNode)
	if err != nil {
		return err
	}
	if err := read(); err != nil {
		_ = w.Close() // it never fails
		return err
	}
	return z.follow(ctx, path, w, 1, types)
}

// follow prints count events of a watch, or all if count is 0, and closes it. In
// a shell it returns at once and prints meanwhile.
func (z *zk) follow(ctx context.Context, path string, w core.Watch, count int, types []core.EventType) error {
	form := z.output // that of the line: a later one may ask for another
	if !z.shell {
		err := z.print(ctx, w, count, types, form)
		_ = w.Close() // it never fails
		if ctx.Err() != nil {
			return nil // interrupted, as it should be
		}
		return err
	}
	if !z.watches.add(path, w) {
		_ = w.Close() // it never fails
		return fmt.Errorf("watch: there is one on %s already", path)
	}
	z.watches.ended.Go(func() {
		// The watch ends with the shell or by --stop, not with the line's context.
		err := z.print(context.WithoutCancel(ctx), w, count, types, form)
		if err != nil && !errors.Is(err, core.ErrClosed) {
			fmt.Fprintln(z.notes, err)
		}
		z.watches.remove(path)
	})
	return nil
}

func (z *zk) print(ctx context.Context, w core.Watch, count int, types []core.EventType, form output) error {
	for seen := 0; ; {
		events, err := w.Next(ctx)
		if err != nil {
			return err
		}
		for _, e := range events {
			if types != nil && e.Type != core.Resync && !slices.Contains(types, e.Type) {
				continue
			}
			if err := z.printEvent(e, form); err != nil {
				return err
			}
			if seen++; seen == count {
				return nil
			}
		}
	}
}
