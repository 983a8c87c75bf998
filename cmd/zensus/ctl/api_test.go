package ctl

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

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
