package interop

import (
	"net/url"
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

// pythonOf returns the interpreter of an environment below .deps that holds nacos-sdk-python.
func pythonOf(t *testing.T, environment string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(".deps", environment, "bin", "python"))
	require.NoError(t, err)
	if !runs(path, "-c", "import v2.nacos") {
		missing(t, "nacos-sdk-python is not in .deps/%s", environment)
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

// aDayOfNacosPython plays nacos-sdk-python of an environment below .deps, in the middle of
// which the server is killed and restarted.
func aDayOfNacosPython(t *testing.T, environment string, auth bool, steps ...string) {
	t.Helper()
	interpreter := pythonOf(t, environment)
	s := testkit.Start(t, testkit.Options{Nacos: true, Auth: auth})
	args := []string{"-u", script(t, "nacos_client.py"), s.HTTP, t.TempDir()}
	if auth {
		s.AddAdmin(adminName, adminPassword)
		args = append(args, adminName, adminPassword)
	}
	p := startProgram(t, 4*time.Minute, interpreter, args...)
	for _, step := range append(steps, "grpc naming", "grpc changes", "grpc config", "odd configs") {
		p.expect("ok " + step)
	}
	p.expect("please restart")
	s.Kill()
	s.Restart()
	require.Equal(t, "true", post(t, s, "/nacos/v1/cs/configs", withToken(t, s, auth, url.Values{
		"dataId": {"grpc.yaml"}, "group": {"shop"}, "content": {"meanwhile"},
	})))
	p.say("go on")
	p.steps("restart", "end")
}

func TestNacosPython2WorksForADay(t *testing.T) {
	t.Parallel()
	aDayOfNacosPython(t, "venv", false, "http config", "http naming")
}

func TestNacosPython2LogsInWhereTheServerRequiresIt(t *testing.T) {
	t.Parallel()
	aDayOfNacosPython(t, "venv", true, "http config", "http naming")
}

func TestNacosPython3WorksForADay(t *testing.T) {
	t.Parallel()
	aDayOfNacosPython(t, "venv3", false)
}

func TestNacosPython3LogsInWhereTheServerRequiresIt(t *testing.T) {
	t.Parallel()
	aDayOfNacosPython(t, "venv3", true)
}
