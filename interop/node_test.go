package interop

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// aDayOfNode plays the Node client, in the middle of which the server is killed and
// restarted.
func aDayOfNode(t *testing.T, auth bool) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "no node")
	}
	program, err := filepath.Abs(filepath.Join("node", "nacos_client.js"))
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join("node", "node_modules", "nacos", "package.json")); err != nil {
		missing(t, "the Node package nacos is not in node/node_modules")
	}
	s := testkit.Start(t, testkit.Options{Nacos: true, Auth: auth})
	args := []string{program, s.HTTP, "dev", t.TempDir()}
	if auth {
		s.AddAdmin(adminName, adminPassword)
		args = append(args, adminName, adminPassword)
	}
	makeNamespace(t, s, auth, "dev")
	makeNamespace(t, s, auth, "elsewhere")
	p := startProgram(t, 5*time.Minute, "env", append([]string{nodePort(t), node}, args...)...)
	for _, step := range []string{"naming", "persistent", "config", "oddConfigs", "namespaces", "providerLost"} {
		p.expect("ok " + step)
	}
	p.expect("please restart")
	s.Kill()
	s.Restart()
	require.Equal(t, "true", post(t, s, "/nacos/v1/cs/configs", withToken(t, s, auth, url.Values{
		"tenant": {"dev"}, "dataId": {"kept"}, "group": {"shop"}, "content": {"meanwhile"},
	})))
	p.say("go on")
	p.steps("restart", "end")
}

// nodePort is what a program that uses the package needs in its environment. Of all processes of
// a machine that meet at one port the first asks for the others, whatever server they name.
func nodePort(t *testing.T) string {
	t.Helper()
	return fmt.Sprint("NODE_CLUSTER_CLIENT_PORT=", testkit.FreePort(t))
}

func TestNacosNodeWorksForADay(t *testing.T) {
	t.Parallel()
	aDayOfNode(t, false)
}

func TestNacosNodeLogsInWhereTheServerRequiresIt(t *testing.T) {
	t.Parallel()
	aDayOfNode(t, true)
}
