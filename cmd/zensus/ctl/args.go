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
