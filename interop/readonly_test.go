package interop

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// readOnlySteps are what both clients do around "please stop two" and "please start two".
var readOnlySteps = struct{ stopped, started []string }{
	[]string{"ok written", "please stop two"}, []string{"ok read only", "ok others are not let in", "please start two"},
}

// threeServers are an ensemble of which two can be stopped and started again.
type threeServers struct {
	addrs       []string
	stop, start func()
}

// threeOfOurs runs an ensemble of ours that knows read-only mode. Nobody names isro.
func threeOfOurs(t *testing.T) *threeServers {
	all := testkit.StartEnsemble(t, testkit.Options{Config: map[string]string{
		"readonlymode.enabled": "true", "4lw.commands.whitelist": "srvr",
	}}, 3, 0)
	e := &threeServers{
		stop:  func() { all[1].Kill(); all[2].Kill() },
		start: func() { all[1].Launch(); all[2].Launch() },
	}
	for _, s := range all {
		e.addrs = append(e.addrs, s.ZooKeeper)
	}
	return e
}

// apacheServer is one Apache ZooKeeper.
type apacheServer struct {
	dir  string
	cmd  *exec.Cmd
	hold io.Closer
}

func (a *apacheServer) stop() {
	if a.cmd != nil {
		_ = a.hold.Close()
		_ = a.cmd.Wait() // it was killed
		a.cmd = nil
	}
}

// start runs it; the shell kills the server when its input ends, also if this process
// is killed.
func (a *apacheServer) start(t *testing.T, jar string) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(a.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	a.cmd = exec.Command("sh", "-c", `"$@" & read -r _; kill -9 $!; wait`, "sh",
		javaCommand(t), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-Dreadonlymode.enabled=true", "-Dzookeeper.4lw.commands.whitelist=*",
		"-cp", filepath.Join(filepath.Dir(jar), "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(a.dir, "zoo.cfg"))
	a.cmd.Dir, a.cmd.Stdout, a.cmd.Stderr = a.dir, log, log
	a.hold, err = a.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, a.cmd.Start())
}

// threeOfApache runs an ensemble of Apache ZooKeeper, whose read-only mode has sessions
// only where they may be local ones.
func threeOfApache(t *testing.T) *threeServers {
	jar := debianZooKeeper(t)
	common := "tickTime=500\ninitLimit=20\nsyncLimit=10\nlocalSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true\nadmin.enableServer=false\nmaxClientCnxns=0\n"
	servers := map[int]*apacheServer{}
	e := &threeServers{}
	for id := 1; id <= 3; id++ {
		servers[id] = &apacheServer{dir: t.TempDir()}
		e.addrs = append(e.addrs, fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t)))
		common += fmt.Sprintf("server.%d=127.0.0.1:%d:%d\n", id, testkit.FreePort(t), testkit.FreePort(t))
	}
	for id, s := range servers {
		_, port, _ := strings.Cut(e.addrs[id-1], ":")
		data := filepath.Join(s.dir, "data")
		require.NoError(t, os.Mkdir(data, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(data, "myid"), fmt.Append(nil, id), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, "zoo.cfg"), []byte(common+"dataDir="+data+"\nclientPortAddress=127.0.0.1\nclientPort="+port+"\n"), 0o600))
		s.start(t, jar)
		t.Cleanup(s.stop)
	}
	for _, addr := range e.addrs {
		eventually(t, 90*time.Second, "Apache's ensemble", func() bool {
			said, err := testkit.FourLetterWord(addr, "srvr")
			return err == nil && strings.Contains(said, "Mode:")
		})
	}
	e.stop = func() { servers[2].stop(); servers[3].stop() }
	e.start = func() { servers[2].start(t, jar); servers[3].start(t, jar) }
	return e
}

// TestReadOnlyClientsReadWithoutAQuorum has real clients go through the loss of a quorum
// and its return, on an ensemble of ours and on one of Apache's: both see the same.
func TestReadOnlyClientsReadWithoutAQuorum(t *testing.T) {
	t.Parallel()
	ensembles := map[string]func(*testing.T) *threeServers{"ours": threeOfOurs, "Apache's": threeOfApache}
	clients := map[string]func(*testing.T, string) *program{
		"Java": func(t *testing.T, servers string) *program {
			return startJava(t, 3*time.Minute, classpath(t), javaPackage+"ReadOnlyClient", servers)
		},
		"Java 3.8": func(t *testing.T, servers string) *program {
			classes := filepath.SplitList(classpath(t))[0]
			path := strings.Join([]string{debianZooKeeper(t), classes}, string(filepath.ListSeparator))
			return startJava(t, 3*time.Minute, path, javaPackage+"ReadOnlyClient", servers)
		},
		"kazoo": func(t *testing.T, servers string) *program {
			return startProgram(t, 3*time.Minute, python(t), "-u", script(t, "kazoo_readonly.py"), servers)
		},
	}
	for _, whose := range slices.Sorted(maps.Keys(ensembles)) {
		for _, which := range slices.Sorted(maps.Keys(clients)) {
			t.Run(which+" and "+whose, func(t *testing.T) {
				t.Parallel()
				e := ensembles[whose](t)
				p := clients[which](t, strings.Join(e.addrs, ","))
				p.expect(readOnlySteps.stopped...)
				e.stop()
				eventually(t, 30*time.Second, "read-only mode", func() bool {
					said, err := testkit.FourLetterWord(e.addrs[0], "isro")
					return err == nil && said == "ro"
				})
				said, err := testkit.FourLetterWord(e.addrs[0], "srvr")
				require.NoError(t, err)
				require.Contains(t, said, "READ-ONLY mode; serving only read-only clients\n")
				require.Contains(t, said, "Mode: read-only\n")
				p.say("go on")
				p.expect(readOnlySteps.started...)
				e.start()
				p.say("go on")
				p.steps("read and write", "end")
				eventually(t, 30*time.Second, "an end of read-only mode", func() bool { // the client may be at another
					said, err := testkit.FourLetterWord(e.addrs[0], "isro")
					return err == nil && said == "rw"
				})
			})
		}
	}
}
