package nacosapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// web is a node that is served over HTTP too.
type web struct {
	*node
	t    *testing.T
	base string
}

func startWeb(t *testing.T) *web {
	t.Helper()
	return serveWeb(t, startNode(t, engines.New(t)))
}

func serveWeb(t *testing.T, n *node) *web {
	t.Helper()
	engine, err := rest.NewEngine(rest.Config{})
	require.NoError(t, err)
	n.api.Routes(engine.Group("/nacos"))
	server := httptest.NewServer(engine)
	t.Cleanup(func() { server.Close(); http.DefaultClient.CloseIdleConnections() })
	return &web{node: n, t: t, base: server.URL + "/nacos"}
}

// do asks with parameters in the query for GET and in the body otherwise. form is
// "k=v&k=v".
func (w *web) do(method, path, form string) (int, string) {
	w.t.Helper()
	var body io.Reader
	if method == http.MethodGet || method == http.MethodDelete {
		path += "?" + form
	} else {
		body = strings.NewReader(form)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, body)
	require.NoError(w.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(w.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)
	return answer.StatusCode, string(text)
}

// ok is the body of a request that must succeed.
func (w *web) ok(method, path, form string) string {
	w.t.Helper()
	status, body := w.do(method, path, form)
	require.Equal(w.t, 200, status, "%s %s: %s", method, path, body)
	return body
}

func (w *web) json(method, path, form string) map[string]any {
	w.t.Helper()
	var v map[string]any
	body := w.ok(method, path, form)
	require.NoError(w.t, json.Unmarshal([]byte(body), &v), body)
	return v
}

func (w *web) hosts(service string) []any {
	w.t.Helper()
	return w.json("GET", "/v1/ns/instance/list", "serviceName="+service)["hosts"].([]any)
}

func TestHTTPRegisterListAndDeregister(t *testing.T) {
	w := startWeb(t)
	require.Equal(t, "ok", w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80&weight=2&metadata="+url.QueryEscape(`{"zone":"a","n":1}`)))
	list := w.json("GET", "/v1/ns/instance/list", "serviceName=DEFAULT_GROUP@@shop&groupName=other")
	require.Equal(t, "DEFAULT_GROUP@@shop", list["name"], "HTTP clients want the grouped name, which wins over groupName")
	host := list["hosts"].([]any)[0].(map[string]any)
	require.Equal(t, "10.0.0.1#80#DEFAULT#DEFAULT_GROUP@@shop", host["instanceId"])
	require.Equal(t, map[string]any{"zone": "a", "n": "1"}, host["metadata"])
	require.InDelta(t, 2, host["weight"], 0)

	one := w.json("GET", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")
	require.Equal(t, "DEFAULT_GROUP@@shop", one["service"])
	status, body := w.do("GET", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.9&port=80")
	require.Equal(t, 404, status)
	require.Equal(t, "no matched ip found!", body)

	require.Equal(t, "ok", w.ok("DELETE", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80"))
	require.Empty(t, w.hosts("shop"))
	require.Equal(t, "ok", w.ok("DELETE", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80"), "also when nothing existed")
	require.Empty(t, w.hosts("never-heard-of"))
}

func TestHTTPErrorsAreNacosErrors(t *testing.T) {
	w := startWeb(t)
	for _, c := range []struct {
		name, method, path, form string
		status                   int
		body                     string
	}{
		{"a required parameter is missing", "POST", "/v1/ns/instance", "serviceName=shop&port=80", 400, "Param 'ip' is required."},
		{"a port that is none", "POST", "/v1/ns/instance", "serviceName=shop&ip=1.1.1.1&port=99999", 400, "Param 'port' is illegal, the value should be between 0 and 65535.\r\n"},
		{"a name that is none", "GET", "/v1/ns/instance/list", "serviceName=a%20b", 400, "Param 'serviceName' is illegal, illegal characters should not appear in the param.\r\n"},
		{"more clusters than a list may name", "GET", "/v1/ns/instance/list", "serviceName=shop&clusters=" + manyClusters(16<<10), 400, "Param 'clusters' is illegal, the param length should not exceed 8192.\r\n"},
		{"nor is it in v3", "POST", "/v3/client/ns/instance", "serviceName=shop&groupName=a/b&ip=1.1.1.1&port=1", 400, "Param 'group' is illegal, illegal characters should not appear in the param.\r\n"},
		{"an unknown service", "GET", "/v1/ns/service", "serviceName=shop", 400, "service not found, namespace: public, serviceName: DEFAULT_GROUP@@shop"},
		{"deleting an unknown service", "DELETE", "/v1/ns/service", "serviceName=shop", 400, "service DEFAULT_GROUP@@shop not found!"},
		{"an instance in a cluster without any", "GET", "/v1/ns/instance", "serviceName=shop&ip=1.1.1.1&port=1", 404, "no ips found for cluster DEFAULT in service DEFAULT_GROUP@@shop"},
		{"overriding in an unknown service", "PUT", "/v1/ns/instance", "serviceName=shop&ip=1.1.1.1&port=1", 400, "service not found, namespace: public, service: DEFAULT_GROUP@@shop"},
		{"beats further apart than the timeout", "POST", "/v1/ns/instance", "serviceName=shop&ip=1.1.1.1&port=1&metadata=preserved.heart.beat.timeout%3D100", 400, "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'."},
	} {
		status, body := w.do(c.method, c.path, c.form)
		require.Equal(t, c.status, status, c.name)
		require.Equal(t, c.body, body, c.name)
	}
	status, body := w.do("GET", "/v2/ns/service", "serviceName=shop")
	require.Equal(t, 400, status)
	require.Contains(t, body, `"code":21008,"message":"service not exist"`)
	status, body = w.do("GET", "/v2/ns/instance", "serviceName=shop&ip=1.1.1.1&port=1")
	require.Equal(t, 404, status)
	require.Contains(t, body, `"code":20004`)
	for path, want := range map[string]string{
		"/v2/ns/instance?serviceName=shop&ip=1.1.1.1&port=1&weight=10001":   `{"code":21001,"message":"weight error","data":"instance format invalid: The weights range from 0.0 to 10000.0"}`,
		"/v2/ns/service?serviceName=shop&selector=%7B%22type%22:%22x%22%7D": `{"code":21006,"message":"selector error","data":"not match any type of selector!"}`,
	} {
		status, body = w.do("POST", path, "")
		require.Equal(t, 400, status)
		require.Equal(t, want, body)
	}
}

func TestWhoHasRegisteredAndWhoListens(t *testing.T) {
	w := startWeb(t)
	c := dial(t, w.addr)
	c.subscribe("")
	out := c.register("10.0.0.1", 80)
	require.True(t, out.OK())
	w.ok("POST", "/v2/ns/instance", "serviceName=shop&ip=10.0.0.2&port=80")
	w.ok("POST", "/v2/ns/instance", "serviceName=cp&ip=10.0.0.3&port=80&ephemeral=false")
	all := w.json("GET", "/v2/ns/client/list", "")["data"].([]any)
	require.Len(t, all, 3)
	require.Subset(t, all, []any{"10.0.0.2:80#true", "10.0.0.3:80#false"})

	of := w.json("GET", "/v3/admin/ns/client/service/publisher/list", "serviceName=shop")["data"].([]any)
	require.Len(t, of, 2)
	one := w.json("GET", "/v3/admin/ns/client/service/publisher/list", "serviceName=shop&ip=10.0.0.1&port=80")["data"].([]any)
	require.Len(t, one, 1)
	id := one[0].(map[string]any)["clientId"].(string)
	listeners := w.json("GET", "/v3/admin/ns/client/service/subscriber/list", "serviceName=shop")["data"].([]any)
	require.Equal(t, id, listeners[0].(map[string]any)["clientId"])

	known := w.json("GET", "/v2/ns/client", "clientId="+url.QueryEscape(id))["data"].(map[string]any)
	require.Equal(t, "connection", known["clientType"])
	require.Equal(t, "Nacos-Go-Client:v2.3.5", known["version"])
	known = w.json("GET", "/v3/admin/ns/client", "clientId=10.0.0.2:80%23true")["data"].(map[string]any)
	require.Equal(t, "ipPort", known["clientType"])
	require.NotZero(t, known["lastUpdatedTime"], "its registration is its first sign of life")
	published := w.json("GET", "/v3/admin/ns/client/publish/list", "clientId=10.0.0.3:80%23false")["data"].([]any)
	require.Equal(t, "cp", published[0].(map[string]any)["serviceName"])
	subscribed := w.json("GET", "/v2/ns/client/subscribe/list", "clientId="+url.QueryEscape(id))["data"].([]any)
	require.Equal(t, "shop", subscribed[0].(map[string]any)["serviceName"])

	status, body := w.do("GET", "/v2/ns/client", "clientId=nobody")
	require.Equal(t, 404, status)
	require.Contains(t, body, "clientId [ nobody ] not exist")
}

func TestHTTPServices(t *testing.T) {
	w := startWeb(t)
	require.Equal(t, "ok", w.ok("POST", "/v1/ns/service", "serviceName=shop&protectThreshold=0.5&metadata=a=b,c=d"))
	status, body := w.do("POST", "/v1/ns/service", "serviceName=shop")
	require.Equal(t, 400, status)
	require.Equal(t, "specified service DEFAULT_GROUP@@shop already exists!", body)

	svc := w.json("GET", "/v1/ns/service", "serviceName=shop")
	require.Equal(t, map[string]any{"a": "b", "c": "d"}, svc["metadata"])
	require.InDelta(t, .5, svc["protectThreshold"], 0)
	require.Equal(t, map[string]any{"type": "none", "contextType": "NONE"}, svc["selector"])

	// A service made by v1 is persistent.
	status, body = w.do("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")
	require.Equal(t, 400, status)
	require.Equal(t, "Current service DEFAULT_GROUP@@shop is persistent service, can't register ephemeral instance.", body)
	w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80&ephemeral=false")
	status, body = w.do("DELETE", "/v1/ns/service", "serviceName=shop")
	require.Equal(t, 400, status)
	require.Contains(t, body, "is not empty, can't be delete")
	w.ok("DELETE", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80") // finds the persistent one
	require.Empty(t, w.hosts("shop"))
	w.ok("DELETE", "/v1/ns/service", "serviceName=shop")

	for i := range 3 {
		w.ok("POST", "/v2/ns/service", fmt.Sprintf("serviceName=s%d&ephemeral=true", i))
	}
	list := w.json("GET", "/v1/ns/service/list", "pageNo=1&pageSize=2")
	require.Equal(t, []any{"s0", "s1"}, list["doms"])
	require.InDelta(t, 3, list["count"], 0)
	list = w.json("GET", "/v2/ns/service/list", "pageNo=2&pageSize=2")["data"].(map[string]any)
	require.Equal(t, []any{"s2"}, list["services"])
	lines := w.json("GET", "/v1/ns/catalog/services", "serviceNameParam=1")
	require.Equal(t, "false", lines["serviceList"].([]any)[0].(map[string]any)["triggerFlag"])
	require.Equal(t, map[string]any{"status": "UP"}, w.json("GET", "/v1/ns/operator/metrics", ""))
}

func TestHTTPOverrideWinsAndSurvivesRegistration(t *testing.T) {
	w := startWeb(t)
	register := "serviceName=shop&ip=10.0.0.1&port=80&weight=3&metadata=a=published,b=published"
	w.ok("POST", "/v1/ns/instance", register)
	w.ok("PATCH", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80&metadata=a=set")
	host := w.hosts("shop")[0].(map[string]any)
	require.Equal(t, map[string]any{"a": "set", "b": "published"}, host["metadata"])
	require.InDelta(t, 3, host["weight"], 0, "a change of metadata leaves the weight as it was published")

	w.ok("PUT", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80&enabled=false")
	require.Empty(t, w.hosts("shop"), "a disabled instance is in no list")
	w.ok("POST", "/v1/ns/instance", register)
	require.Empty(t, w.hosts("shop"))
	w.ok("PUT", "/v2/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")
	require.InDelta(t, 1, w.hosts("shop")[0].(map[string]any)["weight"], 0)

	out := w.json("PUT", "/v1/ns/instance/metadata/batch", "serviceName=shop&metadata=z=1")
	require.Equal(t, []any{"10.0.0.1:80:unknown:DEFAULT:ephemeral"}, out["updated"])
	require.Equal(t, map[string]any{"a": "published", "b": "published", "z": "1"}, w.hosts("shop")[0].(map[string]any)["metadata"])
	w.ok("DELETE", "/v1/ns/instance/metadata/batch", "serviceName=shop&metadata=z=1,a=1")
	require.Equal(t, map[string]any{"a": "published", "b": "published"}, w.hosts("shop")[0].(map[string]any)["metadata"])
}

// Nacos's documents have the members of its examples as texts, and its own reader takes them.
func TestInstancesOfABatchMayBeWrittenAsTexts(t *testing.T) {
	w := startWeb(t)
	w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")
	w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.2&port=80")
	batch := func(instances string) string {
		return "serviceName=shop&metadata=" + url.QueryEscape(`{"age":"20"}`) + "&instances=" + url.QueryEscape(instances)
	}
	for _, instances := range []string{
		`[{"ip":"10.0.0.1","port":"80","ephemeral":"true","clusterName":"DEFAULT"}]`,
		`[{"ip":"10.0.0.1","port":80,"ephemeral":true}]`,
		`[{"ip":"10.0.0.1","port":"80","ephemeral":null}]`,
	} {
		out := w.json("PUT", "/v1/ns/instance/metadata/batch", batch(instances))
		require.Equal(t, []any{"10.0.0.1:80:unknown:DEFAULT:ephemeral"}, out["updated"], instances)
	}
	out := w.json("PUT", "/v1/ns/instance/metadata/batch", batch(`[{"ip":"10.0.0.1","port":"80","ephemeral":"false"}]`))
	require.Empty(t, out["updated"])
	for _, instances := range []string{`[{"ip":"10.0.0.1","port":"eighty"}]`, `[{"ip":"10.0.0.1","port":80,"ephemeral":"perhaps"}]`} {
		status, body := w.do("PUT", "/v1/ns/instance/metadata/batch", batch(instances))
		require.Equal(t, 400, status, instances)
		require.Contains(t, body, "it is no list of instances")
	}
}

func TestOverridesAreShownAndReset(t *testing.T) {
	w := startWeb(t)
	shown := func(form string) any {
		t.Helper()
		return w.json("GET", "/v3/admin/ns/instance/override", form)["data"]
	}
	for _, port := range []string{"80", "81", "82"} {
		w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port="+port+"&weight=3&metadata=a=published")
	}
	require.Equal(t, []any{}, shown("serviceName=shop"))
	w.ok("PATCH", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80&metadata=a=set")
	w.ok("PUT", "/v3/admin/ns/instance/partial", "serviceName=shop&ip=10.0.0.1&port=81&enabled=false&weight=7")
	first := map[string]any{"ip": "10.0.0.1", "port": 80.0, "clusterName": "DEFAULT", "weight": nil, "enabled": nil, "metadata": map[string]any{"a": "set"}}
	second := map[string]any{"ip": "10.0.0.1", "port": 81.0, "clusterName": "DEFAULT", "weight": 7.0, "enabled": false, "metadata": map[string]any{}}
	require.Equal(t, []any{first, second}, shown("serviceName=shop"))
	require.Equal(t, []any{second}, shown("serviceName=shop&ip=10.0.0.1&port=81"))
	require.Equal(t, []any{}, shown("serviceName=shop&ip=10.0.0.1&port=82"))
	require.Len(t, w.hosts("shop"), 2)

	reset := w.json("DELETE", "/v3/admin/ns/instance/override", "serviceName=shop&ip=10.0.0.1&port=81")["data"]
	require.Equal(t, map[string]any{"reset": []any{"10.0.0.1:81:DEFAULT"}}, reset)
	require.Len(t, w.hosts("shop"), 3, "enabled, as its client says")
	status, body := w.do("DELETE", "/v3/admin/ns/instance/override", "serviceName=shop&ip=10.0.0.1&port=81")
	require.Equal(t, 404, status, body)
	w.ok("DELETE", "/v3/admin/ns/instance/override", "serviceName=shop")
	require.Equal(t, []any{}, shown("serviceName=shop"))
	for _, host := range w.hosts("shop") {
		require.Equal(t, map[string]any{"a": "published"}, host.(map[string]any)["metadata"])
		require.InDelta(t, 3, host.(map[string]any)["weight"], 0)
	}
	for _, method := range []string{"GET", "DELETE"} {
		status, body = w.do(method, "/v3/admin/ns/instance/override", "serviceName=unknown")
		require.Equal(t, 400, status, body)
		require.Contains(t, body, "21008")
	}
}

func TestHTTPBeats(t *testing.T) {
	w := startWeb(t)
	light := "serviceName=DEFAULT_GROUP@@shop&ip=10.0.0.1&port=80&clusterName=DEFAULT"
	unknown := w.json("PUT", "/v1/ns/instance/beat", light)
	require.Equal(t, map[string]any{"clientBeatInterval": 5000.0, "code": 20404.0, "lightBeatEnabled": true}, unknown)
	full := "serviceName=DEFAULT_GROUP@@shop&beat=" + url.QueryEscape(`{"ip":"10.0.0.1","port":80,"cluster":"DEFAULT","weight":2,"metadata":{"preserved.heart.beat.interval":"1000"}}`)
	require.InDelta(t, 10200, w.json("PUT", "/v1/ns/instance/beat", full)["code"], 0)
	known := w.json("PUT", "/v1/ns/instance/beat", light)
	require.InDelta(t, 10200, known["code"], 0)
	require.InDelta(t, 1000, known["clientBeatInterval"], 0, "the interval is the instance's own")
	require.InDelta(t, 2, w.hosts("shop")[0].(map[string]any)["weight"], 0)
	w.ok("DELETE", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")
	require.InDelta(t, 20404, w.json("PUT", "/v1/ns/instance/beat", light)["code"], 0)
}

func TestRegistrationOverOneProtocolIsSeenOverTheOther(t *testing.T) {
	w := startWeb(t)
	c := dial(t, w.addr)
	c.subscribe("")
	w.ok("POST", "/v2/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")
	host := c.pushed(1).Hosts[0]
	require.Empty(t, host.InstanceID, "v2 gives no id")
	out := c.register("10.0.0.2", 80)
	require.True(t, out.OK())
	require.Len(t, w.hosts("shop"), 2)
	subscribers := w.json("GET", "/v1/ns/service/subscribers", "serviceName=shop")
	require.InDelta(t, 1, subscribers["count"], 0)
	require.Equal(t, "Nacos-Go-Client:v2.3.5", subscribers["subscribers"].([]any)[0].(map[string]any)["agent"])

	// An HTTP client cannot withdraw what a connection holds.
	w.ok("DELETE", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.2&port=80")
	require.Len(t, w.hosts("shop"), 2)
	var list wire.ServiceListResponse
	c.call(&wire.ServiceListRequest{PageNo: 1, PageSize: 10}, &list)
	require.Equal(t, wire.Names{"shop"}, list.ServiceNames)
}

func TestHTTPv3(t *testing.T) {
	w := startWeb(t)
	beat := "serviceName=shop&ip=10.0.0.1&port=80&heartBeat=true"
	require.InDelta(t, 21003, w.json("POST", "/v3/client/ns/instance", beat)["code"], 0, "so that the client registers")
	require.Equal(t, "ok", w.json("POST", "/v3/client/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")["data"])
	require.Equal(t, "ok", w.json("POST", "/v3/client/ns/instance", beat)["data"])
	list := w.json("GET", "/v3/client/ns/instance/list", "serviceName=shop")["data"].([]any)
	require.Equal(t, "10.0.0.1", list[0].(map[string]any)["ip"])
	require.Equal(t, "ok", w.json("PUT", "/v3/admin/ns/instance/partial", "serviceName=shop&ip=10.0.0.1&port=80&weight=4")["data"])
	one := w.json("GET", "/v3/admin/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")["data"].(map[string]any)
	require.InDelta(t, 4, one["weight"], 0)

	w.ok("POST", "/v3/admin/ns/service", "serviceName=empty")
	page := w.json("GET", "/v3/admin/ns/service/list", "pageSize=1")["data"].(map[string]any)
	require.InDelta(t, 2, page["totalCount"], 0)
	require.InDelta(t, 2, page["pagesAvailable"], 0)
	require.Equal(t, "empty", page["pageItems"].([]any)[0].(map[string]any)["name"])
	page = w.json("GET", "/v3/admin/ns/service/list", "ignoreEmptyService=true&withInstances=true")["data"].(map[string]any)
	svc := page["pageItems"].([]any)[0].(map[string]any)
	require.Equal(t, true, svc["clusterMap"].(map[string]any)["DEFAULT"].(map[string]any)["useInstancePortForCheck"])
	require.Equal(t, "ok", w.json("DELETE", "/v3/client/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")["data"])
	c := dial(t, w.addr)
	c.subscribe("")
	subscribers := w.json("GET", "/v3/admin/ns/service/subscribers", "serviceName=shop")["data"].(map[string]any)
	require.Equal(t, "shop", subscribers["pageItems"].([]any)[0].(map[string]any)["serviceName"])
}

// stale asks and returns status, body and whether the answer is marked.
func (w *web) stale(method, path, form string) (int, string, bool) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path+"?"+form, nil)
	require.NoError(w.t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(w.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)
	return answer.StatusCode, string(text), answer.Header.Get("zensus-stale") == "true"
}

func TestHTTPWithoutQuorum(t *testing.T) {
	w := startWeb(t)
	w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")
	_, _, marked := w.stale("GET", "/v1/ns/instance/list", "serviceName=shop")
	require.False(t, marked)
	w.engine.(*coretest.Fake).Partition()
	for _, c := range []struct {
		name, method, path, form string
		status                   int
		body                     string
	}{
		{"a list", "GET", "/v1/ns/instance/list", "serviceName=shop", 200, "10.0.0.1"},
		{"a list of v2", "GET", "/v2/ns/instance/list", "serviceName=shop", 200, "10.0.0.1"},
		{"a list of v3", "GET", "/v3/client/ns/instance/list", "serviceName=shop", 200, "10.0.0.1"},
		{"the services", "GET", "/v1/ns/service/list", "pageNo=1&pageSize=10", 200, "shop"},
		{"a service", "GET", "/v2/ns/service", "serviceName=shop", 200, "shop"},
		{"a registration", "POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.2&port=80", 200, "ok"},
		{"and it is shown", "GET", "/v1/ns/instance/list", "serviceName=shop", 200, "10.0.0.2"},
		{"a registration of v2", "POST", "/v2/ns/instance", "serviceName=shop&ip=10.0.0.3&port=80", 200, "success"},
		{"a registration of v3", "POST", "/v3/client/ns/instance", "serviceName=shop&ip=10.0.0.4&port=80", 200, "success"},
		{"a light beat", "PUT", "/v1/ns/instance/beat", "serviceName=shop&ip=10.0.0.2&port=80", 200, "10200"},
		{"a deregistration", "DELETE", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.2&port=80", 200, "ok"},
		{"a persistent instance", "POST", "/v1/ns/instance", "serviceName=cp&ip=10.0.0.1&port=80&ephemeral=false", 503, "no quorum"},
		{"a persistent instance of v2", "POST", "/v2/ns/instance", "serviceName=cp&ip=10.0.0.1&port=80&ephemeral=false", 503, `"code":30000`},
		{"a persistent instance of v3", "POST", "/v3/admin/ns/instance", "serviceName=cp&ip=10.0.0.1&port=80&ephemeral=false", 503, `"code":30000`},
		{"a service", "POST", "/v1/ns/service", "serviceName=other", 503, "no quorum"},
		{"an override", "PUT", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80&weight=3", 503, "no quorum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body, marked := w.stale(c.method, c.path, c.form)
			require.Equal(t, c.status, status, body)
			require.Contains(t, body, c.body)
			require.True(t, marked)
		})
	}
	_, body, _ := w.stale("GET", "/v1/ns/instance/list", "serviceName=shop")
	require.NotContains(t, body, "10.0.0.2")
	w.engine.(*coretest.Fake).Heal()
	require.Eventually(t, func() bool {
		_, body, marked := w.stale("GET", "/v1/ns/instance/list", "serviceName=shop")
		return !marked && strings.Contains(body, "10.0.0.4")
	}, patience, 20*time.Millisecond, "picture and tree agree in the end")
}
