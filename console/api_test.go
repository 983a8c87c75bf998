package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
)

// browser is somebody who uses the API over HTTP, with a cookie if there is one.
type browser struct {
	t       *testing.T
	handler http.Handler
	cookie  *http.Cookie
	headers http.Header // beside what every request has
}

func newBrowser(t *testing.T, w *world) *browser {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	w.console(t).Routes(engine)
	return &browser{t: t, handler: engine, headers: http.Header{csrfHeader: {"1"}}}
}

// do sends a request and decodes the answer into out, unless that is nil.
func (b *browser) do(method, path string, query map[string]string, body, out any) *http.Response {
	b.t.Helper()
	values := url.Values{}
	for k, v := range query {
		values.Set(k, v)
	}
	var reader io.Reader = http.NoBody
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		require.NoError(b.t, err)
		reader = bytes.NewReader(text)
	}
	r := httptest.NewRequest(method, "/console/api/"+path+"?"+values.Encode(), reader)
	r.Header = b.headers.Clone()
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	answer := w.Result()
	for _, c := range answer.Cookies() {
		b.cookie = c
	}
	if out != nil {
		require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), out), "%s", w.Body)
	}
	return answer
}

// fails sends a request that must be refused with this status and code.
func (b *browser) fails(status int, code, method, path string, query map[string]string, body any) failure {
	b.t.Helper()
	var f failure
	answer := b.do(method, path, query, body, &f)
	require.Equal(b.t, status, answer.StatusCode, "%+v", f)
	require.Equal(b.t, code, f.Code, "%+v", f)
	return f
}

func (b *browser) ok(method, path string, query map[string]string, body, out any) {
	b.t.Helper()
	var raw json.RawMessage
	answer := b.do(method, path, query, body, &raw)
	require.Equal(b.t, http.StatusOK, answer.StatusCode, "%s", raw)
	require.Equal(b.t, "no-store", answer.Header.Get("Cache-Control"))
	if out != nil {
		require.NoError(b.t, json.Unmarshal(raw, out), "%s", raw)
	}
}

type q = map[string]string

func TestServicesAreSearchedPagedAndChanged(t *testing.T) {
	b := newBrowser(t, newWorld(t))

	var page ServicePage
	b.ok("GET", "services", q{"namespace": "public"}, nil, &page)
	require.Equal(t, 29, page.Total)
	require.Len(t, page.Items, 20, "a page that was not asked for has 20")
	b.ok("GET", "services", q{"namespace": "public", "page": "2"}, nil, &page)
	require.Len(t, page.Items, 9)
	b.ok("GET", "services", q{"namespace": "public", "page": "1000000"}, nil, &page)
	require.Empty(t, page.Items)
	b.ok("GET", "services", q{"namespace": "public", "name": "PAY"}, nil, &page)
	if diff := cmp.Diff([]ServiceSummary{
		{Group: "DEFAULT_GROUP", Name: "payment", Clusters: 1, Instances: 3, Healthy: 1, Protected: true},
	}, page.Items); diff != "" {
		t.Error(diff)
	}
	b.ok("GET", "services", q{"namespace": "public", "name": "empty", "hideEmpty": "true"}, nil, &page)
	require.Zero(t, page.Total)

	payment := q{"namespace": "public", "group": "DEFAULT_GROUP", "name": "payment"}
	var list instancePage
	b.ok("GET", "instances", payment, nil, &list)
	require.Equal(t, 3, list.Total)

	key := ServiceKey{Namespace: "public", Group: "DEFAULT_GROUP", Name: "payment"}
	off, weight := false, 12.5
	change := instanceBody{ServiceKey: key, Cluster: "DEFAULT", IP: "10.3.0.1", Port: 9000, Enabled: &off, Weight: &weight}
	var inst Instance
	b.ok("PUT", "instance", nil, change, &inst)
	require.False(t, inst.Enabled)
	require.Equal(t, weight, inst.Weight)
	b.ok("GET", "instances", q{"namespace": "public", "group": "DEFAULT_GROUP", "name": "payment", "health": "disabled"}, nil, &list)
	require.Equal(t, 2, list.Total)

	for name, bad := range map[string]func(*instanceBody){
		"no change":       func(i *instanceBody) { i.Enabled, i.Weight = nil, nil },
		"negative weight": func(i *instanceBody) { w := -1.0; i.Weight = &w },
		"huge weight":     func(i *instanceBody) { w := 10000.5; i.Weight = &w },
		"no address":      func(i *instanceBody) { i.IP = "" },
		"no such port":    func(i *instanceBody) { i.Port = 65536 },
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			wrong := change
			bad(&wrong)
			b := *b
			b.t = t
			b.fails(400, "invalid", "PUT", "instance", nil, wrong)
		})
	}
	change.Ephemeral = true
	b.fails(404, "not_found", "PUT", "instance", nil, change)
}

func TestInstancesAreFoundByAddressMetadataClusterAndHealth(t *testing.T) {
	b := newBrowser(t, newWorld(t))
	for _, c := range []struct {
		query q
		want  int
	}{
		{q{}, 45},
		{q{"text": "10.2.0.1:"}, 1},
		{q{"text": "zone=z3"}, 11},
		{q{"text": "VERSION=2.0"}, 15},
		{q{"cluster": "shanghai"}, 22},
		{q{"cluster": "shang"}, 0},
		{q{"health": "unhealthy"}, 5},
		{q{"health": "healthy", "cluster": "hangzhou"}, 20},
	} {
		c.query["namespace"], c.query["group"], c.query["name"] = "public", "DEFAULT_GROUP", "checkout"
		var list instancePage
		b.ok("GET", "instances", c.query, nil, &list)
		require.Equal(t, c.want, list.Total, "%v", c.query)
		require.LessOrEqual(t, len(list.Items), 20)
	}
	var s serviceView
	b.ok("GET", "service", q{"namespace": "public", "group": "DEFAULT_GROUP", "name": "checkout"}, nil, &s)
	require.Equal(t, []clusterView{
		{Name: "hangzhou", Instances: 23, Healthy: 20, Enabled: 21},
		{Name: "shanghai", Instances: 22, Healthy: 20, Enabled: 20},
	}, s.Clusters)
}

func TestNamesThatTripAddressesOverComeBackAsTheyAre(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t, w)
	for _, name := range nasty {
		var s serviceView
		b.ok("GET", "service", q{"namespace": "strange", "group": name, "name": name}, nil, &s)
		require.Equal(t, name, s.Name)
		require.Equal(t, name, s.Group)
		require.Equal(t, name, s.Metadata[name])

		var c configView
		b.ok("GET", "config", q{"namespace": "strange", "group": name, "dataId": name}, nil, &c)
		require.Equal(t, name, c.DataID)
		require.Equal(t, "content of "+name+"\n", c.Content)
		b.ok("POST", "config", nil, publishBody{
			ConfigKey: ConfigKey{Namespace: "strange", Group: name, DataID: name},
			Content:   name, ExpectMD5: c.MD5,
		}, &c)
		require.Equal(t, md5Of(name), c.MD5)
		b.ok("DELETE", "config", q{"namespace": "strange", "group": name, "dataId": name, "md5": c.MD5}, nil, nil)
		b.fails(404, "not_found", "GET", "config", q{"namespace": "strange", "group": name, "dataId": name}, nil)
	}
	for _, name := range []string{"100%", "<script>alert(1)<script>", "שלום", "a?b=c&d#e", "a+b"} {
		var z znodeView
		b.ok("GET", "znode", q{"path": "/strange/" + name}, nil, &z)
		require.Equal(t, name, string(z.Data))
	}
}

func TestPublishComparesAndSets(t *testing.T) {
	b := newBrowser(t, newWorld(t))
	key := ConfigKey{Namespace: "public", Group: "g", DataID: "new.json"}
	put := publishBody{ConfigKey: key, Content: "{}", Type: "json", Tags: []string{"a"}}

	var c configView
	b.ok("POST", "config", nil, put, &c)
	require.Equal(t, md5Of("{}"), c.MD5)
	require.Equal(t, "json", c.Type)

	b.fails(409, "exists", "POST", "config", nil, put)
	put.Content, put.ExpectMD5 = `{"a":1}`, md5Of("something else")
	b.fails(409, "conflict", "POST", "config", nil, put)
	put.ExpectMD5 = c.MD5
	b.ok("POST", "config", nil, put, &c)
	b.fails(409, "conflict", "POST", "config", nil, put)
	put.ExpectMD5, put.Content = c.MD5, ""
	b.fails(400, "invalid", "POST", "config", nil, put)

	name := q{"namespace": "public", "group": "g", "dataId": "new.json"}
	b.fails(400, "invalid", "DELETE", "config", name, nil) // without an md5 nothing is deleted
	name["md5"] = md5Of("{}")
	b.fails(409, "conflict", "DELETE", "config", name, nil)
	name["md5"] = c.MD5
	b.ok("DELETE", "config", name, nil, nil)
	b.fails(404, "not_found", "GET", "config", name, nil)
	b.fails(409, "conflict", "POST", "config", nil, publishBody{ConfigKey: key, Content: "x", ExpectMD5: c.MD5})
}

func TestContentThatIsNotTextDoesNotTravel(t *testing.T) {
	b := newBrowser(t, newWorld(t))
	var c configView
	b.ok("GET", "config", q{"namespace": "public", "group": "gateway", "dataId": "blob.bin"}, nil, &c)
	require.True(t, c.Binary)
	require.Empty(t, c.Content)
	b.ok("GET", "config", q{"namespace": "public", "group": "gateway", "dataId": "routes.toml"}, nil, &c)
	require.False(t, c.Binary)
}

func TestChildrenComeInPagesByName(t *testing.T) {
	b := newBrowser(t, newWorld(t))
	var names []string
	for after := ""; ; {
		var page childPage
		b.ok("GET", "znode/children", q{"path": "/many", "after": after, "limit": "100"}, nil, &page)
		require.Equal(t, 250, page.Total)
		for _, c := range page.Items {
			names = append(names, c.Name)
		}
		if page.Next == "" {
			break
		}
		after = page.Next
	}
	require.Len(t, names, 250)
	require.IsIncreasing(t, names)

	var page childPage
	b.ok("GET", "znode/children", q{"path": "/many", "text": "ITEM-004", "limit": "3"}, nil, &page)
	require.Equal(t, 10, page.Total)
	require.Len(t, page.Items, 3)
	require.Equal(t, "item-0042", page.Next)

	b.fails(400, "invalid", "GET", "znode/children", q{"path": "/many", "limit": "501"}, nil)
	b.fails(404, "not_found", "GET", "znode/children", q{"path": "/nowhere"}, nil)
}

// vanishing loses a child between the list and the look at it.
type vanishing struct{ *fakeZnodes }

func (v vanishing) Exists(ctx context.Context, path string) (core.Stat, error) {
	if path == "/many/item-0001" {
		return core.Stat{}, opError("exists", path, core.NoNode)
	}
	return v.fakeZnodes.Exists(ctx, path)
}

func TestAChildThatGoesAwayMeanwhileIsLeftOut(t *testing.T) {
	c := newWorld(t).console(t)
	c.znodes = vanishing{c.znodes.(*fakeZnodes)}
	out, err := c.listChildren(t.Context(), Actor{}, childrenQuery{Path: "/many", Limit: 3})
	require.NoError(t, err)
	page := out.(childPage)
	require.Len(t, page.Items, 2)
	require.Equal(t, "item-0002", page.Next)
}

func TestZnodesAreWrittenOverTheVersionSeenOnly(t *testing.T) {
	b := newBrowser(t, newWorld(t))
	var z znodeView
	b.ok("GET", "znode", q{"path": "/app"}, nil, &z)
	require.Zero(t, z.Stat.Version)
	version := z.Stat.Version
	set := znodeSetBody{Path: "/app", Data: []byte{0, 0xff}, Version: &version}
	var st statView
	b.ok("PUT", "znode", nil, set, &st)
	require.EqualValues(t, 1, st.Version)
	b.fails(409, "conflict", "PUT", "znode", nil, set)
	b.ok("GET", "znode", q{"path": "/app"}, nil, &z)
	require.Equal(t, []byte{0, 0xff}, z.Data)

	// No way to write whatever the version is, nor by a slip of the pen.
	b.fails(400, "invalid", "PUT", "znode", nil, `{"path":"/app","data":""}`)
	b.fails(400, "invalid", "PUT", "znode", nil, `{"path":"/app","data":"","version":-1}`)
	b.fails(400, "invalid", "PUT", "znode", nil, `{"path":"/app","data":"","verzion":1,"version":1}`)
	b.fails(400, "invalid", "DELETE", "znode", q{"path": "/app"}, nil)
	b.fails(400, "invalid", "DELETE", "znode", q{"path": "/app", "version": "-1"}, nil)

	b.fails(409, "not_empty", "DELETE", "znode", q{"path": "/app", "version": "1"}, nil)
	b.fails(409, "conflict", "DELETE", "znode", q{"path": "/app/guarded", "version": "7"}, nil)
	b.ok("DELETE", "znode", q{"path": "/app/guarded", "version": "0"}, nil, nil)
	b.fails(404, "not_found", "GET", "znode", q{"path": "/app/guarded"}, nil)
}

func TestNullAndEmptyDataAreToldApart(t *testing.T) {
	b := newBrowser(t, newWorld(t))
	var z znodeView
	b.ok("GET", "znode", q{"path": "/dubbo"}, nil, &z)
	require.Nil(t, z.Data)
	b.ok("GET", "znode", q{"path": "/dubbo/org.example.Greeter"}, nil, &z)
	require.NotNil(t, z.Data)
	require.Empty(t, z.Data)
	b.ok("POST", "znode", nil, `{"path":"/null","data":null,"mode":0}`, nil)
	b.ok("POST", "znode", nil, `{"path":"/empty","data":"","mode":0}`, nil)
	b.ok("GET", "znode", q{"path": "/null"}, nil, &z)
	require.Nil(t, z.Data)
	b.ok("GET", "znode", q{"path": "/empty"}, nil, &z)
	require.NotNil(t, z.Data)
}

func TestZnodesAreCreatedAsAsked(t *testing.T) {
	b := newBrowser(t, newWorld(t))
	var made struct{ Path string }
	b.ok("POST", "znode", nil, znodeCreateBody{Path: "/app/", Mode: core.PersistentSequential}, &made)
	require.Equal(t, "/app/0000000002", made.Path)
	b.ok("POST", "znode", nil, znodeCreateBody{Path: "/app/t", Mode: core.PersistentTTL, TTLMillis: 1000}, &made)
	b.fails(409, "exists", "POST", "znode", nil, znodeCreateBody{Path: "/app/t"})
	b.fails(404, "not_found", "POST", "znode", nil, znodeCreateBody{Path: "/no/parent"})
	for name, bad := range map[string]znodeCreateBody{
		"an ephemeral":      {Path: "/e", Mode: core.Ephemeral},
		"an unknown kind":   {Path: "/e", Mode: 9},
		"TTL without TTL":   {Path: "/e", Mode: core.PersistentTTL},
		"a TTL without use": {Path: "/e", TTLMillis: 5},
		"a negative TTL":    {Path: "/e", Mode: core.PersistentTTL, TTLMillis: -5},
		"no path":           {},
		"dots":              {Path: "/app/../x"},
		"a control":         {Path: "/a\x01"},
		"child of one gone": {Path: "/dubbo/org.example.Greeter/providers/dubbo%3A%2F%2F10.0.0.1%3A20880/x"},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			b := *b
			b.t = t
			b.fails(400, "invalid", "POST", "znode", nil, bad)
		})
	}
}

func TestWhatZensusKeepsForItselfIsNotWrittenAndItsSecretsAreNotShown(t *testing.T) {
	b := newBrowser(t, newWorld(t))
	var z znodeView
	b.ok("GET", "znode", q{"path": "/zensus/access/users"}, nil, &z)
	require.True(t, z.Hidden)
	require.True(t, z.ReadOnly)
	require.Nil(t, z.Data)
	b.fails(403, "forbidden", "PUT", "znode", nil, `{"path":"/zensus","data":"","version":0}`)
	b.fails(403, "forbidden", "POST", "znode", nil, znodeCreateBody{Path: "/zensus/x"})
	b.fails(403, "forbidden", "POST", "znode", nil, znodeCreateBody{Path: "/zensus/", Mode: core.PersistentSequential})
	b.fails(403, "forbidden", "DELETE", "znode", q{"path": "/zensus/access/users", "version": "0"}, nil)
	b.ok("POST", "znode", nil, znodeCreateBody{Path: "/zensus-mine"}, nil) // a neighbour by name

	b.ok("GET", "znode", q{"path": "/app/guarded"}, nil, &z)
	require.Equal(t, []aclView{
		{Perms: "r", Scheme: "world", ID: "anyone"},
		{Perms: "cdrwa", Scheme: "digest", ID: "ann:x"},
	}, z.ACL)
}

func TestRequestsAreBounded(t *testing.T) {
	b := newBrowser(t, newWorld(t))
	b.fails(400, "invalid", "GET", "services", q{"size": "201"}, nil)
	b.fails(400, "invalid", "GET", "services", q{"page": "-1"}, nil)
	b.fails(400, "invalid", "GET", "configs", q{"page": "x"}, nil)
	b.fails(413, "too_large", "GET", "services", q{"name": strings.Repeat("x", queryBytesMax)}, nil)
	b.fails(413, "too_large", "PUT", "instance", nil, `{"ip":"`+strings.Repeat("x", smallBodyBytesMax)+`"}`)
	b.fails(413, "too_large", "PUT", "znode", nil, `{"path":"`+strings.Repeat("x", znodeBodyBytesMax)+`"}`)
	b.fails(400, "invalid", "PUT", "instance", nil, `{}{}`)
	b.fails(400, "invalid", "PUT", "instance", nil, ``)
	b.fails(400, "invalid", "PUT", "instance", nil, `[`)
}

func TestKnownCausesHaveAnAnswerAndUnknownOnesAreNotToldOut(t *testing.T) {
	for _, v := range verdicts {
		w := newWorld(t)
		w.services.down = fmt.Errorf("registry: %w", v.cause)
		b := newBrowser(t, w)
		f := b.fails(v.status, v.code, "GET", "services", nil, nil)
		require.Contains(t, f.Message, "registry: ")
	}
	w := newWorld(t)
	w.services.down = errors.New("dial 10.0.0.9: password=hunter2")
	f := newBrowser(t, w).fails(500, "internal", "GET", "services", nil, nil)
	require.NotContains(t, f.Message, "hunter2")
}

func TestWhatThisServerLacksIsAnsweredSo(t *testing.T) {
	w := newWorld(t)
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	c, err := New(Options{Log: w.console(t).log})
	require.NoError(t, err)
	c.Routes(engine)
	b := &browser{t: t, handler: engine, headers: http.Header{csrfHeader: {"1"}}}

	var s sessionState
	b.ok("GET", "session", nil, nil, &s)
	require.Equal(t, sessionState{Features: []string{}}, s)
	var ns []Namespace
	b.ok("GET", "namespaces", nil, nil, &ns)
	require.Empty(t, ns)
	for _, path := range []string{"services", "configs", "znode?path=/&x=", "instances", "service", "config"} {
		path, _, _ = strings.Cut(path, "?")
		b.fails(501, "absent", "GET", path, q{"path": "/", "group": "g", "name": "n", "dataId": "d"}, nil)
	}
	b.fails(501, "absent", "POST", "login", nil, loginBody{})
	b.fails(501, "absent", "POST", "bootstrap", nil, bootstrapBody{})

	_, err = New(Options{})
	require.ErrorContains(t, err, "no logger")
}

func TestCutIsEmptyBeyondTheEnd(t *testing.T) {
	items := []int{1, 2, 3, 4, 5}
	for _, c := range []struct {
		page Page
		want []int
	}{
		{Page{1, 2}, []int{1, 2}},
		{Page{3, 2}, []int{5}},
		{Page{4, 2}, nil},
		{Page{2, 5}, nil},
		{Page{1, 200}, items},
		{Page{1 << 30, 200}, nil},
		{Page{0, 2}, nil},
		{Page{1, 0}, nil},
	} {
		require.Equal(t, len(c.want), len(Cut(items, c.page)), "%v", c.page)
		require.ElementsMatch(t, c.want, Cut(items, c.page), "%v", c.page)
	}
}
