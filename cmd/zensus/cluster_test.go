package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

// proc is a server of a test that changes who belongs to an ensemble: a process.
type proc struct {
	t                     *testing.T
	id                    int
	dir, secret           string
	peer, zookeeper, http string
	cmd                   *exec.Cmd
	done                  chan error
	descriptors           int // that it may have; 0 is as many as the test
}

// newProcs are servers that have a secret in common, and no configuration yet.
func newProcs(t *testing.T, ids ...int) (all []*proc) {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("a secret that the servers of a test have in common\n"), 0o600))
	for _, id := range ids {
		all = append(all, newProc(t, dir, secret, id))
	}
	return all
}

func newProc(t *testing.T, dir, secret string, id int) *proc {
	m := &proc{t: t, id: id, dir: filepath.Join(dir, fmt.Sprint(id)), secret: secret}
	for _, addr := range []*string{&m.peer, &m.zookeeper} {
		*addr = fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t))
	}
	m.http = fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t, 1000))
	require.NoError(t, os.MkdirAll(m.dir, 0o700))
	return m
}

// configure writes the configuration with the members that it is started with.
func (m *proc) configure(members ...*proc) {
	m.t.Helper()
	var list []string
	for _, o := range members {
		list = append(list, fmt.Sprintf("%q", fmt.Sprintf("%d=%s", o.id, o.peer)))
	}
	text := fmt.Sprintf("data_dir: %s/data\nnode: {id: %d}\nmembers: [%s]\nsecret_file: %s\nlisten: {http: %q, zookeeper: %q, peer: %q}\nengine: {tick_time: 500ms}\n",
		m.dir, m.id, strings.Join(list, ", "), m.secret, m.http, m.zookeeper, m.peer)
	require.NoError(m.t, os.WriteFile(m.dir+"/zensus.yaml", []byte(text), 0o600))
}

func (m *proc) start() {
	m.t.Helper()
	m.startWith("zensus.yaml")
}

func (m *proc) startWith(config string) {
	m.t.Helper()
	log, err := os.OpenFile(m.dir+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(m.t, err)
	command := []string{testkit.Binary(m.t), "serve", "-c", filepath.Join(m.dir, config)}
	if m.descriptors > 0 {
		command = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, m.descriptors)}, command...)
	}
	m.cmd = exec.CommandContext(m.t.Context(), command[0], command[1:]...)
	m.cmd.Stdout, m.cmd.Stderr = log, log
	require.NoError(m.t, m.cmd.Start())
	m.done = make(chan error, 1)
	go func() {
		m.done <- m.cmd.Wait()
		_ = log.Close()
	}()
	m.t.Cleanup(func() { m.end(syscall.SIGKILL) })
}

func (m *proc) end(sig syscall.Signal) {
	if m.cmd == nil {
		return
	}
	_ = m.cmd.Process.Signal(sig)
	select {
	case <-m.done:
	case <-time.After(20 * time.Second):
		_ = m.cmd.Process.Kill()
		<-m.done
		m.t.Errorf("server %d does not end", m.id)
	}
	m.cmd = nil
}

// cluster runs `zensus cluster` against the server.
func (m *proc) cluster(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, testkit.Binary(m.t), append([]string{"cluster", "--server", "http://" + m.http}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	m.t.Logf("%v: zensus cluster %v: %v", time.Since(began).Round(time.Millisecond), args, err)
	return out.String(), err
}

func (m *proc) must(args ...string) string {
	m.t.Helper()
	out, err := m.cluster(args...)
	require.NoError(m.t, err, "zensus cluster %v: %s", args, out)
	return out
}

// status is `zensus cluster status -o json`.
type status struct {
	Leader    int
	Voters    int
	Serving   int `json:"voters_serving"`
	Tolerates int
	Servers   []struct {
		ID       int
		State    string
		Role     string
		Phase    string
		Serving  bool
		LastSync string `json:"last_sync"`
		Clients  int
	}
}

func (m *proc) status() (s status) {
	m.t.Helper()
	out, err := m.cluster("status", "-o", "json")
	if err == nil {
		require.NoError(m.t, json.Unmarshal([]byte(out), &s), out)
	}
	return s
}

// until waits for a state of the ensemble.
func (m *proc) until(what string, is func(s status) bool) {
	m.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(m.status()); time.Sleep(50 * time.Millisecond) {
		require.True(m.t, time.Now().Before(deadline), "%s never comes: %+v", what, m.status())
	}
}

// threeToBe are three servers of which the first, which runs, names itself alone, and the
// others name it: what an ensemble is grown from.
func threeToBe(t *testing.T, ids ...int) (first, second, third *proc) {
	t.Helper()
	all := newProcs(t, ids...)
	for i, m := range all {
		m.configure(all[:i+1]...)
	}
	all[0].start()
	all[0].until("the first server", serving(all[0].id))
	return all[0], all[1], all[2]
}

// add makes a server, which runs or will, one of the ensemble.
func (m *proc) add(o *proc) {
	m.t.Helper()
	m.must("add", fmt.Sprintf("%d=%s", o.id, o.peer))
}

// connect is a session with the server, which ends with the test.
func (m *proc) connect() *zkclient.Client {
	m.t.Helper()
	c, err := zkclient.Dial(m.t.Context(), []string{m.zookeeper}, zkclient.Options{Timeout: 10 * time.Second})
	require.NoError(m.t, err)
	m.t.Cleanup(func() { _ = c.Close() })
	return c
}

func serving(id int) func(status) bool {
	return func(s status) bool {
		for _, v := range s.Servers {
			if v.ID == id {
				return v.Serving && v.Phase == "broadcast"
			}
		}
		return false
	}
}

// TestClientsDoNotKeepMembersOut: of two servers the one that is dialed by the other has no
// descriptor left for another client, and whoever goes is followed by the next.
func TestClientsDoNotKeepMembersOut(t *testing.T) {
	all := newProcs(t, 1, 2)
	one, two := all[0], all[1]
	one.configure(all...)
	two.configure(all...)
	one.descriptors = 64
	one.start()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", one.zookeeper)
		return err == nil && c.Close() == nil
	}, 10*time.Second, 10*time.Millisecond)
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	for range 100 {
		clients.Go(func() {
			for d := (net.Dialer{}); ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
				if c, err := d.DialContext(ctx, "tcp", one.zookeeper); err == nil {
					unwait := context.AfterFunc(ctx, func() { _ = c.Close() })
					_, _ = io.Copy(io.Discard, c)
					unwait()
					_ = c.Close()
				}
			}
		})
	}
	require.Eventually(t, func() bool { return strings.Contains(one.log(), "too many connections for the descriptors") }, 10*time.Second, 10*time.Millisecond)
	two.start() // and before the clients are given up, all at once, which say nothing
	require.Eventually(t, func() bool { return serving(2)(two.status()) }, 10*time.Second, 50*time.Millisecond)
}

// TestASingleServerGrowsAndIsReplaced has a server become one of three, hands the
// leadership around, drains and removes the first, all while a client writes and notices
// nothing.
func TestASingleServerGrowsAndIsReplaced(t *testing.T) {
	first, second, third := threeToBe(t, 1, 2, 3)

	// A session of the first server outlives that and all that follows.
	client := first.connect()
	_, _, err := client.Create(t.Context(), "/n", nil, core.CreateOptions{Mode: core.Ephemeral})
	require.NoError(t, err)
	var writes atomic.Int32
	stop := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			st, err := client.Set(context.Background(), "/n", []byte("x"), writes.Load())
			if err != nil {
				failed <- err
				return
			}
			writes.Store(st.Version)
		}
	}()

	_, err = first.cluster("promote", "2")
	require.Error(t, err, "it is no member")
	first.add(second)
	out, err := first.cluster("promote", "2")
	require.Error(t, err, "nobody knows whether it is there")
	require.Contains(t, out, "not in step")
	second.start()
	first.until("the second server", serving(2))
	first.must("promote", "2")
	third.start()
	second.add(third)
	second.until("the third server", serving(3))
	require.Contains(t, third.must("promote", "3"), "3 of 3 voters serve; the ensemble tolerates 1 failure")

	require.Contains(t, third.must("transfer-leader", "2"), "server 2 leads")
	require.Contains(t, third.must("transfer-leader", "3"), "server 3 leads")
	out, err = second.cluster("transfer-leader", "1")
	require.NoError(t, err, "%s: %+v", out, second.status())
	require.Contains(t, out, "server 1 leads")
	out = second.must("status")
	require.Contains(t, out, "LEADING")
	require.Contains(t, out, "FOLLOWING")

	close(stop)
	require.NoError(t, <-failed, "the client noticed something after %d writes", writes.Load())
	require.Positive(t, writes.Load())

	// To one that hangs it was handed over all the same, and nobody served for ten seconds.
	require.NoError(t, third.cmd.Process.Signal(syscall.SIGSTOP))
	out, err = first.cluster("transfer-leader", "3")
	require.NoError(t, third.cmd.Process.Signal(syscall.SIGCONT))
	require.Error(t, err, out)
	require.Contains(t, out, "server 3 does not answer")
	require.Equal(t, 1, first.status().Leader)
	first.until("three that serve", func(s status) bool { return s.Leader != 0 && s.Serving == 3 })
	first.must("transfer-leader", "1")

	// Before the first is stopped, its clients go elsewhere, and the leadership.
	first.must("drain")
	first.until("another leader", func(s status) bool { return s.Leader != 0 && s.Leader != 1 })
	drained := exec.CommandContext(t.Context(), testkit.Binary(t), "zk", "--server", first.zookeeper, "--timeout", "2s", "get", "/n")
	text, err := drained.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(text), first.zookeeper+" serves, but takes no new clients: it was drained")
	_, err = second.connect().Exists(t.Context(), "/n")
	require.NoError(t, err, "the session lives on")
	first.end(syscall.SIGTERM)
	second.until("two without the first", func(s status) bool { return serving(2)(s) && serving(3)(s) })
	second.must("remove", "1")
	second.until("two that vote", func(s status) bool { return s.Voters == 2 && s.Serving == 2 })
	out, err = second.cluster("remove", "9")
	require.Error(t, err)
	require.Contains(t, out, "server 9 is no member")

	// The removed one is none any more, whatever its configuration says.
	first.start()
	require.Never(t, func() bool { return serving(1)(first.status()) }, 2*time.Second, 200*time.Millisecond)
	first.end(syscall.SIGTERM)

	// One that is stopped hands over first; the others go on with what the log says.
	third.end(syscall.SIGTERM)
	out, err = second.cluster("remove", "3")
	require.Error(t, err, "it is no quorum: %s", out)
	third.start()
	third.until("the third server again", func(s status) bool { return s.Voters == 2 && s.Serving == 2 })
}

// Its log said nothing at all for ten seconds, nor what of its configuration is ignored.
func TestAServerThatWaitsForTheOthersSaysSo(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	dir := t.TempDir()
	m := &proc{t: t, id: 1, dir: dir}
	peers := []int{testkit.FreePort(t), testkit.FreePort(t), testkit.FreePort(t)}
	text := fmt.Sprintf("dataDir=%s/data\nclientPort=%d\nclientPortAddress=127.0.0.1\ninitLimit=10\nsyncLimit=5\nforceSync=no\n", dir, testkit.FreePort(t))
	for i, port := range peers {
		text += fmt.Sprintf("server.%d=127.0.0.1:%d:%d\n", i+1, port, port)
	}
	require.NoError(t, os.MkdirAll(dir+"/data", 0o700))
	require.NoError(t, os.WriteFile(dir+"/data/myid", []byte("1\n"), 0o600))
	require.NoError(t, os.WriteFile(dir+"/zoo.cfg", []byte(text), 0o600))
	m.startWith("zoo.cfg")
	require.Eventually(t, func() bool { return strings.Contains(m.log(), "waits for a quorum") }, 20*time.Second, 20*time.Millisecond)
	require.Contains(t, m.log(), fmt.Sprintf(`[\"1=127.0.0.1:%d\", \"2=127.0.0.1:%d\", \"3=127.0.0.1:%d\"]`, peers[0], peers[1], peers[2]))
	require.Contains(t, m.log(), "forceSync: ignored")
}
