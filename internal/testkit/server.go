package testkit

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startTime = 30 * time.Second
	stopTime  = 15 * time.Second
)

// Options say what a server is to be. The zero value is a ZooKeeper port and
// nothing else.
type Options struct {
	// Nacos opens the HTTP port and the gRPC port, where clients expect it.
	Nacos bool
	// Auth requires logins on the Nacos side (which it needs). Such a server runs
	// on flags, without a zoo.cfg.
	Auth bool
	// Alone: the test is about a single server, whatever RoleVariable says.
	Alone bool
	// Between, if set, says under which address one member of an ensemble reaches
	// another: of which the port of the peers is addr.
	Between func(from, to int, addr string) string
	// Config holds further lines of the zoo.cfg, by key.
	Config map[string]string
	// Settings, if set, makes the members of an ensemble run on a zensus.yaml with
	// these settings in place of a zoo.cfg, by section and key.
	Settings map[string]map[string]any
	// Data, if set, is told where each member will have its data, before it starts.
	Data func(member int, dir string)
}

// Server is a running zensus.
type Server struct {
	// ZooKeeper, HTTP and GRPC are addresses, host:port. The last two are empty
	// without Options.Nacos, the first for a server on an Apache ZooKeeper.
	ZooKeeper, HTTP, GRPC string
	// HTTPPort and GRPCPort are the ports of the addresses.
	HTTPPort, GRPCPort int
	// Dir holds the configuration, the log and, under data, the data.
	Dir string

	t       testing.TB
	args    []string          // of the command
	member  map[string]string // lines of the zoo.cfg that members have
	id      int               // of a member, or of a node with a backend
	peer    string            // where it listens for the others
	members []string          // as a zensus.yaml names them
	backend string            // engine.backend, if it is not the server's own
	secret  string            // the file of those with a backend
	process *process
}

// Start runs a server until the test ends. It returns when the server answers.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	switch role := os.Getenv(RoleVariable); {
	case role == "" || o.Alone:
	case role == OnZooKeeper && !o.Nacos:
		t.Skip("a server on an Apache ZooKeeper has no ZooKeeper port of its own")
	case role == OnZooKeeper:
		return StartOnApache(t, o, 1)[0]
	case !o.Auth:
		return startAs(t, o, role)
	}
	s := &Server{t: t, Dir: t.TempDir()}
	for tries := 1; ; tries++ {
		s.pickPorts(o)
		s.configure(o)
		err := s.start()
		if err == nil {
			break
		}
		if tries == 5 || !strings.Contains(err.Error(), "address already in use") {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.close)
	return s
}

func (s *Server) pickPorts(o Options) {
	s.ZooKeeper = loopback(FreePort(s.t))
	if o.Nacos {
		s.HTTPPort = FreePort(s.t, besides...)
		s.GRPCPort = s.HTTPPort + grpcOffset
		s.HTTP, s.GRPC = loopback(s.HTTPPort), loopback(s.GRPCPort)
	}
}

// configure decides on the command line, and writes the zoo.cfg that it names.
func (s *Server) configure(o Options) {
	if s.backend != "" {
		s.configureOnApache(o)
		return
	}
	if o.Auth {
		s.args = []string{
			"serve", "--auth", "--data-dir", s.DataDir(), "--http", s.HTTP, "--grpc", s.GRPC, "--zookeeper", s.ZooKeeper,
		}
		return
	}
	if o.Settings != nil {
		s.configureSettings(o)
		return
	}
	s.args = []string{"serve", "-c", s.file("zoo.cfg")}
	host, port, err := net.SplitHostPort(s.ZooKeeper)
	if err != nil {
		s.t.Fatal(err)
	}
	settings := map[string]string{
		"dataDir": s.DataDir(), "clientPortAddress": host, "clientPort": port,
		"tickTime": "500", "maxSessionTimeout": "60000", "maxClientCnxns": "0",
		"admin.enableServer": "false", "extendedTypesEnabled": "true", "4lw.commands.whitelist": "*",
	}
	if o.Nacos {
		settings["zensus.listen.http"], settings["zensus.listen.grpc"] = s.HTTP, s.GRPC
	}
	for _, more := range []map[string]string{s.member, o.Config} {
		for k, v := range more {
			settings[k] = v
		}
	}
	lines := make([]string, 0, len(settings))
	for k, v := range settings {
		lines = append(lines, k+"="+v+"\n")
	}
	sort.Strings(lines)
	if err := os.WriteFile(s.file("zoo.cfg"), []byte(strings.Join(lines, "")), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) file(name string) string { return filepath.Join(s.Dir, name) }

// DataDir is the server's data directory.
func (s *Server) DataDir() string { return s.file("data") }

// start runs the process and waits until it answers.
func (s *Server) start() error {
	if err := s.launch(); err != nil {
		return err
	}
	return s.await()
}

func (s *Server) launch() error {
	p, err := run(s.file("log"), Binary(s.t), s.args...)
	if err == nil {
		s.process = p
	}
	return err
}

func (s *Server) await() error {
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if s.process.ended() {
			return fmt.Errorf("testkit: the server ended: %w\n%s", s.process.err, s.Log(20))
		}
		if s.answers() {
			return nil
		}
	}
	s.process.signal(syscall.SIGKILL)
	return fmt.Errorf("testkit: no answer within %v\n%s", startTime, s.Log(20))
}

// answers reports whether every port that was asked for is being served.
func (s *Server) answers() bool {
	if s.ZooKeeper != "" {
		if word, err := FourLetterWord(s.ZooKeeper, "srvr"); err != nil || !strings.Contains(word, "Mode:") {
			return false
		}
	}
	if s.HTTP == "" {
		return true
	}
	client := http.Client{Timeout: time.Second}
	res, err := client.Get("http://" + s.HTTP + "/readyz")
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

// Kill ends the server at once, as kill -9 does.
func (s *Server) Kill() {
	s.t.Helper()
	s.end(syscall.SIGKILL)
}

// Stop asks the server to end and waits until it has.
func (s *Server) Stop() {
	s.t.Helper()
	s.end(syscall.SIGTERM)
}

func (s *Server) end(sig syscall.Signal) {
	s.t.Helper()
	s.process.signal(sig)
	if err := s.process.wait(stopTime); err != nil {
		s.process.signal(syscall.SIGQUIT) // the Go runtime says where everything stands
		_ = s.process.wait(stopTime)
		s.t.Fatalf("testkit: %v: %v\n%s", sig, err, s.Log(2000))
	}
}

// Restart starts a server that was killed or stopped, on the same ports and data.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

// Signal sends the server a signal.
func (s *Server) Signal(sig syscall.Signal) { s.process.signal(sig) }

// Launch starts a server that was killed or stopped, and does not wait for it.
func (s *Server) Launch() {
	s.t.Helper()
	if err := s.launch(); err != nil {
		s.t.Fatal(err)
	}
}

// Run runs a command of the binary to its end and returns what it printed.
func (s *Server) Run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(s.t), args...) //nolint:gosec // the binary under test
	cmd.Dir = s.Dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// AddAdmin makes the first administrator of a server with Options.Auth.
func (s *Server) AddAdmin(name, password string) {
	s.t.Helper()
	secret := s.file("password")
	if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
		s.t.Fatal(err)
	}
	out, err := s.Run("user", "add", name, "--admin", "--password-file", secret,
		"--server", "http://"+s.HTTP, "--token-file", filepath.Join(s.DataDir(), "admin-token"))
	if err != nil {
		s.t.Fatalf("testkit: user add: %v: %s", err, out)
	}
}

// Ended reports whether the process has ended, by itself or not.
func (s *Server) Ended() bool { return s.process.ended() }

// PID is the process id of the running server.
func (s *Server) PID() int { return s.process.cmd.Process.Pid }

// Log returns the last lines of what the server has written.
func (s *Server) Log(lines int) string { return tail(s.file("log"), lines) }

// close ends the server with the test. A server that has ended by itself fails
// the test: nothing that a client does may end it.
func (s *Server) close() {
	if s.process.ended() {
		if state := s.process.cmd.ProcessState; !killed(state) && !state.Success() {
			s.t.Errorf("testkit: the server ended by itself: %v\n%s", state, s.Log(40))
		}
		return
	}
	s.process.signal(syscall.SIGKILL)
	if err := s.process.wait(stopTime); err != nil {
		s.t.Errorf("testkit: %v", err)
	}
	if s.t.Failed() {
		s.t.Logf("testkit: the server's last words:\n%s", s.Log(30))
	}
}

func killed(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// FourLetterWord sends one of ZooKeeper's words and returns the answer.
func FourLetterWord(addr, word string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(io.LimitReader(c, 1<<20))
	return string(answer), err
}
