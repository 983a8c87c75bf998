package ctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
)

func (z *zk) multiVerb() *cobra.Command {
	return &cobra.Command{
		Use: "multi [FILE]", Short: "do several changes, all or none",
		Long: `Do all changes of a file, or of standard input, as one: all of them or none. Each
line is one of

    create [-e] [-s] [-c] [-t TIME] PATH [DATA [ACL]]
    set PATH DATA [VERSION]
    delete PATH [VERSION]
    check PATH VERSION

Blank lines and those that begin with # mean nothing.`,
		Args: cobra.MaximumNArgs(1),
		RunE: z.run(func(ctx context.Context, c *zkclient.Client, args []string) error {
			ops, err := z.readOps(args)
			if err != nil {
				return err
			}
			results, zxid, err := c.Multi(ctx, ops...)
			if len(results) != len(ops) {
				return err
			}
			for i, r := range results {
				if perr := z.printResult(ops[i], r, zxid, err != nil); perr != nil {
					return perr
				}
			}
			return err
		}),
	}
}

func (z *zk) readOps(args []string) ([]core.Op, error) {
	switch {
	case len(args) > 0 && args[0] != "-":
		f, err := os.Open(args[0])
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return parseOps(f)
	case z.shell:
		return nil, errors.New("multi: name a file; the lines of the shell are its own")
	}
	return parseOps(z.in)
}

// Bounds of what is read for one multi.
const (
	opsMax     = 1 << 16
	opBytesMax = 4 << 20
)

func parseOps(r io.Reader) ([]core.Op, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, opBytesMax)
	var ops []core.Op
	for n := 1; lines.Scan(); n++ {
		fields, err := splitLine(lines.Text())
		if err == nil && len(fields) == 0 {
			continue
		}
		var op core.Op
		if err == nil {
			op, err = parseOp(fields)
		}
		if err == nil && !strings.HasPrefix(pathOf(op), "/") {
			err = fmt.Errorf("%s %q: a path begins with /", fields[0], pathOf(op))
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(ops) == opsMax {
			return nil, fmt.Errorf("line %d: more than %d operations", n, opsMax)
		}
		ops = append(ops, op)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		return nil, errors.New("multi: no operations")
	}
	return ops, nil
}

func parseOp(fields []string) (core.Op, error) {
	verb, fields := fields[0], fields[1:]
	want := map[string][2]int{"create": {1, 8}, "set": {2, 3}, "delete": {1, 2}, "check": {2, 2}}
	bounds, known := want[verb]
	switch {
	case !known:
		return nil, fmt.Errorf("%q is none of create, set, delete and check", verb)
	case len(fields) < bounds[0] || len(fields) > bounds[1]:
		return nil, fmt.Errorf("%s: %d to %d arguments are wanted, %d are there", verb, bounds[0], bounds[1], len(fields))
	case verb == "create":
		return parseCreateOp(fields)
	}
	version := core.AnyVersion
	if len(fields) == bounds[1] {
		n, err := strconv.ParseInt(fields[len(fields)-1], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s: version %q is no number", verb, fields[len(fields)-1])
		}
		version = int32(n)
	}
	switch verb {
	case "set":
		return core.SetOp{Path: fields[0], Data: []byte(fields[1]), Version: version}, nil
	case "delete":
		return core.DeleteOp{Path: fields[0], Version: version}, nil
	}
	return core.CheckOp{Path: fields[0], Version: version}, nil
}

func pathOf(op core.Op) string {
	switch op := op.(type) {
	case core.CreateOp:
		return op.Path
	case core.SetOp:
		return op.Path
	case core.DeleteOp:
		return op.Path
	case core.CheckOp:
		return op.Path
	}
	return ""
}

func parseCreateOp(fields []string) (core.Op, error) {
	var kind createFlags
	fs := pflag.NewFlagSet("create", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	kind.add(fs)
	if err := fs.Parse(fields); err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	args := fs.Args()
	if len(args) < 1 || len(args) > 3 {
		return nil, fmt.Errorf("create: a path, data and an ACL are wanted, %d arguments are there", len(args))
	}
	op := core.CreateOp{Path: args[0]}
	if len(args) > 1 {
		op.Data = []byte(args[1])
	}
	var acl []core.ACL
	var err error
	if len(args) > 2 {
		if acl, err = parseACL(args[2]); err != nil {
			return nil, err
		}
	}
	op.Options, err = kind.options(acl)
	return op, err
}

type resultJSON struct {
	Op    string    `json:"op"`
	Path  string    `json:"path"`
	Zxid  string    `json:"zxid,omitempty"`
	Error string    `json:"error,omitempty"`
	Stat  *statJSON `json:"stat,omitempty"`
}

// printResult prints what became of an operation; failed says that one of them
// was refused, and so none took effect.
func (z *zk) printResult(op core.Op, r core.OpResult, zxid core.Zxid, failed bool) error {
	out := resultJSON{Path: pathOf(op)}
	switch op.(type) {
	case core.CreateOp:
		out.Op = "create"
	case core.SetOp:
		out.Op = "set"
	case core.DeleteOp:
		out.Op = "delete"
	case core.CheckOp:
		out.Op = "check"
	}
	switch {
	case failed && core.CodeOf(r.Err) == core.OK:
		out.Error = "rolled back"
	case errors.Is(r.Err, core.RuntimeInconsistency):
		out.Error = "not tried"
	case r.Err != nil:
		out.Error = core.CodeOf(r.Err).Error()
	default:
		out.Zxid = zxid.String()
		if r.Path != "" {
			out.Path = r.Path
		}
		if r.Stat != (core.Stat{}) {
			out.Stat = statOf(r.Stat)
		}
	}
	if z.output == asJSON {
		return z.printJSON(out)
	}
	status := "ok"
	if out.Error != "" {
		status = out.Error
	}
	_, err := fmt.Fprintln(z.out, strings.Join([]string{out.Op, out.Path + ":", status}, " "))
	return err
}
