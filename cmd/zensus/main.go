// Command zensus is a service registry and dynamic-configuration center on a
// coordination core of its own: one binary in place of ZooKeeper, Nacos and
// their database.
//
// `zensus serve` runs a server, `zensus demo` shows three at work, and the other
// commands are clients of a running one. main.go names the commands; assemble.go
// is the one place that knows every package and wires them; plan.go and
// zoocfg.go turn settings or a zoo.cfg into what assemble is to run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/cmd/zensus/ctl"
	"github.com/zensus-io/zensus/cmd/zensus/ctl/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		if !errors.Is(err, errSilent) {
			fmt.Fprintln(os.Stderr, "zensus:", err)
		}
		os.Exit(1)
	}
}

// errSilent ends the process with status 1 when everything has been said.
var errSilent = errors.New("already said")

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "zensus",
		Short:         "service registry and configuration center on a coordination core of its own",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(serveCommand(), demoCommand(), demoServerCommand(), demoProviderCommand(), bench.Command(), versionCommand())
	root.AddCommand(ctl.Commands()...)
	for _, cmd := range root.Commands() {
		if cmd.HasSubCommands() && !cmd.Runnable() {
			cmd.RunE, cmd.DisableFlagsInUseLine = namesCommands, true
		}
	}
	return root
}

// namesCommands runs a command that does nothing itself. Cobra would print the help for
// one that does not exist, too, and end as if it had been done.
func namesCommands(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	}
	return cmd.Help()
}
