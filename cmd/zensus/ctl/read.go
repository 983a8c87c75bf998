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

func (z *zk) getVerb() *cobra.Command {
	var stat, wait, raw bool
	cmd := &cobra.Command{
		Use: "get PATH", Short: "print a znode's data",
		Args: exactArgs(1), ValidArgsFunction: z.completePath,
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			path := args[0]
			return z.once(ctx, c, path, wait, []core.EventType{core.NodeDataChanged, core.NodeDeleted}, func() error {
				data, st, err := c.Get(ctx, path)
				switch {
				case err != nil:
					return err
				case raw:
					_, err := z.out.Write(data)
					return err
				case z.output == asJSON:
					return z.printJSON(nodeJSON{Path: path, dataJSON: dataOf(data), Stat: statOf(st)})
				}
				if data == nil {
					data = []byte("null")
				}
				fmt.Fprintf(z.out, "%s\n", data)
				if stat {
					z.printStat(st)
				}
				return nil
			})
		}),
	}
	cmd.Flags().BoolVarP(&stat, "stat", "s", false, "print the znode's stat too")
	cmd.Flags().BoolVarP(&wait, "watch", "w", false, "wait for one change, and print it")
	cmd.Flags().BoolVar(&raw, "raw", false, "write the bytes and nothing else")
	return cmd
}

func (z *zk) statVerb() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use: "stat PATH", Short: "print a znode's stat",
		Args: exactArgs(1), ValidArgsFunction: z.completePath,
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			path := args[0]
			return z.once(ctx, c, path, wait, []core.EventType{core.NodeCreated, core.NodeDataChanged, core.NodeDeleted}, func() error {
				st, err := c.Exists(ctx, path)
				switch {
				case wait && errors.Is(err, core.NoNode): // its creation can be waited for
					fmt.Fprintln(z.notes, err)
					return nil
				case err != nil:
					return err
				case z.output == asJSON:
					return z.printJSON(nodeJSON{Path: path, Stat: statOf(st)})
				}
				z.printStat(st)
				return nil
			})
		}),
	}
	cmd.Flags().BoolVarP(&wait, "watch", "w", false, "wait for one change, and print it")
	return cmd
}

func (z *zk) lsVerb() *cobra.Command {
	var stat, wait, deep, long bool
	cmd := &cobra.Command{
		Use: "ls [PATH]", Short: "list a znode's children",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: z.completePath,
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			path := "/"
			if len(args) > 0 {
				path = args[0]
			}
			return z.once(ctx, c, path, wait, []core.EventType{core.NodeChildrenChanged, core.NodeDeleted}, func() error {
				if deep {
					return z.listTree(ctx, c, path)
				}
				names, st, err := c.Children(ctx, path)
				if err != nil {
					return err
				}
				slices.Sort(names)
				switch {
				case long:
					return z.listLong(ctx, c, path, names)
				case z.output == asJSON:
					return z.printJSON(childrenJSON{Path: path, Children: append([]string{}, names...), Stat: statOf(st)})
				}
				z.printNames(names)
				if stat {
					z.printStat(st)
				}
				return nil
			})
		}),
	}
	f := cmd.Flags()
	f.BoolVarP(&stat, "stat", "s", false, "print the znode's stat too")
	f.BoolVarP(&wait, "watch", "w", false, "wait for one change of the list, and print it")
	f.BoolVarP(&deep, "recursive", "R", false, "list the paths of all descendants, one a line")
	f.BoolVarP(&long, "long", "l", false, "list children with their stat, as a table")
	cmd.MarkFlagsMutuallyExclusive("recursive", "long")
	return cmd
}

// walk calls visit for path and all its descendants, parents before children. A
// znode that goes meanwhile is passed over.
func walk(ctx context.Context, c core.Client, path string, visit func(path string) error) error {
	return walkReadable(ctx, c, path, visit, func(_ string, err error) error { return err })
}

// walkReadable is walk, but asks closed about a descendant whose children may
// not be read: nil goes on without them.
func walkReadable(ctx context.Context, c core.Client, path string, visit func(path string) error, closed func(path string, err error) error) error {
	waiting := []string{path}
	for len(waiting) > 0 {
		at := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		names, _, err := c.Children(ctx, at)
		switch {
		case errors.Is(err, core.NoNode) && at != path:
			continue
		case errors.Is(err, core.NoAuth) && at != path:
			names, err = nil, closed(at, err)
		}
		if err != nil {
			return err
		}
		if err := visit(at); err != nil {
			return err
		}
		slices.Sort(names)
		for _, name := range slices.Backward(names) {
			waiting = append(waiting, core.JoinPath(at, name))
		}
	}
	return nil
}

func (z *zk) listTree(ctx context.Context, c core.Client, path string) error {
	visit := func(path string) error {
		if z.output == asJSON {
			return z.printJSON(nodeJSON{Path: path})
		}
		_, err := fmt.Fprintln(z.out, path)
		return err
	}
	return walkReadable(ctx, c, path, visit, func(path string, _ error) error {
		_, err := fmt.Fprintf(z.notes, "ls: %s: its children may not be read\n", path)
		return err
	})
}

func (z *zk) listLong(ctx context.Context, c core.Client, path string, names []string) error {
	t := newTable("name", "version", "bytes", "children", "owner", "modified")
	for _, name := range names {
		st, err := c.Exists(ctx, core.JoinPath(path, name))
		if errors.Is(err, core.NoNode) {
			continue // it went meanwhile
		}
		if errors.Is(err, core.NoAuth) {
			fmt.Fprintf(z.notes, "ls: %s: it may not be read\n", core.JoinPath(path, name))
			if z.output != asJSON {
				t.AppendRow(row(name, "?", "?", "?", "?", "?"))
				continue
			}
			if err := z.printJSON(nodeJSON{Path: core.JoinPath(path, name)}); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if z.output == asJSON {
			if err := z.printJSON(nodeJSON{Path: core.JoinPath(path, name), Stat: statOf(st)}); err != nil {
				return err
			}
			continue
		}
		owner := ""
		if st.EphemeralOwner != 0 {
			owner = st.EphemeralOwner.String()
		}
		t.AppendRow(row(name, st.Version, st.DataLength, st.NumChildren, owner, clock(st.Mtime)))
	}
	if z.output == asJSON {
		return nil
	}
	return render(z.out, t)
}

func (z *zk) countVerb() *cobra.Command {
	return &cobra.Command{
		Use: "count PATH", Aliases: []string{"getAllChildrenNumber"}, Short: "count all descendants of a znode",
		Args: exactArgs(1), ValidArgsFunction: z.completePath,
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			n, err := c.AllChildrenNumber(ctx, args[0])
			if err != nil {
				return err
			}
			if z.output == asJSON {
				return z.printJSON(map[string]any{"path": args[0], "descendants": n})
			}
			_, err = fmt.Fprintln(z.out, n)
			return err
		}),
	}
}

func (z *zk) ephemeralsVerb() *cobra.Command {
	return &cobra.Command{
		Use: "ephemerals [PREFIX]", Aliases: []string{"getEphemerals"}, Short: "list this session's ephemeral znodes",
		Args: cobra.MaximumNArgs(1),
		RunE: z.run(func(ctx context.Context, c *zkclient.Client, args []string) error {
			prefix := "/"
			if len(args) > 0 {
				prefix = args[0]
			}
			paths, err := c.GetEphemerals(ctx, prefix)
			if err != nil {
				return err
			}
			slices.Sort(paths)
			if z.output == asJSON {
				return z.printJSON(append([]string{}, paths...))
			}
			z.printNames(paths)
			return nil
		}),
	}
}

func (z *zk) syncVerb() *cobra.Command {
	return &cobra.Command{
		Use: "sync [PATH]", Short: "wait until this server shows what is committed now",
		Args: cobra.MaximumNArgs(1),
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			path := "/"
			if len(args) > 0 {
				path = args[0]
			}
			zxid, err := c.Sync(ctx, path)
			if err != nil {
				return err
			}
			if z.output == asJSON {
				return z.printJSON(map[string]any{"path": path, "zxid": zxid.String()})
			}
			_, err = fmt.Fprintln(z.out, "Sync is OK")
			return err
		}),
	}
}

func (z *zk) whoamiVerb() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "list the identities of this session",
		Args: NoArgs,
		RunE: z.run(func(ctx context.Context, c *zkclient.Client, _ []string) error {
			ids, err := c.WhoAmI(ctx)
			if err != nil {
				return err
			}
			if z.output == asJSON {
				out := []identityJSON{}
				for _, id := range ids {
					out = append(out, identityJSON{id.Scheme, id.ID})
				}
				return z.printJSON(out)
			}
			fmt.Fprintln(z.out, "Auth scheme: User")
			for _, id := range ids {
				fmt.Fprintf(z.out, "%s: %s\n", id.Scheme, id.ID)
			}
			return nil
		}),
	}
}
