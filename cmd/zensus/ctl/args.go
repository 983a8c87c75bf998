package ctl

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// NoArgs refuses arguments of a command that takes none. A value behind a flag
// that can stand alone is taken for one: it says how to write that.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("%s takes no arguments: %q", cmd.Name(), args[0])
	if !slices.Contains([]string{"true", "false", "auto"}, args[0]) {
		return err
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.NoOptDefVal != "" {
			err = fmt.Errorf("%w; the value of --%s follows a =, as in --%[2]s=%[3]s", err, f.Name, args[0])
		}
	})
	return err
}

// exactArgs and rangeArgs demand a number of arguments, and say which ones.
func exactArgs(n int) cobra.PositionalArgs { return rangeArgs(n, n) }

func rangeArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("%s: something is missing; it is: %s", cmd.Name(), cmd.Use)
		case len(args) > most:
			return fmt.Errorf("%s: %q is too much; it is: %s", cmd.Name(), args[most], cmd.Use)
		}
		return nil
	}
}
