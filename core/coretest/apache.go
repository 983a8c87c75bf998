package coretest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	cmd  *exec.Cmd
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
	java, err := exec.LookPath("java")
	if err != nil {
		unavailable(t, "there is no java to run Apache ZooKeeper with")
	}
	if _, err := os.Stat(filepath.Join(apacheJars, "zookeeper.jar")); err != nil {
		unavailable(t, "Apache ZooKeeper is not installed (Debian package zookeeper)")
	}
	dir := t.TempDir()
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	cfg := fmt.Sprintf(`dataDir=%s
clientPortAddress=127.0.0.1
clientPort=%s
tickTime=500
maxSessionTimeout=60000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
`, filepath.Join(dir, "data"), port)
	if err := os.WriteFile(filepath.Join(dir, "zoo.cfg"), []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &Apache{Addr: addr, dir: dir, java: java}
	t.Cleanup(a.stop)
	a.start(t)
	return a
}

func unavailable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv(RequireInterop) == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// freeAddr is a loopback address on which nobody listens at the moment.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Restart kills the server and starts it again on its data.
func (a *Apache) Restart(t testing.TB) {
	t.Helper()
	a.stop()
	a.start(t)
}

// Stop kills the server.
func (a *Apache) Stop() { a.stop() }

func (a *Apache) stop() {
	if a.cmd == nil {
		return
	}
	a.cmd.Process.Kill()
	a.cmd.Wait()
	a.cmd = nil
}

func (a *Apache) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(a.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	a.cmd = exec.Command(a.java, "-Xmx256m", "-XX:TieredStopAtLevel=1",
		"-Dzookeeper.extendedTypesEnabled=true",
		"-Dzookeeper.DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=",
		"-cp", filepath.Join(apacheJars, "*"),
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(a.dir, "zoo.cfg"))
	a.cmd.Dir = a.dir
	a.cmd.Stdout, a.cmd.Stderr = log, log
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !serving(a.Addr) {
		select {
		case <-ctx.Done():
			a.stop()
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("Apache ZooKeeper does not answer on %s:\n%s", a.Addr, text)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// serving asks the four-letter word srvr whether the server takes sessions.
func serving(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("srvr")); err != nil {
		return false
	}
	var b [512]byte
	n, _ := conn.Read(b[:])
	return strings.Contains(string(b[:n]), "Zookeeper version")
}
