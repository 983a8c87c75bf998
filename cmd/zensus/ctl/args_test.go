package ctl

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestAHostThatDoesNotExistIsSaidAtOnce(t *testing.T) {
	z := &zk{server: "nowhere.invalid:2181", timeout: time.Minute}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := z.session(ctx)
	require.ErrorContains(t, err, `"nowhere.invalid"`)
	require.NotContains(t, err.Error(), "start a server")
}

func TestWhichHostsDoNotExist(t *testing.T) {
	missing := &net.OpError{Op: "dial", Err: &net.DNSError{Name: "a", Err: "no such host", IsNotFound: true}}
	slow := &net.OpError{Op: "dial", Err: &net.DNSError{Name: "b", Err: "server misbehaving"}}
	for _, tt := range []struct {
		name   string
		failed map[string]error
		want   string
		all    bool
	}{
		{"the only one", map[string]error{"a:1": missing}, `there is no host "a"`, true},
		{"one of two, the other was not tried yet", map[string]error{"a:1": missing, "": nil}, `there is no host "a"`, false},
		{"names that cannot be looked up now", map[string]error{"b:1": slow}, `no address is found for "b": server misbehaving`, false},
		{"a server that is down", map[string]error{"c:1": io.EOF}, "", false},
	} {
		tries := &tries{failed: tt.failed, of: len(tt.failed)}
		all, err := tries.unknown()
		require.Equal(t, tt.all, all, tt.name)
		if tt.want == "" {
			require.NoError(t, err, tt.name)
			continue
		}
		require.EqualError(t, err, tt.want, tt.name)
	}
}

func TestNoArgsSaysHowToWriteTheValueOfAFlag(t *testing.T) {
	for want, args := range map[string][]string{
		`serve takes no arguments: "extra"`: {"--auth", "extra"},
		`serve takes no arguments: "false"`: {"false"},
		`serve takes no arguments: "false"; the value of --auth follows a =, as in --auth=false`: {"--auth", "false"},
	} {
		cmd := &cobra.Command{Use: "serve", Args: NoArgs, RunE: func(*cobra.Command, []string) error { return nil }, SilenceErrors: true, SilenceUsage: true}
		cmd.Flags().Bool("auth", false, "")
		cmd.SetArgs(args)
		require.EqualError(t, cmd.ExecuteContext(t.Context()), want)
	}
}
