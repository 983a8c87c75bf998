package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/cmd/zensus/ctl"
	"github.com/zensus-io/zensus/internal/settings"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/config"
	"github.com/zensus-io/zensus/sdk/naming"
)

func demoCommand() *cobra.Command {
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "show a server, two providers, a consumer and a config at work",
		Long: `Start a server in a temporary directory and show the main job before your eyes: two
providers register, a consumer discovers them, one provider is killed and the consumer
is told, a config changes and is pushed. It runs until stopped, or for as long as --for.`,
		Args: ctl.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if length > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, length)
				defer cancel()
			}
			return runDemo(ctx, cmd.OutOrStdout())
		},
	}
	cmd.Flags().DurationVar(&length, "for", 0, "end by itself after this time")
	return cmd
}

// demo is a running demonstration.
type demo struct {
	began time.Time
	grpc  string

	mu struct {
		sync.Mutex
		out io.Writer
	}
}

// say prints what somebody sees, with the time since the start.
func (d *demo) say(who, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.mu.out, "%8.3fs  %-10s %s\n", time.Since(d.began).Seconds(), who, fmt.Sprintf(format, args...))
}

var (
	demoService = naming.Service{Name: "orders"}
	demoConfig  = config.Key{DataID: "orders.yaml"}
)

func runDemo(ctx context.Context, out io.Writer) error {
	d := &demo{began: time.Now()}
	d.mu.out = out
	dir, err := os.MkdirTemp("", "zensus-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	in, err := d.startServer(dir)
	if err != nil {
		return err
	}
	serverCtx, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- in.Run(serverCtx) }()
	err = d.play(ctx)
	if ctx.Err() != nil {
		err = nil // it was to end
	}
	stopServer()
	d.say("demo", "ends")
	return errors.Join(err, <-ended)
}

// startServer opens the usual ports where they are free, and others where not.
func (d *demo) startServer(dir string) (*instance, error) {
	s := settings.Default()
	s.DataDir = dir
	s.Engine.DiskBallastBytes, s.Engine.LogSegmentBytes = -1, 4<<20
	s.Listen.HTTP, d.grpc = pairOfPorts(8848)
	s.Listen.ZooKeeper = freePort(2181)
	p, err := fromSettings(&s)
	if err != nil {
		return nil, err
	}
	in, err := assemble(p, hclog.NewNullLogger(), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	d.say("server", "HTTP, console and everything else on %s, Nacos gRPC on %s, ZooKeeper on %s", s.Listen.HTTP, d.grpc, s.Listen.ZooKeeper)
	d.say("server", "console: http://%s/", s.Listen.HTTP)
	if usual := settings.Default().Listen; s.Listen.HTTP != usual.HTTP || s.Listen.ZooKeeper != usual.ZooKeeper {
		d.say("server", "other ports than the usual ones, of which some are taken: 8848, 9848, 2181")
	}
	return in, nil
}

// freePort is an address on loopback: the port wanted, or any if that is taken.
func freePort(want int) string {
	for _, port := range []int{want, 0} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(want)) // opening it will say what is wrong
}

// pairOfPorts are two free addresses, the second 1000 above the first, as Nacos
// clients expect.
func pairOfPorts(want int) (http, grpc string) {
	for try := range 50 {
		if try > 0 {
			want = 20_000 + (os.Getpid()*37+try*211)%30_000
		}
		http = net.JoinHostPort("127.0.0.1", strconv.Itoa(want))
		grpc = net.JoinHostPort("127.0.0.1", strconv.Itoa(want+1000))
		if freePort(want) == http && freePort(want+1000) == grpc {
			break
		}
	}
	return http, grpc
}

// play is what happens on the stage.
func (d *demo) play(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	client, err := d.dial(ctx)
	if err != nil {
		cancel()
		return err
	}
	defer client.Close()
	configs, services := config.New(client), naming.New(client)
	const first = "discount: 0\n"
	if err := configs.Publish(ctx, demoConfig, first, config.Type("yaml")); err != nil {
		cancel()
		return err
	}
	d.say("publisher", "published %s: %s", demoConfig.DataID, strings.TrimSpace(first))
	seen := make(chan int, 64)
	var watchers sync.WaitGroup
	watchers.Go(func() { d.watchServices(ctx, services, seen) })
	watchers.Go(func() { d.watchConfig(ctx, configs) })
	defer watchers.Wait()
	defer cancel()
	return d.acts(ctx, configs, seen)
}

func (d *demo) acts(ctx context.Context, configs *config.Config, seen chan int) error {
	var providers []*exec.Cmd
	defer func() {
		for _, p := range providers {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	}()
	start := func(name string, port int) error {
		p, err := d.startProvider(name, port)
		if err != nil {
			return err
		}
		providers = append(providers, p)
		d.say(name, "started as process %d, registers %s at 127.0.0.1:%d", p.Process.Pid, demoService.Name, port)
		return nil
	}
	if err := errors.Join(start("provider-1", 9001), start("provider-2", 9002)); err != nil {
		return err
	}
	if err := awaitCount(ctx, seen, 2); err != nil {
		return err
	}
	pause(ctx, time.Second)
	victim := providers[1]
	d.say("demo", "kills process %d (provider-2) without a warning", victim.Process.Pid)
	killed := time.Now()
	_ = victim.Process.Kill()
	_ = victim.Wait()
	providers = providers[:1]
	if err := awaitCount(ctx, seen, 1); err != nil {
		return err
	}
	d.say("demo", "the consumer was told %d ms after the kill", time.Since(killed).Milliseconds())
	pause(ctx, time.Second)
	if err := start("provider-2", 9002); err != nil {
		return err
	}
	if err := awaitCount(ctx, seen, 2); err != nil {
		return err
	}
	for n := 5; ctx.Err() == nil; n += 5 {
		pause(ctx, time.Second)
		content := fmt.Sprintf("discount: %d\n", n%100)
		if err := configs.Publish(ctx, demoConfig, content, config.Type("yaml")); err != nil {
			return err
		}
		d.say("publisher", "published %s: %s", demoConfig.DataID, strings.TrimSpace(content))
		pause(ctx, 4*time.Second)
	}
	return nil
}

func pause(ctx context.Context, t time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(t):
	}
}

// awaitCount waits until the consumer has seen so many instances.
func awaitCount(ctx context.Context, seen <-chan int, want int) error {
	deadline := time.After(30 * time.Second)
	for {
		select {
		case n := <-seen:
			if n == want {
				return nil
			}
		case <-deadline:
			return fmt.Errorf("demo: the consumer did not see %d instances within 30s", want)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (d *demo) dial(ctx context.Context) (*sdk.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(d.grpc)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	return sdk.Dial(ctx, []string{net.JoinHostPort(host, strconv.Itoa(number-1000))})
}

func (d *demo) watchServices(ctx context.Context, services *naming.Naming, seen chan<- int) {
	for snap, err := range services.Subscribe(ctx, demoService) {
		if err != nil {
			return
		}
		var changes []string
		for _, i := range snap.Added {
			changes = append(changes, "+"+i.Address())
		}
		for _, i := range snap.Removed {
			changes = append(changes, "-"+i.Address())
		}
		for _, c := range snap.Changed {
			changes = append(changes, "~"+c.New.Address())
		}
		count := "1 instance"
		if n := len(snap.Instances); n != 1 {
			count = fmt.Sprintf("%d instances", n)
		}
		d.say("consumer", "%s", strings.TrimSpace(fmt.Sprintf("sees %s of %s  %s", count, demoService.Name, strings.Join(changes, " "))))
		select {
		case seen <- len(snap.Instances):
		case <-ctx.Done():
			return
		}
	}
}

func (d *demo) watchConfig(ctx context.Context, configs *config.Config) {
	for item, err := range configs.Subscribe(ctx, demoConfig) {
		if err != nil {
			return
		}
		d.say("consumer", "reads %s: %s", demoConfig.DataID, strings.TrimSpace(item.Content))
	}
}

// startProvider runs a provider as a process of its own, so that killing it is
// the real thing.
func (d *demo) startProvider(name string, port int) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := exec.Command(self, "demo-provider", d.grpc, name, strconv.Itoa(port)) //nolint:gosec // itself
	p.Stderr = os.Stderr
	return p, p.Start()
}

// demoProviderCommand is the process of one provider of the demo.
func demoProviderCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "demo-provider GRPC-ADDRESS NAME PORT",
		Hidden: true,
		Args:   cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			port, err := strconv.Atoi(args[2])
			if err != nil {
				return err
			}
			client, err := (&demo{grpc: args[0]}).dial(ctx)
			if err != nil {
				return err
			}
			defer client.Close()
			err = naming.New(client).Register(ctx, demoService, naming.Instance{
				IP: "127.0.0.1", Port: port, Metadata: map[string]string{"name": args[1]},
			})
			if err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		},
	}
}
