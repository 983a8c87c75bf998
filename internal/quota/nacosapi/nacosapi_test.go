package nacosapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/quota"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve makes the routes answer; every scope uses as much as used says.
func serve(t *testing.T, used Used) func(method, target string) (int, string) {
	t.Helper()
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute})
	require.NoError(t, err)
	_, _, err = client.Create(t.Context(), core.ParentPath(quota.Root), nil, core.CreateOptions{})
	require.NoError(t, err)
	q, err := quota.New(client, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = q.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = client.Close() })
	<-q.Ready()
	engine, err := rest.NewEngine(rest.Config{})
	require.NoError(t, err)
	New(Config{Quotas: q, Used: func(quota.Scope) Used { return used }}).Routes(engine.Group("/nacos"))
	return func(method, target string) (int, string) {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequest(method, "/nacos"+target, nil))
		return w.Code, w.Body.String()
	}
}

func TestALimitThatIsNotNamedStays(t *testing.T) {
	const own = "/v3/admin/core/namespace/quota?namespaceId=dev"
	ask := serve(t, Used{Configs: 1, Bytes: 2, Services: 3, Instances: 4})
	for _, change := range []string{"&configs=5&bytes=6000000000", "&contentBytes=7&services=8&instances=9", "&configs=0"} {
		status, body := ask(http.MethodPut, own+change)
		require.Equal(t, http.StatusOK, status, body)
	}
	_, body := ask(http.MethodGet, own)
	require.JSONEq(t, `{"code":0,"message":"success","data":{"namespaceId":"dev",
		"limits":{"configs":0,"contentBytes":7,"bytes":6000000000,"services":8,"instances":9},
		"used":{"configs":1,"bytes":2,"services":3,"instances":4}}}`, body)
	_, body = ask(http.MethodGet, "/v3/admin/cs/capacity?namespaceId=dev")
	require.Contains(t, body, `"quota":200,"usage":1,"maxSize":7,`, "as Nacos shows it, with its defaults")
}

func TestWhatIsRefused(t *testing.T) {
	ask := serve(t, Used{})
	for _, c := range []struct{ method, target, want string }{
		{http.MethodPut, "/v3/admin/core/namespace/quota?namespaceId=dev", "no limit is named"},
		{http.MethodPut, "/v3/admin/core/namespace/quota?configs=1", "namespaceId"},
		{http.MethodPut, "/v3/admin/core/namespace/quota?namespaceId=dev&instances=-1", "instances is not between 0"},
		{http.MethodPut, "/v3/admin/core/namespace/quota?namespaceId=dev&bytes=99999999999999999999", "no number"},
		{http.MethodPut, "/v3/admin/core/namespace/quota?namespaceId=d%20v&configs=1", "illegal characters should not appear"},
		{http.MethodGet, "/v3/admin/core/namespace/quota?namespaceId=" + strings.Repeat("x", 129), "the param length should not exceed 128."},
		{http.MethodPost, "/v1/cs/capacity?tenant=dev&quota=-5", "configs is not between 0"},
	} {
		status, body := ask(c.method, c.target)
		require.Equal(t, http.StatusBadRequest, status, c.target)
		require.Contains(t, body, c.want, c.target)
	}
}
