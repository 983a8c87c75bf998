package nacosapi_test

import (
	"encoding/json"
	"testing"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func TestABetaReachesItsClientsOnly(t *testing.T) {
	w := startWeb(t, engines.New(t))
	const path = "/v1/cs/configs"
	name := []string{"dataId", "a", "group", "g"}
	beta := map[string]string{"X-Forwarded-For": "10.0.0.1"}
	w.want(w.do("POST", path, nil, append(name, "content", "formal")...), 200, "true")
	none := w.tree(w.do("GET", path, nil, append(name, "beta", "true")...))
	if none["code"] != float64(200) || none["data"] != nil {
		t.Errorf("no beta: %v", none)
	}
	w.want(w.do("POST", path, map[string]string{"betaIps": "10.0.0.1,10.0.0.2"}, append(name, "content", "beta")...), 200, "true")
	w.want(w.do("GET", path, nil, name...), 200, "formal")
	got := w.do("GET", path, beta, name...)
	w.want(got, 200, "beta")
	if got.header.Get("isBeta") != "true" {
		t.Errorf("headers %v", got.header)
	}
	if a := w.tree(w.do("GET", "/v2/cs/config", beta, name...)); a["data"] != "beta" {
		t.Errorf("v2: %v", a)
	}
	client := w.tree(w.do("GET", "/v3/client/cs/config", beta, "dataId", "a", "groupName", "g"))["data"].(map[string]any)
	if client["content"] != "beta" || client["beta"] != true {
		t.Errorf("v3: %v", client)
	}
	shown := w.tree(w.do("GET", path, nil, append(name, "beta", "true")...))["data"].(map[string]any)
	if shown["content"] != "beta" || shown["betaIps"] != "10.0.0.1,10.0.0.2" {
		t.Errorf("the beta: %v", shown)
	}
	v3 := w.tree(w.do("GET", "/v3/admin/cs/config/beta", nil, "dataId", "a", "groupName", "g"))["data"].(map[string]any)
	var rule map[string]any
	if err := json.Unmarshal([]byte(v3["grayRule"].(string)), &rule); err != nil || rule["expr"] != "10.0.0.1,10.0.0.2" || rule["priority"] != float64(2147483647) {
		t.Errorf("the rule %v, %v", v3, err)
	}
	w.want(w.do("POST", path, map[string]string{"betaIps": "10.0.0.1", "casMd5": "0"}, append(name, "content", "x")...), 500,
		"caused: Cas publish gray config fail, server md5 may have changed.;")
	stopped := w.tree(w.do("DELETE", path, nil, append(name, "beta", "true")...))
	if stopped["data"] != true {
		t.Errorf("stop: %v", stopped)
	}
	w.want(w.do("GET", path, beta, name...), 200, "formal")
	if a := w.do("GET", "/v3/admin/cs/config/beta", nil, "dataId", "a", "groupName", "g"); a.status != 404 {
		t.Errorf("stopped, but %d %q", a.status, a.body)
	}
	history := w.tree(w.do("GET", "/v1/cs/history", nil, append(name, "search", "accurate", "pageNo", "1", "pageSize", "9")...))
	types := ""
	for _, item := range history["pageItems"].([]any) {
		types += item.(map[string]any)["publishType"].(string) + item.(map[string]any)["grayName"].(string) + " "
	}
	if types != "graybeta graybeta formal " {
		t.Errorf("the history says %q", types)
	}
}

func TestATagReachesItsClientsOnly(t *testing.T) {
	w := startWeb(t, engines.New(t))
	const path = "/v1/cs/configs"
	name := []string{"dataId", "a", "group", "g"}
	blue := map[string]string{"Vipserver-Tag": "blue"}
	w.want(w.do("POST", path, nil, append(name, "content", "for blue", "tag", "blue")...), 200, "true")
	w.want(w.do("GET", path, nil, name...), 404, "config data not exist\n")
	w.want(w.do("GET", path, blue, name...), 200, "for blue")
	w.want(w.do("POST", path, nil, append(name, "content", "formal")...), 200, "true")
	w.want(w.do("GET", path, nil, append(name, "tag", "blue")...), 200, "for blue")
	w.want(w.do("GET", path, nil, append(name, "tag", "red")...), 404, "config data not exist\n")
	w.want(w.do("GET", path, map[string]string{"Vipserver-Tag": "red"}, name...), 200, "formal")
	if a := w.do("POST", path, nil, append(name, "content", "x", "tag", "a tag that is too long")...); a.status != 400 {
		t.Errorf("a bad tag: %d %q", a.status, a.body)
	}
	w.want(w.do("DELETE", path, nil, append(name, "tag", "blue")...), 200, "true")
	w.want(w.do("GET", path, blue, name...), 200, "formal")
}

// A gray version is given out with the type of its config, and keeps nothing of the version
// of its name that it replaces.
func TestWhatAGrayVersionHasOfItsOwn(t *testing.T) {
	w := startWeb(t, engines.New(t))
	const path = "/v1/cs/configs"
	name := []string{"dataId", "a", "group", "g"}
	beta := map[string]string{"X-Forwarded-For": "10.0.0.1"}
	ips := map[string]string{"betaIps": "10.0.0.1"}
	w.want(w.do("POST", path, ips, append(name, "content", "{}", "type", "json", "appName", "shop", "src_user", "ann", "encryptedDataKey", "k")...), 200, "true")
	if got := w.do("GET", path, beta, name...); got.header.Get("Config-Type") != "json" || got.header.Get("Encrypted-Data-Key") != "k" {
		t.Errorf("without a config: %v", got.header)
	}
	w.want(w.do("POST", path, nil, append(name, "content", "a: 1", "type", "yaml")...), 200, "true")
	if got := w.do("GET", path, beta, name...); got.body != "{}" || got.header.Get("Config-Type") != "yaml" {
		t.Errorf("with one: %q %v", got.body, got.header)
	}
	shown := func() map[string]any {
		return w.tree(w.do("GET", path, nil, append(name, "beta", "true")...))["data"].(map[string]any)
	}
	if d := shown(); d["appName"] != "shop" || d["encryptedDataKey"] != "k" || d["type"] != nil {
		t.Errorf("the beta: %v", d)
	}
	w.want(w.do("POST", path, ips, append(name, "content", "[]")...), 200, "true")
	if d := shown(); d["content"] != "[]" || d["appName"] != "" || d["encryptedDataKey"] != nil {
		t.Errorf("the next beta: %v", d)
	}
	v3 := w.tree(w.do("GET", "/v3/admin/cs/config/beta", nil, "dataId", "a", "groupName", "g"))["data"].(map[string]any)
	if v3["createUser"] != nil || v3["type"] != nil || v3["grayName"] != "beta" {
		t.Errorf("over v3: %v", v3)
	}
}

func TestNoBetaIsStopped(t *testing.T) {
	w := startWeb(t, engines.New(t))
	w.want(w.do("DELETE", "/v1/cs/configs?beta=true&dataId=a&group=g", nil), 200, `{"code":500,"message":"remove beta data error","data":false}`)
	w.want(w.do("DELETE", "/v3/admin/cs/config/beta?dataId=a&groupName=g", nil), 200, `{"code":30000,"message":"remove beta data error","data":false}`)
	w.want(w.do("DELETE", "/v1/cs/configs?dataId=a&group=g&tag=no+tag", nil), 400, "caused: invalid tag : no tag;")
	w.want(w.do("DELETE", "/v1/cs/configs?dataId=a&group=g&tag=12345678901234567", nil), 400, "caused: too long tag, over 16;")
	w.want(w.do("DELETE", "/v1/cs/configs?dataId=a&group=g&tag=tag_1234567890123456", nil), 200, "true")
}

// What a change of a gray version replaced is the version of that name, however many
// changes of others came between.
func TestTheHistorySaysWhatAGrayVersionReplaced(t *testing.T) {
	w := startWeb(t, engines.New(t))
	const path = "/v1/cs/configs"
	name := []string{"dataId", "a", "group", "g"}
	w.want(w.do("POST", path, map[string]string{"betaIps": "10.0.0.1"}, append(name, "content", "beta", "appName", "shop", "desc", "d")...), 200, "true")
	w.want(w.do("POST", path, nil, append(name, "content", "formal")...), 200, "true")
	w.want(w.do("POST", path, nil, append(name, "content", "blue", "tag", "blue")...), 200, "true")
	w.do("DELETE", path, nil, append(name, "beta", "true")...)
	w.want(w.do("DELETE", path, nil, append(name, "tag", "tag_blue")...), 200, "true")
	list := func(pageNo, pageSize string) (items []any) {
		page := w.tree(w.do("GET", "/v1/cs/history", nil, append(name, "search", "accurate", "pageNo", pageNo, "pageSize", pageSize)...))
		return page["pageItems"].([]any)
	}
	const of = `{"gray_name":"beta","gray_rule":"{\"type\":\"beta\",\"version\":\"1.0.0\",\"expr\":\"10.0.0.1\",\"priority\":\"2147483647\"}"}`
	for _, item := range []any{list("1", "9")[1], list("2", "1")[0]} {
		ended := item.(map[string]any)
		if ended["grayName"] != "beta" || ended["appName"] != "shop" || ended["extInfo"] != of {
			t.Errorf("the end of the beta: %v", ended)
		}
	}
}

// The latest change of a config is one of the config, and that of a gray version one of it.
func TestTheLatestChangeIsOfWhatIsAskedFor(t *testing.T) {
	w := startWeb(t, engines.New(t))
	const path = "/v1/cs/configs"
	name := []string{"dataId", "a", "group", "g"}
	for _, publish := range [][]string{{"content", "1"}, {"content", "blue 1", "tag", "blue"}, {"content", "2"}, {"content", "blue 2", "tag", "blue"}} {
		w.want(w.do("POST", path, nil, append(name, publish...)...), 200, "true")
	}
	config := w.tree(w.do("GET", path, nil, append(name, "show", "all")...))["id"].(string)
	grays := w.tree(w.do("GET", "/v3/admin/cs/config/gray/list", nil, "dataId", "a", "groupName", "g"))["data"].([]any)
	gray := grays[0].(map[string]any)["id"].(string)
	for id, want := range map[string]string{config: "1", gray: "blue 1"} {
		if v := w.tree(w.do("GET", "/v1/cs/history/previous", nil, append(name, "id", id)...)); v["content"] != want || v["opType"] != "U         " {
			t.Errorf("latest of %s: %v, want what replaced %q", id, v, want)
		}
	}
}

func TestGrayVersionsByLabelAndPercentage(t *testing.T) {
	w := startWeb(t, engines.New(t))
	const path = "/v3/admin/cs/config"
	name := []string{"dataId", "a", "groupName", "g"}
	read := func() any {
		return w.tree(w.do("GET", "/v3/client/cs/config", nil, name...))["data"].(map[string]any)["content"]
	}
	w.want(w.do("POST", path, nil, append(name, "content", "formal", "type", "properties")...), 200, `{"code":0,"message":"success","data":true}`)
	half := append(name, "grayName", "half", "grayType", "percent")
	for _, c := range []struct{ share, want string }{{"100", "half"}, {"0", "formal"}} {
		w.want(w.do("POST", path+"/gray", nil, append(half, "grayRuleExp", c.share, "content", "half")...), 200, `{"code":0,"message":"success","data":true}`)
		if got := read(); got != c.want {
			t.Errorf("%s percent read %v", c.share, got)
		}
	}
	w.do("POST", path+"/gray", nil, append(name, "grayName", "mine", "grayType", "label", "grayRuleExp", "ClientIp=127.0.0.1", "grayPriority", "7", "content", "mine")...)
	if got := read(); got != "mine" {
		t.Errorf("by label: %v", got)
	}
	listed := w.tree(w.do("GET", path+"/gray/list", nil, name...))["data"].([]any)
	if len(listed) != 2 || listed[0].(map[string]any)["grayName"] != "mine" || listed[1].(map[string]any)["grayName"] != "half" {
		t.Errorf("listed %v", listed)
	}
	for _, bad := range [][]string{{"grayType", "moon", "grayRuleExp", "full"}, {"grayType", "percent", "grayRuleExp", "all"}, {"grayType", "label", "grayRuleExp", "env"}} {
		if a := w.do("POST", path+"/gray", nil, append(append(name, "grayName", "bad", "content", "x"), bad...)...); a.status != 400 {
			t.Errorf("%v: %d %q", bad, a.status, a.body)
		}
	}
	w.want(w.do("POST", path+"/gray/promote", nil, append(name, "grayName", "mine")...), 200, `{"code":0,"message":"success","data":true}`)
	promoted := w.do("GET", "/v1/cs/configs", map[string]string{"X-Forwarded-For": "10.0.0.1"}, "dataId", "a", "group", "g")
	w.want(promoted, 200, "mine")
	if promoted.header.Get("Config-Type") != "properties" {
		t.Errorf("promoted as %v", promoted.header)
	}
	w.want(w.do("DELETE", path+"/gray", nil, append(name, "grayName", "half")...), 200, `{"code":0,"message":"success","data":true}`)
	if a := w.do("POST", path+"/gray/promote", nil, append(name, "grayName", "half")...); a.status != 404 {
		t.Errorf("withdrawn, and promoted: %d %q", a.status, a.body)
	}
}

func TestAGrayReleaseIsPushedToItsClients(t *testing.T) {
	n := startNode(t, engines.New(t))
	writer := dial(t, n.addr, nil, false)
	blue := dial(t, n.addr, map[string]string{"app_Vipserver-Tag": "blue"}, false)
	other := dial(t, n.addr, nil, false)
	writer.publish("a", "formal", "")
	for _, c := range []*client{blue, other} {
		if changed := c.listen(true, "", "a", sum("formal")); len(changed) != 0 {
			t.Fatalf("changed %v", changed)
		}
	}
	var out wire.ConfigPublishResponse
	writer.call(&wire.ConfigPublishRequest{
		ConfigKey: wire.ConfigKey{DataID: "a", Group: "g"}, Content: "for blue", AdditionMap: map[string]string{"tag": "blue"},
	}, &out)
	if !out.OK() {
		t.Fatalf("publish: %+v", out)
	}
	if told := blue.next(); told.DataID != "a" {
		t.Fatalf("told %+v", told)
	}
	other.quiet()
	if r := blue.query("a"); r.Content != "for blue" || r.Beta {
		t.Errorf("blue reads %+v", r)
	}
	if r := other.query("a"); r.Content != "formal" {
		t.Errorf("others read %+v", r)
	}
	if changed := blue.listen(true, "", "a", sum("for blue")); len(changed) != 0 {
		t.Errorf("changed %v", changed)
	}
	var removed wire.ConfigRemoveResponse
	writer.call(&wire.ConfigRemoveRequest{ConfigKey: wire.ConfigKey{DataID: "a", Group: "g"}, Tag: "blue"}, &removed)
	if !removed.OK() {
		t.Fatalf("remove: %+v", removed)
	}
	if told := blue.next(); told.DataID != "a" {
		t.Fatalf("told %+v", told)
	}
	if r := blue.query("a"); r.Content != "formal" {
		t.Errorf("withdrawn, but blue reads %+v", r)
	}
	other.quiet()
}
