package main

import (
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
)

func serveCommand() *cobra.Command {
	var file string
	var check bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "run a server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := fromZooCfg(file)
			if err != nil {
				return err
			}
			log := hclog.New(&hclog.LoggerOptions{Name: "zensus", Level: hclog.Info, Output: os.Stderr})
			in, err := assemble(p, log)
			if err != nil {
				return err
			}
			return in.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "zensus.yaml or zoo.cfg")
	cmd.Flags().BoolVar(&check, "check", false, "print the settings that hold, and end")
	return cmd
}
