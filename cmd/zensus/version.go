package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/cmd/zensus/ctl"
)

// Version is the release; the build sets it for one.
var Version = "0.1.0-dev"

// zookeeperVersion is the ZooKeeper release whose behaviour the client port has.
const zookeeperVersion = "3.9.5"

// buildInfo is what the toolchain recorded: the commit, and its time.
func buildInfo() (commit string, when time.Time) {
	commit = "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return commit, when
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.time":
			when, _ = time.Parse(time.RFC3339, s.Value)
		}
	}
	return commit, when
}

// asZooKeeper is the version that monitoring of ZooKeeper reads.
func asZooKeeper() (version, built string) {
	commit, when := buildInfo()
	if when.IsZero() {
		when = time.Unix(0, 0)
	}
	return strings.Join([]string{zookeeperVersion, "zensus", Version, commit}, "-"), when.UTC().Format("2006-01-02 15:04 MST")
}

// version is what `zensus version` and `zensus --version` print.
func version() string {
	commit, _ := buildInfo()
	return fmt.Sprintf("zensus %s (commit %s, %s, speaks ZooKeeper %s)", Version, commit, runtime.Version(), zookeeperVersion)
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  ctl.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
}
