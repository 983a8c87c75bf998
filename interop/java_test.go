package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// javaFlags keep a JVM small and quick to start.
var javaFlags = []string{
	"-Xmx256m", "-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
	"-Djava.net.preferIPv4Stack=true",
}

// quickReaper has containers and TTL znodes end soon.
var quickReaper = map[string]string{"znode.container.checkIntervalMs": "200"}

func javaCommand(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("java")
	if err != nil {
		missing(t, "no java")
	}
	return path
}

// classpath is the one that Maven built, with the compiled programs in front.
func classpath(t *testing.T) string {
	t.Helper()
	return modulePath(t, "")
}

// modulePath is the class path of a module below java, with the programs that were
// compiled there in front.
func modulePath(t *testing.T, module string) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("java", module, "target"))
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "classpath"))
	if err != nil {
		missing(t, "the Java programs are not compiled")
	}
	all := strings.TrimSpace(string(text))
	for _, jar := range filepath.SplitList(all) {
		if _, err := os.Stat(jar); err != nil {
			missing(t, "%s is not there", filepath.Base(jar))
		}
	}
	sources, err := filepath.Glob(filepath.Join("java", module, "src", "main", "java", "io", "zensus", "interop", "*.java"))
	require.NoError(t, err)
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), ".java") + ".class"
		class, err := os.Stat(filepath.Join(root, "classes", "io", "zensus", "interop", name))
		if err != nil {
			missing(t, "%s is not compiled", filepath.Base(source))
		}
		written, err := os.Stat(source)
		require.NoError(t, err)
		if written.ModTime().After(class.ModTime()) {
			missing(t, "%s was changed after it was compiled", filepath.Base(source))
		}
	}
	return filepath.Join(root, "classes") + string(filepath.ListSeparator) + all
}

// debianZooKeeper is the class path of Debian's package zookeeper.
func debianZooKeeper(t *testing.T) string {
	t.Helper()
	const folder = "/usr/share/java"
	jar := filepath.Join(folder, "zookeeper.jar")
	if _, err := os.Stat(jar); err != nil {
		missing(t, "Debian's package zookeeper is not installed")
	}
	// The manifest of the jar names the others.
	return jar
}

func startJava(t *testing.T, limit time.Duration, path, class string, args ...string) *program {
	t.Helper()
	all := append(append([]string{}, javaFlags...), "-cp", path, class)
	return startProgram(t, limit, javaCommand(t), append(all, args...)...)
}

const javaPackage = "io.zensus.interop."

// restartInTheMiddle expects steps, then kills and restarts the server when the
// program asks for it, and expects the rest.
func restartInTheMiddle(p *program, s *testkit.Server, steps ...string) {
	p.t.Helper()
	for _, step := range steps {
		p.expect("ok " + step)
	}
	p.expect("please restart")
	s.Kill()
	s.Restart()
	p.say("go on")
	p.steps("restart", "end")
}

var zooKeeperSteps = []string{
	"basics", "kinds", "acls", "watches", "persistentWatches", "removedWatches", "multi", "pipelined", "identity",
	"reconfigRefused", "chroot", "sessionMoves",
}

func TestJavaZooKeeperClientWorksAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	path := classpath(t)
	s := testkit.Start(t, testkit.Options{Config: quickReaper})
	p := startJava(t, 2*time.Minute, path, javaPackage+"ZooKeeperClient", s.ZooKeeper)
	restartInTheMiddle(p, s, zooKeeperSteps...)
}

func TestDebiansJavaZooKeeperClientWorksAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	path := classpath(t)
	debian := debianZooKeeper(t)
	classes := filepath.SplitList(path)[0]
	s := testkit.Start(t, testkit.Options{Config: quickReaper})
	p := startJava(t, 2*time.Minute, strings.Join([]string{debian, classes}, string(filepath.ListSeparator)), javaPackage+"ZooKeeperClient", s.ZooKeeper)
	restartInTheMiddle(p, s, append([]string{}, zooKeeperSteps...)...)
	require.Contains(t, p.out.text(), "client 3.8.")
}

func TestCuratorRecipesWorkAndSurviveExpiryAndARestart(t *testing.T) {
	t.Parallel()
	path := classpath(t)
	s := testkit.Start(t, testkit.Options{Config: quickReaper})
	p := startJava(t, 3*time.Minute, path, javaPackage+"CuratorClient", s.ZooKeeper)
	restartInTheMiddle(p, s,
		"framework", "mutex", "locks", "leaderLatch", "leaderSelector", "treeCache", "curatorCache", "discovery", "nodes",
		"counters", "barriers", "expiry",
	)
}
