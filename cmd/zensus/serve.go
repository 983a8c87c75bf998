package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/cmd/zensus/ctl"
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
		Args: ctl.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, s, err := readPlan(file, cmd)
			if err != nil {
				if p != nil {
					err = errors.Join(p.warn(cmd.ErrOrStderr()), err)
				}
				return err
			}
			if check {
				return p.print(cmd.OutOrStdout(), s)
			}
			return p.serve(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "zensus.yaml, or a ZooKeeper's zoo.cfg")
	cmd.Flags().BoolVar(&check, "check", false, "print the settings that hold, and end")
	settings.Flags(cmd.Flags())
	return cmd
}

// serve runs the planned server until ctx ends.
func (p *plan) serve(ctx context.Context, log io.Writer) error {
	t, err := telemetry.New(telemetry.Config{Level: p.log.Level, Format: p.log.Format, Output: log})
	if err != nil {
		return err
	}
	defer t.Close()
	in, err := assemble(p, t.Log, t.Registry)
	if err != nil {
		return err
	}
	if err = in.Run(ctx); err == nil {
		t.Log.Info("stopped")
	}
	return err
}

// readPlan reads a zensus.yaml (also none: the defaults) or a zoo.cfg, of which
// the settings are nil. Beside an error the plan is nil, or has its warnings.
func readPlan(file string, cmd *cobra.Command) (*plan, *settings.Settings, error) {
	if ext := strings.ToLower(filepath.Ext(file)); file != "" && ext != ".yaml" && ext != ".yml" {
		if given := settings.Given(cmd.Flags()); len(given) > 0 {
			return nil, nil, fmt.Errorf("%s: %s: not beside a zoo.cfg, which says everything itself, also by its keys zensus.*", file, strings.Join(given, ", "))
		}
		p, err := fromZooCfg(file)
		for _, name := range settings.GivenInEnvironment() {
			p.warnings = append(p.warnings, name+": ignored beside a zoo.cfg")
		}
		switch {
		case err != nil && ext != ".cfg":
			err = fmt.Errorf("%w\n%s was read as a zoo.cfg: the name of a zensus.yaml ends with .yaml or .yml", err, file)
		case err == nil && !p.opens():
			err = inFile(file, errNoPort)
		}
		return p, nil, err
	}
	s, err := settings.Read(file, cmd.Flags())
	if s == nil {
		return nil, nil, inFile(file, err)
	}
	if err := errors.Join(err, s.Validate(), look(s)); err != nil {
		return nil, nil, inFile(file, err)
	}
	p, err := fromSettings(s)
	if err == nil && !p.opens() {
		err = errNoPort
	}
	return p, s, inFile(file, err)
}

func (p *plan) warn(w io.Writer) error {
	for _, text := range p.warnings {
		if _, err := fmt.Fprintln(w, "# warning:", text); err != nil {
			return err
		}
	}
	return nil
}

// print tells what holds, for `serve --check`.
func (p *plan) print(w io.Writer, s *settings.Settings) error {
	if err := p.warn(w); err != nil {
		return err
	}
	told, err := p.told()
	if err != nil {
		return err
	}
	if s != nil {
		if err := s.Print(w); err != nil {
			return err
		}
		for _, line := range append(s.Resolved(), told...) {
			if _, err := fmt.Fprintln(w, "# resolved:", line); err != nil {
				return err
			}
		}
		return nil
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
		{"engine.tick_time", time.Duration(p.replica.TickMillis) * time.Millisecond},
		{"engine.min_session_timeout", time.Duration(p.replica.MinTimeoutMillis) * time.Millisecond},
		{"engine.max_session_timeout", time.Duration(p.replica.MaxTimeoutMillis) * time.Millisecond},
		{"engine.frame_bytes_max", p.client.FrameBytesMax},
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
	for _, line := range told {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
