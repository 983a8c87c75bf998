package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/cmd/zensus/ctl/bench/lean"
)

// nacosOptions are the flags of `zensus bench nacos`.
type nacosOptions struct {
	frame
	nacosParams
	shapes []string
}

// nacosParams size the scenarios.
type nacosParams struct {
	shape       Shape // of which only Bytes and Time count
	api         string
	subscribers int
	changes     int // that they are told of in a round
	connections int // of the scenario hold
	services    int
	instances   int
	watched     time.Duration
	settle      time.Duration // how long a server is left alone before something is measured
	configs     int           // that a server starts with
	clients     int           // of the scenario churn
	churnTime   time.Duration
	sizes       []int
}

// nacosScenario measures what is not a rate of requests.
type nacosScenario struct {
	name   string
	starts bool // it needs servers that bench starts itself
	run    func(ctx context.Context, srv *Server, p *nacosParams) ([]Figure, error)
}

var nacosScenarios = []*nacosScenario{
	{name: "push", run: func(_ context.Context, srv *Server, p *nacosParams) ([]Figure, error) { return push(srv, p) }},
	{name: "listen", run: func(_ context.Context, srv *Server, p *nacosParams) ([]Figure, error) { return listen(srv, p) }},
	{name: "poll", run: func(_ context.Context, srv *Server, p *nacosParams) ([]Figure, error) { return poll(srv, p) }},
	{name: "start", starts: true, run: startNacos},
	{name: "hold", starts: true, run: holdNacos},
	{name: "churn", starts: true, run: churn},
	{name: "growth", starts: true, run: growth},
}

func nacosCommand() *cobra.Command {
	o := &nacosOptions{}
	var actNames, names []string
	for _, a := range acts {
		actNames = append(actNames, a.name)
	}
	for _, s := range nacosScenarios {
		names = append(names, s.name)
	}
	cmd := &cobra.Command{
		Use:   "nacos [ADDRESS]",
		Short: "measure any server that speaks Nacos's protocols",
		Long: `Measure a server that speaks Nacos's protocols, by default 127.0.0.1:8848: the address
is that of HTTP, and gRPC is looked for 1000 ports behind it. A cluster has several,
parted by commas, over which connections are spread.

With --vs a second one is measured in turn, round by round, and the medians are
compared: a ratio above 1 says that the first has more. With --start, once for each
side and in the order of the addresses, bench starts the servers itself, each in the
foreground, and also tells memory and processor time. The commands find a directory for
the data in the environment, as ` + dirVariable + `, that is empty at first and removed in the end,
and the number of the round as ` + roundVariable + `. The servers must not ask for logins. What a
round makes is removed when it ends.

Workloads: ` + strings.Join(actNames, ", ") + `.
Scenarios: ` + strings.Join(names, ", ") + `.
Of these start, hold, churn and growth need --start.`,
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
	o.addr = "127.0.0.1:8848"
	o.addFlags(f, "register", "query", "publish", "get")
	f.StringSliceVar(&o.shapes, "shape", nil, "connections x requests in flight on each (default what is usual for the workload)")
	f.StringVar(&o.api, "api", "v1", "version of the API in workloads over HTTP: v1 or v2")
	f.IntVar(&o.shape.Bytes, "bytes", 1024, "bytes of a config")
	f.IntVar(&o.subscribers, "subscribers", 1000, "who is told in the scenarios push, listen and poll")
	f.IntVar(&o.changes, "changes", 20, "changes in a round of these scenarios")
	f.IntVar(&o.connections, "connections", 1000, "connections of the scenario hold")
	f.IntVar(&o.services, "services", 10_000, "services of the scenarios hold and churn")
	f.IntVar(&o.instances, "instances", 100_000, "instances in them")
	f.DurationVar(&o.watched, "watch", 20*time.Second, "how long the scenario hold looks at a server at rest")
	f.DurationVar(&o.settle, "settle", settleTime, "how long a server is left alone before its memory is read or a change is made")
	f.IntVar(&o.configs, "configs", 5000, "configs that a server starts with in the scenario start")
	f.IntVar(&o.clients, "clients", 10_000, "clients of the scenario churn, a tenth of which come and go each minute")
	f.DurationVar(&o.churnTime, "churn", time.Minute, "length of a round of it")
	f.IntSliceVar(&o.sizes, "sizes", []int{10_000, 100_000, 1_000_000}, "instances stored in the scenario growth, one after the other")
	return cmd
}

// check says which flag is out of range.
func (o *nacosOptions) check() error {
	switch {
	case o.rounds < 1 || o.time <= 0 || o.watched <= 0 || o.churnTime <= 0:
		return errors.New("--rounds, --time, --watch and --churn are out of range")
	case o.api != "v1" && o.api != "v2":
		return fmt.Errorf("--api: %q is neither v1 nor v2", o.api)
	case o.shape.Bytes < 64 || o.shape.Bytes > 32<<10:
		return fmt.Errorf("--bytes: %d is not from 64 to %d", o.shape.Bytes, 32<<10)
	case min(o.subscribers, o.changes, o.connections, o.services, o.configs, o.clients) < 1:
		return errors.New("counts begin with 1")
	case o.connections > 1<<24 || o.clients > 1<<24:
		return errors.New("so many clients have no addresses")
	case o.instances%o.services != 0 || o.instances%o.connections != 0 || o.instances%o.clients != 0:
		return errors.New("--instances has to be a multiple of --services, --connections and --clients")
	case o.services < o.instances/min(o.connections, o.clients):
		return errors.New("--services: a client registers one instance in a service, and there are too few")
	case !slices.IsSorted(o.sizes) || slices.ContainsFunc(o.sizes, func(n int) bool { return n < 1 || n > 1<<24 || n%growthPerService != 0 }):
		return fmt.Errorf("--sizes are to grow, in multiples of %d", growthPerService)
	}
	return nil
}

func (o *nacosOptions) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	o.shape.Time = o.time
	servers, err := o.servers()
	if err != nil {
		return err
	}
	for _, s := range servers {
		s.answers, s.ownDir = answersNacos, true
		if strings.Contains(s.Addr, ",") {
			s.answers = takesConfigs
		}
	}
	list := o.workloads
	if len(list) == 1 && list[0] == "all" {
		list = nil
		for _, a := range acts {
			list = append(list, a.name)
		}
		for _, s := range nacosScenarios {
			if !s.starts || len(o.starts) > 0 {
				list = append(list, s.name)
			}
		}
	}
	rows, err := o.measure(ctx, servers, list)
	return o.finish(rows, err)
}

func (o *nacosOptions) measure(ctx context.Context, servers []*Server, list []string) (rows []Row, err error) {
	running := false
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.Kill())
		}
	}()
	for _, name := range list {
		a := findAct(name)
		i := slices.IndexFunc(nacosScenarios, func(s *nacosScenario) bool { return s.name == name })
		switch {
		case a == nil && i < 0:
			return rows, fmt.Errorf("no workload %q", name)
		case a == nil && nacosScenarios[i].starts && len(o.starts) == 0:
			return rows, fmt.Errorf("%s needs --start", name)
		}
		// Scenarios that start servers begin with none running, the others with all.
		wants := a != nil || !nacosScenarios[i].starts
		if wants != running {
			if err := o.startOrEnd(ctx, servers, wants); err != nil {
				return rows, err
			}
			running = wants
		}
		var more []Row
		if a != nil {
			more, err = o.compareAct(servers, a)
		} else {
			more, err = CompareScenario(servers, name, o.rounds, func(srv *Server) ([]Figure, error) {
				figures, err := nacosScenarios[i].run(ctx, srv, &o.nacosParams)
				if broken := (*brokenError)(nil); errors.As(err, &broken) {
					o.clearProgress()
					fmt.Fprintf(o.stderr, "%s: %s: %v\n", name, srv.Name, err)
					return figures, nil
				}
				return figures, err
			}, o.progress)
		}
		if rows = append(rows, more...); err != nil {
			return rows, err
		}
		if ctx.Err() != nil {
			return rows, context.Cause(ctx)
		}
	}
	return rows, nil
}

// startOrEnd starts all servers, or ends them.
func (o *nacosOptions) startOrEnd(ctx context.Context, servers []*Server, start bool) error {
	for _, s := range servers {
		if err := s.Kill(); err != nil {
			return err
		}
		if start {
			if _, err := s.Start(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareAct measures a workload in each shape.
func (o *nacosOptions) compareAct(servers []*Server, a *act) (rows []Row, err error) {
	shapes := o.shapes
	if len(shapes) == 0 {
		shapes = a.shapes
	}
	for _, text := range shapes {
		shape, err := parseShape(text)
		if err != nil {
			return rows, err
		}
		shape.Bytes, shape.Time = o.shape.Bytes, o.time
		for _, srv := range servers { // a round that does not count: some get faster by it
			o.progress(fmt.Sprintf("%s %s on %s, to warm up", a.name, shape, srv.Name), 0, 1)
			if _, err := runAct(srv, a, shape, o.api); err != nil {
				return rows, fmt.Errorf("%s on %s: %w", a.name, srv.Name, err)
			}
		}
		row, err := Compare(servers, a.name, shape, o.rounds, func(srv *Server) (Sample, error) { return runAct(srv, a, shape, o.api) }, o.progress)
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// answersNacos is a correct read of both halves, over HTTP, and a client that gets in.
func answersNacos(addr string) error {
	c, err := lean.DialHTTP(addr, patience)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for _, ask := range []struct {
		target string
		status int
	}{
		{"/nacos/v1/ns/instance/list?serviceName=bench-nothing", 200},
		{"/nacos/v1/cs/configs?dataId=bench-nothing&group=DEFAULT_GROUP", 404},
	} {
		status, answer, err := c.Do(lean.AppendRequest(nil, "GET", ask.target, addr, "", ""))
		if err != nil {
			return err
		}
		if status != ask.status {
			return fmt.Errorf("status %d: %.300s", status, bytes.TrimSpace(answer))
		}
	}
	client, err := dialClient(grpcAddr(addr))
	if err != nil {
		return err
	}
	return client.Close()
}

// takesConfigs is answersNacos of a server of several, which also has found whoever
// leads them: a config is published through it, and erased.
func takesConfigs(addr string) error {
	if err := answersNacos(addr); err != nil {
		return err
	}
	c, err := lean.DialHTTP(addr, patience)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	const target = "/nacos/v1/cs/configs?dataId=bench-nothing&group=BENCH_LEADER&content=x"
	for _, method := range []string{"POST", "DELETE"} {
		status, answer, err := c.Do(lean.AppendRequest(nil, method, target, addr, "", ""))
		if err != nil {
			return err
		}
		if status != 200 {
			return fmt.Errorf("status %d: %.300s", status, bytes.TrimSpace(answer))
		}
	}
	return nil
}
