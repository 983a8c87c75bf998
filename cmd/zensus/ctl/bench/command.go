package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Command is `zensus bench`.
func Command() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "measure a server, alone or against another"}
	cmd.AddCommand(zkCommand(), nacosCommand())
	return cmd
}

// frame is what is common to all that is measured: the servers, how often, and where the
// result goes.
type frame struct {
	addr, vs       string
	starts         []string
	names          []string
	workloads      []string
	time           time.Duration
	rounds         int
	jsonFile       string
	quiet          bool
	stdout, stderr io.Writer
}

// addFlags adds the flags; addr holds the default address already.
func (o *frame) addFlags(f *pflag.FlagSet, workloads ...string) {
	f.StringVar(&o.vs, "vs", "", "address of a second server to compare with")
	f.StringArrayVar(&o.starts, "start", nil, "command that starts a server, once for each address")
	f.StringSliceVar(&o.names, "name", nil, "names of the servers in the output")
	f.StringSliceVarP(&o.workloads, "workload", "w", workloads, "what to measure, or all")
	f.DurationVar(&o.time, "time", 3*time.Second, "length of a round")
	f.IntVar(&o.rounds, "rounds", 7, "rounds on each server")
	f.StringVar(&o.jsonFile, "json", "", "file for the result as JSON; - is standard output, in place of the table")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "show no progress")
}

// options are the flags of `zensus bench zk`.
type options struct {
	frame
	each             []string
	voters           int
	shapes           []string
	bytes            int
	znodes, sessions int
	watchers         int
	kills, writes    int
	storm            int
}

func zkCommand() *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "zk [ADDRESS]",
		Short: "measure any server that speaks ZooKeeper's protocol",
		Long: `Measure a server that speaks ZooKeeper's protocol, by default 127.0.0.1:2181.

An ensemble has several addresses, parted by commas, over which connections are spread;
its command of --start starts all of its servers. In place of that the command of
--start-each, once for each side, starts one of them, in the foreground: the one of which
` + serverVariable + ` in the environment has the number, from 1. ` + votersVariable + ` and ` + observersVariable + ` say how many there
are of each, in the order of the addresses, and ` + dirVariable + ` is a directory for the data that
is empty at first and removed in the end. With it servers of the ensemble are killed.

With --vs a second one is measured in turn, round by round, and the medians are
compared: a ratio above 1 says that the first does more. With --start, once for each
side and in the order of the addresses, bench starts the servers itself, each in the
foreground, and also tells memory, processor time and recovery. The commands find the
number of the round in the environment, as ` + roundVariable + `: with a data directory
named after it each round begins with an empty one. From servers that bench did not
start it removes in the end what it created, below ` + benchRoot + `.

Workloads: ` + workloadNames() + `.
Scenarios: ` + scenarioNames() + `.
Of these idle and big need --start; failover, catchup, join (of a fourth server, an
observer), observers (two more) and storm need --start-each.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.addr = args[0]
			}
			o.stdout, o.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	o.addr = "127.0.0.1:2181"
	o.addFlags(f, "get", "set", "create")
	f.StringArrayVar(&o.each, "start-each", nil, "command that starts one server of an ensemble, once for each side")
	f.IntVar(&o.voters, "voters", 3, "how many of the addresses are those of voters, with --start-each; observers follow")
	f.StringSliceVar(&o.shapes, "shape", []string{"16x16"}, "connections x requests in flight on each")
	f.IntVar(&o.bytes, "bytes", 100, "bytes of data in a znode")
	f.IntVar(&o.znodes, "znodes", 1_000_000, "znodes of the scenario big")
	f.IntVar(&o.sessions, "sessions", 10_000, "sessions of the scenario idle")
	f.IntVar(&o.watchers, "watchers", 1000, "watchers of the scenario fanout")
	f.IntVar(&o.kills, "kills", 5, "leaders that the scenario failover kills in each round")
	f.IntVar(&o.writes, "writes", 100_000, "writes that a follower misses in the scenario catchup")
	f.IntVar(&o.storm, "storm", 5000, "sessions that lose their server in the scenario storm")
	return cmd
}

func workloadNames() string {
	var names []string
	for _, w := range workloads {
		names = append(names, w.Name)
	}
	return strings.Join(names, ", ")
}

func scenarioNames() string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

func (o *frame) servers() ([]*Server, error) {
	addrs := []string{o.addr}
	if o.vs != "" {
		addrs = append(addrs, o.vs)
	}
	if len(o.starts) > 0 && len(o.starts) != len(addrs) {
		return nil, fmt.Errorf("--start: %d commands for %d servers", len(o.starts), len(addrs))
	}
	var list []*Server
	for i, a := range addrs {
		s := &Server{Name: a, Addr: a}
		if i < len(o.names) {
			s.Name = o.names[i]
		}
		if i < len(o.starts) {
			s.Command = o.starts[i]
		}
		list = append(list, s)
	}
	return list, nil
}

// servers are those of the frame, with what --start-each and --voters say.
func (o *options) servers() ([]*Server, error) {
	if len(o.starts) > 0 && len(o.each) > 0 {
		return nil, errors.New("--start and --start-each exclude each other")
	}
	list, err := o.frame.servers()
	if err != nil || len(o.each) == 0 {
		return list, err
	}
	if len(o.each) != len(list) {
		return nil, fmt.Errorf("--start-each: %d commands for %d ensembles", len(o.each), len(list))
	}
	for i, s := range list {
		s.Command, s.Each, s.Voters = o.each[i], true, o.voters
		if n := strings.Count(s.Addr, ",") + 1; o.voters < 1 || o.voters > n {
			return nil, fmt.Errorf("--voters: %d of %d addresses", o.voters, n)
		}
	}
	return list, nil
}

func parseShape(text string) (s Shape, err error) {
	if _, err := fmt.Sscanf(text, "%dx%d", &s.Conns, &s.Depth); err != nil || s.Conns < 1 || s.Depth < 1 || s.Conns > 10_000 || s.Depth > 10_000 {
		return s, fmt.Errorf("--shape: %q is not of the form 16x16", text)
	}
	return s, nil
}

func (o *options) run(ctx context.Context) error {
	servers, err := o.servers()
	if err != nil {
		return err
	}
	if o.bytes < 0 || o.bytes > len(zeros) || o.rounds < 1 || o.time <= 0 {
		return errors.New("--bytes, --rounds and --time are out of range")
	}
	list := o.workloads
	if len(list) == 1 && list[0] == "all" {
		list = nil
		for _, w := range workloads {
			list = append(list, w.Name)
		}
		for _, s := range scenarios {
			if o.possible(s) == nil {
				list = append(list, s.Name)
			}
		}
	}
	rows, err := o.measure(ctx, servers, list)
	return o.finish(rows, err)
}

// finish reports what rows there are, also in front of an error.
func (o *frame) finish(rows []Row, err error) error {
	o.clearProgress()
	if len(rows) > 0 {
		err = errors.Join(err, o.report(rows))
	}
	return err
}

// possible returns what a scenario lacks.
func (o *options) possible(sc *Scenario) error {
	switch {
	case sc.Starts && sc.Servers > 0 && len(o.each) == 0:
		return fmt.Errorf("%s needs --start-each", sc.Name)
	case sc.Starts && sc.Servers == 0 && len(o.starts) == 0:
		return fmt.Errorf("%s needs --start", sc.Name)
	case sc.Starts && sc.Servers > 0 && o.voters < 3:
		return fmt.Errorf("%s needs three voters", sc.Name)
	}
	need := sc.Servers
	if sc.Starts && need > 0 {
		need += o.voters - 3
	}
	for _, addr := range []string{o.addr, o.vs} {
		if n := strings.Count(addr, ",") + 1; addr != "" && n < need {
			return fmt.Errorf("%s needs %d addresses, and %s has %d", sc.Name, need, addr, n)
		}
	}
	return nil
}

func (o *options) measure(ctx context.Context, servers []*Server, list []string) (rows []Row, err error) {
	running := false
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.Tidy(), s.Kill())
		}
	}()
	for _, name := range list {
		w, sc := Find(name), FindScenario(name)
		switch {
		case w == nil && sc == nil:
			return rows, fmt.Errorf("no workload %q", name)
		case sc != nil:
			if err := o.possible(sc); err != nil {
				return rows, err
			}
		}
		// Scenarios that start servers begin with none running, the others with all.
		if wants := sc == nil || !sc.Starts; wants != running {
			for _, s := range servers {
				if err := s.Kill(); err != nil {
					return rows, err
				}
				if wants {
					if _, err := s.Start(ctx); err != nil {
						return rows, err
					}
				}
			}
			running = wants
		}
		for _, text := range o.shapes {
			shape, err := parseShape(text)
			if err != nil {
				return rows, err
			}
			shape.Bytes, shape.Time = o.bytes, o.time
			if sc != nil {
				p := &Params{
					Shape: shape, Znodes: o.znodes, Sessions: o.sessions, Watchers: o.watchers,
					Kills: o.kills, Writes: o.writes, Storm: o.storm,
				}
				run := func(srv *Server) ([]Figure, error) { return sc.run(ctx, srv, p) }
				more, err := CompareScenario(servers, sc.Name, o.rounds, run, o.progress)
				rows = append(rows, more...)
				if err != nil {
					return rows, err
				}
				break // its shape is its own
			}
			run := func(srv *Server) (Sample, error) { return Run(srv, w, shape) }
			row, err := Compare(servers, w.Name, shape, o.rounds, run, o.progress)
			if err != nil {
				return rows, err
			}
			rows = append(rows, row)
		}
		if ctx.Err() != nil {
			return rows, context.Cause(ctx)
		}
	}
	return rows, nil
}

// barWidth is the length of the progress bar.
const barWidth = 24

func (o *frame) progress(what string, done, total int) {
	if o.quiet || !isTerminal(o.stderr) {
		return
	}
	full := barWidth * done / max(total, 1)
	fmt.Fprintf(o.stderr, "\r\x1b[K[%s%s] %d/%d %s", strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), done+1, total, what)
}

func (o *frame) clearProgress() {
	if !o.quiet && isTerminal(o.stderr) {
		fmt.Fprint(o.stderr, "\r\x1b[K")
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

func (o *frame) report(rows []Row) error {
	if o.jsonFile != "" {
		text, err := json.MarshalIndent(rows, "", "  ")
		if err != nil {
			return err
		}
		text = append(text, '\n')
		if o.jsonFile == "-" {
			_, err = o.stdout.Write(text)
			return err
		}
		if err := os.WriteFile(o.jsonFile, text, 0o644); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(o.stdout, Table(rows))
	for _, r := range rows {
		for _, s := range r.Sides {
			if s.Comment != "" {
				_, more := fmt.Fprintf(o.stdout, "%s %s, %s: %s\n", r.Workload, r.Shape, s.Server, s.Comment)
				err = errors.Join(err, more)
			}
		}
	}
	return err
}

// Table is the result for people.
func Table(rows []Row) string {
	t := table.NewWriter()
	head := table.Row{"workload", "shape"}
	for _, s := range rows[0].Sides {
		head = append(head, s.Server)
	}
	two := len(rows[0].Sides) == 2
	head = append(head, "unit")
	if two {
		head = append(head, "ratio")
	}
	head = append(head, "p50 us", "p99 us", "server CPU us")
	if two {
		head = append(head, "CPU ratio")
	}
	t.AppendHeader(head)
	for _, r := range rows {
		line := table.Row{r.Workload, r.Shape}
		for _, s := range r.Sides {
			if len(s.Values) == 0 { // it does not tell
				line = append(line, "")
				continue
			}
			line = append(line, number(s.Median))
		}
		line = append(line, r.Sides[0].Unit)
		if two {
			ratio := ""
			if r.Sides[1].Median > 0 {
				ratio = fmt.Sprintf("%.2f", r.Ratio)
			}
			line = append(line, ratio)
		}
		line = append(line, pair(r.Sides, func(s *Side) float64 { return s.P50 }),
			pair(r.Sides, func(s *Side) float64 { return s.P99 }), pair(r.Sides, func(s *Side) float64 { return s.CPUPer }))
		if two {
			cpu := ""
			if r.CPURatio > 0 {
				cpu = fmt.Sprintf("%.2f", r.CPURatio)
			}
			line = append(line, cpu)
		}
		t.AppendRow(line)
	}
	return t.Render()
}

// pair prints one figure of each side; nothing where there is none.
func pair(sides []Side, of func(*Side) float64) string {
	var parts []string
	for i := range sides {
		if v := of(&sides[i]); v > 0 {
			parts = append(parts, number(v))
		}
	}
	return strings.Join(parts, " / ")
}

func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
