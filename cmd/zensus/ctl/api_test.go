package ctl

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestUsersOfAServerWithoutLoginsAreNoneOfItsBusiness(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/nacos/v1/console/server/state" {
			t.Errorf("it was asked for %s", r.URL)
		}
		_, _ = io.WriteString(w, `{"auth_enabled":"false","version":"x"}`)
	}))
	defer s.Close()
	for _, args := range [][]string{{"ls"}, {"--login", "ann", "ls"}, {"add", "--admin", "ann"}, {"rm", "ann"}} {
		cmd := userCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(append([]string{"--server", s.URL}, args...))
		require.EqualError(t, cmd.ExecuteContext(t.Context()), s.URL+": this server requires no logins (auth is off)")
	}
}

// Whoever asked a server that waits for the others was asked who he is.
func TestAServerThatStartsSaysSo(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "server is STARTINGnow, please try again later!")
	}))
	defer s.Close()
	for _, cmd := range []*cobra.Command{clusterCommand(), userCommand()} {
		verb := map[string]string{"cluster": "status", "user": "ls"}[cmd.Name()]
		require.ErrorContains(t, run(t, cmd, "--server", s.URL, verb), s.URL+": this server starts, and knows nothing yet")
	}
}

func TestWhereNothingAnswersTheLikelyReasonIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	hungUp := make(chan struct{})
	go func() {
		defer close(hungUp)
		if c, err := l.Accept(); err == nil {
			_, _ = io.ReadAtLeast(c, make([]byte, 4), 4)
			_ = c.Close()
		}
	}()
	require.ErrorContains(t, run(t, clusterCommand(), "--server", l.Addr().String(), "status"), "a port that speaks no HTTP")
	<-hungUp
	require.NoError(t, l.Close())
	require.ErrorContains(t, run(t, clusterCommand(), "--server", l.Addr().String(), "status"), "zensus.listen.http")
}

// It was refused as a path that the server had no name for.
func TestAURLIsNoConnectString(t *testing.T) {
	require.EqualError(t, run(t, zkCommand(), "--server", "http://127.0.0.1:8848", "ls", "/"),
		`--server: "http://127.0.0.1:8848" is a URL: want host:port,..., with an optional /path behind them`)
}

// The form in which a zensus.yaml has an observer was taken for a client's address.
func TestTheFormsOfAServerThatIsAdded(t *testing.T) {
	for arg, want := range map[string]string{
		"4=d:2888":                         "server.4=d:2888:2888",
		"server.4=d:2888":                  "server.4=d:2888:2888",
		"4=d:2888;observer":                "server.4=d:2888:2888",
		"4=d:2888:3888;d:2181":             "server.4=d:2888:3888;d:2181",
		"4=[::1]:2888;2181":                "server.4=[::1]:2888:2888;2181",
		"4=d:2888:3888:observer;d:2181":    "server.4=d:2888:3888:observer;d:2181",
		"server.4=d:2888:3888:participant": "server.4=d:2888:3888:participant",
	} {
		line, err := serverLine(arg)
		require.NoError(t, err)
		require.Equal(t, want, line)
	}
	for _, arg := range []string{"4", "=d:2888", "4="} {
		_, err := serverLine(arg)
		require.ErrorContains(t, err, "want ID=HOST:PORT", "%q", arg)
	}
}

func run(t *testing.T, cmd *cobra.Command, args ...string) error {
	t.Helper()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	return cmd.ExecuteContext(t.Context())
}
