package nacosapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/configcenter/archive"
	"github.com/zensus-io/zensus/configcenter/nacosapi"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func TestEveryInterfaceSaysWhatIsWrongWithAContent(t *testing.T) {
	w := startWeb(t, coretest.NewFake())
	const why = "content is not valid json: line 2, column 10: invalid character '}' looking for beginning of value"
	name := []string{"dataId", "a", "group", "g", "groupName", "g", "type", "json", "content", "{\n \"port\": }"}
	envelope := `{"code":20002,"message":"parameter validate error","data":"` + why + `"}`
	w.want(w.do("POST", "/v1/cs/configs", nil, name...), 400, "caused: "+why+";")
	w.want(w.do("POST", "/v2/cs/config", nil, name...), 400, envelope)
	w.want(w.do("POST", "/v3/admin/cs/config", nil, name...), 400, envelope)
	w.want(w.do("POST", "/v3/console/cs/config", nil, name...), 400, envelope)
	w.want(w.do("POST", "/v3/admin/cs/config/gray", nil, append(name, "grayName", "x", "grayType", "tag", "grayRuleExp", "x")...), 400, envelope)
	w.want(w.do("POST", "/v1/cs/configs", map[string]string{"betaIps": "10.0.0.1"}, name...), 400, "caused: "+why+";")

	var reply wire.ConfigPublishResponse
	dial(t, w.node.addr, nil, false).call(&wire.ConfigPublishRequest{
		ConfigKey: wire.ConfigKey{DataID: "a", Group: "g"}, Content: "{\n \"port\": }", AdditionMap: map[string]string{"type": "json"},
	}, &reply)
	if reply.ResultCode != 500 || reply.ErrorCode != 400 || reply.Message != why {
		t.Errorf("gRPC: %+v", reply)
	}

	var zip bytes.Buffer
	configs := []archive.Config{{Group: "g", DataID: "good", Content: "{}", Type: "json"}, {Group: "g", DataID: "a", Content: "{\n \"port\": }", Type: "json"}}
	if err := archive.Write(&zip, configs, true); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/cs/configs?import=true&namespace=", "/v3/admin/cs/config/import?namespaceId="} {
		if a := w.upload(path, zip.Bytes()); a.status != 400 || !strings.Contains(a.body, "public/g/a: "+why) {
			t.Errorf("%s: %+v", path, a)
		}
	}
	if n := w.node.center.Len(); n != 0 {
		t.Errorf("%d configs were written", n)
	}
}

// An archive of the older form says no types: a name is no promise.
func TestATypeThatIsOnlyGuessedRefusesNothing(t *testing.T) {
	w := startWeb(t, coretest.NewFake())
	var zip bytes.Buffer
	configs := []archive.Config{{Group: "g", DataID: "good.yml", Content: "a: 1"}, {Group: "g", DataID: "bad.json", Content: "{{a}}"}}
	if err := archive.Write(&zip, configs, false); err != nil {
		t.Fatal(err)
	}
	if a := w.upload("/v1/cs/configs?import=true&namespace=", zip.Bytes()); a.status != 200 {
		t.Fatalf("import: %+v", a)
	}
	if good, bad := w.get("", "good.yml"), w.get("", "bad.json"); good != "a: 1|yaml||" || bad != "{{a}}|text||" {
		t.Errorf("got %q, %q", good, bad)
	}
}

func TestASchemaStaysUntilItIsTakenOff(t *testing.T) {
	w := startWeb(t, coretest.NewFake())
	name := []string{"dataId", "a", "group", "g"}
	publish := func(want int, params ...string) string {
		t.Helper()
		a := w.do("POST", "/v1/cs/configs", nil, append(append([]string(nil), name...), params...)...)
		if a.status != want {
			t.Errorf("%q: %+v", params, a)
		}
		return a.body
	}
	publish(200, "content", "port: 1", "type", "yaml", "schema", `{"properties":{"port":{"type":"integer"}}}`)
	publish(200, "content", "port: 2")
	if body := publish(400, "content", "port: x"); !strings.Contains(body, "line 1, column 7: got string, want integer (at /port)") {
		t.Errorf("refused: %s", body)
	}
	c := dial(t, w.node.addr, nil, false)
	if r := c.publish("a", "port: x", ""); r.OK() || !strings.Contains(r.Message, "want integer") {
		t.Errorf("gRPC: %+v", r)
	}
	if r := c.publish("a", "port: 3", ""); !r.OK() {
		t.Errorf("gRPC: %+v", r)
	}
	publish(400, "content", "port: 4", "type", "yaml", "schema", `{"properties": 1}`)
	publish(200, "content", "port: x", "type", "yaml", "schema", "")
	if all := w.tree(w.do("GET", "/v1/cs/configs", nil, append(name, "show", "all")...)); all["schema"] != nil {
		t.Errorf("after it was taken off: %v", all)
	}
}

func TestAContentIsLookedAtWithoutBeingPublished(t *testing.T) {
	w := startWeb(t, coretest.NewFake())
	name := []string{"dataId", "a", "groupName", "g"}
	w.do("POST", "/v3/admin/cs/config", nil, append(name, "content", "port: 1", "type", "yaml", "schema", `{"required":["port"]}`)...)
	for _, c := range []struct {
		params []string
		want   string
	}{
		{[]string{"content", "a: 1", "type", "yaml"}, `{"valid":true,"type":"yaml","schema":false,"faults":[]}`},
		{[]string{"content", "{", "type", "JSON"}, `{"valid":false,"type":"json","schema":false,"faults":[{"line":1,"column":2,"reason":"unexpected end of JSON input"}]}`},
		{[]string{"content", "{"}, `{"valid":true,"type":"text","schema":false,"faults":[]}`},
		{append(name, "content", "\nother: 1"), `{"valid":false,"type":"yaml","schema":true,"faults":[{"line":2,"column":1,"reason":"missing property 'port'"}]}`},
		{append(name, "content", "other: 1", "schema", ""), `{"valid":true,"type":"yaml","schema":false,"faults":[]}`},
		{[]string{"dataId", "none", "groupName", "g", "content", "[1]", "type", "json", "schema", `{"items":{"type":"string"}}`}, `{"valid":false,"type":"json","schema":true,"faults":[{"line":1,"column":2,"path":"/0","reason":"got number, want string"}]}`},
	} {
		w.want(w.do("POST", "/v3/admin/cs/config/validate", nil, c.params...), 200, `{"code":0,"message":"success","data":`+c.want+`}`)
	}
	for _, bad := range [][]string{{"type", "json"}, {"content", "{}", "type", "json", "schema", "{"}, {"content", "x", "dataId", "a/b", "groupName", "g"}} {
		if a := w.do("POST", "/v3/admin/cs/config/validate", nil, bad...); a.status != 400 {
			t.Errorf("%q: %+v", bad, a)
		}
	}
	if got := w.get("", "a"); got != "port: 1|yaml||" {
		t.Errorf("published: %s", got)
	}
}

func TestVersionsAreComparedAndBroughtBack(t *testing.T) {
	w := startWeb(t, coretest.NewFake())
	name := []string{"dataId", "a", "groupName", "g", "namespaceId", "dev"}
	for _, content := range []string{"one\ntwo\n", "one\n2\n", "x"} {
		w.do("POST", "/v3/admin/cs/config", nil, append(name, "content", content, "srcUser", "ann", "type", "text")...)
	}
	data := func(a answer) map[string]any {
		t.Helper()
		if a.status != 200 {
			t.Fatalf("%+v", a)
		}
		d, _ := w.tree(a)["data"].(map[string]any)
		return d
	}
	d := data(w.do("GET", "/v3/admin/cs/history/diff", nil, append(name, "from", "1", "to", "2")...))
	if d["diff"] != "--- a@1\n+++ a@2\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n" || d["from"].(map[string]any)["md5"] != *sum("one\ntwo\n") {
		t.Errorf("diff: %v", d)
	}
	w.want(w.do("POST", "/v3/admin/cs/history/rollback", map[string]string{"casMd5": *sum("x")}, append(name, "nid", "1", "srcUser", "bob")...), 200,
		`{"code":0,"message":"success","data":true}`)
	if got := w.get("dev", "a"); got != "one\ntwo\n|text||" {
		t.Errorf("after the rollback: %q", got)
	}
	d = data(w.do("GET", "/v3/admin/cs/history/diff", nil, append(name, "from", "3")...)) // and the newest
	if to := d["to"].(map[string]any); to["id"] != "4" || to["restoredFrom"] != "1" || to["srcUser"] != "bob" || to["opType"] != "U" {
		t.Errorf("diff with the newest: %v", d)
	}
	list := data(w.do("GET", "/v3/admin/cs/history/list", nil, append(name, "pageNo", "1", "pageSize", "10")...))["pageItems"].([]any)
	if newest := list[0].(map[string]any); newest["restoredFrom"] != "1" || newest["srcUser"] != "bob" {
		t.Errorf("history: %v", newest)
	}
	if _, there := list[1].(map[string]any)["restoredFrom"]; there {
		t.Errorf("history: %v", list[1])
	}
	for query, status := range map[string]int{"diff?from=1&to=9": 404, "diff?from=x": 400, "diff?to=1": 400} {
		if a := w.do("GET", "/v3/admin/cs/history/"+query+"&dataId=a&groupName=g&namespaceId=dev", nil); a.status != status {
			t.Errorf("%s: %+v", query, a)
		}
	}
	for nid, status := range map[string]int{"9": 404, "": 400, "x": 400} {
		if a := w.do("POST", "/v3/admin/cs/history/rollback", nil, append(name, "nid", nid)...); a.status != status {
			t.Errorf("rollback to %q: %+v", nid, a)
		}
	}
	if a := w.do("POST", "/v3/admin/cs/history/rollback", map[string]string{"casMd5": "0"}, append(name, "nid", "2")...); !strings.Contains(a.body, "server md5 may have changed") {
		t.Errorf("with another md5: %+v", a)
	}
	// A gray version, between whose changes there are others.
	gray := append(name, "grayName", "some", "grayType", "tag", "grayRuleExp", "t")
	for _, content := range []string{"gray", "grey"} {
		w.want(w.do("POST", "/v3/admin/cs/config/gray", nil, append(gray, "content", content)...), 200, `{"code":0,"message":"success","data":true}`)
	}
	w.do("POST", "/v3/admin/cs/config", nil, append(name, "content", "last")...)
	d = data(w.do("GET", "/v3/admin/cs/history/diff", nil, append(name, "from", "5")...))
	if to := d["to"].(map[string]any); to["id"] != "6" || to["grayName"] != "some" {
		t.Errorf("diff with the newest of a gray version: %v", d)
	}
	w.do("DELETE", "/v3/admin/cs/config/gray", nil, gray...)
	w.want(w.do("POST", "/v3/admin/cs/history/rollback", nil, append(name, "nid", "5")...), 409,
		`{"code":20005,"message":"resource conflict","data":"the gray version is not there any more: it comes back if grayName is some"}`)
	w.want(w.do("POST", "/v3/admin/cs/history/rollback", nil, append(name, "nid", "5", "grayName", "some")...), 200,
		`{"code":0,"message":"success","data":true}`)
	if a := w.do("GET", "/v3/admin/cs/history/diff", nil, "dataId", "none", "groupName", "g", "from", "1"); a.status != 404 {
		t.Errorf("of a config that there is not: %+v", a)
	}
}

func TestWhoMayNotWriteMayNotGoBack(t *testing.T) {
	n := startNode(t, coretest.NewFake())
	api, err := nacosapi.New(nacosapi.Deps{Center: n.center, Guard: rest.NewGuard(devOnly{})})
	if err != nil {
		t.Fatal(err)
	}
	e, err := rest.NewEngine(rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api.Routes(e.Group("/nacos"))
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	w := &web{t, n, server.URL + "/nacos"}
	for _, c := range []struct {
		method, path, namespace string
		status                  int
	}{
		{"POST", "/v3/admin/cs/history/rollback", "prod", 403},
		{"GET", "/v3/admin/cs/history/diff", "prod", 403},
		{"POST", "/v3/admin/cs/config/validate", "prod", 403},
		{"POST", "/v3/admin/cs/history/rollback", "dev", 404},
		{"GET", "/v3/admin/cs/history/diff", "dev", 404},
		{"POST", "/v3/admin/cs/config/validate", "dev", 200},
	} {
		a := w.do(c.method, c.path, nil, "dataId", "a", "groupName", "g", "namespaceId", c.namespace, "nid", "1", "from", "1", "to", "2", "content", "x")
		if a.status != c.status {
			t.Errorf("%s %s of %s: %s", c.method, c.path, c.namespace, fmt.Sprint(a.status, a.body))
		}
	}
}
