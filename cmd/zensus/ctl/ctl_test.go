package ctl

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/zab"
	"github.com/zensus-io/zensus/internal/testkit"
)

// tests removes the binary that the scripts of users are run against.
type tests struct{ *testing.M }

func (t tests) Run() int {
	code := t.M.Run()
	testkit.Cleanup()
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"zensus": zensus})
}

// zensus is the command line without the servers.
func zensus() {
	root := &cobra.Command{Use: "zensus", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(Commands()...)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "zensus:", err)
		os.Exit(1)
	}
}

// scriptsTime bounds the scripts of one test: what hangs is interrupted.
const scriptsTime = 2 * time.Minute

// serve runs a server on a free port, with its data in dir, until the test ends
// or the function that it returns is called.
func serve(t testing.TB, dir string) (addr string, stop func()) {
	t.Helper()
	n, err := node.New(node.Config{
		Replica: replica.Config{
			Zab:    zab.Config{Self: 1, Voters: []core.PeerID{1}},
			State:  state.Config{TTLNodes: true},
			Secret: []byte("a secret of this test"),
			// So that there is a snapshot in what fill leaves behind.
			SnapshotTxns: 100,
		},
		Storage: storage.Options{Dir: dir, SegmentBytes: 1 << 20, BallastBytes: -1, LowWaterBytes: -1},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	<-n.Serving()
	s := server.New(server.Config{Words: server.Words{Allowed: []string{"*"}}}, n)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, end := context.WithTimeout(context.Background(), 10*time.Second)
		defer end()
		require.NoError(t, s.Close(ctx))
		require.NoError(t, <-served)
		cancel()
		require.NoError(t, <-ran)
	}
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

func TestVerbsOfZK(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/zk", RequireExplicitExec: true, Deadline: time.Now().Add(scriptsTime),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"waitmonitor": waitMonitor},
		Setup: func(env *testscript.Env) error {
			addr, _ := serve(t, t.TempDir())
			env.Setenv("ZK", addr)
			env.Setenv("TZ", "UTC")
			return nil
		},
	})
}

func TestVerifyOfData(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/data", RequireExplicitExec: true, Deadline: time.Now().Add(scriptsTime),
		Setup: func(env *testscript.Env) error {
			dir := env.Getenv("WORK") + "/data"
			addr, stop := serve(t, dir)
			fill(t, addr)
			stop()
			env.Setenv("DATA", dir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"flip": flip, "glob": glob},
	})
}

// flip changes one byte of a file: flip FILE OFFSET.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	var at int64
	_, err := fmt.Sscan(args[1], &at)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	defer f.Close()
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	ts.Check(err)
	b[0] ^= 0xff
	_, err = f.WriteAt(b, at)
	ts.Check(err)
}

func fill(t testing.TB, addr string) {
	t.Helper()
	z := &zk{server: addr, timeout: 10 * time.Second, output: text, notes: os.Stderr}
	c, err := z.session(t.Context())
	require.NoError(t, err)
	defer z.close()
	for i := range 200 {
		_, _, err := c.Create(t.Context(), fmt.Sprintf("/n%03d", i), []byte("some data"), core.CreateOptions{})
		require.NoError(t, err)
	}
}

func TestUsersOfAServer(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the server")
	}
	s := testkit.Start(t, testkit.Options{Nacos: true, Config: map[string]string{"zensus.auth.enabled": "true"}})
	testscript.Run(t, testscript.Params{
		Dir: "testdata/user", RequireExplicitExec: true, Deadline: time.Now().Add(scriptsTime),
		Setup: func(env *testscript.Env) error {
			env.Setenv("SERVER", "http://"+s.HTTP)
			env.Setenv("TOKEN", s.DataDir()+"/admin-token")
			return nil
		},
	})
}
