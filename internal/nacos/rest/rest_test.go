package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func engine(t *testing.T, cfg Config) *gin.Engine {
	t.Helper()
	e, err := NewEngine(cfg)
	require.NoError(t, err)
	return e
}

const form = "application/x-www-form-urlencoded"

func send(h http.Handler, method, target, contentType, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type paging struct {
	PageNo   int `form:"pageNo,default=1"`
	PageSize int `form:"pageSize,default=20"`
}

type everything struct {
	paging
	Service  string        `form:"serviceName" binding:"required"`
	Cluster  string        `form:"clusterName,default=DEFAULT" alias:"cluster"`
	Enabled  bool          `form:"enabled,default=true" alias:"enable"`
	Weight   float64       `form:"weight,default=1"`
	Healthy  *bool         `form:"healthy"`
	CAS      string        `header:"casMd5"`
	Tag      string        `form:"tag" header:"Vipserver-Tag"`
	Timeout  time.Duration `header:"Long-Pulling-Timeout"`
	Clusters []string      `form:"clusters"`
	Key      string        `uri:"key"`
}

func TestParametersAreReadAsServletsDo(t *testing.T) {
	var got everything
	e := engine(t, Config{})
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
		e.Handle(method, "/x/:key", With(V1, func(_ context.Context, in everything) (string, error) {
			got = in
			return "ok", nil
		}))
	}
	yes := true
	base := func(change func(*everything)) everything {
		x := everything{paging: paging{1, 20}, Service: "s", Cluster: "DEFAULT", Enabled: true, Weight: 1, Key: "k"}
		if change != nil {
			change(&x)
		}
		return x
	}
	for _, c := range []struct {
		what, method, query, body string
		headers                   []string
		want                      everything
	}{
		{"defaults", "GET", "serviceName=s", "", nil, base(nil)},
		{"a form", "POST", "", "serviceName=s&pageNo=3", nil, base(func(x *everything) { x.PageNo = 3 })},
		{"a form in a DELETE", "DELETE", "", "serviceName=s", nil, base(nil)},
		{"a form in a GET", "GET", "", "serviceName=s", nil, base(nil)},
		{"query and form together", "PUT", "serviceName=s", "weight=0.5", nil, base(func(x *everything) { x.Weight = 0.5 })},
		{"the query wins", "POST", "serviceName=s", "serviceName=t", nil, base(nil)},
		{"a blank value counts as absent", "POST", "serviceName=&clusterName=", "serviceName=s&clusterName=", nil, base(nil)},
		{"the other name", "PATCH", "serviceName=s&cluster=A&enable=off", "", nil, base(func(x *everything) { x.Cluster, x.Enabled = "A", false })},
		{"words for true", "GET", "serviceName=s&healthy=yes", "", nil, base(func(x *everything) { x.Healthy = &yes })},
		{
			"headers", "GET", "serviceName=s", "",
			[]string{"casMd5", "abc", "Vipserver-Tag", "t", "Long-Pulling-Timeout", "30000"},
			base(func(x *everything) { x.CAS, x.Tag, x.Timeout = "abc", "t", 30*time.Second }),
		},
		{"a parameter before a header", "GET", "serviceName=s&tag=p", "", []string{"Vipserver-Tag", "t"}, base(func(x *everything) { x.Tag = "p" })},
		{"a list with commas", "GET", "serviceName=s&clusters=A,,%20B", "", nil, base(func(x *everything) { x.Clusters = []string{"A", "B"} })},
		{"what is not known is passed over", "GET", "serviceName=s&app=x&encoding=GBK&ak=%zz", "", nil, base(nil)},
		{"UTF-8", "POST", "", "serviceName=%E6%9C%8D%E5%8A%A1", nil, base(func(x *everything) { x.Service = "服务" })},
	} {
		got = everything{}
		contentType := ""
		if c.body != "" {
			contentType = form + ";charset=UTF-8"
		}
		w := send(e, c.method, "/x/k?"+c.query, contentType, c.body, c.headers...)
		require.Equal(t, 200, w.Code, "%s: %s", c.what, w.Body)
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(everything{}, paging{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, d)
		}
	}
}

func TestBadParameters(t *testing.T) {
	handler := func(context.Context, everything) (string, error) { return "ok", nil }
	e := engine(t, Config{})
	e.GET("/v1", With(V1, handler))
	e.GET("/v1c", With(V1Config, handler))
	e.GET("/v2", Handle(handler))
	e.GET("/v2single", With(V2Single, handler))
	e.GET("/v2plain", With(V2Plain, handler))
	e.GET("/v3text", With(V3Text, handler))
	e.GET("/checked", Check(func(in everything) error {
		if in.Service == "bad" {
			return errors.New("serviceName is bad")
		}
		return nil
	}), With(V1, handler))
	e.POST("/v2", BodyLimit(100), Handle(handler))
	type named struct {
		Name string `form:"name" binding:"required" absent:"required parameter 'name' is missing"`
	}
	e.GET("/named", Handle(func(context.Context, named) (string, error) { return "ok", nil }))
	for _, c := range []struct {
		what, target, want string
		status             int
	}{
		{"missing in naming's v1", "/v1", "Param 'serviceName' is required.", 400},
		{"missing in v2", "/v2", `{"code":10000,"message":"parameter missing","data":"Required parameter 'serviceName' type String is not present"}`, 400},
		{
			"missing where v2 asks one by one", "/v2single",
			`{"code":10000,"message":"parameter missing","data":"Required request parameter 'serviceName' for method parameter type String is not present"}`, 400,
		},
		{"missing where v2 fails with a text", "/v2plain", "Parameter 'serviceName' is missing", 400},
		{"missing where v3 fails with words", "/v3text", "caused: Required parameter 'serviceName' type String is not present;", 400},
		{"refused by a check", "/checked?serviceName=bad", "serviceName is bad\r\n", 400},
		{"missing, and so nothing to be checked", "/checked", "Param 'serviceName' is required.", 400},
		{"missing, in words of its own", "/named", `{"code":10000,"message":"parameter missing","data":"required parameter 'name' is missing"}`, 400},
		{"no number", "/v2?serviceName=s&pageNo=x", `{"code":20002,"message":"parameter validate error","data":"Param 'pageNo' is illegal, \"x\" is no number"}`, 400},
		{"not a number", "/v1?serviceName=s&weight=NaN", `Param 'weight' is illegal, "NaN" is no number`, 400},
		{"neither true nor false", "/v1?serviceName=s&enabled=maybe", `Param 'enabled' is illegal, "maybe" is neither true nor false`, 400},
	} {
		w := send(e, "GET", c.target, "", "")
		require.Equal(t, c.status, w.Code, c.what)
		require.Equal(t, c.want, w.Body.String(), c.what)
	}
	w := send(e, "GET", "/v1c", "", "")
	require.Equal(t, 400, w.Code)
	require.Regexp(t, `^\{"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00","status":400,"error":"Bad Request","message":"Required request parameter 'serviceName' is not present","path":"/v1c"\}$`, w.Body.String())
	w = send(e, "POST", "/v2", form, "serviceName="+strings.Repeat("x", 100))
	require.Equal(t, 500, w.Code)
	require.Contains(t, w.Body.String(), `"code":5034`)
	w = send(e, "GET", "/v2?serviceName="+strings.Repeat("x", maxQueryBytes), "", "")
	require.Equal(t, 400, w.Code, "the query has a bound too")
}

func TestABlankParameterIsGivenAndAnAbsentOneIsNot(t *testing.T) {
	type in struct {
		Desc  string `form:"desc"`
		Given bool   `given:"desc,description"`
	}
	e := engine(t, Config{})
	e.GET("/", Handle(func(_ context.Context, in in) (bool, error) { return in.Given, nil }))
	for query, want := range map[string]string{"": "false", "x=1": "false", "desc=": "true", "desc=a": "true", "description=": "true"} {
		require.Contains(t, send(e, "GET", "/?"+query, "", "").Body.String(), `"data":`+want, query)
	}
}

func TestAParameterMayHaveToBeThereAndBeBlank(t *testing.T) {
	type in struct {
		IDs []string `form:"ids" binding:"present" absent:"where are the ids?"`
	}
	e := engine(t, Config{})
	e.GET("/", Handle(func(_ context.Context, in in) ([]string, error) { return in.IDs, nil }))
	for query, want := range map[string]string{
		"x=1": `"where are the ids?"`, "ids=": `null`, "ids=,": `null`, "ids=a": `["a"]`,
		"ids=a,b": `["a","b"]`, "ids=a&ids=b,%20c&ids=": `["a","b","c"]`,
	} {
		require.Contains(t, send(e, "GET", "/?"+query, "", "").Body.String(), `"data":`+want, query)
	}
	// Behind a guard too, which has looked at it.
	type target struct {
		Namespace string `form:"tenant" alias:"namespaceId" binding:"present"`
	}
	e.GET("/v1", NewGuard(nil).Config(auth.Write), With(V1Config, func(_ context.Context, in target) (string, error) { return "to " + in.Namespace, nil }))
	for query, want := range map[string]int{"x=1": 400, "tenant=": 200, "namespaceId=%20": 200, "namespaceId=a": 200} {
		require.Equal(t, want, send(e, "GET", "/v1?"+query, "", "").Code, query)
	}
}

func TestJSONBodiesAndFiles(t *testing.T) {
	type in struct {
		Target string `form:"tenant" binding:"required"`
		Items  []struct {
			Count int `json:"count"`
		} `body:"json" binding:"required" absent:"where is the body?"`
	}
	type upload struct {
		Policy string `form:"policy"`
		File   *File  `file:"file" binding:"required"`
	}
	e := engine(t, Config{})
	e.POST("/clone", Handle(func(_ context.Context, in in) (int, error) { return len(in.Items), nil }))
	e.POST("/import", Handle(func(_ context.Context, in upload) (string, error) {
		f, err := in.File.Open()
		if err != nil {
			return "", err
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		return in.Policy + in.File.Name + string(b), err
	}))
	require.Equal(t, `{"code":0,"message":"success","data":2}`, send(e, "POST", "/clone?tenant=a", "application/json", `[{},{}]`).Body.String())
	require.Equal(t, 400, send(e, "POST", "/clone?tenant=a", "application/json", `[{}`).Code)
	require.Equal(t, 400, send(e, "POST", "/clone?tenant=a", "", ``).Code)
	e.POST("/v1", With(V1Config, func(_ context.Context, in in) (int, error) { return len(in.Items), nil }))
	for body, want := range map[string]string{
		`{}`:              "caused: JSON parse error: the body cannot be of type object;",
		`[{"count":"x"}]`: "caused: JSON parse error: count cannot be of type string;",
		``:                `"message":"where is the body?"`,
	} {
		w := send(e, "POST", "/v1?tenant=a", "application/json", body)
		require.Equal(t, 400, w.Code, body)
		require.Contains(t, w.Body.String(), want, body)
	}

	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	require.NoError(t, m.WriteField("policy", "SKIP"))
	f, err := m.CreateFormFile("file", "a.zip")
	require.NoError(t, err)
	_, err = f.Write([]byte("zip"))
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.Equal(t, `{"code":0,"message":"success","data":"SKIPa.zipzip"}`, send(e, "POST", "/import", m.FormDataContentType(), b.String()).Body.String())
	require.Equal(t, 400, send(e, "POST", "/import", m.FormDataContentType(), "garbage").Code)
	require.Equal(t, 400, send(e, "POST", "/import", "", "").Code)
}

func TestAnswersOfEachVersion(t *testing.T) {
	e := engine(t, Config{})
	add := func(path string, r Responder, out any, err error) {
		e.GET(path, With(r, func(context.Context, None) (any, error) { return out, err }))
	}
	conflict := wire.Refuse(wire.ServiceExists, "specified service s already exists!")
	for _, c := range []struct {
		what   string
		r      Responder
		out    any
		err    error
		status int
		kind   string
		want   string
	}{
		{"v1 text", V1, "ok", nil, 200, textPlain, "ok"},
		{"v1 bool", V1Config, true, nil, 200, jsonType, "true"},
		{"v1 nothing", V1Config, nil, nil, 200, "", ""},
		{"v1 JSON", V1, map[string]int{"count": 1}, nil, 200, jsonType, `{"count":1}`},
		{"v1 error", V1, nil, conflict, 400, textPlain, "specified service s already exists!"},
		{
			"config's v1 error", V1Config, nil, wire.Refuse(wire.CASMismatch, "Cas publish fail, server md5 may have changed."), 500, textPlain,
			"caused: Cas publish fail, server md5 may have changed.;",
		},
		{"RestResult", V1Result, true, nil, 200, jsonType, `{"code":200,"message":null,"data":true}`},
		{"v2", V2, "a<b>&", nil, 200, jsonType, `{"code":0,"message":"success","data":"a<b>&"}`},
		{
			"v2 error", V2, nil, fmt.Errorf("registry: create: %w", conflict), 400, jsonType,
			`{"code":21007,"message":"service already exist","data":"specified service s already exists!"}`,
		},
		{"a Result of the handler's own", V2, Result{Code: 20004, Message: "resource not found"}, nil, 200, jsonType, `{"code":20004,"message":"resource not found","data":null}`},
		{"bytes of the handler's own", V1, &Raw{Status: 404, ContentType: textPlain, Body: []byte("config data not exist\n")}, nil, 404, textPlain, "config data not exist\n"},
		{
			"no quorum", V2, nil, &core.OpError{Op: "create", Path: "/a", Err: core.ConnectionLoss}, 503, jsonType,
			`{"code":30000,"message":"server error","data":"no quorum, it is not known whether this was done: create /a: connection loss"}`,
		},
		{
			"no quorum and nothing done", V2, nil, &core.OpError{Op: "create", Path: "/a", Err: core.NotReadOnly}, 503, jsonType,
			`{"code":30000,"message":"server error","data":"no quorum, nothing was done: create /a: server is read-only"}`,
		},
		{
			"what Nacos's filter refuses", V2, nil, wire.RefuseBy(wire.ParameterInvalid, &FilteredError{"Param 'a' is illegal."}), 400, "",
			"Param 'a' is illegal.\r\n",
		},
		{"what nobody foresaw", V2, nil, errors.New("boom"), 500, jsonType, `{"code":30000,"message":"server error","data":"boom"}`},
	} {
		path := "/" + strings.ReplaceAll(c.what, " ", "-")
		add(path, c.r, c.out, c.err)
		w := send(e, "GET", path, "", "")
		require.Equal(t, c.status, w.Code, c.what)
		require.Equal(t, c.kind, w.Header().Get("Content-Type"), c.what)
		require.Equal(t, c.want, w.Body.String(), c.what)
	}
}

func TestUnknownPathsAndPanics(t *testing.T) {
	var seen []Access
	e := engine(t, Config{Access: func(a Access) { seen = append(seen, a) }})
	e.GET("/panic", Handle(func(context.Context, None) (string, error) { panic("boom") }))
	w := send(e, "GET", "/nacos/v1/ns/nothing", "", "")
	require.Equal(t, 501, w.Code)
	require.Contains(t, w.Body.String(), `"message":"no such api:GET:/nacos/v1/ns/nothing","path":"/nacos/v1/ns/nothing"`)
	require.Equal(t, 404, send(e, "GET", "/nacos/v2/nothing", "", "").Code)
	require.Contains(t, send(e, "GET", "/nacos/v3/nothing", "", "").Body.String(), `"message":"No endpoint GET /nacos/v3/nothing."`)
	none := func(context.Context, None) (string, error) { return "ok", nil }
	for _, path := range []string{"/nacos/v2/some", "/nacos/v3/some"} {
		e.POST(path, Handle(none))
		e.DELETE(path, Handle(none))
	}
	w = send(e, "PUT", "/nacos/v3/some", "", "")
	require.Equal(t, 405, w.Code)
	require.Equal(t, "DELETE, POST", w.Header().Get("Allow"))
	require.Contains(t, w.Body.String(), `"message":"Method 'PUT' is not supported."`)
	w = send(e, "PUT", "/nacos/v2/some", "", "")
	require.Equal(t, 404, w.Code)
	require.Empty(t, w.Header().Get("Allow"))
	w = send(e, "GET", "/panic", "", "")
	require.Equal(t, 500, w.Code)
	require.NotContains(t, w.Body.String(), "boom", "the client learns nothing of the inside")
	last := seen[len(seen)-1]
	require.Equal(t, "/panic", last.Route)
	require.Error(t, last.Err)
}

func TestWhereARequestComesFrom(t *testing.T) {
	e := engine(t, Config{})
	e.GET("/ip", With(V1, func(ctx context.Context, _ None) (string, error) {
		Of(ctx).Reply("X-Seen", "yes")
		return Of(ctx).ClientIP + " " + Of(ctx).RemoteIP, nil
	}))
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{nil, "192.0.2.1 192.0.2.1"},
		{[]string{"X-Forwarded-For", "10.0.0.1, 10.0.0.2", "X-Real-IP", "10.0.0.3"}, "10.0.0.1 192.0.2.1"},
		{[]string{"X-Real-IP", "10.0.0.3"}, "10.0.0.3 192.0.2.1"},
		{[]string{"X-Forwarded-For", "unknown"}, "192.0.2.1 192.0.2.1"},
		{[]string{"X-Forwarded-For", strings.Repeat("1", 1000)}, "192.0.2.1 192.0.2.1"},
	} {
		w := send(e, "GET", "/ip", "", "", c.headers...)
		require.Equal(t, c.want, w.Body.String())
		require.Equal(t, "yes", w.Header().Get("X-Seen"))
	}
	require.Empty(t, Of(t.Context()).ClientIP)
}

// gate lets in who carries its token, and notes what was needed.
type gate struct{ need auth.Need }

func (g *gate) Check(ctx context.Context, who auth.Credentials, need auth.Need) (context.Context, error) {
	g.need = need
	switch {
	case who.Token == "good" || who.Username == "tom" && who.Password == "pw":
		return auth.WithSubject(ctx, auth.Subject{Name: "tom"}), nil
	case who.Token == "":
		return ctx, auth.ErrUnauthenticated
	}
	return ctx, auth.ErrForbidden
}

// Allow lets tom read.
func (g *gate) Allow(s auth.Subject, need auth.Need) bool {
	return s.Name == "tom" && need.Action == auth.Read
}

func TestHandlersCanAskAboutWhatTheGuardCouldNotSee(t *testing.T) {
	e := engine(t, Config{})
	handler := With(V2, func(ctx context.Context, _ None) (string, error) {
		if err := Allow(ctx, auth.Need{Action: auth.Read}); err != nil {
			return "", err
		}
		return "read", Allow(ctx, auth.Need{Action: auth.Write})
	})
	e.GET("/guarded", NewGuard(&gate{}).User(), handler)
	e.GET("/open", NewGuard(nil).User(), handler)
	w := send(e, "GET", "/guarded?accessToken=good", "", "")
	require.Equal(t, 403, w.Code, "tom may read and not write")
	require.Contains(t, w.Body.String(), "authorization failed")
	require.Equal(t, 200, send(e, "GET", "/open", "", "").Code)
}

func TestGuard(t *testing.T) {
	g := &gate{}
	guard := NewGuard(g)
	e := engine(t, Config{})
	handler := With(V1, func(ctx context.Context, _ None) (string, error) { return auth.SubjectOf(ctx).Name, nil })
	e.POST("/naming", guard.Naming(auth.Write), handler)
	e.GET("/config", guard.Config(auth.Read), handler)
	e.GET("/admin", guard.Admin(), handler)

	for what, x := range map[string][]string{
		"in the query":                   {"/naming?accessToken=good", "serviceName=s", "", ""},
		"in the form":                    {"/naming", "serviceName=s&accessToken=good", "", ""},
		"in its header":                  {"/naming", "serviceName=s", "accessToken", "good"},
		"as a bearer token":              {"/naming", "serviceName=s", "Authorization", "Bearer good"},
		"name and password in its place": {"/naming?username=tom", "serviceName=s&password=pw", "", ""},
	} {
		w := send(e, "POST", x[0], form, x[1], x[2], x[3])
		require.Equal(t, 200, w.Code, what)
		require.Equal(t, "tom", w.Body.String(), what)
		require.Equal(t, auth.Need{Action: auth.Write, Resource: auth.ServiceResource("", "DEFAULT_GROUP", "s")}, g.need)
	}
	send(e, "POST", "/naming?serviceName=g%40%40s&groupName=h&namespaceId=dev&accessToken=good", "", "")
	require.Equal(t, "dev:g:naming/s", g.need.Resource.String(), "the grouped name wins, as it does where the request is served")
	send(e, "GET", "/config?tenant=dev&group=G&dataId=a.yaml", "", "")
	require.Equal(t, "dev:G:config/a.yaml", g.need.Resource.String())
	send(e, "GET", "/config?namespaceId=dev&groupName=G&dataId=a.yaml", "", "")
	require.Equal(t, "dev:G:config/a.yaml", g.need.Resource.String())

	for route, handle := range map[string]gin.HandlerFunc{
		"/group": guard.Group(auth.Read), "/services": guard.Services(auth.Read), "/configs": guard.Configs(auth.Read),
	} {
		e.GET(route, handle, handler)
	}
	const names = "namespaceId=dev&group=G&groupName=G&serviceName=H%40%40s&dataId=a.yaml"
	for target, need := range map[string]string{
		"/group?" + names: "dev:G:naming/*", "/group": "public:DEFAULT_GROUP:naming/*",
		"/services?" + names: "dev:*:naming/*", "/services": "public:*:naming/*",
		"/configs?" + names: "dev:*:config/*", "/configs?namespace=dev": "dev:*:config/*",
	} {
		send(e, "GET", target, "", "")
		require.Equal(t, need, g.need.Resource.String(), target)
	}
	type keyForm struct {
		Key string `form:"key" uri:"key" binding:"required"`
	}
	e.GET("/needs/:key", Needs(guard, func(in keyForm) auth.Need {
		return auth.Need{Action: auth.Read, Resource: auth.ServiceResource("", "", in.Key)}
	}), handler)
	send(e, "GET", "/needs/a", "", "")
	require.Equal(t, "public:*:naming/a", g.need.Resource.String())
	send(e, "GET", "/needs/a?key=b", "", "")
	require.Equal(t, "public:*:naming/b", g.need.Resource.String(), "as handlers are given it")

	w := send(e, "GET", "/admin", "", "")
	require.True(t, g.need.Admin)
	require.Equal(t, 403, w.Code, "403 for want of an identity, too")
	require.Contains(t, w.Body.String(), `"status":403,"error":"Forbidden","message":"Code: 401, Message: token invalid!.","path":"/admin"`)
	w = send(e, "GET", "/admin?accessToken=bad", "", "")
	require.Contains(t, w.Body.String(), `"message":"Code: 403, Message: authorization failed!."`)
}

func TestNobodyShowsTheGuardOneConfigAndTheHandlerAnother(t *testing.T) {
	g := &gate{}
	e := engine(t, Config{})
	type v1 struct {
		Tenant string `form:"tenant"`
		Group  string `form:"group"`
		DataID string `form:"dataId"`
	}
	e.POST("/v1", NewGuard(g).Config(auth.Write), With(V1, func(_ context.Context, in v1) (string, error) {
		return auth.ConfigResource(in.Tenant, in.Group, in.DataID).String(), nil
	}))
	for _, c := range []struct{ query, body, want string }{
		{"namespaceId=dev", "group=G&dataId=a", "dev:G:config/a"},
		{"tenant=&namespaceId=dev", "group=G&dataId=a", "dev:G:config/a"},
		{"tenant=prod&namespaceId=dev", "group=G&dataId=a", "prod:G:config/a"},
		{"namespaceId=dev&groupName=mine", "tenant=prod&group=G&dataId=a", "prod:G:config/a"},
		{"tenant=dev&tenant=prod&dataId=a", "group=G&dataId=b", "dev:G:config/a"},
	} {
		w := send(e, "POST", "/v1?accessToken=good&"+c.query, form, c.body)
		require.Equal(t, c.want, w.Body.String(), c)
		require.Equal(t, c.want, g.need.Resource.String(), c)
	}
	send(e, "POST", "/v1?tenant=dev&group=G&dataId=a&ids=1,2", form, "")
	require.Equal(t, "dev:*:config/*", g.need.Resource.String(), "ids may name any config")
}

func TestPageOf(t *testing.T) {
	all := []int{1, 2, 3, 4, 5}
	for _, c := range []struct {
		no, size, pages int
		want            []int
	}{
		{1, 2, 3, []int{1, 2}},
		{3, 2, 3, []int{5}},
		{4, 2, 3, []int{}},
		{0, 2, 3, []int{1, 2}},
		{1, 1<<31 - 1, 1, all},
		{1 << 31, 1 << 31, 1, []int{}},
		{1, math.MaxInt, 1, all},
		{2, math.MaxInt, 1, []int{}},
		{math.MaxInt, 1, 5, []int{}},
	} {
		p := PageOf(all, c.no, c.size)
		require.Equal(t, c.want, p.PageItems)
		require.Equal(t, 5, p.TotalCount)
		require.Equal(t, c.pages, p.PagesAvailable)
	}
}

func FuzzBind(f *testing.F) {
	f.Add("serviceName=s&pageNo=1", "weight=1", "100")
	f.Add("serviceName=%zz;&&=&enabled=1e9", "clusters=,,,", "-1")
	e, err := NewEngine(Config{})
	if err != nil {
		f.Fatal(err)
	}
	e.POST("/x/:key", Handle(func(_ context.Context, in everything) (string, error) {
		if in.Service == "" || in.Timeout < 0 {
			panic("bound without its required parameter")
		}
		return "ok", nil
	}))
	f.Fuzz(func(t *testing.T, query, body, timeout string) {
		r := httptest.NewRequest("POST", "/x/k", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", form)
		r.Header["Long-Pulling-Timeout"] = []string{timeout}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	})
}

func TestARouteMayBeOpenUntilMoreIsAskedFor(t *testing.T) {
	e, d := engine(t, Config{}), &door{}
	e.GET("/metrics", NewGuard(d).UserUnless("onlyStatus"), With(V1, func(_ context.Context, in struct {
		OnlyStatus bool `form:"onlyStatus,default=true"`
	},
	) (string, error) {
		return fmt.Sprint(in.OnlyStatus), nil
	}))
	for target, want := range map[string]int{
		"/metrics": 200, "/metrics?onlyStatus=true": 200, "/metrics?onlyStatus=": 200, "/metrics?onlyStatus=perhaps": 400,
		"/metrics?onlyStatus=false": 403, "/metrics?onlyStatus=0": 403, "/metrics?onlyStatus=false&accessToken=right": 200,
		"/metrics?onlyStatus=false&onlyStatus=true": 403, "/metrics?onlyStatus=&onlyStatus=no": 403,
	} {
		require.Equal(t, want, send(e, "GET", target, "", "").Code, target)
	}
	require.Equal(t, 403, send(e, "GET", "/metrics", form, "onlyStatus=false").Code, "in the body")
}
