package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/config"
	"github.com/zensus-io/zensus/sdk/naming"
)

// place is where a client is: it begins at one server, knows all of them, and tells
// of every move. Its Dialer must be that of the client.
type place struct {
	names map[string]string // of servers, by the addresses of their gRPC
	say   func(format string, args ...any)

	mu     sync.Mutex
	server string
}

func (p *place) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.names[addr]
	switch p.server {
	case now:
	case "":
		p.say("is at %s", now)
	default:
		p.say("moves from %s to %s", p.server, now)
	}
	p.server = now
	return c, nil
}

func (p *place) at() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server
}

// dialDemo makes a client of servers, each name=address of HTTP. It begins at the
// first.
func dialDemo(ctx context.Context, servers []string, say func(format string, args ...any)) (*sdk.Client, *place, error) {
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	p := &place{names: map[string]string{}, say: say}
	var addrs []string
	for _, s := range servers {
		name, addr, _ := strings.Cut(s, "=")
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, nil, err
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, nil, err
		}
		p.names[net.JoinHostPort(host, strconv.Itoa(number+1000))] = name
		addrs = append(addrs, addr)
	}
	client, err := sdk.Dial(ctx, addrs, sdk.InOrder(), sdk.Dialer(p.dial), sdk.CloseTimeout(time.Second))
	return client, p, err
}

// from are all servers, beginning with one.
func (d *demo) from(first *demoServer) (list []string) {
	for i := range d.servers {
		s := d.servers[(first.id-1+i)%len(d.servers)]
		list = append(list, s.name+"="+s.http)
	}
	return list
}

// dial makes a client of all servers that begins at one.
func (d *demo) dial(ctx context.Context, name string, first *demoServer) (*sdk.Client, *place, error) {
	return dialDemo(ctx, d.from(first), func(format string, args ...any) { d.say(name, format, args...) })
}

// lives says whether a provider must be in every list.
func (d *demo) lives(p *provider, yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if yes {
		d.mu.living[demoAddress(p.port)] = p.name
	} else {
		delete(d.mu.living, demoAddress(p.port))
	}
}

// compare looks for everybody who lives in a list.
func (d *demo) compare(who string, list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for addr, name := range d.mu.living {
		if !slices.Contains(list, addr) {
			d.lose("%s was shown a list without %s (%s), which lives", who, name, addr)
		}
	}
}

// consumer subscribes to the service and the config.
type consumer struct {
	demo *demo
	name string
	*place
	watchers sync.WaitGroup

	mu       sync.Mutex
	seen     int
	discount int
}

func (d *demo) newConsumer(ctx context.Context, name string, client *sdk.Client, at *place) *consumer {
	c := &consumer{demo: d, name: name, place: at}
	services, configs := naming.New(client), config.New(client)
	c.watchers.Go(func() { c.watchServices(ctx, services) })
	c.watchers.Go(func() { c.watchConfig(ctx, configs) })
	return c
}

// wait returns when the consumer has ended, for which its client must be closed.
func (c *consumer) wait() { c.watchers.Wait() }

func (c *consumer) instances() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// read reports whether the consumer has this config.
func (c *consumer) read(discount int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.discount == discount
}

func (c *consumer) note(change func()) {
	c.mu.Lock()
	change()
	c.mu.Unlock()
	select {
	case c.demo.news <- struct{}{}:
	default:
	}
}

func (c *consumer) watchServices(ctx context.Context, services *naming.Naming) {
	for snap, err := range services.Subscribe(ctx, demoService) {
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, sdk.ErrClosed) {
				c.demo.lose("%s is refused: %w", c.name, err)
			}
			return
		}
		var list, changes []string
		for i := range snap.Instances {
			list = append(list, snap.Instances[i].Address())
		}
		for i := range snap.Added {
			changes = append(changes, "+"+snap.Added[i].Address())
		}
		for i := range snap.Removed {
			changes = append(changes, "-"+snap.Removed[i].Address())
		}
		for i := range snap.Changed {
			changes = append(changes, "~"+snap.Changed[i].New.Address())
		}
		count := "1 instance"
		if n := len(list); n != 1 {
			count = fmt.Sprintf("%d instances", n)
		}
		c.demo.say(c.name, "%s", strings.TrimSpace(fmt.Sprintf("sees %s of %s  %s", count, demoService.Name, strings.Join(changes, " "))))
		c.demo.compare(c.name, list)
		c.note(func() { c.seen = len(list) })
	}
}

func (c *consumer) watchConfig(ctx context.Context, configs *config.Config) {
	for item, err := range configs.Subscribe(ctx, demoConfig) {
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, sdk.ErrClosed) {
				c.demo.lose("%s is refused: %w", c.name, err)
			}
			return
		}
		c.demo.say(c.name, "reads %s: %s", demoConfig.DataID, strings.TrimSpace(item.Content))
		n, err := discountOf(item.Content)
		if err != nil {
			c.demo.lose("%s: %w", c.name, err)
		}
		c.note(func() { c.discount = n })
	}
}

func discountOf(content string) (int, error) {
	return strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(content, "discount:")))
}

// seen is what a server shows.
type seen struct {
	instances []string
	discount  int
	written   int64
}

// look asks this server, and no other.
func (s *demoServer) look(ctx context.Context) (*seen, error) {
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	client, err := sdk.Dial(ctx, []string{s.http}, sdk.CloseTimeout(time.Second))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	got := &seen{}
	list, err := naming.New(client).Instances(ctx, demoService)
	if err != nil {
		return nil, err
	}
	for i := range list {
		got.instances = append(got.instances, list[i].Address())
	}
	item, err := config.New(client).Get(ctx, demoConfig)
	if err != nil {
		return nil, err
	}
	if got.discount, err = discountOf(item.Content); err != nil {
		return nil, err
	}
	zk, err := zkclient.Dial(ctx, []string{s.zookeeper}, zkclient.Options{})
	if err != nil {
		return nil, err
	}
	defer zk.Close()
	if _, err := zk.Sync(ctx, writerPath); err != nil {
		return nil, err
	}
	data, _, err := zk.Get(ctx, writerPath)
	if err != nil {
		return nil, err
	}
	got.written, err = strconv.ParseInt(string(data), 10, 64)
	return got, err
}

// writerPath is the znode that the writer sets.
const writerPath = "/written"

// writer sets a znode to 1, 2, 3 and so on, one write after the other.
type writer struct {
	demo   *demo
	client *zkclient.Client
	stop   context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	last  int64     // that was acknowledged
	begun time.Time // and when it was begun
	ended time.Time // and acknowledged
}

func (d *demo) newWriter(ctx context.Context, servers []*demoServer) (*writer, error) {
	ctx, stop := context.WithCancel(ctx)
	w := &writer{demo: d, stop: stop, done: make(chan struct{})}
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.zookeeper)
	}
	var err error
	dialing, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	if w.client, err = zkclient.Dial(dialing, addrs, zkclient.Options{}); err == nil {
		if _, _, err = w.client.Create(dialing, writerPath, []byte("0"), core.CreateOptions{}); err != nil {
			_ = w.client.Close()
		}
	}
	if err != nil {
		stop()
		return nil, err
	}
	d.say("writer", "sets a znode through a server that follows, one write after the other")
	go w.run(ctx)
	return w, nil
}

func (w *writer) run(ctx context.Context) {
	defer close(w.done)
	for n := int64(1); ctx.Err() == nil; n++ {
		begun := time.Now()
		_, err := w.client.Set(ctx, writerPath, strconv.AppendInt(nil, n, 10), core.AnyVersion)
		switch {
		case err == nil:
			w.mu.Lock()
			w.last, w.begun, w.ended = n, begun, time.Now()
			w.mu.Unlock()
		case ctx.Err() != nil:
		case !core.IsUnknownOutcome(err): // else the server went, and the next one is asked
			w.demo.lose("the writer is refused: %w", err)
			return
		}
		pause(ctx, time.Millisecond)
	}
}

// acknowledged is the last write of which the writer knows.
func (w *writer) acknowledged() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// next waits for the acknowledgement of a write that was begun after a moment, and
// says how long after.
func (w *writer) next(ctx context.Context, after time.Time) (time.Duration, error) {
	for deadline := time.Now().Add(actTime); ; pause(ctx, time.Millisecond) {
		w.mu.Lock()
		begun, ended := w.begun, w.ended
		w.mu.Unlock()
		switch {
		case begun.After(after):
			return ended.Sub(after), nil
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		case time.Now().After(deadline):
			return 0, fmt.Errorf("%w: no write was acknowledged within %v", errLoss, actTime)
		}
	}
}

func (w *writer) close() {
	w.stop()
	<-w.done
	_ = w.client.Close()
}

// provider is a process of its own that registers an instance.
type provider struct {
	*child
	name string
	port int

	mu     sync.Mutex
	server string
}

func (p *provider) at() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server
}

func (d *demo) startProvider(name string, port int, first *demoServer) (p *provider, err error) {
	p = &provider{name: name, port: port}
	out := &lines{hear: func(line string) {
		if i := strings.LastIndexByte(line, ' '); strings.Contains(line, "server-") {
			p.mu.Lock()
			p.server = line[i+1:]
			p.mu.Unlock()
		}
		d.say(name, "%s", line)
	}}
	p.child, err = spawn(out, append([]string{"demo-provider", name, strconv.Itoa(port)}, d.from(first)...)...)
	if err != nil {
		return nil, err
	}
	d.say(name, "started as process %d, registers %s at %s", p.pid(), demoService.Name, demoAddress(port))
	return p, nil
}

// lines hears what is written line by line.
type lines struct {
	hear func(line string)
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		l.hear(string(line))
		l.rest = rest
	}
}

// demoProviderCommand is the process of one provider of the demo.
func demoProviderCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "demo-provider NAME PORT SERVER...",
		Hidden: true,
		Args:   cobra.MinimumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := childContext(cmd.Context())
			defer cancel()
			port, err := strconv.Atoi(args[1])
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			client, _, err := dialDemo(ctx, args[2:], func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) })
			if err != nil {
				return err
			}
			defer client.Close()
			err = naming.New(client).Register(ctx, demoService, naming.Instance{
				IP: "127.0.0.1", Port: port, Metadata: map[string]string{"name": args[0]},
			})
			if err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		},
	}
}
