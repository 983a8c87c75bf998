package ctl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
)

// createFlags are those of create, on the command line and in a multi.
type createFlags struct {
	ephemeral, sequential, container bool
	ttl                              millis
}

func (f *createFlags) add(fs *pflag.FlagSet) {
	fs.BoolVarP(&f.ephemeral, "ephemeral", "e", false, "it goes with the session")
	fs.BoolVarP(&f.sequential, "sequential", "s", false, "a counter is appended to its name")
	fs.BoolVarP(&f.container, "container", "c", false, "it goes some time after its last child")
	fs.VarP(&f.ttl, "ttl", "t", "it goes when unchanged for so long: milliseconds, or as in 30s")
}

func (f *createFlags) options(acl []core.ACL) (core.CreateOptions, error) {
	opt := core.CreateOptions{ACL: acl, TTL: time.Duration(f.ttl)}
	switch {
	case f.container && (f.ephemeral || f.sequential || f.ttl != 0), f.ephemeral && f.ttl != 0:
		return opt, errors.New("these kinds of znode exclude each other")
	case f.container:
		opt.Mode = core.Container
	case f.ttl != 0 && f.sequential:
		opt.Mode = core.PersistentSequentialTTL
	case f.ttl != 0:
		opt.Mode = core.PersistentTTL
	case f.ephemeral && f.sequential:
		opt.Mode = core.EphemeralSequential
	case f.ephemeral:
		opt.Mode = core.Ephemeral
	case f.sequential:
		opt.Mode = core.PersistentSequential
	}
	return opt, nil
}

// millis is a flag in milliseconds, as zkCli has it, or with a unit.
type millis time.Duration

// Set reads "1500" and "1.5s" alike.
func (m *millis) Set(s string) error {
	d, err := time.ParseDuration(s)
	if n, bare := strconv.ParseInt(s, 10, 64); bare == nil {
		if n > core.MaxTTLMillis {
			return fmt.Errorf("%d is more than %d", n, int64(core.MaxTTLMillis))
		}
		d, err = time.Duration(n)*time.Millisecond, nil
	}
	if err == nil && d <= 0 {
		err = errors.New("it must be more than nothing")
	}
	*m = millis(d)
	return err
}

func (m *millis) String() string {
	if *m == 0 {
		return ""
	}
	return time.Duration(*m).String()
}

// Type is what help shows.
func (m *millis) Type() string { return "time" }

// opHold is the part of create --hold that waits.
const opHold = "hold"

func (z *zk) createVerb() *cobra.Command {
	var kind createFlags
	var file string
	var stat, hold bool
	cmd := &cobra.Command{
		Use: "create PATH [DATA [ACL]]", Short: "create a znode",
		Args: rangeArgs(1, 3), ValidArgsFunction: z.completePath,
		RunE: z.run(func(ctx context.Context, c *zkclient.Client, args []string) error {
			var acl []core.ACL
			if len(args) == 3 {
				var err error
				if acl, err = parseACL(args[2]); err != nil {
					return err
				}
				args = args[:2]
			}
			opt, err := kind.options(acl)
			if err != nil {
				return err
			}
			data, _, err := z.content(args[1:], file)
			if err != nil {
				return err
			}
			suffix := "" // a sequential name may be all counter
			if opt.Mode.IsSequential() {
				suffix = "0"
			}
			if err := checkPath("create", args[0]+suffix); err != nil {
				return err
			}
			path, st, err := c.Create(ctx, args[0], data, opt)
			if err != nil {
				return err
			}
			if z.output == asJSON {
				err = z.printJSON(nodeJSON{Path: path, Stat: statOf(st)})
			} else {
				_, err = fmt.Fprintln(z.out, "Created", path)
			}
			if stat && z.output != asJSON {
				z.printStat(st)
			}
			if err != nil || !hold || z.shell {
				return err
			}
			return z.hold(ctx, c, path)
		}),
	}
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		z.patient = hold && !z.shell
		return run(cmd, args)
	}
	kind.add(cmd.Flags())
	cmd.Flags().StringVar(&file, "file", "", "read the data from a file; - is standard input")
	cmd.Flags().BoolVar(&stat, "stat", false, "print the znode's stat too")
	cmd.Flags().BoolVar(&hold, "hold", false, "keep the session until interrupted: for ephemeral znodes")
	return cmd
}

// contactEvery is how often a session that is held is looked at.
const contactEvery = 100 * time.Millisecond

// hold keeps the session of c until it is interrupted, or a server says that the session
// is over: without a quorum none is, however long that takes. What happens is told.
func (z *zk) hold(ctx context.Context, c *zkclient.Client, path string) error {
	ticker := time.NewTicker(contactEvery)
	defer ticker.Stop()
	connected := true
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.Done():
			return &core.OpError{Op: opHold, Path: path, Err: core.SessionExpired}
		case <-ticker.C:
		}
		if now := c.Connected(); now != connected {
			connected = now
			text := "in contact again, the session goes on"
			if !now {
				text = "no server answers: the session goes on until one says that it is over"
			}
			fmt.Fprintln(z.notes, "hold "+path+":", text)
		}
	}
}

func (z *zk) setVerb() *cobra.Command {
	var file string
	var stat bool
	var version int32
	cmd := &cobra.Command{
		Use: "set PATH [DATA]", Short: "replace a znode's data",
		Args: rangeArgs(1, 2), ValidArgsFunction: z.completePath,
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			data, null, err := z.content(args[1:], file)
			if err != nil {
				return err
			}
			if null {
				return errors.New("set: no data; give it as an argument or by --file")
			}
			st, err := c.Set(ctx, args[0], data, version)
			switch {
			case err != nil:
				return err
			case z.output == asJSON:
				return z.printJSON(nodeJSON{Path: args[0], Stat: statOf(st)})
			case stat:
				z.printStat(st)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&file, "file", "", "read the data from a file; - is standard input")
	cmd.Flags().BoolVarP(&stat, "stat", "s", false, "print the znode's new stat")
	cmd.Flags().Int32VarP(&version, "version", "v", core.AnyVersion, "change it only if this is its version")
	return cmd
}

func (z *zk) deleteVerb() *cobra.Command {
	var version int32
	cmd := &cobra.Command{
		Use: "delete PATH", Short: "delete a znode without children",
		Args: exactArgs(1), ValidArgsFunction: z.completePath,
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			zxid, err := c.Delete(ctx, args[0], version)
			if err != nil || z.output != asJSON {
				return err
			}
			return z.printJSON(map[string]any{"path": args[0], "zxid": zxid.String()})
		}),
	}
	cmd.Flags().Int32VarP(&version, "version", "v", core.AnyVersion, "delete it only if this is its version")
	return cmd
}

func (z *zk) deleteAllVerb() *cobra.Command {
	return &cobra.Command{
		Use: "deleteall PATH", Short: "delete a znode and all its descendants",
		Args: exactArgs(1), ValidArgsFunction: z.completePath,
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			if args[0] == "/" {
				return errors.New("deleteall: the root cannot be deleted")
			}
			var paths []string
			if err := walk(ctx, c, args[0], func(path string) error {
				paths = append(paths, path)
				return nil
			}); err != nil {
				return err
			}
			for _, path := range slices.Backward(paths) {
				if _, err := c.Delete(ctx, path, core.AnyVersion); err != nil && !errors.Is(err, core.NoNode) {
					return err
				}
			}
			if z.output == asJSON {
				return z.printJSON(map[string]any{"path": args[0], "deleted": len(paths)})
			}
			return nil
		}),
	}
}
