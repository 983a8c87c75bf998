package nacosapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/namespace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type counts map[string]int

func (c counts) CountConfigs(ns string) int { return c[ns] }

func site(t *testing.T, cfg Config) http.Handler {
	t.Helper()
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL()})
	require.NoError(t, err)
	n, err := namespace.New(client, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = n.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = client.Close() })
	<-n.Ready()
	cfg.Namespaces = n
	e, err := rest.NewEngine(rest.Config{})
	require.NoError(t, err)
	New(cfg).Routes(e.Group("/nacos"))
	return e
}

func want(t *testing.T, h http.Handler, method, target, body string, status int, answer string) {
	t.Helper()
	r := httptest.NewRequest(method, "/nacos"+target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, answer, w.Body.String(), "%s %s", method, target)
}

const (
	publicV1 = `{"namespace":"public","namespaceShowName":"public","namespaceDesc":"Default Namespace","quota":200,"configCount":7,"type":0}`
	devV1    = `{"namespace":"dev","namespaceShowName":"Development 开发","namespaceDesc":"d","quota":200,"configCount":0,"type":2}`
)

func TestV1(t *testing.T) {
	h := site(t, Config{Counter: counts{"public": 7}})
	want(t, h, "GET", "/v1/console/namespaces", "", 200, `{"code":200,"message":null,"data":[`+publicV1+`]}`)
	want(t, h, "POST", "/v1/console/namespaces", "customNamespaceId=dev&namespaceName=Development+%E5%BC%80%E5%8F%91&namespaceDesc=d", 200, `true`)
	want(t, h, "POST", "/v1/console/namespaces", "customNamespaceId=dev&namespaceName=x", 200, `false`)
	want(t, h, "POST", "/v1/console/namespaces", "customNamespaceId=a/b&namespaceName=x", 400,
		"Param 'namespaceId/tenant' is illegal, illegal characters should not appear in the param.\r\n")
	want(t, h, "GET", "/v1/console/namespaces", "", 200, `{"code":200,"message":null,"data":[`+publicV1+`,`+devV1+`]}`)
	want(t, h, "GET", "/v1/console/namespaces?show=all&namespaceId=dev", "", 200, devV1)
	want(t, h, "GET", "/v1/console/namespaces?show=all&namespaceId=", "", 200, publicV1)
	want(t, h, "GET", "/v1/console/namespaces?show=all&namespaceId=no", "", 500, `caused: namespaceId [ no ] not exist;`)
	want(t, h, "GET", "/v1/console/namespaces?checkNamespaceIdExist=true&customNamespaceId=dev", "", 200, `true`)
	want(t, h, "GET", "/v1/console/namespaces?checkNamespaceIdExist=true&customNamespaceId=no", "", 200, `false`)
	want(t, h, "PUT", "/v1/console/namespaces", "namespace=dev&namespaceShowName=Dev", 200, `true`)
	want(t, h, "PUT", "/v1/console/namespaces", "namespace=no&namespaceShowName=No", 200, `false`)
	want(t, h, "DELETE", "/v1/console/namespaces?namespaceId=dev", "", 200, `true`)
	want(t, h, "DELETE", "/v1/console/namespaces", "namespaceId=dev", 200, `true`)
	want(t, h, "GET", "/v1/console/namespaces", "", 200, `{"code":200,"message":null,"data":[`+publicV1+`]}`)
}

func TestPublicIsBlankForToolsOf2x(t *testing.T) {
	h := site(t, Config{BlankPublic: true})
	want(t, h, "GET", "/v1/console/namespaces?show=all&namespaceId=public", "", 200,
		`{"namespace":"","namespaceShowName":"public","namespaceDesc":"Default Namespace","quota":200,"configCount":0,"type":0}`)
	want(t, h, "GET", "/v3/console/core/namespace?namespaceId=public", "", 200,
		`{"code":0,"message":"success","data":{"namespace":"public","namespaceShowName":"public","namespaceDesc":"Default Namespace","quota":200,"configCount":0,"type":0}}`)
}

func TestV2AndV3(t *testing.T) {
	h := site(t, Config{})
	want(t, h, "POST", "/v2/console/namespace", "namespaceId=dev&namespaceName=Dev", 200, `{"code":0,"message":"success","data":true}`)
	want(t, h, "POST", "/v2/console/namespace", "namespaceId=dev&namespaceName=Dev", 400, `{"code":22000,"message":"illegal namespace","data":"the namespaceId is existed, namespaceId: dev"}`)
	want(t, h, "POST", "/v3/console/core/namespace", "customNamespaceId=dev&namespaceName=Dev", 400, `{"code":22002,"message":"namespace already exist","data":"namespaceId [dev] already exist."}`)
	want(t, h, "GET", "/v2/console/namespace?namespaceId=no", "", 404, `{"code":22001,"message":"namespace not exist","data":"namespaceId [ no ] not exist"}`)
	want(t, h, "DELETE", "/v2/console/namespace", "", 400,
		`{"code":10000,"message":"parameter missing","data":"Required request parameter 'namespaceId' for method parameter type String is not present"}`)
	want(t, h, "GET", "/v2/console/namespace?namespaceId=", "", 200,
		`{"code":0,"message":"success","data":{"namespace":"public","namespaceShowName":"public","namespaceDesc":"Default Namespace","quota":200,"configCount":0,"type":0}}`)
	long := strings.Repeat("n", 65)
	want(t, h, "POST", "/v3/console/core/namespace", "customNamespaceId="+long+"&namespaceName=Long", 400,
		"Param 'namespaceId/tenant' is illegal, the param length should not exceed 64.\r\n")
	want(t, h, "POST", "/v3/admin/core/namespace", "namespaceId="+long+"&namespaceName=Long", 200, `{"code":0,"message":"success","data":true}`)
	want(t, h, "DELETE", "/v3/admin/core/namespace?namespaceId="+long, "", 200, `{"code":0,"message":"success","data":true}`)
	want(t, h, "PUT", "/v2/console/namespace", "namespaceId=dev&namespaceName=a%25", 400,
		"Param 'namespaceShowName' is illegal, illegal characters should not appear in the param.\r\n")
	want(t, h, "PUT", "/v3/admin/core/namespace", "namespaceId=dev&namespaceName=a%25", 400,
		`{"code":22000,"message":"illegal namespace","data":"namespaceName [a%] contains illegal char"}`)
	want(t, h, "GET", "/v3/admin/core/namespace?namespaceId=dev", "", 200,
		`{"code":0,"message":"success","data":{"namespace":"dev","namespaceShowName":"Dev","namespaceDesc":null,"quota":200,"configCount":0,"type":1}}`)
	want(t, h, "GET", "/v3/console/core/namespace/exist?customNamespaceId=dev", "", 200, `{"code":0,"message":"success","data":true}`)
	want(t, h, "GET", "/v3/admin/core/namespace/check?namespaceId=dev", "", 200, `{"code":0,"message":"success","data":1}`)
	want(t, h, "GET", "/v3/admin/core/namespace/check?namespaceId=no", "", 200, `{"code":0,"message":"success","data":0}`)
	want(t, h, "PUT", "/v3/console/core/namespace", "namespaceId=no&namespaceName=x", 404, `{"code":22001,"message":"namespace not exist","data":"namespaceId [ no ] not exist"}`)
	want(t, h, "DELETE", "/v3/console/core/namespace?namespaceId=dev", "", 200, `{"code":0,"message":"success","data":true}`)
	want(t, h, "DELETE", "/v2/console/namespace?namespaceId=public", "", 400, `{"code":22000,"message":"illegal namespace","data":"the public namespace cannot be deleted"}`)
}

// Where no login is required nothing before the handlers waits: a server that starts said
// that there is no namespace but the public one.
func TestNobodyReadsNamespacesBeforeTheyAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL(), KeepAlive: true})
		require.NoError(t, err)
		defer client.Close()
		n, err := namespace.New(client, nil)
		require.NoError(t, err)
		e, err := rest.NewEngine(rest.Config{})
		require.NoError(t, err)
		New(Config{Namespaces: n}).Routes(e.Group("/nacos"))
		for _, route := range e.Routes() {
			if route.Method != http.MethodGet {
				continue
			}
			for _, more := range []string{"", "&show=all", "&checkNamespaceIdExist=true"} { // what v1 has on one path
				w := httptest.NewRecorder()
				e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, route.Path+"?namespaceId=dev&customNamespaceId=dev"+more, nil))
				require.Equal(t, http.StatusServiceUnavailable, w.Code, "%s with %s: %s", route.Path, more, w.Body)
			}
		}
	})
}
