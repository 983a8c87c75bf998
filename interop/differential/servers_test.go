package differential_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zensus-io/zensus/internal/testkit"
)

// apacheJars is where Debian's package zookeeper puts Apache ZooKeeper.
const apacheJars = "/usr/share/java"

// settings are the lines of the zoo.cfg that both servers get, beside those that
// say where they are.
func settings(more map[string]string) map[string]string {
	all := map[string]string{
		"tickTime": "250", "minSessionTimeout": "1000", "maxSessionTimeout": "60000", "maxClientCnxns": "0",
		"admin.enableServer": "false", "4lw.commands.whitelist": "*", "extendedTypesEnabled": "true",
		"DigestAuthenticationProvider.superDigest": "super:D/InIHSb7yEEbrWz8b9l71RjZJU=",
	}
	for k, v := range more {
		all[k] = v
	}
	return all
}

// missing skips the test, or fails it where nothing may be missing.
func missing(t testing.TB, why string) {
	t.Helper()
	testkit.Missing(t, why)
}

// startReference starts Apache ZooKeeper for as long as the test lasts.
func startReference(t testing.TB, cfg map[string]string) (addr string) {
	t.Helper()
	java, err := exec.LookPath("java")
	if err != nil {
		missing(t, "there is no java to run Apache ZooKeeper with")
	}
	if _, err := os.Stat(filepath.Join(apacheJars, "zookeeper.jar")); err != nil {
		missing(t, "Apache ZooKeeper is not installed (Debian package zookeeper)")
	}
	for range 5 {
		addr := fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t))
		if runReference(t, java, addr, cfg) {
			return addr
		}
	}
	t.Fatal("Apache ZooKeeper finds no free port")
	return ""
}

func runReference(t testing.TB, java, addr string, cfg map[string]string) bool {
	dir := t.TempDir()
	host, port, _ := net.SplitHostPort(addr)
	text := fmt.Sprintf("dataDir=%s\nclientPortAddress=%s\nclientPort=%s\n", filepath.Join(dir, "data"), host, port)
	for k, v := range cfg {
		text += k + "=" + v + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "zoo.cfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// The shell kills the server when its input ends, which it does even where
	// this process is killed: no test leaves a server behind.
	cmd := exec.Command("sh", "-c", `"$@" & read -r _; kill -9 $!; wait`, "sh",
		java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-Dzookeeper.forceSync=no",
		"-Dznode.container.checkIntervalMs="+cfg["znode.container.checkIntervalMs"],
		"-Dzookeeper.DigestAuthenticationProvider.superDigest="+cfg["DigestAuthenticationProvider.superDigest"],
		"-cp", filepath.Join(apacheJars, "*"),
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(dir, "zoo.cfg"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		hold.Close()
		_ = cmd.Wait()
	}
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if said, err := testkit.FourLetterWord(addr, "srvr"); err == nil && strings.Contains(said, "Mode:") {
			t.Cleanup(func() {
				stop()
				if t.Failed() {
					text, _ := os.ReadFile(log.Name())
					t.Logf("the reference's last words:\n%s", text[max(0, len(text)-3000):])
				}
			})
			return true
		}
		text, _ := os.ReadFile(log.Name())
		if strings.Contains(string(text), "Address already in use") {
			stop()
			return false
		}
		if time.Now().After(deadline) {
			stop()
			t.Fatalf("Apache ZooKeeper does not answer on %s:\n%s", addr, text)
		}
	}
}

func envInt(t testing.TB, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
