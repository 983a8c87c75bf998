package ctl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
)

// permissionLetters are in the order in which zkCli prints them.
var permissionLetters = []struct {
	letter byte
	perm   core.Perms
}{
	{'c', core.PermCreate}, {'d', core.PermDelete}, {'r', core.PermRead}, {'w', core.PermWrite}, {'a', core.PermAdmin},
}

// parseACL reads entries of the form scheme:id:cdrwa, separated by commas. An id
// may hold colons.
func parseACL(s string) ([]core.ACL, error) {
	var out []core.ACL
	for entry := range strings.SplitSeq(s, ",") {
		scheme, rest, _ := strings.Cut(entry, ":")
		end := strings.LastIndexByte(rest, ':')
		if scheme == "" || end < 0 {
			return nil, fmt.Errorf("ACL %q: want scheme:id:permissions, such as world:anyone:cdrwa", entry)
		}
		perms, err := parsePerms(rest[end+1:])
		if err != nil {
			return nil, fmt.Errorf("ACL %q: %w", entry, err)
		}
		out = append(out, core.ACL{Perms: perms, Scheme: scheme, ID: rest[:end]})
	}
	return out, nil
}

func parsePerms(s string) (core.Perms, error) {
	var perms core.Perms
next:
	for i := range len(s) {
		for _, p := range permissionLetters {
			if s[i] == p.letter {
				perms |= p.perm
				continue next
			}
		}
		return 0, fmt.Errorf("%q is not one of the permissions cdrwa", s[i])
	}
	if perms == 0 {
		return 0, errors.New("it permits nothing")
	}
	return perms, nil
}

func formatPerms(perms core.Perms) string {
	var b []byte
	for _, p := range permissionLetters {
		if perms&p.perm != 0 {
			b = append(b, p.letter)
		}
	}
	return string(b)
}

func (z *zk) aclVerb() *cobra.Command {
	cmd := &cobra.Command{Use: "acl", Short: "read and change who may do what with a znode"}
	cmd.AddCommand(z.getACLVerb("get"), z.setACLVerb("set"))
	return cmd
}

type aclJSON struct {
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
	Perms  string `json:"perms"`
}

func (z *zk) getACLVerb(name string) *cobra.Command {
	var stat, settable bool
	cmd := &cobra.Command{
		Use: name + " PATH", Short: "print a znode's access list",
		Args: exactArgs(1), ValidArgsFunction: z.completePath,
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			list, st, err := c.ACL(ctx, args[0])
			if err != nil {
				return err
			}
			if z.output == asJSON {
				out := []aclJSON{}
				for _, a := range list {
					out = append(out, aclJSON{a.Scheme, a.ID, formatPerms(a.Perms)})
				}
				return z.printJSON(map[string]any{"path": args[0], "acl": out, "stat": statOf(st)})
			}
			if settable {
				var entries []string
				for _, a := range list {
					entries = append(entries, a.Scheme+":"+a.ID+":"+formatPerms(a.Perms))
				}
				fmt.Fprintln(z.out, strings.Join(entries, ","))
				list = nil
			}
			for _, a := range list {
				fmt.Fprintf(z.out, "'%s,'%s\n: %s\n", a.Scheme, a.ID, formatPerms(a.Perms))
			}
			if stat {
				z.printStat(st)
			}
			return nil
		}),
	}
	cmd.Flags().BoolVarP(&stat, "stat", "s", false, "print the znode's stat too")
	cmd.Flags().BoolVar(&settable, "settable", false, "print it in one line, as acl set takes it")
	return cmd
}

func (z *zk) setACLVerb(name string) *cobra.Command {
	var stat, deep bool
	var version int32
	cmd := &cobra.Command{
		Use: name + " PATH ACL", Short: "replace a znode's access list: scheme:id:cdrwa,...",
		Args: exactArgs(2), ValidArgsFunction: z.completePath,
		RunE: z.at(func(ctx context.Context, c *zkclient.Client, args []string) error {
			list, err := parseACL(args[1])
			if err != nil {
				return err
			}
			set := func(path string) error {
				st, err := c.SetACL(ctx, path, list, version)
				switch {
				case err != nil:
					return err
				case z.output == asJSON:
					return z.printJSON(nodeJSON{Path: path, Stat: statOf(st)})
				case stat:
					z.printStat(st)
				}
				return nil
			}
			if deep {
				return walk(ctx, c, args[0], set)
			}
			return set(args[0])
		}),
	}
	cmd.Flags().BoolVarP(&stat, "stat", "s", false, "print the znode's new stat")
	cmd.Flags().BoolVarP(&deep, "recursive", "R", false, "likewise for all descendants")
	cmd.Flags().Int32VarP(&version, "version", "v", core.AnyVersion, "change it only if this is the version of the list")
	return cmd
}
