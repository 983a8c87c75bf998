package nacosapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type site struct {
	t       *testing.T
	auth    *auth.Auth
	handler http.Handler
	token   string // admin token
}

func newSite(t *testing.T, enabled bool) *site {
	t.Helper()
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL()})
	require.NoError(t, err)
	a, err := auth.New(auth.Config{Client: client, Enabled: enabled, Key: []byte("0123456789abcdef0123456789abcdef"), HashCost: bcrypt.MinCost})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = client.Close() })
	<-a.Ready()
	file := filepath.Join(t.TempDir(), "admin-token")
	_, err = a.EnsureAdminToken(t.Context(), file)
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	e, err := rest.NewEngine(rest.Config{})
	require.NoError(t, err)
	New(a).Routes(e.Group("/nacos"))
	return &site{t, a, e, strings.TrimSpace(string(text))}
}

// do sends a request; body is a form.
func (s *site) do(method, target, body, token string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, "/nacos"+target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func (s *site) want(method, target, body, token string, status int, answer string) {
	s.t.Helper()
	w := s.do(method, target, body, token)
	require.Equal(s.t, status, w.Code, w.Body.String())
	require.Equal(s.t, answer, w.Body.String(), "%s %s", method, target)
}

func TestLoginAsSDKsDoIt(t *testing.T) {
	s := newSite(t, true)
	s.want("POST", "/v1/auth/users/admin", "password=secret", s.token, 200, `{"username":"nacos","password":"secret"}`)
	for what, x := range map[string][2]string{
		"Go uses the form":                       {"/v1/auth/users/login", "username=nacos&password=secret"},
		"Java puts the name into the query":      {"/v3/auth/user/login?username=nacos", "password=secret"},
		"Python puts both into the query":        {"/v1/auth/users/login?username=nacos&password=secret", ""},
		"the oldest path":                        {"/v1/auth/login?username=nacos", "password=secret"},
		"a blank value in the query is no value": {"/v1/auth/login?username=nacos&password=", "password=secret"},
	} {
		w := s.do("POST", x[0], x[1], "")
		require.Equal(t, 200, w.Code, what)
		var answer map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		require.IsType(t, float64(0), answer["tokenTtl"], "the Go client asserts a number")
		require.EqualValues(t, 18000, answer["tokenTtl"])
		require.Equal(t, true, answer["globalAdmin"])
		require.Equal(t, "nacos", answer["username"])
		require.Equal(t, "Bearer "+answer["accessToken"].(string), w.Header().Get("Authorization"))
	}
	s.want("POST", "/v1/auth/login?username=nacos&password=wrong", "", "", 403, "unknown user!")
	s.want("POST", "/v3/auth/user/login", "", "", 403, "unknown user!")
}

func TestUsersRolesAndPermissions(t *testing.T) {
	s := newSite(t, true)
	s.want("POST", "/v1/auth/users/admin", "password=secret", s.token, 200, `{"username":"nacos","password":"secret"}`)
	s.want("POST", "/v1/auth/users/admin", "password=x", s.token, 200, `{"code":409,"message":null,"data":"have admin user cannot use it"}`)
	s.want("POST", "/v3/auth/user/admin", "password=x", s.token, 200, `{"code":409,"message":"have admin user cannot use it.","data":null}`)
	s.want("POST", "/v1/auth/users", "username=tom&password=t", s.token, 200, `{"code":200,"message":null,"data":"create user ok!"}`)
	s.want("POST", "/v3/auth/user", "username=ann&password=a", s.token, 200, `{"code":0,"message":"success","data":"create user ok!"}`)
	s.want("GET", "/v1/auth/users?search=accurate&pageNo=1&pageSize=2", "", s.token, 200,
		`{"totalCount":3,"pageNumber":1,"pagesAvailable":2,"pageItems":[{"username":"ann","password":"******"},{"username":"nacos","password":"******"}]}`)
	s.want("GET", "/v3/auth/user/list?pageNo=1&pageSize=9&search=blur&username=*o*", "", s.token, 200,
		`{"code":0,"message":"success","data":{"totalCount":2,"pageNumber":1,"pagesAvailable":1,"pageItems":[{"username":"nacos","password":"******"},{"username":"tom","password":"******"}]}}`)
	s.want("GET", "/v1/auth/users/search?username=o", "", s.token, 200, `["nacos","tom"]`)
	s.want("POST", "/v1/auth/roles", "role=dev&username=tom", s.token, 200, `{"code":200,"message":null,"data":"add role ok!"}`)
	s.want("GET", "/v1/auth/roles?pageNo=1&pageSize=10&role=dev", "", s.token, 200,
		`{"totalCount":1,"pageNumber":1,"pagesAvailable":1,"pageItems":[{"role":"dev","username":"tom"}]}`)
	s.want("GET", "/v3/auth/role/search?role=e", "", s.token, 200, `{"code":0,"message":"success","data":["dev"]}`)
	s.want("POST", "/v3/auth/permission", "role=dev&resource=dev:*:*&action=r", s.token, 200, `{"code":0,"message":"success","data":"add permission ok!"}`)
	s.want("GET", "/v3/auth/permission?role=dev&resource=dev:*:*&action=r", "", s.token, 200, `{"code":0,"message":"success","data":true}`)
	s.want("POST", "/v1/auth/permissions", "role=dev&resource=test:*:*&action=rw", s.token, 200, `{"code":200,"message":null,"data":"add permission ok!"}`)
	s.want("GET", "/v1/auth/permissions?role=dev&resource=test:*:*&action=w", "", s.token, 200, `{"code":0,"message":"success","data":true}`)
	s.want("GET", "/v1/auth/permissions?role=dev&resource=dev:*:*&action=w", "", s.token, 200, `{"code":0,"message":"success","data":false}`)
	s.want("DELETE", "/v1/auth/permissions", "role=dev&resource=test:*:*&action=rw", s.token, 200, `{"code":200,"message":null,"data":"delete permission ok!"}`)
	s.want("GET", "/v1/auth/permissions?pageNo=1&pageSize=10", "", s.token, 200,
		`{"totalCount":1,"pageNumber":1,"pagesAvailable":1,"pageItems":[{"role":"dev","resource":"dev:*:*","action":"r"}]}`)
	s.want("DELETE", "/v1/auth/permissions?role=dev&resource=dev:*:*&action=r", "", s.token, 200, `{"code":200,"message":null,"data":"delete permission ok!"}`)
	s.want("DELETE", "/v1/auth/roles", "role=dev&username=tom", s.token, 200, `{"code":200,"message":null,"data":"delete role of user tom ok!"}`)
	s.want("DELETE", "/v3/auth/user?username=ann", "", s.token, 200, `{"code":0,"message":"success","data":"delete user ok!"}`)
	s.want("DELETE", "/v1/auth/users?username=nacos", "", s.token, 400, "caused: cannot delete admin: nacos;")
	s.want("POST", "/v1/auth/users", "username=nacos&password=x", s.token, 200, `{"code":409,"message":null,"data":"the user nacos is made by POST /v1/auth/users/admin"}`)
	s.want("POST", "/v1/auth", "username=tom&password=x", s.token, 400, "caused: user 'tom' already exist!;")
	s.want("POST", "/v3/auth/user", "username=tom&password=x", s.token, 409, `{"code":20005,"message":"resource conflict","data":"user 'tom' already exist!"}`)
}

func TestWhoMayDoWhat(t *testing.T) {
	s := newSite(t, true)
	require.NoError(t, s.auth.CreateAdmin(t.Context(), "boss", "b"))
	require.NoError(t, s.auth.Directory.CreateUser(t.Context(), "tom", "t"))
	tom, err := s.auth.Login(t.Context(), "", "tom", "t")
	require.NoError(t, err)

	w := s.do("GET", "/v1/auth/users?pageNo=1&pageSize=10", "", "")
	require.Equal(t, 403, w.Code)
	require.Contains(t, w.Body.String(), `"message":"Code: 401, Message: token invalid!."`)
	require.Contains(t, w.Body.String(), `"path":"/nacos/v1/auth/users"`)
	w = s.do("GET", "/v3/auth/user/list", "", tom.Token)
	require.Equal(t, 403, w.Code)
	require.Contains(t, w.Body.String(), `"message":"Code: 403, Message: authorization failed!."`)
	for _, route := range [][2]string{
		{"POST", "/v1/auth/users/admin"},
		{"POST", "/v3/auth/user/admin"},
		{"POST", "/v1/auth/users?username=x&password=y"},
		{"POST", "/v1/auth/roles?role=a&username=tom"},
		{"DELETE", "/v1/auth/users?username=tom"},
		{"POST", "/v3/auth/permission?role=a&resource=*:*:*&action=rw"},
	} {
		require.Equal(t, 403, s.do(route[0], route[1], "", "").Code, route)
		require.Equal(t, 403, s.do(route[0], route[1], "", tom.Token).Code, route)
	}
	s.want("PUT", "/v1/auth/users", "username=tom&newPassword=n", tom.Token, 200, `{"code":200,"message":null,"data":"update user ok!"}`)
	tom, err = s.auth.Login(t.Context(), "", "tom", "n")
	require.NoError(t, err)
	require.Equal(t, 403, s.do("PUT", "/v1/auth/users", "username=boss&newPassword=n", tom.Token).Code)
	require.Equal(t, 200, s.do("GET", "/v1/auth/users?pageNo=1&pageSize=10&accessToken="+s.token, "", "").Code, "a token in the query")
	require.Equal(t, 200, s.do("GET", "/v1/auth/users?pageNo=1&pageSize=10&username=boss&password=b", "", "").Code, "name and password in its place")
}

func TestLoginWithoutAuthentication(t *testing.T) {
	s := newSite(t, false)
	w := s.do("POST", "/v1/auth/users/login", "username=nacos&password=nacos", "")
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), `"accessToken":"AUTH_DISABLED","tokenTtl":18000`)
	s.want("POST", "/v1/auth/users", "username=tom&password=t", "", 200, `{"code":200,"message":null,"data":"create user ok!"}`)
	s.want("PUT", "/v1/auth/users", "username=ann&newPassword=t", "", 400, "caused: user ann not exist!;")
}

func TestGRPCRequestsAreChecked(t *testing.T) {
	s := newSite(t, true)
	ctx := t.Context()
	d := s.auth.Directory
	require.NoError(t, d.CreateUser(ctx, "tom", "t"))
	require.NoError(t, d.Grant(ctx, "dev", "tom"))
	require.NoError(t, d.AddPermission(ctx, auth.Permission{Role: "dev", Resource: "dev:G:*", Action: auth.Read}))
	require.NoError(t, d.AddPermission(ctx, auth.Permission{Role: "dev", Resource: "dev:DEFAULT_GROUP:naming/orders", Action: auth.ReadWrite}))
	require.NoError(t, d.AddPermission(ctx, auth.Permission{Role: "dev", Resource: "all:DEFAULT_GROUP:naming/*", Action: auth.Read}))
	require.NoError(t, d.AddPermission(ctx, auth.Permission{Role: "dev", Resource: "n*:*:*", Action: auth.ReadWrite}))
	tom, err := s.auth.Login(ctx, "", "tom", "t")
	require.NoError(t, err)
	key := func(group, name string) wire.ServiceKey {
		return wire.ServiceKey{Namespace: "dev", GroupName: group, ServiceName: name}
	}
	config := wire.ConfigKey{Tenant: "dev", Group: "G", DataID: "a"}
	listen := func(groups ...string) *wire.ConfigBatchListenRequest {
		r := &wire.ConfigBatchListenRequest{Listen: true}
		for _, g := range groups {
			r.ConfigListenContexts = append(r.ConfigListenContexts, wire.ListenContext{Tenant: "dev", Group: g, DataID: "a"})
		}
		return r
	}
	for _, c := range []struct {
		what    string
		request wire.Body
		want    error
	}{
		{"a health check", &wire.HealthCheckRequest{}, nil},
		{"registering a service of one's own, in the default group", &wire.InstanceRequest{ServiceKey: key("", "orders")}, nil},
		{"registering another", &wire.InstanceRequest{ServiceKey: key("G", "orders")}, auth.ErrForbidden},
		{"a batch of another", &wire.BatchInstanceRequest{ServiceKey: key("G", "orders")}, auth.ErrForbidden},
		{"a persistent one of another", &wire.PersistentInstanceRequest{ServiceKey: key("G", "orders")}, auth.ErrForbidden},
		{"subscribing where reading is allowed", &wire.SubscribeServiceRequest{ServiceKey: key("G", "users")}, nil},
		{"subscribing elsewhere", &wire.SubscribeServiceRequest{ServiceKey: key("H", "users")}, auth.ErrForbidden},
		{"querying elsewhere", &wire.ServiceQueryRequest{ServiceKey: key("H", "users")}, auth.ErrForbidden},
		{"listing a group", &wire.ServiceListRequest{ServiceKey: key("G", "")}, nil},
		{"listing a group by the name of one service in it", &wire.ServiceListRequest{ServiceKey: key("DEFAULT_GROUP", "orders")}, auth.ErrForbidden},
		{"listing the default group", &wire.ServiceListRequest{ServiceKey: wire.ServiceKey{Namespace: "all"}}, nil},
		{"listing another", &wire.ServiceListRequest{ServiceKey: key("H", "")}, auth.ErrForbidden},
		{"reading a config", &wire.ConfigQueryRequest{ConfigKey: config}, nil},
		{"publishing it", &wire.ConfigPublishRequest{ConfigKey: config}, auth.ErrForbidden},
		{"removing it", &wire.ConfigRemoveRequest{ConfigKey: config}, auth.ErrForbidden},
		{"publishing in the public namespace, by a name that is anybody's", &wire.ConfigPublishRequest{ConfigKey: wire.ConfigKey{Tenant: "null", Group: "G", DataID: "a"}}, auth.ErrForbidden},
		{"watching it by that name", &wire.ConfigFuzzyWatchRequest{GroupKeyPattern: "null>>G>>*"}, auth.ErrForbidden},
		{"listening to it", listen("G"), nil},
		{"listening to it and to one that is not for tom", listen("G", "H"), auth.ErrForbidden},
		{"watching services that match", &wire.NamingFuzzyWatchRequest{GroupKeyPattern: "dev>>G>>us*"}, nil},
		{"watching them in all groups", &wire.NamingFuzzyWatchRequest{GroupKeyPattern: "dev>>*>>us*"}, auth.ErrForbidden},
		{"watching them in groups that begin alike", &wire.NamingFuzzyWatchRequest{GroupKeyPattern: "dev>>G*>>us*"}, auth.ErrForbidden},
		{"watching them in another namespace than that beside the pattern", &wire.NamingFuzzyWatchRequest{Namespace: "dev", GroupKeyPattern: "prod>>G>>us*"}, auth.ErrForbidden},
		{"watching configs that match", &wire.ConfigFuzzyWatchRequest{GroupKeyPattern: "dev>>G>>*"}, nil},
		{"watching them in all groups", &wire.ConfigFuzzyWatchRequest{GroupKeyPattern: "dev>>*>>*"}, auth.ErrForbidden},
		{"ending a watch on what is not for tom", &wire.ConfigFuzzyWatchRequest{GroupKeyPattern: "dev>>*>>*", WatchType: wire.FuzzyCancelWatch}, auth.ErrForbidden},
		{"a pattern that is none", &wire.ConfigFuzzyWatchRequest{GroupKeyPattern: "dev"}, nil},
	} {
		_, err := authorize(ctx, s.auth, "1.2.3.4", map[string]string{"accessToken": tom.Token}, c.request)
		if c.want == nil {
			require.NoError(t, err, c.what)
			continue
		}
		require.ErrorIs(t, err, c.want, c.what)
	}
	_, err = authorize(ctx, s.auth, "1.2.3.4", map[string]string{"ACCESSTOKEN": tom.Token}, &wire.ConfigQueryRequest{ConfigKey: config})
	require.ErrorIs(t, err, auth.ErrUnauthenticated, "the key is case-sensitive")
	for _, name := range wire.Types() {
		if !strings.HasSuffix(name, "Request") || name == "HealthCheckRequest" || name == "ServerCheckRequest" || name == "ConnectionSetupRequest" {
			continue
		}
		_, err := authorize(ctx, s.auth, "1.2.3.4", nil, wire.New(name))
		require.ErrorIs(t, err, auth.ErrUnauthenticated, "%s without an identity", name)
	}
}

// Where no login is required nothing before the handlers waits: a server that starts said
// that there are no users.
func TestNobodyReadsUsersBeforeTheyAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL(), KeepAlive: true})
		require.NoError(t, err)
		defer client.Close()
		a, err := auth.New(auth.Config{Client: client, Key: make([]byte, 32), HashCost: bcrypt.MinCost})
		require.NoError(t, err)
		e, err := rest.NewEngine(rest.Config{})
		require.NoError(t, err)
		New(a).Routes(e.Group("/nacos"))
		read := 0
		for _, route := range e.Routes() {
			if route.Method != http.MethodGet {
				continue
			}
			read++
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, route.Path+"?username=a&role=b&resource=c&action=r", nil))
			require.Equal(t, http.StatusServiceUnavailable, w.Code, "%s: %s", route.Path, w.Body)
		}
		require.Greater(t, read, 10)
	})
}
