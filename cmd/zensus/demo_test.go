//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// show is a demo that runs.
type show struct {
	t     *testing.T
	cmd   *exec.Cmd
	said  *bufio.Scanner
	lines []string
}

func startShow(t *testing.T, args ...string) *show {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	s := &show{t: t, cmd: exec.CommandContext(ctx, testkit.Binary(t), append([]string{"demo"}, args...)...)}
	// What is set for a server is not for those of the demo.
	s.cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "ZENSUS_LISTEN_HTTP=127.0.0.1:1", "ZENSUS_NODE_ID=200")
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	s.said = bufio.NewScanner(out)
	require.NoError(t, s.cmd.Start())
	return s
}

// until reads what is said up to a line with the text.
func (s *show) until(text string) {
	s.t.Helper()
	for s.said.Scan() {
		s.lines = append(s.lines, s.said.Text())
		if strings.Contains(s.said.Text(), text) {
			return
		}
	}
	s.t.Fatalf("nobody said %q in\n%s", text, strings.Join(s.lines, "\n"))
}

// end reads the rest and returns how the demo ended.
func (s *show) end() error {
	for s.said.Scan() {
		s.lines = append(s.lines, s.said.Text())
	}
	return s.cmd.Wait()
}

var process = regexp.MustCompile(`s  (\S+) .*process ([0-9]+)`)

// processes are those that the demo said it has started, by name and number.
func (s *show) processes() map[string]int {
	found := map[string]int{}
	for _, line := range s.lines {
		if m := process.FindStringSubmatch(line); m != nil && m[1] != "demo" {
			pid, err := strconv.Atoi(m[2])
			require.NoError(s.t, err)
			found[m[1]] = pid
		}
	}
	require.Len(s.t, found, 6, strings.Join(s.lines, "\n"))
	return found
}

// gone waits until none of them runs.
func (s *show) gone() {
	s.t.Helper()
	for name, pid := range s.processes() {
		require.Eventually(s.t, func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return syscall.Kill(pid, 0) != nil || err == nil && strings.Contains(string(stat), ") Z ")
		}, 20*time.Second, 10*time.Millisecond, "%s, process %d, is left behind", name, pid)
	}
}

func TestDemoShowsThatNobodyNoticesADeadServer(t *testing.T) {
	s := startShow(t, "--for", "1s")
	err := s.end()
	out := strings.Join(s.lines, "\n")
	require.NoError(t, err, out)
	for _, text := range []string{
		"which leads) without a warning", "its next write is acknowledged", "provider-1 moves from", "consumer-2 moves from",
		"nobody noticed", "as follower", "both consumers were told",
	} {
		require.Contains(t, out, text)
	}
	s.gone()
}

func TestDemoGoesOnKillingOneServerAfterTheOther(t *testing.T) {
	s := startShow(t, "--kill-every", "100ms")
	s.until("other clients may come, those of Nacos to 127.0.0.1:")
	s.until("and those of ZooKeeper to 127.0.0.1:")
	for _, server := range []string{"server-1", "server-2", "server-3"} {
		s.until("(" + server + ") without a warning")
		s.until("started again as process")
	}
	require.NoError(t, s.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, s.end(), strings.Join(s.lines, "\n"))
	s.gone()
}

func TestDemoThatIsStoppedEndsWell(t *testing.T) {
	s := startShow(t)
	s.until("nobody noticed")
	require.NoError(t, s.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, s.end(), strings.Join(s.lines, "\n"))
	s.gone()
}

func TestDemoThatIsKilledLeavesNobodyBehind(t *testing.T) {
	s := startShow(t)
	s.until("sets a znode")
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.end() // it was killed
	s.gone()
}

func TestDemoFailsWhenAnInstanceIsMissing(t *testing.T) {
	s := startShow(t)
	s.until("sets a znode")
	// Nobody has told the demo.
	require.NoError(t, syscall.Kill(s.processes()["provider-3"], syscall.SIGKILL))
	err := s.end()
	out := strings.Join(s.lines, "\n")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, out)
	require.Equal(t, 1, exit.ExitCode(), out)
	require.NotContains(t, out, "nobody noticed")
	s.gone()
}
