package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/cmd/zensus/ctl"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/config"
	"github.com/zensus-io/zensus/sdk/naming"
)

func demoCommand() *cobra.Command {
	var length, every time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "show three servers and their clients at work, and one of them killed",
		Long: `Start three servers in a temporary directory, each a process of its own, with
providers, consumers and a writer at different ones of them, and kill the server that
leads, as kill -9 does: nobody may notice. No list loses an instance that lives, a
config is read and published, nothing that was acknowledged is lost; else the status
is 1. Then the server comes back, and a provider is killed, which the consumers are
told. It goes on with the console open until it is stopped; with --for it ends by
itself after this time, when all of that has been shown. Other clients may come, to
the addresses that it says; with --kill-every it goes on killing, each server in turn,
and starting it again.`,
		Args: ctl.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every < 0 {
				return fmt.Errorf("demo: --kill-every: %v is no time to wait", every)
			}
			return runDemo(cmd.Context(), cmd.OutOrStdout(), length, every)
		},
	}
	cmd.Flags().DurationVar(&length, "for", 0, "end by itself after this time")
	cmd.Flags().DurationVar(&every, "kill-every", 0, "kill the next server, and start it again, after this time each, while it goes on")
	return cmd
}

// actTime is how long anything that is waited for may take.
const actTime = 30 * time.Second

var (
	demoService = naming.Service{Name: "orders"}
	demoConfig  = config.Key{DataID: "orders.yaml"}
)

// demo is a running demonstration.
type demo struct {
	began   time.Time
	dir     string
	servers []*demoServer
	fail    context.CancelCauseFunc // ends it with an error
	news    chan struct{}           // capacity 1: a consumer has been told something

	mu struct {
		sync.Mutex
		out    io.Writer
		living map[string]string // addresses that must be in every list, and who is there
	}
}

// say prints what somebody sees, with the time since the start.
func (d *demo) say(who, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.mu.out, "%8.3fs  %-10s %s\n", time.Since(d.began).Seconds(), who, fmt.Sprintf(format, args...))
}

// errLoss is in the error of a demo in which somebody noticed.
var errLoss = errors.New("demo: a loss")

// lose ends the demo: somebody noticed.
func (d *demo) lose(format string, args ...any) {
	d.fail(fmt.Errorf("%w: "+format, append([]any{errLoss}, args...)...))
}

func runDemo(ctx context.Context, out io.Writer, length, every time.Duration) error {
	stopped := ctx
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	d := &demo{began: time.Now(), fail: fail, news: make(chan struct{}, 1)}
	d.mu.out, d.mu.living = out, map[string]string{}
	var err error
	if d.dir, err = os.MkdirTemp("", "zensus-demo-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(d.dir) }()
	defer d.stopServers()
	if err = d.startServers(ctx); err == nil {
		err = d.play(ctx, length, every)
	}
	if cause := context.Cause(ctx); cause != nil { // everything else follows from it
		err = cause
	}
	if stopped.Err() != nil && !errors.Is(err, errLoss) {
		err = nil // it was to end
	}
	d.say("demo", "ends")
	return err
}

// play puts everybody on the stage, and takes them off again.
func (d *demo) play(ctx context.Context, length, every time.Duration) (err error) {
	s := &stage{demo: d}
	leader := d.leader()
	if leader == nil {
		return errors.New("demo: nobody leads")
	}
	s.leader, s.others = leader, nil
	for _, o := range d.servers {
		if o != leader {
			s.others = append(s.others, o)
		}
	}
	d.say("demo", "%s leads", leader.name)
	defer s.close()
	if err := s.enter(ctx); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{s.killLeader, s.returnLeader, s.killProvider} {
		pause(ctx, time.Second)
		if err := act(ctx); err != nil {
			return err
		}
	}
	return s.goOn(ctx, length, every)
}

// stage is who takes part.
type stage struct {
	*demo
	leader    *demoServer // which is killed
	others    []*demoServer
	consumers []*consumer
	providers []*provider
	clients   []*sdk.Client
	publisher *config.Config
	discount  int // that was published last
	writer    *writer
}

func (s *stage) close() {
	if s.writer != nil {
		s.writer.close()
	}
	var ends sync.WaitGroup // of consumers first: that providers end now is no news to tell
	for _, c := range s.clients {
		ends.Go(func() { _ = c.Close() })
	}
	ends.Wait()
	for _, c := range s.consumers {
		c.wait()
	}
	for _, p := range s.providers {
		s.lives(p, false)
		p.kill()
	}
}

// enter starts the clients, each at a server of its own.
func (s *stage) enter(ctx context.Context) error {
	a, b := s.others[0], s.others[1]
	client, _, err := s.dial(ctx, "publisher", b)
	if err != nil {
		return err
	}
	s.clients, s.publisher = append(s.clients, client), config.New(client)
	if err := s.publish(ctx); err != nil {
		return err
	}
	for i, at := range []*demoServer{a, s.leader} {
		name := fmt.Sprintf("consumer-%d", i+1)
		client, where, err := s.dial(ctx, name, at)
		if err != nil {
			return err
		}
		s.clients = append(s.clients, client)
		s.consumers = append(s.consumers, s.newConsumer(ctx, name, client, where))
	}
	for i, at := range []*demoServer{s.leader, a, b} {
		p, err := s.startProvider(fmt.Sprintf("provider-%d", i+1), 9001+i, at)
		if err != nil {
			return err
		}
		s.providers = append(s.providers, p)
	}
	if err := s.await(ctx, "see three instances", func(c *consumer) bool { return c.instances() == 3 }); err != nil {
		return err
	}
	for _, p := range s.providers {
		s.lives(p, true)
	}
	s.writer, err = s.newWriter(ctx, s.others)
	return err
}

// killLeader is what nobody may notice.
func (s *stage) killLeader(ctx context.Context) error {
	s.say("demo", "kills process %d (%s, which leads) without a warning", s.leader.pid(), s.leader.name)
	killed := time.Now()
	s.leader.kill()
	next, err := s.writer.next(ctx, killed)
	if err != nil {
		return err
	}
	s.say("writer", "its next write is acknowledged %s after the kill", millis(next))
	if err := s.publish(ctx); err != nil {
		return fmt.Errorf("%w: nothing can be published: %w", errLoss, err)
	}
	s.say("publisher", "that was acknowledged %s after the kill", millis(time.Since(killed)))
	if err := s.await(ctx, "read what was published, and be somewhere else", func(c *consumer) bool {
		return c.read(s.discount) && c.at() != s.leader.name
	}); err != nil {
		return err
	}
	if err := s.awaitProviders(ctx); err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	pause(ctx, time.Second) // lists that are still to come count as well
	s.say("demo", "nobody noticed: no list was without an instance that lives, no write was lost")
	return context.Cause(ctx)
}

// awaitProviders waits until the provider of the killed server is at another one.
func (s *stage) awaitProviders(ctx context.Context) error {
	for deadline := time.Now().Add(actTime); s.providers[0].at() == s.leader.name; pause(ctx, 5*time.Millisecond) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %s found no other server", errLoss, s.providers[0].name)
		}
	}
	return nil
}

// look asks every server that is up for the list, the config and the last write.
func (s *stage) look(ctx context.Context) error {
	wrote := s.writer.acknowledged()
	for _, at := range s.servers {
		if !at.up() {
			continue
		}
		seen, err := at.look(ctx)
		if err != nil {
			return fmt.Errorf("%w: %s does not answer: %w", errLoss, at.name, err)
		}
		s.compare(at.name, seen.instances)
		if seen.discount != s.discount {
			return fmt.Errorf("%w: %s has discount: %d, and %d was published", errLoss, at.name, seen.discount, s.discount)
		}
		if seen.written < wrote {
			return fmt.Errorf("%w: %s has write %d, and %d was acknowledged", errLoss, at.name, seen.written, wrote)
		}
		s.say(at.name, "asked, it has %d instances, discount: %d, and write %d; %d was acknowledged before", len(seen.instances), seen.discount, seen.written, wrote)
	}
	return context.Cause(ctx)
}

// returnLeader starts the killed server again.
func (s *stage) returnLeader(ctx context.Context) error {
	began := time.Now()
	if err := s.leader.start(); err != nil {
		return err
	}
	s.say(s.leader.name, "started again as process %d", s.leader.pid())
	if err := s.leader.ready(ctx); err != nil {
		return err
	}
	s.say(s.leader.name, "serves after %s, as %s", millis(time.Since(began)), s.leader.role())
	s.writer.close()
	return s.look(ctx)
}

// killProvider is what the consumers must notice.
func (s *stage) killProvider(ctx context.Context) error {
	victim := s.providers[1]
	s.lives(victim, false)
	s.say("demo", "kills process %d (%s) without a warning", victim.pid(), victim.name)
	killed := time.Now()
	victim.kill()
	if err := s.await(ctx, "be told", func(c *consumer) bool { return c.instances() == 2 }); err != nil {
		return err
	}
	s.say("demo", "both consumers were told %s after the kill", millis(time.Since(killed)))
	pause(ctx, time.Second)
	again, err := s.startProvider(victim.name, victim.port, s.leader)
	if err != nil {
		return err
	}
	s.providers[1] = again
	if err := s.await(ctx, "see three instances", func(c *consumer) bool { return c.instances() == 3 }); err != nil {
		return err
	}
	s.lives(again, true)
	return nil
}

// goOn publishes now and then until the time is over, and kills a server every so often, or never.
func (s *stage) goOn(ctx context.Context, length, every time.Duration) error {
	if length > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, s.began.Add(length))
		defer stop()
	}
	if length > 0 && every == 0 {
		<-ctx.Done()
		return nil
	}
	var nacos, zookeeper []string
	for _, at := range s.servers {
		s.say("demo", "console: http://%s/", at.http)
		nacos, zookeeper = append(nacos, at.http), append(zookeeper, at.zookeeper)
	}
	s.say("demo", "other clients may come, those of Nacos to %s", strings.Join(nacos, ","))
	s.say("demo", "and those of ZooKeeper to %s", strings.Join(zookeeper, ","))
	if length == 0 {
		s.say("demo", "goes on until it is stopped")
	}
	killed := time.Now()
	for next := 0; ctx.Err() == nil; {
		wait := publishPause
		if every > 0 {
			wait = min(wait, time.Until(killed.Add(every)))
		}
		pause(ctx, wait)
		if ctx.Err() != nil {
			break
		}
		if every > 0 && time.Since(killed) >= every {
			if err := s.killNext(ctx, s.servers[next%len(s.servers)]); err != nil && ctx.Err() == nil {
				return err
			}
			killed, next = time.Now(), next+1
			continue
		}
		if err := s.publish(ctx); err != nil && ctx.Err() == nil {
			s.say("publisher", "not acknowledged: %v", err)
		}
	}
	return nil
}

// publishPause is the time between two contents while the demo goes on.
const publishPause = 4 * time.Second

// killNext kills a server, has everybody find out what was published without it, and starts it
// again.
func (s *stage) killNext(ctx context.Context, victim *demoServer) error {
	s.say("demo", "kills process %d (%s) without a warning", victim.pid(), victim.name)
	victim.kill()
	// The publisher may have been there: then what it asks first can be lost with the server.
	for deadline := time.Now().Add(actTime); ; pause(ctx, 10*time.Millisecond) {
		err := s.publish(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("%w: nothing can be published: %w", errLoss, err)
		}
	}
	if err := s.await(ctx, "read what was published", func(c *consumer) bool { return c.read(s.discount) }); err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	pause(ctx, time.Second)
	if err := victim.start(); err != nil {
		return err
	}
	s.say(victim.name, "started again as process %d", victim.pid())
	if err := victim.ready(ctx); err != nil {
		return err
	}
	return s.look(ctx)
}

// publish changes the config.
func (s *stage) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	s.discount++
	content := fmt.Sprintf("discount: %d\n", s.discount)
	if err := s.publisher.Publish(ctx, demoConfig, content, config.Type("yaml")); err != nil {
		return err
	}
	s.say("publisher", "published %s: %s", demoConfig.DataID, strings.TrimSpace(content))
	return nil
}

// await waits until something holds for every consumer.
func (s *stage) await(ctx context.Context, what string, holds func(*consumer) bool) error {
	deadline := time.After(actTime)
	for _, c := range s.consumers {
		for !holds(c) {
			select {
			case <-s.news:
			case <-time.After(10 * time.Millisecond):
			case <-deadline:
				return fmt.Errorf("%w: %s did not %s within %v", errLoss, c.name, what, actTime)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

func pause(ctx context.Context, t time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(t):
	}
}

// millis is a short time for people.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
