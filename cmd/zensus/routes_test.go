package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	auditapi "github.com/zensus-io/zensus/internal/audit/nacosapi"
	"github.com/zensus-io/zensus/internal/settings"
)

// assembled is the Nacos side of a server that runs until the test ends, with nothing
// served yet: what routes there are.
func assembled(t *testing.T) *nacosSide {
	t.Helper()
	s := settings.Default()
	s.DataDir = filepath.Join(t.TempDir(), "data")
	s.Listen = settings.Listen{HTTP: settings.Off, GRPC: settings.Off, ZooKeeper: "127.0.0.1:0", Peer: settings.Off}
	p, err := fromSettings(&s)
	require.NoError(t, err)
	in, err := assemble(p, hclog.NewNullLogger(), prometheus.NewRegistry())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	<-in.node.Serving()
	secret, err := p.secret()
	require.NoError(t, err)
	client, err := in.ownSession(ctx, new(troubles))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	side, err := in.newNacosSide(ctx, client, secret)
	require.NoError(t, err)
	return side
}

var listRoutes = flag.Bool("list-routes", false, "write the routes down that internal/security attacks")

// TestEveryRouteIsAttacked: internal/security attacks what is in its list, and the list
// is what the server has. Who may use a route without rights is said there, by hand.
func TestEveryRouteIsAttacked(t *testing.T) {
	side := assembled(t)
	var have []string
	for _, r := range side.engine.Routes() {
		have = append(have, r.Method+" "+r.Path)
	}
	for _, name := range side.rpc.Types() {
		have = append(have, "GRPC "+name)
	}
	slices.Sort(have)
	file := filepath.Join("..", "..", "internal", "security", "testdata", "routes.txt")
	text := strings.Join(have, "\n") + "\n"
	if *listRoutes {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	listed, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, text, string(listed), "go test ./cmd/zensus -run TestEveryRouteIsAttacked -list-routes writes the list")
}

// TestEveryWriteIsOnRecord: what is left out of the audit is there, and is one of those
// that may be.
func TestEveryWriteIsOnRecord(t *testing.T) {
	var left []string
	for _, r := range assembled(t).engine.Routes() {
		if !auditapi.Recorded(r.Method, r.Path) && r.Method != "GET" && r.Method != "HEAD" && r.Method != "OPTIONS" && r.Method != "CONNECT" && r.Method != "TRACE" {
			left = append(left, r.Method+" "+r.Path)
		}
	}
	slices.Sort(left)
	for _, route := range left {
		reads := strings.Contains(route, "/listener") || strings.HasSuffix(route, "/validate") || strings.Contains(route, "/instances") || strings.Contains(route, "/statuses/") || strings.Contains(route, "/instance/list")
		clients := strings.HasSuffix(route, "/ns/instance") && !strings.Contains(route, "/admin/") && !strings.HasPrefix(route, "P") || strings.HasPrefix(route, "POST") && strings.HasSuffix(route, "/ns/instance") || strings.HasSuffix(route, "/beat")
		logins := strings.HasSuffix(route, "/login") || strings.HasSuffix(route, "/logout")
		require.True(t, reads || clients || logins, "%s is not on record", route)
	}
	require.NotEmpty(t, left)
}
