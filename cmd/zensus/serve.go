package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/internal/settings"
	"github.com/zensus-io/zensus/internal/telemetry"
)

func serveCommand() *cobra.Command {
	var file string
	var check bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "run a server",
		Long: `Run a server: by default a single one on loopback, with its data in zensus-data.

Settings come from a file (-c zensus.yaml), from the environment (ZENSUS_LISTEN_HTTP
sets listen.http) and from flags, the later over the earlier. A zoo.cfg is taken as
it is: then only the ports that it names are opened.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, s, err := readPlan(file, cmd)
			if err != nil {
				return err
			}
			if check {
				return p.print(cmd.OutOrStdout(), s)
			}
			t, err := telemetry.New(telemetry.Config{Level: p.log.Level, Format: p.log.Format, Output: cmd.ErrOrStderr()})
			if err != nil {
				return err
			}
			defer t.Close()
			in, err := assemble(p, t.Log, t.Registry)
			if err != nil {
				return err
			}
			if err = in.Run(cmd.Context()); err == nil {
				t.Log.Info("stopped")
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "zensus.yaml, or a ZooKeeper's zoo.cfg")
	cmd.Flags().BoolVar(&check, "check", false, "print the settings that hold, and end")
	settings.Flags(cmd.Flags())
	return cmd
}

// readPlan reads a zensus.yaml (also none: the defaults) or a zoo.cfg, of which
// the settings are nil.
func readPlan(file string, cmd *cobra.Command) (*plan, *settings.Settings, error) {
	if ext := filepath.Ext(file); file != "" && ext != ".yaml" && ext != ".yml" {
		p, err := fromZooCfg(file)
		return p, nil, err
	}
	s, err := settings.Load(file, cmd.Flags())
	if err != nil {
		return nil, nil, err
	}
	p, err := fromSettings(s)
	return p, s, err
}

// print tells what holds, for `serve --check`.
func (p *plan) print(w io.Writer, s *settings.Settings) error {
	for _, text := range p.warnings {
		if _, err := fmt.Fprintln(w, "# warning:", text); err != nil {
			return err
		}
	}
	if s != nil {
		return s.Print(w)
	}
	orOff := func(addr string) string {
		if addr == "" {
			return settings.Off
		}
		return addr
	}
	for _, kv := range []struct {
		key   string
		value any
	}{
		{"data_dir", p.dataDir},
		{"node.id", p.id},
		{"listen.http", orOff(p.http)},
		{"listen.grpc", orOff(p.grpc)},
		{"listen.zookeeper", orOff(p.zookeeper)},
		{"admin", orOff(p.admin)},
		{"metrics", orOff(p.metrics)},
		{"auth.enabled", p.auth},
		{"engine.tick_time_ms", p.replica.TickMillis},
		{"engine.min_session_timeout_ms", p.replica.MinTimeoutMillis},
		{"engine.max_session_timeout_ms", p.replica.MaxTimeoutMillis},
		{"engine.ttl_nodes", p.replica.State.TTLNodes},
		{"engine.enforce_quota", p.replica.State.EnforceQuota},
		{"engine.snapshot_txns", p.replica.SnapshotTxns},
		{"engine.snapshots_retained", p.storage.Retain},
		{"limits.zookeeper_connections", p.client.ConnsTotal},
		{"limits.zookeeper_connections_per_address", p.client.ConnsPerAddress},
	} {
		if _, err := fmt.Fprintf(w, "%s: %v\n", kv.key, kv.value); err != nil {
			return err
		}
	}
	return nil
}
