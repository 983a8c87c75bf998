package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/internal/settings"
)

// child is a process that ends with this one: it reads its standard input, whose
// other end is held here, until that is closed by whoever dies.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{}
}

// spawn runs this program with other arguments.
func spawn(out io.Writer, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...) //nolint:gosec // itself
	for _, v := range os.Environ() {   // what is set for a server is not set for these
		if !strings.HasPrefix(v, "ZENSUS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Stdout, cmd.Stderr = out, out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, stdin: stdin, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended does not matter
		close(c.done)
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) up() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// kill is kill -9.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.done
}

// endTime is how long a child may take to end.
const endTime = 5 * time.Second

// end lets the child end by itself, and helps if that takes long.
func (c *child) end() {
	_ = c.stdin.Close()
	select {
	case <-c.done:
	case <-time.After(endTime):
		c.kill()
	}
}

// childContext ends with the parent of this process, or when that says so. An
// interrupt from the keyboard reaches the parent too, which then says so.
func childContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
		time.Sleep(2 * endTime)
		os.Exit(1) // nobody is left who could help
	}()
	return ctx, func() { cancel(); stop() }
}

// demoServer is one of the three.
type demoServer struct {
	*child
	id                    int
	name                  string
	http, zookeeper, peer string
	file, log             string // configuration, and what it writes
}

// serversOfDemo is how many there are: of three, one may fail.
const serversOfDemo = 3

// startServers runs all three, on the usual ports where they are free.
func (d *demo) startServers(ctx context.Context) error {
	for tries := 1; ; tries++ {
		err := d.tryServers(ctx, tries > 1)
		// Between looking for a free port and opening it somebody may take it.
		if err == nil || tries == 3 || !strings.Contains(err.Error(), "in use") {
			return err
		}
		d.stopServers()
		if err := os.RemoveAll(d.dir); err != nil {
			return err
		}
	}
}

func (d *demo) tryServers(ctx context.Context, anyPorts bool) error {
	if err := d.describeServers(anyPorts); err != nil {
		return err
	}
	began := time.Now()
	for _, s := range d.servers {
		if err := s.start(); err != nil {
			return err
		}
	}
	for _, s := range d.servers {
		if err := s.ready(ctx); err != nil {
			return err
		}
	}
	usual := true
	for _, s := range d.servers {
		d.say(s.name, "process %d: HTTP, console and everything else on %s, ZooKeeper on %s", s.pid(), s.http, s.zookeeper)
		usual = usual && s.http == demoAddress(8848+s.id-1) && s.zookeeper == demoAddress(2181+s.id-1)
	}
	if !usual {
		d.say("demo", "other ports than the usual ones, of which some are taken: from 8848, 9848 and 2181 on")
	}
	d.say("demo", "all of them serve, %s after they were started; console: http://%s/", millis(time.Since(began)), d.servers[0].http)
	return nil
}

// describeServers writes the configuration of each server.
func (d *demo) describeServers(anyPorts bool) error {
	secret := filepath.Join(d.dir, "secret")
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	if err := errors.Join(os.MkdirAll(d.dir, 0o700), os.WriteFile(secret, []byte(hex.EncodeToString(random)), 0o600)); err != nil {
		return err
	}
	ports := &freePorts{anyPorts: anyPorts}
	defer ports.release()
	d.servers = nil
	var members []string
	for id := 1; id <= serversOfDemo; id++ {
		s := &demoServer{
			id: id, name: fmt.Sprintf("server-%d", id),
			http: ports.take(8848+id-1, 1000), zookeeper: ports.take(2181 + id - 1), peer: ports.take(2888 + id - 1),
			file: filepath.Join(d.dir, fmt.Sprintf("%d.yaml", id)), log: filepath.Join(d.dir, fmt.Sprintf("%d.log", id)),
		}
		members = append(members, fmt.Sprintf("%q", fmt.Sprintf("%d=%s", id, s.peer)))
		d.servers = append(d.servers, s)
	}
	for _, s := range d.servers {
		text := fmt.Sprintf(`node: {id: %d}
members: [%s]
secret_file: %q
data_dir: %q
listen: {http: %q, zookeeper: %q, peer: %q}
engine: {disk_ballast_bytes: -1, log_segment_bytes: %d}
log: {format: text}
`, s.id, strings.Join(members, ", "), secret, filepath.Join(d.dir, strconv.Itoa(s.id)), s.http, s.zookeeper, s.peer, 4<<20)
		if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) stopServers() {
	for _, s := range d.servers {
		if s.child != nil {
			s.end()
		}
	}
}

// leader is the server that says so.
func (d *demo) leader() *demoServer {
	for _, s := range d.servers {
		if s.role() == "leader" {
			return s
		}
	}
	return nil
}

func (s *demoServer) start() error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.child, err = spawn(log, "demo-server", s.file)
	return err
}

// ready waits until the server serves everything.
func (s *demoServer) ready(ctx context.Context) error {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for deadline := time.Now().Add(actTime); ; pause(ctx, 5*time.Millisecond) {
		res, err := client.Get("http://" + s.http + "/readyz")
		if err == nil {
			if err = res.Body.Close(); err == nil && res.StatusCode == http.StatusOK {
				return nil
			}
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !s.up() || time.Now().After(deadline):
			text, _ := os.ReadFile(s.log)
			return fmt.Errorf("demo: %s does not serve:\n%s", s.name, text[max(0, len(text)-2000):])
		}
	}
}

// role is what the server says that it is, leader or follower.
func (s *demoServer) role() string {
	c, err := net.DialTimeout("tcp", s.zookeeper, time.Second)
	if err != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, "srvr"); err != nil {
		return ""
	}
	text, _ := io.ReadAll(io.LimitReader(c, 1<<16)) // what came before an error will do
	_, role, _ := strings.Cut(string(text), "Mode: ")
	role, _, _ = strings.Cut(role, "\n")
	return role
}

func demoAddress(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts finds ports that are free, and keeps them until release so that none is
// found twice.
type freePorts struct {
	anyPorts bool // also where the usual ones are free
	held     []net.Listener
}

// take is an address on loopback: the port wanted, or any if that, or one so many
// above it, is taken.
func (f *freePorts) take(want int, above ...int) string {
	for try := range 200 {
		port := want
		if try > 0 || f.anyPorts {
			port = 20_000 + mathrand.IntN(11_000) // below those that clients get
		}
		if f.hold(append([]int{0}, above...), port) {
			return demoAddress(port)
		}
	}
	return demoAddress(want) // opening it will say what is wrong
}

func (f *freePorts) hold(offsets []int, port int) bool {
	var now []net.Listener
	for _, o := range offsets {
		l, err := net.Listen("tcp", demoAddress(port+o))
		if err != nil {
			for _, l := range now {
				_ = l.Close()
			}
			return false
		}
		now = append(now, l)
	}
	f.held = append(f.held, now...)
	return true
}

func (f *freePorts) release() {
	for _, l := range f.held {
		_ = l.Close()
	}
}

// demoServerCommand is the process of one server of the demo.
func demoServerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "demo-server FILE",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := settings.Load(args[0], nil)
			if err != nil {
				return err
			}
			p, err := fromSettings(s)
			if err != nil {
				return err
			}
			ctx, cancel := childContext(cmd.Context())
			defer cancel()
			return p.serve(ctx, cmd.ErrOrStderr())
		},
	}
}
