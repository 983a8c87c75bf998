package interop

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// python returns the interpreter of the environment that holds the clients.
func python(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(".deps", "venv", "bin", "python"))
	require.NoError(t, err)
	if !runs(path, "-c", "import kazoo, nacos") {
		missing(t, "kazoo and nacos-sdk-python are not in .deps/venv")
	}
	return path
}

func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("python", name))
	require.NoError(t, err)
	return path
}

func TestKazooRecipesWorkAndSurviveARestart(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	s := testkit.Start(t, testkit.Options{})
	p := startProgram(t, 3*time.Minute, interpreter, "-u", script(t, "kazoo_client.py"), s.ZooKeeper)
	for _, step := range []string{
		"basics", "async", "acl", "transaction", "data_watch", "children_watch", "tree_cache", "lock", "election",
		"barriers", "queues", "counter", "party", "chroot",
	} {
		p.expect("ok " + step)
	}
	p.expect("please restart")
	s.Kill()
	s.Restart()
	p.say("go on")
	p.steps("restart", "end")
}

func TestNacosPythonWorksOverHTTPAndGRPCAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	s := testkit.Start(t, testkit.Options{Nacos: true})
	p := startProgram(t, 4*time.Minute, interpreter, "-u", script(t, "nacos_client.py"), s.HTTP, t.TempDir())
	restartInTheMiddle(p, s, "http config", "http naming", "grpc naming", "grpc config")
}

func TestNacosPythonLogsInWhereTheServerRequiresIt(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	s := testkit.Start(t, testkit.Options{Nacos: true, Auth: true})
	s.AddAdmin(adminName, adminPassword)
	p := startProgram(t, 4*time.Minute, interpreter, "-u", script(t, "nacos_client.py"), s.HTTP, t.TempDir(), adminName, adminPassword)
	restartInTheMiddle(p, s, "http config", "http naming", "grpc naming", "grpc config")
}
