package nacosapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/nacosapi"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// web is a node's HTTP side.
type web struct {
	t    *testing.T
	node *node
	base string
}

func startWeb(t *testing.T, engine coretest.Nodes) *web { return startWebIn(t, engine, nil) }

// startWebIn starts one that knows namespaces.
func startWebIn(t *testing.T, engine coretest.Nodes, namespaces func(string) bool) *web {
	t.Helper()
	n := startNode(t, engine)
	if namespaces != nil {
		var err error
		has := func(_ context.Context, id string) (bool, error) { return namespaces(id), nil }
		if n.api, err = nacosapi.New(nacosapi.Deps{Center: n.center, Namespaces: has}); err != nil {
			t.Fatal(err)
		}
	}
	return serveWeb(t, n)
}

// serveWeb opens a node's HTTP side.
func serveWeb(t *testing.T, n *node) *web {
	t.Helper()
	e, err := rest.NewEngine(rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	n.api.Routes(e.Group("/nacos"))
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &web{t, n, server.URL + "/nacos"}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; the parameters of a POST go into its body.
func (w *web) do(method, path string, headers map[string]string, params ...string) answer {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	var body io.Reader
	target := w.base + path
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		target += "?" + form.Encode()
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, target, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// sure asks until the answer is neither marked nor refused because the node could not make
// sure in time that it shows what others have written.
func (w *web) sure(ask func() answer) answer {
	w.t.Helper()
	for end := time.Now().Add(patience); ; {
		a := ask()
		if a.status != http.StatusServiceUnavailable && a.header.Get(wire.HeaderStale) == "" || time.Now().After(end) {
			return a
		}
	}
}

func (w *web) want(a answer, status int, body string) {
	w.t.Helper()
	if a.status != status || a.body != body {
		w.t.Errorf("got %d %q, want %d %q", a.status, a.body, status, body)
	}
}

// tree is a JSON answer.
func (w *web) tree(a answer) map[string]any {
	w.t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		w.t.Fatalf("%q: %v", a.body, err)
	}
	return v
}

func TestV1PublishGetDelete(t *testing.T) {
	w := startWeb(t, engines.New(t))
	const path = "/v1/cs/configs"
	name := []string{"dataId", "a.yaml", "group", "g"}
	w.want(w.do("GET", path, nil, name...), 404, "config data not exist\n")
	w.want(w.do("GET", path, nil, append(name, "show", "all")...), 200, "")
	content := "键: 值 & more=1\r\n+ %41\x00"
	w.want(w.do("POST", path, nil, append(name, "content", content, "type", "html", "encryptedDataKey", "k")...), 200, "true")
	got := w.do("GET", path, nil, append(name, "tenant", "public")...)
	w.want(got, 200, content)
	for name, want := range map[string]string{
		"Content-Type": "text/plain;charset=UTF-8", "Config-Type": "html", "Content-MD5": configcenter.Sum(content),
		"Encrypted-Data-Key": "k", "Cache-Control": "no-cache,no-store", "Pragma": "no-cache", "Expires": "0",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.header.Get(name), want)
		}
	}
	if _, err := http.ParseTime(got.header.Get("Last-Modified")); err != nil {
		t.Error(err)
	}
	all := w.tree(w.do("GET", path, nil, append(name, "show", "all")...))
	if all["content"] != content || all["type"] != "html" || all["md5"] != configcenter.Sum(content) || all["id"] == "" {
		t.Errorf("show=all: %v", all)
	}
	w.want(w.do("POST", path, map[string]string{"casMd5": "0"}, append(name, "content", "x")...), 500,
		"caused: Cas publish fail, server md5 may have changed.;")
	w.want(w.do("POST", path, map[string]string{"casMd5": configcenter.Sum(content)}, append(name, "content", "x")...), 200, "true")
	w.want(w.do("POST", path, nil, append(name, "content", " ")...), 400, "caused: content is blank : ;")
	w.want(w.do("GET", path, nil, name...), 200, "x")
	w.want(w.do("GET", path, nil, append(name, "tag", "t")...), 404, "config data not exist\n")
	if a := w.do("GET", path, nil, "group", "g"); a.status != 400 {
		t.Errorf("no dataId: %d %q", a.status, a.body)
	}
	w.want(w.do("POST", path, nil, "dataId", "a/b", "group", "g", "content", "x"), 400,
		"Param 'dataId' is illegal, illegal characters should not appear in the param.\r\n")
	w.want(w.do("DELETE", path, nil, name...), 200, "true")
	w.want(w.do("DELETE", path, nil, name...), 200, "true")
	w.want(w.do("GET", path, nil, name...), 404, "config data not exist\n")
}

func TestV1TakesContentOfTenMebibytes(t *testing.T) {
	w := startWeb(t, engines.New(t))
	content := strings.Repeat("中文=%&\n", 10<<20/6)[:10<<20-3]
	content = strings.ToValidUTF8(content, "")
	name := []string{"dataId", "big", "group", "g"}
	w.want(w.do("POST", "/v1/cs/configs", nil, append(name, "content", content)...), 200, "true")
	// It may take longer to appear than its publisher waits.
	if got := w.sure(func() answer { return w.do("GET", "/v1/cs/configs", nil, name...) }); got.body != content {
		t.Errorf("got %d with %d bytes, want %d", got.status, len(got.body), len(content))
	}
	if a := w.do("POST", "/v1/cs/configs", nil, append(name, "content", strings.Repeat("x", 10<<20+1))...); a.status != 500 || !strings.Contains(a.body, "too large") {
		t.Errorf("one more: %d %.100q", a.status, a.body)
	}
}

func poll(w *web, headers map[string]string, records string) answer {
	w.t.Helper()
	return w.do("POST", "/v1/cs/configs/listener", headers, "Listening-Configs", records)
}

func TestV1LongPoll(t *testing.T) {
	w := startWeb(t, engines.New(t))
	publish := func(content string) {
		w.want(w.do("POST", "/v1/cs/configs", nil, "dataId", "a", "group", "g", "tenant", "dev", "content", content), 200, "true")
	}
	publish("1")
	waiting := map[string]string{"Long-Pulling-Timeout": "30000"}
	atOnce := map[string]string{"Long-Pulling-Timeout": "30000", "Long-Pulling-Timeout-No-Hangup": "true"}
	record := func(md5 string) string { return "a\x02g\x02" + md5 + "\x02dev\x01" }
	const changed = "a%02g%02dev%01\n"

	w.want(poll(w, waiting, record("")), 200, changed)
	w.want(poll(w, atOnce, record("")), 200, changed)
	w.want(poll(w, atOnce, record(*sum("1"))), 200, "")
	w.want(poll(w, atOnce, "a\x02g\x02"+*sum("1")+"\x01"), 200, "a%02g%01\n") // in public there is none
	w.want(poll(w, nil, record(*sum("1"))), 200, "")
	old := poll(w, nil, record("x"))
	if old.header.Get("Probe-Modify-Response") != "a:g;" || old.header.Get("Probe-Modify-Response-New") != "a%02g%02dev%01" {
		t.Errorf("short poll: %v", old.header)
	}
	w.want(poll(w, waiting, " "), 400, "caused: invalid probeModify;")
	if a := poll(w, waiting, "nonsense"); a.status != 400 {
		t.Errorf("malformed: %d", a.status)
	}

	done := make(chan answer, 1)
	go func() { done <- poll(w, waiting, record(*sum("1"))+"b\x02g\x02\x02dev\x01") }()
	for w.node.center.Listeners().Stats().Keys != 2 {
		time.Sleep(time.Millisecond)
	}
	for _, path := range []string{"/v1/cs/listener", "/v1/cs/communication/watcherConfigs"} {
		who := w.tree(w.do("GET", path, nil, "ip", "127.0.0.1", "all", "true"))
		if s := who["lisentersGroupkeyStatus"].(map[string]any); s["a+g+dev"] != *sum("1") || s["b+g+dev"] != "" {
			t.Errorf("%s: %v", path, who)
		}
	}
	who := w.tree(w.do("GET", "/v1/cs/configs/listener", nil, "dataId", "a", "group", "g", "tenant", "dev"))
	if s := who["lisentersGroupkeyStatus"].(map[string]any); s["127.0.0.1"] != *sum("1") {
		t.Errorf("listeners: %v", who)
	}
	publish("1")
	select {
	case a := <-done:
		t.Fatalf("answered %+v to unchanged content", a)
	case <-time.After(20 * time.Millisecond):
	}
	publish("2")
	w.want(<-done, 200, changed)
	w.want(w.do("GET", "/v1/cs/configs", nil, "dataId", "a", "group", "g", "tenant", "dev"), 200, "2")
}

func TestLongPollsAreRefusedWhileTheServerDrains(t *testing.T) {
	w := startWeb(t, engines.New(t))
	w.want(w.do("POST", "/v1/cs/configs", nil, "dataId", "a", "group", "g", "content", "1"), 200, "true")
	waiting := map[string]string{"Long-Pulling-Timeout": "30000"}
	const unchanged = "b\x02g\x02\x01"
	done := make(chan answer, 1)
	go func() { done <- poll(w, waiting, unchanged) }()
	for w.node.center.Listeners().Stats().Polls != 1 {
		time.Sleep(time.Millisecond)
	}
	w.node.api.RefusePolls(true)
	for _, a := range []answer{<-done, poll(w, waiting, unchanged)} {
		if a.status != 503 || !strings.Contains(a.body, "draining") {
			t.Errorf("%+v", a)
		}
	}
	w.node.api.RefusePolls(false)
	w.want(poll(w, map[string]string{"Long-Pulling-Timeout": "30000", "Long-Pulling-Timeout-No-Hangup": "true"}, unchanged), 200, "")
	w.want(poll(w, waiting, "a\x02g\x02\x01"), 200, "a%02g%01\n")
}

func TestV1SearchAndDeleteByID(t *testing.T) {
	w := startWeb(t, engines.New(t))
	for i := range 5 {
		w.do("POST", "/v1/cs/configs", nil, "dataId", fmt.Sprintf("app-%d", i), "group", "g", "content", "x", "config_tags", "t1,t2", "appName", "shop")
	}
	w.do("POST", "/v1/cs/configs", nil, "dataId", "app-0", "group", "g", "tenant", "dev", "content", "x")
	page := w.tree(w.do("GET", "/v1/cs/configs", nil, "search", "blur", "dataId", "app*", "group", "", "pageNo", "2", "pageSize", "2", "config_tags", "t2"))
	items := page["pageItems"].([]any)
	if page["totalCount"] != 5.0 || page["pagesAvailable"] != 3.0 || page["pageNumber"] != 2.0 || len(items) != 2 {
		t.Fatalf("page: %v", page)
	}
	item := items[0].(map[string]any)
	if item["dataId"] != "app-2" || item["appName"] != "shop" {
		t.Errorf("item: %v", item)
	}
	page = w.tree(w.do("GET", "/v1/cs/configs", nil, "search", "accurate", "dataId", "app*", "group", "", "pageNo", "1", "pageSize", "9999"))
	if page["totalCount"] != 0.0 || len(page["pageItems"].([]any)) != 0 {
		t.Errorf("accurate: %v", page)
	}
	other := w.tree(w.do("GET", "/v1/cs/configs", nil, "dataId", "app-0", "group", "g", "tenant", "dev", "show", "all"))
	w.do("DELETE", "/v1/cs/configs", nil, "delType", "ids", "ids", item["id"].(string)+","+other["id"].(string)+",12345")
	w.want(w.do("GET", "/v1/cs/configs", nil, "dataId", "app-2", "group", "g"), 404, "config data not exist\n")
	// An id of a namespace that the request does not name is not deleted: the
	// guard looked at the named one only.
	w.want(w.do("GET", "/v1/cs/configs", nil, "dataId", "app-0", "group", "g", "tenant", "dev"), 200, "x")
}

func TestAPublishKeepsTheApplicationAndTheTagsThatItDoesNotSpeakOf(t *testing.T) {
	w := startWeb(t, engines.New(t))
	name := []string{"dataId", "a", "group", "g"}
	about := func() string {
		all := w.tree(w.do("GET", "/v1/cs/configs", nil, append(name, "show", "all")...))
		return fmt.Sprint(all["appName"], " ", all["configTags"], " ", all["desc"])
	}
	for _, c := range []struct {
		params []string
		want   string
	}{
		{[]string{"appName", "shop", "config_tags", "a,b", "desc", "d"}, "shop a,b d"},
		{nil, "shop a,b <nil>"},
		{[]string{"config_tags", ""}, "shop <nil> <nil>"},
		{[]string{"appName", "", "config_tags", "c"}, " c <nil>"},
	} {
		w.want(w.do("POST", "/v1/cs/configs", nil, append(append(name, "content", "x"), c.params...)...), 200, "true")
		if got := about(); got != c.want {
			t.Errorf("after %q: %q, want %q", c.params, got, c.want)
		}
	}
}

func TestV1History(t *testing.T) {
	w := startWeb(t, engines.New(t))
	name := []string{"dataId", "a", "group", "g"}
	w.do("POST", "/v1/cs/configs", nil, append(name, "content", "one", "src_user", "bob")...)
	w.do("POST", "/v1/cs/configs", nil, append(name, "content", "two")...)
	first := w.tree(w.do("GET", "/v1/cs/configs", nil, append(name, "show", "all")...))["id"].(string)
	w.do("DELETE", "/v1/cs/configs", nil, name...)
	page := w.tree(w.do("GET", "/v1/cs/history", nil, append(name, "search", "accurate")...))
	items := page["pageItems"].([]any)
	if page["totalCount"] != 3.0 || len(items) != 3 {
		t.Fatalf("page: %v", page)
	}
	for i, want := range []struct{ op, content string }{{"D", "two"}, {"U", "one"}, {"I", "one"}} {
		item := items[i].(map[string]any)
		if item["opType"] != want.op+"         " || item["content"] != nil || item["md5"] != nil {
			t.Errorf("item %d: %v", i, item)
		}
		one := w.tree(w.do("GET", "/v1/cs/history", nil, append(name, "nid", item["id"].(string))...))
		if one["content"] != want.content || one["md5"] != configcenter.Sum(want.content) {
			t.Errorf("nid %v: %v", item["id"], one)
		}
	}
	if last := items[2].(map[string]any); last["srcUser"] != "bob" || last["srcIp"] != "127.0.0.1" {
		t.Errorf("origin: %v", last)
	}
	w.want(w.do("GET", "/v1/cs/history", nil, append(name, "nid", "99")...), 200, "")
	// Made once more, it is another row, which has another last change.
	w.do("POST", "/v1/cs/configs", nil, append(name, "content", "three")...)
	second := w.tree(w.do("GET", "/v1/cs/configs", nil, append(name, "show", "all")...))["id"].(string)
	for id, want := range map[string]string{first: "two", second: "three"} {
		if v := w.tree(w.do("GET", "/v1/cs/history/previous", nil, append(name, "id", id)...)); v["content"] != want {
			t.Errorf("previous of %s: %v", id, v)
		}
	}
	w.want(w.do("GET", "/v1/cs/history/previous", nil, append(name, "id", "1")...), 200, "")
	if a := w.do("GET", "/v1/cs/history", nil, name...); a.status != 400 {
		t.Errorf("neither a change nor a list is asked for: %+v", a)
	}
	if a := w.do("GET", "/v1/cs/history/configs", nil, "tenant", ""); a.status != 200 || !strings.Contains(a.body, `"dataId":"a"`) {
		t.Errorf("the configs of the public namespace: %+v", a)
	}
	w.want(w.do("GET", "/v1/cs/health", nil), 200, "UP")
}

func TestV2AnswersInEnvelopes(t *testing.T) {
	w := startWeb(t, engines.New(t))
	name := []string{"dataId", "a", "group", "g", "namespaceId", "dev"}
	missing := w.do("GET", "/v2/cs/config", nil, name...)
	w.want(missing, 404, `{"code":20004,"message":"resource not found","data":"config data not exist"}`)
	w.want(w.do("POST", "/v2/cs/config", nil, append(name, "content", "one", "type", "properties")...), 200, `{"code":0,"message":"success","data":true}`)
	w.want(w.do("POST", "/v2/cs/config", nil, append(name, "content", "two")...), 200, `{"code":0,"message":"success","data":true}`)
	got := w.do("GET", "/v2/cs/config", nil, name...)
	w.want(got, 200, `{"code":0,"message":"success","data":"two"}`)
	if got.header.Get("Content-MD5") != *sum("two") {
		t.Errorf("headers: %v", got.header)
	}
	page := w.tree(w.do("GET", "/v2/cs/config/searchDetail", nil, "dataId", "*", "group", "*", "config_detail", "*w*", "tenant", "dev", "pageNo", "1", "pageSize", "10"))
	if page["totalCount"] != 1.0 {
		t.Errorf("searchDetail: %v", page)
	}
	list := w.tree(w.do("GET", "/v2/cs/history/list", nil, name...))["data"].(map[string]any)
	id := list["pageItems"].([]any)[0].(map[string]any)["id"].(string)
	detail := w.tree(w.do("GET", "/v2/cs/history/detail", nil, append(name, "nid", id)...))["data"].(map[string]any)
	if detail["originalContent"] != "one" || detail["updatedContent"] != "two" || detail["opType"] != "U" {
		t.Errorf("detail: %v", detail)
	}
	w.want(w.do("GET", "/v2/cs/history", nil, append(name, "nid", "77")...), 200, `{"code":0,"message":"success","data":null}`)
	w.want(w.do("DELETE", "/v2/cs/config", nil, name...), 200, `{"code":0,"message":"success","data":true}`)
}

func TestV3(t *testing.T) {
	w := startWeb(t, engines.New(t))
	name := []string{"dataId", "a", "groupName", "g", "namespaceId", "dev"}
	w.want(w.do("GET", "/v3/client/cs/config", nil, name...), 200, `{"code":20004,"message":"resource not found","data":null}`)
	w.want(w.do("GET", "/v3/admin/cs/config", nil, name...), 404,
		`{"code":20004,"message":"resource not found","data":"Config not exist, please publish Config first."}`)
	w.want(w.do("POST", "/v3/admin/cs/config", nil, append(name, "content", "one", "configTags", "x")...), 200, `{"code":0,"message":"success","data":true}`)
	data := func(a answer) map[string]any { return w.tree(a)["data"].(map[string]any) }
	if d := data(w.do("GET", "/v3/client/cs/config", nil, name...)); d["content"] != "one" || d["resultCode"] != 200.0 || d["md5"] != *sum("one") {
		t.Errorf("client: %v", d)
	}
	if d := data(w.do("GET", "/v3/admin/cs/config", nil, name...)); d["content"] != "one" || d["groupName"] != "g" || d["configTags"] != "x" {
		t.Errorf("admin: %v", d)
	}
	if d := data(w.do("GET", "/v3/admin/cs/config/list", nil, "namespaceId", "dev", "dataId", "*")); d["totalCount"] != 1.0 {
		t.Errorf("list: %v", d)
	}
	history := data(w.do("GET", "/v3/admin/cs/history/list", nil, name...))["pageItems"].([]any)[0].(map[string]any)
	if history["opType"] != "I         " || history["modifyTime"].(float64) == 0 {
		t.Errorf("history: %v", history)
	}
	if d := data(w.do("GET", "/v3/admin/cs/history", nil, append(name, "nid", history["id"].(string))...)); d["content"] != "one" {
		t.Errorf("history item: %v", d)
	}
	w.want(w.do("DELETE", "/v3/admin/cs/config", nil, name...), 200, `{"code":0,"message":"success","data":true}`)
}

func TestReadsWithoutTheEngineAreMarkedStale(t *testing.T) {
	engine := coretest.NewFake()
	w := startWeb(t, engine)
	name := []string{"dataId", "a", "group", "g"}
	w.do("POST", "/v1/cs/configs", nil, append(name, "content", "one")...)
	if a := w.sure(func() answer { return w.do("GET", "/v1/cs/configs", nil, name...) }); a.header.Get("Zensus-Stale") != "" {
		t.Errorf("fresh, but %v", a.header)
	}
	engine.Partition()
	a := w.do("GET", "/v1/cs/configs", nil, name...)
	w.want(a, 200, "one")
	if a.header.Get("Zensus-Stale") != "true" {
		t.Errorf("stale, but %v", a.header)
	}
	if a := w.do("POST", "/v1/cs/configs", nil, append(name, "content", "two")...); a.status != 503 {
		t.Errorf("publish without the engine: %d %q", a.status, a.body)
	}
}

func TestWhatBecameOfAPublishWithoutTheEngineIsSaid(t *testing.T) {
	engine := coretest.NewFake()
	w := startWeb(t, engine)
	name := []string{"dataId", "a", "group", "g"}
	w.do("POST", "/v1/cs/configs", nil, append(name, "content", "one")...)
	engine.Partition() // as over TCP: nobody knows what becomes of what was sent
	for _, c := range []struct{ method, path string }{
		{"POST", "/v1/cs/configs"},
		{"DELETE", "/v1/cs/configs"},
		{"POST", "/v2/cs/config"},
		{"DELETE", "/v2/cs/config"},
		{"POST", "/v3/admin/cs/config"},
		{"DELETE", "/v3/admin/cs/config"},
	} {
		a := w.do(c.method, c.path, nil, append(name, "content", "two")...)
		if a.status != 503 || !strings.Contains(a.body, "no quorum, it is not known whether this was done") {
			t.Errorf("%s %s: %d %q", c.method, c.path, a.status, a.body)
		}
		if a.header.Get(wire.HeaderOutcome) != "unknown" || a.header.Get(wire.HeaderStale) != "true" {
			t.Errorf("%s %s: %v", c.method, c.path, a.header)
		}
	}
	engine.Heal()
	w.want(w.do("GET", "/v1/cs/configs", nil, name...), 200, "one")
}
