package nacosapi_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/configcenter/archive"
	"github.com/zensus-io/zensus/core/coretest"
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
