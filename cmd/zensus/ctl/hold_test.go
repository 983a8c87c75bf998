package ctl

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

// spoken is what a command has said so far.
type spoken struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *spoken) await(t *testing.T, what string) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return strings.Contains(s.text.String(), what)
	}, 20*time.Second, 10*time.Millisecond, what)
}

// The command ended its session by its own clock, and said that it had expired: its
// znode was back with the server, and belonged to nobody.
func TestHeldSessionOutlivesAnOutageOfTheServers(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the server")
	}
	s := testkit.Start(t, testkit.Options{Alone: true})
	const timeout = time.Second
	cmd := exec.Command(testkit.Binary(t), "zk", "--server", s.ZooKeeper, "--timeout", timeout.String(), "create", "-e", "--hold", "/here")
	var said spoken
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	said.await(t, "Created /here")

	s.Kill()
	said.await(t, "hold /here: no server answers")
	select {
	case err := <-ended:
		t.Fatalf("it has ended: %v\n%s", err, said.text.String())
	case <-time.After(2 * timeout):
	}
	s.Restart()
	said.await(t, "hold /here: in contact again")
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
