package ctl

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

// The command ended its session by its own clock, and said that it had expired: its
// znode was back with the server, and belonged to nobody.
func TestHeldSessionOutlivesAnOutageOfTheServers(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the server")
	}
	s := testkit.Start(t, testkit.Options{Alone: true})
	const timeout = 2 * time.Second // the client comes back within it, on a busy machine too
	cmd := exec.Command(testkit.Binary(t), "zk", "--server", s.ZooKeeper, "--timeout", timeout.String(), "create", "-e", "--hold", "/here")
	var said testkit.Buffer
	await := func(what string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(said.String(), what) }, 20*time.Second, 10*time.Millisecond, what)
	}
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	await("Created /here")

	s.Kill()
	await("hold /here: no server answers")
	select {
	case err := <-ended:
		t.Fatalf("it has ended: %v\n%s", err, said.String())
	case <-time.After(timeout * 3 / 2):
	}
	s.Restart()
	await("hold /here: in contact again")
	c, err := zkclient.Dial(t.Context(), []string{s.ZooKeeper}, zkclient.Options{Timeout: 10 * time.Second})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Exists(t.Context(), "/here")
	require.NoError(t, err, "the session is the one that it was")

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, <-ended)
	_, err = c.Exists(t.Context(), "/here")
	require.Error(t, err, "it has gone with its session")
}
