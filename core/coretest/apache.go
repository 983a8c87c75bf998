package coretest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// RequireInterop is the environment variable that makes what needs a foreign
// program fail instead of skip.
const RequireInterop = "ZENSUS_REQUIRE_INTEROP"

// apacheJars is where Debian's package zookeeper puts Apache ZooKeeper.
const apacheJars = "/usr/share/java"

// Apache is a running Apache ZooKeeper server, standalone and on loopback.
type Apache struct {
	Addr string

	dir  string
	java string
	more string // lines of the configuration, of a server of an ensemble
	cmd  *exec.Cmd
	hold io.Closer // the server lives until it is closed
}

// StartApache starts an Apache ZooKeeper of the machine's own and returns its
// address; it is stopped and its data removed when the test ends. Without Java or
// the jars the test skips, saying why, unless RequireInterop is set to 1.
func StartApache(t testing.TB) (addr string) {
	t.Helper()
	return NewApache(t).Addr
}

// NewApache is StartApache for tests that also restart the server.
func NewApache(t testing.TB) *Apache {
	t.Helper()
	a := newApache(t)
	// Between the choice of a port and its use somebody else may take it.
	for range 5 {
		a.Addr = freeAddr(t)
		a.configure(t)
		if a.start(t) {
			return a
		}
	}
	t.Fatal("Apache ZooKeeper finds no free port")
	return nil
}

func newApache(t testing.TB) *Apache {
	t.Helper()
	java, err := exec.LookPath("java")
	if err != nil {
		unavailable(t, "there is no java to run Apache ZooKeeper with")
	}
	if _, err := os.Stat(filepath.Join(apacheJars, "zookeeper.jar")); err != nil {
		unavailable(t, "Apache ZooKeeper is not installed (Debian package zookeeper)")
	}
	a := &Apache{dir: t.TempDir(), java: java}
	t.Cleanup(a.stop)
	return a
}

// NewApacheEnsemble starts so many servers that form an ensemble, and returns when all
// of them serve. As with NewApache, the test skips where they cannot be run.
func NewApacheEnsemble(t testing.TB, servers int) []*Apache {
	t.Helper()
	all := make([]*Apache, servers)
	more := "initLimit=20\nsyncLimit=10\n"
	for i := range all {
		all[i] = newApache(t)
		all[i].Addr = freeAddr(t)
		more += fmt.Sprintf("server.%d=%s:%s\n", i+1, freeAddr(t), strings.TrimPrefix(freeAddr(t), "127.0.0.1:"))
	}
	for i, a := range all {
		a.more = more
		a.configure(t)
		if err := os.MkdirAll(filepath.Join(a.dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(a.dir, "data", "myid"), fmt.Appendln(nil, i+1), 0o600); err != nil {
			t.Fatal(err)
		}
		a.launch(t)
	}
	for _, a := range all {
		if !a.await(t) {
			t.Fatalf("somebody took a port of the ensemble, or %s, before it was used", a.Addr)
		}
	}
	return all
}

// Leads reports whether the server is its ensemble's leader.
func (a *Apache) Leads() bool { return strings.Contains(srvr(a.Addr), "Mode: leader") }

func (a *Apache) configure(t testing.TB) {
	t.Helper()
	_, port, _ := net.SplitHostPort(a.Addr)
	cfg := fmt.Sprintf(`dataDir=%s
clientPortAddress=127.0.0.1
clientPort=%s
tickTime=500
maxSessionTimeout=90000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
%s`, filepath.Join(a.dir, "data"), port, a.more)
	if err := os.WriteFile(filepath.Join(a.dir, "zoo.cfg"), []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
}

func unavailable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv(RequireInterop) == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// given are the ports that freeAddr has given to this process.
var given sync.Map

// freeAddr is a loopback address on which nobody listens at the moment, and that it has
// not returned before. Its port is below those that the system gives to whoever asks for
// any: it stays free while its server is down between two starts.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := 12_000 + rand.IntN(18_000)
		if _, twice := given.LoadOrStore(port, true); twice {
			continue
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return addr
	}
	t.Fatal("no port is free")
	return ""
}

// Restart kills the server and starts it again on its data.
func (a *Apache) Restart(t testing.TB) {
	t.Helper()
	a.stop()
	if !a.start(t) {
		t.Fatalf("somebody took %s while Apache ZooKeeper was down", a.Addr)
	}
}

// RestartEmpty kills the server and starts it again without any data.
func (a *Apache) RestartEmpty(t testing.TB) {
	t.Helper()
	a.stop()
	if err := os.RemoveAll(filepath.Join(a.dir, "data", "version-2")); err != nil {
		t.Fatal(err)
	}
	if !a.start(t) {
		t.Fatalf("somebody took %s while Apache ZooKeeper was down", a.Addr)
	}
}

// Stop kills the server.
func (a *Apache) Stop() { a.stop() }

func (a *Apache) stop() {
	if a.cmd == nil {
		return
	}
	a.hold.Close()
	_ = a.cmd.Wait() // it was killed
	a.cmd = nil
}

// start is false if the port is in use.
func (a *Apache) start(t testing.TB) bool {
	t.Helper()
	a.launch(t)
	return a.await(t)
}

func (a *Apache) launch(t testing.TB) {
	t.Helper()
	log, err := os.Create(a.log())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// The shell kills the server when its input ends, which it does even where
	// this process is killed: no test leaves a server behind.
	a.cmd = exec.Command("sh", "-c", `"$@" & read -r _; kill -9 $!; wait`, "sh",
		a.java, "-Xmx256m", "-XX:TieredStopAtLevel=1",
		"-Dzookeeper.extendedTypesEnabled=true",
		"-Dzookeeper.DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=",
		"-cp", filepath.Join(apacheJars, "*"),
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(a.dir, "zoo.cfg"))
	a.cmd.Dir = a.dir
	a.cmd.Stdout, a.cmd.Stderr = log, log
	if a.hold, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		a.cmd = nil
		t.Fatal(err)
	}
}

func (a *Apache) log() string { return filepath.Join(a.dir, "server.log") }

// await is false if a port is in use.
func (a *Apache) await(t testing.TB) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !serving(a.Addr) {
		text, _ := os.ReadFile(a.log())
		if strings.Contains(string(text), "Address already in use") {
			a.stop()
			return false
		}
		select {
		case <-ctx.Done():
			a.stop()
			t.Fatalf("Apache ZooKeeper does not answer on %s:\n%s", a.Addr, text)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return true
}

// serving asks the four-letter word srvr whether the server takes sessions.
func serving(addr string) bool { return strings.Contains(srvr(addr), "Zookeeper version") }

// srvr is the server's answer to that word.
func srvr(addr string) string {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte("srvr")); err != nil {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(conn, 64<<10))
	if err != nil {
		return ""
	}
	return string(text)
}
